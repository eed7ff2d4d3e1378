"""Strict readers of JSON and CBOR: what two parsers could read in two ways is refused. Errors name the cause, never a value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, NoReturn

import cbor2

from devices.model import DecodeError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 8  # our deepest document has 4 levels
_SPACE = " \t\n\r"
_PRINTABLE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def key_name(key: object) -> str:
    """A key as it may stand in an error: short and plain, or not at all."""
    if isinstance(key, str) and _PRINTABLE_KEY.fullmatch(key):
        return key
    return "(unprintable key)"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DecodeError(f"{key_name(key)}: duplicate key")
            seen.add(key)
    return body


def _constant(name: str) -> NoReturn:
    raise DecodeError(f"{name.lstrip('-')} is not a number")  # NaN and Infinity are not JSON


# scan_once is the C scanner behind json.loads without its detection of encodings
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).scan_once  # type: ignore[attr-defined]


def parse_json(payload: bytes) -> Any:
    """One JSON text in UTF-8, nothing after it; no duplicate keys, NaN, Infinity, NUL or lone surrogates."""
    if len(payload) > MAX_BYTES:
        raise DecodeError(f"too large: more than {MAX_BYTES} bytes")
    try:
        text = payload.decode()
        start = len(text) - len(text.lstrip(_SPACE)) if text[:1] in ("", " ", "\t", "\n", "\r") else 0
        body, end = _scan(text, start)
    except DecodeError:
        raise
    except UnicodeDecodeError:
        raise DecodeError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error.msg.lower()} at character {error.pos}") from None
    except StopIteration as stop:
        raise DecodeError(f"not JSON: a value is missing at character {stop.value}") from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise DecodeError("a number is too long") from None
    if end != len(text) and text[end:].strip(_SPACE):
        raise DecodeError("not JSON: something follows the document")
    if "\\u" in text:
        _check_text(body)
    return body


def _check_text(body: Any) -> None:
    """Refuse NUL and lone surrogates, which only an escape can bring into JSON text."""
    todo = [body]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            todo.extend(node.keys())
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
        elif isinstance(node, str):
            if "\0" in node:
                raise DecodeError("NUL in text")
            if any("\ud800" <= letter <= "\udfff" for letter in node):
                raise DecodeError("lone surrogate in text")


_DUPLICATE_KEY = re.compile(r"Duplicate map key: '([A-Za-z0-9_.-]{1,40})'")


def _refuse_tag(*_: object) -> NoReturn:
    raise DecodeError("CBOR tag")


# every tag that cbor2 knows how to decode; the hook refuses those that it does not know
_KNOWN_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_NO_TAGS: dict[int, Callable[..., Any]] = dict.fromkeys(_KNOWN_TAGS, _refuse_tag)
_DECIMALS_ONLY = {tag: hook for tag, hook in _NO_TAGS.items() if tag != 4}


def parse_cbor(payload: bytes, *, integer_keys: bool = False, decimals: bool = False) -> Any:
    """One CBOR item, nothing after it; no indefinite lengths, duplicate keys or tags (`decimals` allows tag 4, a Decimal)."""
    if len(payload) > MAX_BYTES:
        raise DecodeError(f"too large: more than {MAX_BYTES} bytes")
    stream = BytesIO(payload)
    try:
        decoder = cbor2.CBORDecoder(
            stream,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=not integer_keys,
            semantic_decoders=_DECIMALS_ONLY if decimals else _NO_TAGS,
            tag_hook=_refuse_tag,
        )
        body = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise DecodeError(_cbor_reason(error)) from None
    if stream.tell() != len(payload):
        raise DecodeError("not CBOR: something follows the document")
    return body


def _cbor_reason(error: BaseException) -> str:
    """The kind of fault in our own words: the library's text may quote keys and values."""
    text = f"{error} {error.__cause__ or ''}"
    twice = _DUPLICATE_KEY.search(text)
    if twice is not None:
        return f"{twice[1]}: duplicate key"
    text = text.lower()
    for sign, reason in (
        ("duplicate", "duplicate key"),
        ("indefinite", "indefinite length"),
        ("nesting depth", "nested too deeply"),
        ("tag", "CBOR tag"),
        ("end of stream", "not CBOR: cut off"),
        ("map key", "a key is not text"),
    ):
        if sign in text:
            return reason
    return "not CBOR"
