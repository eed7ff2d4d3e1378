"""`python -m tests.support.publisher_process '{"port", "login", "device", "rate", "out"}'`: QoS 1 at a steady rate.

It goes on until its standard input ends; then it writes its own list, the sequence numbers that the broker acknowledged, to `out`.
Every twentieth message is a call for help.
"""

from __future__ import annotations

import json
import select
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.mqtt_wire import Publisher


def message(device: str, seq: int) -> tuple[str, bytes]:
    head = {"v": 1, "device": device, "boot_id": "b1", "seq": seq, "t": time.time_ns() // 1_000_000}
    if seq % 20 == 7:
        return f"anxin/call/{device}", json.dumps(head | {"call": {"kind": "assist"}}).encode()
    return f"anxin/up/{device}", json.dumps(head | {"quantity": "hr", "value": 60 + seq % 40, "unit": "/min"}).encode()


class Device:
    """Numbers its messages and sends again, after a lost connection, what was not acknowledged."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._publisher: Publisher | None = None
        self._open: dict[int, tuple[str, bytes]] = {}  # sent and not acknowledged
        self.acked: list[int] = []
        self.seq = 0

    @property
    def idle(self) -> bool:
        return not self._open

    def step(self, due: int) -> None:
        try:
            if self._publisher is None:
                self._publisher = Publisher(self._settings["port"], self._settings["device"], *self._settings["login"])
                for seq, again in self._open.items():
                    self._publisher.send(*again, seq)
            while self.seq < due and len(self._open) < 1000:
                self._open[self.seq] = message(self._settings["device"], self.seq)
                self.seq += 1
                self._publisher.send(*self._open[self.seq - 1], self.seq - 1)
            self._publisher.take_acks(0.005)
        except OSError:
            self._take(self._publisher)
            self._publisher = None
            time.sleep(0.2)
        else:
            self._take(self._publisher)

    def _take(self, publisher: Publisher | None) -> None:
        if publisher is None:
            return
        for seq in publisher.acked:
            if self._open.pop(seq, None) is not None:
                self.acked.append(seq)
        publisher.acked.clear()


def run(settings: dict[str, Any]) -> None:
    device, began = Device(settings), time.monotonic()
    while not select.select([sys.stdin], [], [], 0)[0]:
        device.step(int((time.monotonic() - began) * settings["rate"]))
    ends = time.monotonic() + 15
    while not device.idle and time.monotonic() < ends:
        device.step(0)
    Path(settings["out"]).write_text(json.dumps({"acked": device.acked, "sent": device.seq}))


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
