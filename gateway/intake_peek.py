"""The sender's own number in a message that cannot be taken, so that it is accounted for and its sender told."""

from __future__ import annotations

import json
import re
from typing import Any

from devices.model import DecodeError
from devices.strict import parse_cbor

MAX_SEQ = 2**63 - 1
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMES = frozenset({"device", "boot_id", "seq"})


def peek(device: str, payload: bytes) -> tuple[str | None, int | None]:
    """(boot id, sequence number), or (None, None) where the message cannot be read as a whole: a cut number would hide a loss."""
    try:
        body = parse_cbor(payload) if payload[:1] and 0xA0 <= payload[0] <= 0xBF else json.loads(payload, object_pairs_hook=_once)
    except (ValueError, RecursionError, DecodeError):
        return None, None
    if not isinstance(body, dict) or body.get("device") != device:
        return None, None
    boot_id, seq = body.get("boot_id"), body.get("seq")
    if not isinstance(boot_id, str) or not _ID.fullmatch(boot_id) or type(seq) is not int or not 0 <= seq <= MAX_SEQ:
        return None, None
    return boot_id, seq


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that says twice who it is from says nothing."""
    names = [name for name, _ in pairs if name in _NAMES]
    return {} if len(set(names)) != len(names) else dict(pairs)
