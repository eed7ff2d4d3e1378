"""What a decoder returns: immutable values in canonical units, without any reading of a clock."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum


class DecodeError(ValueError):
    """The only exception that a decoder may raise; the text names the cause and holds no health data."""


class Quality(IntFlag):
    """What the device said about a value; kept with it, never dropped."""

    GOOD = 0
    NO_VALUE = 1  # NaN, NRes, null with a reason: the value is NaN
    NOT_WORN = 2
    LEAD_OFF = 4
    LOW_PERFUSION = 8
    MOTION = 16
    SENSOR_ERROR = 32
    CUFF_ERROR = 64
    IRREGULAR_PULSE = 128
    BELOW_RANGE = 256  # device shows LO: the value is the sensor's floor
    ABOVE_RANGE = 512  # device shows HI: the value is the sensor's ceiling
    CONTROL_SOLUTION = 1024
    UNVERIFIED = 2048  # sender not authenticated (advert, Just Works)
    WAVE = 4096  # row stands for a waveform whose samples are in the frame


class CallKind(StrEnum):
    """Calls for help; CANCEL is the wearer's "I'm OK"."""

    SOS = "sos"
    FALL = "fall"
    PULL_CORD = "pull_cord"
    ASSIST = "assist"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of one quantity in its canonical unit; NaN if and only if quality has NO_VALUE."""

    quantity: str
    value: float
    t_device_ns: int | None = None
    stored: bool = False  # a record from the device's memory, dated by the device's clock
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Many values of one quantity, canonical unit; `values` and `t_device_ns` have the same length."""

    quantity: str
    values: array[float]
    t_device_ns: array[int] | None = None
    stored: bool = False
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A waveform: `values` in the canonical unit at `rate_hz`, the first at `t_device_ns`."""

    quantity: str
    values: array[float]
    rate_hz: float
    t_device_ns: int | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call for help (or its cancellation) by a person or a fall sensor."""

    call: CallKind
    t_device_ns: int | None = None
    stored: bool = False


Item = Sample | Series | Wave | Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One decoded frame: who sent it by its own word, where it stands in the sender's sequence, what it holds."""

    items: tuple[Item, ...]
    device: str | None = None
    boot_id: str | None = None
    seq: int | None = None
    t_device_ns: int | None = None  # the device's clock when it sent the frame
    test: bool = False  # a test press or a drill
    relative: bool = False  # the sender has no clock: t_device_ns is 0, the sending, and item times count from it (<= 0)
    record: bytes | None = None  # raw bytes that name this record in the device's memory: with the quantity its identity for ever
    user: int | None = None  # whose slot of a shared device
    said: bytes | None = None  # what the sensor itself sent: its identity where several listeners pass it on, each with words of its own
    via: str | None = None  # the listener


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What the journal knows of a device before decoding (bind keys, features, unit switches)."""

    device: str
    model: str = ""
    facts: dict[str, str] = field(default_factory=dict)
