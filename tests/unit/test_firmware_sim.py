"""The simulator: plausible and reproducible people, honest devices, links that damage on command, truth on file."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.devices import Device
from firmware_sim.faults import Link
from firmware_sim.fleet import CLOCK_ERROR_MS, Broker, Fleet
from firmware_sim.incidents import KINDS, Incident, script
from firmware_sim.people import Person
from firmware_sim.truth import TruthLog
from tests.support import need


def test_a_day_of_vitals_is_plausible_and_nights_are_calmer() -> None:
    person = Person("P1", 7)
    day = [person.at(t) for t in range(0, 86_400, 60)]
    assert all(40 < v.hr_bpm < 120 and 88 < v.spo2_pct <= 100 and 35.5 < v.temp_cel < 37.8 for v in day)
    night = [v.hr_bpm for i, v in enumerate(day) if 17 <= i // 60 < 21]  # 01-05 in Shanghai
    noon = [v.hr_bpm for i, v in enumerate(day) if 4 <= i // 60 < 9]
    assert sum(night) / len(night) + 4 < sum(noon) / len(noon)


def test_the_same_seed_gives_the_same_person_and_script() -> None:
    first, second = Person("P1", 3), Person("P1", 3)
    assert [first.at(t) for t in range(50)] == [second.at(t) for t in range(50)]
    one, two = (script(["a", "b"], seed=5, start_s=0, every_s=60) for _ in range(2))
    head = [next(one) for _ in range(40)]
    assert head == [next(two) for _ in range(40)]
    assert head[0].kind.name == "fall"
    assert {i.kind.name for i in head} == set(KINDS)


def test_an_incident_ramps_and_ends() -> None:
    incident = Incident(KINDS["hypoxia"], "a", 100.0)
    assert incident.shift_at(99) == {} == incident.shift_at(incident.end_s)
    assert incident.shift_at(130)["spo2"] == -13.0
    assert -13.0 < incident.shift_at(105)["spo2"] < 0


@pytest.mark.parametrize(("fault", "share"), [("drop", 0.3), ("duplicate", 0.3), ("reorder", 0.3)])
def test_links_damage_as_told(fault: str, share: float) -> None:
    link = Link(1)
    setattr(link, fault, share)
    out = [m for i in range(2000) for m in link.carry(i)]
    if fault == "drop":
        assert 1250 < len(out) < 1550
        assert out == sorted(set(out))
    elif fault == "duplicate":
        assert sorted(set(out)) == list(range(2000))
        assert 2450 < len(out) < 2750
    else:
        assert out != sorted(out)
        assert len(set(out)) >= 1999


def test_a_device_keeps_its_log_until_acknowledged_and_never_drops_a_call() -> None:
    device = Device(id="d1", kind="wearable", seed=1)
    call = device.call("sos", 1000)
    person = Person("P", 1)
    for second in range(40):
        device.observe(second * 1000, person.at(second))
    assert call.seq in device.log
    device.acknowledged("another-boot", call.seq)
    assert call.seq in device.log
    device.acknowledged(device.boot_id, call.seq)
    assert call.seq not in device.log
    sequences = [out.seq for out in device.log.values()]
    assert sequences == list(range(1, 1 + len(sequences)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    need("mosquitto")
    port = _free_port()
    config = tmp_path / "m.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield port
    broker.kill()
    broker.wait()


class Hub:
    """A stand-in for the gateway that acknowledges what it hears and keeps a list."""

    def __init__(self, port: int) -> None:
        self.heard: dict[str, set[int]] = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="hub")
        self.client.on_message = self._take
        for _ in range(100):
            try:
                self.client.connect("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        self.client.subscribe([("anxin/up/+", 1), ("anxin/call/+", 1)])
        self.client.loop_start()

    def _take(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload)
        self.heard.setdefault(message.topic, set()).add(body["seq"])
        client.publish(f"anxin/ack/{body['device']}", json.dumps({"boot_id": body["boot_id"], "seq": body["seq"], "fate": "stored"}), qos=1)


PLAN = {
    "seed": 4,
    "people": [{"id": f"R{i}", "devices": [{"id": f"w{i}", "kind": "wearable"}, {"id": f"b{i}", "kind": "button"}]} for i in range(2)],
}


@pytest.mark.timeout(20)
def test_a_fleet_over_a_real_broker_delivers_everything_over_a_bad_link(mosquitto: int, tmp_path: Path) -> None:
    hub = Hub(mosquitto)
    truth = TruthLog(tmp_path / "truth.ndjson")
    fleet = Fleet(PLAN, Broker(port=mosquitto), truth=truth, link_seed=2, duplicate=0.3)
    stop = threading.Event()
    thread = threading.Thread(target=fleet.run, args=(stop,))
    thread.start()
    fleet_ready = time.monotonic() + 8
    while fleet.stats()["connected"] < 4 and time.monotonic() < fleet_ready:
        time.sleep(0.05)
    fleet.begin("sos", "R0")
    fleet.begin("clock_wrong", "R1")
    deadline = time.monotonic() + 9
    while time.monotonic() < deadline and not {"anxin/call/b0", "anxin/up/w1"} <= set(hub.heard):
        time.sleep(0.05)
    wrong = fleet.residents["R1"].devices[0].clock.offset_ms
    stop.set()
    thread.join()
    hub.client.loop_stop()
    assert {"anxin/call/b0", "anxin/up/w1"} <= set(hub.heard)
    assert wrong == CLOCK_ERROR_MS
    labels = [json.loads(line) for line in (tmp_path / "truth.ndjson").read_text().splitlines()]
    assert [(label["kind"], label["device"]) for label in labels] == [("sos", "b0"), ("clock_wrong", "w1")]


def test_the_command_line_refuses_clearly(tmp_path: Path) -> None:
    bad = tmp_path / "plan.json"
    bad.write_text("[]")
    run = subprocess.run([sys.executable, "-m", "firmware_sim", "fleet", "--plan", str(bad)], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "not a fleet plan" in run.stderr
