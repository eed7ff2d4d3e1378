"""Pairing, guided: one device at a time, its steps in words for whoever stands beside it; a number is asked, never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.clock import NS_PER_S, Clock, wait_for_event

PASSKEY_S = 60.0  # what the Security Manager gives a person to type
KEPT = 200  # finished pairings that can still be looked at
MAX_PASSKEY = 999_999


class Step(StrEnum):
    """Where a pairing stands; each is a word with a sentence of help."""

    WAITING = "waiting"  # the device must be on the air: hold its button
    CONNECTING = "connecting"
    PASSKEY = "passkey"  # the device shows a number, which is to be typed
    PAIRING = "pairing"
    PROVING = "proving"  # switch it off and on: it must come back by itself
    PAIRED = "paired"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = frozenset({Step.PAIRED, Step.FAILED, Step.CANCELLED})


class PairingBusy(RuntimeError):
    """Another device is being paired."""


class NoPairing(RuntimeError):
    """Nothing of this device is being paired, or it does not ask for a number now."""


@dataclass(slots=True)
class Pairing:
    """One device on its way to a bond."""

    device: str
    address: str
    ends_ns: int  # monotonic
    step: Step = Step.WAITING
    cause: str = ""
    passkey: int | None = None
    typed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.step in OVER


class PairingDesk:
    """What people ask for, and what adapters report of it."""

    def __init__(self, clock: Clock, *, within_s: float = 180.0) -> None:
        self._clock = clock
        self._within_s = within_s
        self._kept: dict[str, Pairing] = {}
        self._turned_away: set[str] = set()
        self.began: Callable[[Pairing], None] = lambda _pairing: None  # a link that stands makes room

    def begin(self, device: str, address: str) -> Pairing:
        """Wait for the device and pair with it; PairingBusy while another one is on its way."""
        current = self.current()
        if current is not None and current.device != device:
            raise PairingBusy(current.device)
        if current is not None:
            return current
        self._kept.pop(device, None)
        while len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        ends_ns = self._clock.monotonic_ns() + int(self._within_s * NS_PER_S)
        made = self._kept[device] = Pairing(device, address.upper(), ends_ns)
        self.began(made)
        return made

    def current(self) -> Pairing | None:
        """The one that is on its way; one that nobody came to is over by time."""
        for pairing in self._kept.values():
            if not pairing.over and self._clock.monotonic_ns() > pairing.ends_ns:
                self.end(pairing, Step.FAILED, "not_seen" if pairing.step is Step.WAITING else "not_proved")
            if not pairing.over:
                return pairing
        return None

    def of(self, device: str) -> Pairing | None:
        """How it stands, or ended."""
        self.current()
        return self._kept.get(device)

    def wants(self, address: str) -> Pairing | None:
        """The pairing that waits for this address to be heard."""
        current = self.current()
        return current if current is not None and current.address == address.upper() and current.step is Step.WAITING else None

    def proves(self, device: str) -> Pairing | None:
        """The pairing whose bond the next session of this device proves."""
        current = self.current()
        return current if current is not None and current.device == device and current.step is Step.PROVING else None

    def move(self, pairing: Pairing, step: Step) -> None:
        """The next step; one that has ended stays so."""
        if not pairing.over:
            pairing.step = step

    def end(self, pairing: Pairing, step: Step, cause: str = "") -> None:
        """It is over; the cause is a code word."""
        if not pairing.over:
            pairing.cause = cause
            self.move(pairing, step)
            pairing.typed.set()

    def type(self, device: str, passkey: int) -> None:
        """What the person reads on the device; NoPairing where no number is asked for."""
        pairing = self.current()
        if pairing is None or pairing.device != device or pairing.step is not Step.PASSKEY or not 0 <= passkey <= MAX_PASSKEY:
            raise NoPairing(device)
        pairing.passkey = passkey
        pairing.typed.set()

    def cancel(self, device: str) -> None:
        """Give it up."""
        pairing = self.current()
        if pairing is None or pairing.device != device:
            raise NoPairing(device)
        self.end(pairing, Step.CANCELLED)

    def expects(self, address: str) -> Pairing | None:
        """The pairing under way with this address, for an agent that is asked; anybody else is refused."""
        current = self.current()
        ours = current is not None and current.address == address.upper() and current.step in (Step.PAIRING, Step.PASSKEY)
        if not ours and len(self._turned_away) < KEPT:
            self._turned_away.add(address.upper())
        return current if ours else None

    def was_turned_away(self, address: str) -> bool:
        """Whether the stack wanted to pair this device since the last question: its own error does not always say so."""
        found = address.upper() in self._turned_away
        self._turned_away.discard(address.upper())
        return found

    async def ask(self, address: str) -> int | None:
        """The number that the device shows, typed by the person beside it; None = refused, or nobody typed it in time."""
        pairing = self.expects(address)
        if pairing is None:
            return None
        pairing.typed.clear()
        self.move(pairing, Step.PASSKEY)
        await wait_for_event(self._clock, pairing.typed, PASSKEY_S)
        number: int | None = pairing.passkey
        if number is None:
            self.end(pairing, Step.FAILED, "passkey_missing")
        else:
            self.move(pairing, Step.PAIRING)
        return number
