"""Calls for help: each one is a finding at once, whatever the rest of the engine is doing. Pure; shared by the engine and the express lane.

A call's id is made of the device, the kind and the journal offset only, so that both say the same call with the same id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from devices.codes import BY_KEY, QUANTITIES
from gateway.readings import Mark, ReadingBlock, StoredBlock
from gateway.registry.view import RegistryView
from gateway.vocabulary import AlertKind, Finding, Origin, Phase, Priority

RULE_VERSION = 1
CANCEL_WITHIN_NS = 3600 * 1_000_000_000  # "I'm OK" speaks of a call of the last hour

# event quantity -> (rule, priority). Smoke and carbon monoxide are no calls by a person, but as urgent as one.
CALLS: Mapping[int, tuple[str, Priority]] = MappingProxyType(
    {
        BY_KEY[key].index: row
        for key, row in {
            "call.sos": ("call.sos", Priority.HIGH),
            "call.fall": ("call.fall", Priority.HIGH),
            "fall_detected": ("call.fall", Priority.HIGH),
            "call.pull_cord": ("call.pull_cord", Priority.HIGH),
            "call.assist": ("call.assist", Priority.MEDIUM),
            "smoke": ("call.smoke", Priority.HIGH),
            "co_alarm": ("call.co_alarm", Priority.HIGH),
        }.items()
    }
)
_CANCEL = BY_KEY["call.cancel"].index
_IS_CALL = np.isin(np.arange(len(QUANTITIES)), [*CALLS, _CANCEL])  # by quantity


def finding_id(subject: str, rule: str, onset_offset: int, version: int) -> str:
    """The deterministic name of a finding."""
    text = f"{subject}|{rule}|{onset_offset}|{version}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def origin_of(origin: int, mark: int) -> Origin:
    """A drill is a drill even on a live device."""
    return Origin.TEST if mark & Mark.TEST else Origin(origin)


class Calls:
    """Turns call readings into findings and remembers open ones per device for the wearer's "I'm OK"."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Finding]] = {}  # device -> rule -> last call; bounded by devices x kinds

    @staticmethod
    def holds(readings: ReadingBlock) -> bool:
        """Whether a block has any call."""
        return bool(_IS_CALL[readings.quantity].any())

    def step(self, block: StoredBlock, view: RegistryView) -> list[Finding]:
        """Findings of the block's calls in the order of their offsets; retained messages never page."""
        readings = block.readings
        if readings is None:
            return []
        found: list[Finding] = []
        for index in np.flatnonzero(_IS_CALL[readings.quantity]):
            mark = int(readings.mark[index])
            if mark & Mark.RETAINED or readings.value[index] < 0.5:  # a call without a value still pages
                continue
            if int(readings.quantity[index]) == _CANCEL:
                found.extend(self._cancel(readings, int(index), block.first + int(index)))
            else:
                found.append(self._call(readings, int(index), block.first + int(index), view))
        return found

    def _call(self, readings: ReadingBlock, index: int, offset: int, view: RegistryView) -> Finding:
        rule, priority = CALLS[int(readings.quantity[index])]
        device = readings.devices[readings.device[index]]
        mark = int(readings.mark[index])
        measured_ns, received_ns = int(readings.t_measured_ns[index]), int(readings.t_received_ns[index])
        trusted = not mark & (Mark.FUTURE | Mark.BAD_CLOCK)
        late_s = max(0.0, (received_ns - measured_ns) / 1e9) if trusted and mark & (Mark.STORED | Mark.LATE) else 0.0
        pressed_ns = measured_ns if trusted else received_ns
        finding = Finding(
            id=finding_id(device, rule, offset, RULE_VERSION),
            phase=Phase.START,
            rule=rule,
            rule_version=RULE_VERSION,
            cause=rule,
            kind=AlertKind.CALL,
            priority=priority,
            resident=view.resident_of(device, pressed_ns),
            device=device,
            onset_offset=offset,
            onset_ns=pressed_ns,
            offset=offset,
            t_ns=received_ns,
            late_s=late_s,
            latched=True,
            origin=origin_of(int(readings.origin[index]), mark),
            code=f"finding.{rule}",
            params={"late_s": round(late_s, 1)} if late_s else {},
        )
        self._open.setdefault(device, {})[rule] = finding
        return finding

    def _cancel(self, readings: ReadingBlock, index: int, offset: int) -> list[Finding]:
        """An UPDATE of the device's recent calls: the wearer says OK; people decide whether it is."""
        device = readings.devices[readings.device[index]]
        t_ns = int(readings.t_received_ns[index])
        recent = [call for call in self._open.pop(device, {}).values() if t_ns - call.t_ns <= CANCEL_WITHIN_NS]
        code = "finding.call.cancel"
        return [
            replace(call, phase=Phase.UPDATE, offset=offset, t_ns=t_ns, code=code, params={"cancelled": True})
            for call in sorted(recent, key=lambda call: call.offset)
        ]

    def dump(self) -> dict[str, Any]:
        """JSON-safe memory."""
        return {device: {rule: _plain(call) for rule, call in calls.items()} for device, calls in self._open.items()}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Calls:
        """From `dump`."""
        calls = cls()
        calls._open = {device: {rule: _revive(row) for rule, row in rows.items()} for device, rows in data.items()}
        return calls


def _plain(call: Finding) -> dict[str, Any]:
    names = ("id", "rule", "priority", "resident", "device", "onset_offset", "onset_ns", "offset", "t_ns", "late_s", "origin", "params")
    return {name: getattr(call, name) for name in names}


def _revive(row: Mapping[str, Any]) -> Finding:
    rule = str(row["rule"])
    fields = dict(row) | {"priority": Priority(row["priority"]), "origin": Origin(row["origin"])}
    return Finding(
        **fields, phase=Phase.START, rule_version=RULE_VERSION, cause=rule, kind=AlertKind.CALL, latched=True, code=f"finding.{rule}"
    )
