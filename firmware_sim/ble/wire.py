"""Bytes as the Bluetooth specifications lay them out, written for the simulator alone."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

NAN = 0x07FF
NRES = 0x0800
PLUS_INFINITY = 0x07FE
MINUS_INFINITY = 0x0802


def sfloat(mantissa: int, exponent: int = 0) -> bytes:
    """IEEE 11073 SFLOAT: four bits of exponent over twelve of mantissa, both in two's complement."""
    if not -2046 <= mantissa <= 2045 or not -8 <= exponent <= 7:
        raise ValueError("no SFLOAT holds this")
    return struct.pack("<H", (exponent & 0xF) << 12 | (mantissa & 0xFFF))


def special(code: int) -> bytes:
    """One of the SFLOAT codes that are no numbers."""
    return struct.pack("<H", code)


def date_time(t_ms: int) -> bytes:
    """Date Time: what the device's clock shows, `t_ms` being its wall time as if it were UTC."""
    at = datetime.fromtimestamp(t_ms // 1000, UTC)
    return struct.pack("<HBBBBB", at.year, at.month, at.day, at.hour, at.minute, at.second)


def current_time(t_ms: int) -> bytes:
    """Current Time: date and time, day of the week, 1/256 s, reason of the last adjustment."""
    at = datetime.fromtimestamp(t_ms // 1000, UTC)
    return date_time(t_ms) + bytes([at.isoweekday(), t_ms % 1000 * 256 // 1000, 0])


def time_from(payload: bytes) -> int:
    """Milliseconds of a written Current Time, as if it were UTC; ValueError where it is none."""
    if len(payload) < 7:
        raise ValueError("too short for a time")
    year, month, day, hour, minute, second = struct.unpack_from("<HBBBBB", payload)
    at = datetime(year, month, day, tzinfo=UTC) + timedelta(hours=hour, minutes=minute, seconds=second)
    return int(at.timestamp() * 1000)


def heart_rate(bpm: int, rr_s: Sequence[float], *, worn: bool = True) -> bytes:
    """Heart Rate Measurement with contact bits and RR intervals in 1/1024 s, at most nine of them."""
    wide = bpm > 255
    flags = (0x01 if wide else 0) | (0x06 if worn else 0x04) | (0x10 if rr_s else 0)
    return struct.pack("<BH" if wide else "<BB", flags, bpm) + b"".join(struct.pack("<H", min(65535, round(rr * 1024))) for rr in rr_s[:9])


def plx_continuous(spo2_pct: int, pulse_bpm: int) -> bytes:
    """PLX Continuous Measurement with the normal pair only."""
    return b"\x00" + sfloat(spo2_pct) + sfloat(pulse_bpm)


def plx_spot(spo2_pct: int, pulse_bpm: int, t_ms: int) -> bytes:
    """PLX Spot-check Measurement with its time."""
    return b"\x01" + sfloat(spo2_pct) + sfloat(pulse_bpm) + date_time(t_ms)


def glucose(sequence: int, t_ms: int, mmol_l: float | None, *, offset_min: int | None = None, kind: int = 1, location: int = 1,
            context: bool = False, status: int | None = None) -> bytes:
    """Glucose Measurement in mol/L; None = no concentration in it."""
    has_value = mmol_l is not None
    flags = (1 if offset_min is not None else 0) | (0x06 if has_value else 0) | (8 if status is not None else 0) | (16 if context else 0)
    out = struct.pack("<BH", flags, sequence) + date_time(t_ms)
    if offset_min is not None:
        out += struct.pack("<h", offset_min)
    if mmol_l is not None:
        out += sfloat(round(mmol_l * 10), -4) + bytes([location << 4 | kind])
    return out if status is None else out + struct.pack("<H", status)


def glucose_context(sequence: int, *, meal: int) -> bytes:
    """Glucose Measurement Context that says which meal it belongs to."""
    return struct.pack("<BHB", 0x02, sequence, meal)


def blood_pressure(sbp: int, dbp: int, t_ms: int | None, *, pulse_bpm: int | None = None, user: int | None = None) -> bytes:
    """Blood Pressure Measurement in mmHg; the mean is a third of the way up."""
    flags = (2 if t_ms is not None else 0) | (4 if pulse_bpm is not None else 0) | (8 if user is not None else 0)
    out = bytes([flags]) + sfloat(sbp) + sfloat(dbp) + sfloat(round(dbp + (sbp - dbp) / 3))
    out += b"" if t_ms is None else date_time(t_ms)
    out += b"" if pulse_bpm is None else sfloat(pulse_bpm)
    return out if user is None else out + bytes([user])


def checked(body: bytes) -> bytes:
    """With the end-to-end checksum of the CGM profile behind it: CRC-16 of CCITT from the low end, over all ones."""
    register = 0xFFFF
    for bit in (byte >> place & 1 for byte in body for place in range(8)):
        out = (register ^ bit) & 1
        register = register >> 1 ^ out * 0x8408
    return body + struct.pack("<H", register)


def cgm(minutes: int, mg_dl: int) -> bytes:
    """CGM Measurement of so many minutes into the session, with its checksum."""
    return checked(b"\x08\x00" + sfloat(mg_dl) + struct.pack("<H", minutes))


def cgm_feature() -> bytes:
    """CGM Feature: there is a checksum; interstitial fluid, under the skin."""
    return checked(b"\x00\x10\x00\x59")


def cgm_start(t_ms: int) -> bytes:
    """CGM Session Start Time at UTC+8 without summer time, `t_ms` being the local time as if it were UTC."""
    return checked(date_time(t_ms) + b"\x20\x00")


def weight(kg: float, t_ms: int | None, *, user: int | None = None) -> bytes:
    """Weight Measurement in steps of 5 g."""
    flags = (2 if t_ms is not None else 0) | (4 if user is not None else 0)
    out = struct.pack("<BH", flags, round(kg * 200)) + (b"" if t_ms is None else date_time(t_ms))
    return out if user is None else out + bytes([user])


def temperature(cel: float, t_ms: int | None) -> bytes:
    """Temperature Measurement in tenths of a degree, of an ear."""
    mantissa = round(cel * 10)
    body = struct.pack("<BI", 0x04 | (2 if t_ms is not None else 0), 0xFF << 24 | (mantissa & 0xFFFFFF))
    return body + (b"" if t_ms is None else date_time(t_ms)) + b"\x03"


def composition(fat_pct: float, t_ms: int | None, *, kg: float, ohm: float, user: int | None = None) -> bytes:
    """Body Composition Measurement with fat, impedance and weight."""
    flags = 0x0600 | (2 if t_ms is not None else 0) | (4 if user is not None else 0)
    out = struct.pack("<HH", flags, round(fat_pct * 10)) + (b"" if t_ms is None else date_time(t_ms))
    return out + (b"" if user is None else bytes([user])) + struct.pack("<HH", round(ohm * 10), round(kg * 200))


def cuff_error() -> bytes:
    """What a cuff sends that has found nothing: no number in any field, and a status that says nothing of it."""
    return b"\x10" + 3 * special(NAN) + b"\x00\x00"
