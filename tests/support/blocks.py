"""Blocks of readings for tests of the journal and its consumers."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from gateway.readings import FrameRow, ReadingBlock

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


def plain_payload(number: int) -> bytes:
    """A message as devices send it: 100 bytes that compress as such messages do."""
    text = '{"v":1,"device":"dev-%d","boot_id":"boot-1","seq":%d,"t":%d,"quantity":"hr","value":%d,"unit":"/min"}'
    return (text % (number % 50, number, 1_767_225_600_000 + number * 7, 60 + number % 40)).encode()


def with_plain_payloads(block: ReadingBlock) -> ReadingBlock:
    """The same block with messages as devices send them."""
    frames = tuple(replace(frame, payload=plain_payload(number)) for number, frame in enumerate(block.frames))
    return replace(block, frames=frames)


def make_block(rng: random.Random, n: int, frames: int = 1, *, payload_bytes: int | None = None) -> ReadingBlock:
    """A block of `n` readings from `frames` frames with every kind of None, NaN and odd text in it."""
    devices = tuple(f"dev-{number}" for number in range(1, 1 + rng.randint(1, 5)))
    rows = tuple(
        FrameRow(
            device=rng.choice(devices),
            channel=rng.choice(["mqtt", "http"]),
            topic=rng.choice(["anxin/up/dev-1", "站点/床 一"]),
            boot_id=rng.choice([None, "boot-1", "boot-2"]),
            seq=rng.choice([None, 0, rng.randrange(2**62)]),
            t_received_ns=START_NS + rng.randrange(10**12),
            t_device_ns=rng.choice([None, 0, START_NS - rng.randrange(10**12)]),
            payload=rng.randbytes(rng.randint(0, 60) if payload_bytes is None else payload_bytes),
        )
        for _ in range(frames)
    )
    numbers = np.random.default_rng(rng.randrange(2**32))
    values = np.round(numbers.normal(70, 20, n), 1)
    values[numbers.random(n) < 0.1] = np.nan
    return ReadingBlock(
        devices=devices,
        frames=rows,
        device=numbers.integers(0, len(devices), n).astype(np.int32),
        quantity=numbers.integers(0, 30, n).astype(np.int16),
        value=values,
        t_measured_ns=START_NS + numbers.integers(-(10**12), 10**12, n),
        t_received_ns=START_NS + np.cumsum(numbers.integers(0, 10**6, n)),
        quality=numbers.integers(0, 2**16, n).astype(np.uint16),
        mark=numbers.integers(0, 128, n).astype(np.uint16),
        origin=numbers.integers(0, 5, n).astype(np.uint8),
        frame=numbers.integers(0, frames, n).astype(np.int32),
    )


COLUMNS = ("device", "quantity", "value", "t_measured_ns", "t_received_ns", "quality", "mark", "origin", "frame")


def same(left: ReadingBlock | None, right: ReadingBlock | None) -> bool:
    """Equal to the bit, types included (NaN equals NaN)."""
    if left is None or right is None:
        return left is right
    if left.devices != right.devices or left.frames != right.frames:
        return False
    return all(
        getattr(left, name).dtype == getattr(right, name).dtype and getattr(left, name).tobytes() == getattr(right, name).tobytes()
        for name in COLUMNS
    )
