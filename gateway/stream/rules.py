"""The institution's defaults as data: what is watched, within which limits, how loudly. Residents' own limits override them by event.

These are starting points for an institution's clinicians, not medical advice; `anxin replay` shows what each costs in alarms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, isnan, nan
from types import MappingProxyType

from analytics import score
from devices.codes import BY_KEY, Kind
from gateway.registry.view import Limit
from gateway.vocabulary import AlertKind, Priority

DAY_S = 86_400.0
SPO2_LOW_SCALE_2 = 86.0  # residents with a prescribed target of 88-92 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Defaults of one quantity, canonical unit. Beyond a limit for `t_on_s` (or `area`, unit x s) alarms, an extreme at once."""

    quantity: str
    low: float = nan
    high: float = nan
    low_extreme: float = nan
    high_extreme: float = nan
    t_on_s: float = 30.0
    t_off_s: float = 30.0
    hysteresis: float = 0.0
    low_area: float = inf
    need: int = 1  # bad readings of the last three; 1 = time decides
    priority: Priority = Priority.MEDIUM
    extreme: Priority = Priority.HIGH
    kind: AlertKind = AlertKind.PHYSIOLOGICAL
    rule: str = ""  # instead of "limit.<quantity>"
    flat_s: float = nan
    flat_n: int = 30
    leap: float = nan  # a step that no body makes within leap_s
    leap_s: float = 5.0
    part: int = -1  # part of NEWS2
    silence: Priority = Priority.MEDIUM  # when it does not come
    from_local: str = ""  # "22:00": the limits hold only between these hours of the site's own clock
    to_local: str = ""


def _watches(*rows: Watch) -> Mapping[str, Watch]:
    return MappingProxyType({row.quantity: row for row in rows})


_HEART = Watch(
    quantity="hr", low=45.0, high=120.0, low_extreme=35.0, high_extreme=150.0, hysteresis=3.0, flat_s=900.0, leap=60.0,
    part=score.PULSE,
)  # fmt: skip

WATCHES = _watches(
    _HEART,
    replace(_HEART, quantity="pulse"),
    # 15 s at 90 % and a zero delay at depth: the delay that spares most alarms, and none of the deep desaturations
    Watch(
        quantity="spo2", low=90.0, low_extreme=80.0, t_on_s=15.0, t_off_s=15.0, hysteresis=2.0, low_area=50.0,
        flat_s=4 * 3600.0, flat_n=120, leap=12.0, leap_s=3.0, part=score.SPO2,
    ),
    Watch(
        quantity="resp", low=9.0, high=27.0, low_extreme=6.0, high_extreme=35.0, hysteresis=1.0, flat_s=3600.0, flat_n=60,
        part=score.RESP,
    ),
    # spot values: the next one may be hours away, so that one reading decides, and two of three where a cuff errs easily
    Watch(
        quantity="temp", low=35.0, high=38.0, low_extreme=33.0, high_extreme=40.0, t_on_s=0.0, t_off_s=0.0, hysteresis=0.3,
        part=score.TEMP, silence=Priority.LOW,
    ),
    Watch(
        quantity="sbp", low=90.0, high=180.0, low_extreme=75.0, high_extreme=220.0, t_off_s=0.0, hysteresis=5.0, need=2,
        part=score.SBP, silence=Priority.LOW,
    ),
    Watch(quantity="dbp", high=120.0, high_extreme=135.0, t_off_s=0.0, hysteresis=5.0, need=2, silence=Priority.LOW),
    Watch(
        quantity="glucose", low=3.9, high=16.7, low_extreme=3.0, high_extreme=25.0, t_on_s=0.0, t_off_s=0.0, hysteresis=0.3,
        silence=Priority.LOW,
    ),
    Watch(
        quantity="glucose_cgm", low=3.9, high=16.7, low_extreme=3.0, high_extreme=25.0, t_on_s=0.0, t_off_s=300.0, hysteresis=0.3,
        flat_s=2 * 3600.0, flat_n=20,
    ),
    Watch(
        quantity="battery", low=20.0, low_extreme=5.0, t_on_s=0.0, t_off_s=0.0, hysteresis=5.0, rule="battery", kind=AlertKind.TECHNICAL,
        priority=Priority.LOW, extreme=Priority.MEDIUM, silence=Priority.LOW,
    ),
)  # fmt: skip

NEWS2_PRIORITY = Priority.HIGH
FAULT_S = 60.0  # not worn, lead off, sensor error
LOW_PERFUSION_S = 300.0
DEVIATION_PRIORITY = Priority.MEDIUM
FLAT_PRIORITY = Priority.LOW
CLOCK_PRIORITY = Priority.LOW
PERSON_PRIORITIES = MappingProxyType({
    "glucose_soon": Priority.MEDIUM,
    "deterioration": Priority.MEDIUM,
    "routine.inactive": Priority.HIGH,  # somebody may lie on the floor
    "routine.no_return": Priority.MEDIUM,
    "routine.wander": Priority.HIGH,
    "routine.bed": Priority.MEDIUM,
    "routine.day": Priority.LOW,
    "routine.steps": Priority.LOW,
    "routine.sleep": Priority.LOW,
})  # fmt: skip
LIFE = frozenset({"motion", "bed_occupied", "door", "steps"})  # of which some word is owed: without it silence says nothing of the person
SCORE_PARTS = MappingProxyType({BY_KEY[key].index: watch.part for key, watch in WATCHES.items() if watch.part >= 0})
SIGNAL_PARTS = (score.PULSE, score.SPO2, score.RESP, score.TEMP, score.SBP)  # parts of NEWS2 in the order of deviation.SIGNALS
SIGNAL_SPOT = (False, False, False, True, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """Settings of the engine; part of the findings' identity through `fingerprint`."""

    watches: Mapping[str, Watch] = field(default_factory=lambda: WATCHES)
    nodata_floor_s: float = 60.0  # nobody is called silent sooner; DESIGN allows up to 120 s
    tick_gap_s: float = 10.0  # a longer step between two ticks is our own absence or a step of the clock
    news2_every_s: float = 60.0
    news2_persistence_s: float = 2 * 3600.0

    def fingerprint(self) -> str:
        """Short hash of everything that shapes findings besides the inputs."""
        rows = [repr(self.watches[key]) for key in sorted(self.watches)]
        text = repr((rows, self.nodata_floor_s, self.tick_gap_s, self.news2_every_s, self.news2_persistence_s))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def silence_deadline_s(cadence_s: float, config: StreamConfig) -> float:
    """How long a series may be silent."""
    return max(2.0 * cadence_s, config.nodata_floor_s)


def settings(
    key: str, limit: Limit | None, cadence_s: float | None, scale: int, config: StreamConfig, *, now: bool = True
) -> dict[str, float]:
    """Columns of the detectors' parameters for one series; `limit` is the resident's, site's or installation's own, if any.

    Outside of the hours of the defaults (`now` False) there are only those of the limit.

    What a limit leaves open keeps the default: narrowing one side must not silently switch the other off; only `off` does.
    """
    watch = config.watches.get(key, Watch(quantity=key))
    row = BY_KEY[key]
    cadence_s = cadence_s if cadence_s is not None else row.cadence_s
    spot = row.kind is Kind.SPOT or cadence_s is None
    low, high = watch.low, watch.high
    if key == "spo2" and scale == 2:
        low = SPO2_LOW_SCALE_2
    t_on_s, hysteresis = watch.t_on_s, watch.hysteresis
    low_extreme, high_extreme = watch.low_extreme, watch.high_extreme
    if not now:
        low = high = low_extreme = high_extreme = nan
    if limit is not None:
        low, high = _or(limit.low, low), _or(limit.high, high)
        low_extreme, high_extreme = _or(limit.low_extreme, low_extreme), _or(limit.high_extreme, high_extreme)
        t_on_s, hysteresis = limit.duration_s, limit.hysteresis
        low, low_extreme = (nan, nan) if limit.off in ("low", "both") else (low, low_extreme)
        high, high_extreme = (nan, nan) if limit.off in ("high", "both") else (high, high_extreme)
    return {
        "low": low,
        "high": high,
        # an extreme on the inner side of its own limit would take the delay away from everything
        "low_extreme": low_extreme if isnan(low) else min(low_extreme, low),
        "high_extreme": high_extreme if isnan(high) else max(high_extreme, high),
        "low_area": watch.low_area,
        "t_on_s": t_on_s,
        "t_off_s": watch.t_off_s,
        "hysteresis": hysteresis,
        "need": watch.need,
        "hold_s": DAY_S / 2 if spot else silence_deadline_s(cadence_s or 0.0, config),
        "flat_s": watch.flat_s,
        "flat_n": watch.flat_n,
        "leap": watch.leap,
        "leap_s": watch.leap_s,
        # a spot reading that fails is repeated by whoever takes it; a second failure is worth a word
        "fault_s": 0.0 if spot else FAULT_S,
        "perfusion_s": LOW_PERFUSION_S,
    }


def score_ages_s(cadences_s: Mapping[int, float]) -> tuple[float, ...]:
    """Age limit per part of NEWS2: the standard ones, longer where the resident's device is slower."""
    return tuple(max(age_s, 2.0 * cadences_s.get(part, 0.0)) for part, age_s in enumerate(score.MAX_AGE_S))


def signal_spans_s(cadences_s: Mapping[int, float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per signal of the deviation: horizon of its state, and how long its last minute stands for now; longer where the device is slower."""
    slow = [cadences_s.get(part, 0.0) for part in SIGNAL_PARTS]
    return tuple(max(1800.0, 8.0 * at) for at in slow), tuple(
        max(DAY_S / 2 if spot else 3600.0, 4.0 * at) for at, spot in zip(slow, SIGNAL_SPOT, strict=True)
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
