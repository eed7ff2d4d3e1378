"""Who is called beside the weekly rota: exceptions, groups, contacts of residents, what an ambulance asks for, quiet hours, policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.registry import check, rota
from gateway.registry.errors import ConflictError, RegistryError
from gateway.registry.org import resolve_place
from gateway.registry.tx import Tx
from gateway.registry.view import Contact, Group, Home, Override, Quiet

OVERRIDES = ("absent", "extra", "swap")
CONTACTS = ("family", "responder")
MAX_GROUP = 50


def set_override(
    tx: Tx,
    *,
    site: str,
    staff: str,
    kind: str,
    from_ns: int,
    until_ns: int,
    role: str = "",
    zone: str | None = None,
    for_staff: str | None = None,
    reason: str = "",
    override_id: str | None = None,
) -> Override:
    """Enter an exception to the rota: somebody is absent, comes in addition, or takes another's shifts."""
    place = resolve_place(tx, site=site, zone=zone)
    check.word("kind", kind, OVERRIDES)
    if (kind == "swap") != (for_staff is not None):
        raise RegistryError("text.empty", field="for_staff")
    if until_ns <= from_ns:
        raise RegistryError("time.order", field="until")
    person = tx.find(tx.view.staff, "staff", staff)
    whose = None if for_staff is None else tx.find(tx.view.staff, "for_staff", for_staff).id
    if whose == person.id:
        raise ConflictError("override.same", field="for_staff")
    row = Override(
        id=tx.new_id(override_id),
        site_id=place.site_id,
        staff_id=person.id,
        kind=kind,
        from_ns=from_ns,
        until_ns=until_ns,
        role=check.ident("role", role or person.role) if kind == "extra" else "",
        zone_id=place.zone_id if kind == "extra" else None,
        for_staff_id=whose,
        reason=check.text("reason", reason, limit=check.NOTE_LIMIT, empty=True),
    )
    tx.settle("override.set", tx.view.overrides, row)
    return row


def end_override(tx: Tx, override_id: str) -> None:
    """Take an exception back; what it did until now stays in the history."""
    row = tx.find(tx.view.overrides, "override", override_id)
    if row.from_ns < tx.now_ns < row.until_ns:
        tx.put("override.set", replace(row, until_ns=tx.now_ns))
    else:
        tx.emit("override.ended", row.id, {"id": row.id})


def set_group(tx: Tx, *, site: str, name: str, staff: Sequence[str], group_id: str | None = None) -> Group:
    """Create a group of people who are called together, or replace the one with this id."""
    place = resolve_place(tx, site=site)
    people = tuple(dict.fromkeys(tx.find(tx.view.staff, "staff", one).id for one in staff))
    if not people:
        raise RegistryError("text.empty", field="staff")
    if len(people) > MAX_GROUP:
        raise RegistryError("text.long", field="staff", limit=MAX_GROUP)
    row = Group(id=tx.new_id(group_id), site_id=place.site_id, name=check.text("name", name), staff_ids=people)
    tx.settle("group.set", tx.view.groups, row)
    return row


def end_group(tx: Tx, group_id: str) -> None:
    """Dissolve a group; a policy that calls it has to be changed before."""
    row = tx.find(tx.view.groups, "group", group_id)
    for policy in tx.view.policies.values():
        if any(target.get("id") == row.id for step in policy.get("steps", ()) for target in step.get("targets", ())):
            raise ConflictError("group.used", field="group", policy=policy["id"])
    tx.emit("group.ended", row.id, {"id": row.id})


def set_contact(
    tx: Tx,
    *,
    resident: str,
    name: str,
    kind: str,
    relation: str = "",
    phone: str = "",
    channels: Mapping[str, str] | None = None,
    order: int = 1,
    contact_id: str | None = None,
) -> Contact:
    """Enter whom to call for a resident, or replace the contact with this id."""
    person = tx.find(tx.view.residents, "resident", resident)
    row = Contact(
        id=tx.new_id(contact_id),
        resident_id=tx.view.canonical(person.id),
        name=check.text("name", name),
        kind=check.word("kind", kind, CONTACTS),
        relation=check.text("relation", relation, empty=True),
        phone=check.text("phone", phone, limit=40, empty=True),
        channels={
            check.ident("channel", key): check.text("channels", value, limit=200, empty=True) for key, value in (channels or {}).items()
        },
        order=order,
    )
    tx.settle("contact.set", tx.view.contacts, row)
    return row


def end_contact(tx: Tx, contact_id: str) -> None:
    """Call this person no more."""
    row = tx.find(tx.view.contacts, "contact", contact_id)
    tx.emit("contact.ended", row.id, {"id": row.id, "resident_id": row.resident_id})


def set_home(tx: Tx, *, resident: str, address: str = "", door_code: str = "", medical: str = "") -> Home:
    """Enter what is told to an ambulance."""
    person = tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id)
    row = Home(
        id=person,
        resident_id=person,
        address=check.text("address", address, limit=200, empty=True),
        door_code=check.text("door_code", door_code, limit=40, empty=True),
        medical=check.text("medical", medical, limit=check.NOTE_LIMIT, empty=True),
    )
    tx.settle("home.set", tx.view.homes, row)
    return row


def set_quiet(tx: Tx, *, site: str, start: str, end: str, up_to: str = "low") -> Quiet:
    """Set the quiet hours of a site; what is urgent never waits for their end."""
    place = resolve_place(tx, site=site)
    row = Quiet(id=place.site_id, site_id=place.site_id, start=start, end=end, up_to=check.word("up_to", up_to, ("info", "low")))
    try:
        rota.check_window(start, end)
    except rota.RotaError as error:
        raise RegistryError("rota.invalid", field="quiet", reason=str(error)) from error
    tx.settle("quiet.set", tx.view.quiet, row)
    return row


def end_quiet(tx: Tx, site: str) -> None:
    """No quiet hours any more."""
    row = tx.find(tx.view.quiet, "quiet", resolve_place(tx, site=site).site_id)
    tx.emit("quiet.ended", row.id, {"id": row.id})


def set_policy(tx: Tx, policy_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Store a policy under its id, one version further; gateway.alerts.book checks its content before."""
    former = tx.view.policies.get(policy_id)
    row = {**body, "id": check.ident("id", policy_id), "version": 1 if former is None else int(former.get("version", 1)) + 1}
    tx.emit("policy.set", policy_id, row)
    return row


def end_policy(tx: Tx, policy_id: str) -> None:
    """Withdraw a policy; the next wider one holds again."""
    if policy_id not in tx.view.policies:
        tx.find(tx.view.policies, "policy", policy_id)
    tx.emit("policy.ended", policy_id, {"id": policy_id})
