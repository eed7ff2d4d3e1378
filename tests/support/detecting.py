"""Drives any detector with a stream of readings and ticks, in any split, the way the engine does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analytics import rounds
from analytics.detect.base import END, START, UPDATE, Detector, Instant, Stage, Verdicts, Window
from analytics.table import Table

NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    row: int
    t_s: float
    value: float
    key: int
    usable: bool = True
    doubtful: bool = False
    beyond: int = 0
    part: int = 0
    fault: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A tick."""

    t_s: float
    key: int


Step = Reading | Beat


class Drive:
    """A detector with its memory; `said` collects transitions as (key, row, what, onset key), `verdicts` (key, verdict)."""

    def __init__(self, detector: Detector, rows: int) -> None:
        self.detector = detector
        self.rows = rows
        self.params = Table(detector.params, rows)
        self.state = Table(detector.columns, rows)
        self.said: list[tuple[int, int, str, int]] = []
        self.verdicts: list[tuple[int, int]] = []
        self.listened_ns = 0
        self._beat_ns: int | None = None

    def run(self, batches: Iterable[Sequence[Step]], *, flip: bool = False) -> Drive:
        """Take batches; `flip` reverses the order of the series within each round."""
        for batch in batches:
            readings: list[Reading] = []
            for step in batch:
                if isinstance(step, Reading):
                    readings.append(step)
                    continue
                self._read(readings, flip=flip)
                readings = []
                self._beat(step)
            self._read(readings, flip=flip)
        return self

    def again(self) -> Drive:
        """The same detector after a restart: memory through bytes."""
        other = Drive(self.detector, self.rows)
        other.params.unpack(self.params.pack(self.rows))
        other.state.unpack(self.state.pack(self.rows))
        other.said, other.verdicts = list(self.said), list(self.verdicts)
        other.listened_ns, other._beat_ns = self.listened_ns, self._beat_ns
        return other

    def _read(self, readings: Sequence[Reading], *, flip: bool) -> None:
        names = [r.row * 16 + r.part if self.detector.stage is Stage.SCORE else r.row for r in readings]
        for turn in rounds.split(np.array(names, dtype=np.int64)):
            some = [readings[at] for at in (turn[::-1] if flip else turn)]
            window = Window(
                rows=np.array([r.row for r in some], dtype=np.int64),
                t_ns=np.array([round(r.t_s * NS) for r in some], dtype=np.int64),
                value=np.array([r.value for r in some], dtype=np.float64),
                key=np.array([r.key for r in some], dtype=np.int64),
                usable=np.array([r.usable and (r.value == r.value or r.beyond != 0) for r in some], dtype=bool),
                doubtful=np.array([r.doubtful for r in some], dtype=bool),
                beyond=np.array([r.beyond for r in some], dtype=np.int8),
                origin=np.zeros(len(some), dtype=np.uint8),
                part=np.array([r.part for r in some], dtype=np.int8),
                params=self.params,
                listened_ns=self.listened_ns,
                fault=np.array([r.fault for r in some], dtype=np.uint8) if any(r.fault for r in some) else None,
            )
            answer = self.detector.step(window, self.state)
            assert (answer.rows == window.rows).all()
            self.verdicts += zip(window.key.tolist(), answer.verdict.tolist(), strict=True)
            self._hear(answer, window.key)

    def _beat(self, beat: Beat) -> None:
        now_ns = round(beat.t_s * NS)
        self.listened_ns += 0 if self._beat_ns is None else max(0, now_ns - self._beat_ns)
        self._beat_ns = now_ns
        instant = Instant(now_ns=now_ns, key=beat.key, listened_ns=self.listened_ns, rows=self.rows)
        answer = self.detector.tick(instant, self.state, self.params)
        self._hear(answer, np.full(len(answer.rows), beat.key))

    def _hear(self, answer: Verdicts, key: np.ndarray) -> None:
        for at in np.flatnonzero(answer.change):
            bits, row = int(answer.change[at]), int(answer.rows[at])
            onset, ended = int(answer.onset_key[at]), int(answer.ended_key[at])
            words = [("start", onset)] if bits & START else []
            words += [("update", onset)] if bits & UPDATE else []
            if bits & END:
                words.insert(len(words) if ended == onset else 0, ("end", ended))
            self.said += [(int(key[at]), row, word, onset_key) for word, onset_key in words]

    def heard(self) -> list[tuple[int, int, str, int]]:
        """Transitions in the order of the stream; stable where one reading says two things."""
        return sorted(self.said, key=lambda row: (row[0], row[1]))
