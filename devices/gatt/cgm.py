"""Continuous Glucose Monitoring (0x181F): measurement, features, status, session start and run time, answers of the ops control point.

A measurement counts its time in minutes from the start of the session, so the collector puts the Session Start Time before each record
(2aaa-2aa7: the bytes of both): with it the frame says when it was, and two sessions of one sensor never look alike. Without it the
measurement is live and dated by its reception. A notification may hold several records, which the collector parts.
The end-to-end checksum is there when the size says so, and is checked: CRC-16 with polynomial 0x1021, reflected, from 0xFFFF.
A sensor whose session has stopped, that is broken or of the wrong type has no number; one that is too warm, too cold or at fault keeps it
with the mark. Trend and quality in percent are checked and left. Battery and calibration words are facts (Status, 0x2AA9).
"""

from __future__ import annotations

from collections.abc import Iterator

from devices.gatt.base import Bits, measured, quality_of, unless_zero, utc_ns, words
from devices.medfloat import NS_PER_S, Reader
from devices.model import DecodeError, DeviceFacts, Message, Quality, Sample

CHANNELS = ("gatt/181f/2aa7", "gatt/181f/2aaa-2aa7")
FACT_CHANNELS = tuple(f"gatt/181f/{uuid}" for uuid in ("2aa8", "2aa9", "2aaa", "2aab", "2aac"))

_TREND, _QUALITY, _WARNING, _CALIBRATION, _STATUS, _RESERVED = 0x01, 0x02, 0x20, 0x40, 0x80, 0x1C
_LEAST, _CRC, _START = 6, 2, 9  # bytes of a record, of a checksum, of a session start time
_NONE = Quality.NO_VALUE | Quality.SENSOR_ERROR
_STATUS_BITS: Bits = (
    (0, Quality.NO_VALUE),  # session stopped
    (2, _NONE),  # sensor of the wrong type
    (3, _NONE),  # malfunction
    (5, Quality.SENSOR_ERROR),  # general fault
    (12, Quality.SENSOR_ERROR),  # too warm
    (13, Quality.SENSOR_ERROR),  # too cold
    (22, Quality.BELOW_RANGE),
    (23, Quality.ABOVE_RANGE),
)
_WORDS = (
    *("session_stopped", "battery_low", "sensor_type", "malfunction", "device_alert", "general_fault", "", ""),
    *("time_sync", "calibration_not_allowed", "calibration_recommended", "calibration_required", "too_warm", "too_cold", "", ""),
    *("patient_low", "patient_high", "hypo", "hyper", "falling", "rising", "below_range", "above_range"),
)
_FEATURES = (
    *("calibration", "patient_high_low", "hypo", "hyper", "rate", "device_alert", "malfunction", "temperature", "high_low"),
    *("low_battery", "sensor_type", "general_fault", "e2e_crc", "multiple_bonds", "multiple_sessions", "trend", "quality"),
)
_ZONES, _SUMMER_TIMES, _QUARTER_S = range(-48, 57), (0, 2, 4, 8), 900
_ASK_INTERVAL, _INTERVAL, _ANSWER = 2, 3, 0x1C
_ALERTS = {9: "patient_high", 12: "patient_low", 15: "hypo", 18: "hyper"}
_OUTCOMES = {1: "success", 2: "not_supported", 3: "invalid_operand", 4: "not_completed", 5: "out_of_range"}


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One notification, or one record after its session's start."""
    if topic.endswith("/2aa7"):
        return Message(items=tuple(_sample(record, None) for record in records(payload)))
    reader = Reader(payload)
    start = reader.take(_START, "session start time")
    found = list(records(reader.rest()))
    if len(found) != 1:
        raise DecodeError("record: more than one")
    sample = _sample(found[0], _start_ns(start, facts), joined=True)
    return Message(items=(sample,), record=None if sample.t_device_ns is None else payload)


def records(payload: bytes) -> Iterator[bytes]:
    """The records of a notification, at least one; DecodeError where sizes and bytes do not agree."""
    reader = Reader(payload)
    while True:
        size = reader.uint(1, "size")
        if size < _LEAST:
            raise DecodeError("size: less than a record has")
        yield bytes((size,)) + reader.take(size - 1, "record")
        if not reader.left:
            return


def minutes_of(record: bytes) -> int:
    """Minutes from the start of the session to a record."""
    reader = Reader(record)
    reader.take(4, "record")
    return reader.uint(2, "time offset")


def start_of(payload: bytes) -> bytes | None:
    """The 9 bytes to put before records, of a Session Start Time; None where it says no time (there is no session) or is damaged."""
    try:
        data = _checked(payload, _START)
        return None if Reader(data).date_time("session start time") is None else data
    except DecodeError:
        return None


def ask_interval() -> bytes:
    """Ask how often it measures (control point, 0x2AAC)."""
    return bytes((_ASK_INTERVAL,))


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """What the sensor can tell, how it is, since when and for how long it runs; or what its control point answers."""
    uuid = topic.rpartition("/")[2]
    if uuid == "2aac":
        return _answer(payload)
    if uuid == "2aa8":
        return _features(payload)
    if uuid == "2aab":
        return {"cgm_run_hours": str(Reader(_checked(payload, 2)).uint(2, "session run time"))}
    if uuid == "2aa9":
        reader = Reader(_checked(payload, 5))
        reader.take(2, "time offset")
        return {"cgm_status": words(reader.uint(3, "status"), _WORDS)}
    start_ns = Reader(_checked(payload, _START)).date_time("session start time")
    return {"cgm_session_start_ms": "" if start_ns is None else str(start_ns // 1_000_000)}


def _features(payload: bytes) -> dict[str, str]:
    reader = Reader(payload)
    features = reader.uint(3, "cgm feature")
    reader.take(1, "type and sample location")
    crc = reader.uint(2, "E2E-CRC")
    reader.end()
    names = words(features, _FEATURES)
    if "e2e_crc" in names.split() and crc != checksum(payload[:-_CRC]):  # 0xFFFF stands there if it is not supported
        raise DecodeError("E2E-CRC: wrong")
    return {"cgm_features": names}


def _answer(payload: bytes) -> dict[str, str]:
    code = Reader(payload).uint(1, "operation code")
    if code == _INTERVAL:
        return {"cgm_interval_min": str(Reader(_checked(payload, 2)[1:]).uint(1, "interval"))}
    if code in _ALERTS:
        level = Reader(_checked(payload, 3)[1:]).sfloat("alert level")
        value = measured("glucose_cgm", level, "mg/dL").value
        return {} if value != value else {f"cgm_{_ALERTS[code]}_mmol_l": f"{value:.4g}"}
    if code != _ANSWER:
        raise DecodeError("operation code: not an answer that is known")
    reader = Reader(_checked(payload, 3)[1:])
    request, outcome = reader.uint(1, "request"), reader.uint(1, "response code")
    if outcome not in _OUTCOMES:
        raise DecodeError("response code: reserved")
    return {"cgm_control": f"{request} {_OUTCOMES[outcome]}"}


def _sample(record: bytes, start_ns: int | None, *, joined: bool = False) -> Sample:
    flags = Reader(record[1:]).uint(1, "flags")
    octets = [bit for bit in (_STATUS, _CALIBRATION, _WARNING) if flags & bit]
    size = _LEAST + len(octets) + 2 * bool(flags & _TREND) + 2 * bool(flags & _QUALITY)
    if not flags & _RESERVED:
        record = _checked(record, size)
    reader = Reader(record)
    reader.take(2, "size and flags")
    value = reader.sfloat("concentration")
    minutes = reader.uint(2, "time offset")
    status = 0
    for place, bit in enumerate((_STATUS, _CALIBRATION, _WARNING)):
        if flags & bit:
            status |= reader.uint(1, "sensor status annunciation") << 8 * place
    if flags & _TREND:
        reader.sfloat("trend")
    if flags & _QUALITY:
        reader.sfloat("quality")
    t_ns = None if start_ns is None else start_ns + minutes * 60 * NS_PER_S
    return measured(
        "glucose_cgm", unless_zero(value), "mg/dL", t_ns=t_ns, stored=joined and t_ns is not None,
        quality=quality_of(status, _STATUS_BITS),
    )  # fmt: skip


def _start_ns(start: bytes, facts: DeviceFacts) -> int | None:
    """UTC of a session's start: by its own zone if it tells one, else as other clocks of devices."""
    reader = Reader(start)
    local_ns = reader.date_time("session start time")
    zone, summer = reader.sint(1, "time zone"), reader.uint(1, "summer time")
    if local_ns is not None and zone in _ZONES and summer in _SUMMER_TIMES:
        return local_ns - (zone + summer) * _QUARTER_S * NS_PER_S
    return utc_ns(local_ns, facts)


def _checked(payload: bytes, size: int) -> bytes:
    """The `size` bytes of a value without its checksum, if it has one; DecodeError for a wrong one and for another size."""
    if len(payload) == size + _CRC:
        if int.from_bytes(payload[size:], "little") != checksum(payload[:size]):
            raise DecodeError("E2E-CRC: wrong")
    elif len(payload) != size:
        raise DecodeError("size: neither with a checksum nor without one")
    return payload[:size]


def checksum(data: bytes) -> int:
    """End-to-end checksum (CRC-16/MCRF4XX)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc
