"""Whose the readings of a shared device are: check-in at it, its user slots, single readings. Commands that run inside a transaction.

A single reading is named by its device and the millisecond in which it was measured; a binding of that millisecond says whose it is, so
that history, health record, screens and alerts follow as they follow any binding. What one frame holds moves together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.registry import bindings, check
from gateway.registry.errors import ConflictError, NotFoundError, RegistryError
from gateway.registry.records import Assigned, Checkin, Slot
from gateway.registry.tx import Tx
from gateway.registry.view import PRESENT, Place

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
WAYS = ("card", "qr", "pin", "staff")
LONGEST_S = 3600.0
MAX_DEVICES = 20
KIOSK = "kiosk"  # fact of a device: at which kiosk people check in for it


def devices_at(tx: Tx, kiosk_id: str) -> tuple[str, ...]:
    """Devices that a check-in at the kiosk is for: those that name it, else the kiosk itself."""
    named = sorted(device.id for device in tx.view.devices.values() if device.facts.get(KIOSK) == kiosk_id and device.status == "active")
    return tuple(named) or (kiosk_id,)


def check_in(tx: Tx, kiosk_id: str, resident: str, *, how: str, span_s: float, devices: Sequence[str] | None = None) -> Checkin:
    """From now on the devices of a kiosk measure this person, for `span_s` or until the next check-in."""
    if kiosk_id not in tx.view.devices:
        raise NotFoundError("device", kiosk_id[:64])
    person = tx.view.residents[tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id)]
    if person.status not in PRESENT:
        raise ConflictError("resident.not_present", field="resident", status=person.status)
    wanted = check.finite("span_s", span_s)
    if wanted is None or not 0 < wanted <= LONGEST_S:
        raise RegistryError("number.invalid", field="span_s")
    chosen = tuple(devices) if devices else devices_at(tx, kiosk_id)
    if not set(chosen) <= {*devices_at(tx, kiosk_id), kiosk_id} or len(chosen) > MAX_DEVICES:
        raise ConflictError("checkin.device", field="device", device=kiosk_id)
    until_ns = tx.now_ns + round(wanted * NS_PER_S)
    reason = f"check-in at {kiosk_id} by {check.word('how', how, WAYS)}"
    for device_id in chosen:
        _mine(tx, device_id)
        at = _stands(tx, device_id, tx.now_ns)
        bindings.correct_binding(tx, device_id, from_ns=tx.now_ns, to_ns=until_ns, reason=reason, resident=person.id, at=at)
    row = Checkin(
        id=tx.new_id(), kiosk_id=kiosk_id, resident_id=person.id, device_ids=chosen, from_ns=tx.now_ns, until_ns=until_ns, how=how
    )
    tx.put("checkin.set", row)
    return row


def check_out(tx: Tx, kiosk_id: str) -> Checkin | None:
    """What the kiosk's devices measure from now on is nobody's; None where nobody is checked in."""
    rows = tx.view.checkins.get(kiosk_id, ())
    if not rows or rows[-1].until_ns <= tx.now_ns:
        return None
    last = rows[-1]
    for device_id in last.device_ids:
        at = _stands(tx, device_id, tx.now_ns)
        bindings.correct_binding(tx, device_id, from_ns=tx.now_ns, to_ns=last.until_ns, reason=f"check-out at {kiosk_id}", at=at)
    row = replace(last, until_ns=tx.now_ns)
    tx.put("checkin.set", row)
    return row


def _mine(tx: Tx, device_id: str) -> None:
    """A device that is one person's own is nobody's to check in at."""
    standing = tx.view.binding_at(device_id, tx.now_ns)
    if standing is not None and standing.resident_id is not None and standing.valid_to_ns is None:
        raise ConflictError("checkin.owned", field="device", device=device_id)


def assign(tx: Tx, device_id: str, t_ms: int, resident: str | None, *, reason: str, user: int | None = None) -> Assigned:
    """State whose the readings of this millisecond are, whatever was known before; None = nobody's."""
    t_ns = check.past_time("t", t_ms * NS_PER_MS, tx.now_ns)
    if device_id not in tx.view.devices:
        raise NotFoundError("device", device_id[:64])
    former = tx.view.resident_of(device_id, t_ns + NS_PER_MS - 1)
    owner = None if resident is None else tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id)
    if owner == former:
        raise ConflictError("binding.same", field="device", device=device_id)
    _move(tx, device_id, t_ns, owner, check.text("reason", reason, limit=check.NOTE_LIMIT))
    row = Assigned(
        id=tx.new_id(), device_id=device_id, t_ms=t_ms, resident_id=owner, former_id=former, user=user, reason=reason, by=tx.actor.id
    )
    tx.put("reading.assigned", row)
    return row


def undo(tx: Tx, assigned_id: str) -> Assigned:
    """Take an assignment back: the readings are whose they were before. Only the last word about them can be taken back."""
    row = tx.view.assigned.get(assigned_id)
    if row is None:
        raise NotFoundError("assignment", assigned_id[:64])
    t_ns = row.t_ms * NS_PER_MS
    if row.undone or tx.view.resident_of(row.device_id, t_ns + NS_PER_MS - 1) != (
        None if row.resident_id is None else tx.view.canonical(row.resident_id)
    ):
        raise ConflictError("assignment.superseded", field="assignment", device=row.device_id)
    _move(tx, row.device_id, t_ns, None if row.former_id is None else tx.view.canonical(row.former_id), f"undo: {row.reason}"[:200])
    row = replace(row, undone=True)
    tx.put("reading.assigned", row)
    return row


def set_slot(tx: Tx, device_id: str, user: int, resident: str | None) -> Slot:
    """A user slot of a shared device is this person's from now on; None = nobody's."""
    if device_id not in tx.view.devices:
        raise NotFoundError("device", device_id[:64])
    if not 0 <= user <= 255:
        raise RegistryError("number.invalid", field="user")
    owner = None if resident is None else tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id)
    row = Slot(id=f"{device_id}.{user}", device_id=device_id, user=user, resident_id=owner, from_ns=tx.now_ns)
    tx.put("slot.set", row)
    return row


def _move(tx: Tx, device_id: str, t_ns: int, owner: str | None, reason: str) -> None:
    at = _stands(tx, device_id, t_ns)
    bindings.correct_binding(tx, device_id, from_ns=t_ns, to_ns=t_ns + NS_PER_MS, reason=reason, resident=owner, at=at)


def _stands(tx: Tx, device_id: str, t_ns: int) -> Place | None:
    """Where a shared device stands, whoever uses it."""
    binding = tx.view.binding_at(device_id, t_ns)
    return None if binding is None else binding.place
