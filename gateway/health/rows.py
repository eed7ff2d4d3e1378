"""A device as a row: for the screens and for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gateway.health import judge
from gateway.health.record import Record
from gateway.registry.view import Device, RegistryView

ORDER = {need.value: place for place, need in enumerate(judge.Need)}


def row_of(view: RegistryView, device: Device, record: Record | None, now_ns: int) -> dict[str, Any]:
    """One device as a row: what the registry knows of it, and its health."""
    place = view.place_of(device.id, now_ns)
    return {
        "id": device.id, "model": device.model or device.facts.get("model", ""), "kind": device.kind, "status": device.status,
        "site_id": device.site_id, "place": None if place is None else asdict(place), "resident_id": view.resident_of(device.id, now_ns),
        "firmware": device.facts.get("firmware"), **judge.as_json(judge.health_of(device, record, now_ns)),
    }  # fmt: skip


def urgency(row: Mapping[str, Any]) -> tuple[int, int, str]:
    """Those that need most come first, then by name."""
    return (-len(row["needs"]), min((ORDER[need] for need in row["needs"]), default=len(ORDER)), row["id"])
