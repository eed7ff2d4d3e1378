"""Figures of whole houses by site and complete week, for those who supervise; what is told once stays as it was told."""

from __future__ import annotations

import csv
import io
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apsw

from gateway import figures, supervision
from gateway.access import Action, FieldClass, site_scope
from gateway.figures import Span
from gateway.query.asker import Asker, Forbidden, may, sites_of
from gateway.query.shape import NS_PER_MS, ms
from gateway.query.sight import Sight
from gateway.registry.view import RegistryView
from gateway.supervision import SETTLE_NS, Carried, Week, Worn

MAX_WEEKS = 26
MAX_KEPT = 5_000  # cells; a cell is a few hundred bytes
MINUTE_NS = 60_000_000_000
_SQL = "SELECT t_ns, kind, subject, body FROM event WHERE kind LIKE 'alert.%' AND t_ns >= ? AND t_ns < ? ORDER BY \"offset\""


class Supervision:
    """The read side; cells are computed once and kept, so that a later correction cannot be told from the difference."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._kept: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()

    async def read(self, asker: Asker, weeks: int, site_id: str | None = None, action: Action = Action.READ) -> dict[str, Any]:
        """Cells by site and week, newest first, with the total of what is shown; raises Forbidden."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        sites = [one for one in sites_of(view, asker) if may(asker, action, site_scope(one), FieldClass.FIGURES)]
        if not sites or (site_id is not None and site_id not in sites):
            raise Forbidden
        await self._sight.looks.looked(asker, "supervision", site_id or "all")
        asked = [site_id] if site_id is not None else sites
        grid = [(one, week) for one in asked for week in supervision.weeks(view.sites[one].tz, now_ns, min(weeks, MAX_WEEKS))]
        cells = [await self._cell(view, one, week) for one, week in grid]
        cells.sort(key=lambda row: (-row["from_ms"], row["name"]))
        named = [{"id": one, "name": view.sites[one].name, "tz": view.sites[one].tz} for one in sites]
        return {"t_ms": ms(now_ns), "k": supervision.K, "sites": named, "cells": cells, "total": supervision.total(cells)}

    async def csv(self, asker: Asker, weeks: int, site_id: str | None = None) -> str:
        """The same, one figure per line."""
        return as_csv(await self.read(asker, weeks, site_id, Action.EXPORT))

    async def _cell(self, view: RegistryView, site_id: str, week: Week) -> dict[str, Any]:
        key = site_id, week.from_ns
        if key not in self._kept:
            span = Span(from_ns=week.from_ns, to_ns=week.until_ns, now_ns=week.until_ns + SETTLE_NS)
            lives = await self._sight.parts.db.read(lambda conn: figures.lives(_rows(conn, span), span))
            own = [life for life in lives if life.site_id == site_id]
            self._kept[key] = supervision.cell(view, site_id, week, own, await self._worn(view, site_id, week))
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]

    async def _worn(self, view: RegistryView, site_id: str, week: Week) -> Worn | None:
        history = self._sight.history
        there = supervision.presence(view, site_id, week, ("admitted",))  # who is away wears nothing of ours
        if history is None or len(there) < supervision.K:
            return None
        spans = list(supervision.carried(view, there, week))
        worn = [(span, quantity) for span in spans if (quantity := supervision.worn_quantity(view, span.device_id)) is not None]
        names = {span.device_id: quantity for span, quantity in worn}
        told = await history.told_minutes([_asked(span) for span, _ in worn], names.__getitem__)
        heard = await history.heard([_asked(span) for span in spans])
        days = supervision.days_of(there, week)
        covered = {(span.resident_id, _day(week, span)) for span, any_value in zip(spans, heard, strict=True) if any_value}
        return Worn(
            wearers=len({span.resident_id for span, _ in worn}),
            minutes=sum((span.until_ns - span.from_ns) / MINUTE_NS for span, _ in worn), told=sum(told), days=len(days),
            heard=len(covered & days),
        )  # fmt: skip


class _Asked:
    """A span as the history wants it."""

    def __init__(self, device: str, from_ms: int, to_ms: int) -> None:
        self.device, self.from_ms, self.to_ms = device, from_ms, to_ms


def _asked(span: Carried) -> _Asked:
    return _Asked(span.device_id, span.from_ns // NS_PER_MS, span.until_ns // NS_PER_MS)


def _day(week: Week, span: Carried) -> int:
    return sum(first <= span.from_ns for first in week.days_ns) - 1


def _rows(conn: apsw.Connection, span: Span) -> Iterator[tuple[int, str, str, str]]:
    """Alert events of the week and of the day in which it settles."""
    yield from conn.execute(_SQL, (span.from_ns, span.now_ns))


def as_csv(found: Mapping[str, Any]) -> str:
    """One line per figure: site, name, week, figure, key, value; "withheld" where fewer than k people would stand behind it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("site", "name", "from_ms", "until_ms", "figure", "key", "value"))
    for row in found["cells"]:
        head = (row["site"], row["name"], row["from_ms"], row["until_ms"])
        for figure, key, value in _lines(row):
            writer.writerow([figures.safe(str(part)) for part in (*head, figure, key, "" if value is None else value)])
    for figure, key, value in _lines({"suppressed": False, **found["total"]}):
        writer.writerow([figures.safe(str(part)) for part in ("*", "", "", "", figure, key, "" if value is None else value)])
    return out.getvalue()


def _lines(row: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    if row["suppressed"]:
        yield "all", "", "withheld"
        return
    for figure, value in row.items():
        if figure in ("site", "name", "from_ms", "until_ms", "suppressed", "wearing_withheld"):
            continue
        if figure == "by_rule":
            yield from _rules(value)
        elif isinstance(value, dict):
            yield from ((figure, key, part) for key, part in value.items())
        else:
            yield figure, "", "withheld" if figure == "wearing" and row.get("wearing_withheld") else value


def _rules(rows: Sequence[Mapping[str, Any]] | None) -> Iterator[tuple[str, str, Any]]:
    if rows is None:
        yield "by_rule", "", "withheld"
    for row in rows or ():
        yield "by_rule", row["rule"], row["alarms"]
