"""A consumer's place in a log, kept in the consumer's own file so that it moves with what the consumer wrote."""

from __future__ import annotations

import apsw

from gateway.store.schema import Component

COMPONENT = Component(
    "cursor",
    ('CREATE TABLE cursor(name TEXT PRIMARY KEY, lineage TEXT NOT NULL, "offset" INTEGER NOT NULL) STRICT, WITHOUT ROWID',),
)


def get(conn: apsw.Connection, name: str) -> tuple[str, int] | None:
    """(lineage of the log, offset as the consumer stored it), or None at the first start."""
    row = conn.execute('SELECT lineage, "offset" FROM cursor WHERE name = ?', (name,)).fetchone()
    return None if row is None else (row[0], row[1])


def put(conn: apsw.Connection, name: str, lineage: str, offset: int) -> None:
    """Set the place; call it in the unit that writes what was consumed."""
    conn.execute(
        'INSERT INTO cursor(name, lineage, "offset") VALUES(?, ?, ?)'
        ' ON CONFLICT(name) DO UPDATE SET lineage = excluded.lineage, "offset" = excluded."offset"',
        (name, lineage, offset),
    )
