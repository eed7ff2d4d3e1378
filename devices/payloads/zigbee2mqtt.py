"""Zigbee2MQTT: one JSON object per device on <base>/<friendly name>, its availability below it (base topic `zigbee2mqtt`).

Fields as the project's documentation names them ("Exposes" of the devices, www.zigbee2mqtt.io/guide/usage/exposes.html; "MQTT topics and
messages", .../guide/usage/mqtt_topics_and_messages.html). The friendly name is our device id. An emergency press is a call; any other press
of a button is one only where the device's fact `button` says which (`sos`, `assist`, `pull_cord`), for a light switch has presses as well.
Temperatures are those of rooms and never taken for a body's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.model import CallKind, DecodeError, DeviceFacts, Item, Message
from devices.products import availability, call, event, flag, message, name_at, parse_object, plain, state

CHANNELS = ("zigbee2mqtt/{device}", "zigbee2mqtt/{device}/availability")

EMERGENCIES = frozenset({"emergency", "sos", "panic", "emergency_panic"})
PRESSES = frozenset({"single", "double", "triple", "hold", "long", "on", "press", "1_single", "1_double", "1_hold"})
_BUTTONS = {kind.value: kind for kind in (CallKind.SOS, CallKind.ASSIST, CallKind.PULL_CORD)}
_FALLS = {"fall": True, "maybe_fall": False, "none": False}
_STATES: dict[str, tuple[str, bool]] = {  # field -> (quantity, the value that means 1)
    "occupancy": ("motion", True),
    "presence": ("motion", True),
    "contact": ("door", False),  # contact true = the magnet is there = closed
}
_EVENTS = {"water_leak": "water_leak", "smoke": "smoke", "carbon_monoxide": "co_alarm"}
_NUMBERS = {"battery": ("battery", "%"), "heart_rate": ("hr", "/min"), "respiration_rate": ("resp", "/min")}


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One message -> the states, readings and calls in it."""
    device = name_at(topic, 1)
    body = parse_object(payload)
    if topic.endswith("/availability"):
        return availability(device, body.get("state"))
    items: list[Item] = []
    for field, value in body.items():
        if value is None:  # not known yet
            continue
        if field in _STATES:
            key, on = _STATES[field]
            items.append(state(key, flag(field, value) is on))
        elif field in _EVENTS:
            items += event(_EVENTS[field], flag(field, value))
        elif field in _NUMBERS:
            items.append(plain(_NUMBERS[field][0], value, _NUMBERS[field][1]))
        elif field in _CALLS:
            items += _CALLS[field](value, facts)
    return message(device, items)


def _action(value: Any, facts: DeviceFacts) -> tuple[Item, ...]:
    if type(value) is not str:
        raise DecodeError("action: not text")
    if value in EMERGENCIES:
        return (call(CallKind.SOS),)
    if value in PRESSES and facts.facts.get("button") in _BUTTONS:
        return (call(_BUTTONS[facts.facts["button"]]),)
    return ()  # a switch, or the empty text that some versions send after a press


def _sos(value: Any, _facts: DeviceFacts) -> tuple[Item, ...]:
    return (call(CallKind.SOS),) if flag("sos", value) else ()


def _fall(value: Any, _facts: DeviceFacts) -> tuple[Item, ...]:
    if type(value) is not str or value not in _FALLS:
        raise DecodeError("fall_down_status: not a state that is known")
    return (call(CallKind.FALL),) if _FALLS[value] else ()


_CALLS: dict[str, Callable[[Any, DeviceFacts], tuple[Item, ...]]] = {"action": _action, "sos": _sos, "fall_down_status": _fall}
