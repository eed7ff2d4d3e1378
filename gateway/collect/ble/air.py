"""What is on the air while somebody sets a device up: who is heard and how well, a device that is held back, one that is to show itself.

Nothing is noted when nobody looks: the addresses of passers-by are nobody's business. Adapters call `heard` for every advert.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from gateway.clock import NS_PER_S, Clock

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

SCAN_S = 180.0  # a search that nobody renews ends by itself
HOLD_S = 600.0  # a walk through the rooms
SHOW_S = 60.0  # until a device that is to show itself must have come
ADDRESSES = 300
SAMPLES = 30  # of the signal, per address
STEADY = 8  # the latest ones make the shown strength
HELD = 8
SHORT = "-0000-1000-8000-00805f9b34fb"
# What a device is by the services that it advertises; the first that fits.
KINDS = (
    ("wearable", {"180d", "1822"}), ("cuff", {"1810"}), ("glucometer", {"1808"}), ("cgm", {"181f"}), ("oximeter", {"1822"}),
    ("thermometer", {"1809"}), ("scale", {"181d"}), ("scale", {"181b"}), ("strap", {"180d"}), ("health_sensor", {"1840"}),
    ("sensor", {"fcd2"}),
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Heard:
    """One address on the air; strengths in dBm, times monotonic."""

    address: str
    name: str = ""
    kind: str = ""  # a word of KINDS; empty = nothing that we know
    adapter: str = ""  # that heard it best lately
    heard_ns: int = 0
    count: int = 0
    services: frozenset[str] = frozenset()
    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SAMPLES))  # (heard, dBm)

    @property
    def rssi_dbm(self) -> int | None:
        """Median of the latest adverts: one alone says little."""
        latest = [dbm for _, dbm in list(self.samples)[-STEADY:]]
        return round(median(latest)) if latest else None


@dataclass(slots=True, kw_only=True)
class Showing:
    """A device that is asked to blink or beep: waiting, done, or why not (no_alert, not_seen, failed)."""

    address: str
    ends_ns: int
    state: str = "waiting"


def kind_of(services: frozenset[str]) -> str:
    """What advertised services say about the kind of a device; empty where they say nothing."""
    return next((kind for kind, needed in KINDS if needed <= services), "")


class Air:
    """Shared by all adapters; `make_room` is told of an address whose link has to go."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_ns = 0
        self._heard: dict[str, Heard] = {}
        self._held: dict[str, int] = {}  # address -> until, monotonic
        self._showing: Showing | None = None
        self.make_room: Callable[[str], None] = lambda _address: None

    # --- looking

    def open(self, within_s: float = SCAN_S) -> None:
        """Note what is heard, for so long."""
        if not self.is_open:
            self._heard = {address: row for address, row in self._heard.items() if address in self._held}
        self._ends_ns = self._clock.monotonic_ns() + int(within_s * NS_PER_S)

    def close(self) -> None:
        """Nobody looks any more: forget."""
        self._ends_ns = 0
        self._heard = {address: row for address, row in self._heard.items() if address in self._held}

    @property
    def is_open(self) -> bool:
        """Whether somebody looks."""
        return self._clock.monotonic_ns() < self._ends_ns

    @property
    def left_s(self) -> float:
        """How long the search goes on."""
        return max(0.0, (self._ends_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def heard(self, adapter: str, device: BLEDevice, advert: AdvertisementData) -> None:
        """One advert."""
        now_ns = self._clock.monotonic_ns()
        address = device.address.upper()
        if now_ns >= self._ends_ns and address not in self._held:
            return
        row = self._heard.get(address)
        if row is None:
            if len(self._heard) >= ADDRESSES:
                del self._heard[min(self._heard.values(), key=lambda one: one.heard_ns).address]
            row = self._heard[address] = Heard(address=address)
        services = {uuid[4:8] for uuid in (*advert.service_uuids, *advert.service_data) if uuid.endswith(SHORT)}
        if not services <= row.services:
            row.services |= services
            row.kind = kind_of(row.services)
        row.name = (advert.local_name or device.name or row.name)[:40]
        latest = row.samples[-1][1] if row.samples else -200
        if adapter != row.adapter and (advert.rssi > latest or now_ns - row.heard_ns > NS_PER_S):
            row.adapter = adapter
            row.samples.clear()  # the strengths of two adapters do not mix
        row.heard_ns, row.count = now_ns, row.count + 1
        if adapter == row.adapter and -127 <= advert.rssi < 20:  # 127 = not available
            row.samples.append((now_ns, advert.rssi))

    def rows(self) -> list[Heard]:
        """Everything that was heard in this search, the strongest first."""
        self._tidy()
        return sorted(self._heard.values(), key=lambda row: (-(row.rssi_dbm or -200), row.address))

    def of(self, address: str) -> Heard | None:
        """One address."""
        return self._heard.get(address.upper())

    def age_s(self, row: Heard) -> float:
        """How long ago it was heard."""
        return max(0.0, (self._clock.monotonic_ns() - row.heard_ns) / NS_PER_S)

    def since(self, row: Heard, age_s: float) -> list[int]:
        """Strengths that were heard within this time."""
        after_ns = self._clock.monotonic_ns() - int(age_s * NS_PER_S)
        return [dbm for at_ns, dbm in row.samples if at_ns >= after_ns]

    # --- a walk through the rooms

    def hold(self, address: str, within_s: float = HOLD_S) -> bool:
        """Leave this device on the air: it is not connected to, so that its signal can be followed; False = too many already."""
        self._tidy()
        if address.upper() not in self._held and len(self._held) >= HELD:
            return False
        self._held[address.upper()] = self._clock.monotonic_ns() + int(within_s * NS_PER_S)
        self.make_room(address.upper())
        return True

    def release(self, address: str) -> None:
        """Serve it again."""
        self._held.pop(address.upper(), None)

    def holds(self, address: str) -> bool:
        """Whether it is to be left alone."""
        until_ns = self._held.get(address.upper())
        return until_ns is not None and self._clock.monotonic_ns() < until_ns

    # --- which one is it

    def show(self, address: str) -> Showing:
        """Ask a device to blink or beep (Immediate Alert) as soon as it is heard; one at a time, a newer wish replaces an older one."""
        ends_ns = self._clock.monotonic_ns() + int(SHOW_S * NS_PER_S)
        self._showing = Showing(address=address.upper(), ends_ns=ends_ns)
        self.make_room(address.upper())
        return self._showing

    def shows(self, address: str) -> Showing | None:
        """The wish that waits for this address to be heard."""
        showing = self.showing(address)
        return showing if showing is not None and showing.state == "waiting" else None

    def showing(self, address: str) -> Showing | None:
        """How the last wish about this address went."""
        showing = self._showing
        if showing is None or showing.address != address.upper():
            return None
        if showing.state in ("waiting", "connecting") and self._clock.monotonic_ns() > showing.ends_ns:
            showing.state = "not_seen"
        return showing

    def _tidy(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self._held = {address: until_ns for address, until_ns in self._held.items() if now_ns < until_ns}
        if not self.is_open:
            self._heard = {address: row for address, row in self._heard.items() if address in self._held}
