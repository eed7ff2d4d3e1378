"""What the history says of a person: whose device spoke when, lines joined over devices, and what is usual at an hour of the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.codes import Kind, Quantity
from gateway.history.sqlite.history import Envelope, History, Line, Span
from gateway.registry.view import RegistryView

NS_PER_MS = 1_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
QUARTER_MS = 15 * 60_000
USUAL_DAYS = 28
SPARSE = 24 * 7  # hours with a value in four weeks; fewer make no habit of the hour
LEAST_SPOTS = 5
LEAST_DAYS = 3  # hours of fewer days are nobody's habit
MADS = 1.5

Band = tuple[tuple[float, float] | None, ...]  # by local hour of the day, 24 of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A quantity over all of a person's devices, by time; `raw` = single readings (low = mean = high), else buckets of `bucket_ms`."""

    raw: bool
    bucket_ms: int
    t_ms: NDArray[np.int64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    quality: NDArray[np.uint16]  # of single readings only
    devices: tuple[str, ...] = ()  # which told anything


def spans_of(view: RegistryView, resident_id: str, from_ms: int, to_ms: int) -> list[Span]:
    """Which devices were the person's, from when until when, within [from, to); as `resident_of` says it for every single moment."""
    own = set(view.records_of(resident_id))
    wanted = view.canonical(resident_id)
    found: list[Span] = []
    for device_id in sorted({binding.device_id for binding in view.bindings.values() if binding.resident_id in own}):
        cuts = {from_ms, to_ms}
        for binding in view.bindings_of(device_id):  # a binding may lie over an older one: every edge of any of them counts
            ends = (binding.valid_from_ns, binding.valid_to_ns)
            cuts |= {min(max(from_ms, t_ns // NS_PER_MS), to_ms) for t_ns in ends if t_ns is not None}
        edges = sorted(cuts)
        for begin, end in pairwise(edges):
            # in a binding's first millisecond, which is its whole, the binding counts already
            if view.resident_of(device_id, (begin + 1) * NS_PER_MS - 1) != wanted:
                continue
            if found and (found[-1].device, found[-1].to_ms) == (device_id, begin):
                begin = found.pop().from_ms
            found.append(Span(device=device_id, from_ms=begin, to_ms=end))
    return found


async def joined(history: History, spans: Sequence[Span], quantity: str, max_points: int) -> Joined:
    """Every reading of the spans if there are at most so many, else their envelope on one grid."""
    if not spans:
        return _of_lines([])
    parts = await history.window(spans, quantity, max_points)
    lines = [part for part in parts if isinstance(part, Line)]
    whole = _of_lines(lines) if len(lines) == len(parts) else _of_envelopes([part for part in parts if isinstance(part, Envelope)])
    told = {part.device for part in parts if (len(part.t_ms) if isinstance(part, Line) else part.n.sum())}
    return replace(whole, devices=tuple(sorted(told)))


def _of_lines(lines: Sequence[Line]) -> Joined:
    t_ms = np.concatenate([line.t_ms for line in lines]) if lines else np.zeros(0, np.int64)
    value = np.concatenate([line.value for line in lines]) if lines else np.zeros(0)
    quality = np.concatenate([line.quality for line in lines]) if lines else np.zeros(0, np.uint16)
    order = np.argsort(t_ms, kind="stable")
    value = value[order]
    return Joined(raw=True, bucket_ms=0, t_ms=t_ms[order], low=value, mean=value, high=value, quality=quality[order])


def _of_envelopes(parts: Sequence[Envelope]) -> Joined:
    """Buckets of several devices on one grid; the mean is weighted by the readings."""
    bucket_ms = parts[0].bucket_ms
    first = min(int(part.t_ms[0]) for part in parts if len(part.t_ms))
    last = max(int(part.t_ms[-1]) for part in parts if len(part.t_ms))
    size = (last - first) // bucket_ms + 1
    n, total = np.zeros(size), np.zeros(size)
    low, high = np.full(size, np.nan), np.full(size, np.nan)
    for part in parts:
        at = (part.t_ms - first) // bucket_ms
        n[at] += part.n
        total[at] += np.where(part.n > 0, part.mean * part.n, 0.0)
        low[at], high[at] = np.fmin(low[at], part.low), np.fmax(high[at], part.high)
    mean = np.divide(total, n, out=np.full(size, np.nan), where=n > 0)
    t_ms = first + np.arange(size, dtype=np.int64) * bucket_ms
    return Joined(raw=False, bucket_ms=bucket_ms, t_ms=t_ms, low=low, mean=mean, high=high, quality=np.zeros(0, np.uint16))


async def bucketed(history: History, spans: Sequence[Span], quantity: str, bucket_ms: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Means of buckets that hold something, weighted over devices: begin in ms and mean, by time; `bucket_ms` is whole quarter hours."""
    sums: dict[int, tuple[float, int]] = {}
    for span in spans:
        # quarters of an hour divide every bucket that is asked for; a span shorter than four hours may get a few minutes less
        points = (span.to_ms - span.from_ms) // QUARTER_MS + 2
        whole = await history.envelope(span.device, quantity, span.from_ms * NS_PER_MS, span.to_ms * NS_PER_MS, points)
        for t_ms, mean, n in zip(whole.t_ms.tolist(), whole.mean.tolist(), whole.n.tolist(), strict=True):
            if n:
                total, count = sums.get(t_ms // bucket_ms, (0.0, 0))
                sums[t_ms // bucket_ms] = (total + mean * n, count + n)
    numbers = sorted(sums)
    means = [sums[number][0] / sums[number][1] for number in numbers]
    return np.array(numbers, np.int64) * bucket_ms, np.array(means, np.float64)


def hours_of(t_ms: NDArray[np.int64], tz: str) -> NDArray[np.int64]:
    """Local hour of the day of each time."""
    zone = ZoneInfo(tz)
    return np.array([datetime.fromtimestamp(t / 1000, UTC).astimezone(zone).hour for t in t_ms.tolist()], np.int64)


def usual(t_ms: NDArray[np.int64], mean: NDArray[np.float64], tz: str, row: Quantity) -> Band:
    """Median +- 1.5 MAD of the same hour of the day; None where too few days are known. t_ms and mean are hourly, of equal length.

    What is measured now and then (a cuff) has one usual for the whole day.
    """
    if row.kind is not Kind.CONTINUOUS and len(mean) < SPARSE:
        return (_reach(mean, row.step, LEAST_SPOTS),) * 24
    hours = hours_of(t_ms, tz)
    return tuple(_reach(mean[hours == hour], row.step, LEAST_DAYS) for hour in range(24))


def spread(values: NDArray[np.float64], step: float) -> tuple[float, float] | None:
    """Median +- 1.5 MAD of values that have no hour of their own; None for fewer than five."""
    return _reach(values, step, LEAST_SPOTS)


def _reach(values: NDArray[np.float64], step: float, least: int) -> tuple[float, float] | None:
    values = values[np.isfinite(values)]
    if len(values) < least:
        return None
    median = float(np.median(values))
    reach = max(MADS * float(np.median(np.abs(values - median))), step)
    return median - reach, median + reach


def midnight_ms(now_ms: int, tz: str) -> int:
    """Begin of the local day."""
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(tz))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
