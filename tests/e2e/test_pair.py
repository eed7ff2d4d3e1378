"""`anxin pair` as an installer uses it: a meter in a simulated room that shows a number, paired by command line and by API."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.control import ask as simulator
from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings
from gateway.vocabulary import SYSTEM
from tests.support.running import ANXIN, API, Gateway, until
from tests.support.town import SITE, town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(150)]
METER = "C0:00:00:00:09:01"


@contextmanager
def room(folder: Path) -> Iterator[tuple[str, Path]]:
    """The simulator's process: (its dongle, its control socket)."""
    plan, control = folder / "ble.json", folder / "ble.sock"
    device = {"id": "meter", "kind": "glucometer", "address": METER, "records": 3, "pairing": "passkey"}
    plan.write_text(json.dumps({"seed": 3, "advert_ms": 100, "rooms": [{"name": "r", "devices": [device]}]}))
    words = [sys.executable, "-m", "firmware_sim", "ble", "--plan", str(plan), "--control", str(control), "--with-parent"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("no output")
        yield json.loads(process.stdout.readline())["rooms"]["r"], control
    finally:
        process.terminate()
        process.communicate(timeout=20)


def enter(gateway: Gateway) -> None:
    core = Core.open(gateway.data, SystemClock(), Ops())
    try:
        core.registry.do_sync(SYSTEM, bindings.set_device, "meter", site=SITE, kind="glucometer", quantities=())
    finally:
        core.close()


def shown(control: Path) -> int:
    def look() -> list[int]:
        number = simulator(control, {"do": "shown", "device": "meter"})["number"]
        return [] if number is None else [int(number)]

    return until("the meter shows a number", look, 60)[0]


def test_a_meter_that_shows_a_number_is_paired_in_words_and_its_records_arrive(folder: Path) -> None:
    with room(folder) as (dongle, control), town(folder, ble={"backend": "bumble", "adapters": [dongle]}) as (gateway, _):
        enter(gateway)
        gateway.start()
        refused = gateway.shell("--lang", "en", "pair", "meter")
        assert refused.returncode == 1
        assert "AA:BB:CC:DD:EE:FF" in refused.stderr
        ops = gateway.person("ops")
        words = [ANXIN, "--data", str(gateway.data), "--lang", "zh", "pair", "meter", "--address", METER, "--passkey"]
        answer = ops.client.post(f"{API}/devices/meter/pairing", json={"address": METER})
        began: dict[str, Any] = answer.raise_for_status().json()["pairing"]
        assert began["step"] in ("waiting", "connecting", "pairing", "passkey")
        done = subprocess.run([*words, str(shown(control))], capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "六位数字" in done.stdout
        assert "配对有效" in done.stdout
        assert ops.get("/devices/meter/pairing")["pairing"]["step"] == "paired"
        until("its records", lambda: sum(device == "meter" for device, _, _ in gateway.frames()) >= 3, 30)


def test_without_bluetooth_it_says_so(folder: Path) -> None:
    with town(folder) as (gateway, _):
        enter(gateway)
        gateway.start()
        done = gateway.shell("--lang", "en", "pair", "meter", "--address", METER)
        assert done.returncode == 1
        assert "ble.backend" in done.stderr
