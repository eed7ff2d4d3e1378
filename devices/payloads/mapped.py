"""Any JSON object on mapped/<device>, read by rules that stand in the device's facts: for mats and strips with a format of their own.

A fact whose name is a path says what is found there: `$.data.hr` = `hr /min`, `$.bed` = `bed_occupied 1 in=1 out=0`. A path has names and
indexes only (`$.a.b[0]`, a part of JSONPath, RFC 9535); a rule has a quantity, its unit and, for words, the number that each stands for.
true and false are 1 and 0; what is missing or null is not there; a 0 of an event or a call did not happen. Without any rule the object's
keys are quantities and their values objects with `value` and `unit`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from devices.codes import BY_KEY, Kind
from devices.model import DecodeError, DeviceFacts, Item, Message
from devices.products import message, name_at, parse_object, plain
from devices.strict import key_name

CHANNELS = ("mapped/{device}",)

MAX_RULES = 50
_PATH = re.compile(r"\$(?:\.[A-Za-z0-9_-]+|\[[0-9]{1,3}\])+")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]{1,3})\]")
_WORD = re.compile(r"([A-Za-z0-9_-]{1,40})=(-?[0-9]{1,6}(?:\.[0-9]{1,3})?)")
_DEFAULT = frozenset({"value", "unit"})


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One message -> what the rules of its device find in it."""
    device = name_at(topic, 1)
    body = parse_object(payload)
    rules = [(path, rule) for path, rule in facts.facts.items() if path.startswith("$")][:MAX_RULES]
    if not rules:
        return message(device, [item for key, value in body.items() for item in _plain(key, value)])
    items: list[Item] = []
    for path, rule in rules:
        value = _at(body, path)
        if value is not None:
            items += _ruled(path, rule, value)
    return message(device, items)


def _plain(key: str, value: Any) -> tuple[Item, ...]:
    if key not in BY_KEY:
        raise DecodeError(f"{key_name(key)}: no quantity")
    if type(value) is not dict or value.keys() != _DEFAULT:
        raise DecodeError(f"{key}: not an object with value and unit")
    return (plain(key, value["value"], value["unit"]),)


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int, ...]:
    if _PATH.fullmatch(path) is None:
        raise DecodeError("facts: a path has names and indexes only, as in $.a.b[0]")
    return tuple(name or int(index) for name, index in _STEP.findall(path))


def _at(body: Any, path: str) -> Any:
    for step in _steps(path):
        if type(step) is str and type(body) is dict:
            body = body.get(step)
        elif type(step) is int and type(body) is list:
            body = body[step] if step < len(body) else None
        else:
            return None
    return body


@lru_cache(maxsize=1024)
def _rule(text: str) -> tuple[str, str, Mapping[str, float]]:
    key, _, rest = text.partition(" ")
    unit, *pairs = rest.split(" ")
    words = [_WORD.fullmatch(pair) for pair in pairs]
    if key not in BY_KEY or not unit or not all(words):
        raise DecodeError("facts: a rule is a quantity, its unit, and words as in in=1 out=0")
    return key, unit, {word[1]: float(word[2]) for word in words if word is not None}


def _ruled(path: str, text: str, value: Any) -> tuple[Item, ...]:
    key, unit, words = _rule(text)
    if type(value) is bool:
        value = int(value)
    elif type(value) is str:
        if value not in words:
            raise DecodeError(f"{path[:40]}: a word that no rule knows")
        value = words[value]
    if value == 0 and BY_KEY[key].kind is Kind.EVENT:
        return ()
    return (plain(key, value, unit),)
