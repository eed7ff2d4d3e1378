"""How a device gets its secrets, and loses them: a code for one use buys a token and, with a signing request, a certificate."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import apsw

from gateway.clock import NS_PER_S
from gateway.registry import credentials
from gateway.registry.errors import ConflictError, NotFoundError
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.store import Component, Database

CODE_CHARACTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that is taken for another
CODE_LENGTH = 10  # 49 bits, for minutes, at a few tries
VALID_S = 15 * 60
MAX_VALID_S = 7 * 86_400
MAX_CERTIFICATES = 3  # of one device at once: the present one, its successor, and one that got lost

COMPONENT = Component(
    name="device_enrolment",
    migrations=(
        """
        CREATE TABLE device_code (
            device_id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, expires_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE device_certificate (
            serial TEXT PRIMARY KEY, device_id TEXT NOT NULL, issued_ns INTEGER NOT NULL, not_after_ns INTEGER NOT NULL, revoked_ns INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX device_certificate_device ON device_certificate (device_id);
        """,
    ),
)

_PUT_CODE = """
    INSERT INTO device_code (device_id, sha256, expires_ns) VALUES (?,?,?)
    ON CONFLICT (device_id) DO UPDATE SET sha256 = excluded.sha256, expires_ns = excluded.expires_ns
"""
_PUT_CERTIFICATE = "INSERT INTO device_certificate (serial, device_id, issued_ns, not_after_ns) VALUES (?,?,?,?)"
_TOO_MANY = """
    UPDATE device_certificate SET revoked_ns = ?2 WHERE device_id = ?1 AND revoked_ns IS NULL AND serial NOT IN
        (SELECT serial FROM device_certificate WHERE device_id = ?1 AND revoked_ns IS NULL ORDER BY issued_ns DESC, serial LIMIT ?3)
"""
_LIVE = """
    SELECT device_id, serial, not_after_ns FROM device_certificate WHERE revoked_ns IS NULL AND not_after_ns > ? ORDER BY device_id, serial
"""
_REVOKED = "SELECT serial, revoked_ns FROM device_certificate WHERE revoked_ns IS NOT NULL AND not_after_ns > ? ORDER BY serial"
_NOBODY = bytes(32)


class WrongCode(ValueError):
    """The code is not this device's, was used, or is too old; which of them is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One that is in force."""

    device_id: str
    serial: str
    not_after_ns: int


def issue_code(tx: Tx, device_id: str, valid_s: int = VALID_S) -> str:
    """A code for one enrolment, shown once; a former one stops working. Runs inside a transaction."""
    _in_service(tx, device_id)
    if not 60 <= valid_s <= MAX_VALID_S:
        raise ValueError(f"a code lives for 60 s to {MAX_VALID_S // 86_400} days")
    code = "".join(secrets.choice(CODE_CHARACTERS) for _ in range(CODE_LENGTH))
    tx.conn.execute(_PUT_CODE, (device_id, _digest(code), tx.now_ns + valid_s * NS_PER_S))
    tx.emit("device.code_issued", device_id, {"id": device_id, "valid_s": valid_s})
    return f"{code[:5]}-{code[5:]}"


def enrol(tx: Tx, device_id: str, code: str, certificate: Certificate | None) -> str:
    """Use up the code: the device's new token, and its certificate is in force from now on. Runs inside a transaction."""
    row = tx.conn.execute("SELECT sha256, expires_ns FROM device_code WHERE device_id = ?", (device_id,)).fetchone()
    known, expires_ns = (_NOBODY, 0) if row is None else (bytes(row[0]), int(row[1]))
    if not hmac.compare_digest(known, _digest(code)) or expires_ns <= tx.now_ns:
        raise WrongCode
    tx.conn.execute("DELETE FROM device_code WHERE device_id = ?", (device_id,))
    token = credentials.issue(tx, device_id)
    if certificate is not None:
        put_certificate(tx, certificate)
    tx.emit("device.enrolled", device_id, {"id": device_id, "certificate": None if certificate is None else certificate.serial})
    return token


def put_certificate(tx: Tx, certificate: Certificate) -> None:
    """A certificate is in force from now on; the oldest beyond MAX_CERTIFICATES is not any more. Runs inside a transaction."""
    device_id = certificate.device_id
    _in_service(tx, device_id)
    tx.conn.execute(_PUT_CERTIFICATE, (certificate.serial, device_id, tx.now_ns, certificate.not_after_ns))
    tx.conn.execute(_TOO_MANY, (device_id, tx.now_ns, MAX_CERTIFICATES))
    tx.emit("device.certificate_issued", device_id, {"id": device_id, "serial": certificate.serial})


def revoke(tx: Tx, device_id: str) -> int:
    """Take the token, the code and all certificates away; returns how many there were. Runs inside a transaction."""
    if device_id not in tx.view.devices:
        raise NotFoundError("device", device_id[:64])
    taken = 0
    for table in ("token", "code"):
        tx.conn.execute(_DELETE[table], (device_id,))
        taken += tx.conn.changes()
    tx.conn.execute("UPDATE device_certificate SET revoked_ns = ? WHERE device_id = ? AND revoked_ns IS NULL", (tx.now_ns, device_id))
    taken += tx.conn.changes()
    tx.emit("device.revoked", device_id, {"id": device_id, "taken": taken})
    return taken


_DELETE = {"token": "DELETE FROM device_token WHERE device_id = ?", "code": "DELETE FROM device_code WHERE device_id = ?"}


def live_certificates(conn: apsw.Connection, now_ns: int) -> list[Certificate]:
    """Certificates in force, by device."""
    return [
        Certificate(device_id=device, serial=serial, not_after_ns=until_ns) for device, serial, until_ns in conn.execute(_LIVE, (now_ns,))
    ]


def mqtt_certificates(registry: Registry, db: Database, now_ns: int) -> list[tuple[str, str]]:
    """(device id, serial) of every certificate in force of a device in service, sorted."""
    devices = registry.view.devices
    rows = db.read_sync(lambda conn: live_certificates(conn, now_ns))
    return [(row.device_id, row.serial) for row in rows if row.device_id in devices and devices[row.device_id].status != "retired"]


def revoked_serials(conn: apsw.Connection, now_ns: int) -> list[tuple[str, int]]:
    """(serial, when) of certificates that were revoked and have not ended by themselves."""
    return [(serial, revoked_ns) for serial, revoked_ns in conn.execute(_REVOKED, (now_ns,))]


def _in_service(tx: Tx, device_id: str) -> None:
    device = tx.view.devices.get(device_id)
    if device is None:
        raise NotFoundError("device", device_id[:64])
    if device.status == "retired":
        raise ConflictError("device.retired", field="device", device=device_id)


def _digest(code: str) -> bytes:
    """Of what was typed, whatever the case and the dashes."""
    plain = "".join(character for character in code.upper()[:64] if character.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
