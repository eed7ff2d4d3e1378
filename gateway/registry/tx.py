"""One registry command inside its transaction: the exact view to judge by, and `emit`, which writes the event, the row and the audit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import apsw

from gateway import events
from gateway.audit import Audit
from gateway.events import EventRow
from gateway.registry.check import ident
from gateway.registry.errors import ConflictError, NotFoundError
from gateway.registry.ids import uuid7
from gateway.registry.view import RegistryView
from gateway.store import Component
from gateway.vocabulary import Actor

# Every version of every registry row, as its event said it, never changed: validity and recording time side by side (bitemporal).
# The registry is rebuilt from here at a start, so that a long event log costs nothing.
COMPONENT = Component(
    name="registry",
    migrations=(
        """
        CREATE TABLE registry_row (
            "offset" INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, recorded_ns INTEGER NOT NULL, actor TEXT NOT NULL,
            valid_from_ns INTEGER, valid_to_ns INTEGER, body TEXT NOT NULL
        ) STRICT;
        CREATE INDEX registry_row_subject ON registry_row (subject, "offset");
        CREATE TRIGGER registry_row_no_update BEFORE UPDATE ON registry_row
            BEGIN SELECT RAISE(ABORT, 'registry history is append-only'); END;
        """,
    ),
)

_INSERT = """
    INSERT INTO registry_row ("offset", kind, subject, recorded_ns, actor, valid_from_ns, valid_to_ns, body) VALUES (?,?,?,?,?,?,?,?)
"""
_AFTER = 'SELECT "offset", recorded_ns, kind, subject, actor, body FROM registry_row WHERE "offset" > ? AND "offset" <= ? ORDER BY "offset"'
_HISTORY = 'SELECT "offset", recorded_ns, kind, subject, actor, body FROM registry_row WHERE subject = ? ORDER BY "offset" LIMIT ?'
LAST_OFFSET = 2**63 - 1
_SEVERAL = "\0"  # no id looks like this

R = TypeVar("R")


def rows_after(conn: apsw.Connection, after: int, upto: int = LAST_OFFSET) -> Iterator[EventRow]:
    """Registry events with after < offset <= upto, in order."""
    for values in conn.execute(_AFTER, (after, upto)):
        yield _event(values)


def history(conn: apsw.Connection, subject: str, limit: int = 1000) -> list[EventRow]:
    """Every recorded version of one thing (resident, device, binding id ...), oldest first."""
    return [_event(values) for values in conn.execute(_HISTORY, (subject, limit))]


def _event(values: tuple[Any, ...]) -> EventRow:
    offset, t_ns, kind, subject, actor, body = values
    return EventRow(offset=offset, t_ns=t_ns, kind=kind, subject=subject, actor=actor, body=json.loads(body))


class Tx:
    """What a command function gets; `view` is a private copy that already shows everything written before in this transaction."""

    def __init__(self, conn: apsw.Connection | None, view: RegistryView, now_ns: int, actor: Actor, audit: Audit | None = None) -> None:
        self._conn = conn
        self.view = view
        self.now_ns = now_ns
        self.actor = actor
        self.emitted = 0
        self._audit = audit
        self._codes: dict[type[Any], dict[tuple[str | None, str], str]] = {}  # (site, code) -> id; built when first asked for

    @property
    def conn(self) -> apsw.Connection:
        """The transaction's connection; a rehearsal has none."""
        if self._conn is None:
            raise RuntimeError("this command cannot be rehearsed: it writes beside the registry")
        return self._conn

    def emit(self, kind: str, subject: str, body: Mapping[str, Any]) -> None:
        """Append the event and its row, and take it into the view."""
        encoded = json.dumps(dict(body), ensure_ascii=False, allow_nan=False)
        content = json.loads(encoded)  # tuples become lists here, exactly as every later reader will see them
        offset = self.view.offset + 1
        if self._conn is not None:
            offset = events.append(self._conn, kind=kind, subject=subject, actor=self.actor.id, body=content, t_ns=self.now_ns)
            span = (content.get("valid_from_ns", content.get("at_ns")), content.get("valid_to_ns"))
            self._conn.execute(_INSERT, (offset, kind, subject, self.now_ns, self.actor.id, *span, encoded))
        self.view.apply(EventRow(offset=offset, t_ns=self.now_ns, kind=kind, subject=subject, actor=self.actor.id, body=content))
        self.emitted += 1
        self.note(kind, subject, resident=_resident_in(kind, content), offset=offset)

    def put(self, kind: str, row: Any, **extra: Any) -> None:
        """Emit a whole record (a dataclass with an `id`) with extra keys beside its fields."""
        self.emit(kind, row.id, {**asdict(row), **extra})
        if type(row) in self._codes:
            _index(self._codes[type(row)], row)

    def settle(self, kind: str, table: Mapping[str, Any], row: Any) -> None:
        """Put a record; what stands like this already is left alone."""
        if table.get(row.id) != row:
            self.put(kind, row)

    def note(self, action: str, subject: str, *, resident: str | None = None, outcome: str = "allowed", **detail: Any) -> None:
        """Write an audit row for something that is done in this transaction; ids and numbers only."""
        if self._audit is not None and self._conn is not None:
            role = "" if self.actor.role is None else self.actor.role.value
            self._audit.append(
                self._conn,
                actor=self.actor.id,
                role=role,
                action=action,
                subject=subject,
                resident=resident,
                outcome=outcome,
                detail=detail,
            )

    def new_id(self, wanted: str | None = None) -> str:
        """Return the id that was asked for, checked, or a new UUIDv7."""
        return uuid7(self.now_ns) if wanted is None else ident("id", wanted)

    def find(self, table: Mapping[str, R], field: str, key: str, *, site_id: str | None = None) -> R:
        """Return the record with this id, or with this code (inside the site, where given); codes of sites are unique, of beds per site."""
        if key in table:
            return table[key]
        row = self._by_code(table, key, site_id)
        if row is None:
            raise NotFoundError(field, key[:64])
        return row

    def free_code(self, table: Mapping[str, Any], row_id: str, code: str, *, site_id: str | None = None) -> str:
        """Return the code; raise ConflictError where another record of the table (of the site) has it."""
        other: Any = self._by_code(table, code, site_id)
        if other is not None and other.id != row_id:
            raise ConflictError("code.taken", field="code", value=code)
        return code

    def _by_code(self, table: Mapping[str, R], code: str, site_id: str | None) -> R | None:
        if not code or not table:
            return None
        kind = type(next(iter(table.values())))
        if kind not in self._codes:
            self._codes[kind] = {}
            for row in table.values():
                _index(self._codes[kind], row)
        row_id = self._codes[kind].get((site_id, code), "")
        if row_id == _SEVERAL:
            raise ConflictError("code.several", field="code", value=code)
        found = table.get(row_id)
        return None if found is None or getattr(found, "code", "") != code else found  # the row may have got another code since


def _index(codes: dict[tuple[str | None, str], str], row: Any) -> None:
    """Enter a row under its site and code, and under its code alone where no other site uses the same."""
    code, site_id = getattr(row, "code", ""), getattr(row, "site_id", None)
    if not code:
        return
    other = codes.get((None, code), row.id)
    codes[None, code] = row.id if site_id is None or other == row.id else _SEVERAL
    codes[site_id, code] = row.id


def _resident_in(kind: str, body: Mapping[str, Any]) -> str | None:
    value = body.get("id") if kind.startswith("resident.") else body.get("resident_id")
    return value if isinstance(value, str) else None
