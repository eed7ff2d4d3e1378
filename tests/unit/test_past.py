"""Whose device spoke when, and lines joined over devices: by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.history.sqlite.history import Envelope, Line, Span
from gateway.query import past
from gateway.registry import RegistryView, bindings, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import Actor

DAY_NS = 86_400 * 1_000_000_000
DAY_MS = 86_400_000
T0_NS = 20_000 * DAY_NS


class Told:
    """A history that answers with what it was given."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = list(parts)

    async def window(self, spans: Sequence[Span], quantity: str, max_points: int) -> list[Any]:
        assert len(spans) == len(self._parts)
        return self._parts


def test_a_device_that_changed_hands_is_each_ones_for_the_time_of_the_binding() -> None:
    tx = Tx(None, RegistryView(), T0_NS, Actor(id="op"))
    org.set_site(tx, name="S", site_id="s")
    for who in ("a", "b", "c"):
        residents.admit(tx, name=who, site="s", resident_id=who, at_ns=T0_NS)
    bindings.set_device(tx, "band", quantities=("hr",))
    tx.now_ns = T0_NS + 10 * DAY_NS
    bindings.bind(tx, "band", resident="a", from_ns=T0_NS)
    bindings.bind(tx, "band", resident="b", from_ns=T0_NS + 4 * DAY_NS)
    residents.merge(tx, "b", "c")
    begin, end = T0_NS // 1_000_000, T0_NS // 1_000_000 + 8 * DAY_MS
    assert past.spans_of(tx.view, "a", begin + DAY_MS, end) == [Span(device="band", from_ms=begin + DAY_MS, to_ms=begin + 4 * DAY_MS)]
    assert past.spans_of(tx.view, "c", begin, end) == [Span(device="band", from_ms=begin + 4 * DAY_MS, to_ms=end)]
    assert past.spans_of(tx.view, "a", begin + 5 * DAY_MS, end) == []


def line(device: str, times: list[int], values: list[float]) -> Line:
    n = len(times)
    return Line(
        device=device, t_ms=np.array(times, np.int64), value=np.array(values), quality=np.zeros(n, np.uint16), mark=np.zeros(n, np.uint16)
    )


def envelope(device: str, first: int, n: list[int], mean: list[float], low: list[float], high: list[float]) -> Envelope:
    size = len(n)
    return Envelope(
        device=device, bucket_ms=60_000, t_ms=first + np.arange(size, dtype=np.int64) * 60_000, n=np.array(n, np.int64), low=np.array(low),
        mean=np.array(mean), high=np.array(high), covered=np.ones(size),
    )  # fmt: skip


def joined(parts: Sequence[Any]) -> past.Joined:
    spans = [Span(device=part.device, from_ms=0, to_ms=600_000) for part in parts]
    history: Any = Told(parts)
    return asyncio.run(past.joined(history, spans, "hr", 100))


def test_points_of_two_devices_are_one_line_by_time() -> None:
    found = joined([line("x", [1, 5, 9], [70, 71, 72]), line("y", [2, 5], [60, np.nan])])
    assert (found.raw, found.t_ms.tolist()) == (True, [1, 2, 5, 5, 9])
    assert np.array_equal(found.mean, [70, 60, 71, np.nan, 72], equal_nan=True)


def test_buckets_of_two_devices_are_weighted_and_what_nobody_told_stays_empty() -> None:
    nan = float("nan")
    found = joined(
        [
            envelope("x", 0, [2, 0, 1], [70, nan, 80], [60, nan, 80], [80, nan, 80]),
            envelope("y", 60_000, [0, 3], [nan, 40], [nan, 30], [nan, 50]),
        ]
    )
    assert (found.raw, found.bucket_ms, found.t_ms.tolist()) == (False, 60_000, [0, 60_000, 120_000])
    assert np.array_equal(found.mean, [70, nan, 50], equal_nan=True)
    assert np.array_equal(found.low, [60, nan, 30], equal_nan=True)
    assert np.array_equal(found.high, [80, nan, 80], equal_nan=True)


def test_nobodys_device_has_no_line() -> None:
    assert len(joined([]).t_ms) == 0
