"""The health record in the gateway: its configuration, its commands, its words, and the whole way under kill -9."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dashboards.pages.words import words
from gateway import health_record
from gateway.cli.app import app
from gateway.clock import SystemClock
from gateway.config import ConfigError, parse
from gateway.core import Core
from gateway.health_record import HealthRecord, describe
from gateway.journal import Journal
from gateway.ops import Ops
from tests.ehr.children import CONTEXT, whole_way
from tests.ehr.support import START_NS, block, registry, view_of
from tests.ehr.test_feed import S, house, minute_rows
from tests.ehr.test_folder import lines
from tests.support import ROOT, fresh_seed

pytestmark = pytest.mark.timeout(60)


def test_every_fault_has_words() -> None:
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "gateway" / "ehr").rglob("*.py"))]
    codes = {code for source in sources for code in re.findall(r'"(ehr\.[a-z]+)"', source)}
    assert len(codes) >= 7
    assert sorted(code for code in codes if f"fault.{code}" not in words("zh")) == ["ehr.items"]  # a counter


def write_config(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "anxin.toml").write_text(text, encoding="utf-8")
    return folder


async def opened(folder: Path) -> list[str]:
    """Names of what would run."""
    core = await asyncio.to_thread(Core.open, folder, SystemClock(), Ops())
    journal = await Journal.open(folder / "journal", core.writer, core.clock, core.ops)
    try:
        record = await asyncio.to_thread(HealthRecord.open, core, journal)
        work = record.work()
        for one in work.values():
            one.close()
        handlers = record.handlers()
        assert set(handlers) == ({"ehr.status", "ehr.send", "ehr.deadletter"} if work else set())
        if handlers:
            assert (await handlers["ehr.status"]({}))["targets"] == {}
            assert await handlers["ehr.send"]({}) == {"again": 0}
        await record.close()
        return sorted(work)
    finally:
        await journal.close()
        await asyncio.to_thread(core.close)


async def test_what_the_configuration_names_runs(tmp_path: Path) -> None:
    assert await opened(tmp_path / "default") == ["ehr", "ehr.folder"]
    off = write_config(tmp_path / "off", "[ehr]\nenabled = false\n")
    assert await opened(off) == []
    two = '[ehr.targets.here]\ntype = "folder"\n[ehr.targets.emr]\ntype = "fhir"\nurl = "http://127.0.0.1:9/fhir"\n'
    both = write_config(tmp_path / "both", two)
    assert await opened(both) == ["ehr", "ehr.emr", "ehr.here"]


@pytest.mark.parametrize(
    ("text", "named"),
    [('[ehr.targets.x]\ntype = "ftp"\n', "ehr.targets.x.type"), ('[ehr.targets.x]\ntype = "fhir"\n', "ehr.targets.x.url"),
     ('[ehr.targets.x]\ntype = "folder"\nurl = "y"\n', "ehr.targets.x.url")],
)  # fmt: skip
async def test_a_wrong_target_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        await opened(write_config(tmp_path / "x", text))


def test_unknown_keys_are_named() -> None:
    with pytest.raises(ConfigError, match=r"ehr\.namespac"):
        parse({"ehr": {"namespac": "x"}}, "x")


def test_simulated_people_say_so() -> None:
    view = view_of({"dev-1": "R1"})
    assert describe(view, "Patient", "R1", START_NS)["test"] is False
    view.devices["dev-1"] = view.devices["dev-1"].__class__(id="dev-1", origin=1)
    assert describe(view, "Patient", "R1", START_NS)["test"] is True
    assert describe(view, "Device", "dev-1", START_NS)["test"] is True
    assert describe(view, "Patient", "nobody", START_NS) == {}


async def test_commands_without_a_running_gateway(tmp_path: Path) -> None:
    await opened(tmp_path / "data")

    def ask(*words: str) -> Any:
        done = CliRunner().invoke(app, ["--data", str(tmp_path / "data"), "--json", "ehr", *words])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert await asyncio.to_thread(ask, "status") == {"targets": {}}
    assert await asyncio.to_thread(ask, "deadletter") == []
    assert await asyncio.to_thread(ask, "send", "--dead") == {"again": 0}
    assert (tmp_path / "data" / health_record.FILE_NAME).exists()


def run(folder: Path, after_s: float | None) -> bool:
    """The whole way, killed so long after it is up (None = not at all); whether it came to its end."""
    ready = CONTEXT.Event()
    child = CONTEXT.Process(target=whole_way, args=(str(folder), ready))
    child.start()
    assert ready.wait(20)
    child.join(after_s)
    child.kill()
    child.join()
    return child.exitcode == 0


@pytest.mark.crash
async def test_the_whole_way_under_kill(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        thermometers = [f"dev-{n}" for n in range(2, 12)]
        await one.say(registry({"dev-1": "R1"} | dict.fromkeys(thermometers, "R2")))
        await one.journal.tick(START_NS, one.events.head)
        for part in range(20):  # more than a minute apart: each reading goes by itself
            temperatures = [(device, "temp", 36.0 + part / 10, START_NS + part * 61 * S) for device in thermometers]
            rows = [*minute_rows("dev-1", part * 30, 30), *temperatures]
            await one.journal.append(block(rows, first_seq=part * 50))
            await one.journal.tick(START_NS + (part * 30 + 29) * S, one.events.head)
        await one.journal.tick(START_NS + 1300 * S, one.events.head)
    rng = random.Random(fresh_seed())
    kills = 0
    for _ in range(6):
        kills += not await asyncio.to_thread(run, tmp_path, rng.uniform(0.02, 1.0))
    print(f"killed {kills} times")
    assert await asyncio.to_thread(run, tmp_path, None)
    seen = lines(tmp_path, "Observation")
    assert set(Counter(each["id"] for each in seen).values()) == {1}
    minutes = [each for each in seen if "effectivePeriod" in each]
    assert (len(seen), len(minutes)) == (210, 10)
    assert {component["valueInteger"] for each in minutes for component in each["component"] if "valueInteger" in component} == {60}
