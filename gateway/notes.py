"""What clinicians and carers write down about a resident: diagnoses, medication, allergies, notes; taken back, never changed or deleted.

The text stands here only. The event that goes with it says that something was written, by whom and about whom, so that the event log,
which is kept for good and copied to other machines, holds no free text about a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import apsw

from gateway import events
from gateway.store import Component

KINDS = ("diagnosis", "medication", "allergy", "note")
FACTS = KINDS[:3]  # stand in one line under the name
MAX_LISTED = 500

COMPONENT = Component(
    "resident_note",
    (
        """
        CREATE TABLE resident_note (
            id TEXT PRIMARY KEY, resident_id TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, author TEXT NOT NULL,
            author_name TEXT NOT NULL, t_ns INTEGER NOT NULL, withdrawn_ns INTEGER, withdrawn_by TEXT, withdrawn_name TEXT,
            withdrawn_reason TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX resident_note_of ON resident_note (resident_id, t_ns);
        CREATE TRIGGER resident_note_stays BEFORE UPDATE OF resident_id, kind, text, author, t_ns ON resident_note
            BEGIN SELECT RAISE(ABORT, 'what was written stays as it was written'); END;
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that somebody wrote; names are those of the time of writing."""

    id: str
    resident_id: str
    kind: str  # one of KINDS
    text: str
    author: str
    author_name: str
    t_ns: int
    withdrawn_ns: int | None = None
    withdrawn_by: str | None = None
    withdrawn_name: str | None = None
    withdrawn_reason: str | None = None


_NAMES = tuple(field.name for field in fields(Note))  # in the order of the table's columns
_INSERT = "INSERT INTO resident_note VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_ONE = "SELECT * FROM resident_note WHERE id = ?"
_ABOUT = "SELECT * FROM resident_note WHERE resident_id = ? ORDER BY t_ns DESC LIMIT ?"


def add(conn: apsw.Connection, note: Note) -> None:
    """Write a note and the event that says so, inside any unit."""
    conn.execute(_INSERT, tuple(getattr(note, name) for name in _NAMES))
    _tell(conn, "note.added", note, note.author, note.t_ns)


def get(conn: apsw.Connection, note_id: str) -> Note | None:
    """One note."""
    row = conn.execute(_ONE, (note_id,)).fetchone()
    return None if row is None else Note(**dict(zip(_NAMES, row, strict=True)))


def withdraw(conn: apsw.Connection, note: Note, *, by: str, name: str, reason: str, t_ns: int) -> Note:
    """Take a note back: it stays readable as withdrawn."""
    conn.execute(
        "UPDATE resident_note SET withdrawn_ns = ?, withdrawn_by = ?, withdrawn_name = ?, withdrawn_reason = ? WHERE id = ?",
        (t_ns, by, name, reason, note.id),
    )
    _tell(conn, "note.withdrawn", note, by, t_ns)
    found = get(conn, note.id)
    if found is None:
        raise LookupError("the note is gone")
    return found


def of_residents(conn: apsw.Connection, resident_ids: Sequence[str], limit: int = MAX_LISTED) -> list[Note]:
    """Notes about a person (under all of the person's records), newest first."""
    found: list[Note] = []
    for owner in resident_ids:
        found += [Note(**dict(zip(_NAMES, row, strict=True))) for row in conn.execute(_ABOUT, (owner, limit))]
    return sorted(found, key=lambda note: (note.t_ns, note.id), reverse=True)[:limit]


def _tell(conn: apsw.Connection, kind: str, note: Note, actor: str, t_ns: int) -> None:
    body = {"id": note.id, "resident_id": note.resident_id, "kind": note.kind}
    events.append(conn, kind=kind, subject=note.id, actor=actor, body=body, t_ns=t_ns)
