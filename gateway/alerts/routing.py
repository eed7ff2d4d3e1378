"""Who is told: rungs of a policy become people with channels; who is not told is named too, with the reason. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.alerts.case import Case, Tell
from gateway.alerts.policy import Policy, PolicyBook, Step, Target
from gateway.notify.base import Page
from gateway.registry import rota
from gateway.registry.view import Staff
from gateway.vocabulary import AlertKind

DESK = "desk"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What routing needs beside the case."""

    view: rota.Duty
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
        reason=reason_of(case),
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


def _of_tell(case: Case, tell: Tell, policy: Policy, routing: Routing) -> list[Recipient]:
    found: list[Recipient] = []
    for number in tell.steps:
        step = policy.steps[min(number, len(policy.steps) - 1)]
        found.extend(_of_step(case, step, policy, routing))
    if tell.owner is not None:
        found.append(_owner(tell.owner, case.view.claimed_name or "", routing))
    if tell.desk:
        found.append(_desk(routing))
    asking = None if tell.but is None else staff_of(routing.view, tell.but)
    return [_with_why(one, tell) for one in found if one.id != asking]


def _with_why(one: Recipient, tell: Tell) -> Recipient:
    held = bool(tell.held) and one.told
    return Recipient(
        id=one.id,
        name=one.name,
        routes=() if held else one.routes,
        told=one.told and not held,
        reason=tell.held if held else one.reason,
        why=tell.why,
    )


def _of_step(case: Case, step: Step, policy: Policy, routing: Routing) -> list[Recipient]:
    found = [one for target in step.targets for one in _of_target(case, target, step, routing)]
    if not any(one.told for one in found) and policy.fallback_to_desk:
        found.append(_desk(routing, "nobody_reachable"))
    return found


def _of_target(case: Case, target: Target, step: Step, routing: Routing) -> list[Recipient]:
    if target.kind == "desk":
        return [_desk(routing)]
    if target.kind == "staff":
        return [_person(target.id, step.channels, routing)]
    if case.view.site_id is None and _desk(routing).routes:
        return [Recipient(id=f"role:{target.id}", told=False, reason="no_site")]
    # A fault of the gateway, or a call of a device that nobody bound: where no desk can be reached, whoever is on duty anywhere hears it.
    sites = routing.view.sites if case.view.site_id is None else (case.view.site_id,)
    zone_id, view = case.view.zone_id, routing.view
    on_duty = list(dict.fromkeys(one for site_id in sites for one in rota.on_duty(view, site_id, zone_id, target.id, routing.now_ns)))
    found = [_person(staff_id, step.channels, routing) for staff_id in on_duty]
    rostered = dict.fromkeys(one for site_id in sites for one in rota.rostered(view, site_id, zone_id, target.id))
    absent = [one for one in rostered if one not in on_duty]
    found += [Recipient(id=one, name=_name(one, routing), told=False, reason="off_duty") for one in absent]
    return found or [Recipient(id=f"role:{target.id}", told=False, reason="nobody_rostered")]


def _person(staff_id: str, channels: tuple[str, ...], routing: Routing) -> Recipient:
    person = routing.view.staff.get(staff_id)
    if person is None or person.status != "active":
        return Recipient(id=staff_id, name=_name(staff_id, routing), told=False, reason="not_active")
    routes = _routes(person, channels, routing.channels)
    if not routes:
        return Recipient(id=staff_id, name=person.name, told=False, reason="no_channel")
    return Recipient(id=staff_id, name=person.name, routes=routes)


def _routes(person: Staff, channels: tuple[str, ...], available: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The step's channels first, then the person's others: no page fails for want of a second choice."""
    order = [name for name in channels if name in person.channels]
    order += [name for name in person.channels if name not in order]
    return tuple((name, person.channels[name]) for name in order if name in available)


def _owner(user_id: str, name: str, routing: Routing) -> Recipient:
    staff_id = staff_of(routing.view, user_id)
    return Recipient(id=user_id, name=name, told=False, reason="no_channel") if staff_id is None else _person(staff_id, (), routing)


def _desk(routing: Routing, reason: str = "") -> Recipient:
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
