"""What the parts of the Bluetooth door share: its timing, its in-tray, and waiting with a deadline."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from gateway.clock import Clock
from gateway.collect.ble.adverts import Calls, Once
from gateway.collect.ble.air import Air
from gateway.collect.ble.book import Book
from gateway.collect.ble.pairing import PairingDesk
from gateway.frames import Fate, Frame
from gateway.hearing import Hearing
from gateway.ops import Ops
from gateway.registry.tx import Tx
from gateway.registry.view import Device, RegistryView
from gateway.vocabulary import Actor, Origin

P = ParamSpec("P")
T = TypeVar("T")
WAITING = 20_000  # frames in the tray; beyond them live ones are dropped and counted, records stay in the device


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Spans in seconds; every exchange with a device has a deadline of ours, for a wedged stack answers never."""

    connect_s: float = 10.0
    exchange_s: float = 5.0
    records_silence_s: float = 10.0  # between two records, or the last one and the response
    landing_s: float = 20.0  # until what a device has sent is in the journal
    silence_s: float = 30.0  # a streaming device that says nothing is connected anew
    linger_s: float = 3.0  # a spot device is left alone after so much quiet
    burst_s: float = 10.0  # adverts after a silence of this mean a new measurement
    revisit_s: float = 300.0  # a spot device that never leaves the air is visited again
    context_s: float = 1.0  # a measurement waits so long for its context
    backoff_first_s: float = 0.25
    backoff_cap_s: float = 15.0
    steady_s: float = 10.0  # a link that was shorter does not reset the backoff
    scan_silence_s: float = 100.0  # then the scanner is made anew
    heard_every_s: float = 5.0
    tick_s: float = 0.5
    pairing_s: float = 180.0  # until a device that is being paired must have come, and come back
    pair_s: float = 75.0  # one exchange of keys, with a person who types a number


class RegistryDoor(Protocol):
    """What is needed of the registry."""

    @property
    def view(self) -> RegistryView:
        """Devices, and what is known of them."""
        ...

    async def see(self, device_id: str, *, origin: Origin = Origin.LIVE, site: str | None = None, quantities: Sequence[str] = ()) -> Device:
        """Put an unknown device into the inbox."""
        ...

    async def do(self, actor: Actor, command: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a command."""
        ...


Landed = Callable[[Fate], None]


@dataclass(frozen=True, slots=True)
class Item:
    """A frame, and who wants to know that it is durable."""

    frame: Frame
    landed: Landed | None = None


class Full(RuntimeError):
    """The tray is full: leave the record in the device."""


class Tray:
    """Frames on their way to intake, in order; bounded."""

    def __init__(self, ops: Ops) -> None:
        self._ops = ops
        self._items: deque[Item] = deque(maxlen=2 * WAITING)
        self._woken = asyncio.Event()

    def put(self, item: Item) -> None:
        """Add; a live frame that finds no room is lost and counted, its number shows the loss; for a record Full is raised."""
        if len(self._items) >= WAITING:
            self._ops.counters["ble.dropped"] += 1
            if item.landed is not None:
                raise Full
            return
        self._items.append(item)
        self._woken.set()

    async def take(self, most: int) -> list[Item]:
        """At least one, at most `most`."""
        while not self._items:
            self._woken.clear()
            await self._woken.wait()
        return [self._items.popleft() for _ in range(min(len(self._items), most))]


@dataclass(slots=True, kw_only=True)
class Parts:
    """Handed to every adapter and session."""

    clock: Clock
    ops: Ops
    book: Book
    registry: RegistryDoor
    tray: Tray
    timing: Timing
    run: str  # names the numbers that this process gives
    numbers: Counter[str] = field(default_factory=Counter)  # device -> live frames so far
    heard: dict[str, int] = field(default_factory=dict)  # streaming device -> when it was heard last
    busy: set[str] = field(default_factory=set)  # devices that some adapter is connected to, or tries to
    strangers: bool = True
    pairings: PairingDesk = field(init=False)
    calls: Calls = field(init=False)  # of devices that only advertise
    air: Air = field(init=False)  # what is heard while somebody sets a device up
    once: Once = field(default_factory=Once)
    hearing: Hearing = field(default_factory=Hearing)  # which adapter hears which device how well

    def __post_init__(self) -> None:
        self.calls = Calls(self.clock, self.ops)
        self.air = Air(self.clock)
        self.pairings = PairingDesk(self.clock, within_s=self.timing.pairing_s)

    def number(self, device: str) -> tuple[str, int]:
        """The next number of a device's live frames."""
        self.numbers[device] += 1
        return self.run, self.numbers[device] - 1


async def within(clock: Clock, work: Awaitable[T], timeout_s: float) -> T:
    """The result, or TimeoutError; work that does not let itself be cancelled is left behind, not waited for."""
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(timeout_s))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        task.add_done_callback(_take_error)
        raise
    finally:
        timer.cancel()
    if not task.done():
        task.cancel()
        task.add_done_callback(_take_error)
        raise TimeoutError
    return task.result()


def _take_error(task: asyncio.Future[T]) -> None:
    if not task.cancelled():
        task.exception()
