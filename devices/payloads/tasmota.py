"""Tasmota: telemetry as JSON on tele/<device>/SENSOR and /STATE, its last will as a word on tele/<device>/LWT, switches on stat/.../RESULT.

As the project's documentation has them (tasmota.github.io/docs/MQTT, .../docs/Switches, .../docs/Buttons); the topic of the device is our
device id, the full topic the default `%prefix%/%topic%/`. `Time` is local time without a zone and is not used. The device's fact `switch`
says what its switch is (`door`, `motion`, `bed_occupied`: ON means 1), its fact `button` what a press is (`sos`, `assist`, `pull_cord`).
Room temperatures, energy and relays are no readings of people.
"""

from __future__ import annotations

import re
from typing import Any

from devices.model import CallKind, DecodeError, DeviceFacts, Item, Message
from devices.products import availability, call, message, name_at, parse_object, plain

CHANNELS = ("tele/{device}/SENSOR", "tele/{device}/STATE", "tele/{device}/LWT", "stat/{device}/RESULT")

_SWITCH, _BUTTON = re.compile(r"Switch[0-9]{1,2}"), re.compile(r"Button[0-9]{1,2}")
_WORDS = {"ON": 1, "OFF": 0}
_STATES = frozenset({"door", "motion", "bed_occupied"})
_BUTTONS = {kind.value: kind for kind in (CallKind.SOS, CallKind.ASSIST, CallKind.PULL_CORD)}


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One message -> the states, signal strength and calls in it."""
    device = name_at(topic, 1)
    if topic.endswith("/LWT"):
        return availability(device, payload.decode("ascii", "replace"))
    body = parse_object(payload)
    items: list[Item] = []
    for field, value in body.items():
        if _SWITCH.fullmatch(field):
            items += _switch(field, value, facts)
        elif _BUTTON.fullmatch(field):
            items += _button(value, facts)
        elif field == "Wifi":
            items += _wifi(value)
    return message(device, items)


def _switch(field: str, value: Any, facts: DeviceFacts) -> tuple[Item, ...]:
    word = value.get("Action") if type(value) is dict else value
    if type(word) is not str or word not in _WORDS:
        raise DecodeError(f"{field}: neither ON nor OFF")
    key = facts.facts.get("switch", "")
    return (plain(key, _WORDS[word], "1"),) if key in _STATES else ()


def _button(value: Any, facts: DeviceFacts) -> tuple[Item, ...]:
    word = value.get("Action") if type(value) is dict else None
    kind = _BUTTONS.get(facts.facts.get("button", ""))
    return () if kind is None or type(word) is not str or word in ("", "CLEAR") else (call(kind),)


def _wifi(value: Any) -> tuple[Item, ...]:
    """`Signal` is in dBm; `RSSI` beside it is a percentage."""
    if type(value) is not dict or "Signal" not in value:
        return ()
    return (plain("rssi", value["Signal"], "{dBm}"),)
