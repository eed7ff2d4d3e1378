"""Raw acceleration through the engine: frames of the envelope become findings; positions, gaps, cancellation, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from devices.model import Quality
from gateway.readings import FrameRow, Mark, StoredBlock
from gateway.stream import checkpoint
from gateway.vocabulary import AlertKind, Finding, Phase, Priority
from tests.support.ward import NS, T0_NS, R, Run, Ward, block_of, said, ward
from tests.unit.test_falls import F64, LYING, RATE, still, story

G = 9.80665
STEP = 50  # a message a second


def belt(place: str = "waist") -> Ward:
    made = Ward()
    made.site()
    made.resident("Li")
    made.device("belt", facts={"body_location": place} if place else {})
    made.bind("belt", "Li")
    made.device("radar")
    made.bind("radar", "Li")
    return made


def message(
    acc: F64, seq: int, t_s: float, device: str = "belt", clock: bool = True, rate_hz: float = RATE, odd: bool = False
) -> StoredBlock:
    """A message received at t_s as intake writes it to the journal."""
    t_ms = (T0_NS + round((t_s - len(acc) / rate_hz) * NS)) // 1_000_000
    values = np.round(acc * G, 4).ravel().tolist() + ([0.0] if odd else [])
    wave = {"quantity": "acc", "unit": "m/s2", "rate_hz": rate_hz, "value": values}
    body = {"v": 1, "device": device, "boot_id": "b", "seq": seq, "t": t_ms if clock else None, "wave": wave}
    frame = FrameRow(
        device=device, channel="mqtt", topic=f"anxin/up/{device}", boot_id="b", seq=seq, t_received_ns=T0_NS + round(t_s * NS),
        t_device_ns=t_ms * 1_000_000 if clock else None, payload=json.dumps(body).encode(),
    )  # fmt: skip
    row = R(device=device, key="acc", value=float("nan"), t_s=t_s, quality=int(Quality.WAVE | Quality.NO_VALUE))
    return StoredBlock(first=0, readings=replace(block_of([row]), frames=(frame,)))


def give(run: Run, block: StoredBlock) -> list[Finding]:
    return run._step(replace(block, first=run.head))


def play(run: Run, acc: F64, *, skip: Sequence[int] = (), clock: bool = True, from_s: float = 1.0) -> list[Finding]:
    """A message a second with a tick after it."""
    found: list[Finding] = []
    for number in range(len(acc) // STEP):
        t_s = from_s + number
        if number not in skip:
            found += give(run, message(acc[number * STEP : (number + 1) * STEP], number, t_s, clock=clock))
        found += run.tick(t_s)
    return found


@pytest.mark.parametrize("clock", [True, False])
def test_a_fall_pages_at_once_and_louder_when_nobody_gets_up(clock: bool) -> None:
    run = Run(ward=belt())
    run.tick(0)
    found = play(run, story(still(55, LYING, np.random.default_rng(2))), clock=clock)
    assert said(found) == ["fall start", "fall update"]
    first, second = found
    assert (first.kind, first.cause, first.priority) == (AlertKind.CALL, "call.fall", Priority.MEDIUM)
    assert (first.resident, first.latched) == ("Li", True)
    assert first.t_ns - first.onset_ns < 4.2 * NS
    assert (second.id, second.priority, second.code) == (first.id, Priority.HIGH, "finding.fall.helpless")
    assert 44 < second.params["lasted_s"] < 47
    assert max(first.evidence["value"]) == pytest.approx(first.params["peak_g"], abs=0.1)
    # a radar's message about the same person has the same cause, so that the desk has one incident
    (other,) = run.read(R(device="radar", key="fall_detected", value=1, t_s=100.0))
    assert (other.cause, other.kind, other.resident) == (first.cause, first.kind, first.resident)


def test_i_am_ok_is_passed_on_and_stops_the_watch() -> None:
    run = Run(ward=belt())
    run.tick(0)
    acc = story(still(55, LYING, np.random.default_rng(2)))
    play(run, acc[: 15 * STEP])
    (ok,) = run.read(R(device="belt", key="call.cancel", value=1, t_s=16.0))
    assert (ok.rule, ok.phase, ok.params["cancelled"], ok.id) == ("fall", Phase.UPDATE, True, run.findings[0].id)
    assert play(run, acc[15 * STEP :], from_s=16.5) == []


@pytest.mark.parametrize(("place", "code"), [("wrist", "finding.fall.unsupported"), ("", "finding.fall.unplaced")])
def test_where_the_model_knows_nothing_it_says_so_once_and_guesses_nothing(place: str, code: str) -> None:
    run = Run(ward=belt(place))
    run.tick(0)
    (only,) = play(run, story(still(55, LYING, np.random.default_rng(2))))
    assert (only.code, only.kind, only.priority, only.phase) == (code, AlertKind.TECHNICAL, Priority.LOW, Phase.START)
    run.ward.device("belt", facts={"body_location": "chest"})
    run.tick(100)
    found = play(run, story(np.zeros((0, 3))), from_s=101)
    assert said(found) == ["fall.unsupported end", "fall start"]
    assert found[0].id == only.id


def test_a_lost_message_is_a_gap_and_a_repeated_one_nothing() -> None:
    acc = story(np.zeros((0, 3)))
    run = Run(ward=belt())
    run.tick(0)
    assert play(run, acc, skip=(9,)) == []  # the second before the fall is missing: what came before is unknown
    assert run.engine.waves.counters["waves_gaps"] == 1
    run = Run(ward=belt())
    run.tick(0)
    play(run, acc[: 8 * STEP])
    give(run, message(acc[6 * STEP : 7 * STEP], 6, 7.0))  # arrives again
    assert run.engine.waves.counters["waves_old"] == 1
    assert said(play(run, acc[8 * STEP :], from_s=9.0)) == ["fall start"]


def test_what_is_late_retained_unfit_or_nobodys_is_left() -> None:
    acc = story(np.zeros((0, 3)))
    run = Run(ward=ward("w"))
    run.tick(0)
    assert play(run, acc) == []  # nobody wears this belt
    run = Run(ward=belt())
    run.tick(0)
    for mark in (Mark.LATE, Mark.RETAINED, Mark.STORED):
        block = message(acc, 1, 20.0)
        assert block.readings is not None
        assert give(run, replace(block, readings=replace(block.readings, mark=np.array([mark], np.uint16)))) == []
    assert give(run, message(acc, 1, 21.0, odd=True)) == []
    assert give(run, message(acc, 2, 22.0, rate_hz=10.0)) == []
    assert run.engine.waves.counters["waves_unfit"] == 2
    assert said(give(run, message(acc, 3, 43.0))) == ["fall start"]  # one message with all of it


def test_a_restart_between_any_two_messages_says_the_same() -> None:
    acc = story(still(50, LYING, np.random.default_rng(2)))
    whole = Run(ward=belt())
    whole.tick(0)
    play(whole, acc)
    for cut in (5, 11, 13, 14, 40):
        run = Run(ward=belt())
        run.tick(0)
        play(run, acc[: cut * STEP])
        data = checkpoint.snapshot(run.engine)
        run.engine = checkpoint.restore(data, run.engine.view)
        assert checkpoint.snapshot(run.engine) == data
        for number in range(cut, len(acc) // STEP):
            give(run, message(acc[number * STEP : (number + 1) * STEP], number, 1.0 + number))
            run.tick(1.0 + number)
        assert run.findings == whole.findings


def test_another_wearer_begins_anew() -> None:
    made = belt()
    acc = story(np.zeros((0, 3)))
    run = Run(ward=made)
    run.tick(0)
    play(run, acc)
    made.resident("Wang")
    made.event("binding.ended", {"id": "B-belt-3", "valid_to_ns": T0_NS + 20 * NS}, 20)
    made.bind("belt", "Wang", from_s=20.0)
    run.tick(21)
    found = play(run, acc, from_s=22)
    assert [(one.rule, one.phase, one.resident) for one in found][-1] == ("fall", Phase.START, "Wang")


def test_the_engine_wakes_for_a_sensor_that_stopped_after_a_fall() -> None:
    run = Run(ward=belt())
    run.tick(0)
    (start,) = play(run, story(np.zeros((0, 3))))
    assert run.engine.due_ns() == start.onset_ns + 60 * NS
    (late,) = run.tick((start.onset_ns - T0_NS) / NS + 60)
    assert (late.code, late.priority) == ("finding.fall.silent", Priority.HIGH)
