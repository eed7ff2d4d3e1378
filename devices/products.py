"""What the payloads of other products share: a JSON object read strictly, states as words or booleans, a device name that can be ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from devices.checks import sample
from devices.model import Call, CallKind, DecodeError, Item, Message
from devices.strict import parse_json

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATES: Mapping[Any, int] = {"online": 1, "offline": 0, "Online": 1, "Offline": 0}


def parse_object(payload: bytes) -> dict[str, Any]:
    """The payload as a JSON object."""
    body = parse_json(payload)
    if type(body) is not dict:
        raise DecodeError("not an object")
    return body


@lru_cache(maxsize=8192)
def name_at(topic: str, level: int) -> str:
    """The device in a topic: a friendly name that is an id of ours."""
    name = topic.split("/")[level]
    if _ID.fullmatch(name) is None:
        raise DecodeError("topic: the device is not 1 to 64 of A-Z a-z 0-9 _ -")
    return name


def plain(key: str, value: Any, unit: str) -> Item:
    """One live reading without a time of its own."""
    return sample(key, value, unit, t_ns=None, stored=False)


def flag(field: str, value: Any) -> bool:
    """A state that must be true or false."""
    if type(value) is not bool:
        raise DecodeError(f"{field}: not true or false")
    return value


def state(key: str, on: bool) -> Item:
    """A state quantity."""
    return plain(key, int(on), "1")


def event(key: str, happened: bool) -> tuple[Item, ...]:
    """An event quantity, which has no "not"."""
    return (plain(key, 1, "1"),) if happened else ()


def call(kind: CallKind) -> Call:
    """A call for help that is made now."""
    return Call(call=kind)


def availability(device: str, word: Any) -> Message:
    """Online or offline, as a status of the device."""
    if type(word) is not str or word not in _STATES:
        raise DecodeError("availability: neither online nor offline")
    return message(device, [plain("online", _STATES[word], "1")])


def message(device: str, items: list[Item]) -> Message:
    """What was found; finding nothing is an error, so that a device whose fields nobody knows is seen."""
    if not items:
        raise DecodeError("nothing in it that is known")
    return Message(items=tuple(items), device=device)
