"""PINs of staff: who claims an alert from a group chat says who it is and proves it with six digits."""

from __future__ import annotations

import secrets

import apsw

from gateway.audit import Audit
from gateway.clock import Clock
from gateway.registry.attempts import Attempts, TooManyAttempts
from gateway.registry.passwords import Busy, Hasher
from gateway.store import Component, Database, Lane
from gateway.vocabulary import Actor

LENGTHS = range(6, 13)
COMPONENT = Component(
    "staff_pin",
    ("CREATE TABLE staff_pin (staff_id TEXT PRIMARY KEY, hash TEXT NOT NULL, set_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;",),
)


class PinError(ValueError):
    """A PIN that cannot be used; the text says why."""


def usable(pin: str) -> bool:
    """Digits, long enough, not all alike, not counted up or down."""
    rows = ("01234567890123456789", "98765432109876543210")
    return pin.isascii() and pin.isdigit() and len(pin) in LENGTHS and len(set(pin)) > 2 and not any(pin in row for row in rows)


class Pins:
    """Hashed like passwords, and guessing is slowed down like signing in."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, hasher: Hasher) -> None:
        self._db, self._clock, self._audit, self._hasher = db, clock, audit, hasher
        self._attempts = Attempts(db, clock)

    async def give(self, actor: Actor, staff_id: str, chosen: str | None = None) -> str:
        """Set a person's PIN, a random one unless it is chosen; returns it, to be shown once."""
        pin = chosen
        while pin is None or (chosen is None and not usable(pin)):
            pin = f"{secrets.randbelow(1_000_000):06d}"
        if not usable(pin):
            raise PinError("six to twelve digits, not all alike and not in a row")
        hashed, now_ns = await self._hasher.hash(pin), self._clock.now_ns()

        def unit(conn: apsw.Connection) -> None:
            sql = "INSERT INTO staff_pin VALUES (?1, ?2, ?3) ON CONFLICT (staff_id) DO UPDATE SET hash = ?2, set_ns = ?3"
            conn.execute(sql, (staff_id, hashed, now_ns))
            self._audit.append(conn, actor=actor.id, action="pin.set", subject=staff_id)

        await self._db.write(unit, lane=Lane.NOW)
        return pin

    async def fits(self, staff_id: str, pin: str, peer: str) -> bool:
        """Whether it is this person's; takes as long for somebody without one. Raises TooManyAttempts."""
        keys = await self._attempts.begin(f"pin:{staff_id}", peer)
        hashed = await self._db.read(lambda conn: conn.execute("SELECT hash FROM staff_pin WHERE staff_id = ?", (staff_id,)).fetchone())
        try:
            fits = await self._hasher.verify(None if hashed is None else str(hashed[0]), pin)
        except Busy as busy:
            raise TooManyAttempts(2) from busy
        if fits:
            await self._attempts.succeeded(keys)
        return fits

    async def having(self) -> frozenset[str]:
        """Staff who have a PIN."""
        rows = await self._db.read(lambda conn: conn.execute("SELECT staff_id FROM staff_pin").fetchall())
        return frozenset(str(row[0]) for row in rows)
