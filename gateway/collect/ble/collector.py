"""The Bluetooth door: any number of adapters, one stream of frames, acknowledged after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from gateway.clock import Clock
from gateway.collect.ble.book import Book
from gateway.collect.ble.hub import Hub
from gateway.collect.ble.parts import Item, Parts, RegistryDoor, Timing, Tray
from gateway.collect.ble.radio import Radio
from gateway.frames import Ack, Fate, Frame, Verdict
from gateway.ops import Ops

BATCH = 500
RETRY_FIRST_S = 0.5
RETRY_CAP_S = 15.0


class BleCollector:
    """Frames of all adapters. What intake refuses is kept and offered again; records stay in their devices until they are durable."""

    name = "ble"
    priority = False

    def __init__(
        self,
        radios: Sequence[Radio],
        registry: RegistryDoor,
        book: Book,
        clock: Clock,
        ops: Ops,
        *,
        links: int = 8,
        strangers: bool = True,
        timing: Timing | None = None,
    ) -> None:
        self._clock = clock
        self._ops = ops
        self._tray = Tray(ops)
        run = f"ble-{clock.now_ns():x}"
        self.parts = Parts(
            clock=clock, ops=ops, book=book, registry=registry, tray=self._tray, timing=timing or Timing(), run=run, strangers=strangers
        )
        self.calls = self.parts.calls  # a lane of its own, for intake to serve beside this one
        self.hubs = [Hub(radio, self.parts, links=links) for radio in radios]
        self.parts.pairings.began = lambda pairing: self._make_room(pairing.address)
        self.parts.air.make_room = self._make_room
        self._held: list[Item] = []
        self._retry_s = 0.0
        self._tasks: list[asyncio.Future[None]] = []

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Batches for ever; the adapters run with it."""
        await self.parts.book.settle_killed()
        tasks = self._tasks = [asyncio.ensure_future(hub.run()) for hub in self.hubs]
        tasks.append(asyncio.ensure_future(self._remember_heard()))
        try:
            while True:
                items = await self._next(tasks)
                yield [item.frame for item in items], partial(self._settle, items)
        finally:
            await self.close()

    async def close(self) -> None:
        """Give links and adapters back; interruptions are written down."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self, tasks: Sequence[asyncio.Future[None]]) -> list[Item]:
        if self._held:
            await self._clock.sleep(self._retry_s)
            held, self._held = self._held, []
            return held
        take = asyncio.ensure_future(self._tray.take(BATCH))
        try:
            waits: list[asyncio.Future[Any]] = [take, *tasks]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not take.done():
                take.cancel()
        if take.done():
            return take.result()
        for task in tasks:
            if task.done():
                task.result()  # none of them ever ends but by an error
        raise RuntimeError("the Bluetooth door has ended")

    async def _settle(self, items: list[Item], verdicts: Sequence[Verdict]) -> None:
        held: list[Item] = []
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict.fate is Fate.REFUSED:
                held.append(item)
            elif item.landed is not None:
                item.landed(verdict.fate)
        self._held = held
        self._retry_s = min(RETRY_CAP_S, self._retry_s * 2 or RETRY_FIRST_S) if held else 0.0
        if held:
            self._ops.counters["ble.refused"] += len(held)

    def _make_room(self, address: str) -> None:
        for hub in self.hubs:
            session = hub.sessions.get(address)
            if session is not None:
                session.cancel()  # it hangs up; the device is heard again and paired

    async def forget(self, address: str) -> None:
        """Drop the keys of a device on every adapter that knows it; a link of it ends first."""
        self._make_room(address.upper())
        for hub in self.hubs:
            await hub.forget(address.upper())

    async def _remember_heard(self) -> None:
        """For the day when this process is killed: since when nothing was heard."""
        while True:
            await self._clock.sleep(self.parts.timing.heard_every_s)
            if self.parts.heard:
                await self.parts.book.heard(dict(self.parts.heard))

    def links(self) -> dict[str, int]:
        """Adapter -> links that stand, for the status."""
        return {hub.name: len(hub.sessions) for hub in self.hubs}
