"""Invitations: a link, good once and for some days, by which a person gets what a resident has consented to. Only its hash is stored."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import apsw

from gateway.registry.ids import uuid7
from gateway.store import Component

TOKEN_BYTES = 24
RELATIONS = ("self", "spouse", "child", "sibling", "relative", "guardian", "friend", "other")

COMPONENT = Component(
    "invitation",
    (
        """
        CREATE TABLE invitation (
            id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, resident_id TEXT NOT NULL, name TEXT NOT NULL, relation TEXT NOT NULL,
            classes TEXT NOT NULL, until_ns INTEGER NOT NULL, giver TEXT NOT NULL, guardian INTEGER NOT NULL, text_version TEXT NOT NULL,
            text_sha256 TEXT NOT NULL, created_by TEXT NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL,
            used_ns INTEGER, used_by TEXT NOT NULL DEFAULT '', withdrawn_ns INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX invitation_resident ON invitation (resident_id, created_ns);
        """,
    ),
)
_COLUMNS = (
    "id, resident_id, name, relation, classes, until_ns, giver, guardian, text_version, text_sha256, created_by, created_ns, expires_ns,"
    " used_ns, used_by, withdrawn_ns"
)
_BY_HASH = f"SELECT {_COLUMNS} FROM invitation WHERE hash = ?"  # noqa: S608 - our own column names
_FIND = f"SELECT {_COLUMNS} FROM invitation WHERE id = ?"  # noqa: S608
_OF = f"SELECT {_COLUMNS} FROM invitation WHERE resident_id = ? ORDER BY created_ns DESC LIMIT ?"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Who is invited to see what of whom, until when, and who signed for it."""

    id: str
    resident_id: str
    name: str  # of the person who is invited
    relation: str
    classes: tuple[str, ...]
    until_ns: int  # end of the consent
    giver: str
    guardian: bool
    text_version: str
    text_sha256: str
    created_by: str
    created_ns: int
    expires_ns: int  # end of the link
    used_ns: int | None = None
    used_by: str = ""
    withdrawn_ns: int | None = None

    def state(self, now_ns: int) -> str:
        """open, used, withdrawn or expired."""
        if self.used_ns is not None:
            return "used"
        if self.withdrawn_ns is not None:
            return "withdrawn"
        return "expired" if now_ns >= min(self.expires_ns, self.until_ns) else "open"


def make(
    conn: apsw.Connection, *, resident_id: str, name: str, relation: str, classes: Sequence[str], until_ns: int, giver: str,
    guardian: bool, text_version: str, text_sha256: str, by: str, now_ns: int, expires_ns: int,
) -> tuple[Invitation, str]:  # fmt: skip
    """Write an invitation; returns it with its token, which nobody can find out again."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    made = Invitation(
        id=uuid7(now_ns), resident_id=resident_id, name=name, relation=relation, classes=tuple(dict.fromkeys(classes)), until_ns=until_ns,
        giver=giver, guardian=guardian, text_version=text_version, text_sha256=text_sha256, created_by=by, created_ns=now_ns,
        expires_ns=expires_ns,
    )  # fmt: skip
    conn.execute(
        "INSERT INTO invitation (id, hash, resident_id, name, relation, classes, until_ns, giver, guardian, text_version, text_sha256,"
        " created_by, created_ns, expires_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            made.id, digest(token), resident_id, name, relation, json.dumps(made.classes), until_ns, giver, int(guardian), text_version,
            text_sha256, by, now_ns, expires_ns,
        ),
    )  # fmt: skip
    return made, token


def opened(conn: apsw.Connection, token: str, now_ns: int) -> Invitation | None:
    """What a token opens now; None for one that is unknown, used, withdrawn or over."""
    row = conn.execute(_BY_HASH, (digest(token),)).fetchone()
    found = None if row is None else _invitation(row)
    return found if found is not None and found.state(now_ns) == "open" else None


def use(conn: apsw.Connection, invitation: Invitation, *, by: str, now_ns: int) -> Invitation:
    """It opens nothing any more."""
    conn.execute("UPDATE invitation SET used_ns = ?, used_by = ? WHERE id = ?", (now_ns, by, invitation.id))
    return replace(invitation, used_ns=now_ns, used_by=by)


def withdraw(conn: apsw.Connection, invitation: Invitation, now_ns: int) -> Invitation:
    """Take back one that nobody has used."""
    conn.execute("UPDATE invitation SET withdrawn_ns = ? WHERE id = ?", (now_ns, invitation.id))
    return replace(invitation, withdrawn_ns=now_ns)


def find(conn: apsw.Connection, invitation_id: str) -> Invitation | None:
    """One invitation."""
    row = conn.execute(_FIND, (invitation_id,)).fetchone()
    return None if row is None else _invitation(row)


def of_resident(conn: apsw.Connection, resident_ids: tuple[str, ...], limit: int = 50) -> list[Invitation]:
    """Invitations about a resident, newest first."""
    found: list[Invitation] = []
    for resident_id in resident_ids:
        found += [_invitation(row) for row in conn.execute(_OF, (resident_id, limit))]
    return sorted(found, key=lambda one: (one.created_ns, one.id), reverse=True)[:limit]


def digest(token: str) -> bytes:
    """What the store knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _invitation(row: tuple[Any, ...]) -> Invitation:
    return Invitation(
        id=row[0], resident_id=row[1], name=row[2], relation=row[3], classes=tuple(json.loads(row[4])), until_ns=row[5], giver=row[6],
        guardian=bool(row[7]), text_version=row[8], text_sha256=row[9], created_by=row[10], created_ns=row[11], expires_ns=row[12],
        used_ns=row[13], used_by=row[14], withdrawn_ns=row[15],
    )  # fmt: skip
