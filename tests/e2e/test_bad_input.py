"""What devices send wrongly, over real MQTT and HTTP: named, kept, counted, and nothing else is delayed."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import cbor2
import pytest

from tests.e2e.conftest import House
from tests.support.button import Button
from tests.support.mqtt_wire import connect_packet, publish_packet
from tests.support.running import Gateway, until
from tests.support.town import SITE

pytestmark = pytest.mark.timeout(90)

HEAD = '"v":1,"device":"button-4","boot_id":"bad"'
BODIES: dict[str, tuple[bytes, str]] = {  # name -> (payload, words of the reason)
    "no JSON": (b"{" + HEAD.encode() + b',"seq":1,', "JSON"),
    "no CBOR": (cbor2.dumps({"v": 1, "device": "button-4"})[:-3], "CBOR"),
    "no unit": (f'{{{HEAD},"seq":3,"t":null,"quantity":"hr","value":61}}'.encode(), "unit"),
    "wrong unit": (f'{{{HEAD},"seq":4,"t":null,"quantity":"hr","value":61,"unit":"mm[Hg]"}}'.encode(), "unit"),
    "NaN": (f'{{{HEAD},"seq":5,"t":null,"quantity":"hr","value":NaN,"unit":"/min"}}'.encode(), "NaN"),
    "duplicate key": (f'{{{HEAD},"seq":6,"seq":7,"t":null,"quantity":"hr","value":61,"unit":"/min"}}'.encode(), "seq"),
    "lone surrogate": (f'{{{HEAD},"seq":8,"t":null,"quantity":"\\ud800","value":61,"unit":"/min"}}'.encode(), ""),
    "true as a number": (f'{{{HEAD},"seq":9,"t":null,"quantity":"hr","value":true,"unit":"/min"}}'.encode(), "value"),
    "another device": (b'{"v":1,"device":"button-5","boot_id":"bad","seq":10,"t":null,"quantity":"hr","value":61,"unit":"/min"}', "device"),
}


def letters(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.ask("deadletter.list", limit=500)["letters"]
    return found


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_a_dead_letter_with_its_reason_on_both_doors(house: House, name: str) -> None:
    gateway, (payload, words) = house.gateway, BODIES[name]
    with Button(gateway, "button-4", "good") as device:
        before = {letter["id"] for letter in letters(gateway)}
        device.connected().publish("up", payload).wait_for_publish(10)
        device.reading("battery", 80, "%")
        assert device.fate() == "stored"  # right behind it, not delayed
        fresh = until("a dead letter", lambda: [letter for letter in letters(gateway) if letter["id"] not in before])
        assert words in fresh[0]["reason"]
        assert "61" not in fresh[0]["reason"]
        answer = device.post(payload, kind="application/cbor" if name == "no CBOR" else "application/json")
        assert answer.status_code in (200, 422)  # with a number it is known already from the other door
        assert answer.headers["content-type"].startswith("application/")
        assert "61" not in answer.json().get("detail", "")


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


def test_an_unknown_device_is_kept_in_the_inbox_or_stays_outside(house: House) -> None:
    gateway = house.gateway
    with Button(gateway, "stranger") as device, pytest.raises(AssertionError, match="stranger is connected"):
        until("stranger is connected", device.client.is_connected, 2)  # the embedded broker lets nobody in without a token
    assert "stranger" not in gateway.ask("status")["counters"]


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
