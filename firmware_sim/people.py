"""Residents as physiology: circadian rhythm, slow drift and beat-to-beat noise, reproducible from a seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

DAY_S = 86_400.0


@dataclass(slots=True)
class Vitals:
    """One moment of a person; units as in the names."""

    hr_bpm: float
    spo2_pct: float
    resp_bpm: float
    temp_cel: float
    sbp_mmhg: float
    dbp_mmhg: float
    glucose_mmol_l: float
    steps_per_min: float
    in_bed: bool


@dataclass(slots=True)
class Person:
    """A simulated resident; `disturb` holds additive effects of running incidents by vital name."""

    id: str
    seed: int
    age_years: int = 82
    utc_offset_h: float = 8.0
    disturb: dict[str, float] = field(default_factory=dict)
    _rng: random.Random = field(init=False, repr=False)
    _base: dict[str, float] = field(init=False, repr=False)
    _noise: dict[str, float] = field(init=False, repr=False)
    _t_s: float = field(init=False, default=-1.0, repr=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"person-{self.seed}")
        gauss = self._rng.gauss
        self._base = {
            "hr": gauss(72, 6), "spo2": min(98.5, gauss(96.6, 0.7)), "resp": gauss(16, 1.2), "temp": gauss(36.55, 0.15),
            "sbp": gauss(134, 9), "dbp": gauss(76, 6), "glucose": max(4.8, gauss(6.4, 0.8)),
        }
        self._noise = dict.fromkeys(self._base, 0.0)

    def _wander(self, name: str, tau_s: float, sd: float, dt_s: float) -> float:
        """Ornstein-Uhlenbeck step: noise with standard deviation `sd` and memory `tau_s`."""
        keep = math.exp(-dt_s / tau_s)
        self._noise[name] = keep * self._noise[name] + sd * math.sqrt(1 - keep * keep) * self._rng.gauss(0, 1)
        return self._noise[name]

    def at(self, t_s: float) -> Vitals:
        """Vitals at UTC second `t_s`; call with rising times."""
        dt_s = 1.0 if self._t_s < 0 else max(0.05, t_s - self._t_s)
        self._t_s = t_s
        hour = ((t_s + self.utc_offset_h * 3600) % DAY_S) / 3600
        awake = 0.5 - 0.5 * math.cos((hour - 3) / 24 * 2 * math.pi)  # 0 at 3 a.m., 1 at 3 p.m.
        in_bed = hour < 6.0 or hour >= 21.5
        base, bump = self._base, self.disturb.get
        hr = base["hr"] + 9 * (awake - 0.5) + self._wander("hr", 90, 2.2, dt_s) + bump("hr", 0.0)
        spo2 = base["spo2"] - 0.6 * (1 - awake) + self._wander("spo2", 60, 0.35, dt_s) + bump("spo2", 0.0)
        resp = base["resp"] + 1.5 * (awake - 0.5) + self._wander("resp", 60, 0.6, dt_s) + bump("resp", 0.0)
        temp = base["temp"] + 0.35 * (awake - 0.5) + self._wander("temp", 900, 0.04, dt_s) + bump("temp", 0.0)
        sbp = base["sbp"] + 8 * (awake - 0.5) + self._wander("sbp", 600, 4, dt_s) + bump("sbp", 0.0)
        dbp = base["dbp"] + 5 * (awake - 0.5) + self._wander("dbp", 600, 3, dt_s)
        meal = sum(math.exp(-(((hour - m - 1.0) / 0.9) ** 2)) for m in (7.0, 11.7, 17.7))
        glucose = base["glucose"] + 2.1 * meal + self._wander("glucose", 1800, 0.15, dt_s) + bump("glucose", 0.0)
        walking = 0.0 if in_bed else max(0.0, 18 * awake + self._rng.gauss(0, 9))
        return Vitals(
            hr_bpm=max(25.0, hr), spo2_pct=min(100.0, max(55.0, spo2)), resp_bpm=max(5.0, resp), temp_cel=temp, sbp_mmhg=sbp,
            dbp_mmhg=min(dbp, sbp - 15), glucose_mmol_l=max(1.5, glucose), steps_per_min=walking, in_bed=in_bed,
        )
