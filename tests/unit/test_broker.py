"""The embedded broker as a real process: start, users, kill, stale, space in a topic, full store."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import pytest

from gateway.broker import Broker, BrokerError, BrokerOptions
from gateway.brokerlog import LogWatch
from gateway.clock import SystemClock
from gateway.ops import Ops
from tests.support import need
from tests.support.fake_clock import FakeClock
from tests.support.mqtt_wire import Publisher, connect_packet, free_port

pytestmark = pytest.mark.timeout(30)
HASH = bcrypt.hashpw(b"token-1", bcrypt.gensalt(4)).decode()


@asynccontextmanager
async def broker_in(folder: Path, ops: Ops, users: Sequence[tuple[str, str]] = (), **options: object) -> AsyncIterator[Broker]:
    expects = options.pop("expects", ())
    settings = BrokerOptions(**{"port": free_port(), **options})  # type: ignore[arg-type]
    broker = Broker(folder, settings, lambda: users, SystemClock(), ops, expects=expects)  # type: ignore[arg-type]
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def until(true: Callable[[], bool], limit_s: float = 10.0) -> None:
    ends = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < ends, "did not happen in time"
        await asyncio.sleep(0.02)


def codes(ops: Ops) -> list[str]:
    return [fault.code for fault in ops.faults()]


async def test_devices_come_in_with_their_token_once_our_sessions_stand(tmp_path: Path) -> None:
    async with broker_in(tmp_path, Ops(), [("d1", HASH)], expects=("readings", "calls")) as broker:
        Publisher(broker.port, "us", broker.username, broker.password).close()
        with pytest.raises(ConnectionRefusedError):
            Publisher(broker.port, "d1", "d1", "token-1")
        broker.subscribed("readings")
        broker.subscribed("calls")
        device: list[Publisher] = []

        def admitted() -> bool:
            try:
                device.append(Publisher(broker.port, "d1", "d1", "token-1"))
            except ConnectionRefusedError:
                return False
            return True

        await until(admitted)
        device[0].close()
        with pytest.raises(ConnectionRefusedError):
            Publisher(broker.port, "d1", "d1", "token-2")
        assert (tmp_path / "nats.conf").stat().st_mode & 0o077 == 0


def reloads(folder: Path) -> int:
    return (folder / "nats.log").read_text().count('Trapped "hangup"')


def knocking(broker: Broker) -> socket.socket:
    """A client between its connection and its CONNECT: whoever is there is thrown out by a reload."""
    return socket.create_connection(("127.0.0.1", broker.port), timeout=5)


def let_in(sock: socket.socket, broker: Broker) -> bool:
    try:
        sock.sendall(connect_packet("us", broker.username, broker.password))
        return sock.recv(4) == b"\x20\x02\x00\x00"
    except ConnectionError:
        return False
    finally:
        sock.close()


async def test_our_sessions_are_not_thrown_out_while_devices_change_as_in_a_first_start(tmp_path: Path) -> None:
    async with broker_in(tmp_path, Ops(), [("d1", HASH)], expects=("readings", "calls")) as broker:
        ours = knocking(broker)
        for _ in range(20):  # devices are entered, bound and heard: none of it is a broker's affair yet
            broker.refresh()
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert let_in(ours, broker)
        assert reloads(tmp_path) == 0
        broker.subscribed("readings")
        broker.subscribed("calls")
        await until(lambda: reloads(tmp_path) == 1 and broker._loaded.count("{user:") == 2)
        ours = knocking(broker)
        broker.refresh()  # nothing has changed
        await asyncio.sleep(0.5)
        assert let_in(ours, broker)
        assert reloads(tmp_path) == 1


async def test_many_new_tokens_are_few_reloads_and_wait_for_our_sessions_after_a_death(tmp_path: Path) -> None:
    users: list[tuple[str, str]] = []
    async with broker_in(tmp_path, Ops(), users, expects=("readings",)) as broker:
        broker.subscribed("readings")
        for number in range(30):
            users.append((f"d{number}", HASH))
            broker.refresh()
        await until(lambda: broker._loaded.count("{user:") == 31)
        assert reloads(tmp_path) == 1
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: broker.pid != first and f"[{broker.pid}]" in (tmp_path / "nats.log").read_text().rpartition("ready")[0])
        before = reloads(tmp_path)
        users.append(("late", HASH))
        broker.refresh()
        await asyncio.sleep(0.5)
        ours = knocking(broker)
        await asyncio.sleep(0.5)
        assert let_in(ours, broker)
        assert reloads(tmp_path) == before
        broker.subscribed("readings")
        await until(lambda: broker._loaded.count("{user:") == 32)
        Publisher(broker.port, "late", "late", "token-1").close()


async def test_a_configuration_that_it_does_not_take_is_a_fault_until_it_does(tmp_path: Path) -> None:
    ops, users = Ops(), [("d1", HASH)]
    async with broker_in(tmp_path, ops, users) as broker:
        users.append(("d1", HASH))  # twice the same user
        broker.refresh()
        await until(lambda: "broker.reload" in codes(ops))
        users.pop()
        users.append(("d2", HASH))
        await until(lambda: "broker.reload" not in codes(ops))
        Publisher(broker.port, "d2", "d2", "token-1").close()


async def test_a_killed_broker_is_a_fault_and_comes_back_with_what_it_acknowledged(tmp_path: Path) -> None:
    ops = Ops()
    async with broker_in(tmp_path, ops) as broker:
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: "broker.down" in codes(ops) or broker.pid != first)
        await until(lambda: broker.pid != first and "broker.down" not in codes(ops))
        Publisher(broker.port, "us", broker.username, broker.password).close()


async def test_a_space_in_a_topic_is_named_within_ten_seconds(tmp_path: Path) -> None:
    ops = Ops()
    async with broker_in(tmp_path, ops) as broker:
        publisher = Publisher(broker.port, "zigbee2mqtt", broker.username, broker.password)
        publisher.send("zigbee/living room/lamp", b"{}", 0)
        with pytest.raises(ConnectionResetError):
            publisher.take_acks(5.0)
        publisher.sock.close()
        await until(lambda: ("topic.space", "zigbee2mqtt") in [(fault.code, fault.subject) for fault in ops.faults()])


async def test_a_device_may_not_speak_for_another(tmp_path: Path) -> None:
    ops = Ops()
    async with broker_in(tmp_path, ops, [("d1", HASH)]) as broker:
        publisher = Publisher(broker.port, "d1", "d1", "token-1")
        publisher.send("anxin/up/d2", b"{}", 0)
        await until(lambda: "device.topic_denied" in codes(ops))
        publisher.close()


async def test_a_server_of_an_earlier_run_is_ended_and_a_taken_port_is_named(tmp_path: Path) -> None:
    async with broker_in(tmp_path, Ops()) as broker:
        process = broker._process
        assert process is not None
        async with broker_in(tmp_path, Ops()) as second:
            await until(lambda: process.returncode is not None)
            with pytest.raises(BrokerError, match="address already in use"):
                await Broker(tmp_path / "third", BrokerOptions(port=second.port), lambda: (), SystemClock(), Ops()).start()
            for task in broker._tasks:
                task.cancel()  # or the first one would fight for the folder
            broker._stopping = True


PARENT = """
import asyncio, sys
from pathlib import Path
from gateway.broker import Broker, BrokerOptions
from gateway.clock import SystemClock
from gateway.ops import Ops
async def main():
    broker = Broker(Path(sys.argv[1]), BrokerOptions(port=0), lambda: (), SystemClock(), Ops())
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.crash
def test_it_dies_with_us(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ends = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < ends
        time.sleep(0.02)


async def test_a_full_store_acknowledges_nothing_more_and_is_a_fault(tmp_path: Path) -> None:
    ops = Ops()
    async with broker_in(tmp_path, ops, store_mib=1) as broker:
        await _keep_session(broker)
        publisher = Publisher(broker.port, "us", broker.username, broker.password)
        sent = 0
        try:
            for sent in range(200):
                publisher.send("anxin/up/d1", bytes(20_000), sent)
                publisher.take_acks(0.3)
                if len(publisher.acked) <= sent:
                    break
        except (ConnectionResetError, BrokenPipeError):
            pass
        publisher.sock.close()
        assert 10 < len(publisher.acked) < 60  # one mebibyte, not two hundred messages
        assert sent < 199
        await until(lambda: "broker.full" in codes(ops))


async def _keep_session(broker: Broker) -> None:
    """A session that keeps what comes."""
    process = await asyncio.create_subprocess_exec(
        str(need("mosquitto_sub")), "-p", str(broker.port), "-u", broker.username, "-P", broker.password,
        "-i", "keeper", "-c", "-q", "1", "-t", "anxin/up/+", "-E",
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_log_lines_become_faults_that_end_by_themselves_and_names_are_bounded(tmp_path: Path) -> None:
    log, ops, clock = tmp_path / "nats.log", Ops(), FakeClock()
    log.write_text("")
    watch = LogWatch(log, clock, ops)
    line = '[1] 2026/11/24 21:56:19.761898 [ERR] 127.0.0.1:48404 - mid:24 - "{}" - character not supported for MQTT topics\n'
    log.write_text("".join(line.format(f"c\x00 {i}") for i in range(80)))
    watch.poll()
    assert len(ops.faults()) == 50
    assert all(" " not in fault.subject for fault in ops.faults())
    assert ops.counters["broker.topic_space"] == 80
    await clock.advance(601)
    watch.poll()
    assert ops.faults() == ()
    log.unlink()
    log.write_text(line.format("after-rotation"))
    watch.poll()
    assert [fault.subject for fault in ops.faults()] == ["after-rotation"]
