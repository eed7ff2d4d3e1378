"""Payloads of other products through the real door: found by their topic, within the bridge's own base, retained ones page nobody."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devices.codes import QUANTITIES
from gateway import main
from gateway.brokerconf import BrokerError, BrokerOptions, User, config_text
from gateway.core import Core
from gateway.readings import Mark
from gateway.registry import bindings
from gateway.vocabulary import SYSTEM
from tests.support.mqtt_wire import Publisher, free_port
from tests.support.pki import subscribe
from tests.support.running import toml

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def bridged(
    folder: Path, formats: list[str], bridges: dict[str, str], facts: dict[str, dict[str, str]] | None = None
) -> AsyncIterator[tuple[main.Gateway, int, dict[str, str]]]:
    """A running gateway with one bridge that has a user of its own, and a few devices behind it."""
    port, tokens = free_port(), dict[str, str]()
    folder.mkdir()  # noqa: ASYNC240
    tables = {
        "web": {"port": 0}, "mqtt": {"port": port, "formats": formats, "bridges": bridges}, "watchdog": {"enabled": False},
        "journal": {"ballast_mib": 1},
    }  # fmt: skip
    lines = [
        f"[mqtt.facts.{device}]\n" + "".join(f'"{key}" = "{text}"\n' for key, text in given.items())
        for device, given in (facts or {}).items()
    ]
    (folder / "anxin.toml").write_text("\n".join([toml(tables), *lines]))

    async def prepare(core: Core) -> None:
        for device in (*bridges, "band-1"):
            await core.registry.do(SYSTEM, bindings.set_device, device, kind="bridge", quantities=())
            tokens[device] = await core.tokens.issue(SYSTEM, device)
        await core.registry.do(SYSTEM, bindings.set_device, "bed-button", quantities=(), facts={"button": "sos"})

    async with main.running(folder, prepare=prepare) as (running, _):
        yield running, port, tokens


async def until(true: Callable[[], Any], limit_s: float = 15.0) -> None:
    ends = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < ends, "did not happen in time"
        await asyncio.sleep(0.05)


async def let_in(port: int, device: str, token: str) -> Publisher:
    ends = time.monotonic() + 15
    while True:
        try:
            return await asyncio.to_thread(Publisher, port, device, device, token)
        except ConnectionRefusedError:
            assert time.monotonic() < ends
            await asyncio.sleep(0.1)


def readings(running: main.Gateway) -> list[tuple[str, int, bool]]:
    """(device, quantity index, retained) of all that is stored, in order."""
    found = []
    for block in running.journal.read_sync(1, 10_000):
        rows = block.readings
        if rows is not None:
            found += [
                (rows.devices[rows.device[i]], int(rows.quantity[i]), bool(int(rows.mark[i]) & Mark.RETAINED)) for i in range(len(rows))
            ]
    return found


async def test_zigbee2mqtt_behind_its_own_user(tmp_path: Path) -> None:
    async with bridged(tmp_path / "data", ["zigbee2mqtt"], {"z2m": "zigbee2mqtt"}) as (running, port, tokens):
        bridge = await let_in(port, "z2m", tokens["z2m"])
        press = json.dumps({"action": "single", "battery": 90}).encode()
        messages = [
            ("zigbee2mqtt/bed-button", press),
            ("zigbee2mqtt/bed-button/availability", b'{"state":"online"}'),
            ("zigbee2mqtt/door-9", b'{"contact":false}'),  # nobody knows it: it waits in the inbox
            ("zigbee2mqtt/bridge/state", b'{"state":"online"}'),  # not a device: not listened for
        ]
        await asyncio.to_thread(bridge.publish_all, messages, 1)
        await until(lambda: running.core.ops.counters["intake.stored"] == 3)
        await until(lambda: "door-9" in {device.id for device in running.core.registry.inbox()})
        assert [device for device, _, _ in readings(running)].count("bed-button") == 3
        await asyncio.to_thread(bridge.publish_all, [messages[0]])  # within two seconds: the network said it twice
        await until(lambda: running.core.ops.counters["intake.duplicate"] == 1)
        await asyncio.sleep(2.1)
        await asyncio.to_thread(bridge.publish_all, [messages[0]])  # the same bytes later: another press
        await until(lambda: running.core.ops.counters["intake.stored"] == 4)
        assert subscribe(bridge.sock, "zigbee2mqtt/+/set") == 1
        for forbidden in ("anxin/up/band-1", "esphome/x/status"):
            bridge.send(forbidden, b"{}", 9)
        await until(lambda: running.core.ops.counters["broker.publish_denied"] == 2)
        bridge.close()
        other = await let_in(port, "band-1", tokens["band-1"])
        other.send("zigbee2mqtt/bed-button", press, 0)
        await until(lambda: running.core.ops.counters["broker.publish_denied"] == 3)
        other.close()
        assert running.core.ops.counters["intake.stored"] == 4


async def test_a_retained_press_is_marked_and_an_unknown_format_is_named(tmp_path: Path) -> None:
    async with bridged(tmp_path / "data", ["zigbee2mqtt"], {"z2m": "zigbee2mqtt"}) as (running, port, tokens):
        bridge = await let_in(port, "z2m", tokens["z2m"])
        bridge.send("zigbee2mqtt/sos-1", b'{"action":"emergency"}', 0, retain=True)
        await until(lambda: running.core.ops.counters["intake.stored"] == 1)
        bridge.close()
    with pytest.raises(main.StartError, match=r"zigbee3mqtt is not known; there are .*zigbee2mqtt"):
        async with bridged(tmp_path / "other", ["zigbee3mqtt"], {}):
            pass
    data = tmp_path / "data"
    (data / "run" / "anxin-gateway.session.json").unlink()  # a session made anew is handed what was retained
    async with main.running(data) as (running, _):
        await until(lambda: running.core.ops.counters["intake.stored"] + running.core.ops.counters["intake.duplicate"] >= 1)
        retained = [row for row in readings(running) if row[2]]
        alerts = await running.core.store.read(lambda conn: len(list(conn.execute("SELECT id FROM alerts"))))
        assert (len(retained), alerts) in ((1, 1), (0, 1)), "the press of then paged once; the retained copy of it never does"


async def test_a_strip_with_a_format_of_its_own_is_read_by_the_rules_of_the_configuration(tmp_path: Path) -> None:
    rules = {"strip-1": {"$.data.hr": "hr /min", "$.data.bed": "bed_occupied 1 in=1 out=0"}}
    async with bridged(tmp_path / "data", ["mapped", "esphome"], {"hub": "mapped"}, rules) as (running, port, tokens):
        hub = await let_in(port, "hub", tokens["hub"])
        await asyncio.to_thread(hub.publish_all, [("mapped/strip-1", b'{"data":{"hr":61,"bed":"in"}}'), ("mapped/strip-2", b'{"hr":61}')])
        await until(lambda: running.core.ops.counters["intake.stored"] == 1 and running.core.ops.counters["intake.dead_letter"] == 1)
        found = [(device, QUANTITIES[index].key) for device, index, _ in readings(running)]
        assert found == [("strip-1", "hr"), ("strip-1", "bed_occupied")]
        hub.close()


def test_a_base_topic_cannot_be_ours_or_all(tmp_path: Path) -> None:
    users = [User(name="z2m", password="x", device="z2m")]
    for bad in ("anxin", "anxin/up", "#", "a/+", "a b", "", "/a"):
        with pytest.raises(BrokerError, match="cannot be a base topic"):
            config_text(tmp_path, BrokerOptions(bridges=(("z2m", bad),)), 1, users)
    text = config_text(tmp_path, BrokerOptions(bridges=(("z2m", "home/z2m"),)), 1, users)
    assert '"home.z2m.>"' in text
