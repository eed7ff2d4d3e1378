"""What happens by the clock: a tick per second into the journal, retention, the hourly backup."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.clock import NS_PER_S, Clock
from gateway.events import Events
from gateway.ops import Ops
from gateway.store import StoreError

TICK_S = 1.0
RETAIN_EVERY_S = 3600.0
FIRST_BACKUP_S = 300.0


class TickDoor(Protocol):
    """What is needed of the journal."""

    async def tick(self, t_ns: int, events_offset: int) -> Any:
        """Store the passing of a second."""
        ...

    async def retain(self, now_ns: int) -> tuple[str, ...]:
        """Drop what is old and no longer needed."""
        ...


class Head(Protocol):
    """What is needed of the event log."""

    head: int


async def ticks(journal: TickDoor, events: Head, clock: Clock, ops: Ops) -> None:
    """Write a tick each second until cancelled; a full disk stops ticks (the store says so), never the loop."""
    due_ns = clock.monotonic_ns()
    while True:
        try:
            await journal.tick(clock.now_ns(), events.head)
            ops.progress_ns["ticks"] = clock.monotonic_ns()
        except StoreError:
            ops.counters["ticks.refused"] += 1
        due_ns = max(due_ns + int(TICK_S * NS_PER_S), clock.monotonic_ns())
        await clock.sleep((due_ns - clock.monotonic_ns()) / NS_PER_S)


async def retention(journal: TickDoor, clock: Clock, ops: Ops) -> None:
    """Drop old segments each hour."""
    while True:
        await clock.sleep(RETAIN_EVERY_S)
        try:
            ops.counters["journal.dropped"] += len(await journal.retain(clock.now_ns()))
        except StoreError as error:
            ops.fault("journal.retention", "journal", reason=type(error).__name__)
        else:
            ops.clear("journal.retention", "journal")


async def backups(make: Callable[[], Awaitable[Any]], every_s: float, clock: Clock, ops: Ops) -> None:
    """An archive of the store at each interval; a failure is a technical alert until one succeeds."""
    await clock.sleep(min(FIRST_BACKUP_S, every_s))
    while True:
        try:
            await make()
        except (StoreError, OSError) as error:
            ops.fault("backup.failed", "backup", reason=type(error).__name__)
        else:
            ops.clear("backup.failed", "backup")
            ops.counters["backups"] += 1
        await clock.sleep(every_s)


async def first_to_end(tasks: dict[str, asyncio.Task[Any]]) -> None:
    """Wait until one of the gateway's tasks ends: none may, so its error (or its end) is the gateway's."""
    done, _ = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    names = ", ".join(sorted(task.get_name() for task in done))
    raise RuntimeError(f"ended by itself: {names}")


async def follow_devices(events: Events, changed: Callable[[], None]) -> None:
    """Call back when devices or their tokens change."""
    seen = events.head
    while True:
        head = await events.wait(seen, 60.0)
        rows = await events.read(seen, upto=head, kinds_prefix="device.")
        seen = head
        if rows:
            changed()
