"""SenML packs (RFC 8428, with the secondary units of RFC 8798 and the version rule of RFC 9100), JSON and CBOR.

Names. The last part of the resolved name (after the last `:` or `/`) is the quantity: a key of the quantity table or one of NAMES. What
stands before it must be empty or end with the device of the topic: `hr`, `dev-7:hr`, `urn:dev:mac:dev-7:hr` and `dev-7/hr` are the same.
Units. SenML's own (UNITS), else a unit that devices.units knows; none is an error, except for a boolean.
Times. From 2**28 s on they are absolute, and the record is a stored one, dated by the device's clock. Below, they count from the sending:
the message is `relative`, its own time is 0, item times are <= 0, and 0 (or no time) is left to reception. A pack does not mix the two.
Values. `v` and, for states and events, `vb`. A record without a value is an error unless it only sets bases: a missing number is no zero.
Sums, text and data are refused, since no quantity takes them. SenML carries no sequence: what repeats is found by the bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any

from devices.checks import sample
from devices.codes import BY_KEY
from devices.model import DecodeError, DeviceFacts, Item, Message
from devices.strict import key_name, parse_cbor, parse_json

CHANNELS = ("anxin/senml/{device}",)

ABSOLUTE_FROM_S = 2**28
MAX_TIME_S = 9_223_372_036  # int64 nanoseconds
MAX_RECORDS = 10_000
VERSIONS = frozenset(range(1, 11)) | {26}  # up to 10 = RFC 8428 and its drafts; 26 = 10 + 2**4, secondary units (RFC 9100)

NAMES = {
    "heart_rate": "hr",
    "pulse_rate": "pulse",
    "oxygen_saturation": "spo2",
    "systolic": "sbp",
    "diastolic": "dbp",
    "mean_arterial_pressure": "map",
    "body_temperature": "temp",
    "respiratory_rate": "resp",
    "blood_glucose": "glucose",
    "body_weight": "weight",
    "body_height": "height",
    "battery_level": "battery",
}

# SenML unit -> (our unit, factor); the others of the registry are spelt as devices.units knows them, or cannot be a quantity's unit
UNITS: dict[str, tuple[str, float]] = {"/": ("%", 100), "/100": ("%", 1), "%EL": ("%", 1)}
_OF_COUNT = {"{steps}": "{steps}", "1": "1"}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]{0,254}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CBOR_LABELS: dict[int, str] = dict(enumerate(("n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"))) | {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs"
}  # fmt: skip
_LABELS = frozenset(_CBOR_LABELS.values())
_BASES = frozenset({"bver", "bn", "bt", "bu", "bv", "bs"})
_VALUES = ("v", "vb", "vs", "vd")


@dataclass(frozen=True, slots=True)
class Record:
    """A resolved record: bases applied; `t_s` is 0 for "now", negative before it, from 2**28 on seconds since 1970."""

    name: str
    unit: str | None
    t_s: float
    value: float | bool | str | bytes | None
    sum: float | None = None


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One pack -> its samples and calls, in the pack's order."""
    device = _device(topic)
    records = resolve(payload)
    absolute = [record.t_s >= ABSOLUTE_FROM_S for record in records]
    if any(absolute) and not all(absolute):
        raise DecodeError("t: absolute and relative times in one pack")
    relative = any(record.t_s for record in records) and not absolute[0]
    items: list[Item] = []
    try:
        for record in records:
            items.append(_item(record, device, absolute[0]))  # noqa: PERF401 (len(items) names the record at fault)
    except DecodeError as error:
        raise DecodeError(f"[{len(items)}]: {error}") from None
    return Message(items=tuple(items), device=device, t_device_ns=0 if relative else None, relative=relative)


@lru_cache(maxsize=8192)
def _device(topic: str) -> str:
    device = topic.rpartition("/")[2]
    if _ID.fullmatch(device) is None:
        raise DecodeError("topic: the device is not 1 to 64 of A-Z a-z 0-9 _ -")
    return device


def _item(record: Record, device: str, absolute: bool) -> Item:
    key = _quantity(record.name, device)
    if record.sum is not None:
        raise DecodeError("s: sums are not taken")
    if isinstance(record.value, str | bytes):
        raise DecodeError(f"{'vs' if isinstance(record.value, str) else 'vd'}: no quantity takes it")
    t_ns: int | None = None
    if record.t_s:
        t_ns = round(record.t_s * 1e6) * 1000  # a double holds microseconds of our century, no more
    value, unit = record.value, record.unit
    row = BY_KEY[key]
    if isinstance(value, bool):
        if row.ucum != "1" or row.high != 1:
            raise DecodeError(f"vb: {key} is a number")
        return sample(key, float(value), "1", t_ns=t_ns, stored=absolute)
    if unit == "count":
        unit = _OF_COUNT.get(row.ucum, unit)
    elif unit in UNITS and (unit != "%EL" or key == "battery"):
        unit, factor = UNITS[unit]
        value = None if value is None else value * factor
    return sample(key, value, unit, t_ns=t_ns, stored=absolute)


def _quantity(name: str, device: str) -> str:
    cut = max(name.rfind(":"), name.rfind("/")) + 1
    prefix, last = name[:cut].rstrip(":/"), name[cut:]
    key = NAMES.get(last, last)
    if key not in BY_KEY:
        raise DecodeError("n: does not end with a known quantity")
    if prefix and re.split("[:/]", prefix)[-1] != device:
        raise DecodeError("n: does not name the device of the topic")
    return key


def resolve(payload: bytes) -> list[Record]:
    """The pack's records with bases applied (RFC 8428, 4.6), in the pack's order; records that only set bases are left out."""
    bases: dict[str, Any] = {}
    records: list[Record] = []
    for position, body in enumerate(_pack(payload)):
        try:
            record = _record(body, bases)
        except DecodeError as error:
            raise DecodeError(f"[{position}]: {error}") from None
        if record is not None:
            records.append(record)
    if not records:
        raise DecodeError("no record has a value")
    return records


def _record(body: dict[str, Any], bases: dict[str, Any]) -> Record | None:
    """One record resolved; its bases are put into `bases` for those that follow. None if it has nothing but bases."""
    fields = _fields(body)
    if "bver" in fields:
        if fields["bver"] not in VERSIONS:
            raise DecodeError("bver: not a version that this gateway knows")
        if bases.get("bver", fields["bver"]) != fields["bver"]:
            raise DecodeError("bver: changes within the pack")
    bases.update((label, fields[label]) for label in _BASES & fields.keys())
    return None if fields.keys() <= _BASES else _resolved(fields, bases)


def _pack(payload: bytes) -> list[dict[str, Any]]:
    if payload[:1] in (b"[", b" ", b"\n", b"\r", b"\t"):
        pack = parse_json(payload)
        if type(pack) is not list or not all(type(body) is dict for body in pack):
            raise DecodeError("not an array of objects")
    elif payload and 0x80 <= payload[0] <= 0x9F:
        pack = [_named(body) for body in parse_cbor(payload, integer_keys=True, decimals=True)]
    else:
        raise DecodeError("empty" if not payload else "neither a JSON nor a CBOR array")
    if len(pack) > MAX_RECORDS:
        raise DecodeError(f"more than {MAX_RECORDS} records")
    return pack


def _named(body: Any) -> dict[str, Any]:
    """A CBOR record with the labels of JSON; integers that RFC 8428 does not define are refused, it says there will be none."""
    if type(body) is not dict:
        raise DecodeError("not an array of maps")
    named: dict[str, Any] = {}
    for key, value in body.items():
        if type(key) is int:
            if key not in _CBOR_LABELS:
                raise DecodeError("unknown integer label")
            named[_CBOR_LABELS[key]] = value
        elif type(key) is str:
            if key in _LABELS:
                raise DecodeError(f"{key}: the label must be an integer in CBOR")
            named[key] = value
        else:
            raise DecodeError("a label is neither an integer nor text")
    return named


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that RFC 8428 defines, type-checked; others are left out, unless their name says that they must be understood."""
    fields: dict[str, Any] = {}
    for label, value in body.items():
        if label in _LABELS:
            fields[label] = _typed(label, value)
        elif label.endswith("_"):
            raise DecodeError(f"{key_name(label)}: must be understood, and is not")
    return fields


def _typed(label: str, value: Any) -> Any:
    if label in ("n", "bn", "u", "bu", "vs"):
        if type(value) is not str:
            raise DecodeError(f"{label}: not text")
        return value
    if label == "vb":
        if type(value) is not bool:
            raise DecodeError("vb: not true or false")
        return value
    if label == "vd":
        if type(value) not in (str, bytes):
            raise DecodeError("vd: not data")
        return value if type(value) is bytes else value.encode("ascii", "replace")
    if label == "bver":
        if type(value) is not int:
            raise DecodeError("bver: not a whole number")
        return value
    if type(value) not in (int, float, Decimal):
        raise DecodeError(f"{label}: not a number")
    try:
        number = float(value)
    except OverflowError:
        raise DecodeError(f"{label}: out of range") from None
    if not isfinite(number):
        raise DecodeError(f"{label}: not finite")
    return number


def _resolved(fields: dict[str, Any], bases: dict[str, Any]) -> Record:
    name = bases.get("bn", "") + fields.get("n", "")
    if _NAME.fullmatch(name) is None:
        raise DecodeError("n: missing" if not name else "n: not a name of SenML")
    given = [label for label in _VALUES if label in fields]
    if len(given) > 1:
        raise DecodeError(f"{given[1]}: beside {given[0]}")
    value = fields[given[0]] if given else None
    total: float | None = fields["s"] + bases.get("bs", 0.0) if "s" in fields else None
    if value is None and total is None:
        raise DecodeError("v: missing")
    if given == ["v"]:
        value += bases.get("bv", 0.0)
    t_s = bases.get("bt", 0.0) + fields.get("t", 0.0)
    if not -MAX_TIME_S <= t_s <= MAX_TIME_S:
        raise DecodeError("t: out of range")
    if 0 < t_s < ABSOLUTE_FROM_S:
        raise DecodeError("t: after the sending")
    return Record(name=name, unit=fields.get("u", bases.get("bu")), t_s=t_s, value=value, sum=total)
