"""Commands without a running gateway: done on the folder itself, or refused in words that say what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from gateway.cli.here import do_here
from gateway.cli.say import WRONG, Voice
from gateway.clock import SystemClock
from gateway.core import Core
from gateway.office import JOBS
from gateway.ops import Ops
from tests.support import ROOT

USED = {
    job
    for path in sorted((ROOT / "gateway" / "cli").glob("*.py"))
    for job in re.findall(r'\bdo\(\s*voice,\s*"([a-z._]+)"', path.read_text())
}
NEEDS_THE_GATEWAY = {"status", "deadletter.retry", "drill", "pair.begin", "pair.cancel", "pair.state", "pair.type"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("office") / "data"
    path.mkdir()
    (path / "anxin.toml").write_text("[journal]\nballast_mib = 1\n")
    Core.open(path, SystemClock(), Ops()).close()
    return path


def test_every_job_of_the_command_line_is_known_or_needs_the_gateway() -> None:
    assert len(USED) > 15, "the search finds them"
    assert USED - JOBS.keys() == NEEDS_THE_GATEWAY


@pytest.mark.parametrize("job", sorted(NEEDS_THE_GATEWAY))
@pytest.mark.parametrize(("lang", "words"), [("zh", "需要正在运行的网关"), ("en", "needs the running gateway")])
def test_what_needs_the_gateway_says_so(folder: Path, capsys: pytest.CaptureFixture[str], job: str, lang: str, words: str) -> None:
    with pytest.raises(typer.Exit) as ended:
        do_here(Voice(folder, json=False, lang=lang), job, {"id": 1, "lang": lang})
    assert ended.value.exit_code == WRONG
    said = capsys.readouterr().err
    assert words in said
    assert "anxin run" in said


def test_the_ledger_of_an_empty_folder(folder: Path) -> None:
    found = do_here(Voice(folder, json=True, lang="en"), "ledger", {"lang": "en"})
    assert found["devices"] == []
    assert found["total"]["received"] == 0


def test_what_is_entered_of_a_device_is_kept_and_its_key_is_not_shown(folder: Path) -> None:
    facts = {"ble_address": "C0:11:22:33:44:55", "bthome_key": "231d39c1d7cc1ab1aee224cd096db932"}
    found = do_here(Voice(folder, json=True, lang="en"), "devices.know", {"device": "button-3", "facts": facts, "new": True, "lang": "en"})
    assert found == {"device": "button-3", "known": ["ble_address", "bthome_key"]}
    do_here(Voice(folder, json=True, lang="en"), "devices.know", {"device": "button-3", "facts": {"bthome_calls": "none"}, "lang": "en"})
    core = Core.open(folder, SystemClock(), Ops())
    try:
        assert core.registry.view.devices["button-3"].facts == {**facts, "bthome_calls": "none"}
    finally:
        core.close()
