"""Limits of one resident: what holds for each quantity and who set it, and what other limits would have done on the last days."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from devices.codes import BY_KEY
from gateway.access import Action, FieldClass
from gateway.history.sqlite.history import Envelope, Line, Span
from gateway.query import backtest, past
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.backtest import Piece, Series
from gateway.query.refusal import Unavailable
from gateway.query.shape import plain
from gateway.query.sight import Sight, to_ms
from gateway.registry.view import Limit, RegistryView, Resident
from gateway.stream.rules import StreamConfig, settings
from gateway.vocabulary import AlertKind

DAYS = 7
SIDES = ("low", "high", "low_extreme", "high_extreme")
MOST_KEPT = 50  # previews that can still be asked for
MOST_WAITING = 4
MINUTE_POINTS = DAYS * 1_440 + 1


@dataclass(slots=True)
class Preview:
    """A back-test under way or done."""

    owner: str
    done: int = 0
    total: int = 1
    result: dict[str, Any] | None = None
    failed: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Bounds:
    """The reads about limits."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._turn = asyncio.Semaphore(1)  # one back-test at a time: it shares the machine with the alarms
        self._previews: OrderedDict[str, Preview] = OrderedDict()

    @property
    def _config(self) -> StreamConfig:
        found: StreamConfig = self._sight.parts.stream or StreamConfig()
        return found

    def resident(self, asker: Asker, resident_id: str) -> Resident:
        """The resident, if the asker may read the limits; raises Missing."""
        scope = resident_scope(self._sight.view, resident_id)
        if scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.LIMITS):
            raise Missing
        return self._sight.view.residents[scope.resident_id]

    async def of_resident(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """What holds now for each watched quantity, and every limit that stands in the resident's own scope; raises Missing."""
        resident = self.resident(asker, resident_id)
        await self._sight.looks.looked(asker, "limits", resident.id, resident=resident.id)
        now_ns = self._sight.now_ns()
        scope = resident_scope(self._sight.view, resident.id)
        rows = self.rows(resident, now_ns)
        return {"t_ms": to_ms(now_ns), "may_set": may(asker, Action.WRITE, scope, FieldClass.LIMITS), "quantities": rows}

    def rows(self, resident: Resident, now_ns: int) -> list[dict[str, Any]]:
        """One row per watched quantity of the body."""
        watches = self._config.watches
        keys = [key for key, watch in watches.items() if watch.kind is AlertKind.PHYSIOLOGICAL]
        return [self._row(resident, key, now_ns) for key in keys]

    def _row(self, resident: Resident, key: str, now_ns: int) -> dict[str, Any]:
        view, quantity = self._sight.view, BY_KEY[key]
        limit = view.limit_for(resident.id, key, now_ns)
        values = settings(key, limit, None, resident.spo2_scale, self._config)
        own = [one for one in view.limits_of(resident.id, None, key) if one.expires_ns is None or one.expires_ns > now_ns]
        source = "default"
        if limit is not None:
            source = "resident" if limit.resident_id is not None else "site" if limit.site_id is not None else "house"
        return {
            "quantity": key,
            "unit": quantity.ucum,
            "step": quantity.step,
            "least": quantity.low,
            "most": quantity.high,
            **{side: None if np.isnan(values[side]) else values[side] for side in SIDES},
            "duration_s": values["t_on_s"],
            "source": source,
            "limits": [self._limit(one) for one in own],
        }

    def _limit(self, limit: Limit) -> dict[str, Any]:
        author = self._sight.view.users.get(limit.author)
        document: dict[str, Any] = plain(limit)
        return {**document, "author_name": limit.author if author is None else author.name}

    # --- what other limits would have done ---------------------------------------------------------------------------

    def start(self, asker: Asker, resident: Resident, quantity: str, before: RegistryView, after: RegistryView) -> str | None:
        """Begin a back-test of the view `after` against `before`; its id, or None where too many wait. Raises Unavailable."""
        if self._sight.history is None:
            raise Unavailable("history.unavailable")
        waiting = sum(one.result is None and not one.failed for one in self._previews.values())
        if waiting >= MOST_WAITING:
            return None
        name = secrets.token_urlsafe(12)
        preview = self._previews[name] = Preview(owner=asker.id)
        preview.task = asyncio.create_task(self._run(preview, resident, quantity, before, after), name="limit-preview")
        for old in [key for key, one in self._previews.items() if one.result is not None or one.failed][:-MOST_KEPT]:
            del self._previews[old]
        return name

    def state(self, asker: Asker, name: str) -> dict[str, Any]:
        """How far a back-test is, and what it found; raises Missing, Unavailable."""
        preview = self._previews.get(name)
        if preview is None or preview.owner != asker.id:
            raise Missing
        if preview.failed:
            raise Unavailable("preview.failed")
        return {"id": name, "done": preview.done, "total": preview.total, "result": preview.result}

    async def _run(self, preview: Preview, resident: Resident, quantity: str, before: RegistryView, after: RegistryView) -> None:
        try:
            async with self._turn:
                preview.result = await self._compared(preview, resident, quantity, before, after)
        finally:
            preview.failed = preview.result is None

    async def _compared(
        self, preview: Preview, resident: Resident, quantity: str, before: RegistryView, after: RegistryView
    ) -> dict[str, Any]:
        now_ns = self._sight.now_ns()
        to = to_ms(now_ns)
        begin = to - DAYS * past.DAY_MS
        series, minutes = await self._series(resident, quantity, begin, to)

        def told(done: int, total: int) -> None:
            preview.done, preview.total = done, max(1, total)

        def runs(view: RegistryView) -> dict[str, int]:
            def parts(one: Series) -> list[Piece]:
                return backtest.pieces(view, resident.id, quantity, one.cadence_s, self._config, (begin, to), now_ns)

            return backtest.count(series, parts, told)

        now = await asyncio.to_thread(runs, before)
        then = await asyncio.to_thread(runs, after)
        alerts = await self._sight.alerts_of(resident.id, begin * past.NS_PER_MS, now_ns)
        raised = [alert for alert in alerts if alert.raised_ns >= begin * past.NS_PER_MS and alert.cause.startswith(f"limit.{quantity}")]
        return {
            "quantity": quantity,
            "days": DAYS,
            "from_ms": begin,
            "to_ms": to,
            "readings": sum(int(np.isfinite(one.value).sum()) for one in series),
            "covered": _covered(series, begin, to),
            "minutes": minutes,
            "now": {**now, "all": now["low"] + now["high"]},
            "then": {**then, "all": then["low"] + then["high"]},
            "raised": len(raised),
        }

    async def _series(self, resident: Resident, quantity: str, begin: int, to: int) -> tuple[list[Series], bool]:
        """The person's readings by device, a day at a time; means of minutes where only those are left (the flag says so)."""
        found: list[Series] = []
        minutes = False
        for span in past.spans_of(self._sight.view, resident.id, begin, to):
            lines: list[Line | Envelope] = []
            for at in range(span.from_ms, span.to_ms, past.DAY_MS):
                day = Span(device=span.device, from_ms=at, to_ms=min(at + past.DAY_MS, span.to_ms))
                lines += await self._sight.history.window([day], quantity, MINUTE_POINTS * 20)
            minutes = minutes or any(isinstance(line, Envelope) for line in lines)
            if sum(len(line.t_ms) for line in lines):
                found.append(_joined(lines, self._cadence(span.device, quantity)))
        return found, minutes

    def _cadence(self, device_id: str, quantity: str) -> float | None:
        device = self._sight.view.devices.get(device_id)
        return None if device is None else device.cadence_s.get(quantity)


def _joined(lines: Sequence[Line | Envelope], cadence_s: float | None) -> Series:
    parts = []
    for line in lines:
        if isinstance(line, Line):
            parts.append((line.t_ms, line.value, line.quality, line.mark))
        else:
            said = line.n > 0
            plain_word = np.zeros(int(said.sum()), np.uint16)
            parts.append((line.t_ms[said], line.mean[said], plain_word, plain_word))
    t_ms, value, quality, mark = (np.concatenate([part[index] for part in parts]) for index in range(4))
    return Series(t_ms=t_ms, value=value, quality=quality, mark=mark, cadence_s=cadence_s)


def _covered(series: Sequence[Series], begin: int, to: int) -> float:
    """Share of the hours of the span in which anything was told."""
    hours = {hour for one in series for hour in np.unique(one.t_ms[np.isfinite(one.value)] // past.HOUR_MS).tolist()}
    return round(min(1.0, len(hours) / max(1, (to - begin) // past.HOUR_MS)), 4)
