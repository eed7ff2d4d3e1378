"""Strips of the clinic's page: one quantity over a span as columns of whole numbers, its gaps with reasons, its own usual. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.codes import Quantity
from devices.model import Quality
from gateway.history.sqlite.history import Span, gaps
from gateway.query import past
from gateway.registry.view import RegistryView

MAX_GAPS = 500
FEW = 500  # readings that are drawn as points
LEAST_GAP_MS = 60_000
# what the device said instead of a value, strongest first
SAID = ((Quality.NOT_WORN, "not_worn"), (Quality.LEAD_OFF, "lead_off"), (Quality.SENSOR_ERROR, "sensor_error"), (Quality.MOTION, "motion"))


def strip_json(
    row: Quantity, line: past.Joined, band: past.Band, holes: Sequence[dict[str, Any]] | None, from_ms: int, to_ms: int
) -> dict[str, Any]:
    """A strip; values are whole numbers of 10^-decimals, times are steps in ms from the one before (the first from `from_ms`).

    `holes` None = nobody expects a value at any time: single points, of which none is missing.
    """
    decimals = max(0, -int(np.floor(np.log10(row.step))))
    known = np.isfinite(line.mean)
    spent = {known: sum(h["to_ms"] - h["from_ms"] for h in holes or () if (h["reason"] == "unbound") is known) for known in (True, False)}
    meant_ms = to_ms - from_ms - spent[True]  # nothing can be missing while nobody had a device
    longest = sorted(holes or (), key=lambda hole: hole["from_ms"] - hole["to_ms"])[:MAX_GAPS]
    document: dict[str, Any] = {
        "quantity": row.key,
        "unit": row.ucum,
        "kind": "points" if holes is None and len(line.t_ms) < FEW else "raw" if line.raw else "envelope",
        "raw": line.raw,
        "bucket_ms": line.bucket_ms,
        "decimals": decimals,
        "dt_ms": np.diff(line.t_ms, prepend=from_ms).tolist(),
        "mean": _whole(line.mean, decimals),
        "usual": [None if edges is None else [round(edges[0], 2), round(edges[1], 2)] for edges in band],
        "gaps": sorted(longest, key=lambda hole: hole["from_ms"]),
        "summary": _summary(line, known, decimals),
        "covered": round(1 - spent[False] / meant_ms, 4) if holes is not None and meant_ms > 0 else None,
    }
    if not line.raw:
        document |= {"low": _whole(line.low, decimals), "high": _whole(line.high, decimals)}
    return document


def _whole(values: NDArray[np.float64], decimals: int) -> list[int | None]:
    known = np.isfinite(values)
    whole = np.where(known, np.round(values * 10**decimals), 0).astype(np.int64).tolist()
    if known.all():
        return list(whole)
    return [number if there else None for number, there in zip(whole, known.tolist(), strict=True)]


def _summary(line: past.Joined, known: NDArray[np.bool_], decimals: int) -> dict[str, Any] | None:
    if not known.any():
        return None
    values = line.mean[known]
    last = int(np.flatnonzero(known)[-1])
    return {
        "n": int(known.sum()),
        "last": round(float(line.mean[last]), decimals),
        "last_ms": int(line.t_ms[last]),
        "low": round(float(line.low[known].min()), decimals),
        "median": round(float(np.median(values)), decimals),
        "high": round(float(line.high[known].max()), decimals),
    }


def holes_of(
    view: RegistryView, resident_id: str, spans: Sequence[Span], line: past.Joined, from_ms: int, to_ms: int, cadence_s: float,
    down: Sequence[tuple[int, int]] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    """Spans without a told value and why: away, no device bound, the gateway was down, what the device said, or simply no signal.

    `down` = spans in ms in which the gateway itself did not run.
    """
    told = np.isfinite(line.mean)
    if line.raw:
        found = gaps(line.t_ms[told], from_ms, to_ms, cadence_s)
    else:
        begin = line.t_ms[told]
        found = tuple(_between(begin, begin + line.bucket_ms, from_ms, to_ms))
    least_ms = max(LEAST_GAP_MS, 2_000 * cadence_s + 5_000)
    edges = sorted({edge for span in spans for edge in (span.from_ms, span.to_ms)} | {edge for span in down for edge in span})
    wide = [piece for begin, end in found if end - begin >= least_ms for piece in _cut(int(begin), int(end), edges)]
    return [
        {"from_ms": int(begin), "to_ms": int(end), "reason": _reason(view, resident_id, spans, line, begin, end, down)}
        for begin, end in wide
    ]


def _cut(begin: int, end: int, edges: Sequence[int]) -> list[tuple[int, int]]:
    """A gap in pieces at the times when a device came or went, without the crumbs."""
    marks = [begin, *(edge for edge in edges if begin < edge < end), end]
    return [(a, b) for a, b in pairwise(marks) if b - a >= LEAST_GAP_MS]


def _between(begin: NDArray[np.int64], end: NDArray[np.int64], from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """What buckets leave open; the bucket that runs now is not missing."""
    starts = np.concatenate([[from_ms], end])
    stops = np.concatenate([begin, [to_ms]])
    wide = stops > starts
    return list(zip(starts[wide].tolist(), stops[wide].tolist(), strict=True))


def _reason(
    view: RegistryView, resident_id: str, spans: Sequence[Span], line: past.Joined, begin: int, end: int, down: Sequence[tuple[int, int]]
) -> str:
    middle_ns = (begin + end) // 2 * past.NS_PER_MS
    stay = view.stay_at(resident_id, middle_ns)
    if stay is not None and stay.status == "away":
        return "away"
    if not any(span.from_ms < end and begin < span.to_ms for span in spans):
        return "unbound"
    if any(since <= begin and end <= until for since, until in down):
        return "gateway_down"
    if len(line.quality):
        inside = slice(int(np.searchsorted(line.t_ms, begin, side="right")), int(np.searchsorted(line.t_ms, end)))
        for bit, word in SAID:
            if (line.quality[inside] & bit).any():
                return word
    return "no_signal"
