"""Screens give way first: vital signs are left out when the loop is late, and counted; a stalled alarm loop is said by the screens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from gateway.api.live import Live, LiveSettings
from gateway.api.pace import CALM_ROUNDS, SLOWEST, Pace
from gateway.clock import NS_PER_S
from gateway.ops import Ops
from tests.support.fake_clock import FakeClock
from tests.support.house import house


def test_late_rounds_slow_vital_signs_down_and_calm_ones_bring_them_back() -> None:
    pace = Pace(1.0)
    assert all(pace.round(1.1) for _ in range(10))
    for _ in range(6):
        pace.round(2.0)
    assert pace.every == SLOWEST
    sent = [pace.round(2.0) for _ in range(4 * SLOWEST)]
    assert sum(sent) == 4
    shed = pace.shed
    for _ in range(3 * CALM_ROUNDS):
        pace.round(1.0)
    assert pace.every == 1
    assert all(pace.round(1.0) for _ in range(10))
    assert pace.shed >= shed


class LateClock(FakeClock):
    """Sleeps take `late_s` longer than asked for."""

    late_s = 0.0

    async def sleep(self, delay_s: float) -> None:
        await super().sleep(delay_s + self.late_s)


class Source:
    """Counts how often the beds are looked at."""

    head, lineage = 0, "x"
    looks = 0

    async def wait(self, after: int, timeout_s: float) -> int:
        await asyncio.Event().wait()
        return after

    async def refresh_vitals(self) -> None:
        self.looks += 1


async def test_a_loop_that_is_late_looks_less_often_and_counts_what_it_left_out() -> None:
    clock, ops, source = LateClock(), Ops(), Source()
    live = Live(source, source, clock, ops, LiveSettings())  # type: ignore[arg-type]
    client: Any = type("Client", (), {"looked": False, "due": False, "wake": asyncio.Event()})()
    live._clients.add(client)
    task = asyncio.create_task(live._tick())
    await clock.advance(10.5)
    assert (source.looks, ops.counters["shed.vitals"], live.vitals_every_s) == (10, 0, 1.0)
    clock.late_s = 1.0
    await clock.advance(40)
    assert live.vitals_every_s == SLOWEST
    assert source.looks < 10 + 10
    assert ops.counters["shed.vitals"] >= 10
    clock.late_s = 0.0
    await clock.advance(60)
    assert live.vitals_every_s == 1.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_screens_say_by_themselves_that_the_alarm_loop_stands_still(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home, home.signed_in("carer") as client:

        async def codes() -> list[str]:
            return [fault["code"] for fault in (await client.get("/api/v1/wall?site=care")).json()["faults"]]

        home.ops.progress_ns["alerts"] = clock.monotonic_ns()
        await clock.advance(9)
        assert await codes() == []
        await clock.advance(3)
        assert await codes() == ["alerts.stalled"]
        home.ops.progress_ns["alerts"] = clock.monotonic_ns() - NS_PER_S
        assert await codes() == []
