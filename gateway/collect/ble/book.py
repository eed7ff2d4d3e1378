"""What outlives the process: how far a device's memory has been journaled, and since when its link is up or down.

An interruption is an event of its own, so that what was not heard is shown as not heard: `ble.link` down with `since_ns` and cause, up with
`since_ns` and `until_ns`. After a kill the time when the device was heard last stands in for the moment when the link was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from gateway import events
from gateway.clock import Clock
from gateway.store import Component, Database

COMPONENT = Component(
    "ble",
    (
        """
        CREATE TABLE ble_memory(
            device TEXT NOT NULL, service TEXT NOT NULL, last_sequence INTEGER NOT NULL, t_ns INTEGER NOT NULL, PRIMARY KEY(device, service)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ble_link(
            device TEXT PRIMARY KEY, state TEXT NOT NULL, since_ns INTEGER NOT NULL, heard_ns INTEGER NOT NULL, cause TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
        """
        ALTER TABLE ble_memory ADD COLUMN mark BLOB;
        ALTER TABLE ble_memory ADD COLUMN below INTEGER;
        ALTER TABLE ble_memory ADD COLUMN total INTEGER;
        """,
    ),
)
KILLED = "gateway stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a device's memory has been journaled: up to this record, which is known again by its bytes."""

    sequence: int
    mark: bytes  # digest of that record: another record under its number means that the numbers began again
    below: int | None = None  # a device that tells its newest records first was cut off: from here down all are missing still
    total: int | None = None  # so many of its records are journaled, where that is known: more than that is a wrap


class Book:
    """Reads and writes of the Bluetooth door, in store.sqlite."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def last_sequence(self, device: str, service: str) -> int | None:
        """Up to which record the device's memory stands in the journal; None = nothing of it."""

        def read(conn: apsw.Connection) -> int | None:
            row = conn.execute("SELECT last_sequence FROM ble_memory WHERE device = ? AND service = ?", (device, service)).fetchone()
            return None if row is None else int(row[0])

        return await self._db.read(read)

    async def place(self, device: str, service: str) -> Place | None:
        """The same with what proves it; None = nothing, or an older version wrote it down."""

        def read(conn: apsw.Connection) -> Place | None:
            query = "SELECT last_sequence, mark, below, total FROM ble_memory WHERE device = ? AND service = ? AND mark IS NOT NULL"
            row = conn.execute(query, (device, service)).fetchone()
            return None if row is None else Place(sequence=row[0], mark=row[1], below=row[2], total=row[3])

        return await self._db.read(read)

    async def advance(self, device: str, service: str, place: Place | None) -> None:
        """Everything up to this record is in the journal, only ever called after its commit; None = its numbers mean something else now."""
        t_ns = self._clock.now_ns()

        def write(conn: apsw.Connection) -> None:
            if place is None:
                conn.execute("DELETE FROM ble_memory WHERE device = ? AND service = ?", (device, service))
                return
            conn.execute(
                "INSERT OR REPLACE INTO ble_memory(device, service, last_sequence, t_ns, mark, below, total) VALUES(?, ?, ?, ?, ?, ?, ?)",
                (device, service, place.sequence, t_ns, place.mark, place.below, place.total),
            )

        await self._db.write(write)

    async def settle_killed(self) -> int:
        """At a start: what a killed process could not write down; says how many links were up then."""
        now_ns = self._clock.now_ns()

        def write(conn: apsw.Connection) -> int:
            rows = list(conn.execute("SELECT device, heard_ns FROM ble_link WHERE state = 'up'"))
            for device, heard_ns in rows:
                _go_down(conn, device, heard_ns, KILLED, now_ns)
            return len(rows)

        return await self._db.write(write)

    async def link_up(self, device: str, **more: Any) -> None:
        """The device streams; an interruption that ends with it is recorded."""
        now_ns = self._clock.now_ns()

        def write(conn: apsw.Connection) -> None:
            row = conn.execute("SELECT since_ns, cause FROM ble_link WHERE device = ? AND state = 'down'", (device,)).fetchone()
            if row is not None:
                body = {"state": "up", "since_ns": min(row[0], now_ns), "until_ns": now_ns, "cause": row[1], **more}
                events.append(conn, kind="ble.link", subject=device, actor="system", body=body, t_ns=now_ns)
            _put_link(conn, device, "up", now_ns, now_ns, "")

        await self._db.write(write)

    async def link_down(self, device: str, heard_ns: int, cause: str) -> None:
        """The device streams no more; the gap begins with what was heard last."""
        now_ns = self._clock.now_ns()

        await self._db.write(lambda conn: _go_down(conn, device, heard_ns, cause, now_ns))

    async def heard(self, times: Mapping[str, int]) -> None:
        """When streaming devices were heard last; written every few seconds, for the day when the process is killed."""
        rows = [(t_ns, device) for device, t_ns in times.items()]

        def write(conn: apsw.Connection) -> None:
            conn.executemany("UPDATE ble_link SET heard_ns = ? WHERE device = ? AND state = 'up'", rows)

        await self._db.write(write, rows=len(rows))

    async def note(self, kind: str, device: str, body: dict[str, Any]) -> None:
        """Append an event about a device."""
        t_ns = self._clock.now_ns()

        def write(conn: apsw.Connection) -> None:
            events.append(conn, kind=kind, subject=device, actor="system", body=body, t_ns=t_ns)

        await self._db.write(write)


def _go_down(conn: apsw.Connection, device: str, heard_ns: int, cause: str, now_ns: int) -> None:
    body = {"state": "down", "since_ns": heard_ns, "cause": cause}
    events.append(conn, kind="ble.link", subject=device, actor="system", body=body, t_ns=now_ns)
    _put_link(conn, device, "down", heard_ns, heard_ns, cause)


def _put_link(conn: apsw.Connection, device: str, state: str, since_ns: int, heard_ns: int, cause: str) -> None:
    conn.execute(
        "INSERT INTO ble_link(device, state, since_ns, heard_ns, cause) VALUES(?, ?, ?, ?, ?) ON CONFLICT(device) DO UPDATE SET"
        " state = excluded.state, since_ns = excluded.since_ns, heard_ns = excluded.heard_ns, cause = excluded.cause",
        (device, state, since_ns, heard_ns, cause),
    )
