"""The clock of the other tests keeps its own promises."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clock import NS_PER_S, Clock
from tests.support.fake_clock import FakeClock


async def test_sleepers_wake_in_order_and_at_their_own_time(clock: FakeClock) -> None:
    woken: list[tuple[str, float]] = []
    start_ns = clock.monotonic_ns()

    async def sleeper(name: str, *delays_s: float) -> None:
        for delay_s in delays_s:
            await clock.sleep(delay_s)
            woken.append((name, (clock.monotonic_ns() - start_ns) / NS_PER_S))

    tasks = [asyncio.create_task(sleeper("a", 30, 30)), asyncio.create_task(sleeper("b", 45)), asyncio.create_task(sleeper("c", 3600))]
    await clock.advance(60)
    assert woken == [("a", 30), ("b", 45), ("a", 60)]
    assert clock.sleeping == 1
    tasks[2].cancel()
    await clock.advance(3600)
    assert clock.sleeping == 0
    assert len(woken) == 3


async def test_wall_time_steps_alone(clock: FakeClock) -> None:
    wall_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    clock.step_wall(-3600)
    assert clock.monotonic_ns() == monotonic_ns
    await clock.advance(10)
    assert clock.now_ns() == wall_ns - 3590 * NS_PER_S
    assert clock.monotonic_ns() == monotonic_ns + 10 * NS_PER_S


async def test_work_in_threads_is_waited_for() -> None:
    release = asyncio.Event()
    working = False
    clock = FakeClock(busy=[lambda: working])
    done: list[int] = []

    async def worker() -> None:
        nonlocal working
        await clock.sleep(1)
        working = True
        await asyncio.get_running_loop().run_in_executor(None, release.is_set)
        await asyncio.sleep(0.02)
        done.append(clock.monotonic_ns())
        working = False

    due_ns = clock.monotonic_ns() + NS_PER_S
    task = asyncio.create_task(worker())
    await clock.advance(100)
    assert done == [due_ns]
    await task


async def test_it_is_a_clock_and_does_not_go_back(clock: FakeClock) -> None:
    as_clock: Clock = clock
    await as_clock.sleep(0)
    with pytest.raises(ValueError, match="does not go back"):
        await clock.advance(-1)
