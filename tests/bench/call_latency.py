"""`python -m tests.bench.call_latency`: a call published to its event on a screen (SSE), on both brokers; quiet, loaded, flooded.

A real `anxin run`, publishers in a process of their own, a caregiver's open stream, and calls of devices over their own connections,
all on one machine. Nothing but delivery is asserted. ANXIN_CALLS=<n> sets the calls per row (60).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.button import Button
from tests.support.mqtt_wire import mosquitto
from tests.support.running import API, Gateway, Person, until
from tests.support.senders import Load
from tests.support.town import RESIDENTS, names, town

CALLS = int(os.environ.get("ANXIN_CALLS", "60"))
EVERY_S = 0.25
LOADS = 40
FLOOD = 100_000  # per second: more than any of them takes, so that publishers wait for room in their windows


@dataclass
class Screen:
    """A caregiver's stream, read by a thread; remembers when an alert was first or again heard of."""

    person: Person
    heard_s: dict[tuple[str, int], float] = field(default_factory=dict)  # (device, count of presses) -> monotonic seconds
    ready: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        event = ""
        try:
            with self.person.client.stream("GET", f"{API}/stream", timeout=None) as response:
                for line in response.iter_lines():
                    now_s = time.monotonic()
                    self.ready.set()
                    if line.startswith("event:"):
                        event = line.partition(":")[2].strip()
                    elif line.startswith("data:") and event == "alert":
                        alert = json.loads(line.partition(":")[2])["alert"]
                        self.heard_s.setdefault((alert["device_id"], alert["count"]), now_s)
        except (httpx.HTTPError, OSError):
            return  # the run is over


@dataclass
class Row:
    """One line of the table."""

    name: str
    rate: float
    took_s: list[float] = field(default_factory=list)
    puback_s: list[float] = field(default_factory=list)  # the broker's share of it
    acked_per_s: float = 0.0
    missing: int = 0

    def line(self) -> str:
        def ms(times_s: list[float], share: float) -> str:
            return f"{sorted(times_s)[min(len(times_s) - 1, int(share * len(times_s)))] * 1000:8.0f}" if times_s else "       -"

        whole = " ".join(ms(self.took_s, share) for share in (0.5, 0.95, 0.99, 1.0))
        broker = " ".join(ms(self.puback_s, share) for share in (0.5, 0.99))
        return f"{self.name:24s} {len(self.took_s):5d} {whole}  | {broker}  | {self.acked_per_s:7.0f}/s  {self.missing}"


def measure(gateway: Gateway, screen: Screen, buttons: list[Button], pressed: dict[str, int], row: Row) -> Row:
    """Press the buttons in turn under the row's load."""
    with ExitStack() as stack:
        load = None
        if row.rate:
            tokens = {name: gateway.tokens[name] for name in names("load", LOADS)}
            load = stack.enter_context(Load(gateway.mqtt_port, tokens, row.rate, boot=f"{row.name}".replace(" ", "-").replace(",", "")))
            until("the load runs", lambda: load.acked > min(1000, row.rate), 60)
        acked, began_s = load.acked if load else 0, time.monotonic()
        published: list[tuple[tuple[str, int], float]] = []
        acks: list[tuple[Button, int, float]] = []
        for i in range(CALLS):
            time.sleep(max(0.0, began_s + i * EVERY_S - time.monotonic()))
            button = buttons[i % len(buttons)]
            pressed[button.device] += 1
            published.append(((button.device, pressed[button.device]), time.monotonic()))
            acks.append((button, button.call().mid, published[-1][1]))
        until("all calls are on the screen", lambda: all(key in screen.heard_s for key, _ in published) or _over(published), 60)
        row.acked_per_s = ((load.acked if load else 0) - acked) / (time.monotonic() - began_s)
        row.took_s = [screen.heard_s[key] - at_s for key, at_s in published if key in screen.heard_s]
        row.puback_s = [button.puback_s[mid] - at_s for button, mid, at_s in acks if mid in button.puback_s]
        row.missing = len(published) - len(row.took_s)
    return row


def _over(published: list[tuple[tuple[str, int], float]]) -> bool:
    return time.monotonic() - published[-1][1] > 50


def rows_on(folder: Path, rows: list[Row], mosquitto_port: int | None = None) -> None:
    """One gateway for all rows of a broker."""
    with ExitStack() as stack:
        gateway, _hook = stack.enter_context(town(folder, loads=LOADS, mosquitto_port=mosquitto_port))
        gateway.start()
        buttons = [stack.enter_context(Button(gateway, f"button-{i}")).connected() for i in range(1, RESIDENTS + 1)]
        pressed = {button.device: 0 for button in buttons}
        screen = Screen(gateway.person("mei"))
        threading.Thread(target=screen.read, daemon=True).start()
        screen.ready.wait(20)
        for row in rows:
            print(measure(gateway, screen, buttons, pressed, row).line(), flush=True)


def main() -> int:
    """0 when every call came to the screen."""
    heads = " ".join(f"{name:>8s}" for name in ("p50", "p95", "p99", "max"))
    print(f"{'call -> SSE event, ms':24s} {'calls':>5s} {heads}  | PUBACK p50      p99  | accepted load  missing")
    embedded = [Row("embedded, quiet", 0), Row("embedded, 1000 msg/s", 1000), Row("embedded, flooded", FLOOD)]
    other = [Row("Mosquitto, quiet", 0), Row("Mosquitto, 2000 msg/s", 2000), Row("Mosquitto, flooded", FLOOD)]
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp:
        rows_on(Path(temp), embedded)
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp, mosquitto(Path(temp) / "broker") as broker:
        rows_on(Path(temp), other, broker.port)
    return 1 if any(row.missing for row in (*embedded, *other)) else 0


if __name__ == "__main__":
    sys.exit(main())
