"""Measurements that are nobody's, each with the residents whose they may be and why; and what was assigned lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from devices.codes import BY_KEY
from gateway.access import Action, FieldClass, Scope
from gateway.health.unassigned import Loose
from gateway.query.asker import Asker, device_scope, may, resident_scope
from gateway.query.shape import plain
from gateway.query.sight import Sight, to_ms
from gateway.registry.attributed import last_checkin, slot_owner
from gateway.registry.view import PRESENT, Place, RegistryView

NS_PER_MS = 1_000_000
MS = 1_000
BEFORE_S, AFTER_S = 900, 300  # a check-in so long before a measurement, or after it, speaks for the person
MOST = 500
SUGGESTED = 5
WEIGHTS = {"checked_in": 8, "slot": 4, "room": 2, "usual": 1}  # code words of the reasons


class Found(Protocol):
    """What is needed of gateway.health.unassigned.Unassigned."""

    @property
    def found(self) -> Mapping[tuple[str, int], Loose]:
        """By device and UTC ms."""
        ...


class Inbox:
    """The read of what has to be assigned."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def readings(self, asker: Asker, *, device: str | None = None, limit: int = 100) -> dict[str, Any]:
        """What is nobody's and in reach, newest first; values only for those who may see vital signs."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        await self._sight.looks.looked(asker, "inbox", "readings")
        rows: list[dict[str, Any]] = []
        for loose in sorted(self._loose(device), key=lambda one: -one.t_ms):
            if len(rows) >= min(limit, MOST):
                break
            t_ns = loose.t_ms * NS_PER_MS
            scope = device_scope(view, loose.device, t_ns)
            if view.resident_of(loose.device, t_ns + NS_PER_MS - 1) is None and may(asker, Action.READ, scope, FieldClass.DEVICE):
                rows.append(self._row(asker, loose, values=self._sees_values(asker, scope)))
        return {"t_ms": to_ms(now_ns), "readings": rows}

    async def assigned(self, asker: Asker, *, limit: int = 100) -> dict[str, Any]:
        """What was assigned lately by people and by slots, newest first: to be looked at, and to be undone."""
        view = self._sight.view
        await self._sight.looks.looked(asker, "inbox", "assigned")
        rows: list[dict[str, Any]] = []
        for row in reversed(view.assigned.values()):
            owners = [one for one in (row.resident_id, row.former_id) if one is not None]
            seen = all(may(asker, Action.READ, resident_scope(view, one), FieldClass.DEVICE) for one in owners)
            if seen and len(rows) < min(limit, MOST):
                rows.append(plain(row))
        return {"t_ms": to_ms(self._sight.now_ns()), "assigned": rows}

    def _sees_values(self, asker: Asker, scope: Scope | None) -> bool:
        """Whoever sees the vital signs of the people whose it may be: those of the device's site."""
        view, site_id = self._sight.view, None if scope is None else scope.site_id
        people = (one for one in view.residents.values() if one.merged_into is None and site_id in (None, one.place.site_id))
        return any(may(asker, Action.READ, resident_scope(view, one.id), FieldClass.VITALS) for one in people)

    def _loose(self, device: str | None) -> Iterator[Loose]:
        found = self._sight.parts.unassigned
        for loose in () if found is None else list(found.found.values()):
            if device in (None, loose.device):
                yield loose

    def _row(self, asker: Asker, loose: Loose, *, values: bool) -> dict[str, Any]:
        view = self._sight.view
        place = view.place_of(loose.device, loose.t_ms * NS_PER_MS)
        names = [
            {"quantity": key, "value": value, "unit": BY_KEY[key].ucum, "quality": quality} if values else {"quantity": key}
            for key, value, quality in loose.values
        ]
        people = []
        for resident_id, reasons in suggestions(view, loose):
            if may(asker, Action.READ, resident_scope(view, resident_id), FieldClass.IDENTITY):
                resident = view.residents[resident_id]
                people.append({"resident_id": resident.id, "name": resident.name, "initials": resident.initials, "reasons": reasons})
        return {
            "device_id": loose.device, "t_ms": loose.t_ms, "user": loose.user, "place": None if place is None else plain(place),
            "values": names, "suggestions": people[:SUGGESTED],
        }  # fmt: skip


def suggestions(view: RegistryView, loose: Loose) -> list[tuple[str, list[str]]]:
    """(resident, reasons) whose a measurement may be, the likeliest first. Pure."""
    t_ns = loose.t_ms * NS_PER_MS
    reasons: dict[str, set[str]] = {}

    def say(resident_id: str | None, why: str) -> None:
        resident = None if resident_id is None else view.residents.get(view.canonical(resident_id))
        if resident is not None and resident.status in PRESENT:
            reasons.setdefault(resident.id, set()).add(why)

    shown = last_checkin(view, loose.device, t_ns - BEFORE_S * MS * NS_PER_MS, t_ns + AFTER_S * MS * NS_PER_MS)
    say(None if shown is None else shown.resident_id, "checked_in")
    if loose.user is not None:
        say(slot_owner(view, loose.device, loose.user, t_ns), "slot")
    slots: Counter[str] = Counter()
    usual: Counter[str] = Counter()
    for row in view.assigned.values():
        if row.device_id == loose.device and row.resident_id is not None and not row.undone:
            usual[row.resident_id] += 1
            if loose.user is not None and row.user == loose.user:
                slots[row.resident_id] += 1
    for resident_id, _ in slots.most_common(1):
        say(resident_id, "slot")
    for resident_id, _ in usual.most_common(3):
        say(resident_id, "usual")
    for resident_id in in_room(view, view.place_of(loose.device, t_ns), t_ns):
        say(resident_id, "room")
    found = [(resident_id, sorted(why, key=lambda word: -WEIGHTS[word])) for resident_id, why in reasons.items()]
    return sorted(found, key=lambda one: (-sum(WEIGHTS[word] for word in one[1]), one[0]))


def room_of(view: RegistryView, place: Place | None) -> str | None:
    """The room of a place."""
    if place is None:
        return None
    bed = None if place.bed_id is None else view.beds.get(place.bed_id)
    return place.room_id or (None if bed is None else bed.room_id)


def in_room(view: RegistryView, place: Place | None, t_ns: int) -> list[str]:
    """Residents who lived in the room at that time."""
    room = room_of(view, place)
    if room is None:
        return []
    stays = ((resident.id, view.stay_at(resident.id, t_ns)) for resident in view.residents.values() if resident.merged_into is None)
    return [resident_id for resident_id, stay in stays if stay is not None and stay.status in PRESENT and room_of(view, stay.place) == room]
