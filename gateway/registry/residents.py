"""Residents: admit, move, away, discharge, death, merge, observe; commands that run inside a transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.registry import bindings, check
from gateway.registry.errors import ConflictError, RegistryError
from gateway.registry.org import resolve_place
from gateway.registry.tx import Tx
from gateway.registry.view import PRESENT, Place, Resident

SEXES = ("female", "male", "other")
AVPU = ("A", "C", "V", "P", "U")


class Keep:
    """Type of KEEP: a field that a correction leaves as it is."""


KEEP: Final = Keep()


def admit(
    tx: Tx,
    *,
    name: str,
    site: str | None = None,
    zone: str | None = None,
    room: str | None = None,
    bed: str | None = None,
    initials: str = "",
    code: str = "",
    birth_date: str | None = None,
    sex: str | None = None,
    at_ns: int | None = None,
    resident_id: str | None = None,
) -> Resident:
    """Take somebody in; with the id of somebody who left (or was entered as dead by mistake), take that person in again."""
    row_id = tx.new_id(resident_id)
    former = tx.view.residents.get(row_id)
    if former is not None and former.status not in ("discharged", "died"):
        raise ConflictError("resident.status", status=former.status)
    place = _free_place(tx, row_id, resolve_place(tx, site=site, zone=zone, room=room, bed=bed))
    name = check.text("name", name)
    row = Resident(
        id=row_id,
        name=name,
        initials=check.text("initials", initials or check.initials(name), limit=8),
        status="admitted",
        place=place,
        code=tx.free_code(tx.view.residents, row_id, check.code("code", code)),
        birth_date=check.past_day("birth_date", birth_date, tx.now_ns),
        sex=None if not sex else check.word("sex", sex, SEXES),
    )
    if former is not None:
        row = replace(row, spo2_scale=former.spo2_scale)  # a clinician's prescription outlives a stay in hospital; observations do not
    tx.put("resident.admitted", row, at_ns=_when(tx, row_id, at_ns))
    return row


def move(
    tx: Tx,
    resident: str,
    *,
    site: str | None = None,
    zone: str | None = None,
    room: str | None = None,
    bed: str | None = None,
    at_ns: int | None = None,
) -> Resident:
    """Move a resident to another bed, room, zone or site; devices go along."""
    row = _present(tx, resident)
    place = _free_place(tx, row.id, resolve_place(tx, site=site, zone=zone, room=room, bed=bed))
    row = replace(row, place=place)
    tx.put("resident.moved", row, at_ns=_when(tx, row.id, at_ns))
    return row


def away(tx: Tx, resident: str, *, at_ns: int | None = None, back_ns: int | None = None, reason: str = "") -> Resident:
    """Leave for a while (hospital, outing, family); the bed stays this person's, and no data are expected. A call pages as ever.

    `back_ns` is when the person is expected back; entered again, an absence gets another date.
    """
    row = _present(tx, resident)
    if back_ns is not None and back_ns <= max(tx.now_ns, at_ns or 0):
        raise RegistryError("expiry.past", field="back")
    return _status(tx, replace(row, back_ns=back_ns), "away", "resident.away", at_ns, reason)


def back(tx: Tx, resident: str, *, at_ns: int | None = None) -> Resident:
    """Come back to the same bed."""
    row = _present(tx, resident)
    if row.status != "away":
        raise ConflictError("resident.status", status=row.status)
    return _status(tx, replace(row, back_ns=None), "admitted", "resident.moved", at_ns)


def discharge(tx: Tx, resident: str, *, at_ns: int | None = None, reason: str = "") -> Resident:
    """Leave for good: the bed is free, bindings end at that instant."""
    return _leave(tx, resident, "discharged", "resident.discharged", at_ns, reason)


def died(tx: Tx, resident: str, *, at_ns: int | None = None) -> Resident:
    """Record a death: the bed is free, bindings end at that instant."""
    return _leave(tx, resident, "died", "resident.died", at_ns, "")


def merge(tx: Tx, resident: str, into: str, *, reason: str = "") -> Resident:
    """Two records of one person become one: history, bindings and limits of the first follow into the second."""
    row, target = tx.find(tx.view.residents, "resident", resident), tx.find(tx.view.residents, "resident", into)
    if row.id == target.id:
        raise RegistryError("resident.same")
    for one in (row, target):
        if one.status == "merged":
            raise ConflictError("resident.status", status="merged")
    if row.status in PRESENT and target.status not in PRESENT:
        raise ConflictError("resident.not_present", status=target.status)
    for limit in [limit for limit in tx.view.limits.values() if limit.resident_id == row.id]:
        tx.emit("limit.ended", limit.id, {"id": limit.id})
        if not tx.view.limits_of(target.id, None, limit.quantity):
            version = tx.view.limit_version(target.id, None, limit.quantity) + 1
            tx.put("limit.set", replace(limit, id=tx.new_id(), resident_id=target.id, version=version), origin_id=limit.id)
    home = tx.view.homes.get(row.id)
    if home is not None and target.id not in tx.view.homes:
        tx.put("home.set", replace(home, id=target.id, resident_id=target.id))
    row = replace(row, status="merged", merged_into=target.id, code="", back_ns=None)
    tx.put("resident.merged", row, at_ns=_when(tx, row.id, None), reason=check.text("reason", reason, limit=check.NOTE_LIMIT, empty=True))
    return target


def observe(
    tx: Tx,
    resident: str,
    *,
    consciousness: Keep | str | None = KEEP,
    on_oxygen: Keep | bool | None = KEEP,
    spo2_scale: Keep | int = KEEP,
) -> Resident:
    """Enter what no sensor knows (the author is who acts); None takes an entry back."""
    row = _present(tx, resident)
    if not isinstance(consciousness, Keep):
        row = replace(row, consciousness=None if consciousness is None else check.word("consciousness", consciousness, AVPU))
    if not isinstance(on_oxygen, Keep):
        row = replace(row, on_oxygen=on_oxygen)
    if not isinstance(spo2_scale, Keep):
        if spo2_scale not in (1, 2):
            raise RegistryError("word.unknown", field="spo2_scale", allowed="1, 2")
        row = replace(row, spo2_scale=spo2_scale)
    tx.put("resident.observed", row, author=tx.actor.id)
    return row


def correct(
    tx: Tx,
    resident: str,
    *,
    name: Keep | str = KEEP,
    initials: Keep | str = KEEP,
    code: Keep | str = KEEP,
    birth_date: Keep | str | None = KEEP,
    sex: Keep | str | None = KEEP,
) -> Resident:
    """Correct what was entered wrongly; the former version stays in the history."""
    row = tx.find(tx.view.residents, "resident", resident)
    if row.status == "merged":
        raise ConflictError("resident.status", status=row.status)
    if not isinstance(name, Keep):
        row = replace(row, name=check.text("name", name))
        row = replace(row, initials=check.initials(row.name))
    if not isinstance(initials, Keep):
        row = replace(row, initials=check.text("initials", initials, limit=8))
    if not isinstance(code, Keep):
        row = replace(row, code=tx.free_code(tx.view.residents, row.id, check.code("code", code)))
    if not isinstance(birth_date, Keep):
        row = replace(row, birth_date=check.past_day("birth_date", birth_date, tx.now_ns))
    if not isinstance(sex, Keep):
        row = replace(row, sex=None if not sex else check.word("sex", sex, SEXES))
    tx.put("resident.corrected", row)
    return row


def _present(tx: Tx, resident: str) -> Resident:
    row = tx.find(tx.view.residents, "resident", resident)
    if row.status not in PRESENT:
        raise ConflictError("resident.not_present", status=row.status)
    return row


def _free_place(tx: Tx, resident_id: str, place: Place) -> Place:
    occupant = None if place.bed_id is None else tx.view.occupant(place.bed_id)
    if occupant is not None and occupant != resident_id:
        person = tx.view.residents[occupant]
        raise ConflictError("bed.occupied", field="bed", bed=place.label, occupant=person.name, occupant_id=occupant)
    return place


def _when(tx: Tx, resident_id: str, at_ns: int | None) -> int:
    """A change comes after the last one; without a given time it is now, or just then if the clock went back."""
    stays = tx.view.stays_of(resident_id)
    if at_ns is None:
        return max(tx.now_ns, stays[-1].from_ns) if stays else tx.now_ns
    at_ns = check.past_time("at", at_ns, tx.now_ns)
    if stays and at_ns < stays[-1].from_ns:
        raise ConflictError("time.before_last", field="at")
    return at_ns


def _status(tx: Tx, row: Resident, status: str, kind: str, at_ns: int | None, reason: str = "") -> Resident:
    row = replace(row, status=status)
    extra = {"reason": check.text("reason", reason, limit=check.NOTE_LIMIT)} if reason else {}
    tx.put(kind, row, at_ns=_when(tx, row.id, at_ns), **extra)
    return row


def _leave(tx: Tx, resident: str, status: str, kind: str, at_ns: int | None, reason: str) -> Resident:
    row = _present(tx, resident)
    when = _when(tx, row.id, at_ns)
    bindings.end_all(tx, resident_id=row.id, at_ns=when)
    # What was observed belongs to the stay; nobody has looked at the person since.
    row = replace(row, status=status, consciousness=None, on_oxygen=None, back_ns=None)
    tx.put(kind, row, at_ns=when, reason=check.text("reason", reason, limit=check.NOTE_LIMIT, empty=True))
    return row
