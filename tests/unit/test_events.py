from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway import events
from gateway.events import Events
from gateway.ops import Ops
from gateway.store import Database, Lane, Writer
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def log(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Events]:
    writer = Writer(clock, Ops(), group_window_s=0)
    writer.start()
    db = Database.open(tmp_path / "store.sqlite", writer, (events.COMPONENT,))
    log = Events(db, clock)
    yield log
    log.close()
    await db.close()
    writer.close()


async def put(log: Events, kind: str = "test.kind", subject: str = "s", lane: Lane = Lane.GROUP, body: dict[str, Any] | None = None) -> int:
    def unit(conn: apsw.Connection) -> int:
        return events.append(conn, kind=kind, subject=subject, actor="system", body=body or {}, t_ns=7)

    return await log._db.write(unit, lane=lane)


async def test_offsets_are_dense_from_one_whatever_fails(log: Events) -> None:
    def broken(conn: apsw.Connection) -> None:
        events.append(conn, kind="k", subject="s", actor="a", body={}, t_ns=1)
        raise KeyError("changed its mind")

    assert log.head == 0
    for expected in range(1, 6):
        assert await put(log) == expected
        assert log.head == expected, "the head is right when the write returns"
        with pytest.raises(KeyError):
            await log._db.write(broken)
    writes = await asyncio.gather(*(put(log, lane=Lane.NOW if number % 3 else Lane.GROUP) for number in range(100)))
    assert sorted(writes) == list(range(6, 106))
    assert [row.offset for row in log.read_sync(0)] == list(range(1, 106))


async def test_what_is_read_is_what_was_written(log: Events) -> None:
    body = {"name": "王秀英", "limits": {"low": 50, "high": None}, "list": [1, 2.5, True, "\x00\u2028"]}
    await put(log, "resident.admitted", "r1", body=body)
    [row] = await log.read(0)
    assert (row.offset, row.t_ns, row.kind, row.subject, row.actor) == (1, 7, "resident.admitted", "r1", "system")
    assert row.body == body


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", "\ud800"])
async def test_a_body_that_is_not_plain_json_is_refused(log: Events, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        await put(log, body={"value": value})
    assert log.head == 0
    assert await put(log) == 1


async def test_reading_by_range_limit_and_kind(log: Events) -> None:
    for number in range(1, 21):
        await put(log, "alert.raised" if number % 2 else "alert_.x")
    offsets = [row.offset for row in log.read_sync(5, limit=3)]
    assert offsets == [6, 7, 8]
    assert [row.offset for row in log.read_sync(5, upto=7)] == [6, 7]
    assert [row.offset for row in log.read_sync(14, kinds_prefix="alert.")] == [15, 17, 19]
    assert [row.offset for row in log.read_sync(14, kinds_prefix="alert_")] == [16, 18, 20]
    assert log.read_sync(20) == []
    assert log.read_sync(0, kinds_prefix="%") == []


async def test_waiting_ends_with_the_next_event(log: Events) -> None:
    assert await put(log) == 1
    assert await log.wait(0, 10) == 1, "at once: there is something"
    waiters = [asyncio.create_task(log.wait(1, 1000)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert not any(waiter.done() for waiter in waiters)
    await put(log)
    assert await asyncio.gather(*waiters) == [2, 2, 2]


async def test_waiting_ends_with_the_time(log: Events, clock: FakeClock) -> None:
    waiter = asyncio.create_task(log.wait(0, 5))
    await clock.advance(4.9)
    assert not waiter.done()
    await clock.advance(0.2)
    assert await waiter == 0
    assert clock.sleeping == 0


async def test_a_cancelled_waiter_leaves_nothing_behind(log: Events, clock: FakeClock) -> None:
    waiter = asyncio.create_task(log.wait(0, 5))
    await asyncio.sleep(0.01)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await asyncio.sleep(0)
    assert clock.sleeping == 0


async def test_events_of_another_process_are_seen_after_a_wait(log: Events, clock: FakeClock) -> None:
    other = apsw.Connection(str(log._db.path))
    with other:
        events.append(other, kind="k", subject="s", actor="a", body={}, t_ns=1)
    other.close()
    waiter = asyncio.create_task(log.wait(0, 5))
    await clock.advance(5)
    assert await waiter == 1


@pytest.mark.parametrize("statement", ["DELETE FROM event", 'UPDATE event SET "offset" = 9'])
async def test_events_stay(log: Events, statement: str) -> None:
    await put(log)
    with pytest.raises(apsw.ConstraintError):
        await log._db.write(lambda conn: conn.execute(statement))
    assert [row.offset for row in log.read_sync(0)] == [1]


async def test_the_log_goes_on_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    lineages = set()
    for start in range(3):
        writer = Writer(clock, Ops(), group_window_s=0)
        writer.start()
        db = Database.open(tmp_path / "again.sqlite", writer, (events.COMPONENT,))
        log = Events(db, clock)
        assert log.head == start
        assert await put(log) == start + 1
        lineages.add(log.lineage)
        log.close()
        await db.close()
        writer.close()
    assert len(lineages) == 1
