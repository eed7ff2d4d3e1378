"""Follows the journal and the events and puts items into the outbox, with both cursors in the same transaction.

Readings belong to whom the registry knew at their tick. When a binding changes for the past, readings that are in the outbox already
follow: what had left becomes entered-in-error at the old person and goes anew to the right one, with a word of why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.ehr.base import outbox
from gateway.ehr.base.items import FORMAT, NOBODY, Item, ItemKind, Row
from gateway.ehr.base.outbox import Address
from gateway.ehr.feed import alerts, vitals
from gateway.ehr.feed.pace import Pace
from gateway.events import EventRow, Events
from gateway.journal import Journal, JournalGone
from gateway.ops import Ops
from gateway.readings import ReadingBlock, StoredBlock
from gateway.registry.view import RegistryView
from gateway.store import Database, StoreError, cursor

JOURNAL, EVENTS = "journal", "events"
EVENT_BATCH = 1_000
MAX_READINGS = 20_000  # taken at once
FLUSH_S = 2.0
RETRY_S = (0.2, 1.0, 5.0, 30.0)
PRUNE_S = 600.0
HOLD_NS = 6 * 86_400 * NS_PER_S  # beyond this the journal is not held any more
MISSED_FAULT, STORE_FAULT, SHED_FAULT = "ehr.missed", "ehr.store", "ehr.shed"

Step = Callable[[apsw.Connection], None]
Told = Callable[[int], Awaitable[Sequence[dict[str, str]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """What goes in, and for how long it stays."""

    alert_kinds: Collection[str] = ("physiological", "call")
    keep_ns: int = 30 * 86_400 * NS_PER_S  # so far back corrections reach
    most_items: int = 2_000_000
    flush_s: float = FLUSH_S


class Feed:
    """One consumer of the journal, with its own file."""

    def __init__(
        self,
        journal: Journal,
        events: Events,
        db: Database,
        addresses: Sequence[Address],
        told: Told,
        clock: Clock,
        ops: Ops,
        options: FeedOptions | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.view = RegistryView()
        self.offset = 0  # last offset of the journal that is taken
        self._journal = journal
        self._events = events
        self._db = db
        self._addresses = tuple(addresses)
        self._told = told
        self._clock = clock
        self._ops = ops
        self._options = options or FeedOptions()
        self._wake = wake
        self._blocks: list[ReadingBlock] = []  # not looked at yet; the view is still theirs
        self._steps: list[Step] = []
        self._taken = 0
        self._pace = Pace()
        self._tick_ns = 0
        self._flushed_ns = 0
        self._pruned_ns = 0

    async def run(self) -> None:
        """Until cancelled."""
        offset = await self._resume()
        while True:
            first = self._journal.extent().first
            if offset < first:
                self._ops.fault(MISSED_FAULT, "ehr", first=offset, last=first - 1)
                offset = first
            self.offset = offset - 1
            self._journal.hold("ehr", offset)
            try:
                async for blocks in self._journal.follow(offset):
                    for block in blocks:
                        await self._take(block)
                    offset = blocks[-1].last + 1
                    if self._due():
                        await self._flush()
                return  # the journal is closed
            except JournalGone:
                if offset >= self._journal.extent().first:
                    raise

    async def _resume(self) -> int:
        journal_at, events_at = await self._db.read(lambda conn: (cursor.get(conn, JOURNAL), cursor.get(conn, EVENTS)))
        if events_at is not None and events_at[0] == self._events.lineage and events_at[1] <= self._events.head:
            await self._fold(events_at[1], lambda rows: None)
        names = [one.name for one in self._addresses]
        await self._db.write(lambda conn: outbox.forget_target(conn, names))
        self._flushed_ns = self._clock.monotonic_ns()
        if journal_at is None or journal_at[0] != self._journal.lineage or journal_at[1] >= self._journal.head:
            return self._journal.extent().first
        return journal_at[1] + 1

    async def _fold(self, upto: int, each: Callable[[Sequence[EventRow]], Any]) -> None:
        while self.view.offset < upto:
            rows = await self._events.read(self.view.offset, limit=EVENT_BATCH, upto=upto)
            if not rows:
                break
            for row in rows:
                self.view.apply(row)
            each(rows)

    # --- taking ------------------------------------------------------------------------------------------------------

    async def _take(self, block: StoredBlock) -> None:
        if block.last <= self.offset:
            return
        if block.readings is not None:
            self._blocks.append(block.readings)
            self._taken += len(block.readings)
        if block.tick is not None:
            self._tick_ns = max(self._tick_ns, block.tick.t_ns)
            await self._hear(block.tick.events_offset)
        self.offset = block.last
        if self._taken >= MAX_READINGS:
            await self._flush()

    async def _look(self) -> None:
        """Readings become items under the view that was theirs."""
        blocks, self._blocks = self._blocks, []
        if blocks:
            self._put(vitals.items_of(vitals.joined(blocks), self.view, self._pace))
            await asyncio.sleep(0)  # while catching up nothing else may wait long

    def _put(self, items: Sequence[Item]) -> None:
        if not items:
            return
        addresses, now_ns = self._addresses, self._clock.now_ns()

        def step(conn: apsw.Connection) -> None:
            for item in items:
                outbox.put(conn, item, addresses, now_ns)

        self._steps.append(step)
        self._ops.counters["ehr.items"] += len(items)

    async def _hear(self, upto: int) -> None:
        """Events up to an offset: alerts become items, changed bindings move readings."""
        if upto <= self.view.offset:
            return
        await self._look()
        heard: list[EventRow] = []
        await self._fold(upto, heard.extend)
        moved: dict[str, EventRow] = {}
        since: dict[str, int] = {}
        for event in heard:
            if event.kind.startswith("alert."):
                told = await self._told(event.offset) if "view" in event.body else ()
                if event.kind == "alert.followed":
                    self._follow(event)
                self._put(alerts.items_of(event, self.view, self._options.alert_kinds, told))
            elif event.kind in ("binding.set", "binding.ended"):
                binding = self.view.bindings[event.body["id"]]
                start_ns = binding.valid_from_ns if event.kind == "binding.set" else event.body["valid_to_ns"]
                moved[binding.device_id] = event
                since[binding.device_id] = min(start_ns, since.get(binding.device_id, start_ns))
        for device, event in moved.items():
            self._move(device, since[device], event)

    def _follow(self, event: EventRow) -> None:
        alert_id, resident = event.subject, event.body["view"]["resident_id"]

        def step(conn: apsw.Connection) -> None:
            outbox.follow(conn, alert_id, resident)

        self._steps.append(step)

    def _move(self, device: str, since_ns: int, event: EventRow) -> None:
        addresses, now_ns, view = self._addresses, self._clock.now_ns(), self.view.copy()

        def step(conn: apsw.Connection) -> None:
            for row, due_ns in outbox.of_device(conn, device, since_ns):
                owner = view.resident_of(device, row.t_ns) or NOBODY
                if owner != row.resident:
                    move(conn, row, due_ns, owner, event, addresses, now_ns)

        self._steps.append(step)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _due(self) -> bool:
        return self._clock.monotonic_ns() - self._flushed_ns >= self._options.flush_s * NS_PER_S

    async def _flush(self) -> None:
        """Everything taken, and both cursors, in one transaction; a file that cannot be written is waited for."""
        await self._look()
        steps, self._steps, self._taken = self._steps, [], 0
        offset, events_offset, tick_ns = self.offset, self.view.offset, self._tick_ns
        addresses = self._addresses

        def unit(conn: apsw.Connection) -> None:
            for step in steps:
                step(conn)
            outbox.release(conn, tick_ns, addresses)
            cursor.put(conn, JOURNAL, self._journal.lineage, offset)
            cursor.put(conn, EVENTS, self._events.lineage, events_offset)

        failures = 0
        while True:
            try:
                await self._db.write(unit)
                break
            except StoreError as error:
                self._ops.fault(STORE_FAULT, "ehr", reason=type(error).__name__)
                if self._clock.now_ns() - tick_ns > HOLD_NS:
                    self._journal.release("ehr")  # the disk must not fill up for the record's sake
                await self._clock.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
        self._ops.clear(STORE_FAULT, "ehr")
        self._journal.hold("ehr", offset + 1)
        self._flushed_ns = self._clock.monotonic_ns()
        self._ops.progress_ns["ehr"] = self._flushed_ns
        self._wake()
        await self._prune()

    async def _prune(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._pruned_ns and now_ns - self._pruned_ns < PRUNE_S * NS_PER_S:
            return
        before_ns, most = self._clock.now_ns() - self._options.keep_ns, self._options.most_items
        try:
            settled, shed = await self._db.write(lambda conn: outbox.prune(conn, before_ns, most))
        except StoreError as error:
            self._ops.fault(STORE_FAULT, "ehr", reason=type(error).__name__)
            return
        if shed:
            self._ops.fault(SHED_FAULT, "ehr", count=shed)
            self._ops.counters["ehr.shed"] += shed
        else:
            self._ops.clear(SHED_FAULT, "ehr")
        if not settled and not shed:
            self._pruned_ns = now_ns  # else there may be more: the next flush goes on


def move(
    conn: apsw.Connection, row: Row, due_ns: int | None, owner: str, event: EventRow, addresses: Sequence[Address], now_ns: int
) -> None:
    """A reading is another person's: what had left is taken back, and it goes to the right one."""
    left = outbox.retract(conn, row.id)
    item = Item(
        kind=row.kind,
        key=row.key,
        resident=owner,
        device=row.device,
        t_ns=row.t_ns,
        origin=row.origin,
        test=row.test,
        record=row.record,
        due_ns=due_ns,
    )
    outbox.put(conn, item, addresses, now_ns)
    if not left or owner == NOBODY:
        return
    why = Item(
        kind=ItemKind.CORRECTION,
        key=f"correction.{event.offset}.{row.key}",
        resident=owner,
        device=row.device,
        t_ns=event.t_ns,
        origin=row.origin,
        test=row.test,
        record={
            "v": FORMAT,
            "of": row.key,
            "old": row.resident,
            "targets": [f"{row.key}|{row.resident}", f"{row.key}|{owner}"],
            "at": event.t_ns,
            "tz": row.record["tz"],
            "actor": event.actor,
        },
    )
    outbox.put(conn, why, [one for one in addresses if one.name in left], now_ns)
