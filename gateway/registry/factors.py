"""The second factor of a sign-in: six digits of an authenticator app (TOTP, RFC 6238), each step good for one sign-in only."""

from __future__ import annotations

import secrets

import apsw
import pyotp

from gateway.clock import NS_PER_S
from gateway.registry.errors import ConflictError, RegistryError
from gateway.registry.tx import Tx
from gateway.store import Component

STEP_S = 30
DRIFT_STEPS = 1  # a phone's clock may be this far off, either way (RFC 6238, section 5.2)
ISSUER = "Anxin"

# The secret has to be readable to be checked: it stands in store.sqlite and its backups, which only their owner can open.
COMPONENT = Component(
    name="second_factor",
    migrations=(
        """
        CREATE TABLE second_factor (
            user_id TEXT PRIMARY KEY, secret TEXT NOT NULL, confirmed_ns INTEGER, last_step INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)


def begin(tx: Tx, user_id: str) -> str:
    """Make a secret that counts only once a code of it was shown; one that counts already must be taken away first."""
    if is_on(tx.conn, user_id):
        raise ConflictError("second_factor.on", field="user")
    secret = pyotp.random_base32()
    tx.conn.execute("INSERT OR REPLACE INTO second_factor VALUES (?, ?, NULL, 0)", (user_id, secret))
    tx.note("user.second_factor_begun", user_id)
    return secret


def confirm(tx: Tx, user_id: str, code: str) -> None:
    """Let the secret count from now on: the app has shown that it knows it."""
    if is_on(tx.conn, user_id) or not _spend(tx.conn, user_id, code, tx.now_ns):
        raise RegistryError("second_factor.wrong", field="code")
    tx.conn.execute("UPDATE second_factor SET confirmed_ns = ? WHERE user_id = ?", (tx.now_ns, user_id))
    tx.emit("user.second_factor_on", user_id, {"id": user_id})


def remove(tx: Tx, user_id: str) -> None:
    """Take the second factor away; all sessions of the person end."""
    tx.conn.execute("DELETE FROM second_factor WHERE user_id = ?", (user_id,))
    if tx.conn.changes():
        tx.conn.execute("DELETE FROM session WHERE user_id = ?", (user_id,))
        tx.emit("user.second_factor_off", user_id, {"id": user_id})


def is_on(conn: apsw.Connection, user_id: str) -> bool:
    """Whether a sign-in of this person needs a code."""
    return conn.execute("SELECT 1 FROM second_factor WHERE user_id = ? AND confirmed_ns IS NOT NULL", (user_id,)).fetchone() is not None


def accept(conn: apsw.Connection, user_id: str, code: str, now_ns: int) -> bool:
    """Whether the code is right and was not used before; it is used up then. Runs inside a write."""
    return is_on(conn, user_id) and _spend(conn, user_id, code, now_ns)


def uri(secret: str, login: str) -> str:
    """What an authenticator app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def _spend(conn: apsw.Connection, user_id: str, code: str, now_ns: int) -> bool:
    row = conn.execute("SELECT secret, last_step FROM second_factor WHERE user_id = ?", (user_id,)).fetchone()
    digits = code.replace(" ", "")
    if row is None or len(digits) != 6 or not digits.isascii():
        return False
    totp, now_step = pyotp.TOTP(str(row[0])), now_ns // NS_PER_S // STEP_S
    for step in range(now_step - DRIFT_STEPS, now_step + DRIFT_STEPS + 1):
        if step > int(row[1]) and secrets.compare_digest(totp.generate_otp(step), digits):
            conn.execute("UPDATE second_factor SET last_step = ? WHERE user_id = ?", (step, user_id))
            return True
    return False
