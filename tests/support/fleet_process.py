"""A share of a house's wearables in a process of its own: each sends one message every PERIOD_S, whatever happens, over raw sockets.

The command line is one JSON object {"port", "tokens", "span_s", "rate_hz"}; {"sent", "acked", "reconnects"} is printed at the end. A device
whose name begins with "belt" sends raw acceleration (x, y, z by turns), the others ten vital signs of the last seconds.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import sys
import time
from typing import Any

from tests.support.mqtt_wire import Publisher

PERIOD_S = 4  # a broker that syncs every message sets the pace: 4 ms each on a busy disk
# continuous and status quantities: what a person is measured once a minute or less does not come at 1 Hz
SIGNALS: tuple[tuple[str, str, float], ...] = (
    ("hr", "/min", 72), ("pulse", "/min", 72), ("spo2", "%", 96), ("resp", "/min", 16), ("glucose_cgm", "mmol/L", 6.4),
    ("steps", "{steps}", 4_000), ("battery", "%", 80), ("rssi", "{dBm}", -60), ("bed_occupied", "1", 1), ("motion", "1", 1),
)  # fmt: skip
DRAIN_S = 30.0


def shown(level: float, at: int) -> float:
    """A value near the level; counts and states are whole."""
    return level if level in (1, 80, 4_000, -60) else round(level * (1 + 0.01 * math.sin(at)), 1)


def vitals(device: str, seq: int, t_ms: int) -> bytes:
    """Ten signals at 1 Hz for the last PERIOD_S seconds."""
    times = {"t0": t_ms - 1000 * (PERIOD_S - 1), "dt_ms": 1000}
    series = [
        {"quantity": key, "unit": unit, "value": [shown(level, seq + at) for at in range(PERIOD_S)], **times}
        for key, unit, level in SIGNALS
    ]
    return json.dumps({"v": 1, "device": device, "boot_id": "box", "seq": seq, "t": t_ms, "series": series}).encode()


def motion(rate_hz: int) -> list[list[float]]:
    """A few different stretches of PERIOD_S seconds of somebody who sits and walks, m/s2."""
    found = []
    for phase in range(8):
        stretch: list[float] = []
        for at in range(rate_hz * PERIOD_S):
            step = math.sin(2 * math.pi * 1.8 * at / rate_hz + phase)
            stretch += [round(0.4 * step, 2), round(9.8 + (1.5 if phase % 2 else 0.1) * step, 2), round(0.3 * step * step, 2)]
        found.append(stretch)
    return found


class Wearable:
    """One device: what is not acknowledged stays in its memory and is sent again on the next connection, the same bytes."""

    def __init__(self, port: int, name: str, token: str, poll: select.poll) -> None:
        self.name, self.reconnects, self.acked = name, -1, 0
        self._port, self._token, self._poll = port, token, poll
        self._memory: dict[int, bytes] = {}
        self.connect()

    def connect(self) -> None:
        """A broker that was just started, or reads who its devices are, may refuse or end a connection for a moment."""
        ends = time.monotonic() + DRAIN_S
        while True:
            try:
                self._link = Publisher(self._port, f"{self.name}-box", self.name, self._token, timeout_s=30.0)
                break
            except (ConnectionError, TimeoutError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
        self.fd = self._link.sock.fileno()
        self._poll.register(self.fd, select.POLLIN)
        self.reconnects += 1
        for seq, payload in self._memory.items():
            self._link.send(f"anxin/up/{self.name}", payload, seq)

    def send(self, seq: int, payload: bytes) -> None:
        """Send one message, or keep it until the next connection."""
        self._memory[seq] = payload
        try:
            self._link.send(f"anxin/up/{self.name}", payload, seq)
        except OSError:
            self.again()

    def hear(self) -> None:
        """Take acknowledgements."""
        try:
            self._link.take_acks()
        except OSError:
            self._collect()
            self.again()
            return
        self._collect()

    def again(self) -> None:
        """A new connection."""
        self._poll.unregister(self.fd)
        with contextlib.suppress(OSError):
            self._link.sock.close()
        self.connect()

    def _collect(self) -> None:
        for seq in self._link.acked:
            self.acked += self._memory.pop(seq, None) is not None
        self._link.acked.clear()

    @property
    def waiting(self) -> int:
        return len(self._memory)


def main(settings: dict[str, Any]) -> None:
    """Run to the end of the span, wait for what is outstanding, and say the counts."""
    rate_hz, poll = int(settings["rate_hz"]), select.poll()
    devices = [Wearable(settings["port"], name, token, poll) for name, token in sorted(settings["tokens"].items())]
    stretches = [json.dumps(one) for one in motion(rate_hz)]
    began, sent, total = time.monotonic(), 0, int(settings["span_s"] / PERIOD_S) * len(devices)
    ends = began + settings["span_s"] + DRAIN_S
    while time.monotonic() < ends and (sent < total or any(device.waiting for device in devices)):
        due = min(total, int((time.monotonic() - began) * len(devices) / PERIOD_S))
        for number in range(sent, due):
            device, seq, t_ms = devices[number % len(devices)], number // len(devices), time.time_ns() // 1_000_000
            if device.name.startswith("belt"):
                head = f'{{"v":1,"device":"{device.name}","boot_id":"box","seq":{seq},"t":{t_ms},"wave":{{"quantity":"acc","unit":"m/s2"'
                payload = f'{head},"rate_hz":{rate_hz},"value":{stretches[(number + seq) % len(stretches)]}}}}}'.encode()
            else:
                payload = vitals(device.name, seq, t_ms)
            device.send(seq, payload)
        sent = max(sent, due)
        heard = {fd for fd, _ in poll.poll(5)}
        for device in devices:
            if device.fd in heard:
                device.hear()
    counts = {"sent": sent, "acked": sum(device.acked for device in devices), "reconnects": sum(device.reconnects for device in devices)}
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
