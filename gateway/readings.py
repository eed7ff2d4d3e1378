"""Readings as struct of arrays: what intake makes of frames and what the journal stores and hands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class Mark(IntFlag):
    """What intake says about a reading's time and standing."""

    NONE = 0
    STORED = 1  # from the device's memory, dated by the device's clock
    LATE = 2  # beyond the quantity's lateness bound: kept in place, never raises or clears a live vital alert
    FUTURE = 4  # stamped in the future: quarantined, hides nothing
    BAD_CLOCK = 8  # the device's clock cannot be right; dated by reception
    UNCLOCKED = 16  # the device has no clock
    RETAINED = 32  # MQTT retained message: never pages
    TEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """The frame behind readings: raw bytes and the sender's own sequence."""

    device: str
    channel: str
    topic: str
    boot_id: str | None
    seq: int | None
    t_received_ns: int
    t_device_ns: int | None
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBlock:
    """Readings of one commit, struct of arrays, all of length n.

    device int32[n] (index into devices), quantity int16[n] (index of the quantity table row),
    value float64[n] canonical unit (NaN = no value), t_measured_ns/t_received_ns int64[n] UTC,
    quality uint16[n] (devices.model.Quality), mark uint16[n] (Mark), origin uint8[n], frame int32[n] (index into frames).
    """

    devices: tuple[str, ...]
    frames: tuple[FrameRow, ...]
    device: NDArray[np.int32]
    quantity: NDArray[np.int16]
    value: NDArray[np.float64]
    t_measured_ns: NDArray[np.int64]
    t_received_ns: NDArray[np.int64]
    quality: NDArray[np.uint16]
    mark: NDArray[np.uint16]
    origin: NDArray[np.uint8]
    frame: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The passing of a second as data: time-driven detectors see the same time in every run."""

    t_ns: int
    events_offset: int  # head of the event log when the tick was written


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlock:
    """A block as the journal holds it: its first offset and either readings or a tick (which takes one offset)."""

    first: int
    readings: ReadingBlock | None = None
    tick: Tick | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Offset of the block's last entry."""
        return self.first if self.readings is None else self.first + len(self.readings) - 1


def ordered(readings: ReadingBlock, index: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Order by frame as received and by time within a frame; None if it is so already."""
    t_ns, frame = readings.t_measured_ns[index], readings.frame[index]
    same = frame[1:] == frame[:-1]
    if not (same & (t_ns[1:] < t_ns[:-1])).any():
        return None
    run = np.concatenate([[0], np.cumsum(~same)])
    return np.asarray(np.lexsort((t_ns, run)), dtype=np.int64)
