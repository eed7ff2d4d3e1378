"""Theengs Gateway and OpenMQTTGateway: adverts of Bluetooth sensors, decoded by them, on home/<gateway>/BTtoMQTT/<address>.

Fields as the decoder's documentation names them (decoder.theengs.io/use/properties.html and .../devices/devices_by_brand.html; topics:
docs.openmqttgateway.com/use/ble.html, gateway.theengs.io/use/use.html). The address without colons is our device id; `id`, where it stands
in the message, must be the same. Temperatures are those of rooms, fridges and pools: never taken for a body's. Several gateways may hear
one sensor; what they add themselves (signal strength, distance) is no part of a message's identity.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from devices.model import DecodeError, DeviceFacts, Item, Message
from devices.products import availability, event, flag, message, name_at, parse_object, plain, state

CHANNELS = ("home/{gateway}/BTtoMQTT/{device}", "home/{device}/LWT")

_STATES = {"open": "door", "motion": "motion", "presence": "motion", "pres": "motion", "move": "motion"}
_EVENTS = {"leak": "water_leak", "water_leak": "water_leak", "smoke": "smoke"}
_NUMBERS = {"batt": ("battery", "%"), "rssi": ("rssi", "{dBm}"), "hr": ("hr", "/min"), "bpm": ("hr", "/min"), "spo2": ("spo2", "%"),
            "step": ("steps", "{steps}"), "steps": ("steps", "{steps}")}  # fmt: skip
_LISTENERS = frozenset({"rssi", "distance", "mac_type", "adv_type", "time", "unixtime", "gateway", "rssi_avg"})  # its own words
_SETTLED = "unlocked"  # a scale's weighing mode while the person stands: not the result


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One message -> the values in it that are of people, doors and leaks."""
    if topic.endswith("/LWT"):
        return availability(name_at(topic, 1), payload.decode("ascii", "replace"))
    device = name_at(topic, 3)
    body = parse_object(payload)
    named = body.get("id", device)
    if type(named) is not str or named.replace(":", "").upper() != device.upper():
        raise DecodeError("id: does not match the topic")
    items: list[Item] = []
    for field, value in body.items():
        if value is None:
            continue
        if field in _STATES:
            items.append(state(_STATES[field], flag(field, value)))
        elif field in _EVENTS:
            items += event(_EVENTS[field], flag(field, value))
        elif field in _NUMBERS:
            items.append(plain(_NUMBERS[field][0], value, _NUMBERS[field][1]))
        elif field == "weight":
            items += _weight(body, value)
    found = message(device, items)
    said = json.dumps({key: value for key, value in body.items() if key not in _LISTENERS}, sort_keys=True).encode()
    return replace(found, said=said, via=name_at(topic, 1))


def _weight(body: dict[str, Any], value: Any) -> tuple[Item, ...]:
    """A scale's result, in the unit that stands beside it."""
    if body.get("weighing_mode") == _SETTLED:
        return ()
    if "unit" not in body:
        raise DecodeError("unit: missing")
    return (plain("weight", value, body["unit"]),)
