"""A whole data folder: everything that keeps a file, opened as the gateway does it, and what stands in it in plain words.

`python -m tests.support.folder` wrote tests/cases/folder_v1 once, with the first version: the same steps at the same times, only random
numbers (ids, salts, keys) differ. That folder stands for those that houses have; it is read by every later version and never written again.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import apsw.shell

from gateway import deadletter
from gateway.alerts import records
from gateway.alerts.desk import AlertDesk
from gateway.alerts.policy import PolicyBook
from gateway.core import Core
from gateway.frames import Frame
from gateway.health_record import HealthRecord
from gateway.histories import Histories
from gateway.identity import Identity
from gateway.intake import Intake, hashes_of
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.store import Database
from gateway.stream.runner import COMPONENTS as STREAM_COMPONENTS
from gateway.stream.runner import StreamRunner
from tests.support import ROOT

FIRST = ROOT / "tests" / "cases" / "folder_v1"
START_NS = 1_767_226_200_000_000_000  # 2026-01-01T00:10:00Z
NS_PER_S = 1_000_000_000
FILES = ("store", "identity", "stream", "journal/2026-01-01", "history", "ehr")
PLAIN = ("anxin.toml", "audit-checkpoints.ndjson")
KEY = "keys/audit.key"  # of nobody: made for this folder
PASSWORD = "correct horse 42 battery"


class StillClock:
    """Wall time stands until it is moved; waits take as long as they take."""

    def __init__(self, wall_ns: int = START_NS) -> None:
        self.wall_ns = wall_ns

    def now_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))

    def move(self, seconds: float) -> None:
        self.wall_ns += round(seconds * NS_PER_S)


@dataclass
class Whole:
    """All parts of a gateway that have files, and none of its doors."""

    data: Path
    clock: StillClock
    core: Core
    journal: Journal
    identity: Identity
    intake: Intake
    desk: AlertDesk
    runner: StreamRunner
    histories: Histories
    record: HealthRecord

    async def catch_up(self, within_s: float = 10.0) -> None:
        """Let all consumers of the journal come to its head, and write what they write on the way out."""
        works = {**self.histories.work(), **self.record.work(), "stream": self.runner.run(), "identity": self.identity.run()}
        tasks = {name: asyncio.create_task(work, name=name) for name, work in works.items()}
        try:
            for _ in range(round(within_s / 0.05)):
                if not self.behind():
                    break
                await asyncio.sleep(0.05)
            for task in tasks.values():
                if task.done():
                    task.result()
            if self.behind():
                raise TimeoutError(f"not at the journal's head: {self.behind()}")
            await asyncio.sleep(0.3)  # the health record's folder takes what is due
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def behind(self) -> dict[str, int]:
        """Consumers that are not at the head, with where they are."""
        last = self.journal.head - 1
        at = {"stream": self.runner.engine.offset, "feed": last if self.record.feed is None else self.record.feed.offset}
        return {name: offset for name, offset in at.items() if offset < last}


@asynccontextmanager
async def opened(data: Path, clock: StillClock) -> AsyncIterator[Whole]:
    """Open everything in the gateway's order; close it in reverse."""
    core = await asyncio.to_thread(Core.open, data, clock, Ops())
    journal = await Journal.open(data / "journal", core.writer, clock, core.ops)
    desk = AlertDesk(core.store, core.events, core.registry, clock, core.ops, PolicyBook(), channels=("hook",))
    stream = Database.open(data / "stream.sqlite", core.writer, components=STREAM_COMPONENTS)
    histories = await Histories.open(core.config.history, data, journal, core.writer, clock, core.ops)
    record = await asyncio.to_thread(HealthRecord.open, core, journal)
    identity = Identity.open(data / "identity.sqlite", core.writer, clock, core.ops)
    identity.catch_up(journal, hashes_of, core.store.read_sync(deadletter.numbered))
    try:
        yield Whole(
            data=data, clock=clock, core=core, journal=journal, identity=identity, desk=desk, histories=histories, record=record,
            intake=Intake(core.registry, journal, core.store, identity, clock, core.ops),
            runner=StreamRunner(journal, core.events, stream, desk.take, clock, core.ops),
        )  # fmt: skip
    finally:
        await identity.close()
        await record.close()
        await histories.close()
        await stream.close()
        await journal.close()
        await asyncio.to_thread(core.close)


# --- what stands in it -----------------------------------------------------------------------------------------------


def _named(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _registry(whole: Whole) -> dict[str, Any]:
    view = whole.core.registry.view
    return {
        "sites": {row.id: row.tz for row in view.sites.values()},
        "beds": {row.id: row.label for row in view.beds.values()},
        "residents": [
            {**_named(row, "id", "name", "status", "code", "merged_into"), "bed": row.place.bed_id} for row in view.residents.values()
        ],
        "devices": [_named(row, "id", "kind", "status", "quantities") for row in view.devices.values()],
        "bindings": [_named(row, "id", "device_id", "resident_id", "valid_from_ns", "valid_to_ns") for row in view.bindings.values()],
        "whose": {device: view.resident_of(device, START_NS + NS_PER_S) for device in view.devices},
        "limits": [_named(row, "id", "resident_id", "quantity", "high", "version") for row in view.limits.values()],
        "consents": [_named(row, "id", "resident_id", "grantee_id", "classes", "until_ns") for row in view.consents.values()],
        "staff": {row.id: row.channels for row in view.staff.values()},
        "rota": sorted(view.rota),
        "users": [_named(row, "id", "login", "role", "site_ids", "status") for row in view.users.values()],
    }


def _alerts(conn: apsw.Connection) -> list[dict[str, Any]]:
    names = (
        "id",
        "state",
        "version",
        "priority",
        "cause",
        "resident_id",
        "place",
        "count",
        "claimed_by",
        "outcome",
        "note",
        "silenced_until_ns",
    )
    found = [
        {**_named(view, *names), "steps": [row["kind"] for row in records.history(conn, view.id)]}
        for view in records.recent_alerts(conn, 100)
    ]
    return sorted(found, key=lambda row: str(row["id"]))


async def standing(whole: Whole) -> dict[str, Any]:
    """Everything that a later version must find again, as plain JSON."""
    core, journal = whole.core, whole.journal
    read = core.store.read
    blocks = journal.read_sync(1, 10_000)
    verdict = await read(core.audit.verify)
    found = {
        "registry": _registry(whole),
        "events": {"lineage": core.events.lineage, "head": core.events.head},
        "alerts": await read(_alerts),
        "outbox": await read(lambda conn: list(conn.execute("SELECT key, alert_id, recipient, state FROM outbox ORDER BY id"))),
        "audit": {"ok": verdict.ok, "rows": verdict.rows, "fault": verdict.fault},
        "letters": [_named(row, "id", "topic", "reason", "size", "t_ns") for row in await read(deadletter.listing)],
        "tokens": sorted(device for device, _ in core.tokens.mqtt_users()),
        "journal": {
            "lineage": journal.lineage, "head": journal.head, "ticks": sum(block.tick is not None for block in blocks),
            "values": [float(value) for block in blocks if block.readings is not None for value in block.readings.value],
            "frames": [
                (row.device, row.boot_id, row.seq, row.payload.decode())
                for block in blocks if block.readings is not None for row in block.readings.frames
            ],
        },
        "runs": sorted((run.device, run.boot_id, run.gaps) for run in await whole.identity.all_runs()),
    }  # fmt: skip
    if whole.histories.history is not None:
        line = await whole.histories.history.series("band-1", "hr", START_NS - 3600 * NS_PER_S, START_NS + 3600 * NS_PER_S)
        found["history"] = {"t_ms": [int(t) for t in line.t_ms], "value": [float(value) for value in line.value]}
    document: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return document


# --- on disk ---------------------------------------------------------------------------------------------------------


def dump(path: Path) -> str:
    """A database as SQL, without the comments that name a day and a host."""
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    out = io.StringIO()
    apsw.shell.Shell(stdout=out, db=conn).process_command(".dump")  # type: ignore[no-untyped-call]
    conn.close()
    return "".join(line for line in out.getvalue().splitlines(keepends=True) if not line.startswith("--"))


def pack(data: Path, target: Path) -> None:
    """Write a closed folder as text."""
    target.mkdir(parents=True)
    for name in FILES:
        (target / f"{name.replace('/', '-')}.sql").write_text(dump(data / f"{name}.sqlite"), encoding="utf-8")
    others = {name: (data / name).read_text(encoding="utf-8") for name in PLAIN}
    (target / "files.json").write_text(json.dumps({**others, KEY: (data / KEY).read_bytes().hex()}, indent=1), encoding="utf-8")


def unpack(source: Path, data: Path) -> None:
    """Make the folder again, with the rights that it had."""
    for name in ("", "journal", "keys"):
        (data / name).mkdir(mode=0o700)
    for name in FILES:
        path = data / f"{name}.sqlite"
        conn = apsw.Connection(str(path))
        conn.execute((source / f"{name.replace('/', '-')}.sql").read_text(encoding="utf-8"))
        conn.close()
        path.chmod(0o600)
    others = json.loads((source / "files.json").read_text(encoding="utf-8"))
    (data / KEY).write_bytes(bytes.fromhex(others.pop(KEY)))
    for name, text in others.items():
        (data / name).write_text(text, encoding="utf-8")
    for name in (KEY, *PLAIN):
        (data / name).chmod(0o600)


def frame(clock: StillClock, kind: str, device: str, seq: int, **more: Any) -> Frame:
    """A message as a device sends it."""
    body = {"v": 1, "device": device, "boot_id": "boot-1", "seq": seq, "t": None, **more}
    return Frame(
        channel="mqtt", topic=f"anxin/{kind}/{device}", payload=json.dumps(body).encode(), t_received_ns=clock.now_ns(), device=device
    )  # fmt: skip


if __name__ == "__main__":
    from tests.support.folder_story import live

    asyncio.run(live(Path(sys.argv[1])))
