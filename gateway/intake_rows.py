"""From decoded messages to columns: when each reading was measured, how far that can be believed, and one block per commit.

Live readings are dated by their reception (their spacing inside a message is kept); the device's clock counts for stored records, and for
the lateness of calls, corrected by what is known of its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.codes import BY_KEY
from devices.model import Call, Item, Message, Quality, Sample, Series
from gateway.clock import NS_PER_S
from gateway.intake_keys import EARLIEST_NS
from gateway.readings import FrameRow, Mark, ReadingBlock
from gateway.vocabulary import Origin

GOOD_CLOCK_NS = 2 * NS_PER_S  # a smaller error is delay, not a wrong clock
BAD_CLOCK_NS = 86_400 * NS_PER_S  # no time zone explains a larger one
FUTURE_NS = 5 * NS_PER_S
FAR_NS = 4_500_000_000 * NS_PER_S  # the year 2112: times beyond it, or before 1970, are noise, and sums of others stay within int64
SPAN_NS = 366 * 86_400 * NS_PER_S  # readings of one live message that lie further apart have no usable times

_ROW: dict[str, tuple[int, int]] = {key: (row.index, int(row.late_s * NS_PER_S)) for key, row in BY_KEY.items()}
_STORED, _LATE, _FUTURE, _BAD, _UNCLOCKED = (int(mark) for mark in (Mark.STORED, Mark.LATE, Mark.FUTURE, Mark.BAD_CLOCK, Mark.UNCLOCKED))
_WAVE = int(Quality.WAVE | Quality.NO_VALUE)
_NO_VALUE = int(Quality.NO_VALUE)


def live_time(t_ns: int | None, reference_ns: int | None, t_received_ns: int) -> tuple[int, int]:
    """(t_measured_ns, mark) of a live reading; `reference_ns` is the device's clock when it sent."""
    if t_ns is None or reference_ns is None or t_ns == reference_ns:
        return t_received_ns, 0
    age_ns = reference_ns - t_ns
    if 0 < age_ns <= SPAN_NS:
        return t_received_ns - age_ns, 0
    return t_received_ns, 0 if 0 > age_ns >= -FUTURE_NS else _BAD


def clock_offset(t_received_ns: int, t_frame_ns: int | None, known_ns: int | None) -> int | None:
    """What to add to the device's time: the smaller of this message's own error and the known one, since delay only adds to it."""
    own_ns = None if t_frame_ns is None or not 0 <= t_frame_ns <= FAR_NS else t_received_ns - t_frame_ns
    offsets = [offset for offset in (own_ns, known_ns) if offset is not None]
    if not offsets:
        return None
    best_ns = min(offsets)
    return 0 if abs(best_ns) < GOOD_CLOCK_NS else best_ns


def call_time(t_received_ns: int, t_frame_ns: int | None, known_ns: int | None) -> tuple[int, int]:
    """(t_measured_ns, mark) of a call that is no record: one that waited in a device or at a broker says so where the clock is known."""
    if t_frame_ns is None or known_ns is None or not 0 <= t_frame_ns <= FAR_NS:
        return t_received_ns, 0
    delay_ns = t_received_ns - t_frame_ns - known_ns
    return (t_received_ns - delay_ns, _LATE) if GOOD_CLOCK_NS < delay_ns <= SPAN_NS else (t_received_ns, 0)


def stored_time(t_ns: int | None, t_received_ns: int, offset_ns: int | None) -> tuple[int, int]:
    """(t_measured_ns, mark) of a record from the device's memory."""
    if t_ns is None:
        return t_received_ns, _STORED | _UNCLOCKED
    if not 0 <= t_ns <= FAR_NS:
        return t_received_ns, _STORED | _BAD
    if offset_ns is None:  # nothing is known of this clock: believed where it can be true
        if t_ns < EARLIEST_NS:
            return t_received_ns, _STORED | _BAD
        return t_ns, _STORED | (_FUTURE if t_ns > t_received_ns + FUTURE_NS else 0)
    measured_ns = t_ns + offset_ns
    mark = _STORED | (_BAD if abs(offset_ns) > BAD_CLOCK_NS else 0)
    if measured_ns < EARLIEST_NS:  # recorded before the clock was set, sent after it
        return t_received_ns, mark | _BAD
    return measured_ns, mark | (_FUTURE if measured_ns > t_received_ns + FUTURE_NS else 0)


class BlockBuilder:
    """Collects the readings of one commit in the order in which they came."""

    def __init__(self) -> None:
        self._devices: dict[str, int] = {}
        self._frames: list[FrameRow] = []
        self._rows: list[tuple[int, int, float, int, int, int, int, int, int]] = []
        self._parts: list[tuple[NDArray[Any], ...]] = []

    @property
    def readings(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._rows or self._parts)

    def add(
        self, row: FrameRow, message: Message, origin: Origin, mark: int, known_offset_ns: int | None, skip: Sequence[Sequence[bool]] = ()
    ) -> None:
        """One message; `skip` says item by item which stored records were known before."""
        device = self._devices.setdefault(row.device, len(self._devices))
        frame = len(self._frames)
        self._frames.append(row)
        t_received_ns = row.t_received_ns
        reference_ns = message.t_device_ns
        if reference_ns is None:
            reference_ns = _latest(message.items)
            if reference_ns is None:
                mark |= _UNCLOCKED
            elif abs(t_received_ns - reference_ns) > BAD_CLOCK_NS and not any(item.stored for item in message.items):
                mark |= _BAD
        elif abs(t_received_ns - reference_ns) > BAD_CLOCK_NS:
            mark |= _BAD
        offset_ns = clock_offset(t_received_ns, message.t_device_ns, known_offset_ns)
        shift_ns = 0
        if message.relative:  # item times count from the sending
            shift_ns = reference_ns = t_received_ns
            offset_ns, mark = 0, (mark & ~_BAD) | _UNCLOCKED
        for index, item in enumerate(message.items):
            known = skip[index] if skip else ()
            if isinstance(item, Series):
                self._series(item, device, frame, t_received_ns, reference_ns, offset_ns, origin, mark, known, shift_ns)
                continue
            if known and known[0]:
                continue
            t_ns = None if item.t_device_ns is None else item.t_device_ns + shift_ns
            if item.stored:
                stamp = stored_time(t_ns, t_received_ns, offset_ns)
            elif isinstance(item, Call):
                stamp = call_time(t_received_ns, message.t_device_ns, known_offset_ns)
            else:
                stamp = live_time(t_ns, reference_ns, t_received_ns)
            key, value, quality = _content(item)
            quantity, late_ns = _ROW[key]
            marks = mark | stamp[1] | (_LATE if t_received_ns - stamp[0] > late_ns else 0)
            self._rows.append((device, quantity, value, stamp[0], t_received_ns, quality, marks, origin, frame))

    def _series(
        self,
        item: Series,
        device: int,
        frame: int,
        t_received_ns: int,
        reference_ns: int | None,
        offset_ns: int | None,
        origin: Origin,
        mark: int,
        known: Sequence[bool],
        shift_ns: int,
    ) -> None:
        value = np.frombuffer(item.values, np.float64)
        n = len(value)
        if n == 0:
            return
        quantity, late_ns = _ROW[item.quantity]
        if item.t_device_ns is None:
            measured, marks = np.full(n, t_received_ns, np.int64), np.full(n, _STORED | _UNCLOCKED if item.stored else 0, np.uint16)
        elif item.stored:
            measured, marks = _stored_times(np.frombuffer(item.t_device_ns, np.int64) + shift_ns, t_received_ns, offset_ns)
        else:
            measured, marks = _live_times(np.frombuffer(item.t_device_ns, np.int64) + shift_ns, t_received_ns, reference_ns)
        marks = marks | np.uint16(mark) | np.where(t_received_ns - measured > late_ns, _LATE, 0).astype(np.uint16)
        quality = np.full(n, int(item.quality), np.uint16)
        quality[np.isnan(value)] |= _NO_VALUE
        columns: tuple[NDArray[Any], ...] = (
            np.full(n, device, np.int32), np.full(n, quantity, np.int16), value, measured, np.full(n, t_received_ns, np.int64),
            quality, marks, np.full(n, origin, np.uint8), np.full(n, frame, np.int32),
        )  # fmt: skip
        if any(known):
            keep = ~np.array(known, bool)
            columns = tuple(column[keep] for column in columns)
        self._flush()
        self._parts.append(columns)

    def _flush(self) -> None:
        if self._rows:
            self._parts.append(tuple(np.array(column, kind) for column, kind in zip(zip(*self._rows, strict=True), _KINDS, strict=True)))
            self._rows = []

    def build(self) -> ReadingBlock:
        """The block; there must be at least one reading."""
        self._flush()
        columns = [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*self._parts, strict=True)]
        return ReadingBlock(devices=tuple(self._devices), frames=tuple(self._frames), **dict(zip(_NAMES, columns, strict=True)))


_NAMES = ("device", "quantity", "value", "t_measured_ns", "t_received_ns", "quality", "mark", "origin", "frame")
_KINDS = (np.int32, np.int16, np.float64, np.int64, np.int64, np.uint16, np.uint16, np.uint8, np.int32)


def _content(item: Item) -> tuple[str, float, int]:
    if isinstance(item, Sample):
        return item.quantity, item.value, int(item.quality)
    if isinstance(item, Call):
        return f"call.{item.call.value}", 1.0, 0
    return item.quantity, nan, _WAVE


def _latest(items: Sequence[Item]) -> int | None:
    """The latest time in a message that does not say when it was sent."""
    latest: int | None = None
    for item in items:
        t_ns = item.t_device_ns
        if t_ns is not None and not isinstance(t_ns, int):
            t_ns = max(t_ns, default=None)
        if t_ns is not None and (latest is None or t_ns > latest):
            latest = t_ns
    return latest


def _live_times(t_ns: NDArray[np.int64], t_received_ns: int, reference_ns: int | None) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    clipped = np.clip(t_ns, 0, FAR_NS)
    age_ns = min(max(0, int(t_ns.max()) if reference_ns is None else reference_ns), FAR_NS) - clipped
    usable = (clipped == t_ns) & (age_ns >= 0) & (age_ns <= SPAN_NS)
    good = usable | ((age_ns < 0) & (age_ns >= -FUTURE_NS))
    return np.where(usable, t_received_ns - age_ns, t_received_ns), np.where(good, 0, _BAD).astype(np.uint16)


def _stored_times(t_ns: NDArray[np.int64], t_received_ns: int, offset_ns: int | None) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    mark = _STORED | (_BAD if offset_ns is not None and abs(offset_ns) > BAD_CLOCK_NS else 0)
    clipped = np.clip(t_ns, 0, FAR_NS)
    measured = clipped if offset_ns is None else clipped + offset_ns
    unusable = (clipped != t_ns) | (measured < EARLIEST_NS)
    marks = np.where(unusable, mark | _BAD, np.where(measured > t_received_ns + FUTURE_NS, mark | _FUTURE, mark)).astype(np.uint16)
    return np.where(unusable, t_received_ns, measured), marks
