"""Silences of one rule for one resident as rows: set, in force, ended; each with reason, author and end."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import apsw

from gateway.alerts.case import NEVER_SILENT, Moment, NotAllowedError
from gateway.alerts.holds import RuleSilence
from gateway.clock import NS_PER_S
from gateway.registry.ids import uuid7
from gateway.vocabulary import Actor

LONGEST_S = 1800.0  # more is a change of the limits, which a clinician makes with a date
_NAMES = ("id", "resident_id", "cause", "reason", "author", "author_name", "from_ns", "until_ns", "ended_ns", "ended_by", "ended_why")
_SELECT = f"SELECT {', '.join(_NAMES)} FROM silence"  # noqa: S608 - constant names
_ONE = f"{_SELECT} WHERE id = ?"
_IN_FORCE = f"{_SELECT} WHERE ended_ns IS NULL ORDER BY from_ns"
_OVER = f"{_SELECT} WHERE ended_ns IS NULL AND (?2 OR until_ns <= ?1 OR from_ns > ?1)"
_AT = f"{_SELECT} WHERE from_ns <= ?1 AND until_ns > ?1 AND (ended_ns IS NULL OR ended_ns > ?1) ORDER BY from_ns"
_END = "UPDATE silence SET ended_ns = ?, ended_by = ?, ended_why = ? WHERE ended_ns IS NULL AND id = ?"
_REPLACE = "UPDATE silence SET ended_ns = ?, ended_by = ?, ended_why = ? WHERE ended_ns IS NULL AND resident_id = ? AND cause = ?"


class SilenceNotFound(LookupError):
    """No such silence in force."""


def check(cause: str, reason: str, span_s: float) -> None:
    """Raise NotAllowedError for a silence that may not be."""
    if cause.startswith(NEVER_SILENT):
        raise NotAllowedError("cannot_be_silenced")
    if not reason.strip():
        raise NotAllowedError("reason_missing")
    if not 0 < span_s <= LONGEST_S:
        raise NotAllowedError("span_invalid")


def put(conn: apsw.Connection, resident_id: str, cause: str, actor: Actor, reason: str, span_s: float, now: Moment) -> dict[str, Any]:
    """Write a silence in the place of an earlier one of the same rule."""
    check(cause, reason, span_s)
    conn.execute(_REPLACE, (now.wall_ns, actor.id, "replaced", resident_id, cause))
    until_ns = now.wall_ns + round(span_s * NS_PER_S)
    row = (uuid7(now.wall_ns), resident_id, cause, reason, actor.id, actor.name, now.wall_ns, until_ns)
    conn.execute(
        "INSERT INTO silence (id, resident_id, cause, reason, author, author_name, from_ns, until_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
    )
    return get(conn, row[0])


def get(conn: apsw.Connection, silence_id: str) -> dict[str, Any]:
    """One silence; raises SilenceNotFound."""
    row = conn.execute(_ONE, (silence_id,)).fetchone()
    if row is None:
        raise SilenceNotFound(silence_id)
    return dict(zip(_NAMES, row, strict=True))


def end(conn: apsw.Connection, silence_id: str, actor: Actor, why: str, now: Moment) -> dict[str, Any]:
    """End a silence before its time; raises SilenceNotFound if it is over."""
    if get(conn, silence_id)["ended_ns"] is not None:
        raise SilenceNotFound(silence_id)
    conn.execute(_END, (now.wall_ns, actor.id, why, silence_id))
    return get(conn, silence_id)


def end_due(conn: apsw.Connection, now: Moment, *, stepped: bool) -> list[dict[str, Any]]:
    """End what has run out. When the wall clock was set nobody knows how long they have lasted, and all of them end."""
    why = "clock_stepped" if stepped else "over"
    rows = [dict(zip(_NAMES, row, strict=True)) for row in conn.execute(_OVER, (now.wall_ns, stepped))]
    for row in rows:
        conn.execute(_END, (now.wall_ns, "system", why, row["id"]))
    return [{**row, "ended_why": why} for row in rows]


def in_force(conn: apsw.Connection, resident_id: str, cause: str, now: Moment) -> RuleSilence | None:
    """The silence of a rule for a resident."""
    sql = (
        "SELECT id, reason, author, from_ns, until_ns FROM silence WHERE resident_id = ? AND cause = ? AND ended_ns IS NULL"
        " AND from_ns <= ? AND until_ns > ?"
    )
    row = conn.execute(sql, (resident_id, cause, now.wall_ns, now.wall_ns)).fetchone()
    return None if row is None else RuleSilence(id=row[0], reason=row[1], author=row[2], from_ns=row[3], until_ns=row[4])


def listing(conn: apsw.Connection) -> list[dict[str, Any]]:
    """All silences in force, oldest first."""
    return [dict(zip(_NAMES, row, strict=True)) for row in conn.execute(_IN_FORCE)]


def at(conn: apsw.Connection, residents: Collection[str], t_ns: int) -> list[dict[str, Any]]:
    """Silences of these residents that were in force at an instant."""
    rows = [dict(zip(_NAMES, row, strict=True)) for row in conn.execute(_AT, (t_ns,))]
    return [row for row in rows if row["resident_id"] in residents]

