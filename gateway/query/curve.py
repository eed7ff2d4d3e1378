"""A person's readings over any span, as a chart draws them: single points while they are few, else envelopes; gaps are listed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.codes import BY_KEY, Kind
from gateway.access import Action, FieldClass
from gateway.history.sqlite.history import Envelope, Line
from gateway.query import past
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.sight import Sight, to_ms
from gateway.registry.view import RegistryView

DAY_MS = 86_400_000
MAX_POINTS = 100_000
MAX_SPAN_MS = 731 * DAY_MS
MAX_LINES = 50  # devices one after another; more are the newest ones


class Curves:
    """The read of one quantity of one person."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def read(
        self, asker: Asker, resident_id: str, quantity: str, *, from_ms: int | None, until_ms: int | None, points: int
    ) -> dict[str, Any]:
        """Lines of the person's devices within [from, to), each while it was the person's; raises Missing."""
        view, sight = self._sight.view, self._sight
        scope = resident_scope(view, resident_id)
        if scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.VITALS):
            raise Missing
        row = BY_KEY.get(quantity)
        if row is None or row.kind is Kind.EVENT:
            raise Missing
        resident_id = scope.resident_id
        now_ms = to_ms(sight.now_ns())
        end = min(now_ms + 1, now_ms + 1 if until_ms is None else until_ms)
        begin = max(end - MAX_SPAN_MS, end - DAY_MS if from_ms is None else from_ms)
        await sight.looks.looked(asker, "history", f"{resident_id}/{quantity}", resident=resident_id)
        document: dict[str, Any] = {
            "t_ms": now_ms, "resident_id": resident_id, "quantity": quantity, "unit": row.ucum, "from_ms": begin, "to_ms": end,
            "kept": sight.history is not None, "bucket_ms": 0, "lines": [],
        }  # fmt: skip
        if sight.history is None or begin >= end:
            return document
        spans = past.spans_of(view, resident_id, begin, end)[-MAX_LINES:]
        parts = await sight.history.window(spans, quantity, points, lambda device: cadence_s(view, device, quantity))
        named = may(asker, Action.READ, scope, FieldClass.DEVICE)
        for span, part in zip(spans, parts, strict=True):
            if not len(part.t_ms) or (isinstance(part, Envelope) and not part.n.any()):
                continue
            line = _points(part) if isinstance(part, Line) else _buckets(part)
            line |= {"from_ms": span.from_ms, "to_ms": span.to_ms, "gaps_ms": [list(gap) for gap in part.gaps]}
            document["lines"].append(line | ({"device_id": span.device} if named else {}))
            document["bucket_ms"] = 0 if isinstance(part, Line) else part.bucket_ms
        return document


def cadence_s(view: RegistryView, device_id: str, quantity: str) -> float | None:
    """How often the device is expected to say the quantity; None where nobody can expect it."""
    row = BY_KEY[quantity]
    if row.kind is not Kind.CONTINUOUS:
        return None
    device = view.devices.get(device_id)
    return row.cadence_s if device is None else device.cadence_s.get(quantity, row.cadence_s)


def _points(line: Line) -> dict[str, Any]:
    return {"t_ms": line.t_ms.tolist(), "value": _numbers(line.value)}


def _buckets(envelope: Envelope) -> dict[str, Any]:
    return {
        "t_ms": envelope.t_ms.tolist(),
        "low": _numbers(envelope.low),
        "mean": _numbers(np.round(envelope.mean, 4)),
        "high": _numbers(envelope.high),
        "n": envelope.n.tolist(),
        "covered": np.round(envelope.covered, 3).tolist(),
    }


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """NaN becomes null: said nothing."""
    plain: list[float | None] = values.tolist()
    if np.isnan(values).any():
        return [None if value != value else value for value in plain]
    return plain
