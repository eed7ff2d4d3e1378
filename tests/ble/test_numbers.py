"""Numbers of records that wrap, begin again, fall or come twice, with the link cut after every tenth record: each is stored once."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.ble import racp
from firmware_sim.ble.peripheral import Peripheral
from firmware_sim.ble.ward import BleWard
from tests.support.ble_town import address, frames_of, gateway_of, room_radio, until
from tests.support.intake_node import Node

Change = Callable[[Peripheral], object]


def measure(meter: Peripheral, count: int, *, first: int, highest: int = 0xFFFF, every_s: int = 60) -> None:
    """So many more records with rising times, numbered from `first` on and from 0 again after `highest`."""
    kept = meter.memory.records
    meter.memory.records = []
    meter.fill_memory(count, every_s=every_s)
    base_s = len(kept) * 7  # no two fillings have the same times
    for place, record in enumerate(meter.memory.records):
        number = (first + place) % (highest + 1)
        year, month, day, hour, minute, second = struct.unpack_from("<HBBBBB", record.measurement, 3)
        stamp = struct.pack("<HBBBBB", year, month, day, hour, minute, (second + base_s) % 60)
        measurement = record.measurement[:1] + struct.pack("<H", number) + stamp + record.measurement[10:]
        kept.append(replace(record, sequence=number, measurement=measurement))
    meter.memory.records = kept


def overwrite(meter: Peripheral) -> None:
    """A full memory whose numbers wrap at 99: neither its count nor its highest number changes."""
    measure(meter, 3, first=100, highest=99)
    del meter.memory.records[:3]


def clear(meter: Peripheral, count: int) -> None:
    """A new battery: numbers from 1 on."""
    meter.memory.records.clear()
    measure(meter, count, first=1, every_s=50)


def newest_first(meter: Peripheral) -> None:
    meter.memory.newest_first = True
    measure(meter, 35, first=1)


def twins(meter: Peripheral) -> None:
    """Two different records under one number, three times, the newest among them."""
    measure(meter, 30, first=1)
    for place in (9, 15, 29):
        twin = meter.memory.records[place - 1]
        number = struct.pack("<H", place + 1)
        measurement = twin.measurement[:1] + number + twin.measurement[3:]
        meter.memory.records[place - 1] = replace(twin, sequence=place + 1, measurement=measurement)


def told_twice(meter: Peripheral) -> None:
    """One record stands in the memory twice."""
    measure(meter, 15, first=1)
    meter.memory.records.insert(4, meter.memory.records[4])


def without(*unknown: int, count: int = 25, first: int = 1) -> Change:
    """A meter whose control point does not know these requests."""

    def setup(meter: Peripheral) -> None:
        meter.memory.unknown = frozenset(unknown)
        measure(meter, count, first=first)

    return setup


def more(count: int, first: int, highest: int = 0xFFFF) -> Change:
    return lambda meter: measure(meter, count, first=first, highest=highest)


STORIES: dict[str, tuple[Change, ...]] = {  # a memory, and what becomes of it from visit to visit
    "sixteen_bits_wrap": (more(25, 65_500), more(25, 65_525), more(12, 14)),
    "early_wrap_in_a_full_memory": (more(30, 70), overwrite),
    "cleared_then_fewer": (more(20, 1), partial(clear, count=3)),
    "cleared_then_as_many": (more(20, 1), partial(clear, count=20)),
    "cleared_then_more": (more(20, 1), partial(clear, count=35)),
    "newest_first": (newest_first, more(4, 36)),
    "two_under_one_number": (twins, more(3, 30)),
    "one_told_twice": (told_twice, more(2, 16)),
    "knows_no_newest": (without(racp.LAST), more(5, 26), partial(clear, count=9)),
    "knows_no_range": (without(racp.RANGE), more(5, 26), partial(clear, count=9)),
    "knows_no_upper_end": (without(racp.RANGE, racp.UP_TO), more(5, 26), partial(clear, count=9)),
    "knows_no_newest_and_wraps": (without(racp.LAST, count=10, first=90), more(4, 100, 99), more(3, 104, 99)),
}
# Without the newest record a wrap is seen by the count only, and then takes a link that holds for the whole memory.
NEEDS_ITS_LINK = {"knows_no_newest_and_wraps"}


@dataclass
class Meter:
    """A meter beside a gateway; every record that it ever had is remembered."""

    device: Peripheral
    changes: list[Change]
    ever: set[bytes] = field(default_factory=set)

    def change(self) -> None:
        if self.changes:
            self.changes.pop(0)(self.device)
            self.ever |= {record.measurement for record in self.device.memory.records}


def held(node: Node, device: str) -> Counter[bytes]:
    """Records of a meter in the journal."""
    return Counter(frame.payload for frame in frames_of(node) if frame.device == device and frame.topic == "gatt/1808/2a18")


def all_there(node: Node, meters: dict[str, Meter]) -> bool:
    return all(len(held(node, name)) >= len(meter.ever) for name, meter in meters.items())


def visited_since(meters: dict[str, Meter], before: dict[str, int]) -> bool:
    return all(meter.device.connects > before[name] + 1 for name, meter in meters.items())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("cut_every", [10, pytest.param(0, marks=pytest.mark.slow)], ids=["cut_at_every_tenth", "whole"])
async def test_each_record_is_in_the_journal_once_whatever_its_number(tmp_path: Path, cut_every: int) -> None:
    names = list(STORIES)
    rows = [[{"id": name, "kind": "glucometer", "address": address(names.index(name)), "record_pause_s": 0.001} for name in part]
            for part in (names[::2], names[1::2])]  # fmt: skip
    plan: dict[str, Any] = {"advert_ms": 40, "rooms": [{"name": f"r{number}", "devices": part} for number, part in enumerate(rows)]}
    ward = BleWard(plan)
    meters = {name: Meter(ward.devices[name], list(STORIES[name])) for name in names}
    for name, meter in meters.items():
        meter.device.cut_every = 0 if name in NEEDS_ITS_LINK else cut_every
        meter.change()
    await ward.start()
    at = {name: address(number) for number, name in enumerate(names)}
    async with gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], at) as (node, _door):
        for _ in range(max(len(changes) for changes in STORIES.values())):
            await until("everything is there", partial(all_there, node, meters), 45)
            before = {name: meter.device.connects for name, meter in meters.items()}
            await until("a whole visit more of each", partial(visited_since, meters, before), 30)
            for name, meter in meters.items():
                assert held(node, name) == Counter(dict.fromkeys(meter.ever, 1)), name
                meter.change()
        assert not [fault for fault in node.ops.faults() if fault.code == "ble.records"]
    await ward.close()
