"""Links in messages: one alert and one recipient each, good for some hours; the store knows only their hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.notify.base import Page
from gateway.processes import write_private
from gateway.store import Component, Database, Lane, StoreError

HOURS = 12.0
OF_MANY = "digest."  # a summary is about no single alert
KEY_BYTES = 32

COMPONENT = Component(
    "link",
    (
        """
        CREATE TABLE link (
            hash BLOB PRIMARY KEY, alert_id TEXT NOT NULL, recipient TEXT NOT NULL, shared INTEGER NOT NULL, created_ns INTEGER NOT NULL,
            expires_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX link_expires ON link (expires_ns);
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a token opens; a shared one (a group chat, the desk) asks who is there."""

    alert_id: str
    recipient: str
    shared: bool
    expires_ns: int


class Links:
    """Makes links when a message goes out; the same message always carries the same link."""

    def __init__(self, key: bytes, db: Database, clock: Clock, public_url: str, hours: float = HOURS) -> None:
        self._key, self._db, self._clock = key, db, clock
        self._url = public_url.rstrip("/")
        self._span_ns = round(hours * 3600 * NS_PER_S)

    @classmethod
    def open(cls, key_file: Path, db: Database, clock: Clock, public_url: str, hours: float = HOURS) -> Links:
        """With the key of the data folder, made at first start."""
        if not key_file.exists():
            write_private(key_file, secrets.token_hex(KEY_BYTES))
        if key_file.stat().st_mode & 0o077:
            raise PermissionError(f"{key_file} can be read by others: chmod 600 it, or delete it (open links end then)")
        return cls(bytes.fromhex(key_file.read_text(encoding="ascii").strip()), db, clock, public_url, hours)

    async def link_of(self, page: Page, shared: bool) -> str:
        """The page's link for the one who gets it; the sign-in link where the store cannot keep another one."""
        if not page.alert_id or page.alert_id.startswith(OF_MANY) or not self._url:
            return page.link
        shared = shared or page.recipient == "desk"
        token = self.token(page.key, shared)
        now_ns = self._clock.now_ns()
        row = (digest(token), page.alert_id, page.recipient, int(shared), now_ns, now_ns + self._span_ns)

        def keep(conn: apsw.Connection) -> None:
            conn.execute("INSERT INTO link VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING", row)
            conn.execute("DELETE FROM link WHERE expires_ns < ?", (now_ns - self._span_ns,))

        try:
            await self._db.write(keep, lane=Lane.NOW)
        except StoreError:
            return page.link  # the message must go; whoever opens it signs in
        return f"{self._url}/m/l/{token}"

    def token(self, key: str, shared: bool) -> str:
        """192 bits made of the message's key, so that a repeated message carries the same link and none is stored."""
        mac = hmac.new(self._key, f"{key}\0{int(shared)}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac[:24]).decode()


def digest(token: str) -> bytes:
    """What the store knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def find(conn: apsw.Connection, token: str, now_ns: int) -> Link | None:
    """What a token opens now."""
    sql = "SELECT alert_id, recipient, shared, expires_ns FROM link WHERE hash = ? AND expires_ns > ?"
    row = conn.execute(sql, (digest(token), now_ns)).fetchone()
    return None if row is None else Link(alert_id=row[0], recipient=row[1], shared=bool(row[2]), expires_ns=row[3])
