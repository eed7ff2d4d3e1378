"""One policy per route: who may call it at all. What of it a person sees is decided again for each resident behind the doors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from gateway.api.problems import Problem
from gateway.api.session import doors_of, token_of
from gateway.query import Asker
from gateway.vocabulary import Role

MARK = "__anxin_policy__"


class Gate(StrEnum):
    """What a caller has to show."""

    OPEN = "open"  # nothing
    DEVICE = "device"  # a device's own token, checked by the route
    PERSON = "person"  # a session of one of the policy's roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A route's policy by name, as the OpenAPI document shows it."""

    name: str
    gate: Gate = Gate.PERSON
    roles: frozenset[Role] = frozenset()


def _roles(name: str, *roles: Role) -> Policy:
    return Policy(name=name, roles=frozenset(roles))


OPEN = Policy(name="open", gate=Gate.OPEN)
DEVICE = Policy(name="device", gate=Gate.DEVICE)
SIGNED_IN = Policy(name="signed_in", roles=frozenset(Role))
WALL = _roles("wall", Role.CAREGIVER, Role.CLINICIAN, Role.DISPLAY)
ALERTS_LIST = _roles("alerts.list", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR, Role.DISPLAY)
ALERTS_READ = _roles("alerts.read", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR)
ALERTS_ACT = _roles("alerts.act", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR)
RESIDENTS_READ = _roles("residents.read", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR, Role.FAMILY)
RESIDENTS_WRITE = _roles("residents.write", Role.OPERATOR)
CARE_WRITE = _roles("care.write", Role.CAREGIVER, Role.CLINICIAN)
NOTES_READ = _roles("notes.read", Role.CAREGIVER, Role.CLINICIAN)
LIMITS_READ = _roles("limits.read", Role.CAREGIVER, Role.CLINICIAN)
LIMITS_WRITE = _roles("limits.write", Role.CLINICIAN)
CONSENT_READ = _roles("consent.read", Role.CLINICIAN, Role.OPERATOR)
CONSENT_WRITE = _roles("consent.write", Role.OPERATOR)
GRANTS_READ = _roles("grants.read", Role.OPERATOR, Role.FAMILY)
LOOKS_READ = _roles("looks.read", Role.CLINICIAN, Role.OPERATOR, Role.FAMILY)
VITALS_READ = _roles("vitals.read", Role.CAREGIVER, Role.CLINICIAN, Role.FAMILY)
FAMILY = _roles("family", Role.FAMILY)
CARE_DESK = _roles("care.desk", Role.CAREGIVER, Role.CLINICIAN)
CARE_PAGE = _roles("care.page", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR)
DOCUMENTS_READ = _roles("documents.read", Role.CLINICIAN, Role.FAMILY)
DOCUMENTS_WRITE = _roles("documents.write", Role.CLINICIAN, Role.OPERATOR)
INVITE = _roles("invite", Role.CAREGIVER, Role.OPERATOR)
CLINIC = _roles("clinic", Role.CLINICIAN)
DEVICES_READ = _roles("devices.read", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR, Role.ADMIN)
DEVICES_WRITE = _roles("devices.write", Role.CAREGIVER, Role.OPERATOR)
DEVICES_ADMIN = _roles("devices.admin", Role.OPERATOR)
REGISTRY_READ = _roles("registry.read", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR, Role.ADMIN)
REGISTRY_WRITE = _roles("registry.write", Role.OPERATOR, Role.ADMIN)
SYSTEM_READ = _roles("system.read", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR, Role.ADMIN)
SYSTEM_WRITE = _roles("system.write", Role.OPERATOR)
RAW_READ = _roles("raw.read", Role.OPERATOR)
USERS = _roles("users", Role.ADMIN)
AUDIT = _roles("audit", Role.ADMIN)
POLICIES_READ = _roles("policies.read", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR, Role.ADMIN)
POLICIES_WRITE = _roles("policies.write", Role.OPERATOR, Role.ADMIN)
HANDOVER = _roles("handover", Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR)
SILENCES = _roles("silences", Role.CAREGIVER, Role.CLINICIAN)
TERMINALS = _roles("terminals", Role.OPERATOR, Role.ADMIN)
HOUSE = _roles("house", Role.OPERATOR, Role.ADMIN)
FIGURES = _roles("figures", Role.OPERATOR)  # of any span and zone: who supervises has whole weeks of ten people and more
SUPERVISION = _roles("supervision", Role.OPERATOR, Role.ADMIN, Role.SUPERVISOR)


class RouteWithoutPolicy(RuntimeError):
    """A route has no policy, or more than one: the application is not built."""


async def _nothing(request: Request) -> None:
    """Anybody may ask."""


async def _bearer(request: Request) -> None:
    """A device has to show a token; whose it is, the route checks."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(401, "device.token_missing", headers={"WWW-Authenticate": "Bearer"})


def _person(policy: Policy) -> Callable[[Request], Awaitable[Asker]]:
    async def check(request: Request) -> Asker:
        doors = doors_of(request)
        asker = await doors.commands.session(token_of(request))
        if asker is None or not doors.lets_in(asker.role):
            raise Problem(401, "session.none")
        if asker.role not in policy.roles:
            await doors.commands.refused(asker, policy.name)
            raise Problem(403, "access.denied")
        if asker.must_change_password and policy is not SIGNED_IN:
            raise Problem(403, "password.must_change")
        if asker.must_set_factor and policy is not SIGNED_IN:
            raise Problem(403, "second_factor.must_set")
        request.state.asker = asker
        return asker

    return check


def guard(policy: Policy) -> Any:
    """The dependency that makes `policy` the route's policy."""
    check: Callable[[Request], Awaitable[Any]]
    check = {Gate.OPEN: _nothing, Gate.DEVICE: _bearer}.get(policy.gate) or _person(policy)

    async def policy_of_route(request: Request) -> None:
        await check(request)

    setattr(policy_of_route, MARK, policy)
    return Depends(policy_of_route)


async def _asker(request: Request) -> Asker:
    asker = getattr(request.state, "asker", None)
    if not isinstance(asker, Asker):
        raise RouteWithoutPolicy("the route asks who is there, but its policy lets anybody in")
    return asker


Me = Annotated[Asker, Depends(_asker)]


def _found(dependant: Dependant) -> Iterator[Policy]:
    policy = getattr(dependant.call, MARK, None)
    if isinstance(policy, Policy):
        yield policy
    for inner in dependant.dependencies:
        yield from _found(inner)


def policies(app: FastAPI, ignore: frozenset[str] = frozenset()) -> dict[tuple[str, str], Policy]:
    """(method, path) -> policy of every route but the ignored ones; raises RouteWithoutPolicy."""
    table: dict[tuple[str, str], Policy] = {}
    for context in iter_route_contexts(app.routes):
        path = str(getattr(context, "path", "?"))
        if path in ignore:
            continue
        if not isinstance(context.original_route, APIRoute):
            raise RouteWithoutPolicy(f"{path}: only API routes can carry a policy")
        found = list(_found(context.dependant))
        if len(found) != 1:
            raise RouteWithoutPolicy(f"{path}: {len(found)} policies instead of one")
        for method in context.methods or ():
            if (method, path) in table:
                raise RouteWithoutPolicy(f"{method} {path}: declared twice")
            table[method, path] = found[0]
    return table
