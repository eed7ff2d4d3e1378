"""From a detector's transition to a Finding: rule, cause, priority, message code and numbers. No sentences, no state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

from analytics.detect.base import FAULTS, PERSONAL, Personal
from analytics.detect.deviation import Deviation
from analytics.score import PARTS
from devices.codes import QUANTITIES
from gateway.stream.bank import Bank, tail
from gateway.stream.calls import finding_id
from gateway.stream.roster import DEVICE, Series
from gateway.stream.rules import DEVIATION_PRIORITY, FLAT_PRIORITY, NEWS2_PRIORITY, PERSON_PRIORITIES, StreamConfig, Watch
from gateway.vocabulary import AlertKind, Finding, Origin, Phase, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A transition: where and when it became evident, and the onset of its condition."""

    phase: Phase
    row: int
    onset_key: int
    onset_ns: int
    offset: int
    t_ns: int
    origin: int
    direction: int = 0


@dataclass(slots=True, kw_only=True)
class Words:
    """What a rule says; `subject` is what the id is made of."""

    rule: str
    code: str
    kind: AlertKind
    priority: Priority
    cause: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)  # instead of the last values of the series


Say = Callable[[Bank, StreamConfig, Series, Moment], Words]


def finding(detector: str, version: int, bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Finding:
    """The Finding of one transition."""
    words = (_SAY.get(detector) or _personally(detector, bank) or _plainly(detector))(bank, config, series, moment)
    # technical conditions belong to the device: two devices of one resident may fall silent at the same tick
    subject = series.device if words.kind is AlertKind.TECHNICAL else series.subject
    with_tail = moment.phase is not Phase.END and series.quantity != DEVICE
    return Finding(
        id=finding_id(subject, words.rule, moment.onset_key, version),
        phase=moment.phase,
        rule=words.rule,
        rule_version=version,
        cause=words.cause or words.rule,
        kind=words.kind,
        priority=words.priority,
        resident=series.resident,
        device=series.device or None,
        onset_offset=moment.onset_key,
        onset_ns=moment.onset_ns,
        offset=moment.offset,
        t_ns=moment.t_ns,
        latched=words.priority is Priority.HIGH,
        origin=Origin(moment.origin),
        code=words.code,
        params={name: value for name, value in words.params.items() if not isinstance(value, float) or isfinite(value)},
        evidence=words.evidence or (tail(bank.windows, moment.row) if with_tail else {}),
    )


def _limit(side: str) -> Say:
    def say(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
        watch = config.watches.get(series.key, Watch(quantity=series.key))
        state, row = bank.states[f"limit.{side}"], moment.row
        extreme = bool(state["extreme"][row])
        rule = f"{watch.rule}.{side}" if watch.rule else f"limit.{series.key}.{side}"
        return Words(
            rule=rule,
            cause=f"{watch.rule or series.key}.{side}",
            code=f"finding.{watch.rule or 'limit'}.{side}",
            kind=watch.kind,
            priority=watch.extreme if extreme else watch.priority,
            params=_number(bank, series, row)
            | {
                "limit": float(bank.series[side][row]),
                "extreme": extreme,
                "lasted_s": round(max(0.0, (moment.t_ns - moment.onset_ns) / 1e9), 1),
            },
        )

    return say


def finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers without those that are none."""
    return {name: value for name, value in numbers.items() if not isinstance(value, float) or isfinite(value)}


def _deviation(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
    (detector,) = (one for one in bank.detectors if isinstance(one, Deviation))
    state = bank.states[detector.rule]
    signals = detector.signals(moment.row, state)
    return Words(
        rule="deviation",
        code=f"finding.deviation.{min(len(signals), 3)}" if signals else "finding.deviation",
        kind=AlertKind.PHYSIOLOGICAL,
        priority=DEVIATION_PRIORITY if len(signals) > 1 else Priority.LOW,
        params=finite(detector.numbers(moment.row, state)) | {"lasted_min": round(max(0.0, (moment.t_ns - moment.onset_ns) / 60e9))},
        evidence={"signals": signals},
    )


def _silent(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
    watch = config.watches.get(series.key)
    device = series.quantity == DEVICE
    priority = Priority.MEDIUM if device else (watch.silence if watch is not None else Priority.LOW)
    return Words(
        rule=f"nodata.{series.key}",
        code="finding.nodata.device" if device else "finding.nodata",
        kind=AlertKind.TECHNICAL,
        priority=priority,
        params={"quantity": series.key, "deadline_s": float(bank.series["deadline_s"][moment.row])},
    )


def _flat(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
    return Words(
        rule=f"flat.{series.key}",
        code="finding.flat",
        kind=AlertKind.TECHNICAL,
        priority=FLAT_PRIORITY,
        params=_number(bank, series, moment.row),
    )


def _sensor(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
    watch = config.watches.get(series.key)
    word = FAULTS[int(bank.states["sensor"]["fault"][moment.row])] or "over"
    return Words(
        rule=f"sensor.{series.key}",
        cause=f"sensor.{series.key}",
        code=f"finding.sensor.{word}",
        kind=AlertKind.TECHNICAL,
        priority=watch.silence if watch is not None else Priority.LOW,
        params={"quantity": series.key},
    )


def _news2(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
    state, row = bank.states["news2"], moment.row
    known = int(state["total_known"][row])
    return Words(
        rule="news2.high",
        code="finding.news2" if known == len(PARTS) else "finding.news2.partial",
        kind=AlertKind.PHYSIOLOGICAL,
        priority=NEWS2_PRIORITY,
        params={"score": int(state["total"][row]), "known": known, "of": len(PARTS), "single3": bool(state["single3"][row])},
    )


def _personally(detector: str, bank: Bank) -> Say | None:
    """A detector of people has numbers of its own; its code is its rule."""
    found = next((one for one in bank.detectors if one.rule == detector and one.stage in PERSONAL), None)
    if found is None:
        return None
    one = cast("Personal", found)

    def say(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
        return Words(
            rule=detector,
            code=f"finding.{detector}",
            kind=AlertKind.PHYSIOLOGICAL,
            priority=PERSON_PRIORITIES.get(detector, Priority.MEDIUM),
            params=finite(one.numbers(moment.row, bank.states[detector])),
        )

    return say


def _plainly(detector: str) -> Say:
    """A detector without words of its own speaks with medium priority."""

    def say(bank: Bank, config: StreamConfig, series: Series, moment: Moment) -> Words:
        return Words(
            rule=f"{detector}.{series.key}",
            code=f"finding.{detector}",
            kind=AlertKind.PHYSIOLOGICAL,
            priority=Priority.MEDIUM,
            params=_number(bank, series, moment.row),
        )

    return say


_SAY: Mapping[str, Say] = {
    "limit.low": _limit("low"),
    "limit.high": _limit("high"),
    "deviation": _deviation,
    "nodata": _silent,
    "flat": _flat,
    "sensor": _sensor,
    "news2": _news2,
}


def _number(bank: Bank, series: Series, row: int) -> dict[str, Any]:
    return {"quantity": series.key, "value": float(bank.meta["value"][row]), "unit": QUANTITIES[series.quantity].ucum}
