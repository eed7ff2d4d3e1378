"""How records look to a browser: times as UTC milliseconds named *_ms, enumerations as words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum, IntEnum
from typing import Any

from gateway.registry.view import RegistryView, Resident
from gateway.vocabulary import AlertView

NS_PER_MS = 1_000_000


def ms(t_ns: int | None) -> int | None:
    """UTC nanoseconds as milliseconds; None stays None."""
    return None if t_ns is None else t_ns // NS_PER_MS


def plain(value: Any) -> Any:
    """A value as JSON has it; keys ending in _ns become _ms."""
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(_pair(str(key), item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    if hasattr(value, "__dataclass_fields__"):
        return dict(_pair(field.name, getattr(value, field.name)) for field in fields(value))
    return value


def _pair(key: str, value: Any) -> tuple[str, Any]:
    if key.endswith("_ns") and (value is None or isinstance(value, int)):
        return key[:-3] + "_ms", ms(value)
    return key, plain(value)


def person_json(resident: Resident) -> dict[str, Any]:
    """A resident in one line."""
    return {"id": resident.id, "name": resident.name, "initials": resident.initials, "status": resident.status}


def alert_json(view: RegistryView, alert: AlertView) -> dict[str, Any]:
    """An alert with its resident's name; `priority` and `origin` as words."""
    document: dict[str, Any] = plain(alert)
    resident = view.residents.get(view.canonical(alert.resident_id)) if alert.resident_id is not None else None
    document["resident"] = person_json(resident) if resident is not None else None
    return document
