"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence

NS_PER_S = 1_000_000_000
START_NS = 1_767_225_600 * NS_PER_S  # 2026-01-01T00:00:00Z
SETTLE_ROUNDS = 1000  # bound of one settling; reached only when a test waits for something that never becomes idle


class FakeClock:
    """Implements gateway.clock.Clock; `advance` wakes sleepers one by one in the order of their due times.

    Work that runs in threads (the SQLite writer) cannot be seen from the loop. After each wake-up the clock gives it
    `pause_s` of real time twice, and waits as long as one of the `busy` callables says True.
    """

    def __init__(
        self,
        start_ns: int = START_NS,
        *,
        busy: Sequence[Callable[[], bool]] = (),
        pause_s: float = 0.001,
    ) -> None:
        self._wall_ns = start_ns
        self._monotonic_ns = 1_000 * NS_PER_S  # not zero, so that a mixed-up wall time shows
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._pause_s = pause_s
        self.busy = list(busy)

    def now_ns(self) -> int:
        """UTC wall time in nanoseconds."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Nanoseconds that only `advance` moves."""
        return self._monotonic_ns

    async def sleep(self, delay_s: float) -> None:
        """Wait until `advance` has moved the monotonic time by `delay_s`."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        due_ns = self._monotonic_ns + round(delay_s * NS_PER_S)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due_ns, next(self._count), future))
        await future

    @property
    def sleeping(self) -> int:
        """How many sleepers wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward (or back, below zero); monotonic time does not notice."""
        self._wall_ns += round(seconds * NS_PER_S)

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its own due time and letting it act before time goes on."""
        if seconds < 0:
            raise ValueError("time does not go back; use step_wall for the wall clock")
        target_ns = self._monotonic_ns + round(seconds * NS_PER_S)
        await self.settle()
        while self._drop_done() and self._sleepers[0][0] <= target_ns:
            due_ns, _, future = heapq.heappop(self._sleepers)
            self._move_to(due_ns)
            future.set_result(None)
            while self._drop_done() and self._sleepers[0][0] <= due_ns:
                heapq.heappop(self._sleepers)[2].set_result(None)
            await self.settle()
        self._move_to(target_ns)
        await self.settle()

    async def settle(self) -> None:
        """Let tasks, and threads that they wait for, run until nothing more happens."""
        quiet = 0
        for _ in range(SETTLE_ROUNDS):
            before = next(self._count)
            for _ in range(10):
                await asyncio.sleep(0)
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
            slept = next(self._count) != before + 1  # somebody went to sleep meanwhile: not quiet yet
            quiet = 0 if slept or any(busy() for busy in self.busy) else quiet + 1
            if quiet == 2:
                return
        raise TimeoutError("tasks did not become quiet; do they sleep for zero seconds in a loop?")

    def _move_to(self, monotonic_ns: int) -> None:
        """Move both times by the same span."""
        self._wall_ns += monotonic_ns - self._monotonic_ns
        self._monotonic_ns = monotonic_ns

    def _drop_done(self) -> bool:
        """Forget cancelled sleepers at the head; False when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return bool(self._sleepers)
