"""A device goes to somebody, moves to somebody else, or an error is taken back; commands that run inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.registry import bindings, check
from gateway.registry.errors import ConflictError, NotFoundError
from gateway.registry.tx import Tx
from gateway.registry.view import PRESENT, Binding, Device

UNDO_NS = 24 * 3600 * 1_000_000_000  # later it is a correction with a reason, not an undo


def enter(
    tx: Tx, device_id: str, *, address: str, kind: str = "", model: str = "", quantities: Sequence[str] = (), site: str | None = None
) -> Device:
    """A device that was found on the air: entered with its address; what is known of it already stays."""
    former = tx.view.devices.get(check.ident("device", device_id))
    facts = {"ble_address": address}
    if former is None:
        return bindings.set_device(tx, device_id, kind=kind, model=model, site=site, quantities=quantities, facts=facts)
    row = replace(
        former, kind=former.kind or kind, model=former.model or model, quantities=former.quantities or tuple(quantities),
        facts={**former.facts, **facts}, site_id=former.site_id or site,
    )  # fmt: skip
    tx.settle("device.set", tx.view.devices, row)
    return row


def assign(
    tx: Tx, device_id: str, target: Mapping[str, str | None], *, from_ns: int | None, worn: str | None, agreed: bool
) -> tuple[Binding, Binding | None]:
    """Give the device to a resident or place; returns the binding and the one that ended with it."""
    device = tx.view.devices.get(device_id)
    if device is None:
        raise NotFoundError("device", device_id[:64])
    if device.status == "retired":
        device = bindings.activate_device(tx, device_id)
    if worn is not None:
        facts = {**device.facts, bindings.WORN: check.word("worn", worn, bindings.PLACES)}
        tx.settle("device.set", tx.view.devices, replace(device, facts=facts))
    former = tx.view.binding_at(device_id, tx.now_ns)
    part = target.get
    made = bindings.bind(
        tx, device_id, resident=part("resident"), site=part("site"), zone=part("zone"), room=part("room"), bed=part("bed"), from_ns=from_ns
    )
    if agreed:
        tx.note("binding.agreed", device_id, resident=made.resident_id, binding=made.id)
    return made, former


def undo(tx: Tx, binding_id: str) -> Binding | None:
    """Take the latest binding of a device back as if it had never been; whoever had the device before has it again (returned)."""
    binding = tx.view.bindings.get(binding_id)
    if binding is None:
        raise NotFoundError("binding", binding_id[:64])
    if binding.valid_to_ns is not None:
        raise ConflictError("binding.ended")
    if tx.now_ns - binding.valid_from_ns > UNDO_NS:
        raise ConflictError("undo.too_late")
    before = [row for row in tx.view.bindings_of(binding.device_id) if row.valid_to_ns == binding.valid_from_ns]
    bindings.end_binding(tx, binding_id, at_ns=binding.valid_from_ns)
    device = tx.view.devices[binding.device_id]
    if before and _is_here(tx, before[-1]):
        former, place = before[-1], before[-1].place
        if place is None:
            return bindings.bind(tx, device.id, resident=former.resident_id, from_ns=former.valid_to_ns)
        return bindings.bind(
            tx, device.id, resident=former.resident_id, site=place.site_id, zone=place.zone_id, room=place.room_id, bed=place.bed_id,
            from_ns=former.valid_to_ns,
        )  # fmt: skip
    if device.first_seen_ns is not None:
        tx.settle("device.set", tx.view.devices, replace(device, status="inbox"))
    return None


def _is_here(tx: Tx, binding: Binding) -> bool:
    return binding.resident_id is None or tx.view.residents[binding.resident_id].status in PRESENT
