"""Visits to a resident: planned by the house, then held or cancelled; families who may read notes see them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import apsw

from gateway.registry.ids import uuid7
from gateway.store import Component

KINDS = ("doctor", "nurse", "therapist", "family", "outing", "examination", "other")
PLANNED, HELD, CANCELLED = "planned", "held", "cancelled"
SHOWN = 20

COMPONENT = Component(
    "visit",
    (
        """
        CREATE TABLE visit (
            id TEXT PRIMARY KEY, resident_id TEXT NOT NULL, kind TEXT NOT NULL, at_ns INTEGER NOT NULL, note TEXT NOT NULL,
            status TEXT NOT NULL, result TEXT NOT NULL DEFAULT '', entered_by TEXT NOT NULL, entered_ns INTEGER NOT NULL,
            closed_by TEXT NOT NULL DEFAULT '', closed_ns INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX visit_resident ON visit (resident_id, at_ns);
        """,
    ),
)
_COLUMNS = "id, resident_id, kind, at_ns, note, status, result, entered_by, entered_ns, closed_by, closed_ns"
_INSERT = f"INSERT INTO visit ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - our own column names
_FIND = f"SELECT {_COLUMNS} FROM visit WHERE id = ?"  # noqa: S608
_OF = f"SELECT {_COLUMNS} FROM visit WHERE resident_id = ? AND at_ns >= ? ORDER BY at_ns DESC LIMIT ?"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit."""

    id: str
    resident_id: str
    kind: str
    at_ns: int
    note: str
    status: str
    entered_by: str
    entered_ns: int
    result: str = ""
    closed_by: str = ""
    closed_ns: int | None = None


def plan(conn: apsw.Connection, *, resident_id: str, kind: str, at_ns: int, note: str, by: str, now_ns: int) -> Visit:
    """Enter a visit; one that lies in the past has been held."""
    held = at_ns <= now_ns
    visit = Visit(
        id=uuid7(now_ns), resident_id=resident_id, kind=kind, at_ns=at_ns, note=note, status=HELD if held else PLANNED, entered_by=by,
        entered_ns=now_ns, closed_by=by if held else "", closed_ns=now_ns if held else None,
    )  # fmt: skip
    conn.execute(_INSERT, (visit.id, resident_id, kind, at_ns, note, visit.status, "", by, now_ns, visit.closed_by, visit.closed_ns))
    return visit


def close(conn: apsw.Connection, visit: Visit, *, status: str, result: str, by: str, now_ns: int) -> Visit:
    """Say that a planned visit was held or will not be."""
    sql = "UPDATE visit SET status = ?, result = ?, closed_by = ?, closed_ns = ? WHERE id = ?"
    conn.execute(sql, (status, result, by, now_ns, visit.id))
    return replace(visit, status=status, result=result, closed_by=by, closed_ns=now_ns)


def find(conn: apsw.Connection, visit_id: str) -> Visit | None:
    """One visit."""
    row = conn.execute(_FIND, (visit_id,)).fetchone()
    return None if row is None else _visit(row)


def of_resident(conn: apsw.Connection, resident_ids: tuple[str, ...], since_ns: int, limit: int = SHOWN) -> list[Visit]:
    """Visits since then and those to come, latest first."""
    found: list[Visit] = []
    for resident_id in resident_ids:
        found += [_visit(row) for row in conn.execute(_OF, (resident_id, since_ns, limit))]
    return sorted(found, key=lambda one: (one.at_ns, one.id), reverse=True)[:limit]


def _visit(row: tuple[Any, ...]) -> Visit:
    return Visit(
        id=row[0], resident_id=row[1], kind=row[2], at_ns=row[3], note=row[4], status=row[5], result=row[6], entered_by=row[7],
        entered_ns=row[8], closed_by=row[9], closed_ns=row[10],
    )  # fmt: skip
