"""The consumer: back-off, lag, patience, what the journal dropped; and the real journal behind the real store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import numpy as np
import pytest

from gateway.clock import SystemClock
from gateway.config import History as Settings
from gateway.histories import Histories
from gateway.history.base import Batch, HistoryRunner, Rejected, SinkDown, WriteResult, batches
from gateway.history.sqlite import SqliteSink
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.store import Writer
from tests.history.twin import row_block
from tests.support.blocks import START_NS
from tests.support.fake_clock import FakeClock

SECOND = 10**9


class Recorder:
    """A sink that keeps offsets and fails as it is told."""

    name = "recorder"
    batch_readings = 50
    linger_s = 0.0

    def __init__(self) -> None:
        self.safe = 0
        self.offsets: list[int] = []
        self.failures: list[SinkDown] = []
        self.gone: list[tuple[int, int]] = []
        self.reject: set[int] = set()
        self.calls = 0

    async def resume(self, lineage: str, first: int, head: int) -> int:
        return self.safe + 1

    async def write(self, batch: Batch) -> WriteResult:
        self.calls += 1
        for block in batch.blocks:
            if block.last <= self.safe:
                continue
            if self.failures:
                raise self.failures.pop(0)
            self.offsets += range(block.first, block.last + 1)
            self.safe = block.last
        rejected = tuple(Rejected(offset=offset, reason="odd") for offset in self.reject if batch.first <= offset <= batch.last)
        return WriteResult(accepted=batch.last - batch.first + 1 - len(rejected), rejected=rejected)

    async def missed(self, first: int, last: int) -> None:
        self.gone.append((first, last))
        self.safe = last

    async def close(self) -> None:
        """Nothing to give back."""


class Place:
    """A journal with a runner on it."""

    def __init__(self, folder: Path, clock: FakeClock | SystemClock) -> None:
        self.folder, self.clock, self.ops = folder, clock, Ops()
        self.writer = Writer(clock, self.ops, group_window_s=0.0)
        self.journal: Journal
        self.value = 0

    async def say(self, n: int = 10, *, t_ns: int | None = None, device: str = "dev", quantity: str = "hr") -> None:
        begin_ns = self.clock.now_ns() if t_ns is None else t_ns
        block = row_block(1, begin_ns, device, quantity, [float(self.value + i) for i in range(n)], step_ms=1)
        self.value += n
        assert block.readings is not None
        await self.journal.append(block.readings)

    def codes(self) -> set[str]:
        return {fault.code for fault in self.ops.faults()}


@asynccontextmanager
async def placed(folder: Path, clock: FakeClock | SystemClock) -> AsyncIterator[Place]:
    place = Place(folder, clock)
    place.writer.start()
    if isinstance(clock, FakeClock):
        clock.busy.append(place.writer.busy)
    place.journal = await Journal.open(folder / "journal", place.writer, clock, place.ops)
    try:
        yield place
    finally:
        await place.journal.close()
        place.writer.close()


@asynccontextmanager
async def running(runner: HistoryRunner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(clock: FakeClock, met: Callable[[], bool]) -> None:
    """Let threads come to an end that the clock knows nothing of."""
    for _ in range(1_000):
        if met():
            return
        await clock.settle()
    raise TimeoutError


async def test_a_sink_that_fails_gets_the_rest_again_and_nothing_twice(tmp_path: Path, clock: FakeClock) -> None:
    async with placed(tmp_path, clock) as place:
        for _ in range(12):
            await place.say()
        sink = Recorder()
        sink.failures = [SinkDown("503"), SinkDown("503"), SinkDown("503"), SinkDown("429", retry_after_s=120)]
        sink.reject = {15}
        runner = HistoryRunner(place.journal, sink, clock, place.ops)
        async with running(runner):
            await until(clock, lambda: sink.calls == 1)
            await clock.advance(1.5)  # 0.2 s, then 1 s
            assert "history.down" in place.codes()
            await clock.advance(6)
            assert sink.offsets == []
            await clock.advance(110)  # Retry-After is kept to
            assert sink.offsets == []
            await clock.advance(10)
            assert sink.offsets == list(range(1, 121))
            assert place.codes() == set()
            assert runner.status() == {"offset": 120, "behind": 0, "unsettled": 0, "lag_s": pytest.approx(127, abs=2), "rejected": 1}


@pytest.mark.timeout(20)
async def test_lag_is_a_fault_and_beyond_patience_the_journal_is_let_go(tmp_path: Path, clock: FakeClock) -> None:
    async with placed(tmp_path, clock) as place:
        sink = Recorder()
        sink.failures = [SinkDown("connection refused", retry_after_s=3600)] * 10_000
        runner = HistoryRunner(place.journal, sink, clock, place.ops, lag_s=600, hold_s=2 * 86_400)
        async with running(runner):
            await clock.settle()
            for day in range(12):
                await place.say()
                await clock.advance(86_400)
                assert "history.lag" in place.codes()
                await place.journal.retain(clock.now_ns())
                assert (place.journal.extent().first == 1) == (day < 7)  # held no longer than everybody's retention
            sink.failures.clear()
            await clock.advance(3_700)
            await until(clock, lambda: len(sink.offsets) == 120)
            assert sink.offsets == list(range(1, 121))  # the journal's memory went further back than its files
            await place.say()
            await clock.advance(1)
            assert place.codes() == set()
    async with placed(tmp_path, clock) as place:
        first = place.journal.extent().first
        assert first > 50
        sink = Recorder()
        sink.safe = 20
        async with running(HistoryRunner(place.journal, sink, clock, place.ops)):
            await until(clock, lambda: len(sink.offsets) == 131 - first)
            assert sink.gone == [(21, first - 1)]
            assert sink.offsets == list(range(first, 131))
            assert place.codes() == {"history.missed"}


def test_batches_hold_whole_blocks() -> None:
    blocks = [row_block(1 + 30 * i, START_NS, "dev", "hr", [1.0] * 30) for i in range(5)]
    assert [(batch.first, batch.last) for batch in batches(blocks, 60)] == [(1, 60), (61, 120), (121, 150)]
    assert [(batch.first, batch.last) for batch in batches(blocks, 10)] == [(1 + 30 * i, 30 + 30 * i) for i in range(5)]


@pytest.mark.timeout(20)
async def test_a_question_that_spans_now_has_no_double_and_no_hole(tmp_path: Path) -> None:
    """While readings stream in and groups are written under the reader's feet."""
    clock = SystemClock()
    async with placed(tmp_path, clock) as place:
        sink = SqliteSink.open(tmp_path / "history.sqlite", place.writer, clock, place.ops)
        async with running(HistoryRunner(place.journal, sink, clock, place.ops)):
            said = 0

            async def stream() -> None:
                nonlocal said
                for _ in range(150):
                    await place.say(7)
                    said += 7

            async def flushes() -> None:
                while True:
                    await sink.flush()
                    await clock.sleep(0.003)

            flushing = asyncio.create_task(flushes())
            streaming = asyncio.create_task(stream())
            questions = 0
            while not streaming.done():
                before = said
                line = await sink.history.series("dev", "hr", 0, 2**62)
                # every value up to the newest one is there once, and what was stored before the question is among them
                assert np.sort(line.value).tolist() == list(range(len(line.value)))
                assert len(line.value) >= before - 200  # the consumer is a few blocks behind at most
                envelope = await sink.history.envelope("dev", "hr", START_NS, clock.now_ns() + 10**12, 100)
                assert envelope.n.sum() >= len(line.value)
                questions += 1
            flushing.cancel()
            await streaming
            while sink.tail.head < said:
                await clock.sleep(0.01)
            line = await sink.history.series("dev", "hr", 0, 2**62)
            assert np.sort(line.value).tolist() == list(range(said))
            assert questions > 5
        await sink.close()


@pytest.mark.timeout(40)
async def test_a_full_disk_stops_history_loses_nothing_and_ends(tmp_path: Path) -> None:
    clock = SystemClock()
    async with placed(tmp_path, clock) as place:
        sink = SqliteSink.open(tmp_path / "history.sqlite", place.writer, clock, place.ops, max_tail=500)
        runner = HistoryRunner(place.journal, sink, clock, place.ops)
        async with running(runner):
            await place.say(10, quantity="temp")
            while sink.tail.head < 10:
                await clock.sleep(0.01)
            await sink.flush()
            pages = await sink._db.write(lambda conn: conn.pragma("page_count"))
            await sink._db.write(lambda conn: conn.pragma("max_page_count", pages))
            for _ in range(150):
                await place.say(10, quantity="temp")
            while "disk.full" not in place.codes():
                await clock.sleep(0.02)
            assert len(sink.tail) < 2_500
            assert sink.safe < place.journal.head - 1
            _raise_limit(sink)
            while runner.taken < place.journal.head - 1 or place.codes():
                await clock.sleep(0.05)
            await sink.flush()
            rows = await sink.history.rows("dev", "temp", 0, 2**62, 10_000)
            assert [row.value for row in rows] == list(range(1510))
        await sink.close()


def _raise_limit(sink: SqliteSink) -> None:
    conn: apsw.Connection = sink._db._conn
    conn.pragma("max_page_count", 1_000_000)


async def test_a_file_that_cannot_be_used_is_a_fault_and_stops_nobody(tmp_path: Path, clock: FakeClock) -> None:
    async with placed(tmp_path, clock) as place:
        await asyncio.to_thread((tmp_path / "history.sqlite").write_bytes, b"this is no database " * 500)
        histories = await Histories.open(Settings(), tmp_path, place.journal, place.writer, clock, place.ops)
        assert histories.history is None
        assert histories.work() == {}
        assert place.codes() == {"history.unusable"}
        await histories.close()
