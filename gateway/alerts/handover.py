"""Hand-over of a shift: what the outgoing person leaves behind, who takes it over and when. It records and never blocks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.alerts import records, silences
from gateway.alerts.case import DESK_ROLES, Moment, NotAllowedError
from gateway.registry.ids import uuid7
from gateway.vocabulary import Actor, AlertKind, AlertState, AlertView

_NAMES = (
    "id", "site_id", "zone_id", "giver", "giver_name", "receiver", "receiver_name", "given_ns", "accepted_ns", "accepted_by",
    "accepted_name", "note", "body",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_NAMES)} FROM handover"  # noqa: S608 - constant names
_INSERT = f"INSERT INTO handover ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608 - constant names
_ONE = f"{_SELECT} WHERE id = ?"
_LAST = f"{_SELECT} WHERE site_id = ? ORDER BY given_ns DESC LIMIT ?"
SCORE = "news2."


class HandoverNotFound(LookupError):
    """No such hand-over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """A shift that is given on; no receiver means the desk."""

    site_id: str
    zone_id: str | None
    giver: Actor
    receiver: Actor | None
    note: str


def snapshot(conn: apsw.Connection, site_id: str, zone_id: str | None, giver: str) -> dict[str, Any]:
    """What stands open in a site or zone, in ids: alerts, the giver's claims, silences, failing devices, residents whose score changed."""
    views = [view for view in records.open_alerts(conn) if view.folded_into is None and _here(view, site_id, zone_id)]
    about = {view.resident_id for view in views}
    return {
        "open": [view.id for view in views if view.kind is not AlertKind.TECHNICAL and view.state is not AlertState.CLEARED],
        "unseen": [view.id for view in views if view.state is AlertState.CLEARED],
        "claims": [view.id for view in views if view.claimed_by == giver and view.state in (AlertState.CLAIMED, AlertState.ARRIVED)],
        "devices": [view.id for view in views if view.kind is AlertKind.TECHNICAL and view.state is not AlertState.CLEARED],
        "scores": sorted({view.resident_id for view in views if view.cause.startswith(SCORE) and view.resident_id is not None}),
        "silenced": [view.id for view in views if view.silenced_until_ns is not None],
        "silences": [row["id"] for row in silences.listing(conn) if row["resident_id"] in about or zone_id is None],
    }


def _here(view: AlertView, site_id: str, zone_id: str | None) -> bool:
    return view.site_id in (None, site_id) and (zone_id is None or view.zone_id in (None, zone_id))


def give(conn: apsw.Connection, giving: Giving, now: Moment) -> dict[str, Any]:
    """Write a hand-over with what stands at this moment."""
    body = snapshot(conn, giving.site_id, giving.zone_id, giving.giver.id)
    receiver = giving.receiver
    row = (
        uuid7(now.wall_ns), giving.site_id, giving.zone_id, giving.giver.id, giving.giver.name, None if receiver is None else receiver.id,
        "" if receiver is None else receiver.name, now.wall_ns, None, None, "", giving.note, json.dumps(body),
    )  # fmt: skip
    conn.execute(_INSERT, row)
    return get(conn, row[0])


def accept(conn: apsw.Connection, handover_id: str, actor: Actor, now: Moment) -> dict[str, Any]:
    """The named receiver accepts, or the desk; a hand-over to the desk is accepted by anybody of the house. Twice is once."""
    row = get(conn, handover_id)
    if row["accepted_ns"] is not None:
        if row["accepted_by"] == actor.id:
            return row
        raise NotAllowedError("accepted_by_other")
    if row["receiver"] is not None and row["receiver"] != actor.id and actor.role not in DESK_ROLES:
        raise NotAllowedError("for_somebody_else")
    values = (now.wall_ns, actor.id, actor.name, handover_id)
    conn.execute("UPDATE handover SET accepted_ns = ?, accepted_by = ?, accepted_name = ? WHERE id = ?", values)
    return get(conn, handover_id)


def get(conn: apsw.Connection, handover_id: str) -> dict[str, Any]:
    """One hand-over; raises HandoverNotFound."""
    row = conn.execute(_ONE, (handover_id,)).fetchone()
    if row is None:
        raise HandoverNotFound(handover_id)
    return _read(row)


def listing(conn: apsw.Connection, site_id: str, limit: int = 20) -> list[dict[str, Any]]:
    """The last hand-overs of a site, newest first."""
    return [_read(row) for row in conn.execute(_LAST, (site_id, limit))]


def _read(row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(_NAMES, row, strict=True))
    return {**found, "body": json.loads(found["body"])}
