"""Lists of the registry as a person may see them. Pure: view in, JSON out."""

from __future__ import annotations

from typing import Any

from gateway.access import Action, FieldClass, scope_of, site_scope
from gateway.query.asker import Asker, Missing, device_scope, may, sites_of
from gateway.query.shape import ms, person_json, plain
from gateway.registry.view import RegistryView, Resident


def me_json(view: RegistryView, asker: Asker) -> dict[str, Any]:
    """Who is signed in, with the sites and (for family) the residents in reach."""
    residents = [
        resident
        for resident_id in sorted(asker.subject.resident_ids)
        if (resident := view.residents.get(resident_id)) is not None
        and may(asker, Action.READ, scope_of(view, resident_id), FieldClass.IDENTITY)
    ]
    return {
        "id": asker.id,
        "name": asker.user.name,
        "role": asker.role.value,
        "lang": asker.user.lang,
        "elder": asker.user.elder,
        "must_change_password": asker.must_change_password,
        "must_set_factor": asker.must_set_factor,
        "sites": [{"id": site_id, "name": view.sites[site_id].name, "tz": view.sites[site_id].tz} for site_id in sites_of(view, asker)],
        "residents": [person_json(resident) for resident in residents],
    }


def resident_rows(view: RegistryView, asker: Asker) -> list[dict[str, Any]]:
    """Residents in reach by place and name; merged records are not residents of their own."""
    found = [
        resident
        for resident in view.residents.values()
        if resident.merged_into is None and may(asker, Action.READ, scope_of(view, resident.id), FieldClass.IDENTITY)
    ]
    return [_resident_row(view, asker, resident) for resident in sorted(found, key=lambda r: (r.place.site_id, r.place.label, r.name))]


def _resident_row(view: RegistryView, asker: Asker, resident: Resident) -> dict[str, Any]:
    scope = scope_of(view, resident.id)
    document: dict[str, Any] = {"id": resident.id, "name": resident.name, "initials": resident.initials, "status": resident.status}
    if may(asker, Action.READ, scope, FieldClass.LOCATION) or may(asker, Action.READ, scope, FieldClass.DEVICE):
        document["place"] = plain(resident.place)
    if may(asker, Action.READ, scope, FieldClass.CARE):
        document |= {
            "code": resident.code,
            "birth_date": resident.birth_date,
            "sex": resident.sex,
            "spo2_scale": resident.spo2_scale,
            "on_oxygen": resident.on_oxygen,
            "consciousness": resident.consciousness,
        }
    return document


def resident_detail(view: RegistryView, asker: Asker, resident_id: str, now_ns: int) -> dict[str, Any]:
    """One resident with the parts that the asker may see; raises Missing."""
    scope = scope_of(view, resident_id)
    if scope is None or scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.IDENTITY):
        raise Missing
    resident = view.residents[scope.resident_id]
    document = _resident_row(view, asker, resident)
    if may(asker, Action.READ, scope, FieldClass.DEVICE):
        document["devices"] = [_device_row(view, device_id, now_ns) for device_id in view.devices_of(resident.id, now_ns)]
    if may(asker, Action.READ, scope, FieldClass.LIMITS):
        own = [(limit, limit.resident_id) for limit in view.limits.values() if limit.resident_id is not None]
        mine = [limit for limit, owner in own if view.canonical(owner) == resident.id]
        document["limits"] = [plain(limit) for limit in sorted(mine, key=lambda limit: (limit.quantity, limit.id))]
    if may(asker, Action.READ, scope, FieldClass.CONSENT):
        rows = [row for row in view.consents.values() if view.canonical(row.resident_id) == resident.id]
        document["consents"] = [plain(row) for row in rows]
    return document


def device_rows(view: RegistryView, asker: Asker, now_ns: int, *, inbox: bool = False) -> list[dict[str, Any]]:
    """Devices in reach; `inbox` = only those that speak and belong to nobody."""
    found = []
    for device_id in sorted(view.devices):
        device = view.devices[device_id]
        unbound = view.binding_at(device_id, now_ns) is None
        if inbox and not (unbound and device.status != "retired"):
            continue
        if may(asker, Action.READ, device_scope(view, device_id, now_ns), FieldClass.DEVICE):
            found.append(_device_row(view, device_id, now_ns))
    return found


def _device_row(view: RegistryView, device_id: str, now_ns: int) -> dict[str, Any]:
    device = view.devices[device_id]
    binding = view.binding_at(device_id, now_ns)
    place = view.place_of(device_id, now_ns)
    return {
        "id": device.id,
        "model": device.model,
        "kind": device.kind,
        "status": device.status,
        "site_id": device.site_id,
        "quantities": list(device.quantities),
        "first_seen_ms": ms(device.first_seen_ns),
        "place": plain(place) if place is not None else None,
        "binding": {"id": binding.id, "resident_id": binding.resident_id, "from_ms": ms(binding.valid_from_ns)} if binding else None,
    }


def registry_json(view: RegistryView, asker: Asker) -> dict[str, Any]:
    """Sites in reach with zones, rooms, beds, staff and rota."""
    sites = [site_id for site_id in sites_of(view, asker) if may(asker, Action.READ, site_scope(site_id), FieldClass.REGISTRY)]
    inside = set(sites)
    with_staff = {site_id for site_id in sites if may(asker, Action.READ, site_scope(site_id), FieldClass.STAFF)}
    rota = [row for row in view.rota.values() if row.site_id in with_staff]
    return {
        "sites": [plain(view.sites[site_id]) for site_id in sites],
        "zones": [plain(zone) for zone in view.zones.values() if zone.site_id in inside],
        "rooms": [plain(room) for room in view.rooms.values() if room.site_id in inside],
        "beds": [plain(bed) for bed in view.beds.values() if bed.site_id in inside],
        "staff": [
            {"id": staff.id, "name": staff.name, "initials": staff.initials, "role": staff.role, "status": staff.status, "code": staff.code}
            for staff in view.staff.values()
            if with_staff
        ],
        "rota": [plain(row) for row in rota],
    }
