"""Faults of the way from device to gateway: drop, duplicate, reorder; reproducible from a seed, switched on by command."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Link:
    """A link that damages the order and number of messages; shares are probabilities per message."""

    seed: int
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    _held: list[object] = field(default_factory=list)
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for share in (self.drop, self.duplicate, self.reorder):
            if not 0 <= share <= 1:
                raise ValueError("a share of faults lies between 0 and 1")
        self._rng = random.Random(f"link-{self.seed}")

    def carry(self, message: T) -> list[T]:
        """What comes out at the other end now; a held message comes out after the next one."""
        rng = self._rng
        if rng.random() < self.drop:
            self.dropped += 1
            return []
        out: list[T] = [message]
        if rng.random() < self.duplicate:
            self.duplicated += 1
            out.append(message)
        if self._held:
            out.extend(self._held)  # type: ignore[arg-type]
            self._held.clear()
        elif rng.random() < self.reorder:
            self.reordered += 1
            self._held.extend(out)
            return []
        return out
