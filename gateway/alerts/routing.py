"""Who is told: rungs of a policy become people with channels; who is not told is named too, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.alerts import faults
from gateway.alerts.case import Case, Tell
from gateway.alerts.policy import Policy, PolicyBook, Step, Target
from gateway.notify.base import Page
from gateway.registry import rota
from gateway.registry.view import Contact, Group
from gateway.vocabulary import AlertKind, Priority

DESK = "desk"
CONTACT = "contact:"
DIGEST = "digest.morning"
EMERGENCY = "emergency.call"  # the page asks to call 120 by hand; the address stands behind the link
WALL = "wall"  # the screens that follow the event log; always there


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person or the desk with the channels to reach them, or the reason why they are not told."""

    id: str
    name: str = ""
    routes: tuple[tuple[str, str], ...] = ()
    told: bool = True
    reason: str = ""
    why: str = ""
    page: str = ""  # another reason on the page than the alert's own


class People(rota.Duty, Protocol):
    """Who can be called."""

    @property
    def groups(self) -> Mapping[str, Group]:
        """Groups by id."""
        ...

    @property
    def contacts(self) -> Mapping[str, Contact]:
        """Contacts of residents by id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What routing needs beside the case."""

    view: People
    book: PolicyBook
    channels: Collection[str]
    now_ns: int


def route(case: Case, tells: Iterable[Tell], policy: Policy, routing: Routing) -> list[Recipient]:
    """Recipients of one change, each person once; told wins over not told."""
    found: dict[str, Recipient] = {}
    for tell in tells:
        for one in _of_tell(case, tell, policy, routing):
            known = found.get(one.id)
            if known is None or (one.told and not known.told):
                found[one.id] = one
    return list(found.values())


def page_of(case: Case, recipient: Recipient, key: str, public_url: str) -> Page:
    """The message: place, initials, reason and link; what was measured stays behind the link."""
    view = case.view
    return Page(
        key=key,
        alert_id=view.id,
        priority=view.priority,
        reason=recipient.page or reason_of(case),
        why=recipient.why,
        place=view.place,
        initials=case.initials,
        link=f"{public_url.rstrip('/')}/m/alerts/{view.id}" if public_url else "",
        late_s=view.late_s,
        origin=view.origin,
        step=view.step,
        raised_ns=view.raised_ns,
        recipient=recipient.id,
    )


def reason_of(case: Case) -> str:
    """Reason code of a page: a call by its kind, anything else only by what to look at."""
    view = case.view
    if view.kind is AlertKind.CALL:
        return view.cause
    if view.kind is AlertKind.PHYSIOLOGICAL:
        return "resident.check"
    return "gateway.check" if view.device_id is None and view.resident_id is None else "device.check"


def digest_page(site_id: str, until_ns: int, count: int, recipient: Recipient, public_url: str) -> Page:
    """The morning's summary of what waited: how much it is, and where to look."""
    return Page(
        key=f"digest.{site_id}.{until_ns}.{recipient.id}",
        alert_id=f"digest.{site_id}.{until_ns}",
        priority=Priority.LOW,
        reason=DIGEST,
        why="quiet_hours",
        place=f"×{count}",
        link=f"{public_url.rstrip('/')}/m/alerts" if public_url else "",
        raised_ns=until_ns,
        recipient=recipient.id,
    )


def _of_tell(case: Case, tell: Tell, policy: Policy, routing: Routing) -> list[Recipient]:
    found: list[Recipient] = []
    for number in tell.steps:
        step = policy.steps[min(number, len(policy.steps) - 1)]
        found.extend(_of_step(case, step, policy, routing))
    if tell.owner is not None:
        owner = _owner(tell.owner, case.view.claimed_name or "", routing)
        found.append(owner)
        if not owner.told and not tell.steps:  # an owner who cannot be reached keeps nobody else from hearing it
            found.extend(_of_step(case, policy.steps[min(case.view.step, len(policy.steps) - 1)], policy, routing))
    if tell.desk:
        found.append(to_desk(routing))
    asking = None if tell.but is None else staff_of(routing.view, tell.but)
    return [_with_why(one, tell) for one in found if one.id != asking]


def _with_why(one: Recipient, tell: Tell) -> Recipient:
    held = bool(tell.held) and one.told
    return replace(
        one,
        routes=() if held else one.routes,
        told=one.told and not held,
        reason=tell.held if held else one.reason,
        why=tell.why,
    )


def _of_step(case: Case, step: Step, policy: Policy, routing: Routing) -> list[Recipient]:
    found = [one for target in step.targets for one in _of_target(case, target, step, routing)]
    if not any(one.told for one in found) and policy.fallback_to_desk:
        found.append(to_desk(routing, "nobody_reachable"))
    return found


def _of_target(case: Case, target: Target, step: Step, routing: Routing) -> list[Recipient]:
    if target.kind == "desk":
        return [to_desk(routing)]
    if target.kind == "staff":
        return [to_person(target.id, routing, step.channels)]
    if target.kind == "group":
        group = routing.view.groups.get(target.id)
        members = () if group is None else group.staff_ids
        return [to_person(one, routing, step.channels) for one in members] or [_nobody(f"group:{target.id}", "nobody_rostered")]
    if target.kind == "contact":
        return _contacts(case, target.id, step, routing)
    if target.kind == "emergency":
        return [replace(one, page=EMERGENCY) for one in _emergency(case, step, routing)]
    return _of_role(case, target, step, routing)


def _of_role(case: Case, target: Target, step: Step, routing: Routing) -> list[Recipient]:
    installation = case.view.site_id is None or case.subject == faults.SUBJECT
    if installation and to_desk(routing).routes:
        return [_nobody(f"role:{target.id}", "no_site" if case.view.site_id is None else "desk_asked")]
    # A fault of the gateway, or a call of a device that nobody bound: where no desk can be reached, whoever is on duty anywhere hears it.
    sites = routing.view.sites if case.view.site_id is None else (case.view.site_id,)
    zone_id, view = case.view.zone_id, routing.view
    on_duty = list(dict.fromkeys(one for site_id in sites for one in rota.on_duty(view, site_id, zone_id, target.id, routing.now_ns)))
    found = [to_person(staff_id, routing, step.channels) for staff_id in on_duty]
    rostered = dict.fromkeys(one for site_id in sites for one in rota.rostered(view, site_id, zone_id, target.id))
    for one in (one for one in rostered if one not in on_duty):
        absent = any(rota.away(view, site_id, one, routing.now_ns) for site_id in sites)
        found.append(Recipient(id=one, name=_name(one, routing), told=False, reason="absent" if absent else "off_duty"))
    return found or [_nobody(f"role:{target.id}", "nobody_rostered")]


def _nobody(name: str, reason: str) -> Recipient:
    return Recipient(id=name, told=False, reason=reason)


def _contacts(case: Case, kind: str, step: Step, routing: Routing) -> list[Recipient]:
    """Family or responders of the alert's resident, in their order; who has no channel is on the call list with the phone number."""
    resident_id = case.view.resident_id
    rows = [row for row in routing.view.contacts.values() if row.resident_id == resident_id and row.kind == kind]
    found = [_to_contact(row, routing, step.channels) for row in sorted(rows, key=lambda row: (row.order, row.id))]
    return found or [_nobody(f"{CONTACT}{kind}", "no_contact")]


def _to_contact(row: Contact, routing: Routing, channels: tuple[str, ...] = ()) -> Recipient:
    routes = _routes(row.channels, channels, routing.channels)
    return Recipient(id=f"{CONTACT}{row.id}", name=row.name, routes=routes, told=bool(routes), reason="" if routes else "no_channel")


def _emergency(case: Case, step: Step, routing: Routing) -> list[Recipient]:
    """Whoever stands by to call 120: the owner, the desk, and where the desk has no channel those on duty."""
    owner = case.view.claimed_by
    found = [] if owner is None else [_owner(owner, case.view.claimed_name or "", routing)]
    desk = to_desk(routing)
    if not desk.routes and case.view.site_id is not None:
        people = dict.fromkeys(one for one, _ in rota.serving(routing.view, case.view.site_id, case.view.zone_id, routing.now_ns))
        found += [to_person(one, routing, step.channels) for one in people]
    return [*found, desk]


def to_person(staff_id: str, routing: Routing, channels: tuple[str, ...] = ()) -> Recipient:
    """A member of staff, or why this person cannot be told."""
    person = routing.view.staff.get(staff_id)
    if person is None or person.status != "active":
        return Recipient(id=staff_id, name=_name(staff_id, routing), told=False, reason="not_active")
    routes = _routes(person.channels, channels, routing.channels)
    if not routes:
        return Recipient(id=staff_id, name=person.name, told=False, reason="no_channel")
    return Recipient(id=staff_id, name=person.name, routes=routes)


def _routes(own: Mapping[str, str], channels: tuple[str, ...], available: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The step's channels first, then the person's others: no page fails for want of a second choice."""
    order = [name for name in channels if name in own]
    order += [name for name in own if name not in order]
    return tuple((name, own[name]) for name in order if name in available)


def _owner(user_id: str, name: str, routing: Routing) -> Recipient:
    contact = routing.view.contacts.get(user_id.removeprefix(CONTACT)) if user_id.startswith(CONTACT) else None
    if contact is not None:
        return _to_contact(contact, routing)
    staff_id = staff_of(routing.view, user_id)
    return Recipient(id=user_id, name=name, told=False, reason="no_channel") if staff_id is None else to_person(staff_id, routing)


def to_desk(routing: Routing, reason: str = "") -> Recipient:
    """The desk: its channels, and the screens in any case."""
    routes = tuple((one.channel, one.address) for one in routing.book.desk if one.channel in routing.channels)
    return Recipient(id=DESK, name=DESK, routes=routes, reason=reason)


def _name(staff_id: str, routing: Routing) -> str:
    person = routing.view.staff.get(staff_id)
    return "" if person is None else person.name


def staff_of(view: rota.Duty, user_id: str) -> str | None:
    """The staff record of a user who acts; staff ids are accepted as they are."""
    if user_id in view.staff:
        return user_id
    return next((person.id for person in view.staff.values() if person.user_id == user_id), None)
