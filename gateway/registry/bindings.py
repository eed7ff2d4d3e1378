"""Devices, the inbox, and bitemporal bindings; commands that run inside a transaction. Rows are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.registry import check
from gateway.registry.errors import ConflictError, NotFoundError, RegistryError
from gateway.registry.org import resolve_place
from gateway.registry.tx import Tx
from gateway.registry.view import PRESENT, Binding, Device, Place
from gateway.vocabulary import Origin

INBOX_LIMIT = 10_000
WORN = "body_location"  # fact: where at the body; sensors say it in the words of the Bluetooth profile, people in these
PLACES = ("waist", "chest", "wrist", "finger", "hand", "ear lobe", "foot", "other")


def set_device(
    tx: Tx,
    device_id: str,
    *,
    model: str = "",
    kind: str = "",
    site: str | None = None,
    origin: Origin = Origin.LIVE,
    quantities: Sequence[str] = (),
    cadence_s: Mapping[str, float] | None = None,
    facts: Mapping[str, str] | None = None,
    worn: str | None = None,
) -> Device:
    """Enter a device, or replace what is known of it; it is active then, and leaves the inbox. Where it is worn stays until told anew."""
    former = tx.view.devices.get(check.ident("device", device_id))
    place = (former.facts.get(WORN) if former is not None else None) if worn is None else check.word("worn", worn, PLACES)
    found = {check.text("facts", key, limit=40): check.text("facts", value, limit=200, empty=True) for key, value in (facts or {}).items()}
    if place is not None and (worn is not None or WORN not in found):
        found[WORN] = place
    row = Device(
        id=device_id,
        model=check.text("model", model, empty=True),
        kind=check.text("kind", kind, empty=True),
        site_id=None if site is None else tx.find(tx.view.sites, "site", site).id,
        origin=int(origin),
        status="active",
        quantities=tuple(check.text("quantities", key, limit=40) for key in quantities),
        cadence_s={check.text("cadence_s", key, limit=40): _span(value) for key, value in (cadence_s or {}).items()},
        facts=found,
        first_seen_ns=None if former is None else former.first_seen_ns,
    )
    tx.settle("device.set", tx.view.devices, row)
    return row


def see_device(
    tx: Tx, device_id: str, *, t_ns: int, origin: Origin = Origin.LIVE, site: str | None = None, quantities: Sequence[str] = ()
) -> Device:
    """Put a device that nobody entered into the inbox, once; a known device stays as it is."""
    known = tx.view.devices.get(check.ident("device", device_id))
    if known is not None:
        return known
    if sum(1 for device in tx.view.devices.values() if device.status == "inbox") >= INBOX_LIMIT:
        raise ConflictError("inbox.full", limit=INBOX_LIMIT)
    row = Device(id=device_id, site_id=site, origin=int(origin), status="inbox", quantities=tuple(quantities), first_seen_ns=t_ns)
    tx.put("device.set", row)
    return row


def note_facts(tx: Tx, device_id: str, facts: Mapping[str, str]) -> Device:
    """Add to what is known of a device, entered or not, what it says of itself."""
    former = _device(tx, device_id)
    found = {check.text("facts", key, limit=40): check.text("facts", value, limit=200, empty=True) for key, value in facts.items()}
    row = replace(former, facts={**former.facts, **found})
    tx.settle("device.set", tx.view.devices, row)
    return row


def activate_device(tx: Tx, device_id: str) -> Device:
    """Take a device out of the inbox, or back into service."""
    row = replace(_device(tx, device_id), status="active")
    tx.put("device.set", row)
    return row


def retire_device(tx: Tx, device_id: str, *, reason: str = "") -> Device:
    """Take a device out of service; its bindings end now, its history stays."""
    row = _device(tx, device_id)
    end_all(tx, device_id=row.id, at_ns=tx.now_ns)
    row = replace(row, status="retired")
    tx.put("device.retired", row, reason=check.text("reason", reason, limit=check.NOTE_LIMIT, empty=True))
    return row


def bind(
    tx: Tx,
    device_id: str,
    *,
    resident: str | None = None,
    site: str | None = None,
    zone: str | None = None,
    room: str | None = None,
    bed: str | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
    binding_id: str | None = None,
) -> Binding:
    """Bind a device to a resident or a place. A binding that is still open ends at that instant; any other overlap is refused."""
    device = _device(tx, device_id)
    if device.status == "retired":
        raise ConflictError("device.retired", field="device", device=device.id)
    start = check.past_time("from", from_ns, tx.now_ns)
    if to_ns is not None and to_ns <= start:
        raise RegistryError("time.order", field="to")
    resident_id, place = target(tx, resident, site, zone, room, bed)
    _must_be_here(tx, resident_id, to_ns)
    for other in tx.view.bindings_of(device.id):
        if not _overlaps(other, start, to_ns):
            continue
        if other.valid_to_ns is not None or other.valid_from_ns >= start or to_ns is not None:
            span = {"start": check.iso(other.valid_from_ns), "end": check.iso(other.valid_to_ns)}
            raise ConflictError("binding.overlap", field="device", device=device.id, binding_id=other.id, **span)
        if (other.resident_id, other.place) == (resident_id, place):
            raise ConflictError("binding.same", field="device", device=device.id)
        _end(tx, other, start)
    return _set(tx, device, Binding(
        id=tx.new_id(binding_id), device_id=device.id, resident_id=resident_id, place=place, valid_from_ns=start, valid_to_ns=to_ns
    ))  # fmt: skip


def end_binding(tx: Tx, binding_id: str, *, at_ns: int | None = None) -> Binding:
    """Take a device off; at or before the binding's start it never was in force."""
    binding = tx.view.bindings.get(binding_id)
    if binding is None:
        raise NotFoundError("binding", binding_id[:64])
    when = check.past_time("at", at_ns, tx.now_ns) if at_ns is not None else max(tx.now_ns, binding.valid_from_ns)
    if binding.valid_to_ns is not None and binding.valid_to_ns <= when:
        raise ConflictError("binding.ended")
    return _end(tx, binding, max(when, binding.valid_from_ns))


def correct_binding(
    tx: Tx,
    device_id: str,
    *,
    from_ns: int,
    to_ns: int | None,
    reason: str,
    resident: str | None = None,
    bed: str | None = None,
    at: Place | None = None,
) -> Binding | None:
    """State whose the device was in a span that has begun, whatever was entered before; neither resident nor bed = nobody's.

    Needs a reason. `at` = where it stood all the same, for a device that its user goes to.
    """
    device = _device(tx, device_id)
    start = check.past_time("from", from_ns, tx.now_ns)
    if to_ns is not None and to_ns <= start:
        raise RegistryError("time.order", field="to")
    reason = check.text("reason", reason, limit=check.NOTE_LIMIT)
    resident_id, place = (None, None) if resident is None and bed is None else target(tx, resident, None, None, None, bed)
    _must_be_here(tx, resident_id, to_ns)
    for other in [other for other in tx.view.bindings_of(device.id) if _overlaps(other, start, to_ns)]:
        _cut(tx, other, start, to_ns, reason)
    place = place or at
    if resident_id is None and place is None:
        return None
    row = Binding(id=tx.new_id(), device_id=device.id, resident_id=resident_id, place=place, valid_from_ns=start, valid_to_ns=to_ns)
    return _set(tx, device, row, reason)


def end_all(tx: Tx, *, at_ns: int, resident_id: str | None = None, device_id: str | None = None) -> None:
    """End every binding of a resident or of a device that is in force after `at_ns`; later ones never come into force."""
    owners = set() if resident_id is None else set(tx.view.records_of(resident_id))
    for binding in list(tx.view.bindings.values()):
        concerned = binding.device_id == device_id or binding.resident_id in owners
        over = binding.valid_to_ns is not None and binding.valid_to_ns <= max(at_ns, binding.valid_from_ns)
        if concerned and not over:
            _end(tx, binding, max(at_ns, binding.valid_from_ns))


def _device(tx: Tx, device_id: str) -> Device:
    device = tx.view.devices.get(device_id)
    if device is None:
        raise NotFoundError("device", device_id[:64])
    return device


def target(
    tx: Tx, resident: str | None, site: str | None, zone: str | None, room: str | None, bed: str | None
) -> tuple[str | None, Place | None]:
    """Return (resident id, place) of what a binding is to point at."""
    somewhere = any(part is not None for part in (site, zone, room, bed))
    if resident is None and not somewhere:
        raise RegistryError("binding.target")
    place = resolve_place(tx, site=site, zone=zone, room=room, bed=bed) if somewhere else None
    if resident is None:
        return None, place
    return tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id), place


def _must_be_here(tx: Tx, resident_id: str | None, to_ns: int | None) -> None:
    """An open binding needs a resident who is here; a past span may be of somebody who has left."""
    if resident_id is None or (to_ns is not None and to_ns <= tx.now_ns):
        return
    resident = tx.view.residents[resident_id]
    if resident.status not in PRESENT:
        raise ConflictError("resident.not_present", field="resident", status=resident.status)


def _overlaps(binding: Binding, start: int, end: int | None) -> bool:
    return (end is None or binding.valid_from_ns < end) and (binding.valid_to_ns is None or start < binding.valid_to_ns)


def _set(tx: Tx, device: Device, binding: Binding, reason: str = "") -> Binding:
    if device.status == "inbox":
        activate_device(tx, device.id)
    tx.put("binding.set", binding, reason=reason)
    return binding


def _end(tx: Tx, binding: Binding, at_ns: int, reason: str = "") -> Binding:
    body = {"id": binding.id, "device_id": binding.device_id, "resident_id": binding.resident_id, "valid_to_ns": at_ns, "reason": reason}
    tx.emit("binding.ended", binding.id, body)
    return replace(binding, valid_to_ns=at_ns)


def _cut(tx: Tx, other: Binding, start: int, end: int | None, reason: str) -> None:
    """Take [start, end) out of a binding: its head keeps the id, a tail that remains becomes a binding of its own."""
    _end(tx, other, max(start, other.valid_from_ns), reason)
    if end is not None and (other.valid_to_ns is None or end < other.valid_to_ns):
        tx.put("binding.set", replace(other, id=tx.new_id(), valid_from_ns=end), reason=reason, origin_id=other.id)


def _span(value: float) -> float:
    number = check.finite("cadence_s", value)
    if number is None or number <= 0:
        raise RegistryError("number.invalid", field="cadence_s")
    return number
