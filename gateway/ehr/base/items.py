"""An item: one thing that belongs into the health record, with its identity, before any format is chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.vocabulary import Origin

NOBODY = ""  # the resident of what belongs to nobody yet
FORMAT = 1


class ItemKind(StrEnum):
    """What an item is; a map turns each into one resource."""

    READING = "reading"  # spot, stored and event readings one by one; the pressures of one frame are one
    SUMMARY = "summary"  # a minute of a continuous quantity
    ISSUE = "issue"  # an alert as a finding about a person
    TASK = "task"  # the same alert as something to do for somebody
    MESSAGE = "message"  # people who were told of it
    CORRECTION = "correction"  # why a reading moved to another person


# Smaller goes first. What others refer to goes before what refers to it.
RANK = {
    ItemKind.ISSUE: 0,
    ItemKind.TASK: 1,
    ItemKind.MESSAGE: 1,
    ItemKind.READING: 2,
    ItemKind.CORRECTION: 3,
    ItemKind.SUMMARY: 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing for the health record; (key, resident) is its identity and is made of what was received."""

    kind: ItemKind
    key: str
    resident: str  # NOBODY: kept until somebody says whose it is
    device: str
    t_ns: int
    origin: Origin
    test: bool
    record: Mapping[str, Any]
    due_ns: int | None = None  # when it is complete; None = now

    @property
    def real(self) -> bool:
        """Whether it may reach a real health record."""
        return self.origin is Origin.LIVE and not self.test


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An item as it stands in the outbox."""

    id: int
    kind: ItemKind
    key: str
    resident: str
    device: str
    t_ns: int
    origin: Origin
    test: bool
    retracted: bool
    version: int
    record: Mapping[str, Any]


def dump(record: Mapping[str, Any]) -> str:
    """A record as it is stored."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Two parts of one minute as one; anything else is replaced by the newer one."""
    if "n" not in old or "n" not in new:
        return dict(new)
    return {
        **old,
        "n": old["n"] + new["n"],
        "sum": old["sum"] + new["sum"],
        "min": min(old["min"], new["min"]),
        "max": max(old["max"], new["max"]),
        "quality": old["quality"] | new["quality"],
        "r": max(old["r"], new["r"]),
    }
