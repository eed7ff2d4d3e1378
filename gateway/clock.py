"""The only module that reads time; everything else is handed a Clock."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Wall time, monotonic time and sleep, so that tests can own all three."""

    def now_ns(self) -> int:
        """UTC wall time in nanoseconds since the Unix epoch; may step."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step; meaningless across restarts."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds of monotonic time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """UTC wall time in nanoseconds."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Monotonic time in nanoseconds."""
        return time.monotonic_ns()

    async def sleep(self, delay_s: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(max(0.0, delay_s))


async def wait_for_event(clock: Clock, event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set or `timeout_s` of the clock's time is over; says whether it is set."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(timeout_s))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return event.is_set()


def blocking_sleep(delay_s: float) -> None:
    """Sleep in a thread or a command that has no loop."""
    time.sleep(max(0.0, delay_s))
