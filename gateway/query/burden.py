"""How alarms are borne and answered, for those who supervise: aggregates of the sites in reach, no resident, no bed, no person."""

from __future__ import annotations

from typing import Any

from gateway import figures
from gateway.access import ALL_SITES, Action, FieldClass, site_scope
from gateway.figures import Span
from gateway.query.asker import Asker, Forbidden, may, sites_of
from gateway.query.shape import NS_PER_MS
from gateway.query.sight import Sight
from gateway.vocabulary import Role

LONGEST_SPAN_NS = 400 * figures.DAY_NS


class Burden:
    """Reads figures from the event log."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def figures(self, asker: Asker, from_ms: int, to_ms: int) -> dict[str, Any]:
        """Figures of [from, to) for the sites that the person reaches; the installation's own for who reaches all."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        sites = {site_id for site_id in sites_of(view, asker) if may(asker, Action.READ, site_scope(site_id), FieldClass.SYSTEM)}
        if not sites:
            raise Forbidden
        whole = asker.role is Role.ADMIN or ALL_SITES in asker.subject.site_ids
        span = Span(from_ns=max(from_ms * NS_PER_MS, to_ms * NS_PER_MS - LONGEST_SPAN_NS), to_ns=to_ms * NS_PER_MS, now_ns=now_ns)
        await self._sight.looks.looked(asker, "figures", "alarms")
        found = await self._sight.parts.db.read(lambda conn: figures.lives(figures.read(conn, span.from_ns), span))
        seen = [life for life in found if life.site_id in sites or (whole and not life.site_id)]
        return without_ids(figures.report(view, seen, span, self._sight.parts.burden_per_day, sites | ({""} if whole else set())))

    async def csv(self, asker: Asker, from_ms: int, to_ms: int) -> str:
        """The same, one figure per line."""
        return figures.as_csv(await self.figures(asker, from_ms, to_ms))


def without_ids(report: dict[str, Any]) -> dict[str, Any]:
    """The report without the id of the alert that was longest without an owner."""
    for row in (*report["sites"], report["total"]):
        if row["longest_unowned"] is not None:
            del row["longest_unowned"]["alert_id"]
    return report
