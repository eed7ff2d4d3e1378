"""Who looked at what and who did what: an HMAC chain, written in the transaction of the act, that shows edits, deletions and cuts."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from gateway.clock import Clock
from gateway.store import Component, Database

KEY_BYTES = 32
GENESIS = bytes(32)
CHECKPOINT_EVERY_S = 3600.0
PAGE_ROWS = 500

COMPONENT = Component(
    name="audit",
    migrations=(
        """
        CREATE TABLE audit (
            n INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL,
            subject TEXT NOT NULL, resident TEXT, purpose TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL
        ) STRICT;
        CREATE INDEX audit_resident ON audit (resident, n);
        CREATE INDEX audit_actor ON audit (actor, n);
        CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
        CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
        """,
    ),
)

_INSERT = """
    INSERT INTO audit (n, t_ns, actor, role, action, subject, resident, purpose, outcome, detail, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?)
"""
_WALK = "SELECT n, t_ns, actor, role, action, subject, resident, purpose, outcome, detail, hash FROM audit ORDER BY n"
_PAGE = """
    SELECT n, t_ns, actor, role, action, subject, resident, purpose, outcome, detail FROM audit
    WHERE n > ?1 AND (?2 IS NULL OR resident = ?2) AND (?3 IS NULL OR actor = ?3) ORDER BY n LIMIT ?4
"""
_SEARCH = """
    SELECT n, t_ns, actor, role, action, subject, resident, purpose, outcome, detail FROM audit
    WHERE n < :before AND n >= :first AND (:until IS NULL OR t_ns < :until) AND (:actor IS NULL OR actor = :actor)
        AND (:resident IS NULL OR resident = :resident OR (resident IS NULL AND EXISTS
            (SELECT 1 FROM json_each(audit.detail, '$.residents') WHERE json_each.value = :resident)))
        AND (:kind IS NULL OR (:kind = 'read' AND action LIKE 'read.%') OR (:kind = 'act' AND action NOT LIKE 'read.%')
            OR (:kind = 'refused' AND outcome <> 'allowed') OR (:kind = 'sign_in' AND action LIKE 'user.sign%'))
    ORDER BY n DESC LIMIT :limit
"""
# One row per person, view and quarter of an hour: a page that stays open is a look each minute, and still one visit.
_LOOKS = """
    SELECT actor, role, action, min(t_ns), max(t_ns) FROM audit
    WHERE n >= ?2 AND action LIKE 'read.%' AND outcome = 'allowed' AND (resident = ?1 OR (resident IS NULL AND EXISTS
        (SELECT 1 FROM json_each(audit.detail, '$.residents') WHERE json_each.value = ?1)))
    GROUP BY actor, role, action, t_ns / 900000000000 ORDER BY max(n) DESC LIMIT ?3
"""
_TRIGGERS = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'"


class AuditError(RuntimeError):
    """The audit cannot be kept: its key or its checkpoint file is missing or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One look or act; ids and words only, never a value, a name or a secret."""

    n: int
    t_ns: int
    actor: str
    role: str
    action: str
    subject: str
    resident: str | None
    purpose: str
    outcome: str  # allowed | refused | failed
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRow:
    """Looks of one person through one view within a quarter of an hour."""

    actor: str
    role: str
    action: str
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of a verification; `fault` names what is wrong with row `first_bad`."""

    rows: int
    first_bad: int | None = None
    fault: str | None = None  # edited | deleted | truncated | checkpoint | triggers

    @property
    def ok(self) -> bool:
        """Whether the whole chain and all checkpoints agree."""
        return self.fault is None


class Audit:
    """The chain in one database; its key and its checkpoints in files of their own."""

    def __init__(self, key: bytes, checkpoints: Path, clock: Clock) -> None:
        self._key = key
        self._checkpoints = checkpoints
        self._clock = clock

    @classmethod
    def open(cls, key_file: Path, checkpoints: Path, clock: Clock) -> Audit:
        """Make the key and the checkpoint file at first start (0600, outside the database); refused where others can read the key."""
        try:
            descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(_existing_key(key_file), checkpoints, clock)
        key = secrets.token_bytes(KEY_BYTES)
        _write(descriptor, key)
        audit = cls(key, checkpoints, clock)
        audit._mark(0, GENESIS)  # from now on a missing checkpoint file is a finding
        return audit

    def append(
        self,
        conn: apsw.Connection,
        *,
        actor: str,
        action: str,
        subject: str,
        role: str = "",
        resident: str | None = None,
        purpose: str = "",
        outcome: str = "allowed",
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Add a row inside the caller's transaction; returns its number (dense, from 1)."""
        last, former = _head(conn)
        row = (last + 1, self._clock.now_ns(), actor, role, action, subject, resident, purpose, outcome, _dump(dict(detail or {})))
        digest = self._digest(former, row)
        conn.execute(_INSERT, (*row, digest))
        return last + 1

    def checkpoint(self, conn: apsw.Connection) -> int:
        """Write (n, hash, time) of the chain's head beside the database, so that a cut end shows; returns n."""
        n, digest = _head(conn)
        self._mark(n, digest)
        return n

    async def run(self, db: Database) -> None:
        """Write a checkpoint at once and then every hour, until cancelled."""
        while True:
            await db.read(self.checkpoint)
            await self._clock.sleep(CHECKPOINT_EVERY_S)

    def verify(self, conn: apsw.Connection) -> Verdict:
        """Walk the whole chain and compare it with the checkpoints; names the first bad row."""
        try:
            marks = self._read_checkpoints()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Verdict(rows=0, first_bad=None, fault="checkpoint")
        expected, former = 1, GENESIS
        for row in conn.execute(_WALK):
            n, digest = row[0], row[-1]
            if n != expected:
                return Verdict(rows=expected - 1, first_bad=expected, fault="deleted")
            if not hmac.compare_digest(bytes(digest), self._digest(former, row[:-1])):
                return Verdict(rows=expected - 1, first_bad=n, fault="edited")
            if n in marks and marks[n] != bytes(digest).hex():
                return Verdict(rows=expected - 1, first_bad=n, fault="edited")
            expected, former = n + 1, bytes(digest)
        last = expected - 1
        if max(marks, default=0) > last:
            return Verdict(rows=last, first_bad=last + 1, fault="truncated")
        if not {"audit_no_update", "audit_no_delete"} <= {name for (name,) in conn.execute(_TRIGGERS)}:
            return Verdict(rows=last, fault="triggers")
        return Verdict(rows=last)

    def rows(
        self, conn: apsw.Connection, *, after: int = 0, limit: int = 200, resident: str | None = None, actor: str | None = None
    ) -> list[AuditRow]:
        """Rows after number `after`, oldest first, at most `PAGE_ROWS`."""
        found = conn.execute(_PAGE, (after, resident, actor, max(0, min(limit, PAGE_ROWS))))
        return [_row(values) for values in found]

    def search(
        self,
        conn: apsw.Connection,
        *,
        before: int | None,
        limit: int,
        actor: str | None,
        resident: str | None,
        kind: str | None,
        from_ns: int | None,
        until_ns: int | None,
    ) -> list[AuditRow]:
        """Rows newest first, beneath number `before`; `kind` is read, act, refused or sign_in."""
        first = 1 if from_ns is None else _first_since(conn, from_ns)
        values = {
            "before": 2**62 if before is None else before, "first": first, "until": until_ns, "actor": actor, "resident": resident,
            "kind": kind, "limit": max(0, min(limit, PAGE_ROWS)),
        }  # fmt: skip
        return [_row(found) for found in conn.execute(_SEARCH, values)]

    def looks(self, conn: apsw.Connection, resident: str, *, since_ns: int, limit: int) -> list[LookRow]:
        """Looks at a resident's data that were allowed, also those at a whole wall with this person on it; newest first."""
        found = conn.execute(_LOOKS, (resident, _first_since(conn, since_ns), max(0, limit)))
        return [LookRow(actor=row[0], role=row[1], action=row[2], first_ns=row[3], last_ns=row[4]) for row in found]

    def _mark(self, n: int, digest: bytes) -> None:
        body = {"n": n, "hash": digest.hex(), "t_ns": self._clock.now_ns()}
        line = _dump({**body, "mac": self._mac(body)})
        _write(os.open(self._checkpoints, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), f"{line}\n".encode())

    def _digest(self, former: bytes, row: tuple[Any, ...]) -> bytes:
        return hmac.new(self._key, former + _dump(list(row)).encode(), hashlib.sha256).digest()

    def _mac(self, body: Mapping[str, Any]) -> str:
        return hmac.new(self._key, b"checkpoint" + _dump(dict(body)).encode(), hashlib.sha256).hexdigest()

    def _read_checkpoints(self) -> dict[int, str]:
        """Hash by n; a line that is damaged or not ours raises ValueError, an unfinished last line is left aside."""
        lines = self._checkpoints.read_text(encoding="ascii", errors="replace").split("\n")
        marks: dict[int, str] = {}
        for line in lines[:-1]:
            mark = json.loads(line)
            mac = mark.pop("mac")
            if not hmac.compare_digest(mac, self._mac(mark)):
                raise ValueError("a checkpoint was not written with this key")
            marks[mark["n"]] = mark["hash"]
        return {n: digest for n, digest in marks.items() if n > 0}


def _existing_key(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise AuditError(f"{path.name}: others can read the audit key; chmod 600 it")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise AuditError(f"{path.name}: the audit key has {len(key)} bytes instead of {KEY_BYTES}; restore it from the backup")
    return key


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _head(conn: apsw.Connection) -> tuple[int, bytes]:
    row = conn.execute("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1").fetchone()
    return (0, GENESIS) if row is None else (row[0], bytes(row[1]))


def _first_since(conn: apsw.Connection, t_ns: int) -> int:
    """Number of the first row at or after `t_ns`: rows are dense and by time, so that a few look-ups do (a clock may step, not by days)."""
    low, high = 1, _head(conn)[0] + 1
    while low < high:
        middle = (low + high) // 2
        if conn.execute("SELECT t_ns FROM audit WHERE n = ?", (middle,)).get < t_ns:
            low = middle + 1
        else:
            high = middle
    return low


def _row(values: tuple[Any, ...]) -> AuditRow:
    n, t_ns, actor, role, action, subject, resident, purpose, outcome, detail = values
    return AuditRow(
        n=n, t_ns=t_ns, actor=actor, role=role, action=action, subject=subject, resident=resident, purpose=purpose, outcome=outcome,
        detail=json.loads(detail),
    )  # fmt: skip


def _dump(value: Any) -> str:
    """Canonical JSON: the same row always gives the same bytes."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
