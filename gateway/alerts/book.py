"""Policies that people set: from the registry into the book, and what is wrong with one before it is saved. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from gateway.alerts.policy import Policy, PolicyBook, PolicyError, Step, Target
from gateway.clock import NS_PER_S
from gateway.registry import rota
from gateway.registry.duty import CONTACTS
from gateway.registry.view import Group, Zone

WEEK_NS = 7 * 24 * 3600 * NS_PER_S
MAX_HOLES = 50  # listed; more are as bad


class House(rota.Duty, Protocol):
    """The registry, as far as a check needs it."""

    @property
    def groups(self) -> Mapping[str, Group]:
        """Groups by id."""
        ...

    @property
    def zones(self) -> Mapping[str, Zone]:
        """Zones by id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A stretch of the week in which a target or a whole step reaches nobody."""

    site_id: str
    step: int
    target: str  # "role:nurse"; empty = the whole step
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is wrong: `errors` forbid saving, `holes` are shown before it."""

    errors: tuple[str, ...]
    dead_ends: tuple[Hole, ...]  # a step that reaches nobody and may not call the desk: an error too
    holes: tuple[Hole, ...]  # a target that is empty at some hour while the step reaches somebody else
    unstaffed: tuple[str, ...] = ()  # roles that are called and that nobody in the rota has: until then others, or the desk, are called

    @property
    def ok(self) -> bool:
        """Whether it may be saved."""
        return not self.errors and not self.dead_ends


def parse(raw: Mapping[str, Any]) -> Policy:
    """A policy from its JSON form; raises PolicyError that names the keys."""
    try:
        policy = Policy.model_validate({key: value for key, value in raw.items() if key != "reason"})
    except ValidationError as error:
        keys = "; ".join(f"{'.'.join(str(p) for p in e['loc']) or 'policy'}: {e['msg']}" for e in error.errors(include_input=False))
        raise PolicyError(keys) from error
    if policy.lane is None:
        raise PolicyError("lane: call, high, medium or low")
    return policy


def with_own(book: PolicyBook, rows: Mapping[str, Mapping[str, Any]]) -> PolicyBook:
    """The book with the registry's policies; one that cannot be read any more is left out, so that the wider one holds."""
    own = []
    for row in rows.values():
        try:
            own.append(parse(row))
        except PolicyError:
            continue  # said by `problems`; an old row must not stop the desk
    return book.model_copy(update={"own": tuple(own)})


def problems(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By id: stored policies that cannot be read, with the reason."""
    found = {}
    for policy_id, row in rows.items():
        try:
            parse(row)
        except PolicyError as error:
            found[policy_id] = str(error)
    return found


def check(policy: Policy, house: House, channels: Collection[str], week_ns: int, *, own: bool = True) -> Report:
    """Look at every step at every hour of the week that begins at `week_ns`, on each site that the policy is for.

    A role that nobody has is a slip of whoever writes a policy, and forbids saving it. The installation's own policies (`own` False) come
    before the house has its staff: there it is said as what is to be done, as long as the desk is called instead.
    """
    lenient = not own and policy.fallback_to_desk
    errors = list(_unknown(policy, house, channels, roles=not lenient))
    dead: list[Hole] = []
    holes: list[Hole] = []
    for site_id in [policy.site_id] if policy.site_id is not None else sorted(house.sites):
        if site_id in house.sites:
            for number, step in enumerate(policy.steps):
                _look(policy, step, number, house, site_id, week_ns, dead, holes)
    called = {target.id for step in policy.steps for target in step.targets if target.kind == "role" and not _known(target, house)}
    named = tuple(sorted(called)) if lenient else ()
    holes = [hole for hole in holes if hole.target.removeprefix("role:") not in named]
    return Report(errors=tuple(errors), dead_ends=tuple(dead[:MAX_HOLES]), holes=tuple(holes[:MAX_HOLES]), unstaffed=named)


def _unknown(policy: Policy, house: House, channels: Collection[str], *, roles: bool) -> Iterator[str]:
    if policy.site_id is not None and policy.site_id not in house.sites:
        yield f"site_id: {policy.site_id} is not known"
    zone = None if policy.zone_id is None else house.zones.get(policy.zone_id)
    if policy.zone_id is not None and (zone is None or zone.site_id != policy.site_id):
        yield f"zone_id: {policy.zone_id} is not a zone of that site"
    for number, step in enumerate(policy.steps):
        for name in step.channels:
            if name not in channels:
                yield f"steps.{number}.channels: {name} is not configured"
        for target in step.targets:
            if not _known(target, house) and (roles or target.kind != "role"):
                yield f"steps.{number}.targets: {target.kind} {target.id} is not known"
    own = {target.kind for target in policy.steps[-1].targets}
    if own == {"contact"} and not policy.fallback_to_desk:
        yield "steps: the last one calls only people outside the house; add the desk or a role"


def _known(target: Target, house: House) -> bool:
    if target.kind == "staff":
        person = house.staff.get(target.id)
        return person is not None and person.status == "active"
    if target.kind == "group":
        return target.id in house.groups
    if target.kind == "contact":
        return target.id in CONTACTS
    return target.kind != "role" or any(target.id in rota.roles(house, site_id) for site_id in house.sites)


def _look(policy: Policy, step: Step, number: int, house: House, site_id: str, week_ns: int, dead: list[Hole], holes: list[Hole]) -> None:
    """Holes of one step on one site; contacts differ from resident to resident and fill none."""
    inside = [target for target in step.targets if target.kind != "contact"]
    names = {f"{target.kind}:{target.id}" if target.id else target.kind: target for target in inside}
    since: dict[str, int] = {}
    end_ns = week_ns + WEEK_NS
    for t_ns in (*_edges(policy, house, site_id, week_ns), end_ns):
        over = t_ns == end_ns or not _asked(policy, house, site_id, t_ns)
        here = {name: over or reaches(target, house, site_id, policy.zone_id, t_ns) for name, target in names.items()}
        here[""] = over or policy.fallback_to_desk or any(here.values())
        for name, reached in here.items():
            if reached and name in since:
                hole = Hole(site_id=site_id, step=number, target=name, from_ns=since.pop(name), until_ns=t_ns)
                (holes if name else dead).append(hole)
            elif not reached:
                since.setdefault(name, t_ns)


def _asked(policy: Policy, house: House, site_id: str, t_ns: int) -> bool:
    return policy.hours is None or policy.hours.hold(house.sites[site_id].tz, t_ns)


def _edges(policy: Policy, house: House, site_id: str, week_ns: int) -> Iterable[int]:
    """Instants at which who is reached, or whether the policy is asked, may change."""
    found = {week_ns, *_until(lambda t_ns: rota.next_change_ns(house, site_id, t_ns), week_ns)}
    if (hours := policy.hours) is not None:
        tz = house.sites[site_id].tz
        found.update(_until(lambda t_ns: rota.next_edge(hours.start, hours.end, tz, t_ns), week_ns))
    return sorted(found)


def _until(following: Callable[[int], int | None], week_ns: int) -> Iterator[int]:
    t_ns = following(week_ns)
    while t_ns is not None and t_ns < week_ns + WEEK_NS:
        yield t_ns
        t_ns = following(t_ns)


def reaches(target: Target, house: House, site_id: str, zone_id: str | None, t_ns: int) -> bool:
    """Whether a target is anybody at `t_ns`."""
    if target.kind in ("desk", "emergency"):
        return True
    if target.kind == "role":
        return bool(rota.on_duty(house, site_id, zone_id, target.id, t_ns))
    group = house.groups.get(target.id) if target.kind == "group" else None
    people = (target.id,) if target.kind == "staff" else () if group is None else group.staff_ids
    return any(one in house.staff and house.staff[one].status == "active" for one in people)
