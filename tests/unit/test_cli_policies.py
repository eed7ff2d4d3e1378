"""`anxin policy`, `anxin duty` and `anxin why RESIDENT --at`, on a data folder without a gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.alerts.desk import AlertDesk
from gateway.alerts.policy import PolicyBook
from gateway.cli.app import app
from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import org, residents
from gateway.vocabulary import SYSTEM, AlertKind, Finding, Phase, Priority

POLICY: dict[str, Any] = {
    "lane": "call", "site_id": "s", "steps": [{"delay_s": 0, "targets": [{"kind": "role", "id": "caregiver"}]}], "arrive_s": 60,
    "resolve_s": 300, "repeat_s": 30, "ack_timeout_s": 600, "recheck_s": 300, "silence_max_s": 120, "fallback_to_desk": False,
}  # fmt: skip
T_NS = 1_767_225_600_000_000_000 + 30_000_000_000  # 2026-01-01 08:00:30 in Shanghai


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    core = Core.open(tmp_path / "data", SystemClock(), Ops())
    try:
        do = core.registry.do_sync
        do(SYSTEM, org.set_site, name="Home", site_id="s")
        do(SYSTEM, org.set_bed, site="s", label="3-01", bed_id="b")
        do(SYSTEM, residents.admit, name="王淑华", bed="b", resident_id="wang", code="R01")
        do(SYSTEM, org.set_staff, name="李静", role="caregiver", staff_id="li")
        days = [0, 1, 2, 3, 4, 5, 6]
        do(SYSTEM, org.set_rota, site="s", staff="li", role="caregiver", weekdays=days, start="07:00", end="19:00")
        desk = AlertDesk(core.store, core.events, core.registry, FixedClock(), core.ops, PolicyBook())
        asyncio.run(desk.take([call()]))
    finally:
        core.close()
    return tmp_path / "data"


class FixedClock(SystemClock):
    def now_ns(self) -> int:
        return T_NS


def call() -> Finding:
    return Finding(
        id="f", phase=Phase.START, rule="call.sos", rule_version=1, cause="call.sos", kind=AlertKind.CALL, priority=Priority.HIGH,
        resident="wang", device=None, onset_offset=1, onset_ns=T_NS, offset=1, t_ns=T_NS, latched=True,
    )  # fmt: skip


def run(folder: Path, *words: str, code: int = 0, lang: str = "en", plain: bool = False) -> Any:
    form = () if plain else ("--json",)
    result = CliRunner().invoke(app, ["--data", str(folder), "--lang", lang, *form, *words])
    assert result.exit_code == code, result.output
    if plain:
        return result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return lines[0] if lines else None


def write(folder: Path, **changes: Any) -> str:
    path = folder.parent / "policy.json"
    path.write_text(json.dumps({**POLICY, **changes}), encoding="utf-8")
    return str(path)


@pytest.mark.timeout(30)
def test_a_policy_is_checked_shown_saved_and_withdrawn(folder: Path) -> None:
    (report,) = run(folder, "policy", "check", write(folder), code=1)
    assert (report["ok"], len(report["dead_ends"]) in (7, 8)) == (False, True)
    refused = run(folder, "policy", "set", "ward", write(folder), code=1)
    assert (refused["saved"], refused["dead_ends"]) == (False, report["dead_ends"])
    shown = run(folder, "policy", "check", write(folder), code=1, plain=True, lang="zh")
    assert "无人" in shown
    good = write(folder, fallback_to_desk=True)
    assert run(folder, "policy", "set", "ward", good)["version"] == 1
    assert "version 2" in run(folder, "policy", "set", "ward", good, plain=True)
    found = run(folder, "policy", "show")
    assert [(row["id"], row["version"]) for row in found["policies"]] == [("ward", 2)]
    assert "0s caregiver" in run(folder, "policy", "show", plain=True)
    in_force = {row["policy"]: row for row in run(folder, "policy", "check")}
    assert in_force["ward"]["ok"]
    assert (in_force["default.call"]["ok"], in_force["default.call"]["unstaffed"]) == (True, ["nurse"])
    run(folder, "policy", "end", "ward")
    assert run(folder, "policy", "show")["policies"] == []
    run(folder, "policy", "end", "ward", code=1)
    run(folder, "policy", "check", "no-such.json", code=2)


@pytest.mark.timeout(30)
def test_why_for_a_residents_minute_and_who_was_on_duty(folder: Path) -> None:
    found = run(folder, "why", "R01", "--at", "2026-01-01 08:00")
    (alert,) = found["alerts"]
    assert (alert["view"]["cause"], [row["kind"] for row in alert["happened"]]) == ("call.sos", ["raised"])
    assert [(row["recipient"], row["told"], row["reason"]) for row in alert["told"]] == [
        ("li", False, "no_channel"), ("desk", True, "nobody_reachable"),
    ]  # fmt: skip
    assert run(folder, "why", "wang", "--at", "2026-01-01T00:01:00+00:00")["alerts"][0]["happened"] == [], "it stood, and nothing happened"
    assert run(folder, "why", "R01", "--at", "2026-01-01 07:59")["alerts"] == []
    said = run(folder, "why", "R01", "--at", "2026-01-01 08:00", plain=True)
    assert "call.sos" in said
    assert "nobody_reachable" in said
    run(folder, "why", "nobody", "--at", "2026-01-01 08:00", code=1)
    run(folder, "why", "R01", "--at", "yesterday", code=1)
    told = run(folder, "why", alert["id"])
    assert len(told["told"]) == 2
    assert [row["staff"] for row in run(folder, "duty", "--at", "2026-01-01 12:00")] == ["li"]
    assert run(folder, "duty", "--at", "2026-01-01 22:00") == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_fresh_house_without_a_nurse_is_told_what_to_do_and_nothing_fails(folder: Path, lang: str) -> None:
    said = run(folder, "policy", "check", lang=lang, plain=True)
    assert ("还没有“nurse”" if lang == "zh" else "nobody in the rota is nurse yet") in said.replace("\n", "")
    reports = run(folder, "policy", "check")
    assert all(report["ok"] and report["unstaffed"] == ["nurse"] for report in reports)
    # Who writes a policy of one's own has to name a role that somebody has.
    path = write(folder, steps=[{"delay_s": 0, "targets": [{"kind": "role", "id": "nurse"}]}], fallback_to_desk=True)
    (own,) = run(folder, "policy", "check", path, code=1)
    assert own["errors"] == ["steps.0.targets: role nurse is not known"]
