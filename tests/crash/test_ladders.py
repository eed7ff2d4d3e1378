"""kill -9 in the middle of ladders: no call lost, no step lost, none said twice under different keys, what is claimed stays claimed."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from gateway.alerts import desk as desks
from gateway.clock import SystemClock
from gateway.vocabulary import AlertState
from tests.crash.laddering import LADDER
from tests.support.receivers import HttpReceiver

KILLS = int(os.environ.get("ANXIN_LADDER_KILLS", "5"))
CALLS = 3  # per life of the process


@dataclass
class Process:
    """The process under test, started again and again on the same folder."""

    folder: Path
    url: str
    said: set[str] = field(default_factory=set)
    process: asyncio.subprocess.Process | None = None
    reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        args = (sys.executable, "-m", "tests.crash.laddering", str(self.folder), self.url)
        self.process = await asyncio.create_subprocess_exec(*args, stdin=pipe, stdout=pipe)
        assert self.process.stdout is not None
        assert await self.process.stdout.readline() == b"ready\n"
        self.reading = asyncio.create_task(self._read(self.process.stdout))

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            self.said.add(line.decode().strip())

    def tell(self, line: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        if self.reading is not None:
            await self.reading
        assert self.process.stdin is not None
        self.process.stdin.close()


@pytest.mark.crash
@pytest.mark.timeout(60 + 10 * KILLS)
async def test_kill_9_in_the_middle_of_ladders(tmp_path: Path, seed: int) -> None:
    await run(tmp_path, KILLS, seed)


async def run(folder: Path, kills: int, seed: int) -> int:
    """Kill the process so many times; raises AssertionError where something was lost or said twice. Returns how many pages went out."""
    rng = random.Random(seed)
    receiver = await HttpReceiver().start()
    process = Process(folder, receiver.url)
    told: list[str] = []
    claimed_at: dict[str, int] = {}
    for _ in range(kills):
        await process.start()
        for line in told:
            if line not in process.said:
                process.tell(line)  # as the stream does after a restart: what was not confirmed comes again
        for _ in range(CALLS):
            n = sum(line.startswith("call") for line in told)
            told.append(f"call {n}")
            process.tell(f"call {n}")
            await asyncio.sleep(rng.uniform(0, 0.2))
        mine = f"claim {rng.randrange(n)}"
        if mine not in told:
            told.append(mine)
            process.tell(mine)
        await asyncio.sleep(rng.uniform(0, 1.2))
        claimed_at |= {line: len(receiver.requests) for line in process.said if line.startswith("claim") and line not in claimed_at}
        await process.kill()
    await asyncio.sleep(2 * LADDER[0])  # whatever is unowned is overdue at the next start
    last_start_ns = SystemClock().now_ns()
    await process.start()
    for line in told:
        if line not in process.said:
            process.tell(line)
    await asyncio.sleep(LADDER[-1] + 0.6)
    await everybody_called(folder, last_start_ns, 15.0)
    await process.kill()
    await receiver.close()
    check(folder, receiver, {line for line in told if line in process.said}, claimed_at, kills * CALLS, last_start_ns)
    return len(receiver.accepted)


async def everybody_called(folder: Path, since_ns: int, within_s: float) -> None:
    """Wait until every unowned alert has made a step since then, or the time is over: a busy disk is no fault, a lost step is."""
    conn = apsw.Connection(str(folder / "store.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
    silent = (
        "SELECT count(*) FROM alerts a WHERE a.state = 'raised' AND NOT EXISTS (SELECT 1 FROM alert_transitions t WHERE t.alert_id = a.id"
        " AND t.t_ns > ? AND t.kind IN ('escalated', 'announced_again'))"
    )
    for _ in range(round(within_s / 0.1)):
        if conn.execute(silent, (since_ns,)).get == 0:
            break
        await asyncio.sleep(0.1)
    conn.close()


def check(folder: Path, receiver: HttpReceiver, confirmed: set[str], claimed_at: dict[str, int], made: int, last_start_ns: int) -> None:
    conn = apsw.Connection(str(folder / "store.sqlite"))
    alerts = {alert.resident_id: alert for alert in desks.open_alerts(conn)}
    calls = {line.split()[1] for line in confirmed if line.startswith("call")}
    claims = {line.split()[1] for line in confirmed if line.startswith("claim")}
    assert len(calls) == made, "all calls were confirmed in the end"
    assert {f"r{n}" for n in calls} == set(alerts), "one alert for each call"
    assert conn.execute("SELECT count(*) FROM alerts").get == len(calls)
    keys = Counter(request.headers["idempotency-key"] for request in receiver.accepted)
    for resident, alert in alerts.items():
        history = desks.history(conn, alert.id)
        kinds = [row["kind"] for row in history]
        assert kinds.count("raised") == 1
        mine = [key for key in keys if key.startswith(alert.id)]
        assert len(mine) >= 1, "somebody was told"
        if (resident or "")[1:] in claims:
            assert alert.state is AlertState.ARRIVED
            assert kinds.count("claimed") == 1
        else:
            assert alert.state is AlertState.RAISED
            assert (alert.step, kinds.count("escalated") >= 1) == (3, True), "the ladder went on to its last step"
            rungs = [step for row in history if row["kind"] == "escalated" for step in row["body"].get("steps", ())]
            assert rungs == [1, 2, 3], "every rung once, none lost"
            after = [row["t_ns"] for row in history if row["t_ns"] > last_start_ns and row["kind"] in ("escalated", "announced_again")]
            assert after, "what was overdue ran after the last start"
    for line, so_far in claimed_at.items():
        alert = alerts[f"r{line.split()[1]}"]
        later = [request.body for request in receiver.requests[so_far + 8 :] if alert.id.encode() in request.body]
        assert all(b'"why": "not_resolved"' in body for body in later), "claimed is not announced again"
    conn.close()
