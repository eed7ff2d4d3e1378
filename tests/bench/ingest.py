"""`python -m tests.bench.ingest`: MQTT QoS 1 -> decode -> commit -> acknowledgement, on the embedded broker and on Mosquitto.

A publisher process (raw sockets, pre-encoded messages, its own list) and a gateway process share the machine with the broker. The
messages lie at the broker before the gateway connects again, so the rate is what the gateway takes, not what the publisher gives.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.broker import Broker, BrokerOptions
from gateway.clock import SystemClock
from gateway.journal import JournalReader
from gateway.ops import Ops
from tests.support.mqtt_wire import Publisher, free_port, mosquitto

DEVICES = 200
SINGLES = 60_000
ARRAYS = 1_500
SERIES = (("hr", "/min"), ("spo2", "%"), ("resp", "/min"))
PER_SERIES = 60


def single(device: int, seq: int) -> tuple[str, bytes]:
    t_ms = time.time_ns() // 1_000_000
    return _message(device, seq, t_ms, {"quantity": "hr", "value": 60 + seq % 40, "unit": "/min"})


def _message(device: int, seq: int, t_ms: int, body: dict[str, Any]) -> tuple[str, bytes]:
    head = {"v": 1, "device": f"w{device}", "boot_id": "b1", "seq": seq, "t": t_ms}
    return f"anxin/up/w{device}", json.dumps(head | body).encode()


def array(device: int, seq: int) -> tuple[str, bytes]:
    t_ms = time.time_ns() // 1_000_000
    values = [60 + (seq + i) % 40 for i in range(PER_SERIES)]
    times = {"t0": t_ms - 1000 * PER_SERIES, "dt_ms": 1000}
    return _message(device, seq, t_ms, {"series": [{"quantity": key, "unit": unit, "value": values, **times} for key, unit in SERIES]})


class Gateway:
    """The node as a process."""

    def __init__(self, folder: Path, port: int, **mqtt: Any) -> None:
        settings = json.dumps({"data": str(folder), "port": port, "mqtt": mqtt})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.intake_node", settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._line()

    def _line(self) -> dict[str, Any]:
        if self.process.stdout is None:
            raise RuntimeError("no output")
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def stop(self) -> dict[str, Any]:
        if self.process.stdin is not None:
            self.process.stdin.close()
        answer = self._line()
        self.process.wait(20)
        return answer


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def frames_in(journal: Path) -> Iterator[tuple[str, int]]:
    reader = JournalReader(journal)
    offset = reader.extent()[0]
    while blocks := reader.blocks(offset, 200):
        for block in blocks:
            if block.readings is not None:
                yield from ((frame.device, frame.seq or 0) for frame in block.readings.frames)
        offset = blocks[-1].last + 1


Make = Callable[[int, int], tuple[str, bytes]]


def run(name: str, port: int, broker_pid: int, count: int, make: Make, readings: int, user: Any, **mqtt: Any) -> bool:
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        first = Gateway(folder, port, **mqtt)
        time.sleep(1.0)  # its sessions stand now
        first.stop()
        messages = [make(i % DEVICES, i // DEVICES) for i in range(count)]
        publisher = Publisher(port, "bench", *user)
        began = time.monotonic()
        publisher.publish_all(messages, window=1000, limit_s=300)
        published_s = time.monotonic() - began
        publisher.close()
        broker_before = cpu_s(broker_pid)
        gateway = Gateway(folder, port, **mqtt)
        cpu_before = cpu_s(gateway.process.pid)
        took_s = _until_stored(folder, count)
        cpu = cpu_s(gateway.process.pid) - cpu_before
        broker_cpu = cpu_s(broker_pid) - broker_before
        time.sleep(0.5)
        gateway.stop()
        stored = list(frames_in(folder / "journal"))
        lost, double = count - len(set(stored)), len(stored) - len(set(stored))
        print(
            f"{name:34s} {count / took_s:8.0f} msg/s {count * readings / took_s:9.0f} readings/s  gateway {cpu / count * 1e6:5.0f} us/msg, "
            f"broker {broker_cpu / count * 1e6:4.0f} us/msg, published at {count / published_s:6.0f}/s, lost {lost}, twice {double}",
            flush=True,
        )
        return not lost and not double


def _until_stored(folder: Path, count: int) -> float:
    """Seconds from the first committed block to the last one."""
    reader = JournalReader(folder / "journal")
    began = time.monotonic()
    first = 0.0
    ends = began + 180
    seen = 0
    offset = 1
    while seen < count and time.monotonic() < ends:
        time.sleep(0.02)
        blocks = reader.blocks(offset, 1000)
        for block in blocks:
            seen += len(block.readings.frames) if block.readings is not None else 0
            first = first or time.monotonic()
        if blocks:
            offset = blocks[-1].last + 1
    return time.monotonic() - began


@contextmanager
def embedded(folder: Path) -> Iterator[Broker]:
    loop = asyncio.new_event_loop()
    broker = Broker(folder, BrokerOptions(port=free_port()), lambda: (), SystemClock(), Ops())
    loop.run_until_complete(broker.start())
    try:
        yield broker
    finally:
        loop.run_until_complete(broker.stop())
        loop.close()


def main() -> int:
    good = True
    for acknowledge in (True, False):
        words = "with app. acks" if acknowledge else "PUBACK only"
        with tempfile.TemporaryDirectory() as temp, mosquitto(Path(temp) / "m") as broker:
            where = (broker.port, broker.pid)
            good &= run(f"Mosquitto, single, {words}", *where, SINGLES, single, 1, (), acknowledge=acknowledge)
            good &= run(f"Mosquitto, arrays, {words}", *where, ARRAYS, array, PER_SERIES * len(SERIES), (), acknowledge=acknowledge)
    with tempfile.TemporaryDirectory() as temp, embedded(Path(temp)) as nats:
        user = {"username": nats.username, "password": nats.password, "ack_qos": 0}  # as the gateway does with its own broker
        login = (nats.username, nats.password)
        pid = nats.pid or 0
        good &= run("nats-server, single, with app. acks", nats.port, pid, SINGLES // 6, single, 1, login, **user)
        good &= run("nats-server, arrays, with app. acks", nats.port, pid, ARRAYS, array, PER_SERIES * len(SERIES), login, **user)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
