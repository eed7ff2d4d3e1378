"""The fast envelope and its slow twin: the same messages taken, the same refused, the same values."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import struct
from typing import Any

import pytest

from devices.model import Call, DecodeError, DeviceFacts, Item, Message, Quality, Sample, Series, Wave
from devices.payloads import envelope
from tests.property.slow_envelope import QUALITY, Rejected, slow_decode

FACTS = DeviceFacts(device="dev-7")
COUNT = int(os.environ.get("ANXIN_FUZZ_COUNT", "10000")) // 2
T_MS = 1_700_000_000_000

UNITS = {
    "hr": ("/min", "bpm", "Hz"), "spo2": ("%",), "sbp": ("mm[Hg]", "mmHg", "kPa"), "temp": ("Cel", "[degF]", "K"),
    "glucose": ("mmol/L", "mg/dL"), "weight": ("kg", "[lb_av]"), "ecg": ("mV", "uV"), "bed_occupied": ("1",), "call.sos": ("1",),
    "news2": ("1",), "mood": ("1",),
}  # fmt: skip
VALUES = (0, 1, 37, 37.5, 72, 97, 120.25, 5.5, 100, 310.15, 16.3, 20, -5, 1e9, 2.5e-3)
# Whatever may stand where something else was expected.
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 1, 1.0, -1, 0.5, "", "x", "1", "hr", [], {}, [1], {"t": 1}, 2**63, -(2**63), 10**30),
    *(["motion"], ["good"], "sos", T_MS, math.inf, math.nan, 9_223_372_036_854, 9_223_372_036_855, -9_223_372_036_855),
)


def cbor(rng: random.Random, value: Any) -> bytes:
    """An encoder for tests only; floats come in any width that holds them."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        if not -(2**64) <= value < 2**64:
            return cbor(rng, float(value))
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        for lead, form in rng.sample([(b"\xf9", ">e"), (b"\xfa", ">f"), (b"\xfb", ">d")], 3):
            try:
                raw = struct.pack(form, value)
            except OverflowError:
                continue
            if struct.unpack(form, raw)[0] == value or math.isnan(value):
                return lead + raw
    if isinstance(value, str):
        raw = value.encode()
        return _head(3, len(raw)) + raw
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(cbor(rng, entry) for entry in value)
    return _head(5, len(value)) + b"".join(cbor(rng, key) + cbor(rng, entry) for key, entry in value.items())


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 256**size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise AssertionError(number)


def _reading(rng: random.Random, *, own_time: bool) -> dict[str, Any]:
    key = rng.choice(list(UNITS))
    body: dict[str, Any] = {"quantity": key, "value": rng.choice(VALUES), "unit": rng.choice(UNITS[key])}
    if rng.random() < 0.3:
        body["quality"] = rng.sample(QUALITY, rng.randrange(3))
        if rng.random() < 0.5:
            body["value"] = None
    if own_time and rng.random() < 0.6:
        body["t"] = rng.choice((None, T_MS, T_MS - rng.randrange(10_000)))
    return body


def _series(rng: random.Random) -> dict[str, Any]:
    key = rng.choice(list(UNITS))
    count = rng.randint(1, 5)
    body: dict[str, Any] = {"quantity": key, "unit": rng.choice(UNITS[key]), "value": [rng.choice(VALUES) for _ in range(count)]}
    if rng.random() < 0.6:  # alike, so that many are in range
        body["value"] = [body["value"][0]] * count
    return body | ({"t": [T_MS - number for number in range(count)]} if rng.random() < 0.5 else {"t0": T_MS, "dt_ms": rng.randint(1, 2000)})


def message(rng: random.Random) -> dict[str, Any]:
    """A message that is good more often than not."""
    body: dict[str, Any] = {"v": 1, "device": "dev-7", "boot_id": rng.choice(("b1", "A_-9")), "seq": rng.randrange(2**40)}
    body["t"] = rng.choice((T_MS, None))
    for flag in ("stored", "test"):
        if rng.random() < 0.2:
            body[flag] = rng.random() < 0.7
    match rng.randrange(5):
        case 0:
            body |= _reading(rng, own_time=False)
        case 1:
            body["readings"] = [_reading(rng, own_time=True) for _ in range(rng.randint(1, 3))]
        case 2:
            body["series"] = [_series(rng) for _ in range(rng.randint(1, 3))]
        case 3:
            body["wave"] = {"quantity": "ecg", "unit": rng.choice(UNITS["ecg"]), "rate_hz": rng.choice((250, 128.5)), "value": [0.5, -1, 2]}
        case _:
            body["call"] = {"kind": rng.choice(("sos", "fall", "pull_cord", "assist", "cancel"))}
    return body


def strange(rng: random.Random) -> Any:
    """Something out of place; a copy, since a later wound may change it."""
    return copy.deepcopy(rng.choice(STRANGE))


def wound(rng: random.Random, body: Any) -> None:
    """Change one place of the message: leave out, replace or add something."""
    while isinstance(body, list) and body and rng.random() < 0.8:
        place = rng.randrange(len(body))
        if isinstance(body[place], dict | list):
            body = body[place]
        else:
            body[place] = strange(rng)
            return
    if not isinstance(body, dict) or not body:
        return
    key = rng.choice(list(body))
    match rng.randrange(4):
        case 0:
            del body[key]
        case 1:
            body[key] = strange(rng)
        case 2:
            body[rng.choice(("t", "t0", "dt_ms", "quality", "x", "call", "value", "stored"))] = strange(rng)
        case _:
            if isinstance(body[key], dict | list):
                wound(rng, body[key])
            else:
                body[key] = strange(rng)


def plain(got: Message) -> tuple[Any, ...]:
    """A message in the twin's words."""
    return (got.device, got.boot_id, got.seq, _ms(got.t_device_ns), got.test, [_plain_item(item) for item in got.items])


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // 1_000_000


def _plain_item(item: Item) -> tuple[Any, ...]:
    match item:
        case Sample():
            words = frozenset(word for word in QUALITY if Quality[word.upper()] & item.quality)
            value = None if item.quality & Quality.NO_VALUE else item.value
            return ("sample", item.quantity, value, _ms(item.t_device_ns), item.stored, words)
        case Series():
            return ("series", item.quantity, list(item.values), [_ms(t_ns) for t_ns in item.t_device_ns or ()], item.stored)
        case Wave():
            return ("wave", item.quantity, list(item.values), item.rate_hz, _ms(item.t_device_ns), item.stored)
        case Call():
            return ("call", item.call.value, _ms(item.t_device_ns), item.stored)


def same(first: Any, second: Any) -> bool:
    """Equal, numbers to 12 digits (the twin rounds once, the product after each step)."""
    if isinstance(first, float) or isinstance(second, float):
        return first is not None and second is not None and math.isclose(first, second, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(first, list | tuple):
        return type(first) is type(second) and len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def both(topic: str, payload: bytes) -> tuple[Any, Any]:
    """What the two make of a payload; None for a refusal."""
    fast: Any = None
    slow: Any = None
    try:
        fast = plain(envelope.decode(topic, payload, FACTS))
    except DecodeError:
        pass
    try:
        slow = slow_decode(topic, payload)
    except (Rejected, RecursionError):
        pass
    return fast, slow


@pytest.mark.timeout(30 + COUNT // 1000)
@pytest.mark.parametrize("form", ["json", "cbor"])
def test_twins_agree(form: str, seed: int) -> None:
    rng = random.Random(f"{seed}-{form}")
    taken = 0
    for _ in range(COUNT):
        body = message(rng)
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            wound(rng, body)
        topic = rng.choice(("anxin/up/dev-7",) * 4 + ("anxin/call/dev-7",))
        payload = cbor(rng, body) if form == "cbor" else json.dumps(body).encode()
        fast, slow = both(topic, payload)
        assert same(fast, slow), f"{topic} {payload!r}\nfast {fast}\nslow {slow}"
        taken += fast is not None
    print(f"{form}: {taken} of {COUNT} taken")
    assert 0.1 * COUNT < taken < 0.9 * COUNT


def test_limits_of_length() -> None:
    head = {"v": 1, "device": "dev-7", "boot_id": "b1", "seq": 0, "t": T_MS}
    reading = {"quantity": "hr", "value": 72, "unit": "/min"}

    def series(count: int) -> dict[str, Any]:
        return {"quantity": "hr", "unit": "/min", "value": [72] * count, "t0": 0, "dt_ms": 1}

    wave = {"quantity": "ecg", "unit": "mV", "rate_hz": 250}
    for content, good in (
        ({"readings": [reading] * 200}, True),
        ({"readings": [reading] * 201}, False),
        ({"series": [series(10_000)]}, True),
        ({"series": [series(10_001)]}, False),
        ({"series": [series(9_999), series(1)]}, True),
        ({"series": [series(9_999), series(2)]}, False),
        ({"wave": wave | {"value": [0] * 20_000}}, True),
        ({"wave": wave | {"value": [0] * 20_001}}, False),
        ({"series": [series(2) | {"t0": 9_223_372_036_853}]}, True),
        ({"series": [series(2) | {"t0": 9_223_372_036_854}]}, False),
    ):
        fast, slow = both("anxin/up/dev-7", json.dumps(head | content).encode())
        assert (fast is not None) == (slow is not None) == good
        assert same(fast, slow)
