"""Under overload the screens give way first: vital signs go out less often, so that calls, alerts and intake keep the machine."""

from __future__ import annotations

from dataclasses import dataclass

SLOWEST = 8  # rounds between two
LATE_SHARE = 0.5  # a round that comes later than this share of its interval says that the loop has more to do than it can
CALM_ROUNDS = 5  # rounds in time before the pace is doubled again


@dataclass(slots=True)
class Pace:
    """How many rounds from one sending of vital signs to the next: doubles when the loop is late, halves when it has been calm."""

    interval_s: float
    every: int = 1
    shed: int = 0  # rounds left out
    _since: int = 0
    _calm: int = 0

    def round(self, took_s: float) -> bool:
        """A round that was to take `interval_s` took `took_s`; whether vital signs go out now."""
        if took_s > (1 + LATE_SHARE) * self.interval_s:
            self.every, self._calm = min(2 * self.every, SLOWEST), 0
        else:
            self._calm += 1
            if self._calm >= CALM_ROUNDS and self.every > 1:
                self.every, self._calm = self.every // 2, 0
        self._since += 1
        if self._since >= self.every:
            self._since = 0
            return True
        self.shed += 1
        return False
