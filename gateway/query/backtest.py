"""What a limit would have done: the stream's own limit rule over a person's kept readings, with the limits of now and the proposed ones.

A week at 1 Hz is 604,800 readings of one series, and a rule takes one reading per series and step. The span is therefore cut into hours
that are judged side by side, each with the readings before it as a run-up, and each counts the alarms that begin within it. An alarm
that goes on into the next hour is known there from the run-up. Only one that hangs in the hysteresis for longer than the run-up can be
counted once more. Parameters change at the hours of limits; nothing is carried over such a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import START, Instant, Window
from analytics.detect.limits import Limit as Rule
from analytics.table import Table
from devices.model import Quality
from gateway.readings import Mark
from gateway.registry import hours
from gateway.registry.holding import holding
from gateway.registry.view import Limit, RegistryView
from gateway.stream.rules import StreamConfig, settings

NS_PER_MS = 1_000_000
HOUR_MS = 3_600_000
FEW = 5_000  # readings of a piece that are judged in one go
RUN_UP_MS = 1_800_000
STEPS = 100  # rounds between two words of progress
SPEECHLESS = int(Quality.NOT_WORN | Quality.LEAD_OFF | Quality.SENSOR_ERROR | Quality.CUFF_ERROR | Quality.CONTROL_SOLUTION)
DOUBTFUL = int(Quality.MOTION | Quality.LOW_PERFUSION)
UNTIMELY = int(Mark.LATE | Mark.FUTURE | Mark.RETAINED)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A person's readings from one device: t_ms int64[n] ascending, value float64[n] (NaN = none), quality and mark uint16[n]."""

    t_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]
    mark: NDArray[np.uint16]
    cadence_s: float | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A span with the parameters that hold all through it."""

    from_ms: int
    to_ms: int
    params: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Shard:
    """Part of a series: readings [first, last) are stepped through, alarms that begin in [from_ms, to_ms) count."""

    first: int
    last: int
    from_ms: int
    to_ms: int
    params: Mapping[str, float]


def pieces(
    view: RegistryView, resident_id: str, quantity: str, cadence_s: float | None, config: StreamConfig, span: tuple[int, int], now_ns: int
) -> list[Piece]:
    """The parameters over [from, to) ms as the limits that stand at `now_ns` make them; what has expired by then is not among them."""
    resident = view.residents[view.canonical(resident_id)]
    site = view.sites.get(resident.place.site_id)
    tz = "UTC" if site is None else site.tz
    scopes = [(resident.id, None), (None, resident.place.site_id), (None, None)]
    found = [
        tuple(limit for limit in view.limits_of(*scope, quantity) if limit.expires_ns is None or limit.expires_ns > now_ns)
        for scope in scopes
    ]
    watch = config.watches.get(quantity)
    spoken = [(limit.from_local, limit.to_local) for limits in found for limit in limits]
    spoken += [(watch.from_local, watch.to_local)] if watch is not None else []
    edges = _edges([(begin, end) for begin, end in spoken if begin and end], tz, span)
    made = []
    for begin, end in pairwise(edges):
        middle_ns = (begin + end) // 2 * NS_PER_MS
        holds = watch is None or not watch.from_local or hours.covers(watch.from_local, watch.to_local, hours.zone(tz), middle_ns)
        # a temporary limit is judged as if it had stood all the time
        lasting = [tuple(_lasting(limit) for limit in limits) for limits in found]
        params = settings(quantity, holding(lasting, tz, middle_ns), cadence_s, resident.spo2_scale, config, now=holds)
        made.append(Piece(begin, end, params))
    return made


def _lasting(limit: Limit) -> Limit:
    """The limit with an end that no moment of the span reaches."""
    return limit if limit.expires_ns is None else replace(limit, expires_ns=2**62)


def _edges(spoken: Sequence[tuple[str, str]], tz: str, span: tuple[int, int]) -> list[int]:
    """Begin and end of the span and every begin and end of hours within it, ascending, ms."""
    found = {span[0], span[1]}
    for begin, end in set(spoken):
        at_ns = span[0] * NS_PER_MS
        while (at_ns := hours.next_edge_ns(begin, end, hours.zone(tz), at_ns)) < span[1] * NS_PER_MS:
            found.add(at_ns // NS_PER_MS)
    return sorted(found)


def count(series: Sequence[Series], pieces_of: Callable[[Series], Sequence[Piece]], progress: Progress | None = None) -> dict[str, int]:
    """Alarms by side ("low", "high") over all series."""
    found = {"low": 0, "high": 0}
    for one in series:
        timely = (one.mark & UNTIMELY) == 0
        columns = {name: getattr(one, name)[timely] for name in ("t_ms", "value", "quality", "mark")}
        kept = Series(**columns, cadence_s=one.cadence_s)
        shards = [shard for piece in pieces_of(one) for shard in _shards(kept, piece)]
        for side, number in _judge(kept, shards, progress).items():
            found[side] += number
    return found


def _shards(series: Series, piece: Piece) -> Iterator[_Shard]:
    """A piece by hours where it has many readings, each with its run-up and the time in which a delay may still run out."""
    begin, end = np.searchsorted(series.t_ms, (piece.from_ms, piece.to_ms)).tolist()
    if begin == end:
        return
    width = piece.to_ms - piece.from_ms if end - begin <= FEW else HOUR_MS
    wait_ms = int(1000 * (piece.params["t_on_s"] + piece.params["hold_s"]))
    run_up_ms = max(RUN_UP_MS, 2 * wait_ms)
    for at in range(piece.from_ms, piece.to_ms, width):
        until = min(at + width, piece.to_ms)
        first, last = np.searchsorted(series.t_ms, (max(piece.from_ms, at - run_up_ms), min(piece.to_ms, until + wait_ms))).tolist()
        if first < last:
            yield _Shard(first, last, at, until, piece.params)


def _judge(series: Series, shards: Sequence[_Shard], progress: Progress | None) -> dict[str, int]:
    """All shards side by side, one reading of each per round."""
    rules = {"low": Rule(side=-1), "high": Rule(side=+1)}
    columns = {name: column for rule in rules.values() for name, column in rule.params.items()}
    params = Table(columns, max(1, len(shards)))
    for row, shard in enumerate(shards):
        for name in columns:
            if name in shard.params:
                params[name][row] = shard.params[name]
    states = {side: Table(rule.columns, max(1, len(shards))) for side, rule in rules.items()}
    found = dict.fromkeys(rules, 0)
    first = np.array([shard.first for shard in shards], np.int64)
    size = np.array([shard.last - shard.first for shard in shards], np.int64)
    begin = np.array([shard.from_ms for shard in shards], np.int64) * NS_PER_MS
    end = np.array([shard.to_ms for shard in shards], np.int64) * NS_PER_MS
    rounds = int(size.max(initial=0))
    for turn in range(rounds):
        rows = (size > turn).nonzero()[0]
        window = _window(series, first[rows] + turn, rows, params)
        for side, rule in rules.items():
            answer = rule.step(window, states[side])
            found[side] += _begun(answer.change, answer.onset_ns, begin[answer.rows], end[answer.rows])
        if progress is not None and turn % STEPS == 0:
            progress(turn, rounds)
    if len(shards):
        late = Instant(now_ns=int(end.max()) + 86_400 * 10**9, key=0, listened_ns=0, rows=len(shards))
        for side, rule in rules.items():
            answer = rule.tick(late, states[side], params)
            found[side] += _begun(answer.change, answer.onset_ns, begin[answer.rows], end[answer.rows])
    if progress is not None:
        progress(rounds, rounds)
    return found


def _begun(change: NDArray[np.uint8], onset_ns: NDArray[np.int64], begin: NDArray[np.int64], end: NDArray[np.int64]) -> int:
    return int((((change & START) != 0) & (onset_ns >= begin) & (onset_ns < end)).sum())


def _window(series: Series, index: NDArray[np.int64], rows: NDArray[np.int64], params: Table) -> Window:
    value, quality = series.value[index], series.quality[index]
    above, below = (quality & int(Quality.ABOVE_RANGE)) != 0, (quality & int(Quality.BELOW_RANGE)) != 0
    return Window(
        rows=rows,
        t_ns=series.t_ms[index] * NS_PER_MS,
        value=value,
        key=index,
        usable=((quality & SPEECHLESS) == 0) & (np.isfinite(value) | above | below),
        doubtful=(quality & DOUBTFUL) != 0,
        beyond=above.astype(np.int8) - below.astype(np.int8),
        origin=np.zeros(len(rows), np.uint8),
        part=np.full(len(rows), -1, np.int8),
        params=params,
    )
