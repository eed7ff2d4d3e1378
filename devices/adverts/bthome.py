"""BTHome v2 adverts (service data of 0xFCD2): buttons, motion, doors, leaks, smoke, room climate, battery; plain or encrypted.

A button is a call for help, whatever way it was pressed, but for its release. The fact `bthome_calls` says otherwise: pairs like
"press:sos long_press:cancel", and "none" for a switch that calls nobody. An encrypted device has its key in the fact `bthome_key` (32
hexadecimal digits) and its address in `ble_address`; with a key, plain adverts are refused, for anybody can send them. Values of plain
adverts are unverified. bthome-ble decodes; what it passes over without a word (cut-off fields, no data) is refused here.
Room temperature is not the body's. Of several values of one kind the first counts.
"""

from __future__ import annotations

import re
from math import nan
from typing import Any

from devices.checks import in_range
from devices.model import Call, CallKind, DecodeError, DeviceFacts, Item, Message, Quality, Sample

CHANNELS = ("advert/fcd2",)

_UUID = "0000fcd2-0000-1000-8000-00805f9b34fb"
_ENCRYPTED, _MAC, _VERSION = 0x01, 0x02, 2
_BUTTON, _MAX_BYTES, _MAC_BYTES = 0x3A, 255, 6
_KEY = re.compile(r"[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_VALUES = {"temperature": ("room_temp", "Cel"), "humidity": ("room_humidity", "%"), "battery": ("battery", "%")}
_STATES = {
    **dict.fromkeys(("motion", "moving", "occupancy", "presence"), "motion"),
    **dict.fromkeys(("door", "opening", "garage_door", "window"), "door"),
}
_ALARMS = {"smoke": "smoke", "carbon_monoxide": "co_alarm", "moisture": "water_leak"}
_PRESSES = ("press", "double_press", "triple_press", "long_press", "long_double_press", "long_triple_press", "hold_press")


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One advert -> calls and states."""
    if not payload:
        raise DecodeError("empty")
    if len(payload) > _MAX_BYTES:
        raise DecodeError(f"too long: more than {_MAX_BYTES} bytes")
    if payload[0] >> 5 != _VERSION:
        raise DecodeError("version: not 2")
    if not payload[0] & _ENCRYPTED:
        _walk(payload)
    calls = _calls_of(facts)
    update = _parsed(payload, facts)
    mark = Quality.GOOD if payload[0] & _ENCRYPTED else Quality.UNVERIFIED
    items: dict[str, Item] = {}
    for key, event in update.events.items():
        call = calls.get(event.event_type) if key.key.startswith("button") else None
        if call is not None:
            items.setdefault(call.value, Call(call=call))
    for key, value in update.entity_values.items():
        row = _VALUES.get(_kind(key.key))
        if row is not None and isinstance(value.native_value, int | float):
            number = in_range(row[0], float(value.native_value), row[1])
            items.setdefault(row[0], Sample(quantity=row[0], value=number, quality=mark))
    for key, state in update.binary_entity_values.items():
        kind = _kind(key.key)
        if kind in _STATES:
            items.setdefault(_STATES[kind], Sample(quantity=_STATES[kind], value=float(bool(state.native_value)), quality=mark))
        elif kind in _ALARMS and state.native_value:
            items.setdefault(_ALARMS[kind], Sample(quantity=_ALARMS[kind], value=1.0, quality=mark))
        elif kind == "battery" and state.native_value:  # the word "low" is no percentage
            items.setdefault("battery", Sample(quantity="battery", value=nan, quality=mark | Quality.NO_VALUE | Quality.BELOW_RANGE))
    if not items:
        raise DecodeError("nothing in it that is known")
    return Message(items=tuple(items.values()))


def may_call(payload: bytes) -> bool:
    """Whether an advert may hold a call for help: then it must not wait behind others."""
    return bool(payload) and bool(payload[0] & _ENCRYPTED or _BUTTON in payload[1:])


def is_told_apart(payload: bytes) -> bool:
    """Whether another event has other bytes: by its packet number, or the counter of the encryption."""
    start = 1 + _MAC_BYTES * bool(payload and payload[0] & _MAC)
    return bool(payload) and bool(payload[0] & _ENCRYPTED or payload[start : start + 1] == b"\0")


def _kind(key: str) -> str:
    """The kind of a value, without the number that the first of several has; empty for the others."""
    name, _, number = key.rpartition("_")
    return key if not number.isdigit() else name if number == "1" else ""


def _calls_of(facts: DeviceFacts) -> dict[str | None, CallKind]:
    text = facts.facts.get("bthome_calls")
    if text is None:
        return dict.fromkeys(_PRESSES, CallKind.SOS)
    found: dict[str | None, CallKind] = {}
    for pair in text.split() if text != "none" else ():
        press, _, call = pair.partition(":")
        if press not in _PRESSES or call not in set(CallKind):
            raise DecodeError("bthome_calls: not pairs of a press and a call")
        found[press] = CallKind(call)
    return found


def _walk(payload: bytes) -> None:
    """Refuse what is cut off; an object of a later version ends the reading, as the format wants it."""
    from bthome_ble.const import MEAS_TYPES

    at = 1 + (_MAC_BYTES if payload[0] & _MAC else 0)
    if at > len(payload):
        raise DecodeError("address: cut off")
    while at < len(payload):
        kind = MEAS_TYPES.get(payload[at])
        if kind is None:
            return
        at += 1
        if kind.data_format in ("raw", "string", "command"):
            if at >= len(payload):
                raise DecodeError("object: cut off")
            at += 1 + payload[at] if kind.data_format != "command" else 2 + (payload[at] & 0x1F)
        else:
            at += kind.data_length
        if at > len(payload):
            raise DecodeError("object: cut off")


def _parsed(payload: bytes, facts: DeviceFacts) -> Any:
    """What bthome-ble finds; DecodeError where the key does not fit."""
    from bthome_ble import BTHomeBluetoothDeviceData  # takes a third of a second to load: only houses that have such devices pay

    key = facts.facts.get("bthome_key", "")
    if key and _KEY.fullmatch(key) is None:
        raise DecodeError("bthome_key: not 32 hexadecimal digits")
    address = facts.facts.get("ble_address", "")
    encrypted = bool(payload[0] & _ENCRYPTED)
    if encrypted and not key:
        raise DecodeError("encrypted, and no key is known")
    if key and not encrypted:
        raise DecodeError("not encrypted, though the device has a key")
    if encrypted and _ADDRESS.fullmatch(address) is None:
        raise DecodeError("encrypted, and the device's address is not known")
    parser = BTHomeBluetoothDeviceData(bytes.fromhex(key) if key else None)
    heard: Any = _Heard(address or "00:00:00:00:00:00", payload)
    update = parser.update(heard)
    if encrypted and not parser.bindkey_verified:
        raise DecodeError("encrypted with another key, or damaged")
    return update


class _Heard:
    """As much of a heard advert as bthome-ble looks at; without a time, for a decoder has none."""

    name = source = ""
    rssi, time, raw = -60, 0.0, None

    def __init__(self, address: str, payload: bytes) -> None:
        self.address = address
        self.manufacturer_data: dict[int, bytes] = {}
        self.service_uuids: list[str] = []
        self.service_data = {_UUID: payload}
