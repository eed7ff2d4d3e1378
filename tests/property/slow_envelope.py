"""The envelope read slowly and obviously, from the words of asyncapi.yaml: the twin that the fast decoder must agree with.

Shares the quantity table and the model with the product and nothing else: its own CBOR reader, its own order of checks, exact fractions.
"""

from __future__ import annotations

import json
import math
import re
import struct
from fractions import Fraction
from typing import Any

from devices.codes import BY_KEY, Kind

Rejected = ValueError
LIMIT_MS = (2**63 - 1) // 10**6

# canonical unit -> unit -> (a, b): canonical = a * value + b; a subset of the product's spellings, enough for the generator
UNITS: dict[str, dict[str, tuple[Fraction, Fraction]]] = {
    "/min": {"/min": (Fraction(1), Fraction(0)), "bpm": (Fraction(1), Fraction(0)), "Hz": (Fraction(60), Fraction(0))},
    "%": {"%": (Fraction(1), Fraction(0))},
    "mm[Hg]": {
        "mm[Hg]": (Fraction(1), Fraction(0)),
        "mmHg": (Fraction(1), Fraction(0)),
        "kPa": (Fraction(1000) / Fraction("133.322"), Fraction(0)),
    },
    "Cel": {"Cel": (Fraction(1), Fraction(0)), "[degF]": (Fraction(5, 9), Fraction(-160, 9)), "K": (Fraction(1), Fraction("-273.15"))},
    "mmol/L": {"mmol/L": (Fraction(1), Fraction(0)), "mg/dL": (1 / Fraction("18.016"), Fraction(0))},
    "kg": {"kg": (Fraction(1), Fraction(0)), "[lb_av]": (Fraction("0.45359237"), Fraction(0))},
    "mV": {"mV": (Fraction(1), Fraction(0)), "uV": (Fraction(1, 1000), Fraction(0))},
    "1": {"1": (Fraction(1), Fraction(0))},
}
QUALITY = "not_worn lead_off low_perfusion motion sensor_error cuff_error irregular_pulse below_range above_range control_solution".split()
CALLS = "sos fall pull_cord assist cancel".split()


def need(condition: bool) -> None:
    """Reject the message unless it holds."""
    if not condition:
        raise Rejected


def read_cbor(data: bytes) -> Any:
    """The strict subset of CBOR that the envelope takes, one byte after the other."""
    value, rest = _item(data)
    need(rest == b"")
    return value


def _item(data: bytes) -> tuple[Any, bytes]:
    need(len(data) > 0)
    major, info, data = data[0] >> 5, data[0] & 31, data[1:]
    need(info < 28)
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    need(len(data) >= size)
    head, data = data[:size], data[size:]
    number = int.from_bytes(head, "big") if size else info
    if major in (0, 1):
        return (number if major == 0 else -1 - number), data
    if major in (2, 3):
        need(len(data) >= number)
        raw = data[:number]
        return (raw if major == 2 else raw.decode()), data[number:]
    if major == 4:
        items = []
        for _ in range(number):
            item, data = _item(data)
            items.append(item)
        return items, data
    if major == 5:
        pairs: dict[str, Any] = {}
        for _ in range(number):
            key, data = _item(data)
            need(isinstance(key, str) and key not in pairs)
            pairs[key], data = _item(data)
        return pairs, data
    need(major == 7)
    if info in (25, 26, 27):
        return struct.unpack({25: ">e", 26: ">f", 27: ">d"}[info], head)[0], data
    need(info in (20, 21, 22))
    return {20: False, 21: True, 22: None}[info], data


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len({key for key, _ in pairs}) == len(pairs))
    return dict(pairs)


def _no_constants(_name: str) -> None:
    raise Rejected


def _is_int(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any) -> Fraction:
    need(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))
    return Fraction(value)


def _canonical(key: str, value: Any, unit: Any) -> float:
    row = BY_KEY[key]
    need(isinstance(unit, str) and unit in UNITS[row.ucum])
    scale, offset = UNITS[row.ucum][unit]
    exact = _number(value) * scale + offset
    need(Fraction(row.low) <= exact <= Fraction(row.high))
    return float(exact)


def _only(body: Any, required: set[str], optional: set[str]) -> None:
    need(isinstance(body, dict) and required <= set(body) <= required | optional)


def _key(key: Any, *, wave: bool, series: bool = False) -> str:
    need(isinstance(key, str) and key in BY_KEY)
    kind = BY_KEY[key].kind
    need(kind is not Kind.DERIVED and (kind is Kind.WAVE) == wave)
    need(not (series and key.startswith("call.")))
    return str(key)


def _reading(body: dict[str, Any], t_ms: int | None, stored: bool) -> tuple[Any, ...]:
    key = _key(body["quantity"], wave=False)
    words = body.get("quality", [])
    need(isinstance(words, list) and all(isinstance(word, str) and word in QUALITY for word in words))
    call = key.startswith("call.")
    need(t_ms is not None or not stored or call)
    if body["value"] is None:
        need(len(words) > 0 and not call and isinstance(body["unit"], str) and body["unit"] in UNITS[BY_KEY[key].ucum])
        return ("sample", key, None, t_ms, stored, frozenset(words))
    value = _canonical(key, body["value"], body["unit"])
    return ("call", key[5:], t_ms, stored) if call else ("sample", key, value, t_ms, stored, frozenset(words))


def _series(body: Any, stored: bool) -> tuple[Any, ...]:
    if "t" in body:
        _only(body, {"quantity", "unit", "value", "t"}, set())
    else:
        _only(body, {"quantity", "unit", "value", "t0", "dt_ms"}, set())
    key = _key(body["quantity"], wave=False, series=True)
    need(isinstance(body["value"], list) and 1 <= len(body["value"]) <= 10_000)
    values = [_canonical(key, value, body["unit"]) for value in body["value"]]
    if "t" in body:
        need(isinstance(body["t"], list) and len(body["t"]) == len(values))
        times = body["t"]
    else:
        need(_is_int(body["t0"], -LIMIT_MS, LIMIT_MS) and _is_int(body["dt_ms"], 1, 86_400_000))
        times = [body["t0"] + number * body["dt_ms"] for number in range(len(values))]
    need(all(_is_int(t_ms, -LIMIT_MS, LIMIT_MS) for t_ms in times))
    return ("series", key, values, times, stored)


def _content(body: dict[str, Any], t_ms: int | None, stored: bool) -> list[tuple[Any, ...]]:
    if "quantity" in body:
        return [_reading(body, t_ms, stored)]
    if "call" in body:
        _only(body["call"], {"kind"}, set())
        need(isinstance(body["call"]["kind"], str) and body["call"]["kind"] in CALLS)
        return [("call", body["call"]["kind"], t_ms, stored)]
    if "wave" in body:
        wave = body["wave"]
        _only(wave, {"quantity", "unit", "rate_hz", "value"}, set())
        key = _key(wave["quantity"], wave=True)
        need(0 < _number(wave["rate_hz"]) <= 100_000 and isinstance(wave["value"], list) and 1 <= len(wave["value"]) <= 20_000)
        need(t_ms is not None or not stored)
        return [("wave", key, [_canonical(key, value, wave["unit"]) for value in wave["value"]], float(wave["rate_hz"]), t_ms, stored)]
    if "readings" in body:
        need(isinstance(body["readings"], list) and 1 <= len(body["readings"]) <= 200)
        found = []
        for reading in body["readings"]:
            _only(reading, {"quantity", "value", "unit"}, {"t", "quality"})
            own = reading.get("t")
            need(own is None or _is_int(own, -LIMIT_MS, LIMIT_MS))
            found.append(_reading(reading, own if own is not None else None if stored else t_ms, stored))
        return found
    need(isinstance(body["series"], list) and len(body["series"]) >= 1 and all(isinstance(entry, dict) for entry in body["series"]))
    entries = [_series(entry, stored) for entry in body["series"]]
    need(sum(len(entry[2]) for entry in entries) <= 10_000)
    return entries


def slow_decode(topic: str, payload: bytes) -> tuple[Any, ...]:
    """(device, boot_id, seq, t in ms, test, items as plain tuples); Rejected if the message is not good."""
    _, lane, device = topic.split("/")
    need(len(payload) <= 256 * 1024)
    if payload.lstrip(b" \t\r\n").startswith(b"{"):
        body = json.loads(payload.decode(), object_pairs_hook=_no_twins, parse_constant=_no_constants)
    else:
        body = read_cbor(payload)
    need(isinstance(body, dict))
    forms = [form for form in ("quantity", "readings", "series", "wave", "call") if form in body]
    need(len(forms) == 1)
    need(lane == "up" or forms == ["call"])
    extra = {"quantity", "value", "unit"} if forms == ["quantity"] else set(forms)
    _only(body, {"v", "device", "boot_id", "seq", "t"} | extra, {"stored", "test"} | ({"quality"} if forms == ["quantity"] else set()))
    need(_is_int(body["v"], 1, 1) and body["device"] == device)
    need(isinstance(body["boot_id"], str) and re.fullmatch("[A-Za-z0-9_-]{1,64}", body["boot_id"]) is not None)
    need(_is_int(body["seq"], 0, 2**63 - 1))
    need(body["t"] is None or _is_int(body["t"], -LIMIT_MS, LIMIT_MS))
    for name in ("stored", "test"):
        need(isinstance(body.get(name, False), bool))
    items = _content(body, body["t"], body.get("stored", False))
    return (device, body["boot_id"], body["seq"], body["t"], body.get("test", False), items)
