"""Falls: wearers at 50 Hz that one core carries; the detector alone, and with the frames' JSON as the engine takes it from the journal.

Each wearer sends a second a message: walking, sitting, and now and then a bump that must be judged, as on the recordings of daily living.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analytics.detect.fall import Falls
from analytics.table import Table
from devices.model import Quality
from gateway.clock import SystemClock
from gateway.readings import FrameRow, StoredBlock, Tick
from gateway.stream.engine import Engine
from tests.support.ward import NS, T0_NS, R, block_of, ward

RATE_HZ = 50
CLOCK = SystemClock()


def second(wearers: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """float64[wearers, 50, 3] in g: a third walks, one in 200 bumps into something."""
    t_s = np.arange(RATE_HZ) / RATE_HZ
    acc = rng.normal(0, 0.02, (wearers, RATE_HZ, 3)) + np.array([0.0, 1.0, 0.05])
    acc[: wearers // 3, :, 1] += 0.3 * np.sin(4 * np.pi * t_s)
    bumped = rng.random(wearers) < 1 / 200
    acc[bumped, 20:23] += rng.normal(0, 1.5, (int(bumped.sum()), 3, 3))
    return np.asarray(acc)


def alone(wearers: int, seconds: int = 12) -> float:
    """Wearer-seconds per second of the detector; float64 in, verdicts out. The best second of several: others only take away."""
    rng = np.random.default_rng(1)
    detector = Falls()
    state = Table(detector.columns, wearers)
    parts = [second(wearers, rng) for _ in range(4)]
    rows, rates = np.arange(wearers), []
    for number in range(seconds):
        end_ns = np.full(wearers, (number + 1) * NS)
        begun_ns = CLOCK.monotonic_ns()
        detector.push(rows, parts[number % 4], RATE_HZ, end_ns, rows, state)
        rates.append(wearers * 1e9 / (CLOCK.monotonic_ns() - begun_ns))
    return float(np.median(rates))


def whole(wearers: int = 500, seconds: int = 8) -> float:
    """The same for the engine with frames of JSON, in blocks of 25 messages."""
    rng = np.random.default_rng(1)
    made = ward(*(f"w{at}" for at in range(wearers)))
    for at in range(wearers):
        made.device(f"w{at}", facts={"body_location": "waist"})
    engine = Engine()
    engine.fold(made.events)
    first, spent_ns = 1, 0
    engine.step(_tick(first, T0_NS, len(made.events)))
    first += 1
    for number in range(seconds):
        acc = second(wearers, rng)
        for at in range(0, wearers, 25):
            block = _block(first, acc, range(at, min(at + 25, wearers)), number)
            begun_ns = CLOCK.monotonic_ns()
            engine.step(block)
            spent_ns += CLOCK.monotonic_ns() - begun_ns
            first = block.last + 1
    return wearers * seconds * 1e9 / spent_ns


def _tick(first: int, t_ns: int, events: int) -> StoredBlock:
    return StoredBlock(first=first, tick=Tick(t_ns=t_ns, events_offset=events))


def _block(first: int, acc: NDArray[np.float64], who: range, number: int) -> StoredBlock:
    frames = []
    for at in who:
        wave = {"quantity": "acc", "unit": "m/s2", "rate_hz": RATE_HZ, "value": np.round(acc[at] * 9.80665, 2).ravel().tolist()}
        t_ns = T0_NS + number * NS
        body = {"v": 1, "device": f"w{at}", "boot_id": "b", "seq": number, "t": t_ns // 1_000_000, "wave": wave}
        frames.append(FrameRow(
            device=f"w{at}", channel="mqtt", topic=f"anxin/up/w{at}", boot_id="b", seq=number, t_received_ns=t_ns + NS, t_device_ns=t_ns,
            payload=json.dumps(body).encode(),
        ))  # fmt: skip
    quality = int(Quality.WAVE | Quality.NO_VALUE)
    rows = [R(device=f"w{at}", key="acc", value=float("nan"), t_s=number + 1.0, quality=quality) for at in who]
    return StoredBlock(first=first, readings=replace(block_of(rows), frames=tuple(frames)))


def main() -> None:
    """Print the figures."""
    for wearers in (500, 2_000):
        print(f"detector, {wearers:,} wearers side by side: {alone(wearers):>10,.0f} wearers at 50 Hz per core", flush=True)
    print(f"engine with JSON frames, 500 wearers:      {whole():>10,.0f} wearers at 50 Hz per core")
    size = sum(np.dtype(column.dtype).itemsize * max(1, column.width) for column in Falls.columns.values())
    print(f"memory per wearer: {size:,} bytes")


if __name__ == "__main__":
    main()
