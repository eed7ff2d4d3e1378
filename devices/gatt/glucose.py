"""Glucose Service (0x1808): measurement, measurement context, features; its record access is in record_access.py.

Every measurement is a record from the meter's memory. Its identity is its raw bytes (sequence number, base time, time offset, value):
sequence numbers wrap and start again with a new battery. Of meters whose numbers are places in the memory (0 is the newest) the collector
says so in the topic (-place), and the number is no part of the identity. Time = base time + time offset, on the meter's clock; no time
where the offset has run over or the meter says that its clock failed.
HI and LO come as +-INF or as status bits. They are the meter's ceiling and floor if the facts `glucose_ceiling_mmol_l` and
`glucose_floor_mmol_l` give them or the record does, else no number; ABOVE_RANGE and BELOW_RANGE say it in both cases.
Control solution keeps its value and is marked. Interstitial fluid is sensor glucose; other samples count as glucose whatever vessel they
are from. A context carries no time: the collector that has waited for it joins it to its measurement (2a18-2a34: the bytes of both, in
this order).
Of a context the meal is taken; carbohydrate, exercise, medication, HbA1c, tester and health are checked and left.
"""

from __future__ import annotations

import re

from devices.gatt.base import Bits, measured, quality_of, utc_ns, words
from devices.medfloat import Number, Reader, Special
from devices.model import DecodeError, DeviceFacts, Message, Quality, Sample

CHANNELS = tuple(f"gatt/1808/{name}" for name in ("2a18", "2a34", "2a18-2a34", "2a18-place", "2a18-2a34-place"))
FACT_CHANNELS = ("gatt/1808/2a51",)

_OFFSET, _VALUE, _MOL_PER_L, _STATUS, _CONTEXT, _RESERVED = 0x01, 0x02, 0x04, 0x08, 0x10, 0xE0
_CARBOHYDRATE, _MEAL, _TESTER, _EXERCISE, _MEDICATION, _HBA1C, _EXTENDED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x40, 0x80
_OVERRUN, _UNDERRUN = 0x7FFF, -0x8000  # of the time offset: no time
_TYPE_INTERSTITIAL, _TYPE_CONTROL, _LOCATION_CONTROL = 9, 10, 4
_MEALS = range(1, 6)
_STATUS_BITS: Bits = (
    (1, Quality.SENSOR_ERROR),  # malfunction
    (2, Quality.SENSOR_ERROR),  # too little blood
    (3, Quality.SENSOR_ERROR),  # strip put in wrongly
    (4, Quality.SENSOR_ERROR),  # wrong strip
    (5, Quality.ABOVE_RANGE),
    (6, Quality.BELOW_RANGE),
    (7, Quality.SENSOR_ERROR),  # too warm
    (8, Quality.SENSOR_ERROR),  # too cold
    (9, Quality.SENSOR_ERROR),  # strip pulled too soon
    (10, Quality.SENSOR_ERROR),  # general fault
)
_TIME_FAULT = 1 << 11
_FEATURES = (
    *("low_battery", "malfunction", "sample_size", "strip_insertion", "strip_type", "high_low", "temperature"),
    *("read_interrupt", "general_fault", "time_fault", "multiple_bonds"),
)
_END_FACTS = {Quality.ABOVE_RANGE: "glucose_ceiling_mmol_l", Quality.BELOW_RANGE: "glucose_floor_mmol_l"}
_DECIMAL = re.compile(r"[0-9]{1,2}(\.[0-9]{1,4})?")


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One notification, or a measurement joined with its context."""
    reader = Reader(payload)
    if topic.endswith("/2a34"):
        sequence, meal = _context(reader)
        return Message(items=(_meal(meal, None),), seq=sequence, record=payload)
    flags = reader.uint(1, "flags")
    sequence = reader.uint(2, "sequence number")
    sample = _measurement(reader, flags, facts)
    record = reader.read
    number: int | None = sequence
    if topic.endswith("-place"):  # numbers move on with each new record: time and value name it
        record, number = record[:1] + record[3:], None
    if "/2a18-2a34" not in topic:
        reader.end(flags & _RESERVED)
        return Message(items=(sample,), seq=number, record=record)
    owner, meal = _context(reader)
    if owner != sequence:
        raise DecodeError("context: of another measurement")
    return Message(items=(sample, _meal(meal, sample.t_device_ns)), seq=number, record=record)


def sequence_of(payload: bytes) -> int:
    """The sequence number of a measurement or a context."""
    reader = Reader(payload)
    reader.uint(1, "flags")
    return reader.uint(2, "sequence number")


def context_follows(payload: bytes) -> bool:
    """Whether a measurement announces a context."""
    return bool(Reader(payload).uint(1, "flags") & _CONTEXT)


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """What the meter can tell about a measurement."""
    reader = Reader(payload)
    features = reader.uint(2, "glucose feature")
    return {"glucose_features": words(features, _FEATURES)}


def _measurement(reader: Reader, flags: int, facts: DeviceFacts) -> Sample:
    local_ns = reader.date_time("base time")
    minutes = reader.sint(2, "time offset") if flags & _OFFSET else 0
    value = reader.sfloat("concentration") if flags & _VALUE else None
    type_location = reader.uint(1, "type and sample location") if flags & _VALUE else 0
    status = reader.uint(2, "sensor status annunciation") if flags & _STATUS else 0
    if minutes in (_OVERRUN, _UNDERRUN) or status & _TIME_FAULT:
        local_ns = None
    quality = quality_of(status, _STATUS_BITS)
    kind, location = type_location & 0xF, type_location >> 4
    if kind == _TYPE_CONTROL or location == _LOCATION_CONTROL:
        quality |= Quality.CONTROL_SOLUTION
    unit, power = ("mmol/L", 3) if flags & _MOL_PER_L else ("mg/dL", 5)  # from mol/L and kg/L
    if value is Special.POSITIVE_INFINITY or value is Special.NEGATIVE_INFINITY:
        quality |= Quality.ABOVE_RANGE if value is Special.POSITIVE_INFINITY else Quality.BELOW_RANGE
    if not isinstance(value, Number):
        end = _end_of_range(quality, facts)
        if end is not None:
            value, unit, power = end, "mmol/L", 0
    return measured(
        "glucose_cgm" if kind == _TYPE_INTERSTITIAL else "glucose",
        value,
        unit,
        power=power,
        t_ns=utc_ns(local_ns, facts, minutes=minutes),
        stored=True,
        quality=quality,
    )


def _end_of_range(quality: Quality, facts: DeviceFacts) -> Number | None:
    """The meter's own ceiling or floor where it shows HI or LO and the facts know it."""
    key = _END_FACTS.get(quality & (Quality.ABOVE_RANGE | Quality.BELOW_RANGE))
    text = None if key is None else facts.facts.get(key)
    if text is None:
        return None
    if _DECIMAL.fullmatch(text) is None:
        raise DecodeError(f"{key}: not a number of mmol/L")
    whole, _, decimals = text.partition(".")
    return Number(int(whole + decimals), -len(decimals))


def _context(reader: Reader) -> tuple[int, int]:
    """(sequence number, meal: 0 for none) of a context; every field is checked for being there."""
    flags = reader.uint(1, "context flags")
    sequence = reader.uint(2, "context sequence number")
    extended = reader.uint(1, "extended flags") if flags & _EXTENDED else 0
    if flags & _CARBOHYDRATE:
        reader.take(3, "carbohydrate")
    meal = reader.uint(1, "meal") if flags & _MEAL else 0
    if flags & _TESTER:
        reader.take(1, "tester and health")
    if flags & _EXERCISE:
        reader.take(3, "exercise")
    if flags & _MEDICATION:
        reader.take(3, "medication")
    if flags & _HBA1C:
        reader.take(2, "HbA1c")
    reader.end(extended)
    return sequence, meal


def _meal(meal: int, t_ns: int | None) -> Sample:
    """The meal context; no value for a context that says nothing of a meal, or a reserved one."""
    return measured("meal_context", Number(meal, 0) if meal in _MEALS else None, "1", t_ns=t_ns, stored=True)
