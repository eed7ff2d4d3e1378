"""Organisation, sites, zones, rooms, beds, staff, rota and policies: commands that run inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.registry import check, rota
from gateway.registry.errors import ConflictError, RegistryError
from gateway.registry.tx import Tx
from gateway.registry.view import Bed, Organisation, Place, Room, RotaRow, Site, Staff, Zone

SITE_KINDS = ("home", "daycare", "institution")


def set_organisation(tx: Tx, *, name: str, code: str = "", organisation_id: str | None = None) -> Organisation:
    """Create an organisation, or replace the one with this id."""
    row_id = tx.new_id(organisation_id)
    code = tx.free_code(tx.view.organisations, row_id, check.code("code", code))
    row = Organisation(id=row_id, name=check.text("name", name), code=code)
    tx.settle("organisation.set", tx.view.organisations, row)
    return row


def set_site(
    tx: Tx,
    *,
    name: str,
    tz: str = "Asia/Shanghai",
    kind: str = "institution",
    code: str = "",
    organisation: str | None = None,
    site_id: str | None = None,
    phone: str | None = None,
) -> Site:
    """Create a site, or replace the one with this id; the time zone must be an IANA name. Without a phone it keeps the one it has."""
    row_id = tx.new_id(site_id)
    former = tx.view.sites.get(row_id)
    kept = "" if former is None else former.phone
    row = Site(
        id=row_id,
        name=check.text("name", name),
        tz=check.time_zone(tz),
        kind=check.word("kind", kind, SITE_KINDS),
        code=tx.free_code(tx.view.sites, row_id, check.code("code", code)),
        organisation_id=None if organisation is None else tx.find(tx.view.organisations, "organisation", organisation).id,
        phone=kept if phone is None else check.text("phone", phone, limit=40, empty=True),
    )
    tx.settle("site.set", tx.view.sites, row)
    return row


def set_zone(tx: Tx, *, site: str, name: str, code: str = "", zone_id: str | None = None) -> Zone:
    """Create a zone of a site, or replace the one with this id."""
    row_id = tx.new_id(zone_id)
    place = tx.find(tx.view.sites, "site", site)
    _stays_in_site(tx.view.zones.get(row_id), place.id, "zone")
    code = tx.free_code(tx.view.zones, row_id, check.code("code", code), site_id=place.id)
    row = Zone(id=row_id, site_id=place.id, name=check.text("name", name), code=code)
    tx.settle("zone.set", tx.view.zones, row)
    return row


def set_room(tx: Tx, *, site: str, name: str, zone: str | None = None, code: str = "", room_id: str | None = None) -> Room:
    """Create a room of a site, or replace the one with this id; beds in it follow it to another zone."""
    row_id = tx.new_id(room_id)
    place = resolve_place(tx, site=site, zone=zone)
    _stays_in_site(tx.view.rooms.get(row_id), place.site_id, "room")
    code = tx.free_code(tx.view.rooms, row_id, check.code("code", code), site_id=place.site_id)
    row = Room(id=row_id, site_id=place.site_id, zone_id=place.zone_id, name=check.text("name", name), code=code)
    tx.settle("room.set", tx.view.rooms, row)
    for bed in [bed for bed in tx.view.beds.values() if bed.room_id == row_id and bed.zone_id != row.zone_id]:
        tx.put("bed.set", replace(bed, zone_id=row.zone_id))
        _carry_occupant(tx, bed.id)
    return row


def set_bed(
    tx: Tx, *, site: str, label: str, zone: str | None = None, room: str | None = None, code: str = "", bed_id: str | None = None
) -> Bed:
    """Create a bed, or replace the one with this id; whoever has it moves along."""
    row_id = tx.new_id(bed_id)
    place = resolve_place(tx, site=site, zone=zone, room=room)
    _stays_in_site(tx.view.beds.get(row_id), place.site_id, "bed")
    code = tx.free_code(tx.view.beds, row_id, check.code("code", code), site_id=place.site_id)
    row = Bed(
        id=row_id, site_id=place.site_id, zone_id=place.zone_id, room_id=place.room_id, label=check.text("label", label), code=code
    )  # fmt: skip
    tx.settle("bed.set", tx.view.beds, row)
    _carry_occupant(tx, row_id)
    return row


def resolve_place(tx: Tx, *, site: str | None = None, zone: str | None = None, room: str | None = None, bed: str | None = None) -> Place:
    """Return the place named by ids or codes, with everything above it filled in; the parts must agree with each other."""
    site_id = None if site is None else tx.find(tx.view.sites, "site", site).id
    zone_id = room_id = bed_id = None
    label = ""
    if bed is not None:
        bed_row = tx.find(tx.view.beds, "bed", bed, site_id=site_id)
        site_id = _agree("bed", site_id, bed_row.site_id)
        zone_id, room_id, bed_id, label = bed_row.zone_id, bed_row.room_id, bed_row.id, bed_row.label
    if room is not None:
        room_row = tx.find(tx.view.rooms, "room", room, site_id=site_id)
        site_id = _agree("room", site_id, room_row.site_id)
        room_id = _agree("bed", room_id, room_row.id) if bed_id is not None else room_row.id
        zone_id, label = zone_id or room_row.zone_id, label or room_row.name
    if zone is not None:
        zone_row = tx.find(tx.view.zones, "zone", zone, site_id=site_id)
        site_id = _agree("zone", site_id, zone_row.site_id)
        zone_id, label = _agree("zone", zone_id, zone_row.id), label or zone_row.name
    if site_id is None:
        raise RegistryError("text.empty", field="site")
    return Place(site_id=site_id, zone_id=zone_id, room_id=room_id, bed_id=bed_id, label=label or tx.view.sites[site_id].name)


def set_staff(
    tx: Tx,
    *,
    name: str,
    role: str,
    initials: str = "",
    code: str = "",
    channels: Mapping[str, str] | None = None,
    user_id: str | None = None,
    staff_id: str | None = None,
) -> Staff:
    """Create a member of staff, or replace the one with this id (who is active again then)."""
    row_id = tx.new_id(staff_id)
    name = check.text("name", name)
    row = Staff(
        id=row_id,
        name=name,
        initials=check.text("initials", initials or check.initials(name), limit=8),
        role=check.ident("role", role),
        user_id=None if user_id is None else tx.find(tx.view.users, "user", user_id).id,
        channels={
            check.ident("channel", key): check.text("channels", value, limit=200, empty=True) for key, value in (channels or {}).items()
        },
        code=tx.free_code(tx.view.staff, row_id, check.code("code", code)),
    )
    tx.settle("staff.set", tx.view.staff, row)
    return row


def retire_staff(tx: Tx, staff: str) -> Staff:
    """Take a person off duty for good; the name stays in the records."""
    row = replace(tx.find(tx.view.staff, "staff", staff), status="retired")
    tx.put("staff.retired", row)
    return row


def set_rota(
    tx: Tx,
    *,
    site: str,
    staff: str,
    role: str,
    weekdays: Sequence[int],
    start: str,
    end: str,
    zone: str | None = None,
    valid_from: str | None = None,
    valid_to: str | None = None,
    rota_id: str | None = None,
) -> RotaRow:
    """Create a weekly shift, or replace the one with this id."""
    place = resolve_place(tx, site=site, zone=zone)
    row = RotaRow(
        id=tx.new_id(rota_id),
        site_id=place.site_id,
        zone_id=place.zone_id,
        staff_id=tx.find(tx.view.staff, "staff", staff).id,
        role=check.ident("role", role),
        weekdays=tuple(weekdays),
        start=start,
        end=end,
        valid_from=valid_from,
        valid_to=valid_to,
    )
    try:
        rota.check(row)
    except rota.RotaError as error:
        raise RegistryError("rota.invalid", field="rota", reason=str(error)) from error
    tx.settle("rota.set", tx.view.rota, row)
    return row


def end_rota(tx: Tx, rota_id: str) -> None:
    """Remove a weekly shift from now on."""
    tx.find(tx.view.rota, "rota", rota_id)
    tx.emit("rota.ended", rota_id, {"id": rota_id})


def _stays_in_site(former: Zone | Room | Bed | None, site_id: str, field: str) -> None:
    if former is not None and former.site_id != site_id:
        raise ConflictError("place.mismatch", field=field)


def _agree(field: str, former: str | None, found: str | None) -> str | None:
    if former is not None and former != found:
        raise ConflictError("place.mismatch", field=field)
    return found


def _carry_occupant(tx: Tx, bed_id: str) -> None:
    """A resident's place names the zone and room of the bed: when the bed's change, so does the place."""
    occupant = tx.view.occupant(bed_id)
    if occupant is None:
        return
    resident = tx.view.residents[occupant]
    place = resolve_place(tx, bed=bed_id)
    if place != resident.place:
        last = tx.view.stays_of(occupant)[-1]
        tx.put("resident.moved", replace(resident, place=place), at_ns=max(tx.now_ns, last.from_ns))  # never back, whatever the clock does
