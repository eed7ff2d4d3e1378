"""From the journal and the events to the outbox: what goes, under which name, once, and to whom after a correction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devices.model import Quality
from gateway import events as event_log
from gateway.clock import SystemClock
from gateway.ehr.base import outbox
from gateway.ehr.base.items import ItemKind
from gateway.ehr.base.outbox import Address
from gateway.ehr.feed import vitals
from gateway.ehr.feed.runner import Feed, FeedOptions
from gateway.events import Events
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.readings import Mark, ReadingBlock
from gateway.store import Database, Writer, cursor
from gateway.vocabulary import Origin
from tests.ehr.support import START_NS, block, registry, view_of
from tests.support.blocks import make_block

S = 1_000_000_000
VIEW = view_of({"dev-1": "R1", "dev-2": "R2"})
ADDRESSES = (Address(name="folder", real=False), Address(name="emr", real=True))


pytestmark = pytest.mark.timeout(30)


def kinds(made: ReadingBlock) -> Counter[tuple[str, str]]:
    return Counter((item.kind.value, item.record["q"]) for item in vitals.items_of(made, VIEW))


def test_minutes_and_singles() -> None:
    rows = [("dev-1", "hr", 60.0 + number, START_NS + number * S) for number in range(120)]
    rows += [
        ("dev-1", "temp", 36.6, START_NS),
        ("dev-2", "hr", 70.0, START_NS),
        ("dev-1", "battery", 80.0, START_NS),
        ("dev-1", "call.sos", 1.0, START_NS),
    ]
    items = vitals.items_of(block(rows), VIEW)
    minutes = [(item.device, item.record["n"], item.record["min"], item.record["max"], item.record["sum"]) for item in items if item.due_ns]
    assert minutes == [("dev-1", 60, 60.0, 119.0, 5370.0), ("dev-1", 60, 120.0, 179.0, 8970.0), ("dev-2", 1, 70.0, 70.0, 70.0)]
    assert sorted(item.record["q"] for item in items if item.kind is ItemKind.READING) == ["call.sos", "temp"]


def test_pressures_of_one_frame_are_one() -> None:
    rows = [("dev-1", key, value, START_NS) for key, value in (("sbp", 121.0), ("dbp", 79.0), ("map", 93.0), ("pulse", 70.0))]
    (panel,) = [item for item in vitals.items_of(block(rows, one_frame=True, mark=Mark.STORED), VIEW) if item.record["q"] == "bp"]
    assert panel.record["parts"] == {"sbp": [121.0, 0], "dbp": [79.0, 0], "map": [93.0, 0]}
    [pulse] = [item for item in vitals.items_of(block(rows, one_frame=True, mark=Mark.STORED), VIEW) if item.record["q"] == "pulse"]
    assert pulse.record["cuff"] is True
    twice = [*rows[:2], *[(device, key, value, START_NS + 60 * S) for device, key, value, _ in rows[:2]]]
    assert len({item.key for item in vitals.items_of(block(twice, one_frame=True), VIEW)}) == 2


def test_a_meal_stands_beside_its_glucose() -> None:
    rows = [("dev-1", "glucose", 5.6, START_NS), ("dev-1", "meal_context", 3.0, START_NS)]
    [item] = vitals.items_of(block(rows, one_frame=True), VIEW)
    assert item.record["meal"] == 3
    assert kinds(block(rows)) == {("reading", "glucose"): 1, ("reading", "meal_context"): 1}


@pytest.mark.parametrize(
    ("mark", "quality", "left"),
    [
        (Mark.NONE, 0, 2), (Mark.RETAINED, 0, 0), (Mark.FUTURE | Mark.STORED, 0, 0), (Mark.STORED | Mark.BAD_CLOCK, 0, 0),
        (Mark.STORED | Mark.UNCLOCKED, 0, 0), (Mark.STORED, 0, 2), (Mark.UNCLOCKED, 0, 2), (Mark.BAD_CLOCK, 0, 2), (Mark.LATE, 0, 2),
        (Mark.NONE, int(Quality.CONTROL_SOLUTION), 0), (Mark.TEST, 0, 2),
    ],
)  # fmt: skip
def test_what_never_leaves(mark: Mark, quality: int, left: int) -> None:
    items = vitals.items_of(
        block([("dev-1", "glucose", 5.6, START_NS), ("dev-1", "spo2", 97.0, START_NS)], mark=mark, quality=quality), VIEW
    )
    assert len(items) == left
    assert all(item.real is not bool(mark & Mark.TEST) for item in items)


def test_names_are_made_of_what_was_received() -> None:
    one = block([("dev-1", "temp", 36.6, START_NS)])
    [item] = vitals.items_of(one, VIEW)
    moved = replace(one, t_measured_ns=one.t_measured_ns + 5 * S, value=one.value + 1, t_received_ns=one.t_received_ns + 9)
    assert vitals.items_of(moved, VIEW)[0].key == item.key  # a better clock offset, a repaired decoder, a later arrival
    frame = replace(one.frames[0], t_received_ns=START_NS + 77 * S, topic="other", channel="http")
    assert vitals.items_of(replace(one, frames=(frame,)), VIEW)[0].key == item.key  # numbered: the same through every door
    for other in (replace(frame, seq=1), replace(frame, boot_id="b2"), replace(frame, payload=b"x"), replace(frame, device="dev-2")):
        assert vitals.items_of(replace(one, frames=(other,)), VIEW)[0].key != item.key
    bare = replace(frame, boot_id=None, seq=None)
    assert (
        vitals.items_of(replace(one, frames=(replace(bare, t_received_ns=1),)), VIEW)[0].key
        == vitals.items_of(replace(one, frames=(bare,)), VIEW)[0].key
    )
    timeless = replace(bare, t_device_ns=None)
    assert vitals.frame_name(timeless) != vitals.frame_name(replace(timeless, t_received_ns=1))  # the same bytes twice are two readings


def test_any_block_gives_unique_names_and_valid_records() -> None:
    import random

    from gateway.ehr.base.items import dump

    for seed in range(30):
        made = make_block(random.Random(seed), 300, frames=40)
        items = vitals.items_of(made, VIEW)
        singles = [item.key for item in items if item.kind is ItemKind.READING]
        assert len(singles) == len(set(singles))
        assert all(dump(item.record) for item in items)


# --- the runner


class House:
    """A journal, a store with events, an outbox, and a feed over them."""

    def __init__(self, folder: Path, journal: Journal, store: Database, events: Events, db: Database, ops: Ops) -> None:
        self.folder, self.journal, self.store, self.events, self.db, self.ops = folder, journal, store, events, db, ops

    async def say(self, rows: Sequence[Any]) -> None:
        for row in rows:
            await self.store.write(
                partial(event_log.append, kind=row.kind, subject=row.subject, actor=row.actor, body=row.body, t_ns=row.t_ns)
            )

    async def feed(self, upto: int | None = None) -> Feed:
        """Run a feed until it has taken everything."""

        async def told(_offset: int) -> list[dict[str, str]]:
            return [{"id": "P-li", "name": "Li"}]

        made = Feed(self.journal, self.events, self.db, ADDRESSES, told, SystemClock(), self.ops, FeedOptions(flush_s=0.0))
        running = asyncio.ensure_future(made.run())
        for _ in range(300):
            await asyncio.sleep(0.01)
            at = await self.db.read(lambda conn: cursor.get(conn, "journal"))
            if at is not None and at[1] == self.journal.head - 1:
                break
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return made

    async def table(self, sql: str) -> list[tuple[Any, ...]]:
        return await self.db.read(lambda conn: list(conn.execute(sql)))


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops, group_window_s=0.001)
    writer.start()
    store = Database.open(folder / "store.sqlite", writer, components=(event_log.COMPONENT,))
    events = Events(store, clock)
    db = Database.open(folder / "ehr.sqlite", writer, components=outbox.COMPONENTS)
    journal = await Journal.open(folder / "journal", writer, clock, ops)
    try:
        yield House(folder, journal, store, events, db, ops)
    finally:
        await journal.close()
        events.close()
        await db.close()
        await store.close()
        writer.close()


def minute_rows(device: str, start: int, count: int) -> list[tuple[str, str, float, int]]:
    return [(device, "hr", 60.0 + number % 10, START_NS + number * S) for number in range(start, start + count)]


async def test_every_reading_once_over_restarts(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.say(registry({"dev-1": "R1"}))
        await one.journal.tick(START_NS, one.events.head)
        for part in range(12):  # a restart after every ten seconds
            await one.journal.append(
                block([*minute_rows("dev-1", part * 10, 10), ("dev-1", "temp", 36.6, START_NS + part)], first_seq=part * 20)
            )
            await one.feed()
        assert await one.table("SELECT count(*), sum(record ->> 'n'), sum(record ->> 'sum') FROM item WHERE kind = 'summary'") == [
            (2, 120, 7740.0)
        ]
        assert await one.table("SELECT count(*), count(DISTINCT key) FROM item WHERE kind = 'reading'") == [(12, 12)]
        assert await one.table("SELECT count(*) FROM delivery d JOIN item i ON i.id = d.item WHERE i.kind = 'summary'") == [
            (0,)
        ]  # not complete yet
        await one.journal.tick(START_NS + 200 * S, one.events.head)
        await one.feed()
        assert await one.table("SELECT target, count(*) FROM delivery GROUP BY target") == [("emr", 14), ("folder", 14)]


async def test_late_readings_amend_their_minute(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.say(registry({"dev-1": "R1"}))
        await one.journal.tick(START_NS, one.events.head)
        await one.journal.append(block(minute_rows("dev-1", 0, 30)))
        await one.journal.tick(START_NS + 100 * S, one.events.head)
        await one.feed()
        await one.db.write(lambda conn: conn.execute("UPDATE delivery SET state = 'done', sent_version = 1"))
        await one.journal.append(block(minute_rows("dev-1", 30, 5), first_seq=30))
        await one.feed()
        assert await one.table("SELECT version, record ->> 'n' FROM item") == [(2, 35)]
        assert await one.table("SELECT state, swap FROM delivery") == [("pending", 1)] * 2


async def test_a_corrected_binding_moves_what_was_sent(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        rows = registry({"dev-1": "R1", "dev-2": "R2"})
        await one.say(rows)
        await one.journal.tick(START_NS, one.events.head)
        await one.journal.append(block([("dev-1", "temp", 36.0 + n / 10, START_NS + n * S) for n in range(4)]))
        await one.journal.tick(START_NS + 5 * S, one.events.head)
        await one.feed()
        await one.db.write(lambda conn: conn.execute("UPDATE delivery SET state = 'done', sent_version = 1 WHERE target = 'folder'"))
        at_ns = START_NS + 2 * S  # from then on it was R2's
        ended = {"id": "B-dev-1", "device_id": "dev-1", "resident_id": "R1", "valid_to_ns": at_ns, "reason": "mixed up"}
        new = {"id": "B-new", "device_id": "dev-1", "resident_id": "R2", "place": None, "valid_from_ns": at_ns, "valid_to_ns": None}
        await one.say([replace(rows[-1], kind="binding.ended", body=ended), replace(rows[-1], kind="binding.set", body=new)])
        await one.journal.tick(START_NS + 6 * S, one.events.head)
        await one.feed()
        found = await one.table("SELECT resident, retracted, count(*) FROM item WHERE kind = 'reading' GROUP BY 1, 2 ORDER BY 1, 2")
        assert found == [("R1", 0, 2), ("R1", 1, 2), ("R2", 0, 2)]
        sql = (
            "SELECT d.target, i.resident, d.state, d.swap, count(*) FROM delivery d JOIN item i ON i.id = d.item"
            " WHERE i.kind = 'reading' GROUP BY 1, 2, 3, 4"
        )
        found = await one.table(sql)
        assert found == [
            ("emr", "R1", "pending", 0, 2), ("emr", "R2", "pending", 0, 2),  # nothing had left for it: nothing to take back
            ("folder", "R1", "done", 0, 2), ("folder", "R1", "pending", 1, 2), ("folder", "R2", "pending", 0, 2),
        ]  # fmt: skip
        sql = "SELECT d.target, count(*) FROM delivery d JOIN item i ON i.id = d.item WHERE i.kind = 'correction' GROUP BY 1"
        assert await one.table(sql) == [("folder", 2)]


async def test_nobodys_readings_wait_for_their_person(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        rows = registry({"dev-1": "R1"})
        await one.say(rows[:-1])
        await one.journal.tick(START_NS, one.events.head)
        await one.journal.append(block([("dev-1", "temp", 36.6, START_NS), ("dev-1", "spo2", 97.0, START_NS)]))
        await one.journal.tick(START_NS + 100 * S, one.events.head)
        await one.feed()
        assert await one.table("SELECT count(*) FROM delivery") == [(0,)]
        await one.say(rows[-1:])
        await one.journal.tick(START_NS + 101 * S, one.events.head)
        await one.journal.tick(START_NS + 102 * S, one.events.head)
        await one.feed()
        assert await one.table("SELECT resident, count(*) FROM item GROUP BY 1") == [("R1", 2)]
        assert await one.table("SELECT count(*) FROM delivery") == [(4,)]


async def test_origins_reach_only_their_targets(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.say(registry({"dev-1": "R1"}))
        await one.journal.tick(START_NS, one.events.head)
        for number, origin in enumerate(Origin):
            await one.journal.append(block([("dev-1", "temp", 36.6, START_NS)], origin=origin, first_seq=number))
        await one.journal.tick(START_NS + S, one.events.head)
        await one.feed()
        found = await one.table("SELECT d.target, count(*) FROM delivery d JOIN item i ON i.id = d.item GROUP BY 1")
        assert found == [("emr", 1), ("folder", 5)]


async def test_pruning(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.say(registry({"dev-1": "R1"}))
        await one.journal.tick(START_NS, one.events.head)
        await one.journal.append(block([*minute_rows("dev-1", 0, 1), *[("dev-1", "temp", 36.6, START_NS + n * 61 * S) for n in range(10)]]))
        await one.journal.tick(START_NS + 100 * S, one.events.head)
        await one.feed()

        def count() -> list[tuple[int]]:
            return one.db.read_sync(lambda conn: list(conn.execute("SELECT count(*) FROM item")))

        assert count() == [(11,)]
        assert await one.db.write(lambda conn: outbox.prune(conn, 2**62, 10)) == (0, 1)  # pending readings stay, the oldest minute goes
        await one.db.write(lambda conn: conn.execute("UPDATE delivery SET state = 'done' WHERE item % 2 = 0"))
        assert await one.db.write(lambda conn: outbox.prune(conn, 0, 8)) == (2, 0)  # too many: what is settled goes, nothing is shed
        assert await one.db.write(lambda conn: outbox.prune(conn, 2**62, 100)) == (3, 0)  # too old
        assert count() == [(5,)]
