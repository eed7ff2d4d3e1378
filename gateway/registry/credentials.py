"""Secrets of devices: one random token each, kept as hashes only; SHA-256 for HTTP, bcrypt for the broker's user list."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import apsw
import bcrypt

from gateway.registry.errors import ConflictError, NotFoundError
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.store import Component, Database
from gateway.vocabulary import Actor

TOKEN_BYTES = 32
BCRYPT_COST = 5  # guessing 256 random bits is hopeless at any cost, and a broker checks this for every connection

COMPONENT = Component(
    name="device_token",
    migrations=(
        """
        CREATE TABLE device_token (
            device_id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, bcrypt TEXT NOT NULL, issued_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)

_PUT = """
    INSERT INTO device_token (device_id, sha256, bcrypt, issued_ns) VALUES (?,?,?,?)
    ON CONFLICT (device_id) DO UPDATE SET sha256 = excluded.sha256, bcrypt = excluded.bcrypt, issued_ns = excluded.issued_ns
"""
_NOBODY = bytes(32)


def issue(tx: Tx, device_id: str) -> str:
    """Make a new token for a known device, shown once; a former one stops working. Runs inside a transaction."""
    device = tx.view.devices.get(device_id)
    if device is None:
        raise NotFoundError("device", device_id[:64])
    if device.status == "retired":
        raise ConflictError("device.retired", field="device", device=device_id)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    hashed = bcrypt.hashpw(token.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
    tx.conn.execute(_PUT, (device_id, _sha256(token), hashed, tx.now_ns))
    tx.emit("device.token_issued", device_id, {"id": device_id})
    return token


def revoke(tx: Tx, device_id: str) -> None:
    """Take a device's token away. Runs inside a transaction."""
    tx.conn.execute("DELETE FROM device_token WHERE device_id = ?", (device_id,))
    if tx.conn.changes() == 0:
        raise NotFoundError("device", device_id[:64])
    tx.emit("device.token_revoked", device_id, {"id": device_id})


class DeviceTokens:
    """Checks tokens and lists the broker's users; devices out of service have neither."""

    def __init__(self, registry: Registry, db: Database) -> None:
        self._registry = registry
        self._db = db

    async def issue(self, actor: Actor, device_id: str) -> str:
        """Make a new token for a known device, shown once; a former one stops working."""
        return await self._registry.do(actor, issue, device_id)

    def issue_sync(self, actor: Actor, device_id: str) -> str:
        """Make one from a command line or a test."""
        return self._registry.do_sync(actor, issue, device_id)

    async def revoke(self, actor: Actor, device_id: str) -> None:
        """Take a device's token away."""
        await self._registry.do(actor, revoke, device_id)

    def verify(self, device_id: str, token: str) -> bool:
        """Whether the token is this device's, in the same time whether the device exists or not."""
        row = self._db.read_sync(lambda conn: _hash_of(conn, device_id))
        same = hmac.compare_digest(row or _NOBODY, _sha256(token))
        return same and row is not None and self._in_service(device_id)

    def mqtt_users(self) -> list[tuple[str, str]]:
        """(device id, bcrypt hash) of every device in service that has a token, sorted; the user name at the broker is the device id."""
        return [(device_id, hashed) for device_id, hashed in self._db.read_sync(_all) if self._in_service(device_id)]

    def _in_service(self, device_id: str) -> bool:
        device = self._registry.view.devices.get(device_id)
        return device is not None and device.status != "retired"


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _hash_of(conn: apsw.Connection, device_id: str) -> bytes | None:
    row = conn.execute("SELECT sha256 FROM device_token WHERE device_id = ?", (device_id,)).fetchone()
    return None if row is None else bytes(row[0])


def _all(conn: apsw.Connection) -> list[tuple[str, str]]:
    return [(device_id, hashed) for device_id, hashed in conn.execute("SELECT device_id, bcrypt FROM device_token ORDER BY device_id")]
