"""kill -9 in mid-stream, and a disk that is full (by a file-size limit): what was accepted is there, whole and once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from tests.crash.power_cuts import blocks_found, events_found
from tests.support import ROOT

KILLS = int(os.environ.get("ANXIN_STORE_KILLS", "5"))
READY_S = 5.0

pytestmark = pytest.mark.crash


def start(what: str, folder: Path, seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.storing", what, str(folder), str(seed)], cwd=ROOT, stdout=subprocess.PIPE, bufsize=0
    )


def accepted(lines: list[bytes]) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {"journal": {}, "events": {}}
    for words in (line.decode().split() for line in lines):
        if words[0] in found:
            offset = int(words[1])
            assert offset not in found[words[0]], f"{words[0]} offset {offset} was given out twice"
            found[words[0]][offset] = words[2]
    return found


def check(folder: Path, lines: list[bytes]) -> int:
    """Compare with what is there; returns how many units were accepted."""
    there = {"journal": blocks_found(folder / "journal"), "events": events_found(folder / "store.sqlite")}
    said = accepted(lines)
    for log, digests in said.items():
        lost = [offset for offset, digest in digests.items() if there[log].get(offset) != digest]
        assert lost == [], f"{log}: accepted and not there"
    return sum(map(len, said.values()))


@pytest.mark.timeout(30 + 10 * KILLS)
def test_kill_in_mid_stream_loses_nothing_accepted(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    clock = SystemClock()
    lines: list[bytes] = []
    slowest_s = 0.0
    for _ in range(KILLS):
        begun_ns = clock.monotonic_ns()
        process = start("load", tmp_path, rng.randrange(2**32))
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            slowest_s = max(slowest_s, (clock.monotonic_ns() - begun_ns) / 1e9)
            timer = threading.Timer(rng.uniform(0.1, 0.6), process.kill)
            timer.start()
            lines += [line for line in process.stdout if line.endswith(b"\n")]
            timer.join()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    count = check(tmp_path, lines)
    print(f"{KILLS} kills, {count} units accepted, 0 lost, slowest start {slowest_s:.2f} s (imports included)")
    assert count > 20 * KILLS
    assert slowest_s < READY_S


@pytest.mark.timeout(60)
def test_a_full_disk_keeps_what_was_accepted_serves_calls_and_recovers(tmp_path: Path, seed: int) -> None:
    process = start("limit", tmp_path, seed)
    out, _ = process.communicate(timeout=50)
    assert process.returncode == 0, out[-2000:]
    lines = out.splitlines(keepends=True)
    changes = [line.decode().split() for line in lines if line.startswith((b"fault", b"clear"))]
    for subject in ("store.sqlite", "journal"):
        states = [state for state, code, about in changes if (code, about) == ("disk.full", subject)]
        assert states[0] == "fault"
        assert states[-1] == "clear", "room came back, and that is said"
    assert lines[-1] == b"done\n"
    assert check(tmp_path, lines) > 60
