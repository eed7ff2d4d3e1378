"""Publishers in a process of their own: many devices, QoS 1, each keeping what was not acknowledged, and their own list of what was.

`python -m tests.support.senders '{"port", "tokens": {device: token}, "rate"}'` prints a line of counts now and then, and after the end of
its standard input it drains (for at most `drain_s`) and prints {"sent", "acked": {device: [seq, ...]}, "waiting"}.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, Self

from tests.support.mqtt_wire import Publisher

WINDOW = 50  # unacknowledged per device
RETRY_S = 0.25
BOOT = "load"


class Sender:
    """One device on one raw connection."""

    def __init__(self, port: int, device: str, token: str, boot_id: str) -> None:
        self.port, self.device, self.token, self.boot_id = port, device, token, boot_id
        self.link: Publisher | None = None
        self.retry_at_s = 0.0
        self.seq = 0
        self.memory: dict[int, bytes] = {}  # what was not acknowledged: the same bytes again, as a device does it
        self.unsent: deque[int] = deque()
        self.acked: list[int] = []

    def make(self) -> None:
        """One more message to send."""
        t_ms, value = time.time_ns() // 1_000_000, 60 + self.seq % 40
        head = f'{{"v":1,"device":"{self.device}","boot_id":"{self.boot_id}","seq":{self.seq},"t":{t_ms}'
        self.memory[self.seq] = f'{head},"quantity":"hr","value":{value},"unit":"/min"}}'.encode()
        self.unsent.append(self.seq)
        self.seq += 1

    def pump(self) -> None:
        """Connect if need be, send what the window allows, take acknowledgements."""
        try:
            if self.link is None and time.monotonic() >= self.retry_at_s:
                self.link = Publisher(self.port, f"{self.device}-load", self.device, self.token, timeout_s=2.0)
            if self.link is None:
                return
            room = min(WINDOW - len(self.link.waiting), len(self.unsent))
            if room > 0:
                batch = [self.unsent.popleft() for _ in range(room)]
                self.link.sock.sendall(b"".join(self.link.packet(f"anxin/up/{self.device}", self.memory[seq], seq) for seq in batch))
            self.link.take_acks()
        except OSError:
            self._broken()

    def _broken(self) -> None:
        """Everything that was not acknowledged is sent again on the next connection."""
        if self.link is not None:
            self._collect()
            self.unsent.extendleft(sorted(self.link.waiting.values(), reverse=True))
            with contextlib.suppress(OSError):
                self.link.sock.close()
        self.link = None
        self.retry_at_s = time.monotonic() + RETRY_S

    def _collect(self) -> None:
        if self.link is not None:
            for seq in self.link.acked:
                del self.memory[seq]
            self.acked += self.link.acked
            self.link.acked = []

    @property
    def waiting(self) -> int:
        return len(self.unsent) + (len(self.link.waiting) if self.link is not None else 0)

    def all_acked(self) -> list[int]:
        self._collect()
        return self.acked


def run(settings: dict[str, Any]) -> None:
    senders = [Sender(settings["port"], device, token, settings["boot"]) for device, token in settings["tokens"].items()]
    rate, turn, made = float(settings["rate"]), 0, 0
    began_s = said_s = time.monotonic()
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        now_s = time.monotonic()
        due = min(int((now_s - began_s) * rate) - made, int(rate), len(senders) * WINDOW)
        for _ in range(max(0, due)):
            if senders[turn].waiting < 2 * WINDOW:
                senders[turn].make()
            turn = (turn + 1) % len(senders)
        made = int((now_s - began_s) * rate)
        for sender in senders:
            sender.pump()
        if now_s - said_s >= 0.2:
            said_s = now_s
            print(json.dumps({"acked": sum(len(s.all_acked()) for s in senders), "waiting": sum(s.waiting for s in senders)}), flush=True)
    ends_s = time.monotonic() + float(settings.get("drain_s", 30))
    while time.monotonic() < ends_s and any(sender.waiting for sender in senders):
        for sender in senders:
            sender.pump()
        time.sleep(0.005)
    acked = {sender.device: sender.all_acked() for sender in senders}
    sent = {sender.device: sender.seq for sender in senders}
    print(json.dumps({"sent": sent, "acked": acked, "waiting": sum(sender.waiting for sender in senders)}), flush=True)


class Load:
    """The process as a test holds it; `finish` drains and returns the publishers' own lists."""

    def __init__(self, port: int, tokens: dict[str, str], rate: float, *, drain_s: float = 30, boot: str = BOOT) -> None:
        settings = json.dumps({"port": port, "tokens": tokens, "rate": rate, "drain_s": drain_s, "boot": boot})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.senders", settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said: deque[dict[str, Any]] = deque(maxlen=1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self.process.stdout is not None:
            self.said.extend(json.loads(line) for line in self.process.stdout)

    @property
    def acked(self) -> int:
        """How many were acknowledged, as last said."""
        return int(self.said[-1]["acked"]) if self.said else 0

    def finish(self) -> dict[str, Any]:
        """End of sending, drained: the last word."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._reader.join(120)
        return self.said[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
