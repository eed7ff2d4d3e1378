"""The same readings in any split into blocks, with restarts anywhere, say the same with the same ids."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gateway.readings import ReadingBlock, StoredBlock
from gateway.stream import checkpoint
from gateway.stream.engine import Engine
from gateway.vocabulary import AlertKind, Finding
from tests.support.ward import Mark, Quality, R, Run, Ward, block_of, events_for, ward

DEVICES = ("a", "b", "c")
LEVELS = {"hr": 75.0, "spo2": 95.0, "resp": 16.0, "sbp": 120.0, "glucose": 6.0, "battery": 60.0}


def journal(rng: random.Random) -> tuple[Ward, list[StoredBlock]]:
    """Ten lively minutes of three residents: bursts, several readings of a series per block, stored, late and disordered ones."""
    made = ward(*DEVICES, quantities=("hr", "spo2"), cadence_s={"hr": 10.0, "spo2": 10.0})
    run = Run(made)
    level = {(device, key): value for device in DEVICES for key, value in LEVELS.items()}
    run.tick(0)
    for second in range(1, 600):
        readings = [reading for device in DEVICES for reading in _second(device, second, level, rng)]
        rng.shuffle(readings)
        if readings:
            run.read(*readings)
        if second == 200:
            made.resident("new")
            made.bind("b", "new", from_s=200)
        if second == 400:
            made.limit("hr", "R-a", high=85.0, duration_s=5.0)
        run.tick(second)
    return made, run.blocks


def _second(device: str, second: int, level: dict[tuple[str, str], float], rng: random.Random) -> Iterator[R]:
    if device == "c" and 100 < second < 300:
        return  # silent
    for key in LEVELS:
        if rng.random() > 0.1:
            continue
        level[device, key] += rng.gauss(0, 0.1 * LEVELS[key] ** 0.8) + 0.1 * (LEVELS[key] - level[device, key])
        for at in range(rng.choice([1, 1, 1, 4])):  # a frame with several values, not in order
            t_s = second - rng.choice([0.0, 0.1, 0.5])
            mark = rng.choice([0] * 15 + [int(Mark.STORED), int(Mark.STORED | Mark.LATE), int(Mark.RETAINED), int(Mark.BAD_CLOCK)])
            quality = rng.choice([0] * 15 + [int(Quality.MOTION), int(Quality.NOT_WORN), int(Quality.BELOW_RANGE)])
            value = round(level[device, key] + at, 1)
            yield R(device=device, key=key, value=value, t_s=t_s, mark=mark, quality=quality, frame=hash((device, key, second)))
    if rng.random() < 0.01:
        yield R(device=device, key=rng.choice(["call.sos", "call.cancel"]), value=1.0, t_s=float(second))


def part_of(block: ReadingBlock, rows: slice) -> ReadingBlock:
    columns = {
        name: getattr(block, name)[rows]
        for name in ("device", "quantity", "value", "t_measured_ns", "t_received_ns", "quality", "mark", "origin", "frame")
    }
    return replace(block, **columns)


def cuts(block: StoredBlock, rng: random.Random, chance: float) -> Iterator[StoredBlock]:
    """The block in pieces; a frame stays whole, as in the journal."""
    readings = block.readings
    if readings is None:
        yield block
        return
    borders = np.flatnonzero(np.diff(readings.frame)) + 1
    chosen = [0, *(int(at) for at in borders if rng.random() < chance), len(readings)]
    for start, end in pairwise(chosen):
        yield StoredBlock(first=block.first + start, readings=part_of(readings, slice(start, end)))


def frames_together(blocks: list[StoredBlock]) -> list[StoredBlock]:
    """Rows of one frame stand together in a block."""
    found = []
    for block in blocks:
        if block.readings is None:
            found.append(block)
            continue
        order = np.argsort(block.readings.frame, kind="stable")
        columns = part_of(block.readings, slice(None))
        names = ("device", "quantity", "value", "t_measured_ns", "t_received_ns", "quality", "mark", "origin", "frame")
        found.append(StoredBlock(first=block.first, readings=replace(columns, **{name: getattr(columns, name)[order] for name in names})))
    return found


def findings(
    made: Ward, blocks: list[StoredBlock], *, rng: random.Random | None = None, chance: float = 0.0, restarts: float = 0.0
) -> list[Finding]:
    engine, found = Engine(), []
    rng = rng or random.Random(0)
    for block in blocks:
        for piece in cuts(block, rng, chance):
            found += engine.step(piece, events_for(engine, piece, made.events))
            if rng.random() < restarts:
                engine = checkpoint.restore(checkpoint.snapshot(engine), engine.view.copy())
    return found


@pytest.mark.timeout(60)
def test_splits_and_restarts(seed: int) -> None:
    rng = random.Random(seed)
    made, blocks = journal(rng)
    blocks = frames_together(blocks)
    whole = findings(made, blocks)
    assert len({finding.rule for finding in whole}) >= 5
    assert findings(made, blocks) == whole
    assert findings(made, blocks, rng=rng, chance=1.0) == whole
    assert findings(made, blocks, rng=rng, chance=0.3, restarts=0.02) == whole


def test_every_finding_has_an_id_of_its_own_and_ends_at_most_once(seed: int) -> None:
    made, blocks = journal(random.Random(seed))
    whole = findings(made, blocks)
    starts = [finding.id for finding in whole if finding.phase == "start"]
    assert len(starts) == len(set(starts))
    ends = [finding.id for finding in whole if finding.phase == "end"]
    assert len(ends) == len(set(ends))
    assert set(ends) <= set(starts)


def test_an_empty_block_is_harmless() -> None:
    engine = Engine()
    assert engine.step(StoredBlock(first=1, readings=block_of([]))) == []


@pytest.mark.timeout(60)
def test_late_data_change_no_live_verdict(seed: int) -> None:
    """Late readings of the same people, in blocks of their own anywhere in the journal, however alarming: findings about people stay."""
    rng = random.Random(seed)
    made, blocks = journal(rng)
    with_late, head = [], 1
    for block in blocks:
        if rng.random() < 0.2:
            late = [
                R(
                    device=rng.choice(DEVICES), key=rng.choice(["hr", "spo2", "glucose"]), value=rng.choice([2.0, 30.0, 250.0]),
                    t_s=-3_600.0 + at, received_s=1.0, mark=int(Mark.LATE | Mark.STORED),
                )
                for at in range(3)
            ]  # fmt: skip
            with_late.append(StoredBlock(first=head, readings=block_of(late)))
            head = with_late[-1].last + 1
        with_late.append(replace(block, first=head))
        head = with_late[-1].last + 1

    def told(found: list[Finding]) -> list[tuple[str, str, int, str | None]]:
        return [(one.rule, one.phase, one.t_ns, one.resident) for one in found if one.kind is AlertKind.PHYSIOLOGICAL]

    assert told(findings(made, with_late)) == told(findings(made, blocks)) != []
