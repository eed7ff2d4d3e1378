"""The store against its slow twin: any batches, flushes, crashes, replays, late data; through file, tail and both."""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.history.sqlite.history import Envelope, Line, Span
from gateway.history.sqlite.sink import SqliteSink
from tests.history.twin import One, feed, of_series, ones, plain, plain_line, random_blocks, sink_at
from tests.support.blocks import START_NS

START_MS = START_NS // 1_000_000


def same_envelope(found: Envelope, wanted: list[One], from_ms: int, to_ms: int) -> None:
    width = found.bucket_ms
    for at, begin in enumerate(found.t_ms.tolist()):
        inside = [one.value for one in wanted if one.told and begin <= one.t_ms < begin + width]
        assert found.n[at] == len(inside)
        if inside:
            assert found.low[at] == min(inside)
            assert found.high[at] == max(inside)
            assert math.isclose(found.mean[at], math.fsum(inside) / len(inside), rel_tol=1e-9, abs_tol=1e-6)
            assert 0 < found.covered[at] <= 1
        else:
            assert math.isnan(found.mean[at])
            assert found.covered[at] == 0
    empty = [(begin, begin + width) for at, begin in enumerate(found.t_ms.tolist()) if not found.n[at]]
    listed = [(low, high) for low, high in found.gaps]
    assert all(any(low <= max(begin, from_ms) and min(end, to_ms) <= high for low, high in listed) for begin, end in empty)


async def compare(sink: SqliteSink, twin: list[One], rng: random.Random, questions: int = 6) -> None:
    for _ in range(questions):
        device, quantity = f"dev-{rng.randrange(4)}", rng.choice(["hr", "spo2", "temp", "steps", "call.sos", "glucose_cgm"])
        from_ms = START_MS + rng.randint(-300_000, 600_000)
        to_ms = from_ms + rng.choice([1, 59_000, 60_000, 900_000])
        wanted = of_series(twin, device, quantity, from_ms, to_ms)
        line = await sink.history.series(device, quantity, from_ms * 10**6, to_ms * 10**6)
        assert plain_line(line) == plain(wanted)
        assert (np.diff(line.t_ms) >= 0).all()
        for points in (3, 40):
            same_envelope(await sink.history.envelope(device, quantity, from_ms * 10**6, to_ms * 10**6, points), wanted, from_ms, to_ms)
        rows = await sink.history.rows(device, quantity, from_ms * 10**6, to_ms * 10**6)
        singles = [one for one in wanted if one.single]
        assert len(rows) <= len(singles)  # those in the tail are on their way
        assert {row.payload for row in rows} <= {one.payload for one in singles}


@pytest.mark.timeout(60)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_equals_the_twin_whatever_the_batches_flushes_and_crashes(seed: int) -> None:
    rng = random.Random(seed)
    blocks = random_blocks(rng, rng.randint(1, 30))
    twin = ones(blocks)

    async def live(path: Path) -> None:
        done = 0
        while True:
            async with sink_at(path) as sink:
                begin = sink.safe + 1
                if rng.random() < 0.3:
                    begin = 1  # a replay from the very beginning
                offered = [block for block in blocks if block.last >= begin]
                upto = rng.randint(done, len(blocks))
                await feed(sink, [block for block in offered if block in blocks[:upto]], rng)
                if rng.random() < 0.5:
                    await sink.flush()
                if upto:
                    await compare(sink, ones(blocks[:upto]), rng, 2)
                done = max(done, upto)
            if done == len(blocks):
                break
        async with sink_at(path, flush=True) as sink:
            await feed(sink, [block for block in blocks if block.last > sink.safe], rng)
            await compare(sink, twin, rng)
            await sink.flush()
            await compare(sink, twin, rng)
            for device in {one.device for one in twin}:
                rows = await sink.history.rows(device, None, 0, 2**62)
                mine = sorted(
                    (one.t_ns, one.quantity, repr(one.value + 0.0), one.mark, one.payload)
                    for one in twin
                    if one.single and one.device == device
                )
                assert (
                    sorted((r.t_ns, r.quantity, "nan" if r.value is None else repr(r.value), r.mark, r.payload or b"") for r in rows)
                    == mine
                )

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder) / "history.sqlite"))


def content(conn: apsw.Connection) -> tuple[list[tuple[Any, ...]], ...]:
    """All of the file but the numbers of series, which depend on who came first."""
    return (
        sorted(conn.execute("SELECT device, quantity, origin, minute, body FROM series JOIN chunk ON series = id")),
        sorted(conn.execute("SELECT device, quantity, origin, minute, n, silent, low, high, total FROM series JOIN minute ON series = id")),
        sorted(conn.execute("SELECT * FROM frame")),
    )


async def test_content_does_not_depend_on_how_it_was_cut(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    blocks = random_blocks(rng, 40)
    dumps = []
    for number in range(3):
        async with sink_at(tmp_path / f"{number}.sqlite", flush=True) as sink:
            for block in blocks:
                await feed(sink, [block], rng)
                if rng.random() < 0.3 * number:
                    await sink.flush()
            await sink.flush()
            dumps.append(await sink._db.read(content))
    assert dumps[0] == dumps[1] == dumps[2]


@pytest.mark.parametrize("seed_of_window", range(3))
async def test_a_window_is_points_while_they_fit_and_one_grid_of_buckets_else(tmp_path: Path, seed: int, seed_of_window: int) -> None:
    rng = random.Random(seed + seed_of_window)
    blocks = random_blocks(rng, 60)
    twin = ones(blocks)
    async with sink_at(tmp_path / "history.sqlite") as sink:
        await feed(sink, blocks, rng)
        spans = [Span(device=f"dev-{i}", from_ms=START_MS + i * 7_001, to_ms=START_MS + 900_000 - i * 11_003) for i in range(3)]
        total = sum(len(plain(of_series(twin, span.device, "hr", span.from_ms, span.to_ms))) for span in spans)
        lines = await sink.history.window(spans, "hr", max(total, 1))
        assert all(isinstance(line, Line) for line in lines)
        for span, line in zip(spans, lines, strict=True):
            assert plain_line(line) == plain(of_series(twin, span.device, "hr", span.from_ms, span.to_ms))
        if total > 12:
            for points in (4, 12):
                buckets = await sink.history.window(spans, "hr", points)
                for span, one in zip(spans, buckets, strict=True):
                    assert isinstance(one, Envelope)
                    assert len(one.t_ms) <= points
                    same_envelope(one, of_series(twin, span.device, "hr", span.from_ms, span.to_ms), span.from_ms, span.to_ms)
