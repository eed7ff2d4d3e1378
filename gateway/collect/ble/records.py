"""Stored records by the record access control point: count first, then what is newer than the last one that the journal holds.

Nothing is ever deleted on a device. The last sequence moves only when everything up to it is durable, so a cut link or a killed process
costs at most the same records once more, which intake recognises by their bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from devices.gatt import record_access as racp
from devices.model import DecodeError
from gateway.collect.ble.parts import Parts, within
from gateway.frames import Fate

NOTED_EVERY = 20  # durable records: so many may come again after a kill
ROUNDS = 3  # of one connection, while the device reports less than it counted

Write = Callable[[bytes], Awaitable[None]]


class RecordsError(RuntimeError):
    """The device did not carry out what it was asked; the text names the procedure's outcome only."""


@dataclass(slots=True)
class Fetch:
    """Records of one report, in the order in which they came."""

    order: list[int] = field(default_factory=list)
    durable: set[int] = field(default_factory=set)
    rising: bool = True
    settled: int = 0  # so many from the beginning are durable

    def came(self, sequence: int) -> None:
        """A record is on its way to the journal."""
        self.rising = self.rising and (not self.order or self.order[-1] < sequence)
        self.order.append(sequence)

    def landed(self, sequence: int) -> None:
        """It is durable, as a reading or as a dead letter."""
        self.durable.add(sequence)
        while self.settled < len(self.order) and self.order[self.settled] in self.durable:
            self.settled += 1

    @property
    def all_durable(self) -> bool:
        """Whether nothing is on its way."""
        return self.settled == len(self.order)

    def safe(self) -> int | None:
        """The highest sequence below which nothing is missing, in the middle of a report; None where the order does not tell."""
        return self.order[self.settled - 1] if self.rising and self.settled and len(self.order) > 1 else None


class Records:
    """The memory of one service of one connected device."""

    def __init__(self, parts: Parts, device: str, service: str, write: Write) -> None:
        self.whole = False  # its numbers do not rise for ever: everything is asked for each time
        self._parts = parts
        self._device = device
        self.service = service  # names the memory; of a sensor with sessions, with the session
        self._write = write
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)
        self._heard = asyncio.Event()
        self._fetch: Fetch | None = None
        self._last: int | None = None
        self._noted = 0  # of the present report
        self._notes: set[asyncio.Task[None]] = set()

    # --- what the device says

    def answer(self, payload: bytes) -> None:
        """An indication of the control point."""
        if not self._answers.full():  # a device that answers without being asked is not listened to for ever
            self._answers.put_nowait(payload)

    def came(self, sequence: int) -> Callable[[Fate], None]:
        """A measurement came; returns what wants to know its fate."""
        self._heard.set()
        fetch = self._fetch
        if fetch is None:
            return lambda fate: self._live_landed(sequence, fate)
        fetch.came(sequence)
        return lambda fate: self._landed(fetch, sequence, fate)

    def _landed(self, fetch: Fetch, sequence: int, fate: Fate) -> None:
        if fate is not Fate.REFUSED:
            fetch.landed(sequence)
        self._heard.set()
        if fetch.settled - self._noted >= NOTED_EVERY and fetch is self._fetch:
            self._noted = fetch.settled
            self._note(self._settle(fetch))

    def _live_landed(self, sequence: int, fate: Fate) -> None:
        """Measured while connected: the next in order moves the last one on; any other is asked for again at the next connection."""
        if fate is not Fate.REFUSED and self._last is not None and sequence == self._last + 1:
            self._note(self._advance(sequence))

    def _note(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the procedure; `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    # --- the procedure

    async def fetch(self) -> int:
        """Bring everything new to the journal; says how many records came."""
        self._last = await self._parts.book.last_sequence(self._device, self.service)
        came = 0
        for _ in range(ROUNDS):
            start, expected = await self._find_start()
            if expected == 0:
                self._parts.ops.clear("ble.records", self._device)
                return came
            fetch, self._noted = Fetch(), 0
            self._fetch = fetch
            complete = await self._report(start, fetch)
            await self._wait_durable(fetch)
            self._fetch = None
            came += len(fetch.order)
            if complete and fetch.all_durable and len(set(fetch.order)) >= expected:
                await self._advance(max(fetch.order))
                self._parts.ops.clear("ble.records", self._device)
                return came
            await self._settle(fetch)
        self._parts.ops.fault("ble.records", self._device)
        return came

    async def _find_start(self) -> tuple[int | None, int]:
        """(first sequence to ask for, None = all; how many records the device counts there)."""
        if self._last is None or self.whole:
            return None, await self._count(racp.count_all())
        if self._last < racp.MAX_SEQUENCE:
            new = await self._count(racp.count_from(self._last + 1))
            if new:
                return self._last + 1, new
        if await self._count(racp.count_from(self._last)):
            return None, 0  # the last one is still there: nothing is new
        return None, await self._count(racp.count_all())  # the memory was cleared, or its numbers began again

    async def _count(self, request: bytes) -> int:
        answer = await self._ask(request)
        if isinstance(answer, racp.Counted):
            return answer.records
        if answer.outcome is racp.Outcome.NO_RECORDS:
            return 0
        raise RecordsError(f"count: {answer.outcome.name}")

    async def _report(self, start: int | None, fetch: Fetch) -> bool:
        """Whether the device says that it has sent everything."""
        answer = await self._ask(racp.report_all() if start is None else racp.report_from(start), fetch)
        if isinstance(answer, racp.Counted):
            raise RecordsError("report: answered with a count")
        if not answer.complete:
            self._parts.ops.counters[f"ble.report.{answer.outcome.name.lower()}"] += 1
        return answer.complete

    async def _ask(self, request: bytes, fetch: Fetch | None = None) -> racp.Counted | racp.Ended:
        """One procedure; each record extends the wait, and silence ends it with an abort."""
        timing, clock = self._parts.timing, self._parts.clock
        while not self._answers.empty():
            self._answers.get_nowait()
        await within(clock, self._write(request), timing.exchange_s)
        while True:
            known = 0 if fetch is None else len(fetch.order)
            try:
                payload = await within(clock, self._answers.get(), timing.records_silence_s)
            except TimeoutError:
                if fetch is not None and len(fetch.order) > known:
                    continue
                await within(clock, self._write(racp.abort()), timing.exchange_s)
                raise
            try:
                answer = racp.response(payload)
            except DecodeError as error:
                raise RecordsError(f"control point: {error}") from error
            if isinstance(answer, racp.Ended) and answer.request is racp.Request.ABORT:
                continue  # of a former procedure
            return answer

    async def _wait_durable(self, fetch: Fetch) -> None:
        """Until the journal has it all, or it takes too long (a full disk)."""
        clock = self._parts.clock
        ends_ns = clock.monotonic_ns() + int(self._parts.timing.landing_s * 1e9)
        while not fetch.all_durable and clock.monotonic_ns() < ends_ns:
            self._heard.clear()
            try:
                await within(clock, self._heard.wait(), (ends_ns - clock.monotonic_ns()) / 1e9)
            except TimeoutError:
                return

    async def close(self) -> None:
        """After a cut: what has come is waited for and need not come again."""
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            await self._wait_durable(fetch)
            await self._settle(fetch)
        await asyncio.gather(*self._notes)

    async def _settle(self, fetch: Fetch) -> None:
        """Move on as far as nothing can be missing."""
        safe = fetch.safe()
        if safe is not None and (self._last is None or safe > self._last):
            await self._advance(safe)

    async def _advance(self, sequence: int) -> None:
        self._last = sequence
        await self._parts.book.advance(self._device, self.service, sequence)
