"""Readings of a resident from whatever device, in the order of the journal, for the detectors with one row per resident."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from analytics import rounds
from analytics.detect.base import Detector, Personal, Stage, Verdicts, Window
from devices.codes import BY_KEY, QUANTITIES
from gateway.stream.bank import Bank

Say = Callable[[Detector, Verdicts, Window], None]


def personal_quantities(detectors: Sequence[Detector]) -> frozenset[int]:
    """Indices of the quantities that any detector of the stage PERSON takes."""
    return frozenset(BY_KEY[key].index for detector in _personal(detectors) for key in detector.quantities)


class People:
    """Collects a block's readings and hands them on, each resident at most once per round."""

    def __init__(self, bank: Bank, say: Say) -> None:
        self._bank = bank
        self._say = say
        self.detectors = _personal(bank.detectors)
        self._parts = {detector.rule: _parts(detector) for detector in self.detectors}
        self._wanted = np.zeros(len(QUANTITIES), dtype=bool)
        self._wanted[list(personal_quantities(bank.detectors))] = True
        self._windows: list[Window] = []
        self._quantities: list[NDArray[np.int16]] = []

    def add(self, window: Window, quantity: NDArray[np.int16]) -> None:
        """Keep what belongs to a resident and anybody asks for."""
        mine = self._wanted[quantity].nonzero()[0]
        if not len(mine):
            return
        mine = mine[self._bank.series["resident"][window.rows[mine]] >= 0]
        if len(mine):
            self._windows.append(window.take(mine))
            self._quantities.append(quantity[mine])

    def flush(self, rounds_per_stage: int) -> Iterator[None]:
        """Step the detectors over what was collected; a pause after so many rounds."""
        if not self._windows:
            return
        quantity = self._quantities[0]
        if len(self._windows) > 1:
            quantity = np.concatenate(self._quantities)[np.argsort(np.concatenate([one.key for one in self._windows]), kind="stable")]
        elif not ascends(self._windows[0].key):
            quantity = quantity[np.argsort(self._windows[0].key, kind="stable")]
        whole = joined(self._windows)
        self._windows, self._quantities = [], []
        whole = replace(whole, rows=self._bank.series["resident"][whole.rows], params=self._bank.residents)
        for detector in self.detectors:
            part = self._parts[detector.rule][quantity]
            mine = (part >= 0).nonzero()[0]
            if not len(mine):
                continue
            window = replace(whole if len(mine) == len(part) else whole.take(mine), part=part[mine])
            # a detector that keeps its signals apart takes all of a person's at once
            separate = getattr(detector, "separate", None)
            names = window.rows if separate is None else window.rows * len(separate) + separate[window.part]
            for number, turn in enumerate(rounds.split(names), start=1):
                one = window if len(turn) == len(window) else window.take(turn)
                self._say(detector, detector.step(one, self._bank.states[detector.rule]), one)
                if number % rounds_per_stage == 0:
                    yield


def ascends(key: NDArray[np.int64]) -> bool:
    """Whether journal offsets are in order already, as they nearly always are."""
    return bool((key[1:] > key[:-1]).all())


def joined(parts: Sequence[Window]) -> Window:
    """The windows of several rounds as one, in the order of the journal."""
    if len(parts) == 1:
        whole = parts[0]
        if ascends(whole.key):
            return whole
    else:
        whole = Window(
            rows=np.concatenate([part.rows for part in parts]),
            t_ns=np.concatenate([part.t_ns for part in parts]),
            value=np.concatenate([part.value for part in parts]),
            key=np.concatenate([part.key for part in parts]),
            usable=np.concatenate([part.usable for part in parts]),
            doubtful=np.concatenate([part.doubtful for part in parts]),
            beyond=np.concatenate([part.beyond for part in parts]),
            origin=np.concatenate([part.origin for part in parts]),
            part=np.concatenate([part.part for part in parts]),
            params=parts[0].params,
            listened_ns=parts[0].listened_ns,
        )
    return whole.take(np.argsort(whole.key, kind="stable"))


def _personal(detectors: Sequence[Detector]) -> tuple[Personal, ...]:
    return tuple(cast("Personal", detector) for detector in detectors if detector.stage is Stage.PERSON)


def _parts(detector: Personal) -> NDArray[np.int8]:
    parts = np.full(len(QUANTITIES), -1, dtype=np.int8)
    for at, key in enumerate(detector.quantities):
        parts[BY_KEY[key].index] = at
    return parts
