"""Who may do what with whose data: one pure function over one table; whatever the table does not say is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.registry.view import PRESENT, RegistryView, User
from gateway.vocabulary import Role

ALL_SITES = "*"  # in a user's site_ids: every site of the installation


class Action(StrEnum):
    """What is done to the data."""

    READ = "read"
    WRITE = "write"
    ACT = "act"  # claim, arrive, resolve, silence ... an alert
    EXPORT = "export"


class FieldClass(StrEnum):
    """Kinds of data; a route or a field belongs to exactly one."""

    IDENTITY = "identity"  # that this resident exists: name, initials, bed
    SUMMARY = "summary"  # how the person is, in one of four words
    VITALS = "vitals"
    ALERTS = "alerts"
    LOCATION = "location"
    NOTES = "notes"
    DOCUMENTS = "documents"
    DESK = "desk"  # questions of a family to the care desk, and the answers
    INVITATION = "invitation"  # letting somebody in by a link, with a consent that was signed
    LOOKS = "looks"  # who looked at this person's data
    CARE = "care"  # oxygen, consciousness, NEWS2 scale
    LIMITS = "limits"
    CONSENT = "consent"
    DEVICE = "device"  # devices and whom they are bound to
    REGISTRY = "registry"  # organisation, sites, zones, rooms, beds
    STAFF = "staff"  # staff and rota
    USERS = "users"
    SYSTEM = "system"  # faults, queues, counters, dead letters without their payload
    RAW = "raw"  # payloads as received
    AUDIT = "audit"
    FIGURES = "figures"  # counts and shares of a whole site, never of fewer than ten people


class Purpose(StrEnum):
    """Why; every role has its own purposes and is refused for any other."""

    CARE = "care"
    FAMILY = "family"
    OPERATION = "operation"
    ADMINISTRATION = "administration"
    AUDIT = "audit"
    SUPERVISION = "supervision"


GRANTABLE = (  # what a consent row can open to family
    FieldClass.SUMMARY, FieldClass.VITALS, FieldClass.ALERTS, FieldClass.LOCATION, FieldClass.DOCUMENTS, FieldClass.NOTES,
    FieldClass.LOOKS,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who asks, with what the person's rows say at this moment; rebuilt for every request and every few seconds of a stream."""

    user_id: str
    role: Role
    site_ids: frozenset[str] = frozenset()
    resident_ids: frozenset[str] = frozenset()
    grants: Mapping[str, frozenset[FieldClass]] = field(default_factory=lambda: MappingProxyType({}))  # resident -> consented classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the data is about: a resident, or a site (device, alert or bed without a resident), or neither = the installation."""

    resident_id: str | None = None
    site_id: str | None = None
    present: bool = True  # the resident is admitted or away


INSTALLATION = Scope()

_PURPOSES: Mapping[Role, frozenset[Purpose]] = {
    Role.CAREGIVER: frozenset({Purpose.CARE}),
    Role.CLINICIAN: frozenset({Purpose.CARE}),
    Role.FAMILY: frozenset({Purpose.FAMILY}),
    Role.OPERATOR: frozenset({Purpose.OPERATION}),
    Role.ADMIN: frozenset({Purpose.ADMINISTRATION, Purpose.AUDIT}),
    Role.SUPERVISOR: frozenset({Purpose.SUPERVISION}),
    Role.DISPLAY: frozenset({Purpose.CARE}),
}

_R, _W, _A, _X = Action.READ, Action.WRITE, Action.ACT, Action.EXPORT
_F = FieldClass

# Data about a resident within the person's reach. Family is not here: it has what a consent row grants.
_RESIDENT: Mapping[Role, Mapping[FieldClass, frozenset[Action]]] = {
    Role.CAREGIVER: {
        _F.IDENTITY: frozenset({_R}),
        _F.VITALS: frozenset({_R}),
        _F.ALERTS: frozenset({_R, _A}),
        _F.LOCATION: frozenset({_R}),
        _F.NOTES: frozenset({_R, _W}),
        _F.DESK: frozenset({_R, _W}),
        _F.INVITATION: frozenset({_R, _W}),
        _F.CARE: frozenset({_R, _W}),
        _F.LIMITS: frozenset({_R}),
        _F.DEVICE: frozenset({_R, _W}),
    },
    Role.CLINICIAN: {
        _F.IDENTITY: frozenset({_R, _X}),
        _F.VITALS: frozenset({_R, _X}),
        _F.ALERTS: frozenset({_R, _A, _X}),
        _F.LOCATION: frozenset({_R}),
        _F.NOTES: frozenset({_R, _W, _X}),
        _F.DESK: frozenset({_R, _W}),
        _F.DOCUMENTS: frozenset({_R, _W}),
        _F.CARE: frozenset({_R, _W, _X}),
        _F.LIMITS: frozenset({_R, _W}),
        _F.DEVICE: frozenset({_R}),
        _F.CONSENT: frozenset({_R}),
        _F.LOOKS: frozenset({_R}),
    },
    Role.OPERATOR: {
        _F.IDENTITY: frozenset({_R, _W}),
        _F.DEVICE: frozenset({_R, _W}),
        _F.CONSENT: frozenset({_R, _W}),
        _F.INVITATION: frozenset({_R, _W}),
        _F.DOCUMENTS: frozenset({_W}),  # the office scans paper that it does not read
        _F.LOOKS: frozenset({_R}),  # answers a resident who asks who looked
    },
    Role.FAMILY: {},
    Role.ADMIN: {},
    Role.SUPERVISOR: {},
    Role.DISPLAY: {_F.IDENTITY: frozenset({_R}), _F.VITALS: frozenset({_R}), _F.ALERTS: frozenset({_R}), _F.LOCATION: frozenset({_R})},
}

# Data about a site, without a resident.
_SITE: Mapping[Role, Mapping[FieldClass, frozenset[Action]]] = {
    Role.CAREGIVER: {
        _F.REGISTRY: frozenset({_R}),
        _F.STAFF: frozenset({_R}),
        _F.DEVICE: frozenset({_R, _W}),
        _F.ALERTS: frozenset({_R, _A}),
        _F.SYSTEM: frozenset({_R}),
    },
    Role.CLINICIAN: {
        _F.REGISTRY: frozenset({_R}),
        _F.STAFF: frozenset({_R}),
        _F.DEVICE: frozenset({_R}),
        _F.ALERTS: frozenset({_R, _A}),
        _F.LIMITS: frozenset({_R, _W}),
        _F.SYSTEM: frozenset({_R}),
    },
    Role.OPERATOR: {
        _F.REGISTRY: frozenset({_R, _W}),
        _F.STAFF: frozenset({_R, _W}),
        _F.DEVICE: frozenset({_R, _W}),
        _F.IDENTITY: frozenset({_W}),  # admit somebody to the site
        _F.ALERTS: frozenset({_R, _A}),
        _F.SYSTEM: frozenset({_R, _W}),
        _F.RAW: frozenset({_R}),
        _F.FIGURES: frozenset({_R, _X}),
    },
    Role.FAMILY: {},
    Role.SUPERVISOR: {_F.FIGURES: frozenset({_R, _X})},
    Role.ADMIN: {
        _F.REGISTRY: frozenset({_R, _W}),
        _F.STAFF: frozenset({_R, _W}),
        _F.DEVICE: frozenset({_R}),
        _F.SYSTEM: frozenset({_R, _W}),
        _F.FIGURES: frozenset({_R, _X}),
    },
    Role.DISPLAY: {_F.REGISTRY: frozenset({_R}), _F.STAFF: frozenset({_R}), _F.ALERTS: frozenset({_R}), _F.SYSTEM: frozenset({_R})},
}

# Data about the installation as a whole; operators and clinicians need ALL_SITES for it. Its alerts (faults of the gateway, a call
# of a device that nobody bound) are everybody's who has a site: an alert that nobody may see is an alert that nobody owns.
_WHOLE: Mapping[Role, Mapping[FieldClass, frozenset[Action]]] = {
    Role.CAREGIVER: {_F.ALERTS: frozenset({_R, _A}), _F.SYSTEM: frozenset({_R})},
    Role.CLINICIAN: {_F.ALERTS: frozenset({_R, _A}), _F.SYSTEM: frozenset({_R}), _F.LIMITS: frozenset({_R, _W})},
    Role.OPERATOR: {
        _F.REGISTRY: frozenset({_R, _W}),
        _F.STAFF: frozenset({_R, _W}),
        _F.DEVICE: frozenset({_R, _W}),
        _F.ALERTS: frozenset({_R, _A}),
        _F.SYSTEM: frozenset({_R, _W}),
        _F.RAW: frozenset({_R}),
    },
    Role.FAMILY: {},
    Role.SUPERVISOR: {},
    Role.ADMIN: {
        _F.REGISTRY: frozenset({_R, _W}),
        _F.STAFF: frozenset({_R, _W}),
        _F.DEVICE: frozenset({_R}),
        _F.USERS: frozenset({_R, _W}),
        _F.SYSTEM: frozenset({_R, _W}),
        _F.AUDIT: frozenset({_R, _X}),
    },
    Role.DISPLAY: {_F.ALERTS: frozenset({_R}), _F.SYSTEM: frozenset({_R})},
}


def allow(subject: Subject, action: Action, resident: Scope | None, field_class: FieldClass, purpose: Purpose) -> bool:
    """Whether the subject may; `resident` None means data of the whole installation."""
    scope = INSTALLATION if resident is None else resident
    if purpose not in _PURPOSES[subject.role]:
        return False
    if field_class is FieldClass.AUDIT and purpose is not Purpose.AUDIT:
        return False
    if scope.resident_id is not None:
        if subject.role is Role.FAMILY:
            # Whoever sees anything of a person may ask the desk about it.
            asks = action is Action.WRITE and field_class is FieldClass.DESK
            return (asks or action is Action.READ) and _granted(subject, scope.resident_id, field_class)
        return _reaches(subject, scope) and action in _RESIDENT[subject.role].get(field_class, frozenset())
    if scope.site_id is not None:
        return _reaches_site(subject, scope.site_id) and action in _SITE[subject.role].get(field_class, frozenset())
    return _reaches_whole(subject, field_class) and action in _WHOLE[subject.role].get(field_class, frozenset())


def _granted(subject: Subject, resident_id: str, field_class: FieldClass) -> bool:
    classes = subject.grants.get(resident_id, frozenset())
    if field_class in (FieldClass.IDENTITY, FieldClass.DESK):
        return bool(classes)  # who may see something of a person may know whose it is, and ask
    return field_class in GRANTABLE and field_class in classes


def _reaches(subject: Subject, scope: Scope) -> bool:
    if subject.role is Role.CLINICIAN and scope.resident_id in subject.resident_ids:
        return True  # a care relationship outlives the stay
    if subject.role in (Role.CAREGIVER, Role.DISPLAY) and not scope.present:
        return False
    return scope.site_id is not None and _reaches_site(subject, scope.site_id)


def _reaches_site(subject: Subject, site_id: str) -> bool:
    return subject.role is Role.ADMIN or site_id in subject.site_ids or ALL_SITES in subject.site_ids


def _reaches_whole(subject: Subject, field_class: FieldClass) -> bool:
    if field_class is FieldClass.ALERTS and subject.site_ids:
        return True
    return subject.role is Role.ADMIN or field_class is FieldClass.SYSTEM or ALL_SITES in subject.site_ids


def subject_of(view: RegistryView, user_id: str, now_ns: int) -> Subject | None:
    """Subject as the registry knows the person now; None for nobody or a disabled account."""
    user = view.users.get(user_id)
    if user is None or user.status != "active":
        return None
    role = Role(user.role)
    residents = frozenset(view.canonical(resident_id) for resident_id in user.resident_ids)
    grants = MappingProxyType(_grants(view, user, residents, now_ns) if role is Role.FAMILY else {})
    return Subject(user_id=user.id, role=role, site_ids=frozenset(user.site_ids), resident_ids=residents, grants=grants)


def _grants(view: RegistryView, user: User, residents: frozenset[str], now_ns: int) -> dict[str, frozenset[FieldClass]]:
    """Classes that live consent rows open; the account must name the resident as well, so one mistake alone opens nothing."""
    grants: dict[str, frozenset[FieldClass]] = {}
    for resident_id in sorted(residents):
        classes = frozenset(
            FieldClass(word)
            for row in view.consents_of(user.id, resident_id)
            if row.from_ns <= now_ns < row.until_ns and row.withdrawn_ns is None and row.purpose == Purpose.FAMILY
            for word in row.classes
            if word in GRANTABLE
        )
        if classes:
            grants[resident_id] = classes
    return grants


def scope_of(view: RegistryView, resident_id: str) -> Scope | None:
    """Scope of a resident's data (a merged record stands for the one it lives on in); None if there is no such resident."""
    resident = view.residents.get(view.canonical(resident_id))
    if resident is None:
        return None
    return Scope(resident_id=resident.id, site_id=resident.place.site_id, present=resident.status in PRESENT)


def site_scope(site_id: str | None) -> Scope:
    """Scope of a device, bed or alert that belongs to no resident."""
    return Scope(site_id=site_id)
