"""An edge that was cut off for three days drains what it kept, by the stamps of then, while life goes on: calls, a live heart rate.

The edge sends a hundred readings a message with QoS 1, keeps each until it is acknowledged, loses its connection on the way and goes on
from there, as a forwarder does. Among what it kept is an hour of a heart rate that would alarm anybody if it were of today.
"""

from __future__ import annotations

import json
import select
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from devices.codes import QUANTITIES
from gateway.journal import JournalReader
from tests.support.button import Button
from tests.support.mqtt_wire import Publisher
from tests.support.pki import subscribe
from tests.support.running import API, Gateway, Person, until
from tests.support.town import town

DEVICE, BOOT = "band-1", "edge"
SPAN_S, BATCH = 72 * 3600, 100
SERIES = (("hr", "/min", 72), ("pulse", "/min", 71), ("spo2", "%", 97), ("resp", "/min", 14))
WINDOW = 16  # messages that are not taken: a forwarder is polite
CALL_EVERY_S = 1.0


class Forwarder(Publisher):
    """Takes the gateway's word on anxin/ack/<device>, not the broker's: else the broker is full of it, and what is live has to wait."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(port, "edge", DEVICE, token, 30.0)
        subscribe(self.sock, f"anxin/ack/{DEVICE}")
        self.taken: set[int] = set()
        self.sent = 0

    @property
    def on_their_way(self) -> int:
        """Sent and not taken."""
        return self.sent - len(self.taken)

    def hear(self, wait_s: float) -> None:
        """Take what has come."""
        if not select.select([self.sock], [], [], wait_s)[0]:
            return
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError("closed by the broker")
        self._buffer += data
        while len(self._buffer) >= 2:
            size, head = self._buffer[1], 2
            if size & 0x80:
                if len(self._buffer) < 3:
                    return
                size, head = (size & 0x7F) | self._buffer[2] << 7, 3
            if len(self._buffer) < head + size:
                return
            kind, body = self._buffer[0], self._buffer[head : head + size]
            self._buffer = self._buffer[head + size :]
            if kind & 0xF0 == 0x30:
                answer = json.loads(body[body.index(b"{") :])
                if answer["boot_id"] == BOOT:
                    self.taken.add(answer["seq"])


@dataclass
class Edge:
    """What it kept, and its sending in a thread."""

    gateway: Gateway
    readings: int
    cuts: int = 2
    acked: int = 0
    took_s: float = 0.0
    wrong: str = ""

    def messages(self) -> list[tuple[str, bytes]]:
        """In order of time; deterministic, so that the same number always has the same bytes."""
        rows, now_ms = self.readings // len(SERIES), time.time_ns() // 1_000_000
        first_ms, step_ms = now_ms - SPAN_S * 1000 - 60_000, SPAN_S * 1000 // rows
        kept = []
        for at in range(rows):
            bad = rows // 3 <= at < rows // 3 + max(1, rows // 72)  # an hour of it
            kept += [
                {"quantity": name, "unit": unit, "t": first_ms + at * step_ms, "value": 190 if bad and name in ("hr", "pulse") else usual}
                for name, unit, usual in SERIES
            ]
        batches = [kept[start : start + BATCH] for start in range(0, len(kept), BATCH)]
        return [
            (
                f"anxin/up/{DEVICE}",
                json.dumps(
                    {"v": 1, "device": DEVICE, "boot_id": BOOT, "seq": seq, "t": now_ms, "stored": True, "readings": batch},
                    separators=(",", ":"),
                ).encode(),
            )
            for seq, batch in enumerate(batches)
        ]

    def run(self) -> None:
        """Send all; cut off `cuts` times with messages on their way, which go again."""
        messages, began = self.messages(), time.monotonic()
        ends = [len(messages) * (cut + 1) // (self.cuts + 1) for cut in range(self.cuts + 1)]
        try:
            for number, end in enumerate(ends):
                link = Forwarder(self.gateway.mqtt_port, self.gateway.tokens[DEVICE])
                try:
                    self.acked = self._send(link, messages[: min(len(messages), end)], number < self.cuts)
                finally:
                    link.sock.close()
        except OSError as error:
            self.wrong = repr(error)
        self.took_s = time.monotonic() - began

    def _send(self, link: Forwarder, messages: list[tuple[str, bytes]], cut: bool) -> int:
        """From the first that is not taken; returns how many are, in a row. Before a cut the last window is not waited for."""
        at = start = self.acked
        while at < len(messages) or (link.on_their_way > 0 and not cut):
            while at < len(messages) and link.on_their_way < WINDOW:
                link.send(*messages[at], at)
                link.sent += 1
                at += 1
            if at < len(messages) or not cut:
                link.hear(1.0)
        return next(seq for seq in range(start, len(messages) + 1) if seq not in link.taken)


class Screen:
    """A caregiver's stream of events, read by a thread: when the n-th press of a button was first heard of."""

    def __init__(self, person: Person) -> None:
        self.heard: dict[tuple[str, int], float] = {}
        self._person = person
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._ready.wait(20)

    def _read(self) -> None:
        try:
            with self._person.client.stream("GET", f"{API}/stream", timeout=None) as response:
                for line in response.iter_lines():
                    self._ready.set()
                    if line.startswith("data:") and '"alert"' in line:
                        self._take(json.loads(line.partition(":")[2]).get("alert"), time.monotonic())
        except (httpx.HTTPError, OSError):
            return  # the run is over

    def _take(self, alert: dict[str, Any] | None, now_s: float) -> None:
        if isinstance(alert, dict) and alert.get("kind") == "call":
            for press in range(1, int(alert["count"]) + 1):  # the alert stays open and counts
                self.heard.setdefault((alert["device_id"], press), now_s)


@dataclass
class Report:
    """What came of it."""

    sent: int = 0
    stored: int = 0
    twice: int = 0
    order: bool = True
    drained_s: float = 0.0
    calls_s: list[float] = field(default_factory=list)
    missing: int = 0
    live: int = 0
    vital_alerts: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line."""
        times = sorted(self.calls_s)
        p50, worst = (f"{times[len(times) // 2] * 1000:.0f}", f"{times[-1] * 1000:.0f}") if times else ("-", "-")
        return (
            f"{self.sent} readings sent, {self.stored} stored, lost={self.sent - self.stored} twice={self.twice} in order={self.order}; "
            f"{self.drained_s:.1f} s = {self.sent / max(self.drained_s, 0.001):,.0f}/s; {len(times)} calls meanwhile, button to screen "
            f"{p50} ms (median), {worst} ms (slowest), {self.missing} missing; {self.live} live readings; "
            f"vital alerts from late data: {len(self.vital_alerts)}"
        )


def count(data: Path) -> tuple[Counter[tuple[str, int]], bool, int]:
    """From the files: how often each (quantity, time) of the edge stands there, whether its messages stand in order, live readings."""
    reader, offset = JournalReader(data / "journal"), 1
    found: Counter[tuple[str, int]] = Counter()
    seqs: list[int] = []
    live = 0
    while blocks := reader.blocks(offset, 500):
        for block in blocks:
            rows = block.readings
            if rows is None:
                continue
            mine = np.array([frame.device == DEVICE and frame.boot_id == BOOT for frame in rows.frames])
            seqs += [frame.seq for frame in rows.frames if frame.device == DEVICE and frame.boot_id == BOOT and frame.seq is not None]
            live += sum(frame.device == DEVICE and frame.boot_id != BOOT for frame in rows.frames)
            pick = mine[rows.frame]
            found.update(zip((QUANTITIES[q].key for q in rows.quantity[pick]), rows.t_measured_ns[pick].tolist(), strict=True))
        offset = blocks[-1].last + 1
    return found, seqs == sorted(seqs), live


def run(folder: Path, readings: int) -> Report:
    """The whole story on a gateway of its own."""
    report = Report(sent=readings // BATCH * BATCH)
    with town(folder) as (gateway, _hook), ExitStack() as stack:
        gateway.start()
        buttons = [stack.enter_context(Button(gateway, f"button-{number}")).connected() for number in (2, 3, 4)]
        band = stack.enter_context(Button(gateway, DEVICE, "live")).connected()
        screen = Screen(gateway.person("mei"))
        edge = Edge(gateway, report.sent)
        thread = threading.Thread(target=edge.run, daemon=True)
        thread.start()
        pressed: Counter[str] = Counter()
        published: list[tuple[tuple[str, int], float]] = []
        while thread.is_alive() or len(published) < 3:
            button = buttons[len(published) % len(buttons)]
            pressed[button.device] += 1
            published.append(((button.device, pressed[button.device]), time.monotonic()))
            button.call()
            band.reading("hr", 74)
            thread.join(CALL_EVERY_S)
        ends = time.monotonic() + 20
        while time.monotonic() < ends and not all(key in screen.heard for key, _ in published):
            time.sleep(0.1)
        report.calls_s = [screen.heard[key] - at_s for key, at_s in published if key in screen.heard]
        report.missing, report.drained_s = len(published) - len(report.calls_s), edge.took_s
        until("all is stored", lambda: sum(count(gateway.data)[0].values()) >= report.sent or None, 60, every_s=0.5)
        until("the detectors have seen it", lambda: gateway.ask("status")["stream"]["behind"] <= 5, 60)
        report.vital_alerts = [alert["cause"] for alert in gateway.person("doc").alerts(kind="physiological")]
        report.wrong = [edge.wrong] if edge.wrong else []
        assert gateway.stop() == 0
        found, report.order, report.live = count(gateway.data)
        report.stored, report.twice = len(found), sum(found.values()) - len(found)
    return report
