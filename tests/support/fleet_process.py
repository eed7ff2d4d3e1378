"""A share of a house's wearables in a process of its own: each sends one message every PERIOD_S, whatever happens, over raw sockets.

`python -m tests.support.fleet_process '{"port", "tokens", "span_s", "rate_hz"}'` prints {"sent", "acked"} at its end. A device whose name
begins with "belt" sends raw acceleration (x, y, z by turns), the others ten vital signs of the last seconds.
"""

from __future__ import annotations

import json
import math
import select
import sys
import time
from typing import Any

from tests.support.mqtt_wire import Publisher

PERIOD_S = 2
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


def connected(port: int, device: str, token: str) -> Publisher:
    """A device's connection; a broker that was just started lets devices in when it has read who they are."""
    ends = time.monotonic() + DRAIN_S
    while True:
        try:
            return Publisher(port, f"{device}-box", device, token, timeout_s=30.0)
        except (ConnectionError, TimeoutError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def main(settings: dict[str, Any]) -> None:
    """Run to the end of the span, wait for what is outstanding, and say the counts."""
    rate_hz, devices = int(settings["rate_hz"]), sorted(settings["tokens"])
    links = {name: connected(settings["port"], name, settings["tokens"][name]) for name in devices}
    stretches = [json.dumps(one) for one in motion(rate_hz)]
    poll, by_fd = select.poll(), {link.sock.fileno(): link for link in links.values()}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    began, sent = time.monotonic(), 0
    total = int(settings["span_s"] / PERIOD_S) * len(devices)
    while sent < total:
        due = min(total, int((time.monotonic() - began) * len(devices) / PERIOD_S))
        for number in range(sent, due):
            name, seq, t_ms = devices[number % len(devices)], number // len(devices), time.time_ns() // 1_000_000
            if name.startswith("belt"):
                head = f'{{"v":1,"device":"{name}","boot_id":"box","seq":{seq},"t":{t_ms},"wave":{{"quantity":"acc","unit":"m/s2"'
                payload = f'{head},"rate_hz":{rate_hz},"value":{stretches[(number + seq) % len(stretches)]}}}}}'.encode()
            else:
                payload = vitals(name, seq, t_ms)
            links[name].send(f"anxin/up/{name}", payload, seq)
        sent = max(sent, due)
        for fd, _ in poll.poll(5):
            by_fd[fd].take_acks()
    ends = time.monotonic() + DRAIN_S
    while any(link.waiting for link in links.values()) and time.monotonic() < ends:
        for fd, _ in poll.poll(100):
            by_fd[fd].take_acks()
    print(json.dumps({"sent": sent, "acked": sum(len(link.acked) for link in links.values())}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
