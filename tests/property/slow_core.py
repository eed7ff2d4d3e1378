"""The core as one would write it on paper: one series, one reading at a time, float32 where the fast one has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, nan, sqrt
from statistics import median


@dataclass
class SlowCore:
    """EWMA of two horizons, spread, CUSUM and the ring of one series."""

    tau: float
    fast: float
    floor: float
    height: float
    slack: float = 0.5
    span: float = 0.0
    refractory: float = 0.0
    n: int = 0
    last: float = 0.0
    alarm: float = -1e18
    m: float = nan
    f: float = nan
    v: float = 0.0
    up: float = 0.0
    down: float = 0.0
    ring: list[float] = field(default_factory=list)
    med: float = nan
    spread: float = nan

    def take(self, now: float, x: float) -> bool:
        """Whether it alarmed."""
        dt = max(now - self.last, 0.0) if self.n else 0.0
        if self.n == 0:
            self.m = self.f = x
        a = max(1 - exp(-dt / self.tau), 1 / (self.n + 1))
        b = max(1 - exp(-dt / self.fast), 1 / (self.n + 1))
        w = min(dt, self.span) / self.span if self.span else 1.0
        scale = max(sqrt(self.v), self.floor)
        z = min(max((x - self.m) / scale, -4.0), 4.0)
        move = z * scale
        self.m += a * move
        self.v = (1 - a) * (self.v + a * move * move)
        self.f += b * (x - self.f)
        self.up = max(0.0, self.up + w * (z - self.slack))
        self.down = max(0.0, self.down - w * (z + self.slack))
        self.n, self.last = self.n + 1, now
        self.ring = [*self.ring, x][-64:]
        if self.n % 16 == 0:
            self.med = median(self.ring)
            self.spread = max(1.4826 * median(abs(value - self.med) for value in self.ring), self.floor)
        if max(self.up, self.down) <= self.height:
            return False
        self.up = self.down = 0.0
        if now - self.alarm < self.refractory:
            return False
        self.alarm = now
        return True
