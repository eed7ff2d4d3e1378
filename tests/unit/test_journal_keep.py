from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from gateway.journal import Journal, JournalCorrupt, JournalError, JournalGone, JournalReader
from gateway.journal.ring import Ring
from gateway.ops import Ops
from gateway.store import DowngradeRefused, StoreError, Writer
from tests.support.fake_clock import FakeClock
from tests.support.journals import dense, equal, fill, follow_to, read_all, segments

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


async def test_retention_drops_old_segments_that_nobody_holds(journal: Journal, clock: FakeClock) -> None:
    firsts = []
    for _ in range(12):
        firsts.append(journal.head)
        await fill(journal, 4)
        clock.step_wall(DAY)
    await fill(journal, 1)  # the thirteenth
    journal.hold("history", firsts[2] + 1)
    assert await journal.retain(clock.now_ns()) == ("2026-01-01.sqlite", "2026-01-02.sqlite")
    assert journal.extent().first == firsts[2]
    with pytest.raises(JournalGone, match=f"begins at {firsts[2]}"):
        journal.read_sync(1)
    journal.release("history")
    removed = await journal.retain(clock.now_ns())
    assert removed[0] == "2026-01-03.sqlite"
    assert len(segments(journal)) == 8, "today and seven days"
    assert dense(read_all(journal, journal.extent().first), journal.extent().first)
    assert not list(journal._folder.glob("2026-01-03*"))


async def test_a_clock_far_ahead_does_not_empty_the_journal(journal: Journal, clock: FakeClock) -> None:
    for _ in range(10):
        await fill(journal, 2)
        clock.step_wall(DAY)
    clock.step_wall(80 * 365 * DAY)
    await fill(journal, 2)
    removed = await journal.retain(clock.now_ns())
    assert len(removed) == 4
    assert len(segments(journal)) == 7


async def test_times_from_the_future_do_not_keep_segments_for_ever(journal: Journal, clock: FakeClock) -> None:
    await fill(journal, 2)
    clock.step_wall(80 * 365 * DAY)
    await fill(journal, 2)
    clock.step_wall(-80 * 365 * DAY)
    for _ in range(10):
        await fill(journal, 2)
        clock.step_wall(DAY)
    assert segments(journal)[1].startswith("2105")
    assert (await journal.retain(clock.now_ns()))[1].startswith("2105")
    assert all(name.startswith("2026") for name in segments(journal))


async def spoil(journal: Journal, sql: str) -> None:
    """Change the newest segment behind the journal's back."""
    conn = apsw.Connection(str(journal._segment.path))
    conn.set_busy_timeout(1000)
    conn.execute(sql)
    conn.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE block SET body = CAST(substr(body, 1, 20) || x'00' || substr(body, 22) AS BLOB)",
        "UPDATE block SET last = last + 1",
        "UPDATE block SET t_ns = t_ns + 1",
        "UPDATE block SET kind = 1 - kind",
        "DELETE FROM block",
    ],
)
async def test_damage_is_an_error_and_a_fault_never_a_hole(journal: Journal, ops: Ops, sql: str) -> None:
    stored = await fill(journal, 12)
    await spoil(journal, f"{sql} WHERE first = {stored[5].first}")
    journal._ring = Ring()
    for offset in (1, stored[5].first):
        with pytest.raises(JournalCorrupt, match="offset"):
            await follow_to(journal, offset, stored[-1].last)
    await asyncio.sleep(0)
    assert [(fault.code, fault.subject) for fault in ops.faults()] == [("journal.corrupt", "2026-01-01.sqlite")]
    reader = JournalReader(journal._folder)
    problems = reader.verify().problems
    reader.close()
    assert 1 <= len(problems) <= 2
    assert problems[0].startswith("2026-01-01.sqlite: offset ")


async def test_a_lost_segment_is_noticed(journal: Journal, clock: FakeClock) -> None:
    for _ in range(3):
        await fill(journal, 3)
        clock.step_wall(DAY)
    (journal._folder / "2026-01-02.sqlite").unlink()
    with pytest.raises(JournalCorrupt, match="next segment"):
        journal.read_sync(1, 100)
    reader = JournalReader(journal._folder)
    assert len(reader.verify().problems) == 1
    reader.close()


async def test_a_full_check_counts_what_is_there(journal: Journal, clock: FakeClock) -> None:
    await fill(journal, 30)
    clock.step_wall(DAY)
    stored = await fill(journal, 30)
    seen: list[tuple[int, int]] = []
    reader = JournalReader(journal._folder)
    found = reader.verify(lambda done, of: seen.append((done, of)))
    reader.close()
    assert (found.blocks, found.ticks, found.first, found.head, found.problems) == (60, 20, 1, stored[-1].last + 1, ())
    assert found.readings == found.head - 1 - found.ticks
    assert seen[-1] == (found.head - 1, found.head - 1)


async def test_files_of_two_journals_are_refused(journal: Journal, writer: Writer, clock: FakeClock, ops: Ops, tmp_path: Path) -> None:
    await fill(journal, 2)
    await journal.close()
    clock.step_wall(DAY)
    other = await Journal.open(tmp_path / "other", writer, clock, ops)
    await fill(other, 2)
    await other.close()
    assert other.lineage != journal.lineage
    (tmp_path / "other" / "2026-01-02.sqlite").rename(tmp_path / "journal" / "2026-01-02.sqlite")
    with pytest.raises(JournalError, match="2 journals"):
        await Journal.open(tmp_path / "journal", writer, clock, ops)


async def test_a_segment_whose_making_was_cut_off_is_made_again(writer: Writer, clock: FakeClock, ops: Ops, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "2026-01-01.sqlite").touch()
    journal = await Journal.open(folder, writer, clock, ops)
    await fill(journal, 2)
    await journal.close()
    (folder / "2026-01-02.sqlite").touch()
    journal = await Journal.open(folder, writer, clock, ops)
    assert segments(journal) == ["2026-01-01.sqlite"]
    await journal.close()


async def test_a_journal_of_a_newer_version_is_refused(journal: Journal, writer: Writer, clock: FakeClock, ops: Ops) -> None:
    await fill(journal, 2)
    await spoil(journal, "UPDATE meta_component SET version = 9 WHERE name = 'journal'")
    await journal.close()
    with pytest.raises(DowngradeRefused, match="journal has version 9"):
        await Journal.open(journal._folder, writer, clock, ops)


@pytest.mark.timeout(20)
async def test_any_damage_to_a_file_gives_errors_or_the_truth(journal: Journal, seed: int) -> None:
    """Random bytes over random places of a segment: every block that is still handed out is one that was stored."""
    stored = {block.first: block for block in await fill(journal, 40)}
    await journal.close()
    path = journal._segment.path
    whole = path.read_bytes()
    rng = random.Random(seed)
    noticed = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(whole))
            junk = rng.choice([rng.randbytes(rng.randint(1, 64)), bytes(512)])
            damaged[at : at + len(junk)] = junk
        path.write_bytes(damaged[: len(whole)])
        for side in ("-wal", "-shm"):
            path.with_name(path.name + side).unlink(missing_ok=True)
        reader = JournalReader(path.parent)
        try:
            bad = bool(reader.verify().problems)
            offset = 1
            while blocks := reader.blocks(offset, 5):
                assert all(equal([block], [stored[block.first]]) for block in blocks)
                offset = blocks[-1].last + 1
        except StoreError:
            bad = True
        finally:
            reader.close()
        noticed += bad
    print(f"150 damages, {noticed} noticed, the others hit free space")
    assert noticed > 50
