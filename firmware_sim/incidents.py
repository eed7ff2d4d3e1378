"""What happens to people and to devices: kinds of incidents, their course over time, and a script of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """An incident kind: how long it lasts, which vitals move by how much at its peak, what the devices do."""

    name: str
    duration_s: float
    shift: tuple[tuple[str, float], ...] = ()
    call: str | None = None
    device: str | None = None  # "silent", "low_battery", "clock_wrong"


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("fall", 90, (("hr", 22.0), ("resp", 4.0)), call="fall"),
        Kind("sos", 60, (("hr", 12.0),), call="sos"),
        Kind("hypoxia", 150, (("spo2", -13.0), ("hr", 18.0), ("resp", 9.0))),
        Kind("tachycardia", 150, (("hr", 72.0),)),
        Kind("fever", 600, (("temp", 2.6), ("hr", 16.0))),
        Kind("device_silent", 180, device="silent"),
        Kind("low_battery", 240, device="low_battery"),
        Kind("clock_wrong", 240, device="clock_wrong"),
    )
}
# Often enough to see every kind in a demo, calls first since they are what the product is for.
WEIGHTS: dict[str, float] = {
    "fall": 4, "sos": 4, "hypoxia": 3, "tachycardia": 3, "fever": 2, "device_silent": 2, "low_battery": 1, "clock_wrong": 1,
}


@dataclass(frozen=True, slots=True)
class Incident:
    """One happening: a kind, to one person, from `start_s` on (UTC seconds)."""

    kind: Kind
    person: str
    start_s: float

    @property
    def end_s(self) -> float:
        """UTC second at which it is over."""
        return self.start_s + self.kind.duration_s

    def shift_at(self, t_s: float) -> dict[str, float]:
        """Additive effect per vital: ramps up in 15 s, holds, fades over the last fifth."""
        age_s, span_s = t_s - self.start_s, self.kind.duration_s
        if not 0 <= age_s < span_s:
            return {}
        level = min(1.0, age_s / 15.0, (span_s - age_s) / (0.2 * span_s))
        return {name: level * peak for name, peak in self.kind.shift}


def script(people: Sequence[str], *, seed: int, start_s: float, every_s: float) -> Iterator[Incident]:
    """Endless, reproducible incidents, `every_s` apart on average; the first is always a fall."""
    rng = random.Random(f"script-{seed}")
    t_s = start_s
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    first = True
    while True:
        name = "fall" if first else rng.choices(names, weights)[0]
        first = False
        yield Incident(KINDS[name], rng.choice(list(people)), t_s)
        t_s += every_s * rng.uniform(0.6, 1.4)
