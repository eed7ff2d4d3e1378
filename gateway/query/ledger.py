"""The consent ledger and the looks as people read them: by resident, by grantee, and who looked in plain words. View in, JSON out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.access import Action, FieldClass, scope_of
from gateway.audit import LookRow
from gateway.query.asker import Asker, may
from gateway.query.shape import ms, plain
from gateway.registry.consents import EMERGENCY
from gateway.registry.view import Consent, RegistryView
from gateway.vocabulary import Role

# What was opened, as words of the screens `look.<word>`; a view that stands for nothing of its own is "other".
LOOKED_AT = {
    "wall": "wall", "resident": "person", "alert": "alert", "alert.why": "alert", "family": "family", "clinic": "clinic",
    "clinic.list": "list", "history": "history", "looks": "looks", "consents": "consents", "document": "document", "care": "care",
}  # fmt: skip
VISIT_MS = 600_000  # looks this close to each other are one visit
MACHINES = ("", "system", "command-line")


def standing(row: Consent, now_ns: int) -> str:
    """How a row stands: withdrawn, future, over or live."""
    if row.withdrawn_ns is not None:
        return "withdrawn"
    if now_ns < row.from_ns:
        return "future"
    return "live" if now_ns < row.until_ns else "over"


def consent_json(view: RegistryView, row: Consent, now_ns: int) -> dict[str, Any]:
    """A row of the ledger with the names that belong to it."""
    resident = view.residents.get(view.canonical(row.resident_id))
    grantee = view.users.get(row.grantee_id)
    recorder = view.users.get(row.recorded_by)
    return {
        **plain(row),
        "standing": standing(row, now_ns),
        "emergency": row.legal_basis == EMERGENCY,
        "resident_name": "" if resident is None else resident.name,
        "grantee_name": "" if grantee is None else grantee.name,
        "recorded_by_name": "" if recorder is None else recorder.name,
    }


def of_resident(view: RegistryView, resident_id: str, now_ns: int) -> list[dict[str, Any]]:
    """Every row about a resident, newest first."""
    own = view.canonical(resident_id)
    rows = (row for row in view.consents.values() if view.canonical(row.resident_id) == own)
    return [consent_json(view, row, now_ns) for row in _newest(rows)]


def of_grantee(view: RegistryView, asker: Asker, grantee_id: str, now_ns: int) -> list[dict[str, Any]]:
    """Every row that names this account, newest first: the person's own all, somebody else's as far as the asker may read consents."""

    def shown(row: Consent) -> bool:
        return grantee_id == asker.id or may(asker, Action.READ, scope_of(view, row.resident_id), FieldClass.CONSENT)

    rows = (row for row in view.consents.values() if row.grantee_id == grantee_id and shown(row))
    return [consent_json(view, row, now_ns) for row in _newest(rows)]


def _newest(rows: Iterable[Consent]) -> list[Consent]:
    return sorted(rows, key=lambda row: (row.recorded_ns, row.from_ns, row.id), reverse=True)


def looks_json(view: RegistryView, rows: Iterable[LookRow], tz: str) -> list[dict[str, Any]]:
    """Who looked at what: one entry per person, thing and day of the site, newest first."""
    zone = ZoneInfo(tz)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        if row.actor in MACHINES:
            continue
        day = datetime.fromtimestamp(row.last_ns / 1e9, UTC).astimezone(zone).date().isoformat()
        what = LOOKED_AT.get(row.action.removeprefix("read."), "other")
        entry = found.get((row.actor, what, day))
        if entry is not None:
            # a page that stayed open over the quarter is the same visit
            entry["times"] += 0 if (entry["first_ms"] or 0) - (ms(row.last_ns) or 0) < VISIT_MS else 1
            entry["first_ms"] = ms(row.first_ns)
            continue
        user = view.users.get(row.actor)
        found[row.actor, what, day] = {
            "name": "" if user is None else user.name,
            "role": row.role if row.role in set(Role) else "",
            "what": what,
            "day": day,
            "first_ms": ms(row.first_ns),
            "last_ms": ms(row.last_ns),
            "times": 1,
        }
    return list(found.values())
