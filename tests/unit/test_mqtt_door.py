"""The MQTT door against real brokers: sessions, acknowledgements, refusals, deaths, freezes, stalls, TLS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import trustme
from paho.mqtt.enums import CallbackAPIVersion

from gateway.broker import Broker, BrokerOptions
from gateway.clock import SystemClock
from gateway.collect import mqtt as door
from gateway.collect.mqtt import MqttCollector
from gateway.ledger import recount
from gateway.ops import Ops
from gateway.readings import Mark, ReadingBlock, StoredBlock
from gateway.store import DiskFull
from tests.support.intake_node import Node
from tests.support.mqtt_wire import Mosquitto, Publisher, free_port, mosquitto

pytestmark = pytest.mark.timeout(40)


@dataclass
class Site:
    """A broker and how one connects to it."""

    port: int
    login: tuple[()] | tuple[str, str]
    options: dict[str, Any]
    broker: Mosquitto | Broker

    def publisher(self, client_id: str = "dev") -> Publisher:
        return Publisher(self.port, client_id, *self.login)


@asynccontextmanager
async def site_of(kind: str, folder: Path, **broker_options: Any) -> AsyncIterator[Site]:
    if kind == "nats":
        nats = Broker(folder / "nats", BrokerOptions(port=free_port(), **broker_options), lambda: (), SystemClock(), Ops())
        await nats.start()
        login = (nats.username, nats.password)
        try:
            yield Site(nats.port, login, {"username": login[0], "password": login[1]}, nats)
        finally:
            await nats.stop()
        return
    with mosquitto(folder / "mosquitto") as broker:
        yield Site(broker.port, (), {"protocol": kind}, broker)


@asynccontextmanager
async def gateway(site: Site, folder: Path, **options: Any) -> AsyncIterator[tuple[Node, tuple[MqttCollector, MqttCollector]]]:
    node = await Node(folder / "data").start()
    doors = node.collectors(site.port, **{**site.options, **options})
    task = asyncio.create_task(node.intake.run(doors))
    try:
        await until(lambda: all_up(doors))
        yield node, doors
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for each in doors:
            await each.close()
        await node.stop()


class Listener:
    """A device that hears."""

    def __init__(self, site: Site, topic: str) -> None:
        self.bodies: list[dict[str, Any]] = []
        ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener")
        if site.login:
            self._client.username_pw_set(*site.login)
        self._client.on_message = lambda _client, _data, message: self.bodies.append(json.loads(message.payload))
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", site.port)
        self._client.subscribe(topic, 1)
        self._client.loop_start()
        assert ready.wait(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def all_up(doors: tuple[MqttCollector, ...]) -> bool:
    return all(each._link._up for each in doors)


async def until(true: Callable[[], bool], limit_s: float = 20.0) -> None:
    ends = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < ends, "did not happen in time"
        await asyncio.sleep(0.02)


def message(seq: int, device: str = "d1", boot: str = "b1") -> tuple[str, bytes]:
    body = {"v": 1, "device": device, "boot_id": boot, "seq": seq, "t": None, "quantity": "hr", "value": 60, "unit": "/min"}
    return f"anxin/up/{device}", json.dumps(body).encode()


def call(seq: int, device: str = "d1") -> tuple[str, bytes]:
    body = {"v": 1, "device": device, "boot_id": "b1", "seq": seq, "t": None, "call": {"kind": "sos"}}
    return f"anxin/call/{device}", json.dumps(body).encode()


def stored(node: Node) -> int:
    return node.ops.counters["intake.stored"]


@pytest.fixture
def subscriptions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    made: list[Any] = []
    original = paho.Client.subscribe

    def subscribe(self: paho.Client, *arguments: Any, **more: Any) -> Any:
        made.append(arguments)
        return original(self, *arguments, **more)

    monkeypatch.setattr(paho.Client, "subscribe", subscribe)
    return iter([made])


def test_the_one_private_name_of_paho_is_still_there() -> None:
    assert callable(paho.Client._create_socket)


@pytest.mark.parametrize("kind", ["3.1.1", "5", "nats"])
async def test_readings_and_calls_are_stored_and_the_device_is_told(kind: str, tmp_path: Path) -> None:
    async with site_of(kind, tmp_path) as site, gateway(site, tmp_path) as (node, doors):
        listener = Listener(site, "anxin/ack/d1")
        device = site.publisher()
        await asyncio.to_thread(device.publish_all, [message(0), call(1), message(0), (message(2)[0], b"rubbish")], 4)
        bad = json.dumps({"v": 1, "device": "d1", "boot_id": "b1", "seq": 3, "t": None, "quantity": "hr", "value": 60, "unit": "kg"})
        await asyncio.to_thread(device.publish_all, [("anxin/up/d1", bad.encode())], 1)
        await until(lambda: len(listener.bodies) == 4)
        told = sorted((body["seq"], body["fate"]) for body in listener.bodies)
        assert told == [(0, "duplicate"), (0, "stored"), (1, "stored"), (3, "dead_letter")]
        listener.close()
        assert stored(node) == 2
        device.close()
        await until(lambda: not doors[0]._link._pending and not doors[1]._link._pending)


@pytest.mark.parametrize("kind", ["3.1.1", "5", "nats"])
async def test_a_standing_session_is_not_subscribed_again_so_a_retained_call_comes_once(
    kind: str, tmp_path: Path, subscriptions: Iterator[list[Any]]
) -> None:
    made = next(subscriptions)
    async with site_of(kind, tmp_path) as site:
        device = site.publisher()
        device.send(*call(0), 0, retain=True)
        device.take_acks(5)
        async with gateway(site, tmp_path) as (node, _):
            await until(lambda: stored(node) == 1)
            block = node.journal.read_sync(1, 1)[0].readings
            assert block is not None
            assert Mark(int(block.mark[0])) & Mark.RETAINED
        assert len(made) == 2
        await asyncio.to_thread(device.publish_all, [message(1)])  # while we are away
        async with gateway(site, tmp_path) as (node, _):
            await until(lambda: stored(node) == 1)
            await asyncio.sleep(0.3)
            assert len(made) == 2
            assert node.ops.counters["intake.duplicate"] == 0
        device.close()


class Valve:
    """A journal that can be without room, or slow."""

    def __init__(self, node: Node) -> None:
        self.full = False
        self.open = asyncio.Event()
        self.open.set()
        self._journal = node.journal
        node.intake._journal = self

    async def append(self, block: ReadingBlock, *, priority: bool = False) -> StoredBlock:
        await self.open.wait()
        if self.full and not priority:
            raise DiskFull("no room")
        return await self._journal.append(block, priority=priority)


@pytest.mark.parametrize("kind", ["3.1.1", "nats"])
async def test_refused_readings_stay_unacknowledged_calls_go_on_and_all_drains(kind: str, tmp_path: Path) -> None:
    async with site_of(kind, tmp_path) as site, gateway(site, tmp_path, in_flight=50) as (node, _):
        valve = Valve(node)
        valve.full = True
        device = site.publisher()
        publishing = asyncio.create_task(asyncio.to_thread(device.publish_all, [message(i) for i in range(300)], 50))
        await until(lambda: node.ops.counters["mqtt.readings.refused"] > 0)
        caller = site.publisher("caller")
        await asyncio.to_thread(caller.publish_all, [call(1000)])
        await until(lambda: stored(node) == 1)
        valve.full = False
        await publishing
        await until(lambda: stored(node) == 301)
        found = recount(node.journal)
        assert (found.frames, found.twice) == (301, 0)
        device.close()
        caller.close()


async def reconnected(site: Site) -> Publisher:
    while True:
        try:
            return site.publisher()
        except OSError:
            await asyncio.sleep(0.05)


async def test_a_killed_broker_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    async with site_of("nats", tmp_path, ack_wait_s=3) as site, gateway(site, tmp_path) as (node, _):
        assert isinstance(site.broker, Broker)
        acked: set[int] = set()
        for round_number in range(2):
            device = await reconnected(site)
            sent = round_number * 10_000
            deadline = time.monotonic() + 0.7
            try:
                while True:
                    device.send(*message(sent), sent)
                    sent += 1
                    device.take_acks(0)
                    await asyncio.sleep(0)
                    if time.monotonic() > deadline and len(device.acked) > 30 and site.broker.pid is not None:
                        os.kill(site.broker.pid, signal.SIGKILL)
                        device.take_acks(1)
            except (ConnectionResetError, BrokenPipeError):
                device.sock.close()
            acked |= set(device.acked)
        assert len(acked) > 50

        def kept() -> set[int]:
            blocks = node.journal.read_sync(1, 10_000)
            return {frame.seq for block in blocks if block.readings is not None for frame in block.readings.frames if frame.seq is not None}

        await until(lambda: acked <= kept(), 35)
        assert recount(node.journal).twice == 0


@pytest.mark.parametrize("kind", ["3.1.1", "nats"])
async def test_a_frozen_broker_is_a_fault_and_everything_drains_afterwards(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "KEEPALIVE_S", 1)
    monkeypatch.setattr(door, "SILENCE_S", 1.5)
    monkeypatch.setattr(door, "CONNECT_S", 1.0)
    patience = {"ack_wait_s": 2} if kind == "nats" else {}
    async with site_of(kind, tmp_path, **patience) as site, gateway(site, tmp_path) as (node, doors):
        device = site.publisher()
        await asyncio.to_thread(device.publish_all, [message(0)])
        pid = site.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            device.send(*message(1), 1)
            await until(lambda: {fault.code for fault in node.ops.faults()} == {"broker.unreachable"}, 8)
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: not node.ops.faults() and all_up(doors))
        await until(lambda: stored(node) == 2)
        device.close()


async def test_a_stalled_consumer_makes_no_storm(tmp_path: Path) -> None:
    count, window = 400, 100
    async with site_of("nats", tmp_path, ack_wait_s=1, in_flight=window) as site, gateway(site, tmp_path, in_flight=window) as (node, _):
        valve = Valve(node)
        device = site.publisher()
        valve.open.clear()
        publishing = asyncio.create_task(asyncio.to_thread(device.publish_all, [message(i) for i in range(count)], 100))
        await asyncio.sleep(3.5)  # three and a half times the broker's patience
        valve.open.set()
        await publishing
        await until(lambda: stored(node) == count)
        await asyncio.sleep(1.5)
        redelivered = node.ops.counters["mqtt.readings.redelivered"]
        assert 0 < redelivered <= 5 * window  # they came, and were dropped before they cost anything
        assert node.ops.counters["intake.duplicate"] <= window
        assert recount(node.journal).twice == 0
        device.close()


async def test_a_broker_that_does_not_keep_to_the_window_is_read_no_faster_than_we_store(tmp_path: Path) -> None:
    async with site_of("3.1.1", tmp_path) as site:
        async with gateway(site, tmp_path, in_flight=20):
            pass
        device = site.publisher()
        big = b"x" * 4_000  # a dead letter each, so that the socket cannot hold them all
        await asyncio.to_thread(device.publish_all, [("anxin/up/d1", big + b"%d" % i) for i in range(3_000)], 200)
        async with gateway(site, tmp_path, in_flight=20) as (node, doors):
            bridge = doors[0]._link.bridge
            most = 0
            while node.ops.counters["intake.dead_letter"] < 3_000:
                most = max(most, bridge._received - bridge._settled)
                await asyncio.sleep(0)
            assert most <= bridge._bound + 100  # one gulp of the socket
        device.close()


def _knock(port: int, ca_file: Path) -> None:
    """Connect without a certificate of one's own."""
    context = ssl.create_default_context(cafile=str(ca_file))
    with socket.create_connection(("127.0.0.1", port)) as bare, context.wrap_socket(bare, server_hostname="127.0.0.1") as secured:
        if not secured.recv(1):
            raise ConnectionResetError


async def test_mutual_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    server, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("gateway.anxin.test", common_name="gateway")
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "server", "server-key", "ours", "ours-key")}
    authority.cert_pem.write_to_path(str(paths["ca"]))
    server.cert_chain_pems[0].write_to_path(str(paths["server"]))
    server.private_key_pem.write_to_path(str(paths["server-key"]))
    ours.cert_chain_pems[0].write_to_path(str(paths["ours"]))
    ours.private_key_pem.write_to_path(str(paths["ours-key"]))
    secure, plain = free_port(), free_port()
    listeners = (
        f"per_listener_settings true\nlistener {secure} 127.0.0.1\ncafile {paths['ca']}\ncertfile {paths['server']}\n"
        f"keyfile {paths['server-key']}\nrequire_certificate true\nuse_identity_as_username true\n"
        f"listener {plain} 127.0.0.1\nallow_anonymous true"
    )
    broker = Mosquitto(tmp_path / "m", port=plain, extra=listeners)
    try:
        site = Site(secure, (), {"ca_file": paths["ca"], "certificate": paths["ours"], "key": paths["ours-key"]}, broker)
        async with gateway(site, tmp_path) as (node, _):
            device = Publisher(plain, "dev")
            await asyncio.to_thread(device.publish_all, [message(i) for i in range(500)])
            await until(lambda: stored(node) == 500)
            device.close()
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            _knock(secure, paths["ca"])
    finally:
        broker.kill()


async def test_a_space_in_a_topic_disturbs_nobody_on_mosquitto(tmp_path: Path) -> None:
    async with site_of("3.1.1", tmp_path) as site, gateway(site, tmp_path) as (node, _):
        device = site.publisher()
        await asyncio.to_thread(device.publish_all, [("anxin/up/my device", b"{}"), message(0)])
        await until(lambda: stored(node) == 1 and node.ops.counters["intake.dead_letter"] == 1)
        device.close()


async def test_no_broker_is_one_fault_and_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    node = await Node(tmp_path).start()
    doors = node.collectors(free_port())
    task = asyncio.create_task(node.intake.run(doors))
    await until(lambda: len(node.ops.faults()) == 2)
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for each in doors:
        await each.close()
    await node.stop()
    assert len([record for record in caplog.records if record.name == "anxin.mqtt"]) == 2
