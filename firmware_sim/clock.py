"""The simulator's own clock: time of the world, and each device's (possibly wrong) idea of it."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass


def world_ms() -> int:
    """UTC time of the simulated world in milliseconds."""
    return time.time_ns() // 1_000_000


def steady_s() -> float:
    """Seconds that never step."""
    return time.monotonic()


def pause(delay_s: float, stop: threading.Event) -> bool:
    """Wait; True when `stop` was set meanwhile."""
    return stop.wait(max(0.0, delay_s))


@dataclass(slots=True)
class DeviceClock:
    """A device's clock: offset and drift against the world, or none at all."""

    offset_ms: int = 0
    drift_ppm: float = 0.0
    born_ms: int = 0
    absent: bool = False

    def read_ms(self, t_world_ms: int) -> int | None:
        """What the device believes, or None without a clock."""
        if self.absent:
            return None
        return t_world_ms + self.offset_ms + int((t_world_ms - self.born_ms) * self.drift_ppm / 1e6)


async def nap(delay_s: float) -> None:
    """Wait on the running loop."""
    await asyncio.sleep(max(0.0, delay_s))
