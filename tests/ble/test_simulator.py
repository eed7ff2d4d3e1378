"""The Bluetooth simulator as a process of its own, and what its memory answers that no gateway of ours would ask."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.ble import racp, wire
from firmware_sim.ble.radio import PERIPHERALS_PER_LINK
from firmware_sim.ble.ward import BleWard
from firmware_sim.control import ask
from gateway.clock import SystemClock
from gateway.collect.ble.radio import radio
from tests.support.ble_town import address, frames_of, gateway_of, until

pytestmark = pytest.mark.timeout(30)


@pytest.mark.timeout(30)
async def test_a_process_of_its_own_obeys_and_ends_with_its_starter(tmp_path: Path) -> None:
    rows = [{"id": "strap", "kind": "strap", "address": address(1)}, {"id": "meter", "kind": "glucometer", "address": address(2)}]
    plan, control = tmp_path / "plan.json", tmp_path / "sim.sock"
    plan.write_text(json.dumps({"step_s": 0.1, "advert_ms": 40, "rooms": [{"name": "a", "devices": rows}, {"name": "b", "devices": []}]}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim", "ble", "--plan", str(plan), "--control", str(control), "--with-parent",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    async def tell(**command: Any) -> dict[str, Any]:
        return await asyncio.to_thread(ask, control, command)

    try:
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert set(said["rooms"]) == {"a", "b"}
        radios = [radio("bumble", spec, SystemClock(), links=8) for spec in said["rooms"].values()]
        async with gateway_of(tmp_path / "data", radios, {"strap": address(1), "meter": address(2)}) as (node, door):
            await until("streams", lambda: "strap" in door.parts.heard, 10)
            assert (await tell(do="measure", device="meter", count=3))["ok"]
            await until("three records", lambda: sum(f.device == "meter" and "2a18" in f.topic for f in frames_of(node)) == 3, 10)
            assert (await tell(do="memory", device="meter"))["sent"] == [1, 2, 3]
            assert (await tell(do="drop", device="strap")) == {"ok": True, "lost": 1}
            await until("lost", lambda: "strap" not in door.parts.heard)
            await until("streams again", lambda: "strap" in door.parts.heard, 10)
            assert (await tell(incident="hypoxia", person="strap"))["ok"]
            assert not (await tell(do="dance"))["ok"]
            assert (await tell(stats=True))["devices"] == 2
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_a_link_has_room_for_ten() -> None:
    rows = [{"id": f"d{number}", "kind": "strap"} for number in range(PERIPHERALS_PER_LINK + 1)]

    async def build() -> None:
        BleWard({"rooms": [{"name": "a", "devices": rows}]})

    with pytest.raises(ValueError, match="more than 10"):
        asyncio.run(build())


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("0401", "05000400"),  # all
        ("0403010300", "05000200"),  # from 3 on
        ("0402010100", "05000100"),  # up to 1
        ("04040102000300", "05000200"),  # 2 to 3
        ("0405", "05000100"),  # first
        ("0403010900", "05000000"),
        ("0103010900", "06000106"),  # nothing to report
        ("0100", "06000103"),  # null operator
        ("0107", "06000104"),  # no such operator
        ("01030103", "06000105"),  # operand cut off
        ("0201", "06000202"),  # deleting is not offered
        ("0901", "06000902"),  # no such operation
        ("0300", "06000301"),  # abort
    ],
)
async def test_the_control_point_answers_as_specified(request_hex: str, answer_hex: str) -> None:
    memory = racp.Memory([racp.Record(number, wire.glucose(number, 0, 5.5)) for number in range(1, 5)])
    answers: list[bytes] = []

    async def send(_record: racp.Record) -> None:
        raise AssertionError("nothing was to be sent")

    async def indicate(payload: bytes) -> None:
        answers.append(payload)

    await racp.serve(memory, bytes.fromhex(request_hex), send, indicate)
    assert [answer.hex() for answer in answers] == [answer_hex]


def test_bytes_as_the_specifications_lay_them_out() -> None:
    assert wire.sfloat(55, -4).hex() == "37c0"  # 55e-4 mol/L = 5.5 mmol/L
    assert wire.heart_rate(70, [0.857]).hex() == "16466e03"
    assert wire.heart_rate(300, [], worn=False).hex() == "052c01"
    assert wire.plx_continuous(97, 64).hex() == "0061004000"
    assert wire.date_time(1_700_000_000_000).hex() == "e7070b0e160d14"
    assert wire.time_from(wire.date_time(1_700_000_000_000)) == 1_700_000_000_000
    assert wire.blood_pressure(120, 80, None).hex() == "0078005000" + "5d00"
    assert wire.glucose(1, 1_700_000_000_000, 5.5).hex() == "060100" + "e7070b0e160d14" + "37c0" + "11"
