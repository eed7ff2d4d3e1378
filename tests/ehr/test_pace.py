"""What comes as a stream goes as minutes, whatever its quantity; what comes now and then goes reading by reading."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from devices.codes import QUANTITIES, Kind
from gateway.ehr.base.items import Item, ItemKind, Row
from gateway.ehr.feed import vitals
from gateway.ehr.feed.pace import APART_NS, MANY, Pace
from gateway.ehr.fhir import to_fhir
from gateway.ehr.fhir.check import problems
from gateway.ehr.fhir.common import Settings, places, with_literals
from gateway.readings import Mark
from gateway.registry.view import RegistryView
from tests.ehr.support import START_NS, block, row, schema, view_of

S = 1_000_000_000
VIEW = view_of({"dev-1": "R1", "dev-2": "R2"})
STREAMS = [each.key for each in QUANTITIES if each.kind in (Kind.SPOT, Kind.CONTINUOUS) and each.key not in ("sbp", "dbp", "map")]


def taken(times: list[int], pace: Pace, *, key: str = "temp", value: float = 36.6, mark: Mark = Mark.NONE, step: int = 1,
          view: RegistryView = VIEW) -> list[Item]:  # fmt: skip
    """The items of a series that comes in blocks of `step` readings."""
    found: list[Item] = []
    for at in range(0, len(times), step):
        made = block([("dev-1", key, value, t_ns) for t_ns in times[at : at + step]], mark=mark)
        found += vitals.items_of(made, view, pace)
    return found


def readings(items: list[Item]) -> int:
    return sum(item.kind is ItemKind.READING for item in items)


def in_minutes(items: list[Item]) -> int:
    return sum(item.record["n"] for item in items if item.kind is ItemKind.SUMMARY)


def test_a_wearable_temperature_every_30_s_goes_by_the_minute() -> None:
    times = [START_NS + number * 30 * S for number in range(2 * 1440)]
    items = taken(times, Pace())
    assert readings(items) == MANY - 1  # nobody could know yet
    assert in_minutes(items) == len(times) - (MANY - 1)
    assert len({item.key for item in items if item.kind is ItemKind.SUMMARY}) <= 1440


def test_a_memory_of_1_hz_goes_by_the_minute() -> None:
    for key, value in (("temp", 36.6), ("hr", 61.0)):
        items = taken([START_NS + number * S for number in range(3600)], Pace(), key=key, value=value, mark=Mark.STORED, step=600)
        assert (readings(items), in_minutes(items)) == (0, 3600)
        assert len({item.key for item in items}) == 60


@pytest.mark.parametrize("gap_s", [61, 300, 43_200])
def test_now_and_then_goes_one_by_one(gap_s: int) -> None:
    items = taken([START_NS + number * gap_s * S for number in range(40)], Pace(), step=7)
    assert (readings(items), in_minutes(items)) == (40, 0)


def test_a_few_tries_in_a_row_are_readings() -> None:
    tries = [START_NS + number * 20 * S for number in range(MANY - 1)]
    items = taken([*tries, *(t_ns + 3600 * S for t_ns in tries)], Pace())
    assert (readings(items), in_minutes(items)) == (2 * (MANY - 1), 0)


def test_what_the_registry_says_counts_from_the_first_reading() -> None:
    view = view_of({"dev-1": "R1"})
    view.devices["dev-1"] = replace(view.devices["dev-1"], cadence_s={"temp": 30.0})
    assert readings(taken([START_NS], Pace(), view=view)) == 0
    view.devices["dev-1"] = replace(view.devices["dev-1"], cadence_s={"temp": 300.0})
    assert readings(taken([START_NS], Pace(), view=view)) == 1


def test_pressures_and_events_never_become_minutes() -> None:
    for key, value in (("sbp", 121.0), ("dbp", 79.0), ("call.sos", 1.0), ("fall_detected", 1.0)):
        items = taken([START_NS + number * S for number in range(100)], Pace(), key=key, value=value, step=20)
        assert in_minutes(items) == 0


def slowly(times: list[int]) -> list[bool]:
    """The twin: one block at a time is one reading; a run counts from where it is long enough."""
    found, run = [], 0
    for at, t_ns in enumerate(times):
        run = run + 1 if at and abs(t_ns - times[at - 1]) <= APART_NS else 1
        found.append(run >= MANY)
    return found


def test_equal_to_the_obvious_way() -> None:
    seed = random.randrange(2**31)
    print(f"ANXIN_SEED={seed}")
    chance = random.Random(seed)
    for _ in range(50):
        t_ns, times = START_NS, []
        for _ in range(60):
            t_ns += chance.choice([1, 30, 60, 61, 90, -20]) * S
            times.append(t_ns)
        pace, said = Pace(), []
        for each in times:
            made = block([("dev-1", "temp", 36.6, each)])
            said.append(bool(pace.streams(made, np.arange(1), VIEW)[0]))
        assert said == slowly(times)


@pytest.mark.timeout(60)
def test_a_minute_of_every_quantity_maps() -> None:
    for key in STREAMS:
        value = next(each.low for each in QUANTITIES if each.key == key)
        [item] = taken([START_NS + number * S for number in range(10)], Pace(), key=key, value=value, step=10)
        stands: Row = row(ItemKind.SUMMARY, **item.record)
        made = to_fhir(stands, Settings())
        made = with_literals(made, {one: f"{one[0]}/{number}" for number, one in enumerate(sorted(places(made)), 1)})
        assert problems(made) == [], key
        schema()["Observation"](made)
