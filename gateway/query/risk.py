"""How ill residents may be by the NEWS2 of now, and whose score has changed since a day ago: for the wall's order and the hand-over."""

from __future__ import annotations

from typing import Any

from gateway.access import Action, FieldClass, scope_of
from gateway.query import scores
from gateway.query.asker import Asker, Missing, may, sites_of
from gateway.query.clinic import Clinic
from gateway.query.shape import NS_PER_MS, person_json
from gateway.query.sight import Sight
from gateway.registry.view import PRESENT, Resident


class Risk:
    """Scores of the residents of one site; who has no entry is somebody of whom nobody can tell."""

    def __init__(self, sight: Sight, clinic: Clinic) -> None:
        self._sight = sight
        self._clinic = clinic

    def _seen(self, asker: Asker, site_id: str) -> list[Resident]:
        view = self._sight.view
        if site_id not in sites_of(view, asker):
            raise Missing
        return [
            resident for resident in view.residents.values()
            if resident.place.site_id == site_id and resident.status in PRESENT and resident.merged_into is None
            and may(asker, Action.READ, scope_of(view, resident.id), FieldClass.VITALS)
        ]  # fmt: skip

    async def of_site(self, asker: Asker, site_id: str) -> dict[str, Any]:
        """Resident -> score of now; raises Missing."""
        seen, now_ns = self._seen(asker, site_id), self._sight.now_ns()
        await self._sight.looks.looked(asker, "wall", f"{site_id}/risk", residents=[resident.id for resident in seen])
        risks = {}
        for resident in seen:
            tile = self._sight.tile(resident.id, now_ns)
            vitals = {} if tile is None else self._sight.present.vitals(tile, now_ns).vitals
            score = scores.now_json(resident, vitals, now_ns // NS_PER_MS)
            if score is not None:
                risks[resident.id] = score
        return {"t_ms": now_ns // NS_PER_MS, "risks": risks}

    async def changed(self, asker: Asker, site_id: str) -> dict[str, Any]:
        """Residents whose score differs from that of a day ago, the largest rise first; raises Missing."""
        seen, now_ns = self._seen(asker, site_id), self._sight.now_ns()
        await self._sight.looks.looked(asker, "handover", f"{site_id}/scores", residents=[resident.id for resident in seen])
        rows: list[dict[str, Any]] = []
        for resident in seen:
            score, change = await self._clinic.change(resident, now_ns)
            if score is not None and change:
                rows.append({"resident": person_json(resident), "place": resident.place.label, "news2": score, "change": change})
        rows.sort(key=lambda row: (-row["change"], row["place"]))
        return {"t_ms": now_ns // NS_PER_MS, "changed": rows}
