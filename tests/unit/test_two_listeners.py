"""One sensor heard by two relaying gateways, or by two adapters: one reading with the better strength, the room, and no gap without one."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from devices.codes import BY_KEY
from firmware_sim.ble.beacon import Beacon
from firmware_sim.ble.radio import Room as Air
from gateway import intake
from gateway.clock import NS_PER_S
from gateway.frames import Fate, Frame
from gateway.health.rows import listener_room
from gateway.hearing import Hearing
from gateway.office_devices import AsWritten
from gateway.ops import Ops
from gateway.registry import bindings, org
from gateway.vocabulary import SYSTEM
from tests.support.ble_town import address, frames_of, gateway_of, room_radio, until
from tests.support.fake_clock import FakeClock
from tests.support.intake_node import Node

SENSOR = "A4C138010203"
RSSI, DOOR = BY_KEY["rssi"].index, BY_KEY["door"].index


@asynccontextmanager
async def node(folder: Path) -> AsyncIterator[tuple[Node, FakeClock]]:
    clock = FakeClock()
    made = await Node(folder, clock=clock, ops=Ops()).start()
    made.registry.do_sync(SYSTEM, bindings.set_device, SENSOR, quantities=())
    try:
        yield made, clock
    finally:
        await made.stop()


def relayed(listener: str, rssi: int, t_ns: int, *, opened: bool = True, distance: float = 1.0) -> Frame:
    """As OpenMQTTGateway passes an advert on: its own strength and distance beside what the sensor says."""
    body = {"id": "A4:C1:38:01:02:03", "rssi": rssi, "distance": distance, "model_id": "MCCGQ02HL", "open": opened}
    topic = f"home/{listener}/BTtoMQTT/{SENSOR}"
    return Frame(channel="mqtt", topic=topic, payload=json.dumps(body).encode(), t_received_ns=t_ns, device=SENSOR)


def stored(one: Node) -> list[tuple[int, float]]:
    """(quantity index, value) of everything in the journal."""
    found: list[tuple[int, float]] = []
    for block in one.journal.read_sync(1, 10_000):
        if block.readings is not None:
            found += zip(block.readings.quantity.tolist(), block.readings.value.tolist(), strict=True)
    return found


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("first", "second", "strengths"), [(-80, -60, [-80.0, -60.0]), (-60, -80, [-60.0])])
async def test_two_gateways_one_reading(tmp_path: Path, together: bool, first: int, second: int, strengths: list[float]) -> None:
    async with node(tmp_path) as (one, clock):
        t_ns = clock.now_ns()
        frames = [relayed("hall", first, t_ns), relayed("kitchen", second, t_ns + NS_PER_S // 2, distance=9.0)]
        if together:
            verdicts = await one.intake.take(frames)
        else:
            verdicts = [*await one.intake.take(frames[:1]), *await one.intake.take(frames[1:])]
        assert [value for quantity, value in stored(one) if quantity == DOOR] == [1.0]
        assert [value for quantity, value in stored(one) if quantity == RSSI] == strengths
        assert [verdict.fate for verdict in verdicts] == [Fate.STORED, Fate.STORED if len(strengths) > 1 else Fate.DUPLICATE]


async def test_what_the_sensor_says_anew_is_a_reading_and_after_a_restart_too(tmp_path: Path) -> None:
    async with node(tmp_path) as (one, clock):
        t_ns = clock.now_ns()
        await one.intake.take([relayed("hall", -60, t_ns), relayed("hall", -60, t_ns + NS_PER_S, opened=False)])
        assert [value for quantity, value in stored(one) if quantity == DOOR] == [1.0, 0.0]
        row = next(frame for frame in frames_of(one) if b"true" in frame.payload)
        keys = {key for key, _ in intake.hashes_of(row)}
        assert keys == {key for key, _ in intake.hashes_of(frames_of(one)[0])}
        await one.identity.checkpoint()
        assert (await one.intake.take([relayed("kitchen", -90, t_ns + 2 * NS_PER_S)]))[0].fate is Fate.DUPLICATE
        await one.intake.take([relayed("kitchen", -90, t_ns + 6 * NS_PER_S)])  # later than any relay takes: said again
        assert [value for quantity, value in stored(one) if quantity == DOOR] == [1.0, 0.0, 1.0]


async def test_one_gateway_is_unplugged_and_nothing_is_missing(tmp_path: Path) -> None:
    """A minute at one advert in six seconds; in the middle the nearer gateway goes, later the other one."""
    async with node(tmp_path) as (one, clock):
        start_ns, chance = clock.now_ns(), random.Random(5)
        for beat in range(30):
            t_ns = start_ns + beat * 6 * NS_PER_S
            opened = beat % 2 == 0
            heard = [relayed("hall", chance.randint(-65, -55), t_ns, opened=opened)] if beat < 20 else []
            heard += [relayed("kitchen", chance.randint(-90, -80), t_ns + 10**8, opened=opened)] if not 5 <= beat < 12 else []
            await one.intake.take(heard)
        assert [value for quantity, value in stored(one) if quantity == DOOR] == [1.0, 0.0] * 15


def test_the_room_is_that_of_the_loudest_among_those_that_hear_it_now() -> None:
    hearing, s = Hearing(), NS_PER_S
    for second in range(10):
        hearing.note("d", "hall", -60 - second % 3, second * s)
        hearing.note("d", "kitchen", -80 + second % 3, second * s)
    assert hearing.nearest("d") == "hall"
    hearing.note("d", "kitchen", -50, 10 * s)  # one lucky packet does not move anybody
    assert hearing.nearest("d") == "hall"
    for second in range(11, 60):
        hearing.note("d", "kitchen", -80, second * s)  # the hall is unplugged
    assert hearing.nearest("d") == "kitchen"
    hearing.note("d", "kitchen", 127, 60 * s)  # "not available"
    assert hearing.of("d")["kitchen"].dbm < -70
    assert hearing.nearest("nobody") is None


async def test_which_room_a_listener_stands_in(tmp_path: Path) -> None:
    async with node(tmp_path) as (one, clock):
        do = one.registry.do
        await do(SYSTEM, org.set_site, name="S", site_id="S")
        for room, code in (("r1", "R-1"), ("r2", "R-2")):
            await do(SYSTEM, org.set_room, site="S", name=room, room_id=room, code=code)
        await do(SYSTEM, bindings.set_device, "hall", site="S")
        await do(SYSTEM, bindings.bind, "hall", room="r1")
        view, health = one.registry.view, AsWritten({}, rooms={"hci0": "R-1", "hci1": "r2", "hci2": "nowhere"})
        found = [listener_room(view, health, name, clock.now_ns()) for name in ("hci0", "hci1", "hci2", "hall", "?")]
        assert found == ["r1", "r2", None, "r1", None]


@pytest.mark.timeout(40)
async def test_two_adapters_hear_one_sensor_and_one_is_pulled_out(tmp_path: Path) -> None:
    air = Air("r")
    sensor = Beacon("b", air, address=address(1), burst_s=0.6)
    await sensor.start()
    radios = [room_radio(air), room_radio(air)]
    radios[1].name = "second"
    async with gateway_of(tmp_path, radios, {"door-1": address(1)}) as (one, door):
        await asyncio.sleep(0.5)  # until both scan
        said = [bytes.fromhex(f"4000{number:02x}1a{number % 2:02x}") for number in range(1, 7)]
        for number, payload in enumerate(said):
            if number == 3:
                await radios[0].close()  # pulled out: its scan ends
            await sensor.say(payload)
            await until("it is kept", partial(is_kept, one, payload), 10)
        assert kept(one) == said  # each once, none missing
        assert set(door.parts.hearing.of("door-1")) == {"r", "second"}
    await sensor.close()


def kept(one: Node) -> list[bytes]:
    return [frame.payload for frame in frames_of(one) if frame.topic == "advert/fcd2"]


def is_kept(one: Node, payload: bytes) -> bool:
    return payload in kept(one)
