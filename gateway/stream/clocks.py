"""Devices whose clock is wrong: a technical condition per device, raised by intake's marks and over after a while of right ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.readings import Mark, ReadingBlock
from gateway.registry.view import RegistryView
from gateway.stream.calls import finding_id, origin_of
from gateway.stream.rules import CLOCK_PRIORITY
from gateway.vocabulary import AlertKind, Finding, Phase

RULE = "clock.device"
RULE_VERSION = 1
CALM_NS = 600 * 1_000_000_000  # a device that alternates between right and wrong is one condition
_WRONG = Mark.BAD_CLOCK | Mark.FUTURE
_SILENT = Mark.UNCLOCKED | Mark.RETAINED  # says nothing about the device's clock


class Clocks:
    """Remembers the devices whose clock is wrong: device -> (onset offset, onset, last wrong reading)."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, int, int]] = {}  # bounded by the number of devices

    def step(self, first: int, readings: ReadingBlock, view: RegistryView, bound: NDArray[np.bool_]) -> list[Finding]:
        """Findings of a block, in the order of its offsets; `bound` bool[n] = somebody has the reading's device."""
        wrong = ((readings.mark & _WRONG) != 0) & bound
        if not self._wrong and not wrong.any():
            return []
        open_now = np.array([name in self._wrong for name in readings.devices])
        of_interest = wrong.copy()
        of_interest |= np.isin(readings.device, np.unique(readings.device[wrong]))
        if len(open_now):
            of_interest |= open_now[readings.device]
        found: list[Finding] = []
        for index in np.flatnonzero(of_interest):
            found.extend(self._take(first + int(index), readings, int(index), view, bool(wrong[index])))
        return found

    def _take(self, offset: int, readings: ReadingBlock, index: int, view: RegistryView, wrong: bool) -> list[Finding]:
        device, t_ns = readings.devices[readings.device[index]], int(readings.t_received_ns[index])
        known = self._wrong.get(device)
        if wrong:
            self._wrong[device] = (offset, t_ns, t_ns) if known is None else (known[0], known[1], t_ns)
            return [] if known is not None else [self._finding(Phase.START, device, offset, t_ns, offset, readings, index, view)]
        if known is None or readings.mark[index] & _SILENT or 0 <= t_ns - known[2] < CALM_NS:
            return []
        del self._wrong[device]
        return [self._finding(Phase.END, device, known[0], known[1], offset, readings, index, view)]

    def _finding(
        self, phase: Phase, device: str, onset: int, onset_ns: int, offset: int, readings: ReadingBlock, index: int, view: RegistryView
    ) -> Finding:
        t_ns = int(readings.t_received_ns[index])
        return Finding(
            id=finding_id(device, RULE, onset, RULE_VERSION),
            phase=phase,
            rule=RULE,
            rule_version=RULE_VERSION,
            cause=RULE,
            kind=AlertKind.TECHNICAL,
            priority=CLOCK_PRIORITY,
            resident=view.resident_of(device, t_ns),
            device=device,
            onset_offset=onset,
            onset_ns=onset_ns,
            offset=offset,
            t_ns=t_ns,
            origin=origin_of(int(readings.origin[index]), int(readings.mark[index])),
            code="finding.clock",
        )

    def dump(self) -> dict[str, Any]:
        """JSON-safe memory."""
        return {device: list(row) for device, row in self._wrong.items()}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Clocks:
        """From `dump`."""
        clocks = cls()
        clocks._wrong = {device: (row[0], row[1], row[2]) for device, row in data.items()}
        return clocks
