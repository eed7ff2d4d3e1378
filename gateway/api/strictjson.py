"""JSON as the standard library does not read it by itself: no duplicate keys, no NaN, no lone surrogates, bounded depth."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 16


class BadJson(ValueError):
    """The body cannot be accepted; `code` says why and never carries what was sent."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def loads(body: bytes) -> Any:
    """Parse a UTF-8 JSON body or raise BadJson."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadJson("body.not_utf8") from None
    _check_depth(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_small_int)
    except BadJson:
        raise
    except (ValueError, RecursionError):
        raise BadJson("body.malformed") from None
    _check_strings(value)
    return value


def _check_depth(text: str) -> None:
    depth = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJson("body.too_deep")
        elif char in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadJson("body.duplicate_key")
    return result


def _no_constant(_: str) -> Any:
    raise BadJson("body.not_finite")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("body.not_finite")
    return value


def _small_int(text: str) -> int:
    if len(text) > 20:
        raise BadJson("body.number_too_large")
    return int(text)


def _check_strings(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item or any("\ud800" <= char <= "\udfff" for char in item):
                raise BadJson("body.bad_text")
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
