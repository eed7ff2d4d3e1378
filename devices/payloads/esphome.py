"""ESPHome over MQTT: one topic per entity, esphome/<node>/<component>/<object id>/state, with the bare state as its payload.

As the project's documentation has them (esphome.io/components/mqtt.html: topic_prefix, birth and will messages, and the state topics of its
components). Set `topic_prefix: esphome/<node>`; the node is our device id. Object ids are those that the radars' components give to their
sensors (MR60BHA2 heart and breathing rate, MR60FDA2 fall, LD2410 presence: esphome.io/components/seeed_mr60bha2, .../seeed_mr60fda2,
.../sensor/ld2410) or the id that the entity is called by. On `esphome/<node>/json` a node may publish several of them as one JSON object
(the `mqtt.publish_json` action). A number without a unit is one whose unit the component fixes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from devices.model import CallKind, DecodeError, DeviceFacts, Item, Message
from devices.products import availability, call, event, message, name_at, parse_object, plain, state

CHANNELS = (
    "esphome/{device}/sensor/{object}/state",
    "esphome/{device}/binary_sensor/{object}/state",
    "esphome/{device}/status",
    "esphome/{device}/json",
)

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
_MISSING = frozenset({"nan", "NaN"})  # what a sensor shows before its first value
SENSORS: Mapping[str, tuple[str, str]] = {
    "heart_rate": ("hr", "/min"),
    "real_time_heart_rate": ("hr", "/min"),
    "breath_rate": ("resp", "/min"),
    "breathing_rate": ("resp", "/min"),
    "respiratory_rate": ("resp", "/min"),
    "real_time_respiratory_rate": ("resp", "/min"),
    "spo2": ("spo2", "%"),
    "battery": ("battery", "%"),
    "battery_level": ("battery", "%"),
    "wifi_signal": ("rssi", "{dBm}"),
}
_STATES = {"presence": "motion", "has_target": "motion", "person_information": "motion", "occupancy": "motion", "motion": "motion",
           "door": "door", "bed_occupied": "bed_occupied", "bed": "bed_occupied"}  # fmt: skip
_EVENTS = {"water_leak": "water_leak", "moisture": "water_leak", "smoke": "smoke"}
_CALLS = {"fall_detected": CallKind.FALL, "falling_information": CallKind.FALL, "fall": CallKind.FALL, "sos": CallKind.SOS,
          "sos_button": CallKind.SOS, "pull_cord": CallKind.PULL_CORD}  # fmt: skip
_WORDS = {"ON": True, "OFF": False}


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One entity's state, several of them, or the node's birth and will."""
    device, levels = name_at(topic, 1), topic.split("/")
    if levels[2] == "json":
        return message(device, [item for field, value in parse_object(payload).items() for item in _of_json(field, value)])
    text = payload.decode("ascii", "replace")
    if levels[2] == "status":
        return availability(device, text)
    reader: Callable[[str, str], tuple[Item, ...]] = _number if levels[2] == "sensor" else _binary
    return Message(items=_one(reader(levels[3], text)), device=device)


def _one(items: tuple[Item, ...]) -> tuple[Item, ...]:
    if not items:
        raise DecodeError("nothing in it that is known")
    return items


def _number(name: str, text: str) -> tuple[Item, ...]:
    if name not in SENSORS:
        return ()
    if text in _MISSING:
        raise DecodeError("value: missing")
    if _NUMBER.fullmatch(text) is None:
        raise DecodeError("value: not a number")
    return (plain(SENSORS[name][0], float(text), SENSORS[name][1]),)


def _binary(name: str, text: str) -> tuple[Item, ...]:
    if text not in _WORDS:
        raise DecodeError("state: neither ON nor OFF")
    return _known(name, _WORDS[text])


def _known(name: str, on: bool) -> tuple[Item, ...]:
    if name in _STATES:
        return (state(_STATES[name], on),)
    if name in _EVENTS:
        return event(_EVENTS[name], on) or (plain("online", 1, "1"),)  # it says that it is there
    if name in _CALLS:
        return (call(_CALLS[name]),) if on else (plain("online", 1, "1"),)
    return ()


def _of_json(name: str, value: Any) -> tuple[Item, ...]:
    if value is None:
        return ()
    if name in SENSORS:
        return (plain(SENSORS[name][0], value, SENSORS[name][1]),)
    if name in _STATES or name in _EVENTS or name in _CALLS:
        if type(value) is not bool:
            raise DecodeError(f"{name}: not true or false")
        return _known(name, value)
    return ()
