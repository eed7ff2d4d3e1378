"""Chunks: exact both ways, small, and never a wrong reading from a damaged one."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.history.sqlite.chunks import MINUTE_MS, Points, pack, unpack
from gateway.store import Corrupt

MINUTE = 29_454_000

odd = st.sampled_from([0.0, -0.0, float("nan"), float("inf"), 1e300, 5e-324, 2.0**31, -(2.0**31), 72.5, 0.1 + 0.2, 36.6, 1e-7])
values = st.one_of(odd, st.floats(), st.integers(0, 300).map(float), st.integers(0, 500).map(lambda k: k / 10))
readings = st.tuples(st.integers(0, MINUTE_MS - 1), values, st.sampled_from([0, 0, 0, 1, 65_535]), st.sampled_from([0, 0, 0, 2]))


def points_of(rows: list[tuple[int, float, int, int]], minute: int) -> Points:
    rows = sorted(rows, key=lambda row: row[0])
    return Points(
        np.array([minute * MINUTE_MS + row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.uint16),
        np.array([row[3] for row in rows], np.uint16),
    )


@pytest.mark.timeout(30)
@settings(max_examples=80)
@given(chunks=st.lists(st.lists(readings, min_size=1, max_size=40), min_size=1, max_size=6), power=st.integers(0, 3))
def test_comes_back_to_the_bit(chunks: list[list[tuple[int, float, int, int]]], power: int) -> None:
    parts = [points_of(rows, MINUTE + number) for number, rows in enumerate(chunks)]
    starts = np.cumsum([0, *map(len, parts[:-1])])
    packed = pack(Points.joined(parts), starts, np.full(len(parts), power))
    found, counts = unpack([MINUTE + number for number in range(len(parts))], packed)
    whole = Points.joined(parts)
    assert counts.tolist() == [len(part) for part in parts]
    assert found.t_ms.tolist() == whole.t_ms.tolist()
    nan = np.isnan(whole.value)
    assert np.isnan(found.value).tolist() == nan.tolist()
    assert found.value[~nan].tobytes() == whole.value[~nan].tobytes()
    assert (found.quality.tolist(), found.mark.tolist()) == (whole.quality.tolist(), whole.mark.tolist())
    # one at a time is the same as many at once
    for number, part in enumerate(parts):
        assert pack(part, np.zeros(1, np.int64), np.array([power])) == [packed[number]]


def test_a_minute_at_1_hz_is_small() -> None:
    rng = np.random.default_rng(1)
    t_ms = MINUTE * MINUTE_MS + np.arange(60) * 1000 + rng.integers(0, 30, 60)
    value = np.round(70 + 5 * np.sin(np.arange(60) / 20) + rng.normal(0, 1, 60))
    quality = np.zeros(60, np.uint16)
    (chunk,) = pack(Points(t_ms, value, quality, quality), np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert len(chunk) < 60 * 2.5


def test_damage_is_said() -> None:
    rng = random.Random(3)
    part = points_of([(i * 700, float(rng.randint(50, 90)), i % 2, 0) for i in range(80)], MINUTE)
    (chunk,) = pack(part, np.zeros(1, np.int64), np.zeros(1, np.int64))
    plain = zlib.decompress(chunk[1:])
    for cut in range(len(chunk)):
        with pytest.raises(Corrupt):
            unpack([MINUTE], [chunk[:cut]])
    for cut in range(len(plain)):
        with pytest.raises(Corrupt):
            unpack([MINUTE], [b"\x01" + plain[:cut]])
    for wrong in (b"\x03" + plain, b"\x01" + plain + b"\0", chunk + b"\0"):
        with pytest.raises(Corrupt):
            unpack([MINUTE], [wrong])
