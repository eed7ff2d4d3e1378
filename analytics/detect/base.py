"""The contract of a detector: pure, vectorised over series, all of its memory in a Table that the engine keeps."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from analytics.table import Column, Rows, Table

NS_PER_S = 1_000_000_000
UNKNOWN = -(2**62)  # an onset that does not exist


def rounded(value: float, digits: int = 0) -> float:
    """A number for words: rounded, whole without digits; what is no number stays NaN and is not said (a finding must not fail by it)."""
    if not math.isfinite(value):
        return math.nan
    return round(value, digits) if digits else round(value)


class Verdict(IntEnum):
    """What a detector says of a series; WARMING and NO_DATA mean "cannot tell" and never read as normal."""

    OK = 0
    ALARM = 1
    WARMING = 2
    NO_DATA = 3


class Stage(StrEnum):
    """When the engine asks a detector: who is silent, what is believable, what it means for the person, the score over all parts."""

    PRESENCE = "presence"  # sees every reading
    QUALITY = "quality"  # its ALARM takes the value away from the stages after it
    CLINICAL = "clinical"
    SCORE = "score"  # one row per resident, readings are parts: the newest of each part, judged on ticks
    PERSON = "person"  # one row per resident, every reading of the detector's `quantities` from whatever device, in the journal's order


PERSONAL = frozenset({Stage.SCORE, Stage.PERSON})  # rows are residents


class Change(IntFlag):
    """Transitions of a series' condition in one step. START and END together: see `Verdicts`."""

    NONE = 0
    START = 1
    UPDATE = 2  # the same condition got worse
    END = 4


@dataclass(slots=True, kw_only=True)
class Window:
    """One reading per series: rows int64[n] (unique), the others of length n; `params` holds the series' settings by row.

    t_ns int64 (never decreasing per series), value float64 (NaN = no value), key int64 (journal offset), usable bool (False = the value
    says nothing), doubtful bool (true only in company: no zero delay, no learning), beyond int8 (-1 the sensor shows LO, +1 HI),
    origin uint8 (larger = less real), part int8 (index of the part where one row takes several quantities).
    """

    rows: Rows
    t_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    key: NDArray[np.int64]
    usable: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    beyond: NDArray[np.int8]
    origin: NDArray[np.uint8]
    part: NDArray[np.int8]
    params: Table
    listened_ns: int = 0  # time spent listening so far: the clock of `nodata`
    fault: NDArray[np.uint8] | None = None  # what the device says is wrong with it, index of FAULTS; None = nothing with any of them

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, mask: NDArray[Any]) -> Window:
        """The readings that a mask or an index array selects."""
        return Window(
            rows=self.rows[mask], t_ns=self.t_ns[mask], value=self.value[mask], key=self.key[mask], usable=self.usable[mask],
            doubtful=self.doubtful[mask], beyond=self.beyond[mask], origin=self.origin[mask], part=self.part[mask], params=self.params,
            listened_ns=self.listened_ns, fault=None if self.fault is None else self.fault[mask],
        )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Instant:
    """The passing of time: wall time of the tick, its journal offset, time spent listening, rows in use."""

    now_ns: int
    key: int
    listened_ns: int
    rows: int


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """Answers for `rows`: verdict int8[n], score float32[n] (1 = at the alarm threshold), change uint8[n] (Change).

    onset_key/onset_ns int64[n] belong to the condition that START or UPDATE speaks of, ended_key/ended_ns to the one that END speaks of.
    Both bits in one step with the same key: it started and ended; with different keys: the old one ended, then a new one started.
    """

    rows: Rows
    verdict: NDArray[np.int8]
    score: NDArray[np.float32]
    change: NDArray[np.uint8]
    onset_key: NDArray[np.int64]
    onset_ns: NDArray[np.int64]
    ended_key: NDArray[np.int64]
    ended_ns: NDArray[np.int64]
    evidence: dict[str, NDArray[Any]] = field(default_factory=dict)

    def writable(self) -> None:
        """Give shared arrays up for own ones, before the first transition is written."""
        if not self.change.flags.writeable:
            self.change = self.change.copy()
            self.onset_key, self.onset_ns = self.onset_key.copy(), self.onset_ns.copy()
            self.ended_key, self.ended_ns = self.ended_key.copy(), self.ended_ns.copy()


FAULTS = ("", "not_worn", "lead_off", "sensor_error", "cuff_error", "low_perfusion")
START, UPDATE, END = (int(change) for change in Change)  # plain numbers: looking members up costs more than the arithmetic
OK, ALARM, WARMING, NO_DATA = (int(verdict) for verdict in Verdict)


def unknown(count: int) -> NDArray[np.int64]:
    """UNKNOWN int64[count], shared and read-only: most steps change nothing, and making arrays for that is most of their cost."""
    while len(_SHARED[0]) < count:
        _SHARED[0] = _read_only(np.full(2 * len(_SHARED[0]), UNKNOWN, dtype=np.int64))
    return _SHARED[0][:count]


def unchanged(count: int) -> NDArray[np.uint8]:
    """No change uint8[count], shared and read-only."""
    while len(_SHARED[1]) < count:
        _SHARED[1] = _read_only(np.zeros(2 * len(_SHARED[1]), dtype=np.uint8))
    return _SHARED[1][:count]


def quiet(rows: Rows, verdict: int = NO_DATA) -> Verdicts:
    """The same verdict for all rows, without transitions (`writable` before there are any)."""
    count = len(rows)
    nothing, same = unknown(count), np.empty(count, np.int8)
    same.fill(verdict)
    return Verdicts(
        rows=rows,
        verdict=same,
        score=np.zeros(count, dtype=np.float32),
        change=unchanged(count),
        onset_key=nothing,
        onset_ns=nothing,
        ended_key=nothing,
        ended_ns=nothing,
    )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


_SHARED: list[NDArray[Any]] = [
    _read_only(np.full(1024, UNKNOWN, dtype=np.int64)),
    _read_only(np.zeros(1024, dtype=np.uint8)),
]
NO_ROWS = _read_only(np.empty(0, dtype=np.int64))
NOTHING = quiet(NO_ROWS)  # the answer of a tick that changed nothing


class Detector(Protocol):
    """Detector: `columns` is its memory, `params` the settings it reads from the window's table (with defaults)."""

    rule: str
    version: int
    stage: Stage
    columns: Mapping[str, Column]
    params: Mapping[str, Column]

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per series and answer for the same rows in the same order."""
        ...

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Let time pass; answers only for the rows whose condition changed."""
        ...

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """Earliest wall time after `instant` at which a tick alone could change something; None = never. May be early, never late."""
        ...

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """Forget the conditions of rows (unbound, limit withdrawn): END for each that was under way."""
        ...


class Personal(Detector, Protocol):
    """A detector of the stage PERSON: `window.part` is the index of the reading's quantity in `quantities`."""

    quantities: tuple[str, ...]  # keys of the quantity table

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """Numbers of the row's present condition for the sentence and its evidence."""
        ...


def find() -> tuple[Detector, ...]:
    """All detectors of the folder, by module name; a module offers them as `DETECTORS`."""
    package = importlib.import_module("analytics.detect")
    found: list[Detector] = []
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"analytics.detect.{entry.name}")
        found.extend(cast("tuple[Detector, ...]", getattr(module, "DETECTORS", ())))
    return tuple(found)
