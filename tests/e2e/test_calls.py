"""Calls for help: with wrong clocks, sent while nobody was there, retained, repeated."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import JournalReader
from gateway.readings import Mark, ReadingBlock
from tests.e2e.conftest import House
from tests.support.button import Button, now_ms
from tests.support.hook import Hook
from tests.support.mqtt_wire import mosquitto
from tests.support.running import Gateway, Person, until
from tests.support.town import SITE, town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]
YEAR_2000_MS = 946_684_800_000
YEAR_2106_MS = 4_294_967_295_000
DAY_MS = 86_400_000
LATE_MS = 150_000


def alert_of(person: Person, device: str, **wanted: Any) -> dict[str, Any]:
    """The newest alert of a device, once there is one."""
    found = until(f"an alert of {device}", lambda: person.alerts(device_id=device, **wanted), 20)
    return found[0]


def announced(hook: Hook, alert_id: str, count: int = 1) -> list[dict[str, Any]]:
    """The pages of an alert, once there are so many."""
    until(f"{count} pages of {alert_id}", lambda: len(hook.keys(alert_id)) >= count, 20)
    return [hit.body for hit in hook.told(alert_id)]


def marks(gateway: Gateway, device: str, boot_id: str) -> list[tuple[int, int, int]]:
    """(measured, received, mark) of each reading of a boot, from the journal's files."""
    reader, found = JournalReader(gateway.data / "journal"), []
    offset = reader.extent()[0]
    while blocks := reader.blocks(offset, 500):
        found += [row for block in blocks if block.readings is not None for row in _rows(block.readings, device, boot_id)]
        offset = blocks[-1].last + 1
    reader.close()
    return found


def _rows(block: ReadingBlock, device: str, boot_id: str) -> list[tuple[int, int, int]]:
    frames = [frame.boot_id == boot_id and frame.device == device for frame in block.frames]
    mine = [i for i in range(len(block.value)) if frames[block.frame[i]]]
    return [(int(block.t_measured_ns[i]), int(block.t_received_ns[i]), int(block.mark[i])) for i in mine]


@pytest.mark.parametrize("t_ms", [YEAR_2000_MS, YEAR_2106_MS])
def test_a_device_that_thinks_it_is_another_century_is_heard_now(house: House, t_ms: int) -> None:
    gateway, boot = house.gateway, f"clock-{t_ms}"
    with Button(gateway, "band-1", boot) as band, Button(gateway, "button-2", boot) as button:
        band.connected().reading(value=71, t=t_ms)
        assert band.fate() == "stored"
        (measured_ns, received_ns, mark), *_ = until("it is in the journal", lambda: marks(gateway, "band-1", boot))
        assert abs(received_ns // 1_000_000 - now_ms()) < 30_000
        assert measured_ns == received_ns
        assert mark & Mark.BAD_CLOCK

        button.connected().call(t=t_ms)
        mei = gateway.person("mei")
        alert = alert_of(mei, "button-2", state="raised")
        (page, *_) = announced(house.hook, alert["id"])
        assert alert["late_s"] == page["late_s"] == 0
        mei.act(alert["id"], "claim")
        mei.act(alert["id"], "resolve", outcome="test")


def test_a_record_from_the_future_is_kept_apart_and_hides_nothing(house: House) -> None:
    gateway = house.gateway
    with Button(gateway, "band-1", "future") as band:
        band.connected().reading(value=66)
        assert band.fate() == "stored"
        band.publish("up", band.body(stored=True, readings=[{"quantity": "hr", "value": 99, "unit": "/min", "t": now_ms() + DAY_MS}]))
        assert band.fate() == "stored"
        rows = until("both are in the journal", lambda: len(found := marks(gateway, "band-1", "future")) >= 2 and found)
        assert isinstance(rows, list)
        assert [bool(mark & Mark.FUTURE) for _, _, mark in rows] == [False, True]
        beds = gateway.person("mei").get("/wall", site=SITE)["beds"]
        values = [bed["vitals"]["hr"]["value"] for bed in beds if "hr" in bed["vitals"]]
        assert 99 not in values


def test_a_second_press_sounds_again(house: House) -> None:
    gateway, hook = house.gateway, house.hook
    mei = gateway.person("mei")
    with Button(gateway, "button-3") as button:
        button.connected().call()
        alert = alert_of(mei, "button-3", state="raised")
        first = announced(hook, alert["id"])
        mei.act(alert["id"], "claim")
        button.call()  # within 5 s: counted, and not said again at once
        until("the second press is counted", lambda: mei.get(f"/alerts/{alert['id']}")["alert"]["count"] == 2)

        def third() -> bool:
            button.call()
            return len(hook.keys(alert["id"])) > len(first)

        until("a later press sounds for its owner", third, 15, every_s=1.5)
        page = hook.told(alert["id"])[-1].body
        assert (page["why"], page["recipient"]) == ("called_again", "P-mei")
        mei.act(alert["id"], "resolve", outcome="helped")


def test_pressed_while_the_gateway_was_down_it_pages_once_and_says_how_late(folder: Path) -> None:
    with town(folder) as (gateway, hook), Button(gateway, "button-1") as button:
        gateway.start()
        button.connected().reading("battery", 90, "%")
        assert button.fate() == "stored"
        gateway.kill()
        until("the broker died with it", lambda: not button.client.is_connected(), 20)
        button.call(t=now_ms() - LATE_MS)
        gateway.start()
        assert button.fate(within_s=30) == "stored"
        alert = alert_of(gateway.person("mei"), "button-1")
        _is_late_and_single(gateway, hook, alert["id"])
        gateway.kill()
        gateway.start()  # what it knew before it still knows
        _is_late_and_single(gateway, hook, alert["id"])


def _is_late_and_single(gateway: Gateway, hook: Hook, alert_id: str) -> None:
    (page,) = announced(hook, alert_id)
    late_s = LATE_MS / 1000
    assert late_s - 5 < page["late_s"] < late_s + 60, page
    assert "late by" in page["text"]
    with_state = gateway.person("mei").alerts(rule="call.sos")
    assert [alert["id"] for alert in with_state] == [alert_id]


def test_what_mosquitto_kept_pages_once_and_what_is_retained_never(folder: Path) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder / "broker"))
        gateway, hook = stack.enter_context(town(folder, mosquitto_port=broker.port))
        kept, retained, spaced = (stack.enter_context(Button(gateway, name)) for name in ("button-1", "button-2", "button 3"))
        retained.connected().call(retain=True).wait_for_publish(10)  # before anybody listens
        gateway.start()
        mei = gateway.person("mei")
        kept.connected().reading("battery", 90, "%")
        assert kept.fate() == "stored"
        spaced.connected().reading()
        until("a name with a space is a dead letter", lambda: gateway.ask("deadletter.list", limit=5)["letters"])
        gateway.kill()
        kept.call(t=now_ms() - LATE_MS).wait_for_publish(10)
        gateway.start()
        assert kept.fate(within_s=30) == "stored"
        alert = alert_of(mei, "button-1")
        _is_late_and_single(gateway, hook, alert["id"])

        gateway.kill()
        for path in (gateway.data / "run").glob("*.session.json"):
            path.unlink()  # subscribes anew: the broker sends what it retains
        gateway.start()
        until("what is retained came again", lambda: gateway.ask("status")["counters"].get("intake.duplicate"), 20)
        assert marks(gateway, "button-2", "boot-1")
        _is_late_and_single(gateway, hook, alert["id"])
        assert "topic" in gateway.ask("deadletter.list", limit=5)["letters"][0]["reason"]

