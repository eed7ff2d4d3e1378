from __future__ import annotations

import asyncio
import os
import random
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from gateway.journal import Journal, JournalError, JournalGone, JournalLocked, JournalReader
from gateway.journal.ring import Ring
from gateway.ops import Ops
from gateway.readings import StoredBlock, Tick
from gateway.store import Overloaded, Writer
from tests.support import ROOT
from tests.support.blocks import make_block, same
from tests.support.fake_clock import FakeClock
from tests.support.journals import dense, equal, fill, follow_to, read_all, segments

FIRST = ROOT / "tests" / "cases" / "journal_v1" / "2026-01-01.sql"  # dumped by the first version; never make it anew
DAY = 86_400.0


@pytest.fixture
def ops() -> Ops:
    return Ops()


@pytest.fixture
async def writer(clock: FakeClock, ops: Ops) -> AsyncIterator[Writer]:
    writer = Writer(clock, ops, group_window_s=0)
    writer.start()
    yield writer
    writer.close()


@pytest.fixture
async def journal(tmp_path: Path, writer: Writer, clock: FakeClock, ops: Ops) -> AsyncIterator[Journal]:
    journal = await Journal.open(tmp_path / "journal", writer, clock, ops)
    yield journal
    await journal.close()


async def test_offsets_are_dense_and_reading_gives_back_every_bit(journal: Journal) -> None:
    assert journal.head == 1
    stored = await fill(journal, 50)
    assert dense(stored)
    assert journal.head == stored[-1].last + 1
    assert equal(read_all(journal), stored)
    assert journal.extent() == (1, journal.head, ("2026-01-01",), journal.extent().bytes)
    assert journal.extent().bytes > 0


async def test_a_block_is_on_disk_when_append_returns(journal: Journal) -> None:
    for priority in (False, True):
        stored = await journal.append(make_block(random.Random(1), 3), priority=priority)
        conn = apsw.Connection(str(journal._segment.path))
        assert conn.execute("SELECT max(last) FROM block").get == stored.last
        conn.close()


async def test_concurrent_appends_keep_their_order_and_no_offset_twice(journal: Journal) -> None:
    rng = random.Random(3)
    blocks = [make_block(rng, rng.choice([1, 5, 300, 700])) for _ in range(60)]
    stored = await asyncio.gather(*(journal.append(block) for block in blocks), *(journal.tick(n, n) for n in range(20)))
    by_offset = sorted(stored, key=lambda block: block.first)
    assert dense(by_offset)
    assert [block.first for block in stored[:60]] == sorted(block.first for block in stored[:60])
    assert equal(read_all(journal), by_offset)


async def test_a_read_begins_with_the_block_that_holds_the_offset(journal: Journal) -> None:
    stored = await fill(journal, 30)
    for offset in range(1, journal.head):
        [block] = journal.read_sync(offset, 1)
        assert block.first <= offset <= block.last
    assert journal.read_sync(journal.head) == []
    assert len(journal.read_sync(1, 4)) == 4
    assert stored


@pytest.mark.parametrize("restart", ["close", "crash"])
async def test_head_and_lineage_survive_restarts(tmp_path: Path, clock: FakeClock, ops: Ops, restart: str) -> None:
    everything: list[StoredBlock] = []
    lineages = set()
    for start in range(4):
        writer = Writer(clock, ops, group_window_s=0)
        writer.start()
        journal = await Journal.open(tmp_path / "journal", writer, clock, ops)
        assert journal.head == (everything[-1].last + 1 if everything else 1)
        everything += await fill(journal, 7, seed=start)
        lineages.add(journal.lineage)
        if restart == "close":
            await journal.close()
        else:
            os.close(journal._lock_fd)  # as the kernel does for a dead process; nothing else is put in order
        writer.close()
        if start == 1:
            clock.step_wall(DAY)
    assert dense(everything)
    assert len(lineages) == 1
    reader = JournalReader(tmp_path / "journal")
    assert equal(reader.blocks(1, 100), everything)
    reader.close()


async def test_a_second_writer_is_refused(journal: Journal, writer: Writer, clock: FakeClock, ops: Ops, tmp_path: Path) -> None:
    with pytest.raises(JournalLocked, match="another process"):
        await Journal.open(tmp_path / "journal", writer, clock, ops)


async def test_days_are_segments_and_offsets_go_on(journal: Journal, clock: FakeClock) -> None:
    everything = []
    for _ in range(4):
        everything += await fill(journal, 5)
        clock.step_wall(DAY)
    assert segments(journal) == ["2026-01-01.sqlite", "2026-01-02.sqlite", "2026-01-03.sqlite", "2026-01-04.sqlite"]
    assert dense(everything)
    assert equal(read_all(journal), everything)
    assert equal(read_all(journal, 17)[1:], [block for block in everything if block.first > 17])
    assert journal.extent()[:3] == (1, journal.head, ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in journal._folder.iterdir()}
    assert modes == {0o600}


async def test_rollover_under_load_loses_nothing(journal: Journal, clock: FakeClock) -> None:
    rng = random.Random(5)
    stored: list[StoredBlock] = []

    async def feed(priority: bool) -> None:
        for _ in range(40):
            block = await journal.append(make_block(rng, rng.randint(1, 400)), priority=priority)
            stored.append(block)

    async def days() -> None:
        for _ in range(3):
            await asyncio.sleep(0.03)
            clock.step_wall(DAY)

    await asyncio.gather(feed(False), feed(False), feed(True), days())
    stored.sort(key=lambda block: block.first)
    assert dense(stored)
    assert equal(read_all(journal), stored)
    assert len(segments(journal)) >= 2


async def test_a_clock_that_steps_back_an_hour_stays_in_the_segment_a_day_gets_a_new_one(journal: Journal, clock: FakeClock) -> None:
    everything = await fill(journal, 3)
    for step in (-3600.0, 3600.0, 30 * DAY, -30 * DAY, 30 * DAY):
        clock.step_wall(step)
        everything += await fill(journal, 3)
    assert segments(journal) == ["2026-01-01.sqlite", "2026-01-31.sqlite", "2026-01-01-2.sqlite", "2026-01-31-2.sqlite"]
    assert dense(everything)
    assert equal(read_all(journal), everything)


async def test_when_the_next_segment_cannot_be_made_the_old_one_goes_on(
    journal: Journal, clock: FakeClock, ops: Ops, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = await fill(journal, 3)
    clock.step_wall(DAY)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.journal.log.Database.open", _refuse)
        everything += await fill(journal, 3)
        assert [fault.code for fault in ops.faults()] == ["journal.rollover"]
    everything += await fill(journal, 3)
    assert len(segments(journal)) == 1, "not tried again at once"
    await clock.advance(61)
    everything += await fill(journal, 3)
    assert len(segments(journal)) == 2
    assert ops.faults() == ()
    assert dense(everything)
    assert equal(read_all(journal), everything)


def _refuse(*_: object, **__: object) -> None:
    raise JournalError("no")


async def test_following_reads_the_past_and_then_each_new_block(journal: Journal, clock: FakeClock) -> None:
    past = await fill(journal, 20)
    clock.step_wall(DAY)
    journal._ring = Ring()  # as after a restart
    followers = [asyncio.create_task(follow_to(journal, offset, 400)) for offset in (1, 50, journal.head)]
    everything = past
    while journal.head <= 400:
        everything = everything + await fill(journal, 10)
        await asyncio.sleep(0)
    for offset, follower in zip((1, 50, past[-1].last + 1), followers, strict=True):
        got = await follower
        assert equal(got, [block for block in everything if block.last >= offset][: len(got)])


async def test_a_slow_follower_falls_back_to_the_disk_and_skips_nothing(journal: Journal) -> None:
    journal._ring = Ring(blocks=4)
    got: list[StoredBlock] = []

    async def slowly() -> None:
        async for blocks in journal.follow(1):
            got.extend(blocks)
            await asyncio.sleep(0.02)

    follower = asyncio.create_task(slowly())
    everything = await fill(journal, 150)
    await journal.close()
    await follower
    # The end of the journal ends the follower; the rest is its own for the next start.
    assert equal(got, everything[: len(got)])
    assert len(got) > 20


async def test_a_follower_ends_when_the_journal_is_closed(journal: Journal) -> None:
    follower = asyncio.create_task(follow_to(journal, 1, 10**9))
    await fill(journal, 3)
    await asyncio.sleep(0)
    await journal.close()
    assert len(await follower) == 3
    with pytest.raises(JournalError, match="closed"):
        await journal.tick(1, 1)


async def test_a_cursor_beyond_the_head_belongs_to_another_journal(journal: Journal) -> None:
    await fill(journal, 3)
    with pytest.raises(JournalGone, match="another journal"):
        await follow_to(journal, journal.head + 1, 1)


async def test_blocks_that_do_not_fit_together_are_refused(journal: Journal) -> None:
    with pytest.raises(JournalError, match="without readings"):
        await journal.append(make_block(random.Random(1), 0))
    assert journal.head == 1


async def test_a_journal_of_the_first_version_is_read(writer: Writer, clock: FakeClock, ops: Ops, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    conn = apsw.Connection(str(folder / "2026-01-01.sqlite"))
    conn.execute(FIRST.read_text())
    conn.close()
    journal = await Journal.open(folder, writer, clock, ops)
    blocks = journal.read_sync(1)
    assert [(block.first, block.last) for block in blocks] == [(1, 3), (4, 4), (5, 304)]
    assert blocks[1].tick == Tick(t_ns=1_767_225_600_000_000_000, events_offset=3)
    assert same(blocks[0].readings, make_block(random.Random(1), 3, 2))
    assert same(blocks[2].readings, make_block(random.Random(2), 300, 10))
    assert (await journal.tick(1, 1)).first == 305
    await journal.close()


async def test_overload_is_said_and_the_log_stays_dense(tmp_path: Path, clock: FakeClock, ops: Ops) -> None:
    writer = Writer(clock, ops, group_window_s=0, max_group_units=5)
    writer.start()
    journal = await Journal.open(tmp_path / "journal", writer, clock, ops)
    rng = random.Random(1)
    results = await asyncio.gather(*(journal.append(make_block(rng, 2)) for _ in range(200)), return_exceptions=True)
    stored = [result for result in results if isinstance(result, StoredBlock)]
    assert {type(result) for result in results} == {StoredBlock, Overloaded}
    assert dense(stored)
    assert equal(read_all(journal), stored)
    await journal.close()
    writer.close()


def test_the_ring_is_bounded_and_consecutive() -> None:
    ring = Ring(blocks=3)
    assert ring.since(1, 10) is None
    for number in range(1, 8):
        ring.push(StoredBlock(first=number, tick=Tick(t_ns=number, events_offset=0)))
    assert ring.since(4, 10) is None
    found = ring.since(5, 2)
    assert found is not None
    assert [block.first for block in found] == [5, 6]
    assert ring.since(8, 10) == []
    ring.push(StoredBlock(first=20, tick=Tick(t_ns=1, events_offset=0)))
    assert ring.since(7, 10) is None
    heavy = Ring(size=100_000)
    for number in range(100):
        heavy.push(StoredBlock(first=1 + number * 10, readings=make_block(random.Random(number), 10, payload_bytes=10_000)))
    assert len(heavy._blocks) < 12
