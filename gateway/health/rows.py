"""A device as a row: for the screens and for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from gateway.health import judge
from gateway.health.record import Record
from gateway.hearing import Hearing
from gateway.registry.view import Device, RegistryView


class Health(Protocol):
    """What is needed of gateway.health.runner.DeviceHealth."""

    @property
    def records(self) -> Mapping[str, Record]:
        """By device."""
        ...

    @property
    def hearing(self) -> Hearing:
        """Who hears whom."""
        ...

    @property
    def rooms(self) -> Mapping[str, str]:
        """Adapter -> room."""
        ...


ORDER = {need.value: place for place, need in enumerate(judge.Need)}


def row_of(view: RegistryView, device: Device, health: Health | None, now_ns: int) -> dict[str, Any]:
    """One device as a row: what the registry knows of it, its health, who hears it, and the room that this suggests."""
    record = None if health is None else health.records.get(device.id)
    place = view.place_of(device.id, now_ns)
    return {
        "id": device.id, "model": device.model or device.facts.get("model", ""), "kind": device.kind, "status": device.status,
        "site_id": device.site_id, "place": None if place is None else asdict(place), "resident_id": view.resident_of(device.id, now_ns),
        "firmware": device.facts.get("firmware"), **judge.as_json(judge.health_of(device, record, now_ns)),
        **heard_by(view, health, device.id, now_ns),
    }  # fmt: skip


def heard_by(view: RegistryView, health: Health | None, device_id: str, now_ns: int) -> dict[str, Any]:
    """Listeners of a device, the loudest first, and the room in which the nearest of them stands."""
    heard = {} if health is None else health.hearing.of(device_id)
    rows = [
        {
            "listener": name,
            "rssi_dbm": round(one.dbm, 1),
            "t_ms": one.t_ns // 1_000_000,
            "room_id": listener_room(view, health, name, now_ns),
        }
        for name, one in sorted(heard.items(), key=lambda pair: -pair[1].dbm)
    ]
    nearest = None if health is None else health.hearing.nearest(device_id)
    return {"heard_by": rows, "room_suggested": None if nearest is None else listener_room(view, health, nearest, now_ns)}


def listener_room(view: RegistryView, health: Health | None, name: str, now_ns: int) -> str | None:
    """The room of an adapter (by configuration) or of a gateway (a device with a place)."""
    known = None if health is None else health.rooms.get(name)
    if known is not None:
        return known if known in view.rooms else next((room.id for room in view.rooms.values() if room.code == known), None)
    place = view.place_of(name, now_ns) if name in view.devices else None
    bed = None if place is None or place.bed_id is None else view.beds.get(place.bed_id)
    return None if place is None else place.room_id or (None if bed is None else bed.room_id)


def urgency(row: Mapping[str, Any]) -> tuple[int, int, str]:
    """Those that need most come first, then by name."""
    return (-len(row["needs"]), min((ORDER[need] for need in row["needs"]), default=len(ORDER)), row["id"])
