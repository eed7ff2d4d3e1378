"""Reads of the ledger: consents of a resident, consents of an account, and who looked at a resident's data."""

from __future__ import annotations

from typing import Any

from gateway.access import Action, FieldClass
from gateway.audit import LookRow
from gateway.query import ledger
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.sight import Sight, to_ms
from gateway.registry.view import Resident

DAY_NS = 86_400 * 1_000_000_000


class Records:
    """The ledger's reads."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def _resident(self, asker: Asker, resident_id: str, field_class: FieldClass) -> Resident:
        scope = resident_scope(self._sight.view, resident_id)
        if scope.resident_id is None or not may(asker, Action.READ, scope, field_class):
            raise Missing
        return self._sight.view.residents[scope.resident_id]

    async def consents_of_resident(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """Every row about a resident; raises Missing."""
        resident = self._resident(asker, resident_id, FieldClass.CONSENT)
        await self._sight.looks.looked(asker, "consents", resident.id, resident=resident.id)
        now_ns = self._sight.now_ns()
        return {"t_ms": to_ms(now_ns), "consents": ledger.of_resident(self._sight.view, resident.id, now_ns)}

    async def consents_of_grantee(self, asker: Asker, user_id: str) -> dict[str, Any]:
        """Every row that names an account, as far as the asker may know; raises Missing where there is none."""
        now_ns = self._sight.now_ns()
        rows = ledger.of_grantee(self._sight.view, asker, user_id, now_ns)
        if not rows and user_id != asker.id:
            raise Missing
        await self._sight.looks.looked(asker, "consents", f"grantee/{user_id}", residents=sorted({row["resident_id"] for row in rows}))
        return {"t_ms": to_ms(now_ns), "consents": rows}

    async def looks(self, asker: Asker, resident_id: str, *, days: int, limit: int) -> dict[str, Any]:
        """Who looked at a resident's data in the last days, by person, thing and day; raises Missing."""
        resident = self._resident(asker, resident_id, FieldClass.LOOKS)
        await self._sight.looks.looked(asker, "looks", resident.id, resident=resident.id)
        now_ns, audit, view = self._sight.now_ns(), self._sight.parts.audit, self._sight.view
        since_ns = now_ns - days * DAY_NS

        def read(conn: Any) -> list[LookRow]:
            rows = [row for one in view.records_of(resident.id) for row in audit.looks(conn, one, since_ns=since_ns, limit=limit)]
            return sorted(rows, key=lambda row: row.last_ns, reverse=True)

        rows = await self._sight.parts.db.read(read)
        tz = self._sight.tz_of(resident)
        return {"t_ms": to_ms(now_ns), "tz": tz, "days": days, "looks": ledger.looks_json(view, rows, tz)}
