"""The audit as those who answer for it read it: filtered, as a table, and whether its chain is whole. Reading it is a row of it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.access import Action, FieldClass, Purpose, allow
from gateway.audit import PAGE_ROWS, AuditRow
from gateway.figures import safe
from gateway.query.asker import Asker, Missing
from gateway.query.shape import NS_PER_MS, ms, plain
from gateway.query.sight import Sight
from gateway.registry.view import RegistryView

MAX_CSV = 50_000
COLUMNS = ("n", "t_ms", "name", "actor", "role", "action", "subject", "resident", "code", "purpose", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Filters; None = any."""

    actor: str | None = None
    resident: str | None = None
    kind: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None


class Trail:
    """The read side of the audit."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def search(self, asker: Asker, asked: Asked, *, before: int | None, limit: int) -> dict[str, Any]:
        """One page, newest first; `next` is where the following one begins, None at the end."""
        self._must(asker, Action.READ)
        await self._sight.looks.looked(asker, "audit", asked.resident or "all")
        rows = await self._page(asked, before, limit)
        view = self._sight.view
        people = sorted(view.users.values(), key=lambda user: user.name)
        return {
            "t_ms": ms(self._sight.now_ns()),
            "rows": [row_json(view, row) for row in rows],
            "next": rows[-1].n if len(rows) == limit else None,
            "people": [{"id": user.id, "name": user.name, "role": user.role} for user in people],
        }

    async def csv(self, asker: Asker, asked: Asked) -> str:
        """All rows that the filters leave, newest first, MAX_CSV at most."""
        self._must(asker, Action.EXPORT)
        await self._sight.looks.looked(asker, "audit.csv", asked.resident or "all")
        out, view = io.StringIO(), self._sight.view
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        before: int | None = None
        for _ in range(MAX_CSV // PAGE_ROWS):
            rows = await self._page(asked, before, PAGE_ROWS)
            for row in rows:
                document = row_json(view, row)
                writer.writerow([safe(str("" if document[name] is None else document[name])) for name in COLUMNS])
            if len(rows) < PAGE_ROWS:
                break
            before = rows[-1].n
        return out.getvalue()

    async def verify(self, asker: Asker) -> dict[str, Any]:
        """Walk the whole chain, in a thread of its own."""
        self._must(asker, Action.READ)
        await self._sight.looks.looked(asker, "audit.verify", "chain")
        verdict = await self._sight.parts.db.read(self._sight.parts.audit.verify)
        return {"t_ms": ms(self._sight.now_ns()), "ok": verdict.ok, **plain(verdict)}

    async def _page(self, asked: Asked, before: int | None, limit: int) -> list[AuditRow]:
        audit, view = self._sight.parts.audit, self._sight.view
        resident = asked.resident
        if resident is not None and resident not in view.residents:  # by the house's own number
            resident = next((row.id for row in view.residents.values() if row.code and row.code == resident), resident)

        def read(conn: apsw.Connection) -> list[AuditRow]:
            return audit.search(
                conn, before=before, limit=limit, actor=asked.actor, resident=resident, kind=asked.kind, from_ns=_ns(asked.from_ms),
                until_ns=_ns(asked.until_ms),
            )  # fmt: skip

        return await self._sight.parts.db.read(read)

    def _must(self, asker: Asker, action: Action) -> None:
        if not allow(asker.subject, action, None, FieldClass.AUDIT, Purpose.AUDIT):
            raise Missing


def row_json(view: RegistryView, row: AuditRow) -> dict[str, Any]:
    """A row with the account's name and the resident's number; who reads the audit need not know who the resident is."""
    user = view.users.get(row.actor)
    resident = None if row.resident is None else view.residents.get(row.resident)
    shown: dict[str, Any] = plain(row)
    return {**shown, "name": "" if user is None else user.name, "code": "" if resident is None else resident.code}


def _ns(value_ms: int | None) -> int | None:
    return None if value_ms is None else value_ms * NS_PER_MS
