"""Who is where with which device: a fold over registry events, so that every reader gets the same picture at the same event offset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.registry import attributed
from gateway.registry.holding import holding
from gateway.registry.records import (
    Assigned,
    Bed,
    Binding,
    Checkin,
    Consent,
    Contact,
    Device,
    Group,
    Home,
    Limit,
    Organisation,
    Override,
    Place,
    Quiet,
    Resident,
    Room,
    RotaRow,
    Site,
    Slot,
    Staff,
    Stay,
    User,
    Zone,
)

if TYPE_CHECKING:
    from gateway.events import EventRow

__all__ = [
    "KINDS",
    "Bed",
    "Binding",
    "Checkin",
    "Consent",
    "Contact",
    "Device",
    "Group",
    "Home",
    "Limit",
    "Organisation",
    "Override",
    "Place",
    "Quiet",
    "RegistryView",
    "Resident",
    "Room",
    "RotaRow",
    "Site",
    "Staff",
    "Stay",
    "User",
    "Zone",
    "record_from",
]

PRESENT = ("admitted", "away")  # statuses that hold a bed

T = TypeVar("T")


_ROWS: tuple[type[Any], ...] = (
    Bed, Binding, Consent, Contact, Device, Group, Home, Limit, Organisation, Override, Quiet, Resident, Room, RotaRow, Site, Staff,
    User, Zone,
)  # fmt: skip
_NAMES = {cls: frozenset(field.name for field in fields(cls)) for cls in _ROWS}


def record_from(cls: type[T], body: Mapping[str, Any]) -> T:
    """Registry row from an event's body; keys that the row does not have (time, reason) are left aside."""
    values: dict[str, Any] = {}
    for name in _NAMES[cls] & body.keys():
        value = body[name]
        if name == "place" and value is not None:
            value = Place(**value)
        values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


class RegistryView:
    """The registry as of event `offset`; equal folds are equal, a copy shares nothing that changes."""

    _TABLES = (
        "organisations", "sites", "zones", "rooms", "beds", "residents", "devices", "bindings", "limits", "staff", "rota", "policies",
        "users", "consents", "overrides", "groups", "contacts", "homes", "quiet", "checkins", "assigned", "slots", "_stays",
        "_bindings_by_device", "_bindings_by_resident", "_merged_from", "_occupants", "_limits_by_scope", "_consents_by_grantee",
        "_limit_versions",
    )  # fmt: skip

    def __init__(self) -> None:
        self.offset = 0
        self.organisations: dict[str, Organisation] = {}
        self.sites: dict[str, Site] = {}
        self.zones: dict[str, Zone] = {}
        self.rooms: dict[str, Room] = {}
        self.beds: dict[str, Bed] = {}
        self.residents: dict[str, Resident] = {}
        self.devices: dict[str, Device] = {}
        self.bindings: dict[str, Binding] = {}
        self.limits: dict[str, Limit] = {}
        self.staff: dict[str, Staff] = {}
        self.rota: dict[str, RotaRow] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.users: dict[str, User] = {}
        self.consents: dict[str, Consent] = {}
        self.overrides: dict[str, Override] = {}
        self.groups: dict[str, Group] = {}
        self.contacts: dict[str, Contact] = {}
        self.homes: dict[str, Home] = {}  # by resident
        self.quiet: dict[str, Quiet] = {}  # by site
        self.checkins: dict[str, tuple[Checkin, ...]] = {}  # by kiosk, oldest first
        self.assigned: dict[str, Assigned] = {}
        self.slots: dict[str, tuple[Slot, ...]] = {}  # by device, oldest first
        self._stays: dict[str, tuple[Stay, ...]] = {}  # by resident, oldest first
        self._bindings_by_device: dict[str, tuple[Binding, ...]] = {}  # by start; withdrawn ones are not in it
        self._bindings_by_resident: dict[str, tuple[str, ...]] = {}
        self._merged_from: dict[str, tuple[str, ...]] = {}
        self._occupants: dict[str, str] = {}  # bed -> resident
        self._limits_by_scope: dict[tuple[str | None, str | None, str], tuple[Limit, ...]] = {}  # oldest first
        self._consents_by_grantee: dict[str, tuple[str, ...]] = {}
        self._limit_versions: dict[tuple[str | None, str | None, str], int] = {}  # highest ever; ended limits count

    @classmethod
    def fold(cls, events: Iterable[EventRow]) -> RegistryView:
        """View after these events."""
        view = cls()
        for event in events:
            view.apply(event)
        return view

    def copy(self) -> RegistryView:
        """Independent view of the same state."""
        other = RegistryView()
        other.offset = self.offset
        for name in self._TABLES:
            setattr(other, name, dict(getattr(self, name)))  # values are immutable, so a shallow copy is independent
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegistryView):
            return NotImplemented
        return self.offset == other.offset and all(getattr(self, name) == getattr(other, name) for name in self._TABLES)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def apply(self, event: EventRow) -> None:
        """Take the next event; kinds that are not the registry's only move the offset."""
        if event.offset <= self.offset:
            raise ValueError(f"event {event.offset} after offset {self.offset}: a fold never goes back")
        handler = KINDS.get(event.kind)
        if handler is not None:
            handler(self, event.body)
        self.offset = event.offset

    # --- questions -------------------------------------------------------------------------------------------------

    def binding_at(self, device_id: str, t_ns: int) -> Binding | None:
        """Device's binding in force at `t_ns`, as known at this offset."""
        spans = self._bindings_by_device.get(device_id, ())
        for binding in reversed(spans[: bisect_right(spans, t_ns, key=_start)]):
            if binding.valid_to_ns is None or t_ns < binding.valid_to_ns:
                return binding
        return None

    def bindings_of(self, device_id: str) -> tuple[Binding, ...]:
        """All bindings of a device by start, without the withdrawn ones."""
        return self._bindings_by_device.get(device_id, ())

    def resident_of(self, device_id: str, t_ns: int) -> str | None:
        """Whose readings the device's are at `t_ns`; after a merge, the record that lives on."""
        binding = self.binding_at(device_id, t_ns)
        return None if binding is None or binding.resident_id is None else self.canonical(binding.resident_id)

    def place_of(self, device_id: str, t_ns: int) -> Place | None:
        """Where the device is at `t_ns`: the binding's place, its resident's place then, or at least its site."""
        binding = self.binding_at(device_id, t_ns)
        if binding is not None and binding.place is not None:
            return binding.place
        if binding is not None and binding.resident_id is not None:
            stay = self.stay_at(binding.resident_id, t_ns)
            if stay is None or stay.status == "merged":
                stay = self.stay_at(self.canonical(binding.resident_id), t_ns)
            if stay is not None:
                return stay.place
        device = self.devices.get(device_id)
        return None if device is None or device.site_id is None else Place(site_id=device.site_id)

    def devices_of(self, resident_id: str, t_ns: int) -> tuple[str, ...]:
        """Devices bound to the resident (or to a record merged into it) at `t_ns`, sorted."""
        found = set()
        for owner in self.records_of(resident_id):
            for binding_id in self._bindings_by_resident.get(owner, ()):
                device_id = self.bindings[binding_id].device_id
                current = self.binding_at(device_id, t_ns)
                if current is not None and current.id == binding_id:
                    found.add(device_id)
        return tuple(sorted(found))

    def canonical(self, resident_id: str) -> str:
        """Record that a merged resident lives on in; the id itself otherwise."""
        for _ in range(len(self.residents)):
            resident = self.residents.get(resident_id)
            if resident is None or resident.merged_into is None:
                break
            resident_id = resident.merged_into
        return resident_id

    def records_of(self, resident_id: str) -> tuple[str, ...]:
        """Resident's id and those of all records that were merged into it."""
        found = [resident_id]
        for owner in found:  # grows while it is walked; merges make a tree
            found.extend(self._merged_from.get(owner, ()))
        return tuple(found)

    def stay_at(self, resident_id: str, t_ns: int) -> Stay | None:
        """Where the resident was at `t_ns` and in which status; None before the first admission."""
        stays = self._stays.get(resident_id, ())
        index = bisect_right(stays, t_ns, key=_stay_start)
        return stays[index - 1] if index else None

    def stays_of(self, resident_id: str) -> tuple[Stay, ...]:
        """All stays of a resident, oldest first."""
        return self._stays.get(resident_id, ())

    def occupant(self, bed_id: str) -> str | None:
        """Resident whose bed it is now, present or away."""
        return self._occupants.get(bed_id)

    def limit_for(self, resident_id: str | None, quantity: str, t_ns: int, site_id: str | None = None) -> Limit | None:
        """What holds at `t_ns`: the resident's own limit, else the site's (`site_id` where nobody wears it), else the installation's."""
        resident = None if resident_id is None else self.residents.get(self.canonical(resident_id))
        site_id = site_id if resident is None else resident.place.site_id
        scopes: list[tuple[str | None, str | None]] = [] if resident is None else [(resident.id, None)]
        scopes += [(None, None)] if site_id is None else [(None, site_id), (None, None)]
        site = None if site_id is None else self.sites.get(site_id)
        found = (self._limits_by_scope.get((*scope, quantity), ()) for scope in scopes)
        return holding(found, "UTC" if site is None else site.tz, t_ns)

    def limits_of(self, resident_id: str | None, site_id: str | None, quantity: str) -> tuple[Limit, ...]:
        """All limits of exactly this scope that were not ended, oldest first, expired ones included."""
        return self._limits_by_scope.get((resident_id, None if resident_id is not None else site_id, quantity), ())

    def limit_version(self, resident_id: str | None, site_id: str | None, quantity: str) -> int:
        """Highest version that this scope ever had; 0 = never."""
        return self._limit_versions.get((resident_id, None if resident_id is not None else site_id, quantity), 0)

    def consents_of(self, grantee_id: str, resident_id: str) -> tuple[Consent, ...]:
        """Every consent row, live or not, that names this person and this resident."""
        own = self.canonical(resident_id)
        rows = (self.consents[consent_id] for consent_id in self._consents_by_grantee.get(grantee_id, ()))
        return tuple(row for row in rows if self.canonical(row.resident_id) == own)

    # --- the fold --------------------------------------------------------------------------------------------------

    def _resident(self, body: Mapping[str, Any]) -> None:
        resident = record_from(Resident, body)
        former = self.residents.get(resident.id)
        if former is not None and former.place.bed_id is not None and self._occupants.get(former.place.bed_id) == resident.id:
            del self._occupants[former.place.bed_id]
        if resident.place.bed_id is not None and resident.status in PRESENT:
            self._occupants[resident.place.bed_id] = resident.id
        if resident.merged_into is not None and (former is None or former.merged_into is None):
            self._merged_from[resident.merged_into] = (*self._merged_from.get(resident.merged_into, ()), resident.id)
        self.residents[resident.id] = resident

    def _resident_stay(self, body: Mapping[str, Any]) -> None:
        self._resident(body)
        resident = self.residents[body["id"]]
        stay = Stay(from_ns=body["at_ns"], place=resident.place, status=resident.status)
        self._stays[resident.id] = tuple(sorted((*self._stays.get(resident.id, ()), stay), key=_stay_start))

    def _binding(self, body: Mapping[str, Any]) -> None:
        self._index_binding(record_from(Binding, body))

    def _binding_ended(self, body: Mapping[str, Any]) -> None:
        self._index_binding(replace(self.bindings[body["id"]], valid_to_ns=body["valid_to_ns"]))

    def _index_binding(self, binding: Binding) -> None:
        former = self.bindings.get(binding.id)
        if former is not None:
            self._bindings_by_device[former.device_id] = tuple(b for b in self.bindings_of(former.device_id) if b.id != binding.id)
            if former.resident_id is not None:
                kept = tuple(other for other in self._bindings_by_resident[former.resident_id] if other != binding.id)
                self._bindings_by_resident[former.resident_id] = kept
        self.bindings[binding.id] = binding
        if binding.resident_id is not None:
            self._bindings_by_resident[binding.resident_id] = (*self._bindings_by_resident.get(binding.resident_id, ()), binding.id)
        if binding.valid_to_ns is None or binding.valid_to_ns > binding.valid_from_ns:
            spans = (*self.bindings_of(binding.device_id), binding)
            self._bindings_by_device[binding.device_id] = tuple(sorted(spans, key=_start))

    def _limit(self, body: Mapping[str, Any]) -> None:
        self._drop_limit(body["id"])
        limit = record_from(Limit, body)
        self.limits[limit.id] = limit
        scope = _scope(limit)
        self._limits_by_scope[scope] = (*self._limits_by_scope.get(scope, ()), limit)
        self._limit_versions[scope] = max(limit.version, self._limit_versions.get(scope, 0))

    def _limit_ended(self, body: Mapping[str, Any]) -> None:
        self._drop_limit(body["id"])

    def _drop_limit(self, limit_id: str) -> None:
        former = self.limits.pop(limit_id, None)
        if former is not None:
            scope = _scope(former)
            self._limits_by_scope[scope] = tuple(limit for limit in self._limits_by_scope[scope] if limit.id != limit_id)

    def _consent(self, body: Mapping[str, Any]) -> None:
        consent = record_from(Consent, body)
        if consent.id not in self.consents:
            self._consents_by_grantee[consent.grantee_id] = (*self._consents_by_grantee.get(consent.grantee_id, ()), consent.id)
        self.consents[consent.id] = consent

    def _consent_withdrawn(self, body: Mapping[str, Any]) -> None:
        by = body.get("withdrawn_by", "")
        self.consents[body["id"]] = replace(self.consents[body["id"]], withdrawn_ns=body["withdrawn_ns"], withdrawn_by=by)

    def _policy(self, body: Mapping[str, Any]) -> None:
        self.policies[body["id"]] = dict(body)


def _start(binding: Binding) -> int:
    return binding.valid_from_ns


def _stay_start(stay: Stay) -> int:
    return stay.from_ns


def _scope(limit: Limit) -> tuple[str | None, str | None, str]:
    return (limit.resident_id, None if limit.resident_id is not None else limit.site_id, limit.quantity)


def _put(table: str, cls: type[Any]) -> Callable[[RegistryView, Mapping[str, Any]], None]:
    """Make a handler for records that are simply replaced by their newest version."""

    def handler(view: RegistryView, body: Mapping[str, Any]) -> None:
        getattr(view, table)[body["id"]] = record_from(cls, body)

    return handler


def _drop(table: str) -> Callable[[RegistryView, Mapping[str, Any]], None]:
    """Make a handler for records that end without a trace in the view."""

    def handler(view: RegistryView, body: Mapping[str, Any]) -> None:
        getattr(view, table).pop(body["id"], None)

    return handler


KINDS: dict[str, Callable[[RegistryView, Mapping[str, Any]], None]] = {
    "organisation.set": _put("organisations", Organisation),
    "site.set": _put("sites", Site),
    "zone.set": _put("zones", Zone),
    "room.set": _put("rooms", Room),
    "bed.set": _put("beds", Bed),
    **{f"resident.{word}": RegistryView._resident_stay for word in ("admitted", "moved", "away", "discharged", "died", "merged")},
    "resident.observed": RegistryView._resident,
    "resident.corrected": RegistryView._resident,
    "device.set": _put("devices", Device),
    "device.retired": _put("devices", Device),
    "binding.set": RegistryView._binding,
    "binding.ended": RegistryView._binding_ended,
    "limit.set": RegistryView._limit,
    "limit.ended": RegistryView._limit_ended,
    "staff.set": _put("staff", Staff),
    "staff.retired": _put("staff", Staff),
    "rota.set": _put("rota", RotaRow),
    "rota.ended": _drop("rota"),
    "override.set": _put("overrides", Override),
    "override.ended": _drop("overrides"),
    "group.set": _put("groups", Group),
    "group.ended": _drop("groups"),
    "contact.set": _put("contacts", Contact),
    "contact.ended": _drop("contacts"),
    "home.set": _put("homes", Home),
    "quiet.set": _put("quiet", Quiet),
    "quiet.ended": _drop("quiet"),
    "policy.set": RegistryView._policy,
    "policy.ended": _drop("policies"),
    "user.set": _put("users", User),
    **attributed.KINDS,
    "consent.set": RegistryView._consent,
    "consent.withdrawn": RegistryView._consent_withdrawn,
}
