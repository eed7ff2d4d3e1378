from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.clock import SystemClock
from gateway.ops import Ops
from gateway.store import Component, Database, Lane, Overloaded, StoreError, Writer
from gateway.store import cursor as cursors

ITEMS = Component(
    "items",
    (
        """
        CREATE TABLE item(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE child(item INTEGER REFERENCES item(id) DEFERRABLE INITIALLY DEFERRED) STRICT;
        """,
    ),
)


def insert(text: str) -> Callable[[apsw.Connection], object]:
    return lambda conn: conn.execute("INSERT INTO item(text) VALUES(?) RETURNING id", (text,)).get


def texts(conn: apsw.Connection) -> list[str]:
    return [text for (text,) in conn.execute("SELECT text FROM item ORDER BY id")]


class Gate:
    """A unit that holds the writer thread until it is opened, so that a queue can build up behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def unit(self, conn: apsw.Connection) -> None:
        self.entered.set()
        if not self.opened.wait(4):
            raise TimeoutError("nobody opened the gate")


@pytest.fixture
def ops() -> Ops:
    return Ops()


@pytest.fixture
def writer(ops: Ops) -> Iterator[Writer]:
    writer = Writer(SystemClock(), ops)
    writer.start()
    yield writer
    writer.close()


@pytest.fixture
def db(tmp_path: Path, writer: Writer) -> Iterator[Database]:
    db = Database.open(tmp_path / "items.sqlite", writer, (ITEMS, cursors.COMPONENT))
    yield db
    db.close_sync()


def commits(db: Database) -> list[int]:
    """Counts commits of a database from now on."""
    count = [0]

    def committed() -> bool:
        count[0] += 1
        return False

    db._conn.set_commit_hook(committed)
    return count


async def test_a_write_returns_after_the_commit_and_its_result(db: Database) -> None:
    assert await db.write(insert("a")) == 1
    other = apsw.Connection(str(db.path))
    assert texts(other) == ["a"]
    other.close()


async def test_group_units_share_a_commit(db: Database) -> None:
    gate = Gate()
    held = db.submit(gate.unit)
    await asyncio.to_thread(gate.entered.wait, 4)
    count = commits(db)
    writes = [db.submit(insert(f"t{number}")) for number in range(100)]
    gate.opened.set()
    await held
    await asyncio.gather(*writes)
    assert count[0] <= 3, "the gate's own commit, and one or two for a hundred units"


async def test_a_group_is_at_most_two_thousand_rows(db: Database) -> None:
    gate = Gate()
    held = db.submit(gate.unit, lane=Lane.NOW)
    await asyncio.to_thread(gate.entered.wait, 4)
    count = commits(db)
    writes = [db.submit(insert(f"t{number}"), rows=900) for number in range(10)]
    gate.opened.set()
    await held
    await asyncio.gather(*writes)
    assert count[0] == 1 + 5, "two units of 900 rows per transaction"


async def test_one_bad_unit_spoils_nothing(db: Database) -> None:
    gate = Gate()
    held = db.submit(gate.unit)
    await asyncio.to_thread(gate.entered.wait, 4)

    def half(conn: apsw.Connection) -> None:
        conn.execute("INSERT INTO item(text) VALUES('half')")
        raise KeyError("half-way")

    writes: list[asyncio.Future[Any]] = [db.submit(insert("a")), db.submit(insert("a")), db.submit(half), db.submit(insert("b"))]
    gate.opened.set()
    await held
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [int, apsw.ConstraintError, KeyError, int]
    assert db.read_sync(texts) == ["a", "b"]


async def test_a_failed_commit_fails_everybody_in_it(db: Database, ops: Ops) -> None:
    gate = Gate()
    held = db.submit(gate.unit)
    await asyncio.to_thread(gate.entered.wait, 4)

    def orphan(conn: apsw.Connection) -> None:
        conn.execute("INSERT INTO child VALUES(99)")  # refused at the COMMIT only

    writes: list[asyncio.Future[Any]] = [db.submit(insert("a")), db.submit(orphan), db.submit(insert("b"))]
    gate.opened.set()
    await held
    failed = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in failed), failed
    assert len({id(result) for result in failed}) == 3, "each awaiter gets an error of its own"
    assert db.read_sync(texts) == []
    assert [fault.code for fault in ops.faults()] == ["store.write"]
    await db.write(insert("c"))
    assert ops.faults() == ()


async def test_priority_jumps_the_queue_and_cuts_the_group_short(db: Database) -> None:
    gate = Gate()
    order: list[str] = []

    def note(text: str) -> Callable[[apsw.Connection], None]:
        return lambda conn: order.append(text)

    held = db.submit(gate.unit)
    await asyncio.to_thread(gate.entered.wait, 4)
    groups = [db.submit(note(f"group {number}")) for number in range(5)]
    now = db.submit(note("now"), lane=Lane.NOW)
    gate.opened.set()
    await asyncio.gather(held, now, *groups)
    assert order == ["now", *(f"group {number}" for number in range(5))]


async def test_priority_does_not_wait_for_the_window(tmp_path: Path, ops: Ops) -> None:
    writer = Writer(SystemClock(), ops, group_window_s=3600)
    writer.start()
    db = Database.open(tmp_path / "x.sqlite", writer, (ITEMS,))
    await db.write(insert("opens the window"))
    slow = db.submit(insert("group"))
    assert await asyncio.wait_for(db.write(insert("now"), lane=Lane.NOW), 3) == 2
    assert not slow.done()
    writer.close()  # commits what waits
    assert await slow == 3
    db.close_sync()


async def test_leftovers_of_a_cut_group_come_once_and_in_order(db: Database) -> None:
    async def urgent() -> None:
        for number in range(20):
            await db.write(insert(f"now {number}"), lane=Lane.NOW)

    groups = [db.submit(insert(f"group {number:03}")) for number in range(500)]
    await urgent()
    await asyncio.gather(*groups)
    stored = [text for text in db.read_sync(texts) if text.startswith("group")]
    assert stored == [f"group {number:03}" for number in range(500)]


async def test_the_queue_is_bounded(tmp_path: Path, ops: Ops) -> None:
    writer = Writer(SystemClock(), ops, max_group_units=10, max_now_units=2)
    writer.start()
    db = Database.open(tmp_path / "x.sqlite", writer, (ITEMS,))
    gate = Gate()
    held = db.submit(gate.unit, lane=Lane.NOW)
    await asyncio.to_thread(gate.entered.wait, 4)
    group = [db.submit(insert(f"g{number}")) for number in range(10)]
    with pytest.raises(Overloaded):
        db.submit(insert("too many"))
    urgent = [db.submit(insert(f"n{number}"), lane=Lane.NOW) for number in range(2)]  # a lane of its own
    with pytest.raises(Overloaded):
        await db.write(insert("too many"), lane=Lane.NOW)
    gate.opened.set()
    await asyncio.gather(held, *group, *urgent)
    await db.write(insert("room again"))
    await db.close()
    writer.close()


async def test_hooks_run_once_per_commit_before_the_awaiters_and_on_the_loop(db: Database) -> None:
    seen: list[tuple[str, bool]] = []
    db.on_commit(lambda: seen.append(("hook", threading.current_thread() is threading.main_thread())))
    await db.submit(insert("a"), done=lambda result: seen.append((f"done {result}", True)))
    seen.append(("awaiter", True))
    assert seen == [("done 1", True), ("hook", True), ("awaiter", True)]
    with pytest.raises(apsw.ConstraintError):
        await db.write(insert("a"))
    assert len(seen) == 3, "nothing was stored, nobody is told"


async def test_a_hook_that_fails_is_a_fault_and_the_commit_stands(db: Database, ops: Ops) -> None:
    def broken() -> None:
        raise ValueError("broken")

    db.on_commit(broken)
    assert await db.write(insert("a")) == 1
    assert [fault.code for fault in ops.faults()] == ["store.hook"]


async def test_done_comes_even_when_the_awaiter_has_gone(db: Database) -> None:
    gate = Gate()
    seen: list[int] = []

    def unit(conn: apsw.Connection) -> int:
        gate.unit(conn)
        return 7

    write = db.submit(unit, done=seen.append)
    await asyncio.to_thread(gate.entered.wait, 4)
    write.cancel()
    gate.opened.set()
    await db.drain()
    assert seen == [7]


async def test_a_cancelled_unit_that_has_not_begun_is_not_run(db: Database) -> None:
    gate = Gate()
    held = db.submit(gate.unit)
    await asyncio.to_thread(gate.entered.wait, 4)
    seen: list[object] = []
    write = db.submit(insert("a"), done=seen.append)
    write.cancel()
    gate.opened.set()
    await held
    await db.drain()
    assert db.read_sync(texts) == []
    assert seen == []


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK", "COMMIT; BEGIN"])
def test_a_unit_that_ends_the_transaction_gets_an_error(db: Database, statement: str) -> None:
    with pytest.raises(StoreError):
        db.write_sync(lambda conn: conn.execute(statement))
    assert db.write_sync(insert("a")) == 1


def test_writing_without_a_loop(db: Database) -> None:
    calls: list[int] = []
    db.on_commit(lambda: calls.append(1))
    assert db.write_sync(insert("a")) == 1
    assert db.write_sync(insert("b"), lane=Lane.NOW) == 2
    assert calls == [1, 1]
    with pytest.raises(apsw.ConstraintError):
        db.write_sync(insert("a"))


async def test_many_databases_one_thread(tmp_path: Path, writer: Writer) -> None:
    databases = [Database.open(tmp_path / f"{number}.sqlite", writer, (ITEMS,)) for number in range(3)]
    threads: set[str] = set()

    def unit(conn: apsw.Connection) -> None:
        threads.add(threading.current_thread().name)
        conn.execute("INSERT INTO item(text) VALUES('x')")

    await asyncio.gather(*(db.write(unit) for db in databases))
    assert threads == {"anxin-writer"}
    assert all(db.read_sync(texts) == ["x"] for db in databases)
    for db in databases:
        await db.close()


async def test_reads_see_one_moment_and_cannot_write(db: Database) -> None:
    await db.write(insert("a"))

    def twice(conn: apsw.Connection) -> tuple[list[str], list[str]]:
        before = texts(conn)
        db.write_sync(insert("b"))
        return before, texts(conn)

    assert await db.read(twice) == (["a"], ["a"])
    assert await db.read(texts) == ["a", "b"]
    with pytest.raises(apsw.ReadOnlyError):
        await db.read(insert("c"))
    assert await db.read(texts) == ["a", "b"]


async def test_after_the_end_everything_is_refused(tmp_path: Path, ops: Ops) -> None:
    writer = Writer(SystemClock(), ops)
    db = Database.open(tmp_path / "x.sqlite", writer, (ITEMS,))
    with pytest.raises(StoreError, match="not running"):
        await db.write(insert("too early"))
    writer.start()
    await db.write(insert("a"))
    writer.close()
    with pytest.raises(StoreError, match="not running"):
        await db.write(insert("too late"))
    await db.close()
    with pytest.raises(StoreError, match="closed"):
        await db.write(insert("closed"))
    with pytest.raises(StoreError, match="closed"):
        await db.read(texts)


def test_cursors_move_with_what_was_written(db: Database) -> None:
    assert db.read_sync(lambda conn: cursors.get(conn, "stream")) is None

    def consume(conn: apsw.Connection) -> None:
        conn.execute("INSERT INTO item(text) VALUES('a')")
        cursors.put(conn, "stream", "lineage", 5)

    db.write_sync(consume)

    def consume_again(conn: apsw.Connection) -> None:
        cursors.put(conn, "stream", "lineage", 6)
        conn.execute("INSERT INTO item(text) VALUES('a')")

    with pytest.raises(apsw.ConstraintError):
        db.write_sync(consume_again)
    assert db.read_sync(lambda conn: cursors.get(conn, "stream")) == ("lineage", 5)


async def test_a_unit_may_raise_anything(db: Database) -> None:
    def stops(conn: apsw.Connection) -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await db.write(stops)
    assert await db.write(insert("a")) == 1


async def test_priority_does_not_wait_behind_a_long_queue(db: Database) -> None:
    groups = [db.submit(insert(f"g{number}")) for number in range(15_000)]
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    await db.write(insert("now"), lane=Lane.NOW)
    took_s = (clock.monotonic_ns() - begun_ns) / 1e9
    assert not groups[-1].done()
    assert took_s < 0.75, "the queue alone takes longer on most machines"
    await asyncio.gather(*groups)
