"""How devices are: rates, battery, clock, presence; what a restart finds again, and what the screens and the command say."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from devices.codes import BY_KEY
from gateway.cli.watch import cells
from gateway.health import judge
from gateway.health.record import HOUR_NS, SLOT_NS, Record, Slot, days_left, rates, take
from gateway.health.rows import row_of
from gateway.health.runner import DeviceHealth
from gateway.hearing import Hearing
from gateway.ops import Ops
from gateway.readings import FrameRow, Mark, ReadingBlock
from gateway.registry import bindings, org
from gateway.registry.view import Device, RegistryView
from gateway.vocabulary import SYSTEM
from tests.support.fake_clock import FakeClock
from tests.support.house import house
from tests.support.intake_node import Node

S = 1_000_000_000
DAY = 86_400 * S
T0 = 1_767_225_600 * S


def block(
    rows: Sequence[tuple[str, str, float, int]], *, mark: Mark = Mark.NONE, channel: str = "mqtt", behind_ns: int | None = None
) -> ReadingBlock:
    """One frame per (device, quantity, value, t_ns); the device's clock is `behind_ns` behind."""
    devices = tuple(dict.fromkeys(row[0] for row in rows))
    frames = tuple(
        FrameRow(
            device=device, channel=channel, topic="x", boot_id=None, seq=None, t_received_ns=t_ns,
            t_device_ns=None if behind_ns is None else t_ns - behind_ns, payload=b"",
        )
        for device, _, _, t_ns in rows
    )  # fmt: skip
    n, times = len(rows), np.array([row[3] for row in rows], np.int64)
    return ReadingBlock(
        devices=devices, frames=frames, device=np.array([devices.index(row[0]) for row in rows], np.int32),
        quantity=np.array([BY_KEY[row[1]].index for row in rows], np.int16), value=np.array([row[2] for row in rows], np.float64),
        t_measured_ns=times, t_received_ns=times, quality=np.zeros(n, np.uint16), mark=np.full(n, int(mark), np.uint16),
        origin=np.zeros(n, np.uint8), frame=np.arange(n, dtype=np.int32),
    )  # fmt: skip


def heard(*blocks: ReadingBlock) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for one in blocks:
        take(records, one)
    return records


def judged(record: Record | None, now_ns: int, **device: object) -> judge.Health:
    return judge.health_of(Device(**{"id": "d", **device}), record, now_ns)  # type: ignore[arg-type]


def test_heard_against_expected_is_of_the_last_hour() -> None:
    """Two hours at one reading a minute, the last half hour at a third of it."""
    minutes = [*range(90), *range(90, 120, 3)]
    records = heard(*(block([("d", "hr", 70.0, T0 + minute * 60 * S)]) for minute in minutes))
    now_ns = T0 + 120 * 60 * S
    found = judged(records["d"], now_ns, quantities=("hr",))
    wanted = sum(1 for minute in minutes if T0 + minute * 60 * S >= (now_ns // SLOT_NS - 5) * SLOT_NS) * 60 / 50
    assert found.expected_per_h == 60
    assert found.heard_per_h == pytest.approx(wanted)
    assert judge.Need.RECEPTION in found.needs
    fine = judged(records["d"], now_ns, quantities=("hr",), cadence_s={"hr": 300.0})
    assert (fine.expected_per_h, fine.needs) == (12, ())


def test_a_device_that_has_just_come_is_not_called_bad() -> None:
    records = heard(*(block([("d", "hr", 70.0, T0 + second * S)]) for second in (0, 30, 59)))
    found = judged(records["d"], T0 + 60 * S, quantities=("hr",))
    assert found.heard_per_h == pytest.approx(180)
    assert found.needs == ()


def test_the_quantity_that_comes_worst_counts() -> None:
    rows = [("d", "hr", 70.0, T0 + n * 60 * S) for n in range(60)] + [("d", "spo2", 97.0, T0 + n * 240 * S) for n in range(15)]
    found = judged(heard(*(block([row]) for row in rows))["d"], T0 + 3600 * S, quantities=("hr", "spo2"))
    assert found.heard_per_h is not None
    assert found.heard_per_h < 20
    assert judge.Need.RECEPTION in found.needs


@pytest.mark.parametrize("per_day", [0.5, 3.0, 24.0])
def test_days_left_follow_the_median_rate(per_day: float) -> None:
    """Against a slow twin over every pair of points, with the gauge's steps of one percent and one wrong value."""
    chance = random.Random(7)
    record = Record("d", T0)
    end_ns = T0 + int(40 / per_day * DAY)
    for t_ns in range(T0, end_ns, max(HOUR_NS, (end_ns - T0) // 500)):
        record.charge(round(90 - per_day * (t_ns - T0) / DAY + chance.uniform(-0.4, 0.4)), t_ns)
    assert len(record.trend) <= 64
    slopes = [(b - a) / ((u - t) / DAY) for (t, a), (u, b) in combinations(record.trend, 2)]
    left = days_left(record.trend, end_ns)
    assert left is not None
    assert left == pytest.approx(record.trend[-1][1] / -statistics.median(slopes) - (end_ns - record.trend[-1][0]) / DAY, rel=1e-6)
    assert left == pytest.approx(50 / per_day, rel=0.15)


def test_a_charge_begins_a_new_course_and_a_steady_gauge_tells_nothing() -> None:
    record = Record("d", T0)
    for hour in range(48):
        record.charge(80 - hour, T0 + hour * HOUR_NS)
    record.charge(100, T0 + 49 * HOUR_NS)
    assert record.trend == [(T0 + 49 * HOUR_NS, 100)]
    for hour in range(50, 90):
        record.charge(100, T0 + hour * HOUR_NS)
    assert days_left(record.trend, T0 + 90 * HOUR_NS) is None
    record.charge(42, T0)  # it came late: an old value is not the present one
    assert record.battery == 100


def test_offline_by_silence_only_where_speech_is_expected() -> None:
    now_ns = T0 + 3600 * S
    band, cuff, button = (heard(block([("d", key, 1.0 if key == "motion" else 99.0, T0)]))["d"] for key in ("hr", "sbp", "motion"))
    states = [judged(record, now_ns, quantities=(key,)) for record, key in ((band, "hr"), (cuff, "sbp"), (button, "call.sos"))]
    assert [(found.habit, found.state) for found in states] == [
        ("continuous", "offline"), ("spot", "idle"), ("event", "unknown"),
    ]  # fmt: skip
    assert states[0].since_ns == T0
    assert judged(band, T0 + 179 * S, quantities=("hr",)).state == "online"
    assert judged(None, now_ns, quantities=("hr",)).state == "never"


def test_a_last_will_is_believed_until_the_device_speaks_again() -> None:
    """Retained, repeated and late words included: the newest one counts, by when it came."""
    will = block([("d", "online", 0.0, T0 + 60 * S)], mark=Mark.RETAINED)
    records = heard(block([("d", "sbp", 120.0, T0)]), will, will)
    found = judged(records["d"], T0 + 90 * S)
    assert (found.state, found.said, found.since_ns) == ("offline", True, T0 + 60 * S)
    take(records, block([("d", "online", 1.0, T0 + 30 * S)]))  # an older word that was on its way for longer
    assert judged(records["d"], T0 + 90 * S).state == "offline"
    take(records, block([("d", "sbp", 120.0, T0 + 80 * S)]))
    assert judged(records["d"], T0 + 90 * S).state == "idle"
    take(records, block([("d", "online", 1.0, T0 + 85 * S)]))
    assert judged(records["d"], T0 + 90 * S).state == "online"


def test_what_a_memory_gives_back_is_no_sign_of_life() -> None:
    records = heard(block([("d", "hr", 70.0, T0)]), block([("d", "hr", 71.0, T0 + 3000 * S)], mark=Mark.STORED))
    assert judged(records["d"], T0 + 3000 * S, quantities=("hr",)).state == "offline"


def test_an_advertising_sensor_is_missed_after_its_own_longest_pause() -> None:
    gaps = [0, 3600, 7200, 10_800]
    records = heard(*(block([("d", "door", 1.0, T0 + second * S)], channel="ble-advert") for second in gaps))
    last = T0 + gaps[-1] * S
    assert judged(records["d"], last + 7000 * S).state == "online"
    assert judged(records["d"], last + 7300 * S).state == "offline"


def test_the_clock_offset_is_the_least_delay_of_the_hour() -> None:
    records = heard(*(block([("d", "hr", 70.0, T0 + n * 60 * S)], behind_ns=(960 + delay) * S) for n, delay in enumerate((9, 0, 4))))
    found = judged(records["d"], T0 + 180 * S, quantities=("hr",))
    assert found.clock_offset_s == 960
    assert judge.Need.CLOCK in found.needs
    assert judge.clock_word(found.clock_offset_s) == "off"
    known = judged(None, T0, facts={"clock_read": "1", "clock_error_s": "157680000"})
    assert judge.clock_word(known.clock_offset_s) == "wrong"


def test_signal_strength_mean_and_least() -> None:
    records = heard(*(block([("d", "rssi", value, T0 + n * S)]) for n, value in enumerate((-95.0, -93.0, -91.0))))
    take(records, block([("d", "hr", 70.0, T0 + 4 * S)]))
    found = judged(records["d"], T0 + 5 * S, quantities=("hr",))
    assert (found.rssi_dbm, found.rssi_low) == (-91, -95)
    assert judge.Need.RECEPTION in found.needs


async def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("did not happen in time")


async def test_a_restart_finds_everything_again(tmp_path: Path) -> None:
    clock, ops = FakeClock(), Ops()
    node = await Node(tmp_path, clock=clock, ops=ops).start()
    try:
        health = DeviceHealth.open(tmp_path, node.journal, node.writer, clock, ops)
        task = asyncio.create_task(health.run())
        t_ns = clock.now_ns()
        rows = [("d", "battery", 80.0 - n, t_ns - (10 - n) * HOUR_NS) for n in range(5)]
        await node.journal.append(block([*rows, ("d", "rssi", -60.0, t_ns), ("d", "hr", 70.0, t_ns)], behind_ns=5 * S))
        await until(lambda: "d" in health.records)
        await health.checkpoint()
        await node.journal.append(block([("d", "hr", 71.0, t_ns + S)], behind_ns=2 * S))  # after the checkpoint: from the journal again
        await until(lambda: health.records["d"].last_ns == t_ns + S)
        task.cancel()
        await health._db.close()  # killed: no last checkpoint
        before = health.records["d"]
        again = DeviceHealth.open(tmp_path, node.journal, node.writer, clock, ops)
        second = asyncio.create_task(again.run())
        await until(lambda: again.records["d"].last_ns == t_ns + S)
        after = again.records["d"]
        assert rates(after, t_ns + S) == rates(before, t_ns + S)
        assert (after.trend, after.rssi, after.battery, after.live_ns) == (before.trend, -60.0, 76.0, t_ns + S)
        assert [slot.frames for _, slot in await again.course("d")][-1] == [slot.frames for _, slot in await health_slots(before)][-1]
        second.cancel()
        await again.close()
    finally:
        await node.stop()


async def health_slots(record: Record) -> list[tuple[int, Slot]]:
    return sorted(record.slots.items())


class Counted:
    """What the read door asks."""

    def __init__(self, records: dict[str, Record]) -> None:
        self.records, self.hearing, self.rooms = records, Hearing(), dict[str, str]()

    async def course(self, device: str) -> list[tuple[int, Slot]]:
        return await health_slots(self.records[device])


async def test_who_sees_which_device_and_which_need_a_visit(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        now_ns = one.clock.now_ns()
        low = heard(block([("band-wang", "hr", 70.0, now_ns), ("band-wang", "battery", 12.0, now_ns), ("band-zhou", "hr", 70.0, now_ns)]))
        object.__setattr__(one.query.devices_health._sight.parts, "devices", Counted(low))
        async with one.signed_in("operator") as client:
            found = (await client.get("/api/v1/devices/health")).json()
            rows = {row["id"]: row for row in found["devices"]}
            assert "band-zhou" not in rows  # another site's
            assert rows["band-wang"]["needs"][0] == "battery"
            assert rows["band-wang"]["battery"]["percent"] == 12
            assert rows["band-wang"]["resident_id"] == "wang"
            assert found["devices"][0]["needs"]
            visit = (await client.get("/api/v1/devices/health", params={"visit": True})).json()["devices"]
            assert {row["id"] for row in visit} == {row["id"] for row in found["devices"] if row["needs"]}
            flat = (await client.get("/api/v1/devices/health", params={"need": "battery"})).json()["devices"]
            assert [row["id"] for row in flat] == ["band-wang"]
            one_device = (await client.get("/api/v1/devices/band-wang/health")).json()["device"]
            assert one_device["course"]["messages"] == [2]
            assert (await client.get("/api/v1/devices/band-zhou/health")).status_code == 404
            assert (await client.get("/api/v1/devices/health", params={"need": "nonsense"})).status_code == 422
        async with one.signed_in("son") as client:
            assert (await client.get("/api/v1/devices/health")).status_code == 403


def test_a_row_in_words() -> None:
    records = heard(block([("d", "battery", 15.0, T0), ("d", "hr", 70.0, T0)]))
    row = row_of(RegistryView(), Device(id="d", facts={"firmware": "1.2"}, quantities=("hr",)), Counted(records), T0 + 400 * S)
    row["seen_s"] = 400.0
    assert cells("zh", row)[:4] == ["d", "离线", "7 分钟前", "15 %"]
    assert cells("en", row)[-2:] == ["1.2", "battery, offline, reception" if "reception" in row["needs"] else "battery, offline"]


def test_devices_of_a_place_and_retired_ones(tmp_path: Path) -> None:
    async def run() -> None:
        async with house(tmp_path) as one:
            do = one.registry.do
            await do(SYSTEM, org.set_room, site="care", zone="z-a", name="Day room", room_id="room-day")
            await do(SYSTEM, bindings.set_device, "leak-1", site="care", quantities=("water_leak",))
            await do(SYSTEM, bindings.bind, "leak-1", room="room-day")
            async with one.signed_in("chief") as client:
                rows = (await client.get("/api/v1/devices/health", params={"site": "care", "habit": "event"})).json()["devices"]
                assert "leak-1" in {row["id"] for row in rows}
                assert {row["place"]["site_id"] for row in rows} == {"care"}
                await do(SYSTEM, bindings.retire_device, "leak-1")
                rows = (await client.get("/api/v1/devices/health")).json()["devices"]
                assert "leak-1" not in {row["id"] for row in rows}

    asyncio.run(run())
