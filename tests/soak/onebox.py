"""`python -m tests.soak onebox`: 500 residents x 10 signals at 1 Hz and 500 accelerometers at 50 Hz through the whole product on one box.

A real `anxin run` with its own broker, journal, history, health record and alerts; four processes of devices over raw sockets, 250 messages
a second. ANXIN_BOX_S (600) and ANXIN_BOX_RESIDENTS (500) make it shorter or smaller; `python -m tests.bench onebox` takes 30 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.clock import SystemClock
from gateway.control import ControlError
from gateway.core import Core
from gateway.journal import JournalReader
from gateway.ops import Ops
from gateway.registry import bindings, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM
from tests.support.fleet_process import PERIOD_S, SIGNALS
from tests.support.hook import Hook
from tests.support.running import Gateway
from tests.support.town import configure

RATE_HZ = 50
SENDERS = 4
SETTLE_S = 10.0  # starting is not part of the figures
LAG_P99_S = 2.0
DRAIN_S = 60.0


def furnish(tx: Tx, count: int) -> None:
    """Residents, each with a wearable and a belt at the waist."""
    org.set_site(tx, name="一箱", site_id="site")
    org.set_zone(tx, site="site", name="一区", zone_id="zone")
    keys = tuple(key for key, _, _ in SIGNALS)
    for number in range(count):
        org.set_bed(tx, site="site", zone="zone", label=f"{number}", bed_id=f"bed-{number}")
        residents.admit(tx, name=f"住户{number}", initials=f"R{number}", bed=f"bed-{number}", resident_id=f"R-{number}")
        bindings.set_device(tx, f"wear-{number}", kind="wearable", quantities=keys, cadence_s=dict.fromkeys(keys, 1.0))
        bindings.set_device(tx, f"belt-{number}", kind="belt", facts={"body_location": "waist"})
        for kind in ("wear", "belt"):
            bindings.bind(tx, f"{kind}-{number}", resident=f"R-{number}")


def seed(gateway: Gateway, count: int) -> None:
    """Write the house into the gateway's folder."""
    core = Core.open(gateway.data, SystemClock(), Ops())
    try:
        core.registry.do_sync(SYSTEM, furnish, count)
        for device in core.registry.view.devices.values():
            gateway.tokens[device.id] = core.tokens.issue_sync(SYSTEM, device.id)
    finally:
        core.close()


def cpu_s(pid: int) -> float:
    """Processor time of a process and of the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def family(pid: int) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def rss_mib(pid: int) -> float:
    """Memory of a process now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """Follows the journal's files from outside: what is stored, and how long after it was sent."""

    def __init__(self, journal: Path) -> None:
        self._reader = JournalReader(journal)
        self._offset = self._reader.extent()[0]
        self.seen: set[tuple[str, int]] = set()
        self.twice = 0
        self.lags_s: list[float] = []

    def look(self) -> None:
        """Take what is new."""
        while blocks := self._reader.blocks(self._offset, 200):
            now_ns = time.time_ns()
            for block in blocks:
                for frame in block.readings.frames if block.readings is not None else ():
                    if frame.seq is None or frame.boot_id != "box":
                        continue
                    name = (frame.device, frame.seq)
                    self.twice += name in self.seen
                    self.seen.add(name)
                    if frame.t_device_ns is not None:
                        self.lags_s.append((now_ns - frame.t_device_ns) / 1e9)
            self._offset = blocks[-1].last + 1


def stream_behind(gateway: Gateway) -> int | None:
    """Offsets that the stream has not taken yet, by its own word."""
    try:
        state = gateway.ask("status")
    except (ControlError, OSError):
        return None
    return int(state["stream"]["behind"])


def box(folder: Path, count: int, span_s: float) -> bool:
    """The whole run; prints the figures."""
    gateway = Gateway(folder / "data")
    with Hook() as hook:
        configure(gateway, hook, stream={"checkpoint_s": 15})
        seed(gateway, count)
        try:
            gateway.start()
            return measured(gateway, count, span_s)
        finally:
            gateway.close()


def measured(gateway: Gateway, count: int, span_s: float) -> bool:
    """Send, watch, count."""
    names = sorted(gateway.tokens)
    shares = [{name: gateway.tokens[name] for name in names[at::SENDERS]} for at in range(SENDERS)]
    commands = [
        json.dumps({"port": gateway.mqtt_port, "tokens": share, "span_s": span_s + SETTLE_S, "rate_hz": RATE_HZ}) for share in shares
    ]
    senders = [
        subprocess.Popen([sys.executable, "-m", "tests.support.fleet_process", command], stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    watch, behind, memory = Watch(gateway.data / "journal"), [], []
    began, settled = time.monotonic(), 0.0
    begun_cpu: dict[int, float] = {}
    while any(sender.poll() is None for sender in senders) and time.monotonic() - began < span_s + SETTLE_S + 120:
        watch.look()
        if not watch.seen:
            began = time.monotonic()
        if not settled and time.monotonic() - began > SETTLE_S:
            settled, begun_cpu = time.monotonic(), {pid: cpu_s(pid) for pid in family(gateway.pid)}
            watch.lags_s.clear()
        if settled:
            memory.append(sum(rss_mib(pid) for pid in family(gateway.pid)))
            late = stream_behind(gateway)
            if late is not None:
                behind.append(late)
        time.sleep(0.2)
    now_cpu = {pid: cpu_s(pid) for pid in family(gateway.pid)}
    used, own = sum(now_cpu.values()) - sum(begun_cpu.values()), now_cpu[gateway.pid] - begun_cpu.get(gateway.pid, 0.0)
    passed = time.monotonic() - settled
    said = [json.loads(sender.communicate()[0]) for sender in senders]
    sent, ends = sum(one["sent"] for one in said), time.monotonic() + DRAIN_S
    while len(watch.seen) < sent and time.monotonic() < ends:  # what the broker holds is late, not lost
        watch.look()
        time.sleep(0.2)
    return report(gateway, count, said, watch, (used / passed, own / passed), max(memory, default=0.0), behind)


def report(
    gateway: Gateway,
    count: int,
    said: Sequence[dict[str, int]],
    watch: Watch,
    share: tuple[float, float],
    memory_mib: float,
    behind: Sequence[int],
) -> bool:
    """Print what happened; whether it may."""
    sent, acked = sum(one["sent"] for one in said), sum(one["acked"] for one in said)
    lags = np.quantile(watch.lags_s, [0.5, 0.99, 1.0]) if watch.lags_s else np.full(3, np.inf)
    faults = sorted(gateway.faults())
    rows: list[tuple[str, object, bool]] = [
        ("messages sent, acknowledged, stored", (sent, acked, len(watch.seen)), sent == acked == len(watch.seen)),
        ("connections that the devices had to make again", sum(one["reconnects"] for one in said), True),
        ("lost, stored twice", (sent - len(watch.seen), watch.twice), sent == len(watch.seen) and watch.twice == 0),
        ("from the device to the disk: median, p99, longest, s", [round(float(lag), 3) for lag in lags], lags[1] < LAG_P99_S),
        ("processor share of one core: all, the gateway alone", (round(share[0], 2), round(share[1], 2)), share[0] < 2.0),
        ("memory, broker included, MiB", round(memory_mib), memory_mib < 2_000),
        ("journal offsets that the stream was behind, at most", max(behind, default=None), True),
        ("faults at the end", faults, not faults),
    ]
    readings = count * len(SIGNALS)
    print(f"{count} residents x {len(SIGNALS)} signals at 1 Hz, {count} accelerometers at {RATE_HZ} Hz, {2 * count // PERIOD_S} messages/s")
    print(f"= {readings:,} readings/s and {count * RATE_HZ * 3:,} samples/s")
    for name, value, fine in rows:
        print(f"  {'ok ' if fine else 'BAD'} {name}: {value}")
    return all(fine for _, _, fine in rows)


def main(span_s: float | None = None) -> int:
    """0 = nothing lost, nothing twice, in time."""
    span_s = span_s if span_s is not None else float(os.environ.get("ANXIN_BOX_S", "600"))
    with tempfile.TemporaryDirectory(prefix="anxin-box-") as room:
        return 0 if box(Path(room), int(os.environ.get("ANXIN_BOX_RESIDENTS", "500")), span_s) else 1


if __name__ == "__main__":
    sys.exit(main())
