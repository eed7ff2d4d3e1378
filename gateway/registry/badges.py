"""What a resident shows at a kiosk: a card's number, a QR code, a PIN. The store knows keyed digests only, for card numbers are short."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

import apsw

from gateway.processes import write_private
from gateway.registry import check
from gateway.registry.errors import ConflictError, RegistryError
from gateway.registry.tx import Tx
from gateway.store import Component

KEY_BYTES = 32
KINDS = ("card", "qr", "pin")
PIN_DIGITS = 6
QR_PREFIX = "anxin:"
_CARD = re.compile(r"[0-9A-F]{4,64}")
COMPONENT = Component(
    "badge",
    (
        """
        CREATE TABLE badge (
            id TEXT PRIMARY KEY, resident_id TEXT NOT NULL, kind TEXT NOT NULL, digest BLOB NOT NULL, issued_ns INTEGER NOT NULL,
            revoked_ns INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX badge_digest ON badge (digest) WHERE revoked_ns IS NULL;
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """One thing that a resident can show."""

    id: str
    resident_id: str
    kind: str
    issued_ns: int
    revoked_ns: int | None = None


class Badges:
    """Gives and recognises badges with the key of the data folder."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def open(cls, key_file: Path) -> Badges:
        """With the key, made at the first start."""
        if not key_file.exists():
            write_private(key_file, secrets.token_hex(KEY_BYTES))
        if key_file.stat().st_mode & 0o077:
            raise PermissionError(f"{key_file} can be read by others: chmod 600 it")
        return cls(bytes.fromhex(key_file.read_text(encoding="ascii").strip()))

    def give(self, tx: Tx, resident: str, kind: str, card: str | None = None) -> tuple[Badge, str]:
        """A badge for a resident, and what it is as text: shown once, to be printed or learnt. A card brings its own number."""
        person = tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id)
        kind = check.word("kind", kind, KINDS)
        if (kind == "card") is not bool(card):
            raise RegistryError("text.empty", field="card")
        if kind == "card":
            secret = card_number(card or "")
        elif kind == "qr":
            secret = QR_PREFIX + secrets.token_urlsafe(16)
        else:
            secret = self._free_pin(tx.conn)
        digest = self.digest(kind, secret)
        if tx.conn.execute("SELECT 1 FROM badge WHERE digest = ? AND revoked_ns IS NULL", (digest,)).fetchone() is not None:
            raise ConflictError("code.taken", field="card", value=secret[-4:])
        row = Badge(id=tx.new_id(), resident_id=person, kind=kind, issued_ns=tx.now_ns)
        values = (row.id, person, kind, digest, tx.now_ns)
        tx.conn.execute("INSERT INTO badge(id, resident_id, kind, digest, issued_ns) VALUES(?, ?, ?, ?, ?)", values)
        tx.note("badge.given", row.id, resident=person, kind=kind)
        return row, secret

    def _free_pin(self, conn: apsw.Connection) -> str:
        """Six digits that nobody else has: the PIN alone says who it is."""
        for _ in range(1000):
            pin = f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"
            taken = conn.execute("SELECT 1 FROM badge WHERE digest = ? AND revoked_ns IS NULL", (self.digest("pin", pin),)).fetchone()
            if taken is None and len(set(pin)) > 2:
                return pin
        raise ConflictError("code.taken", field="pin", value="")

    def owner(self, conn: apsw.Connection, kind: str, secret: str) -> str | None:
        """Whose it is, None for an unknown or revoked one."""
        shown = card_number(secret) if kind == "card" else secret
        sql = "SELECT resident_id FROM badge WHERE digest = ? AND kind = ? AND revoked_ns IS NULL"
        row = conn.execute(sql, (self.digest(kind, shown), kind)).fetchone()
        return None if row is None else str(row[0])

    def digest(self, kind: str, secret: str) -> bytes:
        """What the store knows of it."""
        return hmac.new(self._key, f"{kind}\0{secret}".encode(), hashlib.sha256).digest()


def card_number(text: str) -> str:
    """A card's number as readers write it: hexadecimal or decimal digits, with or without separators."""
    number = re.sub(r"[\s:-]", "", text).upper()
    if _CARD.fullmatch(number) is None:
        raise RegistryError("word.unknown", field="card", allowed="4-64 × 0-9 A-F")
    return number


def find(conn: apsw.Connection, badge_id: str) -> Badge | None:
    """A badge by its id."""
    row = conn.execute("SELECT id, resident_id, kind, issued_ns, revoked_ns FROM badge WHERE id = ?", (badge_id,)).fetchone()
    return None if row is None else Badge(id=row[0], resident_id=row[1], kind=row[2], issued_ns=row[3], revoked_ns=row[4])


def of_resident(conn: apsw.Connection, resident_id: str) -> list[Badge]:
    """What a resident can show now."""
    sql = "SELECT id, kind, issued_ns FROM badge WHERE resident_id = ? AND revoked_ns IS NULL ORDER BY issued_ns"
    return [Badge(id=row[0], resident_id=resident_id, kind=row[1], issued_ns=row[2]) for row in conn.execute(sql, (resident_id,))]


def revoke(tx: Tx, badge_id: str) -> Badge | None:
    """It opens nothing any more."""
    tx.conn.execute("UPDATE badge SET revoked_ns = ? WHERE id = ? AND revoked_ns IS NULL", (tx.now_ns, badge_id))
    row = find(tx.conn, badge_id)
    if row is not None:
        tx.note("badge.revoked", row.id, resident=row.resident_id, kind=row.kind)
    return row
