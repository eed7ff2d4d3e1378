"""Messages between the care desk and families: notes to all who may read them, and a thread of its own for each question.

A row is a message; the first one of a thread gives the thread its id. What somebody withdraws keeps its row without its text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import apsw

from gateway.registry.ids import uuid7
from gateway.store import Component
from gateway.vocabulary import Actor

NOTE, QUESTION = "note", "question"  # of a thread: from the desk to all, or between one person and the desk
LONGEST = 1000  # characters
SHOWN = 50  # threads of one resident on a page

COMPONENT = Component(
    "letter",
    (
        """
        CREATE TABLE letter (
            id TEXT PRIMARY KEY, thread TEXT NOT NULL, kind TEXT NOT NULL, resident_id TEXT NOT NULL, author TEXT NOT NULL,
            author_name TEXT NOT NULL, from_family INTEGER NOT NULL, text TEXT NOT NULL, sent_ns INTEGER NOT NULL,
            withdrawn_ns INTEGER, withdrawn_by TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT ''
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX letter_resident ON letter (resident_id, sent_ns);
        CREATE INDEX letter_thread ON letter (thread, sent_ns);
        CREATE TABLE letter_waiting (
            thread TEXT PRIMARY KEY, resident_id TEXT NOT NULL, since_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)
_COLUMNS = "id, thread, kind, resident_id, author, author_name, from_family, text, sent_ns, withdrawn_ns, withdrawn_by, reason"
_INSERT = f"INSERT INTO letter ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,NULL,'','')"  # noqa: S608 - our own column names
_FIND = f"SELECT {_COLUMNS} FROM letter WHERE id = ?"  # noqa: S608
_THREAD = f"SELECT {_COLUMNS} FROM letter WHERE thread = ? ORDER BY sent_ns, id"  # noqa: S608
_OF = "SELECT thread FROM letter WHERE resident_id = ? GROUP BY thread ORDER BY max(sent_ns) DESC LIMIT ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message."""

    id: str
    thread: str
    kind: str
    resident_id: str
    author: str
    author_name: str
    from_family: bool
    text: str
    sent_ns: int
    withdrawn_ns: int | None = None
    withdrawn_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Messages that belong together, oldest first; a question that waits for the desk says since when."""

    id: str
    kind: str
    resident_id: str
    opener: str
    letters: tuple[Letter, ...]
    waiting_ns: int | None = None


def send(
    conn: apsw.Connection, *, author: Actor, resident_id: str, text: str, now_ns: int, from_family: bool, thread: Thread | None = None
) -> Letter:
    """Write a message; without a thread it opens one. A question waits until the desk has answered."""
    row_id = uuid7(now_ns)
    letter = Letter(
        id=row_id, thread=row_id if thread is None else thread.id,
        kind=thread.kind if thread is not None else QUESTION if from_family else NOTE, resident_id=resident_id, author=author.id,
        author_name=author.name, from_family=from_family, text=text, sent_ns=now_ns,
    )  # fmt: skip
    row = (letter.id, letter.thread, letter.kind, resident_id, author.id, author.name, int(from_family), text, now_ns)
    conn.execute(_INSERT, row)
    if from_family:
        conn.execute("INSERT INTO letter_waiting VALUES (?, ?, ?) ON CONFLICT (thread) DO NOTHING", (letter.thread, resident_id, now_ns))
    else:
        settle(conn, letter.thread)
    return letter


def settle(conn: apsw.Connection, thread: str) -> None:
    """The desk has answered, here or by telephone."""
    conn.execute("DELETE FROM letter_waiting WHERE thread = ?", (thread,))


def withdraw(conn: apsw.Connection, letter: Letter, *, by: str, reason: str, now_ns: int) -> Letter:
    """Take a message back: its text goes, that it was there and why it is gone stays."""
    conn.execute(
        "UPDATE letter SET text = '', withdrawn_ns = ?, withdrawn_by = ?, reason = ? WHERE id = ?", (now_ns, by, reason, letter.id)
    )
    return replace(letter, text="", withdrawn_ns=now_ns, withdrawn_by=by, reason=reason)


def find(conn: apsw.Connection, letter_id: str) -> Letter | None:
    """One message."""
    row = conn.execute(_FIND, (letter_id,)).fetchone()
    return None if row is None else _letter(row)


def thread_of(conn: apsw.Connection, thread: str) -> Thread | None:
    """One thread, whole."""
    rows = tuple(_letter(row) for row in conn.execute(_THREAD, (thread,)))
    if not rows:
        return None
    since = conn.execute("SELECT since_ns FROM letter_waiting WHERE thread = ?", (thread,)).fetchone()
    first = next((row for row in rows if row.id == thread), rows[0])
    return Thread(
        id=thread, kind=first.kind, resident_id=first.resident_id, opener=first.author, letters=rows,
        waiting_ns=None if since is None else since[0],
    )  # fmt: skip


def of_resident(conn: apsw.Connection, resident_ids: tuple[str, ...], limit: int = SHOWN) -> list[Thread]:
    """Threads about a resident (under any of the merged ids), newest first."""
    names = [str(row[0]) for resident_id in resident_ids for row in conn.execute(_OF, (resident_id, limit)).fetchall()]
    found = [one for name in names if (one := thread_of(conn, name)) is not None]
    return sorted(found, key=lambda one: (one.letters[-1].sent_ns, one.id), reverse=True)[:limit]


def waiting(conn: apsw.Connection, limit: int = 200) -> list[Thread]:
    """Questions that nobody has answered, longest waiting first."""
    rows = conn.execute("SELECT thread FROM letter_waiting ORDER BY since_ns, thread LIMIT ?", (limit,)).fetchall()
    names = [str(row[0]) for row in rows]
    return [one for name in names if (one := thread_of(conn, name)) is not None]


def waiting_residents(conn: apsw.Connection) -> list[str]:
    """Whom the questions are about that nobody has answered, one entry per question."""
    return [str(row[0]) for row in conn.execute("SELECT resident_id FROM letter_waiting")]


def sent_since(conn: apsw.Connection, author: str, since_ns: int) -> int:
    """How many messages a person has sent since then."""
    row = conn.execute("SELECT count(*) FROM letter WHERE author = ? AND sent_ns >= ?", (author, since_ns)).fetchone()
    return 0 if row is None else int(row[0])


def _letter(row: tuple[Any, ...]) -> Letter:
    return Letter(
        id=row[0], thread=row[1], kind=row[2], resident_id=row[3], author=row[4], author_name=row[5], from_family=bool(row[6]),
        text=row[7], sent_ns=row[8], withdrawn_ns=row[9], withdrawn_by=row[10], reason=row[11],
    )  # fmt: skip
