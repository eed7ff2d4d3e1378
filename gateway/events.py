"""The log of what people and rules decided: dense offsets from 1, kept for good, in store.sqlite.

An event is appended inside the unit that changes the rows it tells about, so that both stand or neither.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.clock import Clock
from gateway.store import Component, Database

COMPONENT = Component(
    "events",
    (
        """
        CREATE TABLE event(
            "offset" INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
            actor TEXT NOT NULL, body TEXT NOT NULL
        ) STRICT;
        CREATE INDEX event_subject ON event(subject, "offset");
        CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
        CREATE TRIGGER event_place BEFORE UPDATE OF "offset" ON event BEGIN SELECT RAISE(ABORT, 'events never move'); END;
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event as everybody reads it."""

    offset: int
    t_ns: int
    kind: str  # "alert.claimed", "binding.set", ...
    subject: str  # id of what it is about
    actor: str  # user id or "system"
    body: dict[str, Any]


def append(conn: apsw.Connection, *, kind: str, subject: str, actor: str, body: dict[str, Any], t_ns: int) -> int:
    """Append inside any unit; returns the offset. The body must be plain JSON (no NaN)."""
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    offset = conn.execute(
        'INSERT INTO event("offset", t_ns, kind, subject, actor, body)'
        ' VALUES((SELECT coalesce(max("offset"), 0) + 1 FROM event), ?, ?, ?, ?, ?) RETURNING "offset"',
        (t_ns, kind, subject, actor, text),
    ).get
    return int(offset)


class Events:
    """Reading side of the log; wakes waiters after each commit."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.lineage = db.lineage
        self._db = db
        self._clock = clock
        self._conn = db.open_reader()  # of our own: the head must never wait behind long reads
        self._lock = threading.Lock()
        self._closed = False
        self.head = self._read_head()
        self._grown = asyncio.Event()
        db.on_commit(self._committed)

    def close(self) -> None:
        """Close the connection; before the database."""
        with self._lock:
            self._closed = True
            self._conn.close()

    def read_sync(self, after: int, limit: int = 1000, upto: int | None = None, kinds_prefix: str | None = None) -> list[EventRow]:
        """Events with `after` < offset <= `upto`, at most `limit`, whose kind starts with `kinds_prefix`."""
        return self._db.read_sync(lambda conn: read(conn, after, limit, upto, kinds_prefix))

    async def read(self, after: int, limit: int = 1000, upto: int | None = None, kinds_prefix: str | None = None) -> list[EventRow]:
        """The same, in a thread."""
        return await self._db.read(lambda conn: read(conn, after, limit, upto, kinds_prefix))

    async def wait(self, after: int, timeout_s: float) -> int:
        """Return the head as soon as it is beyond `after`, or unchanged after the timeout."""
        if self.head > after:
            return self.head
        timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            while self.head <= after and not timer.done():
                grown = asyncio.ensure_future(self._grown.wait())
                try:
                    await asyncio.wait((grown, timer), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    grown.cancel()
        finally:
            timer.cancel()
        if self.head <= after:
            self._committed()  # another process (a command) may have written
        return self.head

    def _committed(self) -> None:
        head = self._read_head()
        if head > self.head:
            self.head = head
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()

    def _read_head(self) -> int:
        with self._lock:
            if self._closed:
                return self.head
            return int(self._conn.execute('SELECT coalesce(max("offset"), 0) FROM event').get)


def read(conn: apsw.Connection, after: int, limit: int = 1000, upto: int | None = None, kinds_prefix: str | None = None) -> list[EventRow]:
    """Events on a connection, see Events.read_sync."""
    rows = conn.execute(
        'SELECT "offset", t_ns, kind, subject, actor, body FROM event'
        ' WHERE "offset" > ?1 AND (?2 IS NULL OR "offset" <= ?2) AND (?3 IS NULL OR substr(kind, 1, length(?3)) = ?3)'
        ' ORDER BY "offset" LIMIT ?4',
        (after, upto, kinds_prefix, limit),
    )
    return [
        EventRow(offset=offset, t_ns=t_ns, kind=kind, subject=subject, actor=actor, body=json.loads(body))
        for offset, t_ns, kind, subject, actor, body in rows
    ]
