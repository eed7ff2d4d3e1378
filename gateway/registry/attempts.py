"""Guessing passwords is slowed down per login and address; people who are signed in are never touched by it."""

from __future__ import annotations

import hashlib

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.store import Database, Lane

FREE_PAIR = 5  # wrong tries of one login from one address before waiting begins
FREE_WIDE = 30  # of one login from anywhere, or from one address with any login
FIRST_WAIT_S = 30
LONGEST_WAIT_S = 900
LONGEST_WIDE_WAIT_S = 60
FORGET_S = 3600  # after the last try


class TooManyAttempts(RuntimeError):
    """Wait `retry_after_s` before the next try; the same whether the login exists or not."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts; wait {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Attempts:
    """Counts tries before they are checked, so that guesses made at the same time count as well; kept in the store over a restart."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def begin(self, login: str, peer: str) -> tuple[bytes, ...]:
        """Count a try; raises TooManyAttempts where one has to wait. Returns the keys for `succeeded`."""
        pair = _key("pair", login, peer)
        limits = {pair: FREE_PAIR, _key("login", login): FREE_WIDE}
        if peer:
            limits[_key("peer", peer)] = FREE_WIDE
        now = self._clock.now_ns()
        wait_s = await self._db.write(lambda conn: _count(conn, limits, now), lane=Lane.NOW)
        if wait_s > 0:
            raise TooManyAttempts(wait_s)
        return tuple(limits)

    async def succeeded(self, keys: tuple[bytes, ...]) -> None:
        """Take the try back: forget those of this login from this address, and discount one from the wider ones."""
        await self._db.write(lambda conn: _forgive(conn, keys), lane=Lane.NOW)


def _key(*parts: str) -> bytes:
    """Hash of what was tried: no address and no mistyped password in the login field is ever stored."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _count(conn: apsw.Connection, limits: dict[bytes, int], now_ns: int) -> int:
    conn.execute("DELETE FROM sign_in_attempt WHERE last_ns < ?", (now_ns - FORGET_S * NS_PER_S,))
    wait_s = 0
    for key, free in limits.items():
        row = conn.execute("SELECT failures, last_ns FROM sign_in_attempt WHERE key = ?", (key,)).fetchone()
        if row is not None and row[0] >= free:
            # A wide wait stays short: a stranger who guesses must not keep a colleague out for long.
            pause_s = min(FIRST_WAIT_S * 2 ** min(row[0] - free, 10), LONGEST_WAIT_S if free == FREE_PAIR else LONGEST_WIDE_WAIT_S)
            rest_ns = min(row[1] + pause_s * NS_PER_S - now_ns, pause_s * NS_PER_S)  # not longer after a step of the clock
            wait_s = max(wait_s, -(-rest_ns // NS_PER_S))
    if wait_s > 0:
        return wait_s  # a try that is refused unseen does not lengthen the wait
    for key in limits:
        conn.execute(
            "INSERT INTO sign_in_attempt (key, failures, last_ns) VALUES (?1, 1, ?2)"
            " ON CONFLICT (key) DO UPDATE SET failures = failures + 1, last_ns = ?2",
            (key, now_ns),
        )
    return 0


def _forgive(conn: apsw.Connection, keys: tuple[bytes, ...]) -> None:
    pair, *wide = keys
    conn.execute("DELETE FROM sign_in_attempt WHERE key = ?", (pair,))
    for key in wide:
        conn.execute("UPDATE sign_in_attempt SET failures = failures - 1 WHERE key = ? AND failures > 0", (key,))
