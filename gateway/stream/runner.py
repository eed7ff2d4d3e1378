"""Follows the journal, steps the engine, hands findings to the sink, keeps checkpoints. Nothing is decided here.

- A block's findings are with the sink before the block counts as done; a crash repeats findings with the same ids.
- State, last values and both cursors stand in stream.sqlite in one transaction, every `checkpoint_s`.
- A checkpoint that does not fit (other code, other settings, another journal, too old) is a fault by name, and the journal is replayed
  from its beginning. Meanwhile calls for help do not wait: an express lane looks for them in new blocks by itself. It says them with the
  same ids, so that the sink hears each call once.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import apsw

from analytics.table import TableError
from gateway.clock import NS_PER_S, Clock
from gateway.events import EventRow, Events
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.registry.view import RegistryView
from gateway.store import Component, Database, StoreError, cursor
from gateway.stream import checkpoint
from gateway.stream.calls import Calls
from gateway.stream.engine import Engine
from gateway.stream.latest import Latest
from gateway.stream.rules import StreamConfig
from gateway.vocabulary import Finding

Sink = Callable[[Sequence[Finding]], Awaitable[None]]

COMPONENT = Component(
    "stream",
    (
        """
        CREATE TABLE checkpoint(
            one INTEGER PRIMARY KEY CHECK(one = 1), t_ns INTEGER NOT NULL, engine BLOB NOT NULL, latest BLOB NOT NULL
        ) STRICT
        """,
    ),
)
COMPONENTS = (cursor.COMPONENT, COMPONENT)

JOURNAL, EVENTS = "journal", "events"
CHECKPOINT_S = 15.0
SINK_BATCH = 200  # findings per call of the sink
EVENT_BATCH = 1_000
RETRY_S = (0.1, 0.5, 2.0, 5.0)  # a sink that cannot store now (full disk) is asked again, at last every 5 s
EXPRESS_OFFSETS = 100_000  # how far back the express lane looks at a start without a checkpoint
FAULT, SINK_FAULT = "stream.checkpoint", "stream.sink"


class StreamRunner:
    """One consumer of the journal with its own file."""

    def __init__(
        self,
        journal: Journal,
        events: Events,
        db: Database,
        sink: Sink,
        clock: Clock,
        ops: Ops,
        *,
        config: StreamConfig | None = None,
        checkpoint_s: float = CHECKPOINT_S,
    ) -> None:
        self.latest = Latest()
        self.engine = Engine(config=config)
        self.caught_up = asyncio.Event()  # set when the head that stood at the start has been reached
        self._journal = journal
        self._events = events
        self._db = db
        self._sink = sink
        self._clock = clock
        self._ops = ops
        self._config = config
        self._checkpoint_ns = int(checkpoint_s * NS_PER_S)
        self._saved_ns = 0
        self._saved_offset = 0
        self._midway = False  # a block is taken, but its findings are not all with the sink

    async def run(self) -> None:
        """Until cancelled; a last checkpoint is written on the way out."""
        resumed = await self._load()
        first = (await asyncio.to_thread(self._journal.extent)).first
        start = self.engine.offset + 1 if resumed else first
        express = start if resumed else max(first, self._journal.head - EXPRESS_OFFSETS)
        self._saved_ns = self._clock.monotonic_ns()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._express(express))
            group.create_task(self._main(start))

    async def _main(self, start: int) -> None:
        target = self._journal.head
        self._journal.hold("stream", start)
        if start >= target:
            self._reached()
        try:
            async for blocks in self._journal.follow(start):
                for block in blocks:
                    if block.first > self.engine.offset:
                        await self._take(block)
                if self.engine.offset + 1 >= target and not self.caught_up.is_set():
                    self._reached()
                if self._clock.monotonic_ns() - self._saved_ns >= self._checkpoint_ns:
                    await self.save()
        finally:
            if not self._midway:  # else the engine knows findings that the sink does not: the last checkpoint is the truth
                await asyncio.shield(self.save())

    def _reached(self) -> None:
        self.caught_up.set()
        self._ops.clear(FAULT, "stream")

    async def _take(self, block: StoredBlock) -> None:
        if block.tick is not None:
            await self._fold(self.engine.view, block.tick.events_offset, self.engine.fold)
        self._midway = True
        for _ in self.engine.stages(block):
            await asyncio.sleep(0)  # a call that comes in meanwhile must not wait for a batch of thousands of values
        found = self.engine.said()
        self.latest.take(block)
        await self._hand_over(found)
        self._midway = False
        if block.tick is not None:
            self._ops.progress_ns["stream"] = self._clock.monotonic_ns()
            await asyncio.sleep(0)  # while catching up from memory nothing else awaits

    async def _fold(self, view: RegistryView, upto: int, apply: Callable[[Sequence[EventRow]], None]) -> None:
        """Events up to an offset, in bounded batches."""
        while view.offset < upto:
            rows = await self._events.read(view.offset, limit=EVENT_BATCH, upto=upto)
            if not rows:
                break  # a restored event log may be shorter than the journal's ticks say
            apply(rows)

    async def _hand_over(self, found: Sequence[Finding]) -> None:
        for at in range(0, len(found), SINK_BATCH):
            batch = found[at : at + SINK_BATCH]
            failures = 0
            while True:
                try:
                    await self._sink(batch)
                except StoreError as error:
                    self._ops.fault(SINK_FAULT, "stream", reason=type(error).__name__)
                    await self._clock.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                    failures += 1
                else:
                    self._ops.clear(SINK_FAULT, "stream")
                    break
            self._ops.counters["stream.findings"] += len(batch)

    async def _express(self, start: int) -> None:
        """Calls of new blocks, however far the engine is behind."""
        calls, view = Calls(), RegistryView()
        async for blocks in self._journal.follow(start):
            for block in blocks:
                if block.readings is None or not calls.holds(block.readings):
                    continue
                await self._fold(view, self._events.head, partial(_apply, view))
                await self._hand_over(calls.step(block, view))

    # --- checkpoints -------------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """State, last values and both cursors in one transaction; a full disk is a fault and costs a longer replay, no more."""
        self._saved_ns = self._clock.monotonic_ns()
        offset, events_offset = self.engine.offset, self.engine.view.offset
        if offset == self._saved_offset:
            return
        plain, latest = checkpoint.pack(self.engine), self.latest.pack()
        sealed, latest = await asyncio.to_thread(lambda: (checkpoint.seal(plain), zlib.compress(latest, 1)))
        now_ns = self._clock.now_ns()

        def unit(conn: apsw.Connection) -> None:
            conn.execute("INSERT OR REPLACE INTO checkpoint(one, t_ns, engine, latest) VALUES(1, ?, ?, ?)", (now_ns, sealed, latest))
            cursor.put(conn, JOURNAL, self._journal.lineage, offset)
            cursor.put(conn, EVENTS, self._events.lineage, events_offset)

        try:
            await self._db.write(unit)
        except StoreError as error:
            self._ops.fault(FAULT, "stream", reason=type(error).__name__)
            return
        if self.caught_up.is_set():
            self._ops.clear(FAULT, "stream")
        self._saved_offset = offset
        self._journal.hold("stream", offset + 1)

    async def _load(self) -> bool:
        """Go on from the checkpoint; False = from the journal's beginning."""
        row, journal_at, events_at = await self._db.read(_read)
        if row is None:
            return False
        extent = await asyncio.to_thread(self._journal.extent)
        reason = self._misfit(journal_at, events_at, extent.first, extent.head)
        if reason is None:
            try:
                await self._resume(row)
            except (checkpoint.CheckpointError, TableError, zlib.error) as error:
                reason = str(error)
            else:
                return True
        self._ops.fault(FAULT, "stream", reason=reason, replaying=extent.head - extent.first)
        self.engine, self.latest = Engine(config=self._config), Latest()
        return False

    def _misfit(self, journal_at: tuple[str, int] | None, events_at: tuple[str, int] | None, first: int, head: int) -> str | None:
        if journal_at is None or events_at is None:
            return "has no cursor"
        if journal_at[0] != self._journal.lineage or events_at[0] != self._events.lineage:
            return "belongs to other logs"
        if events_at[1] > self._events.head or journal_at[1] + 1 > head:
            return "is ahead of the logs"
        if journal_at[1] + 1 < first:
            return "is older than the journal"
        return None

    async def _resume(self, row: tuple[bytes, bytes]) -> None:
        upto = int(checkpoint.header(row[0])["events_offset"])
        view = RegistryView()
        await self._fold(view, upto, partial(_apply, view))
        self.engine = checkpoint.restore(row[0], view, self._config)
        self.latest = Latest.unpack(zlib.decompress(row[1]))
        self._saved_offset = self.engine.offset


def _apply(view: RegistryView, rows: Sequence[EventRow]) -> None:
    for row in rows:
        view.apply(row)


def _read(conn: apsw.Connection) -> tuple[tuple[bytes, bytes] | None, tuple[str, int] | None, tuple[str, int] | None]:
    row = conn.execute("SELECT engine, latest FROM checkpoint WHERE one = 1").fetchone()
    return (None if row is None else (row[0], row[1])), cursor.get(conn, JOURNAL), cursor.get(conn, EVENTS)
