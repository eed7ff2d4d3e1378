"""The sink contract and the consumer that feeds a sink from the journal: its place, batches, back-off, lag, and the end of patience.

A sink keeps its own place in the journal, in the same transaction (or behind the same answer) as what it stored, so that a batch
offered twice is stored once. The runner never drops what a sink has not settled: it holds the journal for it. A sink that stays down
for longer than the budget is let go (the journal may drop its days, so that no disk fills up); what it missed is a fault by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.clock import NS_PER_S, Clock
from gateway.journal import Journal, JournalGone
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.store import StoreError

RETRY_S = (0.2, 1.0, 5.0, 15.0, 60.0)  # at last once a minute
LAG_S = 900.0  # beyond this a technical fault speaks
HOLD_S = 6 * 86_400.0  # beyond this the journal is not held any more
LAG_FAULT, MISSED_FAULT, DOWN_FAULT = "history.lag", "history.missed", "history.down"


class SinkDown(RuntimeError):
    """The sink cannot take anything now; whatever it has not settled is offered again. The text holds no health data."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive blocks of the journal."""

    blocks: tuple[StoredBlock, ...]

    @property
    def first(self) -> int:
        """Offset of the first entry."""
        return self.blocks[0].first

    @property
    def last(self) -> int:
        """Offset of the last entry."""
        return self.blocks[-1].last


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Kept readings of one series, by time: t_ms int64[n] UTC, value float64[n] (NaN = none), quality and mark uint16[n]."""

    device: str
    quantity: str
    origin: int
    t_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]
    mark: NDArray[np.uint16]


class Kept(Protocol):
    """A history that another sink can be filled up from."""

    def pieces(self, from_ms: int, to_ms: int) -> AsyncIterator[Piece]:
        """Everything measured in [from, to), in pieces of a bounded size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A reading that the sink will never take, and why; the text holds no health data."""

    offset: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of a batch: readings taken, and those that never will be; the sink's `safe` says up to where that is settled."""

    accepted: int
    rejected: tuple[Rejected, ...] = ()


class Sink(Protocol):
    """Where readings go. A batch that overlaps what is settled already is normal; what was taken before is passed over."""

    name: str
    batch_readings: int  # at most so many in a batch, unless a single block holds more
    linger_s: float  # how long a batch may wait for company

    @property
    def safe(self) -> int:
        """Offset up to which everything is settled for good; the journal is held from the next one on."""
        ...

    async def resume(self, lineage: str, first: int, head: int) -> int:
        """Read the place; returns the next offset wanted of this journal, which holds [first, head)."""
        ...

    async def write(self, batch: Batch) -> WriteResult:
        """Take a batch; raises SinkDown or StoreError when not all of it can be taken now: what follows `safe` comes again."""
        ...

    async def missed(self, first: int, last: int) -> None:
        """The journal no longer holds these offsets and the sink will never be offered them."""
        ...

    async def close(self) -> None:
        """Settle what can be settled and give everything back."""
        ...


class HistoryRunner:
    """One sink's consumer of the journal."""

    def __init__(self, journal: Journal, sink: Sink, clock: Clock, ops: Ops, *, lag_s: float = LAG_S, hold_s: float = HOLD_S) -> None:
        self.taken = 0  # offset up to which the sink has been offered everything
        self.lag_s = 0.0
        self.rejected = 0
        self._journal = journal
        self._sink = sink
        self._clock = clock
        self._ops = ops
        self._lag_s = lag_s
        self._hold_s = hold_s

    async def run(self) -> None:
        """Until cancelled."""
        name = self._sink.name
        extent = await asyncio.to_thread(self._journal.extent)
        offset = await self._retried_resume(extent.first)
        self.taken = offset - 1
        while True:
            try:
                first = (await asyncio.to_thread(self._journal.extent)).first
                if offset < first:
                    await self._skip(offset, first - 1)
                    offset = first
                self._hold()
                async for blocks in self._journal.follow(offset):
                    for batch in batches(blocks, self._sink.batch_readings):
                        await self._deliver(batch)
                        offset = batch.last + 1
                    if self._sink.linger_s and sum(map(_size, blocks)) < self._sink.batch_readings:
                        await self._clock.sleep(self._sink.linger_s)
                return  # the journal is closed
            except JournalGone:
                if offset >= (await asyncio.to_thread(self._journal.extent)).first:
                    raise
                self._ops.counters[f"history.{name}.overtaken"] += 1

    async def _retried_resume(self, first: int) -> int:
        failures = 0
        while True:
            try:
                return await self._sink.resume(self._journal.lineage, first, self._journal.head)
            except StoreError as error:
                failures = await self._wait(failures, type(error).__name__, None)

    async def _deliver(self, batch: Batch) -> None:
        failures = 0
        while True:
            try:
                result = await self._sink.write(batch)
            except SinkDown as error:
                self._look_at_lag(batch)
                failures = await self._wait(failures, str(error), error.retry_after_s)
            except StoreError as error:
                self._look_at_lag(batch)
                failures = await self._wait(failures, type(error).__name__, None)
            else:
                break
            if batch.last <= self._sink.safe:
                result = WriteResult(accepted=0)
                break
            batch = _after(batch, self._sink.safe)
        self._ops.clear(DOWN_FAULT, self._sink.name)
        self.taken = batch.last
        self._look_at_lag(batch)
        self._hold()
        name = self._sink.name
        self.rejected += len(result.rejected)
        self._ops.counters[f"history.{name}.readings"] += result.accepted
        self._ops.counters[f"history.{name}.rejected"] += len(result.rejected)
        self._ops.progress_ns[f"history.{name}"] = self._clock.monotonic_ns()

    async def _wait(self, failures: int, reason: str, retry_after_s: float | None) -> int:
        """Back off; returns the number of failures so far."""
        self._ops.counters[f"history.{self._sink.name}.retries"] += 1
        if failures >= 2:
            self._ops.fault(DOWN_FAULT, self._sink.name, reason=reason)
        delay_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
        await self._clock.sleep(delay_s if retry_after_s is None else min(max(retry_after_s, 0.0), 3600.0))
        return failures + 1

    def _look_at_lag(self, batch: Batch) -> None:
        """How old the oldest thing is that the sink has not taken; beyond the budgets that is said, then the journal is let go."""
        self.lag_s = max(0.0, (self._clock.now_ns() - time_of(batch.blocks[-1])) / NS_PER_S)
        if self.lag_s > self._lag_s:
            self._ops.fault(LAG_FAULT, self._sink.name, lag_s=round(self.lag_s))
        elif self.lag_s <= self._lag_s / 2:
            self._ops.clear(LAG_FAULT, self._sink.name)
        if self.lag_s > self._hold_s:
            self._journal.release(f"history.{self._sink.name}")

    def _hold(self) -> None:
        if self.lag_s <= self._hold_s:
            self._journal.hold(f"history.{self._sink.name}", self._sink.safe + 1)

    async def _skip(self, first: int, last: int) -> None:
        """The journal went on without this sink: said, counted, and the sink knows."""
        self._ops.fault(MISSED_FAULT, self._sink.name, first=first, last=last)
        self._ops.counters[f"history.{self._sink.name}.missed"] += last - first + 1
        failures = 0
        while True:
            try:
                await self._sink.missed(first, last)
                return
            except StoreError as error:
                failures = await self._wait(failures, type(error).__name__, None)

    def status(self) -> dict[str, Any]:
        """Where the sink stands."""
        head = self._journal.head
        return {
            "offset": self.taken,
            "behind": max(0, head - 1 - self.taken),
            "unsettled": max(0, head - 1 - self._sink.safe),
            "lag_s": round(self.lag_s, 1),
            "rejected": self.rejected,
        }


def begin_of(block: StoredBlock) -> int:
    """When the first entry of a block came in, UTC ns."""
    readings = block.readings
    return time_of(block) if readings is None or not len(readings) else int(readings.t_received_ns.min())


def time_of(block: StoredBlock) -> int:
    """When the last entry of a block came in, UTC ns."""
    if block.tick is not None:
        return block.tick.t_ns
    if block.readings is None or not len(block.readings):
        return 0
    return int(block.readings.t_received_ns[-1])


def batches(blocks: Sequence[StoredBlock], readings: int) -> Iterator[Batch]:
    """Cut into batches of at most so many readings; a block is never cut."""
    held: list[StoredBlock] = []
    count = 0
    for block in blocks:
        size = _size(block)
        if held and count + size > readings:
            yield Batch(blocks=tuple(held))
            held, count = [], 0
        held.append(block)
        count += size
    if held:
        yield Batch(blocks=tuple(held))


def _size(block: StoredBlock) -> int:
    return 0 if block.readings is None else len(block.readings)


def _after(batch: Batch, safe: int) -> Batch:
    """What is left of a batch; a block that is settled in part stays whole, the sink passes over what it has."""
    return Batch(blocks=tuple(block for block in batch.blocks if block.last > safe))
