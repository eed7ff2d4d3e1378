"""kill -9 in mid-batch: what is below a group's place is there, and after a restart everything is, once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.history.base import HistoryRunner
from gateway.history.sqlite import SqliteSink
from gateway.history.sqlite.schema import GROUPS
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.store import Writer
from tests.history.test_runner import running
from tests.history.twin import of_series, ones, plain, plain_line
from tests.support import ROOT
from tests.support.blocks import START_NS
from tests.support.journals import read_all

KILLS = int(os.environ.get("ANXIN_HISTORY_KILLS", "3"))
FAR_NS = 10**15

pytestmark = pytest.mark.crash


def run_and_kill(folder: Path, seed: int, after_s: float) -> None:
    command = [sys.executable, "-m", "tests.history.killed", str(folder), str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            timer = threading.Timer(after_s, process.kill)
            timer.start()
            process.wait()
            timer.join()
        finally:
            process.kill()


async def same(sink: SqliteSink, blocks: list[StoredBlock]) -> int:
    """Compare every series with the journal's content; returns how many readings."""
    twin = ones(blocks)
    count = 0
    for device, quantity in sorted({(one.device, one.quantity) for one in twin}):
        line = await sink.history.series(device, quantity, START_NS - FAR_NS, START_NS + FAR_NS)
        wanted = of_series(twin, device, quantity, (START_NS - FAR_NS) // 10**6, (START_NS + FAR_NS) // 10**6)
        assert plain_line(line) == plain(wanted), (device, quantity)
        envelope = await sink.history.envelope(device, quantity, START_NS - FAR_NS, START_NS + FAR_NS, 500)
        assert envelope.n.sum() == sum(one.told for one in wanted)
        rows = await sink.history.rows(device, quantity, START_NS - FAR_NS, START_NS + FAR_NS, 10_000)
        assert len(rows) == sum(one.single for one in wanted)
        count += len(wanted)
    return count


@pytest.mark.timeout(30 + 10 * KILLS)
async def test_kill_in_mid_batch_then_the_same_content(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    clock, ops = SystemClock(), Ops()
    counts = []
    for _ in range(KILLS):
        run_and_kill(tmp_path, rng.randrange(2**32), rng.uniform(0.1, 0.7))
        writer = Writer(clock, ops, group_window_s=0.0)
        writer.start()
        journal = await Journal.open(tmp_path / "journal", writer, clock, ops)
        sink = SqliteSink.open(tmp_path / "history.sqlite", writer, clock, ops)
        blocks = read_all(journal)
        # as the kill left it: each group is complete up to its own place
        await sink.resume(journal.lineage, 1, journal.head)
        safe = sink.tail.safe.tolist()
        held = await sink._db.read(lambda conn: conn.execute("SELECT count(*) FROM reading").get)
        assert len(safe) == GROUPS
        assert held <= sum(one.single for one in ones([block for block in blocks if block.last <= max(safe)]))
        async with running(HistoryRunner(journal, sink, clock, ops)):
            while sink.tail.head < journal.head - 1:
                await clock.sleep(0.01)
            await sink.flush()
            counts.append(await same(sink, blocks))
        await sink.close()
        await journal.close()
        writer.close()
    print(f"{KILLS} kills, readings {counts}, same content after each")
    assert counts[-1] > 100
