"""Retention per class and erasure: what has to go goes everywhere, what stays is unchanged."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest

from gateway.history.sqlite import SqliteSink, TooManyPoints
from gateway.history.sqlite.keep import Limits
from gateway.readings import Mark
from tests.history.twin import feed, of_series, ones, plain, plain_line, random_blocks, row_block, sink_at
from tests.support.blocks import START_NS

DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9
START_MS = START_NS // 10**6


async def test_raw_values_go_first_then_minutes_rows_stay(tmp_path: Path) -> None:
    async with sink_at(tmp_path / "history.sqlite") as sink:
        now_ns = sink._clock.now_ns() // MINUTE_NS * MINUTE_NS + MINUTE_NS // 2
        ages = (800, 100, 1)
        blocks = []
        for number, days in enumerate(ages):
            begin_ns = now_ns - days * DAY_NS
            blocks.append(row_block(1 + 1000 * number, begin_ns, "dev", "hr", [60.0 + number] * 300))
            blocks.append(row_block(1 + 1000 * number + 300, begin_ns, "dev", "temp", [36.5] * 5))
            blocks.append(row_block(1 + 1000 * number + 305, begin_ns, "dev", "ecg", [np.nan] * 2))
        await feed(sink, blocks, random.Random(1))
        await sink.flush()
        found = await sink.retain(Limits())
        assert (found.chunks, found.minutes, found.readings) == (12, 6, 4)  # 300 s touch six minutes
        for days, minutes, raw in ((800, 0, 0), (100, 6, 0), (1, 6, 300)):
            begin_ns = now_ns - days * DAY_NS
            span = ("dev", "hr", begin_ns - DAY_NS // 2, begin_ns + DAY_NS // 2)
            if days == 100:
                with pytest.raises(TooManyPoints, match="sums"):
                    await sink.history.series(*span)
            else:
                assert len((await sink.history.series(*span)).t_ms) == raw
            assert (await sink.history.envelope(*span, 3000)).n.sum() == (300 if minutes else 0)
            assert len(await sink.history.rows("dev", "temp", *span[2:])) == 5
        assert (await sink.retain(Limits())).chunks == 0
        # what comes later still than the raw values are kept goes into the sums
        late = row_block(5000, now_ns - 100 * DAY_NS, "dev", "hr", [200.0])
        await feed(sink, [late], random.Random(1))
        await sink.flush()
        envelope = await sink.history.envelope("dev", "hr", now_ns - 101 * DAY_NS, now_ns - 99 * DAY_NS, 3000)
        assert (envelope.n.sum(), np.nanmax(envelope.high), np.nanmin(envelope.low)) == (301, 200.0, 61.0)


async def test_a_span_of_a_device_is_erased_to_the_byte(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    blocks = random_blocks(rng, 60)
    twin = ones(blocks)
    path = tmp_path / "history.sqlite"
    async with sink_at(path) as sink:
        await feed(sink, blocks, rng)
        from_ms, to_ms = START_MS + rng.randint(0, 100_000), START_MS + rng.randint(150_000, 400_000)
        await sink.erase("dev-1", from_ns=from_ms * 10**6, to_ns=to_ms * 10**6)
        erased = [one for one in twin if one.device == "dev-1" and from_ms <= one.t_ms < to_ms]
        left = [one for one in twin if one not in erased]
        for device in ("dev-0", "dev-1"):
            for quantity in ("hr", "temp", "steps"):
                line = await sink.history.series(device, quantity, START_NS - DAY_NS, START_NS + DAY_NS)
                assert plain_line(line) == plain(of_series(left, device, quantity, START_MS - 10**8, START_MS + 10**8))
                envelope = await sink.history.envelope(device, quantity, START_NS - DAY_NS, START_NS + DAY_NS, 2000)
                assert envelope.n.sum() == sum(one.told for one in of_series(left, device, quantity, START_MS - 10**8, START_MS + 10**8))
        payloads = {one.payload for one in erased if one.single}
        assert payloads
    everything = await asyncio.to_thread(lambda: b"".join(file.read_bytes() for file in tmp_path.iterdir()))
    assert not [payload for payload in payloads if payload in everything]


async def test_one_quantity_alone_and_all_of_a_device(tmp_path: Path) -> None:
    async with sink_at(tmp_path / "history.sqlite") as sink:
        await feed(
            sink, [row_block(1, START_NS, "dev", "hr", [60.0] * 90), row_block(91, START_NS, "dev", "spo2", [97.0] * 90)], random.Random(1)
        )
        await feed(sink, [row_block(181, START_NS, "dev", "hr", [61.0] * 3, mark=int(Mark.STORED))], random.Random(1))
        await sink.erase("dev", quantity=0)
        assert await _left(sink) == (0, 90, 0)
        await sink.erase("dev")
        assert await _left(sink) == (0, 0, 0)
        await feed(sink, [row_block(184, START_NS, "dev", "hr", [62.0])], random.Random(1))
        assert await _left(sink) == (1, 0, 0)


async def _left(sink: SqliteSink) -> tuple[int, int, int]:
    span = (START_NS, START_NS + DAY_NS)
    hr, spo2 = [len((await sink.history.series("dev", key, *span)).t_ms) for key in ("hr", "spo2")]
    return hr, spo2, len(await sink.history.rows("dev", None, *span))
