"""People who sign in: accounts, passwords, and sessions that the server can end at once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.registry import check, factors
from gateway.registry.attempts import Attempts, TooManyAttempts
from gateway.registry.errors import ConflictError, NotFoundError, RegistryError
from gateway.registry.passwords import Busy, Hasher, check_strength, one_time
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.registry.view import User
from gateway.store import Component, Database, Lane
from gateway.vocabulary import Actor, Role

LANGUAGES = ("zh", "en")
IDLE_S = {Role.CAREGIVER: 12 * 3600, Role.FAMILY: 24 * 3600, Role.CLINICIAN: 900, Role.OPERATOR: 1800, Role.ADMIN: 900}
IDLE_S[Role.SUPERVISOR] = 1800
IDLE_S[Role.DISPLAY] = 400 * 86_400  # a screen on the wall goes on until it is revoked
_DAY_S = 86400
LONGEST_S = {Role.CAREGIVER: 7 * _DAY_S, Role.FAMILY: 30 * _DAY_S, Role.CLINICIAN: _DAY_S, Role.OPERATOR: _DAY_S, Role.ADMIN: _DAY_S}
LONGEST_S[Role.SUPERVISOR] = _DAY_S
LONGEST_S[Role.DISPLAY] = 400 * _DAY_S
TOUCH_S = 30  # a session's last use is written at most this often
SESSIONS_PER_USER = 20  # the oldest ones end

COMPONENT = Component(
    name="account",
    migrations=(
        """
        CREATE TABLE account (
            user_id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, must_change INTEGER NOT NULL,
            changed_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE session (
            id_hash BLOB PRIMARY KEY, user_id TEXT NOT NULL, role TEXT NOT NULL, created_ns INTEGER NOT NULL, used_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX session_user ON session (user_id, used_ns);
        CREATE TABLE sign_in_attempt (
            key BLOB PRIMARY KEY, failures INTEGER NOT NULL, last_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX sign_in_attempt_last ON sign_in_attempt (last_ns);
        """,
        "ALTER TABLE session ADD COLUMN terminal_id TEXT",
    ),
)


class SignInRefused(RuntimeError):
    """Login or password is wrong, or the account is disabled: nobody learns which."""


class CodeNeeded(RuntimeError):
    """The password fits; the code of the second factor is still to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A live session; `form_token` proves that a form of the script-free pages came from us."""

    user: User
    must_change: bool
    form_token: str
    expires_ns: int  # unless it is used again; never beyond the role's longest


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A new session; `token` goes into the cookie and is stored nowhere."""

    token: str
    session: Session


class Accounts:
    """Accounts and sessions in store.sqlite; every change of an account ends the sessions that it concerns."""

    def __init__(self, registry: Registry, db: Database, clock: Clock, hasher: Hasher | None = None) -> None:
        self._registry = registry
        self._db = db
        self._clock = clock
        self.hasher = self._hasher = Hasher() if hasher is None else hasher
        self._attempts = Attempts(db, clock)

    def close(self) -> None:
        """Stop the hashing threads."""
        self._hasher.close()

    # --- accounts --------------------------------------------------------------------------------------------------

    async def create(
        self, actor: Actor, *, login: str, password: str | None = None, must_change: bool = True, **fields: Any
    ) -> tuple[User, str]:
        """Create an account (fields: name, role, site_ids, resident_ids, staff_id, lang, user_id); returns it with its password.

        Without a password a random one is made, to be shown once.
        """
        secret = _chosen(password, login)
        hashed = await self._hasher.hash(secret)
        user = await self._registry.do(actor, create_account, login=login, hashed=hashed, must_change=must_change, **fields)
        return user, secret

    def create_sync(
        self, actor: Actor, *, login: str, password: str | None = None, must_change: bool = True, **fields: Any
    ) -> tuple[User, str]:
        """Create one from a command line."""
        secret = _chosen(password, login)
        hashed = self._hasher.hash_sync(secret)
        return self._registry.do_sync(actor, create_account, login=login, hashed=hashed, must_change=must_change, **fields), secret

    async def change(self, actor: Actor, user_id: str, **fields: Any) -> User:
        """Change what an account says of a person; a new role, reach or status ends the person's sessions."""
        return await self._registry.do(actor, change_account, user_id, **fields)

    async def reset_password(self, actor: Actor, user_id: str, *, must_change: bool = True) -> str:
        """Give a new one-time password, shown once; ends all sessions of the person."""
        secret = one_time()
        hashed = await self._hasher.hash(secret)
        await self._registry.do(actor, set_password, user_id, hashed=hashed, must_change=must_change, keep=None)
        return secret

    def reset_password_sync(self, actor: Actor, user_id: str) -> str:
        """Reset it from a command line."""
        secret = one_time()
        hashed = self._hasher.hash_sync(secret)
        self._registry.do_sync(actor, set_password, user_id, hashed=hashed, must_change=True, keep=None)
        return secret

    async def prove(self, user_id: str, password: str, *, peer: str = "") -> None:
        """Ask somebody who is signed in for the password again; raises SignInRefused or TooManyAttempts."""
        keys = await self._attempts.begin(self._registry.view.users[user_id].login, peer)
        if not await self._hasher.verify(await self._db.read(lambda conn: _hash_of(conn, user_id)), password):
            raise SignInRefused
        await self._attempts.succeeded(keys)

    async def change_password(self, actor: Actor, token: str, old: str, new: str, *, peer: str = "") -> None:
        """Change one's own password; the other sessions end. A wrong old one counts as a failed sign-in."""
        user = self._registry.view.users[actor.id]
        try:
            await self.prove(user.id, old, peer=peer)
        except SignInRefused:
            raise RegistryError("password.wrong", field="old") from None
        check_strength(new, user.login)
        hashed = await self._hasher.hash(new)
        await self._registry.do(actor, set_password, user.id, hashed=hashed, must_change=False, keep=_digest(token))

    # --- sessions --------------------------------------------------------------------------------------------------

    async def sign_in(
        self,
        login: str,
        password: str,
        *,
        code: str = "",
        peer: str = "",
        former_token: str | None = None,
        only: frozenset[Role] = frozenset(),
    ) -> SignIn:
        """Start a session under a new id (a former one ends). Raises SignInRefused, CodeNeeded or TooManyAttempts.

        Nobody learns which account exists. `only`: other roles are refused like a wrong password.
        """
        folded = _folded(login)
        keys = await self._attempts.begin(folded, peer)
        found = await self._db.read(lambda conn: _account(conn, folded))
        try:
            fits = await self._hasher.verify(None if found is None else found[1], password)
        except Busy as busy:
            raise TooManyAttempts(2) from busy
        user = None if found is None else self._registry.view.users.get(found[0])
        if not fits or user is None or user.status != "active" or (only and Role(user.role) not in only):
            await self._registry.do(Actor(id=found[0] if found else "unknown"), _note_refusal)
            raise SignInRefused
        if await self._db.read(lambda conn: factors.is_on(conn, user.id)):
            if not code:
                raise CodeNeeded
            now = self._clock.now_ns()
            if not await self._db.write(lambda conn: factors.accept(conn, user.id, code, now), lane=Lane.NOW):
                await self._registry.do(Actor(id=user.id), _note_refusal)
                raise SignInRefused
        await self._attempts.succeeded(keys)
        return await self.open(user, former_token=former_token)

    async def open(self, user: User, *, former_token: str | None = None, terminal_id: str | None = None) -> SignIn:
        """Start a session of somebody who was proven to be this person; raises SignInRefused for a disabled account."""
        token = secrets.token_urlsafe(32)
        former = None if former_token is None else _digest(former_token)
        actor = Actor(id=user.id, name=user.name, role=Role(user.role))
        await self._registry.do(actor, _open_session, user_id=user.id, id_hash=_digest(token), former=former, terminal_id=terminal_id)
        session = await self.session(token)
        if session is None:
            raise SignInRefused  # disabled between the two
        return SignIn(token=token, session=session)

    async def session(self, token: str, *, touch: bool = True) -> Session | None:
        """Look a session up; None once it is over. `touch` False (streams, polling) does not keep it alive."""
        digest = _digest(token)
        row = await self._db.read(lambda conn: _session_row(conn, digest))
        if row is None:
            return None
        user_id, role, created_ns, used_ns, must_change = row
        user = self._registry.view.users.get(user_id)
        now = self._clock.now_ns()
        expires = min(used_ns + IDLE_S[Role(role)] * NS_PER_S, created_ns + LONGEST_S[Role(role)] * NS_PER_S)
        if user is None or user.status != "active" or user.role != role or now >= expires:
            await self._db.write(lambda conn: _end(conn, digest))
            return None
        if touch and now - used_ns >= TOUCH_S * NS_PER_S:
            await self._db.write(lambda conn: _touch(conn, digest, now))
        return Session(user=user, must_change=bool(must_change), form_token=form_token(token), expires_ns=expires)

    async def sign_out(self, token: str) -> None:
        """End a session; ending what is over already is no error."""
        digest = _digest(token)
        await self._db.write(lambda conn: _end(conn, digest), lane=Lane.NOW)

    async def end_sessions(self, actor: Actor, user_id: str) -> None:
        """End all sessions of a person at once."""
        await self._registry.do(actor, end_sessions, user_id)


# --- commands that run inside a transaction ------------------------------------------------------------------------


def create_account(
    tx: Tx,
    *,
    login: str,
    hashed: str,
    must_change: bool,
    name: str,
    role: str,
    site_ids: Sequence[str] = (),
    resident_ids: Sequence[str] = (),
    staff_id: str | None = None,
    lang: str = "zh",
    user_id: str | None = None,
) -> User:
    """Create an account with a hashed password."""
    login = check.text("login", login, limit=64)
    if tx.conn.execute("SELECT 1 FROM account WHERE login = ?", (_folded(login),)).fetchone() is not None:
        raise ConflictError("login.taken", field="login", value=login)
    user = User(id=tx.new_id(user_id), login=login, name="", role=role)
    if user.id in tx.view.users:
        raise ConflictError("code.taken", field="id", value=user.id)
    fields = {"name": name, "role": role, "site_ids": site_ids, "resident_ids": resident_ids, "staff_id": staff_id, "lang": lang}
    user = _checked(tx, user, fields)
    values = (user.id, _folded(login), hashed, int(must_change), tx.now_ns)
    tx.conn.execute("INSERT INTO account (user_id, login, hash, must_change, changed_ns) VALUES (?,?,?,?,?)", values)
    tx.put("user.set", user)
    return user


def change_account(tx: Tx, user_id: str, /, **fields: Any) -> User:
    """Change an account; what narrows or widens its reach ends its sessions."""
    former = _user(tx, user_id)
    user = _checked(tx, former, fields)
    if any(getattr(user, name) != getattr(former, name) for name in ("role", "site_ids", "resident_ids", "status")):
        tx.conn.execute("DELETE FROM session WHERE user_id = ?", (user_id,))
    tx.put("user.set", user)
    return user


def set_password(tx: Tx, user_id: str, *, hashed: str, must_change: bool, keep: bytes | None) -> None:
    """Store a new password's hash and end the person's sessions but the one to keep."""
    _user(tx, user_id)
    values = (hashed, int(must_change), tx.now_ns, user_id)
    tx.conn.execute("UPDATE account SET hash = ?, must_change = ?, changed_ns = ? WHERE user_id = ?", values)
    tx.conn.execute("DELETE FROM session WHERE user_id = ? AND id_hash IS NOT ?", (user_id, keep))
    tx.emit("user.password_set", user_id, {"id": user_id})


def end_sessions(tx: Tx, user_id: str) -> None:
    """End all sessions of a person."""
    _user(tx, user_id)
    tx.conn.execute("DELETE FROM session WHERE user_id = ?", (user_id,))
    tx.emit("user.sessions_ended", user_id, {"id": user_id})


def _open_session(tx: Tx, *, user_id: str, id_hash: bytes, former: bytes | None, terminal_id: str | None) -> None:
    user = _user(tx, user_id)
    if former is not None:
        _end(tx.conn, former)
    values = (id_hash, user_id, user.role, tx.now_ns, tx.now_ns, terminal_id)
    tx.conn.execute("INSERT INTO session (id_hash, user_id, role, created_ns, used_ns, terminal_id) VALUES (?,?,?,?,?,?)", values)
    tx.conn.execute(
        "DELETE FROM session WHERE user_id = ?1 AND id_hash NOT IN"
        " (SELECT id_hash FROM session WHERE user_id = ?1 ORDER BY used_ns DESC, created_ns DESC LIMIT ?2)",
        (user_id, SESSIONS_PER_USER),
    )
    tx.note("user.signed_in", user_id)


def _note_refusal(tx: Tx) -> None:
    tx.note("user.sign_in_refused", tx.actor.id, outcome="refused")


def _checked(tx: Tx, user: User, fields: dict[str, Any]) -> User:
    known = {"name", "role", "site_ids", "resident_ids", "staff_id", "lang", "status", "elder"}
    for name in fields.keys() - known:
        raise RegistryError("word.unknown", field=name[:40], allowed=", ".join(sorted(known)))
    user = replace(user, **fields)
    check.word("role", user.role, [role.value for role in Role if role is not Role.DISPLAY])
    check.word("lang", user.lang, LANGUAGES)
    check.word("status", user.status, ("active", "disabled"))
    return replace(
        user,
        name=check.text("name", user.name),
        role=str(user.role),
        site_ids=tuple(site if site == "*" else tx.find(tx.view.sites, "site", site).id for site in user.site_ids),
        resident_ids=tuple(tx.find(tx.view.residents, "resident", resident).id for resident in user.resident_ids),
        staff_id=None if user.staff_id is None else tx.find(tx.view.staff, "staff", user.staff_id).id,
    )


def _user(tx: Tx, user_id: str) -> User:
    user = tx.view.users.get(user_id)
    if user is None:
        raise NotFoundError("user", user_id[:64])
    return user


# --- small ones ----------------------------------------------------------------------------------------------------


def form_token(token: str) -> str:
    """Token of a session's forms: follows from the cookie, tells nothing about it."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"form", hashlib.sha256).hexdigest()[:32]


def _chosen(password: str | None, login: str) -> str:
    if password is None:
        return one_time()
    check_strength(password, login)
    return password


def _folded(login: str) -> str:
    return login.strip().casefold()[:64]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _account(conn: apsw.Connection, folded: str) -> tuple[str, str] | None:
    row = conn.execute("SELECT user_id, hash FROM account WHERE login = ?", (folded,)).fetchone()
    return None if row is None else (row[0], row[1])


def _hash_of(conn: apsw.Connection, user_id: str) -> str | None:
    row = conn.execute("SELECT hash FROM account WHERE user_id = ?", (user_id,)).fetchone()
    return None if row is None else str(row[0])


def _session_row(conn: apsw.Connection, digest: bytes) -> tuple[str, str, int, int, int] | None:
    row = conn.execute(
        "SELECT user_id, role, created_ns, used_ns, must_change FROM session JOIN account USING (user_id) WHERE id_hash = ?", (digest,)
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2], row[3], row[4])


def _end(conn: apsw.Connection, digest: bytes) -> None:
    conn.execute("DELETE FROM session WHERE id_hash = ?", (digest,))


def _touch(conn: apsw.Connection, digest: bytes, now_ns: int) -> None:
    conn.execute("UPDATE session SET used_ns = ? WHERE id_hash = ?", (now_ns, digest))
