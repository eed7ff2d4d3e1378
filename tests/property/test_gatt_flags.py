"""Every combination of flags of every profile, built by the slow, obvious encoder below, decodes to what was put in; cuts are refused."""

from __future__ import annotations

import csv
import itertools
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from devices import catalog
from devices.gatt import date_time, glucose
from devices.model import DecodeError, DeviceFacts, Message, Quality, Sample, Series
from tests.support.decoders import CASES

ZONE_S = 28_800
FACTS = DeviceFacts(device="d", facts={"utc_offset_s": str(ZONE_S)})
WHEN = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
T_NS = (int(WHEN.timestamp()) - ZONE_S) * 10**9
DATE = struct.pack("<H5B", 2024, 2, 29, 23, 59, 58)


def sfloat_bytes(mantissa: int, exponent: int = 0) -> bytes:
    return struct.pack("<H", (exponent & 15) << 12 | mantissa & 0xFFF)


def flags(count: int) -> Iterator[tuple[bool, ...]]:
    return itertools.product((False, True), repeat=count)


def byte_of(bits: tuple[bool, ...]) -> bytes:
    return bytes([sum(bit << place for place, bit in enumerate(bits))])


def values(message: Message) -> dict[str, float]:
    return {item.quantity: item.value for item in message.items if isinstance(item, Sample)}


def decode_and_cut(topic: str, payload: bytes, *, cuts: tuple[int, ...] = ()) -> Message:
    for length in range(len(payload)):
        if length in cuts:
            continue
        with pytest.raises(DecodeError):
            catalog.decode(topic, payload[:length], FACTS)
    with pytest.raises(DecodeError, match=r"something follows|rr interval"):
        catalog.decode(topic, payload + b"\0", FACTS)
    return catalog.decode(topic, payload, FACTS)


def test_heart_rate() -> None:
    for wide, contact, reported, energy, rr in flags(5):
        payload = byte_of((wide, contact, reported, energy, rr)) + struct.pack("<H" if wide else "<B", 71)
        payload += struct.pack("<H", 4711) if energy else b""
        payload += struct.pack("<3H", 900, 1024, 1100) if rr else b""
        cuts = (len(payload) - 2, len(payload) - 4, len(payload) - 6) if rr else ()
        message = decode_and_cut("gatt/180d/2a37", payload, cuts=cuts)
        if reported and not contact:
            assert len(message.items) == 1
            assert math.isnan(values(message)["hr"])
            continue
        assert values(message) == {"hr": 71}
        series = [item for item in message.items if isinstance(item, Series)]
        assert [list(item.values) for item in series] == ([[900 / 1.024, 1000, 1100 / 1.024]] if rr else [])


def test_heart_rate_as_bumble_encodes_it() -> None:
    rows = 0
    with (CASES / "gatt_heart_rate" / "bumble_0_0_236.csv").open(encoding="utf-8", newline="") as file:
        for rate, contact, _energy, intervals, data in csv.reader((line for line in file if line[0] != "#"), delimiter=";"):
            message = catalog.decode("gatt/180d/2a37", bytes.fromhex(data), FACTS)
            rr_ms = [float(text) * 1000 for text in intervals.split()]
            if contact == "False":
                assert message.items[0].quality == Quality.NO_VALUE | Quality.NOT_WORN  # type: ignore[union-attr]
                assert len(message.items) == 1
            else:
                found = values(message)["hr"]
                assert found == int(rate) or (rate == "0" and contact == "None" and math.isnan(found))
                assert [list(item.values) for item in message.items if isinstance(item, Series)] == ([rr_ms] if rr_ms else [])
            rows += 1
    assert rows == 135


@pytest.mark.parametrize("topic", ["gatt/1810/2a35", "gatt/1810/2a36"])
def test_blood_pressure(topic: str) -> None:
    for kpa, time, pulse, user, status in flags(5):
        scale = -1 if kpa else 0
        payload = byte_of((kpa, time, pulse, user, status)) + b"".join(sfloat_bytes(value, scale) for value in (160, 107, 120))
        payload += DATE if time else b""
        payload += sfloat_bytes(66) if pulse else b""
        payload += b"\x07" if user else b""
        payload += b"\x05\x00" if status else b""
        message = decode_and_cut(topic, payload)
        pressures = [number / 10 * 1000 / 133.322 if kpa else number for number in (160, 107, 120)]
        keys = ("cuff_pressure",) if topic.endswith("6") else ("sbp", "dbp", "map")
        wanted = dict(zip(keys, pressures, strict=False)) | ({"pulse": 66} if pulse else {})
        assert values(message) == pytest.approx(wanted, rel=1e-12)
        assert message.user == (7 if user else None)
        assert message.record == (payload if time else None)
        for item in message.items:
            assert isinstance(item, Sample)
            assert (item.stored, item.t_device_ns) == (time, T_NS if time else None)
            assert item.quality == (Quality.MOTION | Quality.IRREGULAR_PULSE if status else Quality.GOOD)


def test_every_status_of_a_cuff() -> None:
    head = b"\x14" + b"".join(map(sfloat_bytes, (120, 80, 93, 66)))
    for status in range(64):
        message = catalog.decode("gatt/1810/2a35", head + struct.pack("<H", status), FACTS)
        wanted = Quality.GOOD
        for bit, meaning in ((1, Quality.MOTION), (2, Quality.CUFF_ERROR), (4, Quality.IRREGULAR_PULSE), (32, Quality.CUFF_ERROR)):
            wanted |= meaning if status & bit else Quality.GOOD
        beyond = {8: Quality.ABOVE_RANGE, 16: Quality.BELOW_RANGE}.get(status & 24, Quality.GOOD)
        assert [item.quality for item in message.items if isinstance(item, Sample)] == [wanted, wanted, wanted, wanted | beyond]


def test_spot_check() -> None:
    for time, status, device, amplitude, unset in flags(5):
        payload = byte_of((time, status, device, amplitude, unset)) + sfloat_bytes(965, -1) + sfloat_bytes(58)
        payload += DATE if time else b""
        payload += b"\x00\x01" if status else b""
        payload += b"\x20\x00\x00" if device else b""
        payload += sfloat_bytes(12, -1) if amplitude else b""
        message = decode_and_cut("gatt/1822/2a5e", payload)
        assert values(message) == {"spo2": 96.5, "pulse": 58}
        dated = time and not unset
        assert message.record == (payload if dated else None)
        for item in message.items:
            assert isinstance(item, Sample)
            assert (item.stored, item.t_device_ns) == (time, T_NS if dated else None)
            assert item.quality == (Quality.LOW_PERFUSION if device else Quality.GOOD)


def test_continuous_saturation() -> None:
    for fast, slow, status, device, amplitude in flags(5):
        payload = byte_of((fast, slow, status, device, amplitude)) + sfloat_bytes(96) + sfloat_bytes(58)
        payload += sfloat_bytes(80) + sfloat_bytes(99) if fast else b""
        payload += sfloat_bytes(81) + sfloat_bytes(98) if slow else b""
        payload += b"\x20\x00" if status else b""
        payload += b"\x40\x00\xff" if device else b""
        payload += sfloat_bytes(12, -1) if amplitude else b""
        message = decode_and_cut("gatt/1822/2a5f", payload)
        assert values(message) == {"spo2": 96, "pulse": 58}
        assert [item.quality for item in message.items if isinstance(item, Sample)] == [Quality.MOTION if device else Quality.GOOD] * 2
        assert (message.record, message.test) == (None, False)


def test_every_status_bit_of_an_oximeter() -> None:
    numbers = sfloat_bytes(96) + sfloat_bytes(58)
    gone = {12, 13, 15}
    for bit in range(16):
        message = catalog.decode("gatt/1822/2a5f", b"\x04" + numbers + struct.pack("<H", 1 << bit), FACTS)
        assert math.isnan(values(message)["spo2"]) == (bit in gone), bit
        assert message.test == (bit in (10, 11))
        assert {item.stored for item in message.items} == {bit == 9}
    off = {11: Quality.NOT_WORN, 13: Quality.NOT_WORN, 15: Quality.LEAD_OFF}
    for bit in range(24):
        message = catalog.decode("gatt/1822/2a5f", b"\x08" + numbers + (1 << bit).to_bytes(3, "little"), FACTS)
        assert math.isnan(values(message)["pulse"]) == (bit in off), bit
        sample = message.items[0]
        assert isinstance(sample, Sample)
        assert off.get(bit, Quality.GOOD) in sample.quality
        assert (sample.quality is Quality.GOOD) == (bit in (0, 9) or bit > 15), bit


def test_glucose_and_context_joined() -> None:
    for offset, value, moles, status, follows in flags(5):
        payload = byte_of((offset, value, moles, status, follows)) + struct.pack("<H", 517) + DATE
        payload += struct.pack("<h", -90) if offset else b""
        payload += (sfloat_bytes(61, -4) if moles else sfloat_bytes(110, -5)) + b"\x11" if value else b""
        payload += b"\x01\x00" if status else b""
        message = decode_and_cut("gatt/1808/2a18", payload)
        (sample,) = message.items
        assert isinstance(sample, Sample)
        assert (sample.quantity, sample.stored, sample.t_device_ns) == ("glucose", True, T_NS - (90 * 60 * 10**9 if offset else 0))
        assert (message.seq, message.record, message.boot_id) == (517, payload, None)
        assert sample.quality == (Quality.GOOD if value else Quality.NO_VALUE)
        if value:
            assert sample.value == (6.1 if moles else pytest.approx(110 / 18.016, rel=1e-12))
        assert (glucose.sequence_of(payload), glucose.context_follows(payload)) == (517, follows)
        joined = decode_and_cut("gatt/1808/2a18-2a34", payload + b"\x02\x05\x02\x01")
        assert joined.items[0] == sample or math.isnan(sample.value)
        assert (joined.record, values(joined)["meal_context"], joined.items[1].t_device_ns) == (payload, 1, sample.t_device_ns)


def test_context() -> None:
    parts = (b"\x01\x32\xd0", b"\x02", b"\x51", b"\xb4\x00\x46", b"\x01\x0a\xa0", b"", b"\x3a\xf0", b"\x00")
    for bits in flags(8):
        order = (7, *range(7))  # extended flags stand first
        payload = byte_of(bits) + struct.pack("<H", 9) + b"".join(parts[place] for place in order if bits[place])
        message = catalog.decode("gatt/1808/2a34", payload, FACTS) if bits[7] else decode_and_cut("gatt/1808/2a34", payload)
        meal = values(message)["meal_context"]
        assert meal == 2 if bits[1] else math.isnan(meal)
        assert (message.seq, glucose.sequence_of(payload)) == (9, 9)


def test_every_status_bit_of_a_meter() -> None:
    errors = {1, 2, 3, 4, 7, 8, 9, 10}
    beyond = {5: Quality.ABOVE_RANGE, 6: Quality.BELOW_RANGE}
    for bit in range(16):
        payload = b"\x0e\x01\x00" + DATE + sfloat_bytes(61, -4) + b"\x11" + struct.pack("<H", 1 << bit)
        (sample,) = catalog.decode("gatt/1808/2a18", payload, FACTS).items
        assert isinstance(sample, Sample)
        assert sample.quality == (Quality.SENSOR_ERROR if bit in errors else beyond.get(bit, Quality.GOOD))
        assert (sample.value, sample.t_device_ns) == (6.1, None if bit == 11 else T_NS)


def test_a_bad_fact_is_named() -> None:
    for text in ("", "8h", "1e3", "93601", "-93601", "99999999", "３", "28800.0"):
        with pytest.raises(DecodeError, match="utc_offset_s"):
            catalog.decode("gatt/1808/2a18", b"\0\1\0" + DATE, DeviceFacts(device="d", facts={"utc_offset_s": text}))
    for text in ("93600", "-93600", "+28800", "0"):
        catalog.decode("gatt/1808/2a18", b"\0\1\0" + DATE, DeviceFacts(device="d", facts={"utc_offset_s": text}))


def test_the_clock_that_is_set_is_the_clock_that_is_read() -> None:
    for t_ms in (0, 951_868_799_996, 1_577_960_508_500, 1_709_251_198_000):
        payload = date_time.encode_current_time(t_ms * 10**6)
        found = catalog.facts("gatt/1805/2a2b", payload)
        assert 0 <= t_ms - int(found["clock_ms"]) < 5, "1/256 s"
        assert found["clock_adjusted"] == "reference"
        assert payload[7] == datetime.fromtimestamp(t_ms // 1000, UTC).isoweekday()
