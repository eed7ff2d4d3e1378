"""The folder of NDJSON: each version of each resource once, whenever the process is killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.ehr.base import outbox
from gateway.ehr.feed import vitals
from gateway.ehr.targets.folder import FolderTarget
from gateway.vocabulary import Origin
from tests.ehr.rig import Rig, alert_items, rig, two_hundred_vitals
from tests.ehr.support import START_NS, block

pytestmark = pytest.mark.timeout(60)


def target(folder: Path, valid: dict[str, int] | None = None) -> FolderTarget:
    return FolderTarget("folder", folder / "out", {} if valid is None else valid, SystemClock())


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted((folder / "out").glob(f"*/{kind}.ndjson")):
        found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return found


async def reopened(one: Rig, folder: Path) -> FolderTarget:
    return target(folder, await one.db.read(lambda conn: FolderTarget.load(conn, "folder")))


async def test_lines_refer_to_each_other(tmp_path: Path) -> None:
    async with rig(tmp_path, target=target(tmp_path)) as one:
        await one.put([*two_hundred_vitals(count=40), *alert_items(("raised",))])
        assert await one.drain() == {"done": 43}
        await one.put(alert_items(("raised", "claimed")))
        assert await one.drain() == {"done": 43}
    known = {f"{kind}/{each['id']}" for kind in ("Patient", "Device", "DetectedIssue") for each in lines(tmp_path, kind)}
    for kind in ("Observation", "DetectedIssue", "Task", "Communication"):
        for each in lines(tmp_path, kind):
            assert references(each) <= known
    assert len(lines(tmp_path, "Observation")) == 40
    assert [each["status"] for each in lines(tmp_path, "Task")] == ["requested", "accepted"]
    assert len({each["id"] for each in lines(tmp_path, "Task")}) == 1
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "out").glob("*/Observation.ndjson")] == [0o600]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {part for name, part in value.items() if name == "reference"} | {one for part in value.values() for one in references(part)}
    return {one for part in value for one in references(part)} if isinstance(value, list) else set()


async def test_simulated_data_say_so(tmp_path: Path) -> None:
    async with rig(tmp_path, target=target(tmp_path)) as one:
        for number, origin in enumerate(Origin):
            await one.put(vitals.items_of(block([("dev-1", "temp", 37.0, START_NS)], origin=origin, first_seq=number), one.view))
        await one.drain()
    labels = [[label["code"] for label in each.get("meta", {}).get("security", [])] for each in lines(tmp_path, "Observation")]
    assert labels == [[], ["HTEST"], ["HTEST"], [], ["HTEST"]]


async def test_what_was_not_committed_is_cut_off(tmp_path: Path) -> None:
    async with rig(tmp_path, target=target(tmp_path)) as one:
        await one.put(two_hundred_vitals(count=20))
        await one.drain()
        [path] = (tmp_path / "out").glob("*/Observation.ndjson")
        with path.open("ab") as out:
            out.write(b'{"resourceType":"Observation","torn')
        other = Rig(one.db, await reopened(one, tmp_path), SystemClock(), one.ops, one.sender_options)
        await other.put(two_hundred_vitals(count=30))
        assert await other.drain() == {"done": 30}
    assert len(lines(tmp_path, "Observation")) == 30


async def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    async with rig(tmp_path, target=target(tmp_path)) as one:
        await one.put(two_hundred_vitals(count=4))
        await one.drain()
        [path] = (tmp_path / "out").glob("*/Observation.ndjson")
        before = path.read_bytes()
    (tmp_path / "ehr.sqlite").unlink()
    async with rig(tmp_path, target=target(tmp_path)) as one:
        await one.put(two_hundred_vitals(count=4))
        await one.drain()
    assert path.read_bytes() == before
    assert len(path.with_name("Observation-2.ndjson").read_text().splitlines()) == 4


async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way of the folder")
    async with rig(tmp_path, target=target(tmp_path)) as one:
        await one.put(two_hundred_vitals(count=4))
        for _ in range(3):
            await one.sender.round()
        assert [fault.code for fault in one.ops.faults()] == ["ehr.down"]
        (tmp_path / "out").unlink()
        assert await one.drain() == {"done": 4}
        assert one.ops.faults() == ()


async def test_days_that_are_too_old_go(tmp_path: Path) -> None:
    (tmp_path / "out" / "2020-01-01").mkdir(parents=True)
    (tmp_path / "out" / "others").mkdir()
    async with rig(tmp_path, target=target(tmp_path)) as one:
        await one.put(two_hundred_vitals(count=4))
        await one.drain()
        assert (await one.db.read(outbox.counts))["folder"] == {"done": 4}
    assert sorted(path.name for path in (tmp_path / "out").iterdir())[1:] == ["others"]
