"""`python -m tests.bench.call_latency`: a call published to its event on a screen (SSE) and to the first request of a channel.

On both brokers; quiet, loaded, flooded. A real `anxin run`, publishers in a process of their own, a caregiver's open stream, a recording
web hook, and calls of devices over their own connections, all on one machine. Nothing but delivery is asserted. ANXIN_CALLS=<n> sets
the calls per row (60).
"""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.button import Button
from tests.support.hook import Hook
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
    """A caregiver's stream, read by a thread; remembers when each press was first heard of. Another person ends each alert at once."""

    person: Person
    helper: Person
    heard: dict[tuple[str, int], tuple[float, str]] = field(default_factory=dict)  # (device, number of its press) -> (second, alert)
    ready: threading.Event = field(default_factory=threading.Event)
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _presses: Counter[str] = field(default_factory=Counter)
    _ending: queue.Queue[str] = field(default_factory=lambda: queue.Queue(10_000))

    def start(self) -> Screen:
        for work in (self._read, self._end):
            threading.Thread(target=work, daemon=True).start()
        self.ready.wait(20)
        return self

    def _read(self) -> None:
        event = ""
        try:
            with self.person.client.stream("GET", f"{API}/stream", timeout=None) as response:
                for line in response.iter_lines():
                    now_s = time.monotonic()
                    self.ready.set()
                    if line.startswith("event:"):
                        event = line.partition(":")[2].strip()
                    elif line.startswith("data:") and event == "alert":
                        self._take(json.loads(line.partition(":")[2])["alert"], now_s)
        except (httpx.HTTPError, OSError):
            return  # the run is over

    def _take(self, alert: dict[str, Any], now_s: float) -> None:
        press = (alert["id"], alert["count"])
        if alert["kind"] != "call" or press in self._seen:
            return
        self._seen.add(press)
        self._presses[alert["device_id"]] += 1
        self.heard[alert["device_id"], self._presses[alert["device_id"]]] = (now_s, alert["id"])
        self._ending.put(alert["id"])

    def _end(self) -> None:
        """A new press is a new alert only after the last one was resolved."""
        while True:
            alert_id = self._ending.get()
            try:
                self.helper.client.post(f"{API}/alerts/{alert_id}/claim", json={})
                self.helper.client.post(f"{API}/alerts/{alert_id}/resolve", json={"outcome": "test"})
            except (httpx.HTTPError, OSError):
                return


@dataclass
class Row:
    """One line of the table."""

    name: str
    rate: float
    took_s: list[float] = field(default_factory=list)
    puback_s: list[float] = field(default_factory=list)  # the broker's share of it
    paged_s: list[float] = field(default_factory=list)  # until the first request of the channel
    acked_per_s: float = 0.0
    missing: int = 0

    def line(self) -> str:
        def ms(times_s: list[float], share: float) -> str:
            return f"{sorted(times_s)[min(len(times_s) - 1, int(share * len(times_s)))] * 1000:8.0f}" if times_s else "       -"

        whole = " ".join(ms(self.took_s, share) for share in (0.5, 0.95, 0.99, 1.0))
        broker = " ".join(ms(self.puback_s, share) for share in (0.5, 0.99))
        pages = " ".join(ms(self.paged_s, share) for share in (0.5, 0.99, 1.0))
        head = f"{self.name:24s} {len(self.took_s):5d} {whole}  | {len(self.paged_s):5d} {pages}"
        return f"{head}  | {broker}  | {self.acked_per_s:7.0f}/s  {self.missing}"


def first_requests(hook: Hook, screen: Screen, published: list[tuple[tuple[str, int], float]]) -> list[float]:
    """Seconds from each press to the first request about its alert; a press that repeats an open alert tells nobody anew."""
    first: dict[str, float] = {}
    for hit in hook.pages(delivered=False):
        first.setdefault(hit.body["alert_id"], hit.at_s)
    raised: dict[str, float] = {}
    for key, at_s in published:
        if key in screen.heard:
            raised.setdefault(screen.heard[key][1], at_s)
    return [first[alert_id] - at_s for alert_id, at_s in raised.items() if alert_id in first]


def measure(gateway: Gateway, hook: Hook, screen: Screen, buttons: list[Button], pressed: dict[str, int], row: Row) -> Row:
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
        until("all calls are on the screen", lambda: all(key in screen.heard for key, _ in published) or _over(published), 60)
        row.acked_per_s = ((load.acked if load else 0) - acked) / (time.monotonic() - began_s)
        row.took_s = [screen.heard[key][0] - at_s for key, at_s in published if key in screen.heard]
        row.puback_s = [button.puback_s[mid] - at_s for button, mid, at_s in acks if mid in button.puback_s]
        row.missing = len(published) - len(row.took_s)
        row.paged_s = first_requests(hook, screen, published)
    return row


def _over(published: list[tuple[tuple[str, int], float]]) -> bool:
    return time.monotonic() - published[-1][1] > 50


def rows_on(folder: Path, rows: list[Row], mosquitto_port: int | None = None) -> None:
    """One gateway for all rows of a broker."""
    with ExitStack() as stack:
        gateway, hook = stack.enter_context(town(folder, loads=LOADS, mosquitto_port=mosquitto_port))
        gateway.start()
        buttons = [stack.enter_context(Button(gateway, f"button-{i}")).connected() for i in range(1, RESIDENTS + 1)]
        pressed = {button.device: 0 for button in buttons}
        screen = Screen(gateway.person("mei"), gateway.person("nan")).start()
        for row in rows:
            print(measure(gateway, hook, screen, buttons, pressed, row).line(), flush=True)


def main() -> int:
    """0 when every call came to the screen."""
    heads = " ".join(f"{name:>8s}" for name in ("p50", "p95", "p99", "max"))
    channel = f"{'pages':>5s} " + " ".join(f"{name:>8s}" for name in ("p50", "p99", "max"))
    print(f"{'call -> SSE event, ms':24s} {'calls':>5s} {heads}  | {channel}  | PUBACK p50      p99  | accepted load  missing")
    embedded = [Row("embedded, quiet", 0), Row("embedded, 1000 msg/s", 1000), Row("embedded, flooded", FLOOD)]
    other = [Row("Mosquitto, quiet", 0), Row("Mosquitto, 2000 msg/s", 2000), Row("Mosquitto, flooded", FLOOD)]
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp:
        rows_on(Path(temp), embedded)
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp, mosquitto(Path(temp) / "broker") as broker:
        rows_on(Path(temp), other, broker.port)
    return 1 if any(row.missing for row in (*embedded, *other)) else 0


if __name__ == "__main__":
    sys.exit(main())
