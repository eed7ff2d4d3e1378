"""The fold of what says whose readings of shared devices are: check-ins, user slots, single readings. The view keeps the newest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.registry.records import Assigned, Checkin, Slot

if TYPE_CHECKING:
    from gateway.registry.view import RegistryView

CHECKINS_KEPT = 100  # per kiosk; older ones stand in the registry's history
ASSIGNED_KEPT = 5_000


def _checkin(view: RegistryView, body: Mapping[str, Any]) -> None:
    row = Checkin(
        id=body["id"], kiosk_id=body["kiosk_id"], resident_id=body["resident_id"], device_ids=tuple(body["device_ids"]),
        from_ns=body["from_ns"], until_ns=body["until_ns"], how=body["how"],
    )  # fmt: skip
    others = [other for other in view.checkins.get(row.kiosk_id, ()) if other.id != row.id]
    view.checkins[row.kiosk_id] = (*others, row)[-CHECKINS_KEPT:]


def _assigned(view: RegistryView, body: Mapping[str, Any]) -> None:
    names = ("id", "device_id", "t_ms", "resident_id", "former_id", "user", "reason", "by", "undone")
    row = Assigned(**{name: body[name] for name in names if name in body})
    view.assigned.pop(row.id, None)
    view.assigned[row.id] = row
    if len(view.assigned) > ASSIGNED_KEPT:
        del view.assigned[next(iter(view.assigned))]


def _slot(view: RegistryView, body: Mapping[str, Any]) -> None:
    row = Slot(**{name: body[name] for name in ("id", "device_id", "user", "resident_id", "from_ns")})
    others = [other for other in view.slots.get(row.device_id, ()) if (other.user, other.from_ns) != (row.user, row.from_ns)]
    view.slots[row.device_id] = tuple(sorted((*others, row), key=lambda slot: slot.from_ns))


def slot_owner(view: RegistryView, device_id: str, user: int, t_ns: int) -> str | None:
    """Whose a user slot was at `t_ns`; after a merge the record that lives on."""
    held = [slot for slot in view.slots.get(device_id, ()) if slot.user == user and slot.from_ns <= t_ns]
    owner = held[-1].resident_id if held else None
    return None if owner is None else view.canonical(owner)


def last_checkin(view: RegistryView, device_id: str, from_ns: int, to_ns: int) -> Checkin | None:
    """The newest check-in at this device that began within [from, to)."""
    found = [
        row for rows in view.checkins.values() for row in rows
        if from_ns <= row.from_ns < to_ns and device_id in (*row.device_ids, row.kiosk_id)
    ]  # fmt: skip
    return max(found, key=lambda row: row.from_ns, default=None)


KINDS: Mapping[str, Callable[[RegistryView, Mapping[str, Any]], None]] = {
    "checkin.set": _checkin,
    "reading.assigned": _assigned,
    "slot.set": _slot,
}
