"""Screens and phones that the house knows: a wall display that only shows, and phones on which staff sign in with a PIN."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import apsw

from gateway.clock import NS_PER_S
from gateway.registry import check
from gateway.registry.errors import ConflictError, NotFoundError
from gateway.registry.tx import Tx
from gateway.registry.view import User
from gateway.store import Component
from gateway.vocabulary import Role

NS_PER_MS = 1_000_000
KINDS = ("display", "phone")
CODE_S = 900  # so long the code may be typed at the terminal, once
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0, 1, O, I, L: it is read from one screen and typed on another
_LENGTH = 8

COMPONENT = Component(
    name="terminal",
    migrations=(
        """
        CREATE TABLE terminal (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, site_id TEXT NOT NULL, user_id TEXT,
            code_hash BLOB UNIQUE, code_until_ns INTEGER, id_hash BLOB UNIQUE,
            created_ns INTEGER NOT NULL, used_ns INTEGER, revoked_ns INTEGER
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)
_BY_ID = "SELECT id, kind, name, site_id, user_id, code_until_ns, created_ns, used_ns, revoked_ns FROM terminal WHERE id = ?"
_BY_COOKIE = """
    SELECT id, kind, name, site_id, user_id, code_until_ns, created_ns, used_ns, revoked_ns FROM terminal
    WHERE id_hash = ? AND revoked_ns IS NULL
"""
_ALL = """
    SELECT id, kind, name, site_id, user_id, code_until_ns, created_ns, used_ns, revoked_ns FROM terminal
    ORDER BY revoked_ns IS NOT NULL, name, id LIMIT 1000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """One terminal; `user_id` is the account of a display, which nobody can sign in to."""

    id: str
    kind: str
    name: str
    site_id: str
    user_id: str | None
    code_until_ns: int | None  # the code is still to be typed
    created_ns: int
    used_ns: int | None
    revoked_ns: int | None


def add(tx: Tx, *, kind: str, name: str, site: str) -> tuple[Terminal, str]:
    """Enter a terminal; returns it with the code that makes a browser this terminal, shown once."""
    check.word("kind", kind, KINDS)
    name = check.text("name", name)
    site_id = tx.find(tx.view.sites, "site", site).id
    terminal_id, code = tx.new_id(), "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    user_id = _display_account(tx, name, site_id) if kind == "display" else None
    values = (terminal_id, kind, name, site_id, user_id, digest(code), tx.now_ns + CODE_S * NS_PER_S, tx.now_ns)
    tx.conn.execute(
        "INSERT INTO terminal (id, kind, name, site_id, user_id, code_hash, code_until_ns, created_ns) VALUES (?,?,?,?,?,?,?,?)", values
    )
    tx.emit("terminal.added", terminal_id, {"id": terminal_id, "kind": kind, "name": name, "site_id": site_id})
    return _must(tx.conn, terminal_id), code


def adopt(tx: Tx, code: str, id_hash: bytes) -> Terminal:
    """Make a browser the terminal of this code; the code is used up. Raises NotFoundError for a wrong or old one."""
    row = tx.conn.execute(
        "SELECT id FROM terminal WHERE code_hash = ? AND code_until_ns > ? AND revoked_ns IS NULL", (digest(code), tx.now_ns)
    ).fetchone()
    if row is None:
        raise NotFoundError("code", "?")
    values = (id_hash, tx.now_ns, row[0])
    tx.conn.execute("UPDATE terminal SET code_hash = NULL, code_until_ns = NULL, id_hash = ?, used_ns = ? WHERE id = ?", values)
    tx.note("terminal.adopted", str(row[0]))
    return _must(tx.conn, str(row[0]))


def revoke(tx: Tx, terminal_id: str) -> None:
    """End a terminal: its cookie is worth nothing from now on, and the sessions that were opened on it are over."""
    terminal = _must(tx.conn, terminal_id)
    if terminal.revoked_ns is not None:
        raise ConflictError("terminal.revoked", field="terminal")
    tx.conn.execute("UPDATE terminal SET revoked_ns = ?, code_hash = NULL, code_until_ns = NULL WHERE id = ?", (tx.now_ns, terminal_id))
    tx.conn.execute("DELETE FROM session WHERE terminal_id = ?", (terminal_id,))
    if terminal.user_id is not None:
        tx.put("user.set", replace(tx.view.users[terminal.user_id], status="disabled"))
    tx.emit("terminal.revoked", terminal_id, {"id": terminal_id})


def of_cookie(conn: apsw.Connection, token: str) -> Terminal | None:
    """The terminal behind a cookie; None for a revoked or unknown one."""
    row = conn.execute(_BY_COOKIE, (digest(token),)).fetchone()
    return None if row is None else _terminal(row)


def used(conn: apsw.Connection, terminal_id: str, now_ns: int) -> None:
    """Note that somebody signed in there."""
    conn.execute("UPDATE terminal SET used_ns = ? WHERE id = ?", (now_ns, terminal_id))


def listing(conn: apsw.Connection) -> list[Terminal]:
    """All terminals, those in use first, then by name."""
    return [_terminal(row) for row in conn.execute(_ALL)]


def shown(terminal: Terminal) -> dict[str, Any]:
    """As the API says it, in milliseconds."""
    return {
        (name.removesuffix("_ns") + "_ms" if name.endswith("_ns") else name): (
            value // NS_PER_MS if name.endswith("_ns") and value is not None else value
        )
        for name, value in asdict(terminal).items()
        if name != "user_id"
    }


def digest(secret: str) -> bytes:
    """Hash under which a code or cookie is kept."""
    return hashlib.sha256(secret.strip().encode("utf-8", "surrogatepass")).digest()


def _display_account(tx: Tx, name: str, site_id: str) -> str:
    user_id = tx.new_id()
    user = User(id=user_id, login=f"display-{user_id}", name=name, role=Role.DISPLAY.value, site_ids=(site_id,))
    # A hash that no password has: an account that is only ever opened by its terminal's code.
    tx.conn.execute(
        "INSERT INTO account (user_id, login, hash, must_change, changed_ns) VALUES (?,?,'!',0,?)", (user.id, user.login, tx.now_ns)
    )
    tx.put("user.set", user)
    return user.id


def _must(conn: apsw.Connection, terminal_id: str) -> Terminal:
    row = conn.execute(_BY_ID, (terminal_id,)).fetchone()
    if row is None:
        raise NotFoundError("terminal", terminal_id[:64])
    return _terminal(row)


def _terminal(row: tuple[Any, ...]) -> Terminal:
    names = (field.name for field in fields(Terminal))
    return Terminal(**dict(zip(names, row, strict=True)))
