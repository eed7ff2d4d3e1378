"""What devices send wrongly, over real MQTT and HTTP: named, kept, counted, and nothing else is delayed."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tests.e2e.conftest import House
from tests.support.button import Button
from tests.support.mqtt_wire import Publisher, connect_packet, mosquitto, publish_packet
from tests.support.running import Gateway, until
from tests.support.town import SITE, town

pytestmark = pytest.mark.timeout(90)

HEAD = '"v":1,"device":"button-4","boot_id":"bad"'
HR = '"t":null,"quantity":"hr","value":61'


@dataclass(frozen=True)
class Bad:
    """A body, the whole reason that is given for it, and whether its number can be read all the same."""

    payload: bytes
    reason: str
    numbered: bool = True


BODIES = {
    "no JSON": Bad(f'{{{HEAD},"seq":1,"t"'.encode(), "not JSON: expecting ':' delimiter at character 54", numbered=False),
    "no CBOR": Bad(cbor2.dumps({"v": 1, "device": "button-4"})[:-3], "not CBOR: cut off", numbered=False),
    "no unit": Bad(f'{{{HEAD},"seq":3,{HR}}}'.encode(), "unit: missing"),
    "wrong unit": Bad(f'{{{HEAD},"seq":4,{HR},"unit":"mm[Hg]"}}'.encode(), "unit: unknown for hr"),
    "NaN": Bad(f'{{{HEAD},"seq":5,"t":null,"quantity":"hr","value":NaN,"unit":"/min"}}'.encode(), "NaN is not a number"),
    "duplicate key": Bad(f'{{{HEAD},"seq":6,"seq":7,{HR},"unit":"/min"}}'.encode(), "seq: duplicate key", numbered=False),
    "lone surrogate": Bad(f'{{{HEAD},"seq":8,{HR},"unit":"\\ud800"}}'.encode(), "lone surrogate in text"),
    "true as a number": Bad(f'{{{HEAD},"seq":9,"t":null,"quantity":"hr","value":true,"unit":"/min"}}'.encode(), "value: not a number"),
    "another device": Bad(
        f'{{"v":1,"device":"button-5","boot_id":"bad","seq":10,{HR},"unit":"/min"}}'.encode(),
        "device: does not match the topic",
        numbered=False,
    ),
}


def letters(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.ask("deadletter.list", limit=500)["letters"]
    return found


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_a_dead_letter_with_its_reason_on_both_doors(house: House, name: str) -> None:
    gateway, bad = house.gateway, BODIES[name]
    kind = "application/cbor" if name == "no CBOR" else "application/json"
    with Button(gateway, "button-4", "good-" + name.replace(" ", "-")) as device:
        before = {letter["id"] for letter in letters(gateway)}
        device.connected().publish("up", bad.payload).wait_for_publish(10)
        device.reading("battery", 80, "%")
        assert device.fate() == "stored"  # right behind it, not delayed
        (letter,) = until("a dead letter", lambda: [letter for letter in letters(gateway) if letter["id"] not in before])
        assert (letter["topic"], letter["detail"], letter["bytes"]) == ("anxin/up/button-4", bad.reason, len(bad.payload))
        assert letter["reason"] == re.sub(r"\d+", "n", bad.reason), "counted by kind"
        again = device.post(bad.payload, kind=kind)
        if bad.numbered:  # the other door knows it already
            assert (again.status_code, again.json()["fate"]) == (200, "duplicate")
            again = device.post(re.sub(rb'"seq":(\d+)', rb'"seq":\g<1>00', bad.payload), kind=kind)
        assert again.status_code == 422
        assert again.headers["content-type"] == "application/problem+json"
        said = again.json()
        assert (said["code"], said["fate"], said["detail"]) == ("message.invalid", "dead_letter", bad.reason)


def test_http_says_who_may_how_much_and_of_what_kind(house: House) -> None:
    with Button(house.gateway, "button-4", "http") as device:
        good = device.body(quantity="battery", value=50, unit="%")
        assert device.post(good).json()["fate"] == "stored"
        assert device.post(good).json()["fate"] == "duplicate"
        assert device.post(good, token="wrong").status_code == 401
        assert device.post(b"{" + b" " * 300_000 + b"}").status_code == 413
        assert device.post(good, kind="text/plain").status_code == 415
        token, device.device = device.gateway.tokens["button-4"], "button-5"
        assert device.post(good, token=token).status_code == 401  # another device's name
        device.device = "no such device"
        assert device.post(good, token=token).status_code == 404


def test_a_device_without_a_token_stays_outside_the_embedded_broker(house: House) -> None:
    gateway = house.gateway
    with pytest.raises(ConnectionRefusedError):
        Publisher(gateway.mqtt_port, "stranger", "stranger", "nobody")
    with pytest.raises(ConnectionRefusedError):
        Publisher(gateway.mqtt_port, "stranger", "stranger", gateway.tokens["button-6"])
    Publisher(gateway.mqtt_port, "no-stranger", "button-6", gateway.tokens["button-6"]).close()
    assert not [row for row in gateway.ask("inbox") if row["device"] == "stranger"]


def test_an_unknown_device_waits_in_the_inbox_and_is_the_residents_once_bound(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder / "mosquitto"))
        gateway, _hook = stack.enter_context(town(folder, mosquitto_port=broker.port))
        gateway.start()
        mei = gateway.person("mei")

        def heart_rate() -> float | None:
            (bed,) = [bed for bed in mei.get("/wall", site=SITE)["beds"] if bed["bed_id"] == "bed-3"]
            shown = bed["vitals"].get("hr")
            return None if shown is None else shown["value"]

        assert gateway.cli("inbox") == []
        device = stack.enter_context(Button(gateway, "stranger"))
        device.connected().reading("hr", 61)
        assert device.fate() == "stored"
        (row,) = until("it is in the inbox", lambda: gateway.cli("inbox"))
        assert (row["device"], row["quantities"]) == ("stranger", ["hr"])
        assert heart_rate() is None, "nobody's reading"
        assert gateway.cli("bind", "stranger", "--resident", "R-3")["resident"] == "R-3"
        assert gateway.cli("inbox") == []
        device.reading("hr", 77)
        assert device.fate() == "stored"
        assert until("the wall shows it", heart_rate) == 77


def test_an_oversized_message_costs_its_sender_the_connection_and_nobody_else(house: House) -> None:
    gateway = house.gateway
    with Button(gateway, "button-5", "big") as device, Button(gateway, "button-6", "calm") as other:
        other.connected()
        device.connected().publish("up", b'{"v":1,' + b" " * 2_000_000 + b"}")
        until("the broker says so", lambda: "payload.too_large" in gateway.faults(), 30)
        other.reading("battery", 70, "%")
        assert other.fate() == "stored"


def test_a_space_in_a_topic_on_the_embedded_broker_is_named_within_10_s(house: House) -> None:
    gateway = house.gateway
    mei = gateway.person("mei")
    with contextlib.closing(socket.create_connection(("127.0.0.1", gateway.mqtt_port), timeout=5)) as wire:
        wire.sendall(connect_packet("living-room-sensor", "button-6", gateway.tokens["button-6"]))
        wire.recv(4)
        wire.sendall(publish_packet("anxin/up/living room", b"{}", 1))
        until("a technical alert names it", lambda: "topic.space" in gateway.faults(), 10)
    alert = until("the alert", lambda: gateway.rows("SELECT body FROM alerts WHERE body LIKE '%topic.space%'"), 10)
    assert "living-room-sensor" in json.dumps(alert[0])
    assert mei.get("/wall", site=SITE)["alerts"], "people see it"
    found = gateway.cli("doctor", code=1)
    (row,) = [row for row in found if "topic.space" in row["detail"]]
    assert not row["ok"]
    assert "Mosquitto" in row["detail"]
    said = gateway.shell("--lang", "zh", "doctor").stdout
    assert "改主题名" in said.replace("\n", "").replace(" ", "")
