"""What is counted of one device: when it was heard, how often, how loud, its battery and its clock. Pure; times are UTC nanoseconds.

A slot is ten minutes. Rates are those of the last hour; the battery's course is kept in few points since it was last charged or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from devices.codes import BY_KEY, QUANTITIES, Kind
from gateway.readings import Mark, ReadingBlock

NS_PER_S = 1_000_000_000
SLOT_S = 600
SLOT_NS = SLOT_S * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
KEPT_SLOTS = 7  # in memory: the last hour and the running slot
MAX_TREND = 64  # points of a battery's course; when it is full every second one goes
CHARGED = 10.0  # percent up: charged, or another battery
TREND_STEP_NS = 6 * HOUR_NS  # a point without a change
LEAST_SPAN_NS = HOUR_NS
LEAST_DROP = 2.0  # percent: less is the gauge's own play
_BATTERY, _RSSI, _ONLINE = (BY_KEY[key].index for key in ("battery", "rssi", "online"))
_CONTINUOUS = frozenset(row.index for row in QUANTITIES if row.kind is Kind.CONTINUOUS)
_STALE = int(Mark.STORED | Mark.RETAINED | Mark.FUTURE)


@dataclass(slots=True)
class Slot:
    """Ten minutes of one device: messages, readings of each continuous quantity, loudness (dBm), least clock offset (ns)."""

    frames: int = 0
    readings: dict[int, int] = field(default_factory=dict)  # quantity index -> count
    rssi_n: int = 0
    rssi_sum: float = 0.0
    rssi_low: float = 0.0
    offset_ns: int | None = None

    def loud(self, dbm: float) -> None:
        """One more value of the signal strength."""
        self.rssi_low = dbm if not self.rssi_n else min(self.rssi_low, dbm)
        self.rssi_n, self.rssi_sum = self.rssi_n + 1, self.rssi_sum + dbm


@dataclass(slots=True)
class Record:
    """One device. `gap_ns` is the longest usual pause between two messages: it shrinks slowly and grows at once."""

    device: str
    first_ns: int
    last_ns: int = 0  # anything
    live_ns: int | None = None  # something that is no record of a memory and no retained message
    channel: str = ""
    online: bool | None = None  # by the word of the device, its bridge or its last will
    online_ns: int = 0
    battery: float | None = None
    battery_ns: int = 0
    trend: list[tuple[int, float]] = field(default_factory=list)
    rssi: float | None = None
    rssi_ns: int = 0
    gap_ns: int = 0
    slots: dict[int, Slot] = field(default_factory=dict)
    heard: tuple[int, ...] = ()  # quantity indices that it has ever said
    touched: set[int] = field(default_factory=set)  # slots that are not written yet

    def slot(self, t_ns: int) -> Slot:
        """The slot of a time; only the newest stay in memory."""
        number = t_ns // SLOT_NS
        found = self.slots.get(number)
        if found is None:
            found = self.slots[number] = Slot()
        self.touched.add(number)
        return found

    def forget(self, now_ns: int) -> None:
        """Drop what is older than the last hour; it is in the file by then."""
        oldest = now_ns // SLOT_NS - KEPT_SLOTS + 1
        self.slots = {number: slot for number, slot in self.slots.items() if number >= oldest or number in self.touched}

    def charge(self, percent: float, t_ns: int) -> None:
        """One value of the battery."""
        if t_ns < self.battery_ns:
            return
        self.battery, self.battery_ns = percent, t_ns
        if self.trend and percent > min(value for _, value in self.trend) + CHARGED:
            self.trend = []
        last = self.trend[-1] if self.trend else None
        if last is None or abs(percent - last[1]) >= 1.0 or t_ns - last[0] >= TREND_STEP_NS:
            self.trend.append((t_ns, percent))
        if len(self.trend) > MAX_TREND:
            self.trend = [*self.trend[:-1:2], self.trend[-1]]

    def loud(self, dbm: float, t_ns: int) -> None:
        """One value of the signal strength."""
        self.slot(t_ns).loud(dbm)
        if t_ns >= self.rssi_ns:
            self.rssi, self.rssi_ns = dbm, t_ns


def take(records: dict[str, Record], block: ReadingBlock) -> set[str]:
    """Count a block of the journal; returns the devices in it."""
    if not len(block):
        return set()
    live = (block.mark & _STALE) == 0
    alive = set(block.frame[live].tolist())
    for index, frame in enumerate(block.frames):
        record = records.get(frame.device)
        t_ns = frame.t_received_ns
        if record is None:
            record = records[frame.device] = Record(frame.device, t_ns)
        if index in alive and record.live_ns is not None and t_ns > record.live_ns:
            record.gap_ns = max(int(record.gap_ns * 0.98), t_ns - record.live_ns)
        record.last_ns, record.channel = max(record.last_ns, t_ns), frame.channel
        slot = record.slot(t_ns)
        if index in alive:
            record.live_ns = t_ns if record.live_ns is None else max(record.live_ns, t_ns)
            slot.frames += 1
            if frame.t_device_ns is not None:
                offset_ns = t_ns - frame.t_device_ns
                slot.offset_ns = offset_ns if slot.offset_ns is None else min(slot.offset_ns, offset_ns)
    _count(records, block)
    _states(records, block)
    return {frame.device for frame in block.frames}


def _count(records: dict[str, Record], block: ReadingBlock) -> None:
    """Readings per slot and quantity; all at once, for a block may hold many."""
    width = len(QUANTITIES)
    pairs, counts = np.unique(block.device.astype(np.int64) * width + block.quantity, return_counts=True)
    latest = int(block.t_received_ns.max())
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        device, quantity = divmod(pair, width)
        record = records[block.devices[device]]
        if quantity not in record.heard:
            record.heard = (*record.heard, quantity)
        if quantity in _CONTINUOUS:
            slot = record.slot(min(record.last_ns, latest))
            slot.readings[quantity] = slot.readings.get(quantity, 0) + count


def _states(records: dict[str, Record], block: ReadingBlock) -> None:
    """Battery, signal strength and presence, one by one in the order in which they came."""
    said = np.isfinite(block.value) & np.isin(block.quantity, (_BATTERY, _RSSI, _ONLINE)) & ((block.mark & int(Mark.FUTURE)) == 0)
    for at in np.flatnonzero(said).tolist():
        record, value, t_ns = records[block.devices[block.device[at]]], float(block.value[at]), int(block.t_measured_ns[at])
        quantity, stored = int(block.quantity[at]), bool(block.mark[at] & int(Mark.STORED))
        if quantity == _BATTERY:
            record.charge(value, t_ns)
        elif quantity == _RSSI:
            record.loud(value, t_ns)
        elif not stored and t_ns >= record.online_ns:
            record.online, record.online_ns = value > 0, t_ns


def days_left(trend: Iterable[tuple[int, float]], now_ns: int) -> float | None:
    """Days until the battery is empty at its median rate (Theil-Sen slope over `trend`, ns and percent); None = cannot tell."""
    points = list(trend)
    if len(points) < 3 or points[-1][0] - points[0][0] < LEAST_SPAN_NS or points[0][1] - points[-1][1] < LEAST_DROP:
        return None
    t = np.array([t_ns for t_ns, _ in points], np.float64) / (86_400 * NS_PER_S)
    value = np.array([percent for _, percent in points])
    first, second = np.triu_indices(len(points), 1)
    apart = t[second] > t[first]
    slope = float(np.median((value[second] - value[first])[apart] / (t[second] - t[first])[apart]))
    if slope >= 0:
        return None
    since = (now_ns - points[-1][0]) / (86_400 * NS_PER_S)
    return max(0.0, points[-1][1] / -slope - since)


def rates(record: Record, now_ns: int) -> tuple[float, dict[int, float], float]:
    """(messages per hour, readings per hour by quantity, seconds looked at) over the last hour, or since the device was first heard."""
    newest = now_ns // SLOT_NS
    begin_ns = max((newest - KEPT_SLOTS + 2) * SLOT_NS, record.first_ns)
    span_s = max(60.0, (now_ns - begin_ns) / NS_PER_S)
    slots = [slot for number, slot in record.slots.items() if newest - KEPT_SLOTS + 2 <= number <= newest]
    totals: dict[int, int] = {}
    for slot in slots:
        for quantity, count in slot.readings.items():
            totals[quantity] = totals.get(quantity, 0) + count
    factor = 3600.0 / span_s
    return sum(slot.frames for slot in slots) * factor, {quantity: count * factor for quantity, count in totals.items()}, span_s


def offset_ns(record: Record, now_ns: int) -> int | None:
    """What to add to the device's clock: the least of the last hour, for delay only adds to it."""
    newest = now_ns // SLOT_NS
    found = [slot.offset_ns for number, slot in record.slots.items() if number > newest - KEPT_SLOTS and slot.offset_ns is not None]
    return min(found, default=None)


def rssi_hour(record: Record, now_ns: int) -> tuple[float, float] | None:
    """(mean, least) signal strength of the last hour, dBm; None = not heard."""
    newest = now_ns // SLOT_NS
    slots = [slot for number, slot in record.slots.items() if number > newest - KEPT_SLOTS and slot.rssi_n]
    if not slots:
        return None
    return sum(slot.rssi_sum for slot in slots) / sum(slot.rssi_n for slot in slots), min(slot.rssi_low for slot in slots)


def names(heard: Iterable[int]) -> tuple[str, ...]:
    """Keys of quantities by index."""
    return tuple(QUANTITIES[index].key for index in heard if index < len(QUANTITIES))


def cadences(quantities: Iterable[str], declared: Mapping[str, float]) -> dict[str, float]:
    """Expected interval in seconds of each continuous quantity that has one."""
    rows = [BY_KEY[key] for key in quantities if key in BY_KEY]
    found = {row.key: declared.get(row.key, row.cadence_s) for row in rows if row.kind is Kind.CONTINUOUS}
    return {key: span for key, span in found.items() if span is not None}
