"""The memory of a device, fetched through its record access control point: only what is newer than the record up to which the journal goes.

Numbers of records wrap, begin again with a new battery, come twice or in falling order, so they are believed only as far as bytes prove
them. The newest record is asked for first; if it is the one that the journal ends with, nothing is new. Else everything from that one on is
asked for, itself included: if it comes with other bytes, or not at all, the numbers mean something else now and the whole memory is asked
for. A newest record with a lower number is a wrap: up to the top first, then from the bottom to the newest.

Nothing is ever deleted on a device. The journal's place moves only when everything up to it is durable, so a cut link or a killed process
costs at most the same records once more, which intake recognises by their bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from devices.gatt import record_access as racp
from devices.gatt.record_access import ALL, Outcome, Which
from devices.model import DecodeError
from gateway.collect.ble.book import Place
from gateway.collect.ble.parts import Parts, within
from gateway.frames import Fate

NOTED_EVERY = 20  # durable records: so many may come again after a kill
ROUNDS = 6  # of one connection: a wrap takes three; the rest is for a device that reports less than it counted
REFUSALS = frozenset({
    Outcome.OPCODE_NOT_SUPPORTED, Outcome.INVALID_OPERATOR, Outcome.OPERATOR_NOT_SUPPORTED, Outcome.INVALID_OPERAND,
    Outcome.OPERAND_NOT_SUPPORTED,
})  # fmt: skip

Write = Callable[[bytes], Awaitable[None]]
Named = tuple[int, bytes]  # number and mark of a record


class RecordsError(RuntimeError):
    """The device did not carry out what it was asked; the text names the procedure's outcome only."""


def mark_of(record: bytes) -> bytes:
    """What a record is known again by."""
    return blake2b(record, digest_size=8).digest()


@dataclass(slots=True)
class Fetch:
    """Records of one report, in the order in which they came."""

    which: Which = ALL
    proof: Named | None = None  # must be among them, or the numbers mean something else
    fills: bool = False  # what was still missing below
    order: list[Named] = field(default_factory=list)
    durable: set[int] = field(default_factory=set)  # places in the order
    rising: bool = True
    falling: bool = True
    settled: int = 0  # so many from the beginning are durable

    def came(self, named: Named) -> int:
        """A record is on its way to the journal; returns its place."""
        if self.order:
            self.rising &= self.order[-1][0] <= named[0]
            self.falling &= self.order[-1][0] >= named[0]
        self.order.append(named)
        return len(self.order) - 1

    def landed(self, place: int) -> None:
        """It is durable, as a reading or as a dead letter."""
        self.durable.add(place)
        while self.settled in self.durable:
            self.settled += 1

    @property
    def all_durable(self) -> bool:
        """Whether nothing is on its way."""
        return self.settled == len(self.order)

    @property
    def proven(self) -> bool:
        """Whether the numbers mean what they meant."""
        return self.proof is None or self.proof in self.order

    @property
    def refuted(self) -> bool:
        """Whether another record has the number of the one that was known."""
        return self.proof is not None and not self.proven and self.proof[0] in {number for number, _ in self.order}

    def end(self) -> Named | None:
        """The newest of them where their order tells."""
        return (self.order[-1] if self.rising else self.order[0] if self.falling else None) if self.order else None

    def safe(self, place: Place | None) -> Place | None:
        """How far nothing can be missing, in the middle of a report; None where the order does not tell."""
        if len(self.order) < 2 or not self.settled or not self.proven:
            return None
        number, mark = self.order[self.settled - 1]
        if self.fills:
            return replace(place, below=number) if place is not None and self.falling else None
        if self.rising:
            known = len(set(self.order[: self.settled]))
            if self.proof is None or place is None:
                return Place(sequence=number, mark=mark, total=known if self.which == ALL else None)
            return replace(place, sequence=number, mark=mark, total=None if place.total is None else place.total + known - 1)
        if self.falling and self.which == ALL:
            return Place(sequence=self.order[0][0], mark=self.order[0][1], below=number)
        return None


class Records:
    """The memory of one service of one connected device."""

    def __init__(self, parts: Parts, device: str, service: str, write: Write) -> None:
        self.whole = False  # its numbers tell nothing: everything is asked for each time
        self._parts = parts
        self._device = device
        self.service = service  # names the memory; of a sensor with sessions, with the session
        self._write = write
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)
        self._heard = asyncio.Event()
        self._fetch: Fetch | None = None
        self._place: Place | None = None
        self._noted = 0  # of the present report
        self._notes: set[asyncio.Task[None]] = set()
        self._former: set[Named] = set()  # what the last report of this connection held

    # --- what the device says

    def answer(self, payload: bytes) -> None:
        """An indication of the control point."""
        if not self._answers.full():  # a device that answers without being asked is not listened to for ever
            self._answers.put_nowait(payload)

    def came(self, sequence: int, record: bytes) -> Callable[[Fate], None]:
        """A measurement came; returns what wants to know its fate."""
        self._heard.set()
        fetch, named = self._fetch, (sequence, mark_of(record))
        if fetch is None:
            return lambda fate: self._live_landed(named, fate)
        at = fetch.came(named)
        return lambda fate: self._landed(fetch, at, fate)

    def _landed(self, fetch: Fetch, at: int, fate: Fate) -> None:
        if fate is not Fate.REFUSED:
            fetch.landed(at)
        self._heard.set()
        if fetch.settled - self._noted >= NOTED_EVERY and fetch is self._fetch:
            self._noted = fetch.settled
            self._note(self._settle(fetch))

    def _live_landed(self, named: Named, fate: Fate) -> None:
        """Measured while connected: the next in order moves the place on; any other is asked for again at the next connection."""
        if fate is not Fate.REFUSED and self._place is not None and named[0] == self._place.sequence + 1:
            self._note(self._move(replace(self._place, sequence=named[0], mark=named[1])))

    def _note(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the procedure; `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    # --- the procedure

    async def fetch(self) -> bool:
        """Bring everything new to the journal; whether the device has told all that it counts."""
        self._place = None if self.whole else await self._parts.book.place(self._device, self.service)
        for _ in range(ROUNDS):
            if await self._round():
                self._parts.ops.clear("ble.records", self._device)
                return True
        self._parts.ops.fault("ble.records", self._device)
        return False

    async def _round(self) -> bool:
        """One step; whether nothing is left to do."""
        place = self._place
        if place is None:
            return await self._bring(ALL)
        newest = await self._newest()
        if newest is None:
            return await self._unaided(place)
        if not newest:
            return True
        named = newest[0]
        if named == (place.sequence, place.mark):
            if place.below is not None:
                return await self._bring(Which(high=place.below), fills=True)
            return place.total is None or await self._count(ALL) <= place.total or await self._bring(ALL)
        if named[0] > place.sequence:
            return await self._bring(Which(place.sequence, named[0]), proof=place) and place.below is None
        if place.below is None and await self._bring(Which(low=place.sequence), proof=place):
            return await self._bring(Which(high=named[0]))
        self._place = None
        return False

    async def _unaided(self, place: Place) -> bool:
        """Of a device that does not tell its newest record: what numbers and counts can prove."""
        total, above = await self._count(ALL), await self._count(Which(low=place.sequence))
        if total == 0:
            return True
        explained = place.total is not None and total <= place.total + above - 1
        if not above or not explained or place.below is not None or place.sequence == racp.MAX_SEQUENCE:
            self._place = None
            return await self._bring(ALL)
        return await self._bring(Which(low=place.sequence), proof=place)

    async def _bring(self, which: Which, *, proof: Place | None = None, fills: bool = False) -> bool:
        """Have these records reported and stored; whether all of them came and the journal's place has moved behind them."""
        which, expected = await self._widened(which)
        if expected == 0 and proof is None:
            if fills and self._place is not None:
                await self._move(replace(self._place, below=None))  # the device has dropped them meanwhile
            return True
        fetch = Fetch(which, None if proof is None else (proof.sequence, proof.mark), fills)
        self._fetch, self._noted = fetch, 0
        complete = expected > 0 and await self._report(which, fetch)
        await self._wait_durable(fetch)
        self._fetch = None
        await asyncio.gather(*self._notes)
        found = set(fetch.order)
        # A device that has the same record twice counts it twice: then a second report with nothing else in it is believed.
        enough = len(found) >= expected or (len(fetch.order) >= expected and found == self._former)
        self._former = found
        if not complete or not fetch.all_durable or not enough:
            await self._settle(fetch)
            return False
        if not fetch.proven:
            await self._move(None)
        elif fills and self._place is not None:
            await self._move(replace(self._place, below=None))
        elif not self.whole:
            await self._move(await self._place_after(fetch, proof))
        return fetch.proven

    async def _place_after(self, fetch: Fetch, before: Place | None) -> Place | None:
        """Where the journal stands when all of a report is durable."""
        end = fetch.end()
        if end is None and before is not None:
            end = max(fetch.order, key=lambda named: named[0])
        elif end is None:  # neither rising nor falling: a memory that has wrapped
            newest = await self._newest()
            end = newest[0] if newest and newest[0] in fetch.order else None
        total = len(fetch.order) if fetch.which == ALL else await self._count(ALL)
        below = None if before is None else before.below
        return None if end is None else Place(sequence=end[0], mark=end[1], below=below, total=total)

    async def _newest(self) -> list[Named] | None:
        """The newest record, in a list that is empty if there is none; None of a device that does not know the request."""
        fetch = self._fetch = Fetch()
        answer = await self._ask(racp.report_last(), fetch)
        self._fetch = None
        if isinstance(answer, racp.Counted):
            raise RecordsError("report: answered with a count")
        if answer.outcome is Outcome.NO_RECORDS:
            return []
        return fetch.order[-1:] if answer.complete and fetch.order else None

    async def _widened(self, which: Which) -> tuple[Which, int]:
        """What to ask for, and how many records that are: more than was meant where the device cannot tell less."""
        for wider in (which, Which(low=which.low), ALL):
            answer = await self._ask(racp.count(wider))
            if isinstance(answer, racp.Counted):
                return wider, answer.records
            if answer.outcome is Outcome.NO_RECORDS:
                return wider, 0
            if answer.outcome not in REFUSALS or wider == ALL:
                raise RecordsError(f"count: {answer.outcome.name}")
        raise RecordsError("count: refused")

    async def _count(self, which: Which) -> int:
        wider, records = await self._widened(which)
        return records if wider == which else 0

    async def _report(self, which: Which, fetch: Fetch) -> bool:
        """Whether the device says that it has sent everything."""
        answer = await self._ask(racp.report(which), fetch)
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
        if fetch.refuted:
            await self._move(None)
        elif (safe := fetch.safe(self._place)) is not None and not self.whole:
            await self._move(safe)

    async def _move(self, place: Place | None) -> None:
        if place == self._place or self.whole:
            return
        self._place = place
        await self._parts.book.advance(self._device, self.service, place)
