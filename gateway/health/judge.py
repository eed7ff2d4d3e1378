"""What the counts of a device mean, as code words: whether it is there, what is wrong with it, and whether somebody has to go there. Pure.

A continuous device that is silent is offline. A device of single measurements (a cuff) is never offline by its silence, nor is a button: of
those nobody can tell unless the device, its bridge or its last will says so. A sensor that only advertises is offline when it has been
silent for longer than it ever is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from devices.codes import BY_KEY, Kind
from gateway.health import record as counts
from gateway.health.record import NS_PER_S, Record
from gateway.registry.view import Device

LEAST_SILENCE_S = 120.0
MOST_SILENCE_S = 86_400.0
ADVERT_SILENCE_S = 900.0
BATTERY_LOW = 20.0
BATTERY_DAYS = 7.0
WEAK_DBM = -90.0
POOR_SHARE = 0.8
SOON_S = 300.0  # before so much of the device was heard its rate says nothing
CLOCK_OFF_S = 60.0
CLOCK_WRONG_S = 86_400.0


class Availability(StrEnum):
    """Whether a device is there."""

    ONLINE = "online"
    OFFLINE = "offline"
    IDLE = "idle"  # speaks when it is used
    UNKNOWN = "unknown"  # nobody can tell
    NEVER = "never"  # not heard yet


class Habit(StrEnum):
    """How a device speaks."""

    CONTINUOUS = "continuous"
    SPOT = "spot"
    ADVERT = "advert"
    EVENT = "event"


class Need(StrEnum):
    """Why somebody has to go there."""

    BATTERY = "battery"
    OFFLINE = "offline"
    RECEPTION = "reception"
    CLOCK = "clock"
    NEVER_HEARD = "never_heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Everything that a list of devices shows of one; times in UTC ns, rates per hour."""

    habit: Habit
    state: Availability
    said: bool  # its own word, its bridge's or its last will's, and not only its silence
    since_ns: int | None  # of the state, where that is known
    last_ns: int | None
    battery: float | None
    battery_ns: int | None
    battery_days: float | None
    rssi_dbm: float | None
    rssi_ns: int | None
    rssi_low: float | None
    frames_per_h: float | None
    heard_per_h: float | None  # readings of the quantity that is expected most often
    expected_per_h: float | None
    clock_offset_s: float | None  # to add to its clock; None = it says no time
    needs: tuple[Need, ...]


def health_of(device: Device, record: Record | None, now_ns: int) -> Health:
    """The judgement of one device."""
    heard = () if record is None else counts.names(record.heard)
    quantities = tuple(dict.fromkeys((*device.quantities, *heard)))
    cadence = counts.cadences(quantities, device.cadence_s)
    habit = _habit(record, quantities, cadence)
    state, said, since_ns = _state(habit, record, cadence, now_ns)
    offset_s = _offset_s(device, record, now_ns)
    if record is None:
        needs = (Need.NEVER_HEARD,) if device.status == "active" else ()
        return Health(
            habit=habit, state=state, said=said, since_ns=since_ns, last_ns=None, battery=None, battery_ns=None, battery_days=None,
            rssi_dbm=None, rssi_ns=None, rssi_low=None, frames_per_h=None, heard_per_h=None, expected_per_h=_most(cadence),
            clock_offset_s=offset_s, needs=needs,
        )  # fmt: skip
    frames, readings, span_s = counts.rates(record, now_ns)
    heard_h, expected_h, share = _heard(readings, cadence)
    loud = counts.rssi_hour(record, now_ns)
    days = counts.days_left(record.trend, now_ns)
    found = {
        Need.BATTERY: (record.battery is not None and record.battery <= BATTERY_LOW) or (days is not None and days <= BATTERY_DAYS),
        Need.OFFLINE: state is Availability.OFFLINE,
        Need.RECEPTION: state is Availability.ONLINE
        and ((loud is not None and loud[0] < WEAK_DBM) or (share is not None and span_s >= SOON_S and share < POOR_SHARE)),
        Need.CLOCK: offset_s is not None and abs(offset_s) > CLOCK_OFF_S,
    }
    return Health(
        habit=habit, state=state, said=said, since_ns=since_ns, last_ns=record.last_ns, battery=record.battery,
        battery_ns=record.battery_ns or None, battery_days=days, rssi_dbm=record.rssi, rssi_ns=record.rssi_ns or None,
        rssi_low=None if loud is None else loud[1], frames_per_h=frames, heard_per_h=heard_h, expected_per_h=expected_h,
        clock_offset_s=offset_s, needs=tuple(need for need, there in found.items() if there and device.status == "active"),
    )  # fmt: skip


def clock_word(offset_s: float | None) -> str:
    """What the offset of a clock means."""
    if offset_s is None:
        return "none"
    if abs(offset_s) > CLOCK_WRONG_S:
        return "wrong"
    return "off" if abs(offset_s) > CLOCK_OFF_S else "good"


def _habit(record: Record | None, quantities: tuple[str, ...], cadence: Mapping[str, float]) -> Habit:
    if record is not None and record.channel == "ble-advert":
        return Habit.ADVERT
    if cadence:
        return Habit.CONTINUOUS
    kinds = {BY_KEY[key].kind for key in quantities if key in BY_KEY}
    return Habit.SPOT if Kind.SPOT in kinds else Habit.EVENT


def _state(habit: Habit, record: Record | None, cadence: Mapping[str, float], now_ns: int) -> tuple[Availability, bool, int | None]:
    if record is None:
        return Availability.NEVER, False, None
    last_ns = record.live_ns if record.live_ns is not None else record.first_ns
    if record.online is False and record.online_ns >= last_ns:
        return Availability.OFFLINE, True, record.online_ns
    quiet_s = (now_ns - last_ns) / NS_PER_S
    if habit is Habit.CONTINUOUS:
        limit_s = max(LEAST_SILENCE_S, 3 * min(cadence.values()))
        return (Availability.OFFLINE, False, last_ns) if quiet_s > limit_s else (Availability.ONLINE, False, None)
    if habit is Habit.ADVERT:
        limit_s = min(MOST_SILENCE_S, max(ADVERT_SILENCE_S, 2 * record.gap_ns / NS_PER_S))
        return (Availability.OFFLINE, False, last_ns) if quiet_s > limit_s else (Availability.ONLINE, False, None)
    if record.online is True:
        return Availability.ONLINE, True, record.online_ns
    return (Availability.IDLE if habit is Habit.SPOT else Availability.UNKNOWN), False, None


def _heard(readings: Mapping[int, float], cadence: Mapping[str, float]) -> tuple[float | None, float | None, float | None]:
    """(heard, expected, share) per hour of the expected quantity that comes worst."""
    worst: tuple[float, float, float] | None = None
    for key, span_s in cadence.items():
        heard, expected = readings.get(BY_KEY[key].index, 0.0), 3600.0 / span_s
        if worst is None or heard / expected < worst[2]:
            worst = heard, expected, heard / expected
    return (None, None, None) if worst is None else worst


def _most(cadence: Mapping[str, float]) -> float | None:
    return 3600.0 / min(cadence.values()) if cadence else None


def _offset_s(device: Device, record: Record | None, now_ns: int) -> float | None:
    found = None if record is None else counts.offset_ns(record, now_ns)
    if found is not None:
        return found / NS_PER_S
    if "clock_read" in device.facts:  # read over Bluetooth: how far it is ahead, beyond its time zone
        return -float(device.facts.get("clock_error_s", "0"))
    return None


def as_json(health: Health) -> dict[str, Any]:
    """The judgement with times in UTC ms."""

    def ms(t_ns: int | None) -> int | None:
        return None if t_ns is None else t_ns // 1_000_000

    def rounded(value: float | None, digits: int = 1) -> float | None:
        return None if value is None else round(value, digits)

    h = health
    return {
        "habit": h.habit.value,
        "availability": {"state": h.state.value, "said": h.said, "since_ms": ms(h.since_ns)},
        "last_seen_ms": ms(h.last_ns),
        "battery": {"percent": rounded(h.battery), "t_ms": ms(h.battery_ns), "days_left": rounded(h.battery_days)},
        "rssi": {"dbm": rounded(h.rssi_dbm), "t_ms": ms(h.rssi_ns), "low_dbm": rounded(h.rssi_low)},
        "heard": {
            "per_h": rounded(h.heard_per_h), "expected_per_h": rounded(h.expected_per_h), "messages_per_h": rounded(h.frames_per_h),
        },
        "clock": {"offset_s": rounded(h.clock_offset_s), "state": clock_word(h.clock_offset_s)},
        "needs": [need.value for need in h.needs],
    }  # fmt: skip
