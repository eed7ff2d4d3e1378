"""Stream engine and its core beside River in the same run: updates per second of one core, latency of small batches, memory.

- core: two EWMA levels, spread, z, two-sided CUSUM and slope of every series (analytics/core.py); whole ticks, and scattered batches.
- core with ring: the same and median/MAD of the last 64, refreshed every 16 readings of a series.
- whole engine: everything that a reading gets, from the journal's block on: row, round, ring buffer, silence, leap and flat line, limits,
  person's baselines, NEWS2, and all other detectors of the folder.
- River gets one reading at a time, as its interface wants it, from models found by the series' name: EWMean + EWVar and a z;
  GaussianScorer over 64; HalfSpaceTrees.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from river import anomaly, stats

from analytics.core import Core, Settings
from gateway.clock import SystemClock
from gateway.readings import StoredBlock, Tick
from gateway.stream.engine import Engine
from tests.support.ward import NS, T0_NS, R, block_of, ward

SERIES = 1_000
KEYS = {"hr": (72.0, 3.0), "spo2": (96.5, 0.7), "resp": (16.0, 1.0), "temp": (36.7, 0.1)}
SECONDS = 120
REPEATS = 7
MANY = 40  # short runs: on a busy machine the best of many finds a quiet moment, for us and for the peer alike
SMALL = (1, 10, 100)
CLOCK = SystemClock()
_GAUSSIAN: Callable[..., Any] = anomaly.GaussianScorer
_TREES: Callable[..., Any] = anomaly.HalfSpaceTrees


def best(work: Callable[[], int], prepare: Callable[[], None] = lambda: None, repeats: int = REPEATS) -> float:
    """Updates per second, the best of a few runs: other work on the machine only takes away."""
    rates = []
    for _ in range(repeats):
        prepare()
        gc.collect()
        begun_ns = CLOCK.monotonic_ns()
        count = work()
        rates.append(count / ((CLOCK.monotonic_ns() - begun_ns) / 1e9))
    return max(rates)


# --- the core ------------------------------------------------------------------------------------------------------------


def core(series: int, *, ring: bool) -> tuple[float, float]:
    """(updates/s of whole ticks after the start, bytes per series)."""
    made = Core(series, Settings(floor=3.0, height=1e9), ring=ring)
    values = np.random.default_rng(1).normal(72.0, 3.0, (32, series)).astype(np.float32)
    ticks, now = max(16, 500_000 // series), 0
    for now in range(1, 400 if series <= 10_000 else 70):
        made.tick(now * NS, values[now % 32])

    def work() -> int:
        nonlocal now
        for _ in range(ticks):
            now += 1
            made.tick(now * NS, values[now % 32])
        return ticks * series

    return best(work, repeats=MANY), made.nbytes / series


def scattered(series: int, size: int) -> float:
    """Updates/s of the core where `size` random series come per batch."""
    made, rng = Core(series, Settings(floor=3.0, height=1e9)), np.random.default_rng(1)
    batches = [(rng.choice(series, size, replace=False), rng.normal(72.0, 3.0, size).astype(np.float32)) for _ in range(200)]
    now = 0

    def work() -> int:
        nonlocal now
        for rows, values in batches:
            now += 1
            made.batch(rows, np.full(size, now * NS), values)
        return len(batches) * size

    return best(work)


def along(count: int) -> float:
    """Updates/s of many values of one series in one message."""
    values = np.random.default_rng(1).normal(72.0, 3.0, count).astype(np.float32)

    def work() -> int:
        Core(1, Settings(floor=3.0, height=1e9)).scan(0, np.arange(count) * NS, values)
        return count

    return best(work)


def copy_bytes_per_s(size: int) -> float:
    """Bytes moved per second (read + written) by copying arrays of `size` bytes, large enough not to stay in a cache."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)

    def work() -> int:
        np.copyto(target, source)
        return 2 * size

    return best(work, repeats=15)


# --- the whole engine ----------------------------------------------------------------------------------------------------


def blocks(devices: list[str], rng: np.random.Generator, head: int) -> Iterator[StoredBlock]:
    """A second of every series, then its tick."""
    first = 2
    template = block_of([R(device=name, key=key, value=1.0, t_s=0.0) for name in devices for key in KEYS])
    level = np.array([KEYS[key][0] for _ in devices for key in KEYS])
    spread = np.array([KEYS[key][1] for _ in devices for key in KEYS])
    for second in range(1, SECONDS + 1):
        t_ns = np.full(SERIES, T0_NS + second * NS, dtype=np.int64)
        value = np.round(level + spread * rng.normal(size=SERIES), 1)
        yield StoredBlock(first=first, readings=replace(template, value=value, t_measured_ns=t_ns, t_received_ns=t_ns))
        yield StoredBlock(first=first + SERIES, tick=Tick(t_ns=T0_NS + second * NS, events_offset=head))
        first += SERIES + 1


def started() -> tuple[Engine, list[str], int]:
    """An engine that knows the ward."""
    devices = [f"w{at}" for at in range(SERIES // len(KEYS))]
    made = ward(*devices, quantities=tuple(KEYS), cadence_s=dict.fromkeys(KEYS, 1.0))
    engine = Engine()
    engine.step(StoredBlock(first=1, tick=Tick(t_ns=T0_NS, events_offset=len(made.events))), made.events)
    return engine, devices, len(made.events)


def whole_engine() -> tuple[float, int]:
    """All of the engine, ticks included; also the findings, so that the work is not imagined."""
    engine, devices, head = started()
    stream, found = list(blocks(devices, np.random.default_rng(1), head)), 0

    def prepare() -> None:
        nonlocal engine
        engine, _, _ = started()
        engine.step(stream[0])

    def work() -> int:
        nonlocal found
        found = sum(len(engine.step(block)) for block in stream[1:])
        return SERIES * (SECONDS - 1)

    return best(work, prepare, repeats=3), found


def small_batch_us(size: int) -> tuple[float, float]:
    """Microseconds for a block of `size` readings of different series, (median, least) of 300 blocks."""
    engine, devices, head = started()
    stream = list(blocks(devices, np.random.default_rng(1), head))
    for block in stream[:20]:
        engine.step(block)
    whole = stream[20].readings
    if whole is None:
        raise ValueError("a block of readings was expected")
    took, first, rng = [], engine.offset + 1, np.random.default_rng(2)
    for at in range(300):
        rows = np.sort(rng.choice(SERIES, size, replace=False))
        t_ns = np.full(size, T0_NS + (30 + at) * NS, dtype=np.int64)
        columns = {name: getattr(whole, name)[rows] for name in ("quantity", "value", "quality", "mark", "origin")}
        named, device = np.unique(whole.device[rows], return_inverse=True)
        some = replace(
            whole, **columns, devices=tuple(whole.devices[of] for of in named), device=device.astype(np.int32), t_measured_ns=t_ns,
            t_received_ns=t_ns, frames=whole.frames[:size], frame=np.arange(size, dtype=np.int32),
        )  # fmt: skip
        block = StoredBlock(first=first, readings=some)
        first = block.last + 1
        begun_ns = CLOCK.monotonic_ns()
        engine.step(block)
        took.append((CLOCK.monotonic_ns() - begun_ns) / 1e3)
    return float(np.median(took)), min(took)


# --- the peers -----------------------------------------------------------------------------------------------------------


def river_ewma(series: int) -> float:
    """EWMean and EWVar of each series, and the z of each reading against them."""
    names = [f"w{at}" for at in range(series)]
    values = np.random.default_rng(1).normal(72.0, 3.0, size=(max(1, 10_000 // series), series)).tolist()
    models = {name: (stats.EWMean(fading_factor=0.01), stats.EWVar(fading_factor=0.01)) for name in names}

    def work() -> int:
        for row in values:
            for name, value in zip(names, row, strict=True):
                mean, variance = models[name]
                spread = variance.get()
                _ = (value - mean.get()) / (spread**0.5 if spread > 0 else 1.0)
                mean.update(value)
                variance.update(value)
        return series * len(values)

    return best(work, repeats=MANY)


def river_model(make: Callable[[], Any], series: int, rows: int, shape: Callable[[float], Any]) -> float:
    """score_one and learn_one of one anomaly model per series."""
    names = [f"w{at}" for at in range(series)]
    values = np.random.default_rng(1).normal(72.0, 3.0, size=(rows, series)).tolist()
    models = {name: make() for name in names}

    def work() -> int:
        for row in values:
            for name, value in zip(names, row, strict=True):
                model, seen = models[name], shape(value)
                model.score_one(*seen)
                model.learn_one(*seen)
        return series * rows

    return best(work, repeats=3)


def line(name: str, rate: float, peers: Sequence[float] = ()) -> None:
    """A row of the table."""
    ratios = "".join(f"{rate / peer:>9,.0f} x" for peer in peers)
    print(f"{name:<48}{rate:>16,.0f}{ratios}", flush=True)


def main() -> None:
    """Print the figures and their ratios."""
    gaussian = river_model(partial(_GAUSSIAN, window_size=64, grace_period=10), SERIES, 5, lambda value: (None, value))
    trees = river_model(partial(_TREES, n_trees=10, height=8, window_size=64), 100, 5, lambda value: ({"x": value},))
    print(f"{'updates/s, one core, the best of a few runs':<48}{'':>16}{'EWM':>11}{'Gaussian':>11}{'HST':>11}")
    line("River GaussianScorer(64), 1,000 series", gaussian)
    line("River HalfSpaceTrees(10 x 8), 100 series", trees)
    bandwidth = copy_bytes_per_s(256 << 20)
    for series in (1_000, 10_000, 100_000):
        peer = river_ewma(series)
        peers = (peer, gaussian, trees)
        line(f"River EWMean + EWVar, z, {series:,} series", peer)
        rate, size = core(series, ring=False)
        line(f"core, whole ticks, {series:,} series, {size:.0f} B each", rate, peers)
        if series == 100_000:
            # read and written: five lanes; read: the reading
            print(f"    44 B an update: {rate * 44 / bandwidth:.0%} of the measured copy bandwidth of {bandwidth / 1e9:.1f} GB/s")
        rate, size = core(series, ring=True)
        line(f"  and median/MAD of 64, {size:.0f} B each", rate, peers)
        line("  scattered, batches of 1,000 series", scattered(series, min(1_000, series // 2)), peers)
    line("core, 10,000 values of one series in a message", along(10_000))
    for size in SMALL:
        rate = scattered(10_000, size)
        print(f"core, a batch of {size}: {1e6 * size / rate:.0f} us")
    rate, found = whole_engine()
    line(f"whole engine, ticks included, {SERIES:,} series", rate, (river_ewma(SERIES), gaussian, trees))
    for size in SMALL:
        median, least = small_batch_us(size)
        print(f"whole engine, a block of {size}: median {median:.0f} us, least {least:.0f} us")
    print(f"(the engine said {found} findings in {SECONDS} s)")


if __name__ == "__main__":
    main()
