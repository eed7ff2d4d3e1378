"""Who asks, and how far this person's eyes reach right now."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import access
from gateway.access import ALL_SITES, Action, FieldClass, Purpose, Scope, Subject
from gateway.registry.view import RegistryView, User
from gateway.vocabulary import Actor, AlertView, Role

PURPOSES = {
    Role.CAREGIVER: Purpose.CARE,
    Role.CLINICIAN: Purpose.CARE,
    Role.FAMILY: Purpose.FAMILY,
    Role.OPERATOR: Purpose.OPERATION,
    Role.ADMIN: Purpose.ADMINISTRATION,
    Role.SUPERVISOR: Purpose.SUPERVISION,
    Role.DISPLAY: Purpose.CARE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A signed-in person at this moment; rebuilt for every request and every few seconds of a stream."""

    user: User
    subject: Subject
    must_change_password: bool = False
    must_set_factor: bool = False  # the house wants a second factor of this role, and this person has none yet

    @property
    def held_back(self) -> bool:
        """Whether a new password or a second factor has to come first."""
        return self.must_change_password or self.must_set_factor

    @property
    def id(self) -> str:
        """User id."""
        return self.user.id

    @property
    def role(self) -> Role:
        """Role by which everything is judged."""
        return self.subject.role

    @property
    def purpose(self) -> Purpose:
        """The role's ordinary purpose."""
        return PURPOSES[self.subject.role]

    @property
    def actor(self) -> Actor:
        """As the record of an act names this person."""
        return Actor(id=self.user.id, name=self.user.name, role=self.subject.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whose vitals and which sites a person sees; equal reaches share their rendered updates."""

    role: Role
    sites: frozenset[str]
    vitals: frozenset[str]  # resident ids
    grants: frozenset[tuple[str, str]] = frozenset()  # (resident id, consented class); family only

    def covers(self, other: Reach) -> bool:
        """Whether everything within `other` is still within this one."""
        return self.role is other.role and other.sites <= self.sites and other.vitals <= self.vitals and other.grants <= self.grants


class Missing(LookupError):
    """No such thing, or not one that the asker may know."""


class Forbidden(PermissionError):
    """The asker may know of it, but not do this."""


def may(asker: Asker, action: Action, scope: Scope | None, field_class: FieldClass) -> bool:
    """allow() with the role's ordinary purpose."""
    return access.allow(asker.subject, action, scope, field_class, asker.purpose)


def resident_scope(view: RegistryView, resident_id: str) -> Scope:
    """The scope of a resident; raises Missing where there is none."""
    scope = access.scope_of(view, resident_id)
    if scope is None:
        raise Missing
    return scope


def alert_scope(view: RegistryView, alert: AlertView) -> Scope | None:
    """What an alert is about: its resident, else its site, else the installation."""
    if alert.resident_id is not None:
        return access.scope_of(view, alert.resident_id) or access.site_scope(alert.site_id)
    return access.site_scope(alert.site_id) if alert.site_id is not None else None


def device_scope(view: RegistryView, device_id: str, now_ns: int) -> Scope | None:
    """What a device is about now: its resident, else its site, else the installation (an unbound device of nowhere)."""
    resident_id = view.resident_of(device_id, now_ns)
    if resident_id is not None:
        return access.scope_of(view, resident_id)
    place = view.place_of(device_id, now_ns)
    return access.site_scope(place.site_id) if place is not None else None


def sites_of(view: RegistryView, asker: Asker) -> list[str]:
    """Sites whose wall the person may look at, by name."""
    seen = [
        site for site in view.sites.values()
        if asker.role is Role.ADMIN or ALL_SITES in asker.subject.site_ids or site.id in asker.subject.site_ids
    ]  # fmt: skip
    return [site.id for site in sorted(seen, key=lambda site: (site.name, site.id))]


def reach_of(view: RegistryView, asker: Asker) -> Reach:
    """The person's reach at the view's offset."""
    vitals = frozenset(
        resident.id
        for resident in view.residents.values()
        if resident.merged_into is None and may(asker, Action.READ, access.scope_of(view, resident.id), FieldClass.VITALS)
    )
    grants = frozenset((resident_id, word.value) for resident_id, words in asker.subject.grants.items() for word in words)
    return Reach(role=asker.role, sites=frozenset(sites_of(view, asker)), vitals=vitals, grants=grants)
