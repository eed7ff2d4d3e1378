"""Our own envelope, version 1: one JSON object or CBOR map per message; asyncapi.yaml beside this file describes it with examples.

`t` is the device's clock when it sent, milliseconds UTC, or null where it has none. An item's own `t` says when it was measured; a single
reading, a call and a waveform take the message's. With `stored` the item times are binding, so each reading must have one; only a call is
taken without (a call for help is never refused for want of a clock).
"""

from __future__ import annotations

import re
from array import array
from functools import lru_cache
from typing import Any

from devices.checks import (
    MAX_MS,
    NS_PER_MS,
    SERIES_KEYS,
    WAVE_KEYS,
    numbers,
    sample,
    time_ns,
    times_ns,
    whole,
    wrong_quantity,
)
from devices.model import Call, CallKind, DecodeError, DeviceFacts, Item, Message, Quality, Sample, Series, Wave
from devices.strict import key_name, parse_cbor, parse_json

CHANNELS = ("anxin/up/{device}", "anxin/call/{device}")
CALL_CHANNELS = ("anxin/call/{device}",)

MAX_READINGS = 200
MAX_SERIES_VALUES = 10_000
MAX_WAVE_VALUES = 20_000
MAX_RATE_HZ = 100_000
MAX_SEQ = 2**63 - 1
MAX_STEP_MS = 86_400_000

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COMMON = frozenset({"v", "device", "boot_id", "seq", "t", "stored", "test"})
_SINGLE = _COMMON | {"quantity", "value", "unit", "quality"}
_READING = frozenset({"quantity", "value", "unit", "t", "quality"})
_SERIES = frozenset({"quantity", "unit", "value", "t", "t0", "dt_ms"})
_WAVE = frozenset({"quantity", "unit", "rate_hz", "value"})
_CALL = frozenset({"kind"})
_FORMS = {form: _COMMON | {form} for form in ("readings", "series", "wave", "call")}
_CALL_KINDS = {kind.value: kind for kind in CallKind}
_QUALITY = {
    word.lower(): Quality[word]
    for word in (
        *("NOT_WORN", "LEAD_OFF", "LOW_PERFUSION", "MOTION", "SENSOR_ERROR", "CUFF_ERROR"),
        *("IRREGULAR_PULSE", "BELOW_RANGE", "ABOVE_RANGE", "CONTROL_SOLUTION"),
    )
}


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One message -> what it holds, in canonical units."""
    device, calls_only = _address(topic)
    body = _parse(payload)
    if body.get("v") != 1 or type(body["v"]) is not int:
        raise DecodeError("v: missing" if "v" not in body else "v: not a version that this gateway knows")
    if body.get("device") != device:
        raise DecodeError("device: missing" if "device" not in body else "device: does not match the topic")
    boot_id = body.get("boot_id")
    if type(boot_id) is not str or _ID.fullmatch(boot_id) is None:
        raise DecodeError("boot_id: missing" if boot_id is None else "boot_id: not 1 to 64 of A-Z a-z 0-9 _ -")
    seq = whole(body.get("seq"), "seq", 0, MAX_SEQ)
    t_ms = body.get("t", body)  # the body stands for "missing": null has a meaning
    if t_ms is body:
        raise DecodeError("t: missing")
    t_ns = None if t_ms is None else time_ns(t_ms)
    stored = _flag(body, "stored")
    if calls_only and "call" not in body:
        raise DecodeError("call: missing; this topic takes calls only")
    if "quantity" in body:
        items: tuple[Item, ...] = (_single(body, t_ns, stored),)
    else:
        items = _items(body, t_ns, stored)
    return Message(items=items, device=device, boot_id=boot_id, seq=seq, t_device_ns=t_ns, test=_flag(body, "test"))


@lru_cache(maxsize=8192)
def _address(topic: str) -> tuple[str, bool]:
    channel, _, device = topic.rpartition("/")
    if _ID.fullmatch(device) is None:
        raise DecodeError("topic: the device is not 1 to 64 of A-Z a-z 0-9 _ -")
    return device, channel == "anxin/call"


def _parse(payload: bytes) -> dict[str, Any]:
    if payload[:1] in (b"{", b" ", b"\n", b"\r", b"\t"):
        body = parse_json(payload)
    elif payload and 0xA0 <= payload[0] <= 0xBF:
        body = parse_cbor(payload)
    else:
        raise DecodeError("empty" if not payload else "neither a JSON object nor a CBOR map")
    if type(body) is not dict:
        raise DecodeError("not an object")
    return body


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if type(value) is not bool:
        raise DecodeError(f"{name}: not true or false")
    return value


def _known(body: Any, keys: frozenset[str]) -> dict[str, Any]:
    """The object itself, if it is one and all its keys are known here."""
    if type(body) is not dict:
        raise DecodeError("not an object")
    if not body.keys() <= keys:
        raise DecodeError(f"{key_name(next(key for key in body if key not in keys))}: unknown key")
    return body


def _quality(words: Any) -> Quality:
    if type(words) is not list:
        raise DecodeError("quality: not an array")
    quality = Quality.GOOD
    for word in words:
        if type(word) is not str or word not in _QUALITY:
            raise DecodeError("quality: unknown word")
        quality |= _QUALITY[word]
    return quality


def _reading(body: dict[str, Any], t_ns: int | None, stored: bool) -> Sample | Call:
    quality = _quality(body["quality"]) if "quality" in body else Quality.GOOD
    if "value" not in body:
        raise DecodeError("value: missing")
    item = sample(body.get("quantity"), body["value"], body.get("unit"), t_ns=t_ns, stored=stored, quality=quality)
    if stored and t_ns is None and type(item) is not Call:
        raise DecodeError("t: missing for a stored record")
    return item


def _single(body: dict[str, Any], t_ns: int | None, stored: bool) -> Sample | Call:
    _known(body, _SINGLE)
    return _reading(body, t_ns, stored)


def _items(body: dict[str, Any], t_ns: int | None, stored: bool) -> tuple[Item, ...]:
    form = next((name for name in _FORMS if name in body), None)
    if form is None:
        _known(body, _COMMON)
        raise DecodeError("nothing in it: quantity, readings, series, wave or call is missing")
    content = _known(body, _FORMS[form])[form]
    if form == "call":
        return (_call(content, t_ns, stored),)
    if form == "wave":
        return (_wave(content, t_ns, stored),)
    if type(content) is not list:
        raise DecodeError(f"{form}: not an array")
    if not content:
        raise DecodeError(f"{form}: empty")
    return _readings(content, t_ns, stored) if form == "readings" else _several(content, stored)


def _readings(content: list[Any], t_ns: int | None, stored: bool) -> tuple[Item, ...]:
    if len(content) > MAX_READINGS:
        raise DecodeError(f"readings: more than {MAX_READINGS}")
    default_ns = None if stored else t_ns
    items: list[Item] = []
    try:
        for body in content:
            own = _known(body, _READING).get("t")
            items.append(_reading(body, default_ns if own is None else time_ns(own), stored))
    except DecodeError as error:
        raise DecodeError(f"readings[{len(items)}]: {error}") from None
    return tuple(items)


def _several(content: list[Any], stored: bool) -> tuple[Item, ...]:
    items: list[Item] = []
    room = MAX_SERIES_VALUES
    try:
        for body in content:
            series = _one_series(body, room, stored)
            items.append(series)
            room -= len(series.values)
    except DecodeError as error:
        raise DecodeError(f"series[{len(items)}]: {error}") from None
    return tuple(items)


def _one_series(body: Any, room: int, stored: bool) -> Series:
    key = _known(body, _SERIES).get("quantity")
    if type(key) is not str or key not in SERIES_KEYS:
        raise wrong_quantity(key, SERIES_KEYS)
    values = numbers(key, body.get("value"), body.get("unit"), room)
    count = len(values)
    if "t" in body:
        if "t0" in body or "dt_ms" in body:
            raise DecodeError("t: beside t0 or dt_ms")
        times = times_ns(body["t"], count)
    else:
        start_ms = whole(body.get("t0"), "t0", -MAX_MS, MAX_MS)
        step_ms = whole(body.get("dt_ms"), "dt_ms", 1, MAX_STEP_MS)
        if start_ms + step_ms * (count - 1) > MAX_MS:
            raise DecodeError("dt_ms: out of range")
        start_ns, step_ns = start_ms * NS_PER_MS, step_ms * NS_PER_MS
        times = array("q", range(start_ns, start_ns + step_ns * count, step_ns))
    return Series(quantity=key, values=values, t_device_ns=times, stored=stored)


def _wave(content: Any, t_ns: int | None, stored: bool) -> Wave:
    try:
        body = _known(content, _WAVE)
        key = body.get("quantity")
        if type(key) is not str or key not in WAVE_KEYS:
            raise wrong_quantity(key, WAVE_KEYS)
        rate_hz: Any = body.get("rate_hz")
        if type(rate_hz) not in (int, float):
            raise DecodeError("rate_hz: missing" if rate_hz is None else "rate_hz: not a number")
        if not 0 < rate_hz <= MAX_RATE_HZ:
            raise DecodeError("rate_hz: out of range")
        values = numbers(key, body.get("value"), body.get("unit"), MAX_WAVE_VALUES)
    except DecodeError as error:
        raise DecodeError(f"wave: {error}") from None
    if stored and t_ns is None:
        raise DecodeError("t: missing for a stored record")
    return Wave(quantity=key, values=values, rate_hz=float(rate_hz), t_device_ns=t_ns, stored=stored)


def _call(content: Any, t_ns: int | None, stored: bool) -> Call:
    try:
        kind = _known(content, _CALL).get("kind")
    except DecodeError as error:
        raise DecodeError(f"call: {error}") from None
    if type(kind) is not str or kind not in _CALL_KINDS:
        raise DecodeError("kind: missing" if kind is None else "kind: unknown")
    return Call(call=_CALL_KINDS[kind], t_device_ns=t_ns, stored=stored)
