"""The engine: one block of the journal at a time -> findings. Pure and deterministic; its only clock are the ticks in the journal.

Readings are taken frame by frame in the order of the journal (within a frame by time), each series at most once per round, so that no
split of the journal into blocks changes a verdict. Late, future and retained readings never reach a detector; calls are findings of
their own, before anything else. Events are folded at ticks only, up to the offset that the tick names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analytics import rounds
from analytics.detect.base import ALARM, PERSONAL, Change, Detector, Instant, Stage, Verdicts, Window
from analytics.detect.flat import Flat
from analytics.detect.nodata import NoData
from devices.codes import QUANTITIES, Kind
from gateway.events import EventRow
from gateway.readings import Mark, ReadingBlock, StoredBlock, Tick, ordered
from gateway.registry.view import RegistryView
from gateway.stream.align import Aligner
from gateway.stream.bank import Bank
from gateway.stream.calls import Calls
from gateway.stream.clocks import Clocks
from gateway.stream.limit_hours import standing
from gateway.stream.people import People, joined
from gateway.stream.quality import ABOVE, BELOW, DOUBTFUL, SPEECHLESS, WAVE, faults
from gateway.stream.roster import DEVICE, NO_ROW, Roster, Series, in_order
from gateway.stream.rules import SCORE_PARTS, StreamConfig
from gateway.stream.speak import Moment, finding
from gateway.stream.thin import MOST, thinned
from gateway.stream.waves import Waves
from gateway.vocabulary import NOT_APPLICABLE, Finding, Origin, Phase

NS_PER_S = 1_000_000_000
REGISTRY_EVENTS = ("site.", "resident.", "device.", "binding.", "limit.")  # kinds that can move rows or parameters
DEVICE_EVENTS = ("device.", "binding.set")  # move one device
PERSON_EVENTS = ("resident.observed", "resident.renamed")  # move one person's parameters
ROUNDS_PER_STAGE = 40  # about 10 ms
STEP_BACK_NS = 2 * NS_PER_S  # a smaller step is jitter
UNTIMELY = int(Mark.LATE | Mark.FUTURE | Mark.RETAINED)  # plain numbers: looking members up in every block is not free
STORED, RETAINED, TEST = int(Mark.STORED), int(Mark.RETAINED), int(Mark.TEST)
_VITAL = np.array([row.kind in (Kind.CONTINUOUS, Kind.SPOT, Kind.STATUS) for row in QUANTITIES])
_PART = np.array([SCORE_PARTS.get(row.index, -1) for row in QUANTITIES], dtype=np.int8)


class Engine:
    """State of all series; `step` takes the journal's blocks in order and returns what they mean."""

    def __init__(self, view: RegistryView | None = None, config: StreamConfig | None = None) -> None:
        self.view = view if view is not None else RegistryView()
        self.config = config if config is not None else StreamConfig()
        self.bank = Bank()
        self.roster = Roster()
        self.calls = Calls()
        self.clocks = Clocks()
        self.waves = Waves()
        self.counters: Counter[str] = Counter()
        self.offset = 0  # last journal offset taken
        self.tick_ns: int | None = None
        self.listened_ns = 0
        self.aligned_ns: int | None = None
        self.scored: int | None = None  # last minute (news2_every_s) whose scores were taken
        self.wire()

    def wire(self) -> None:
        """Bind the parts to each other, at the start and after a restore."""
        self.aligner = Aligner(self.bank, self.roster, self.view, self.config, self._ended)
        (self._nodata,) = (detector for detector in self.bank.detectors if isinstance(detector, NoData))
        (self._flat,) = (detector for detector in self.bank.detectors if isinstance(detector, Flat))
        stage = self.bank.stage
        self._presence, self._quality = stage(Stage.PRESENCE), stage(Stage.QUALITY)
        self._clinical, self._scores = stage(Stage.CLINICAL), stage(Stage.SCORE)
        self.people = People(self.bank, self._say)
        self._found: list[Finding] = []
        self._moved = True  # nothing is known of what was folded before
        self._devices: set[str] = set()
        self._people: set[str] = set()
        self._now = (self.offset, self.tick_ns or 0)

    def step(self, block: StoredBlock, events: Sequence[EventRow] = ()) -> list[Finding]:
        """Take the next block; with a tick, `events` are those after the last tick's offset up to this one's."""
        for _ in self.stages(block, events):
            pass
        return self.said()

    def stages(self, block: StoredBlock, events: Sequence[EventRow] = ()) -> Iterator[None]:
        """The same in pieces of bounded work, so that others get their turn within a block of very long series; then ask `said`."""
        if block.first <= self.offset:
            raise ValueError(f"block {block.first} after offset {self.offset}: the engine never goes back")
        self._found = self.calls.step(block, self.view)
        if block.tick is not None:
            self._tick(block.first, block.tick, events)
        elif block.readings is not None and len(block.readings):
            self._found += self.waves.step(block.first, block.readings, self.view)
            yield from self._readings(block.first, block.readings)
        self.offset = block.last

    def said(self) -> list[Finding]:
        """What the last block meant, once."""
        found, self._found = self._found, []
        found.sort(key=lambda item: (item.offset, item.rule, item.device or "", item.resident or ""))
        return found

    def fold(self, events: Sequence[EventRow]) -> None:
        """Take events ahead of the tick that names them, so that many of them can come in batches."""
        for event in events:
            self.view.apply(event)
            self._touch(event)

    def due_ns(self) -> int | None:
        """Earliest time after the last tick at which another tick could say something without a reading: lets a replay skip ticks."""
        due = [self.aligner.next_ns, self.waves.due_ns()]
        for detector in self.bank.detectors:
            instant = Instant(now_ns=self.tick_ns or 0, key=0, listened_ns=self.listened_ns, rows=self.bank.rows_of(detector))
            due.append(detector.due_ns(instant, self.bank.states[detector.rule], self.bank.params_of(detector)))
        return min((at for at in due if at is not None), default=None)

    def _touch(self, event: EventRow) -> None:
        """Note what an event can have moved; whatever is not plainly about one device or one person moves everything."""
        if event.kind.startswith(DEVICE_EVENTS):
            self._devices.add(str(event.body.get("device_id") or event.body["id"]))
        elif event.kind in PERSON_EVENTS:
            self._people.add(str(event.body["id"]))
        elif event.kind.startswith(REGISTRY_EVENTS):
            self._moved = True

    # --- time --------------------------------------------------------------------------------------------------------

    def _tick(self, offset: int, tick: Tick, events: Sequence[EventRow]) -> None:
        before_ns = self.tick_ns if self.tick_ns is not None else tick.t_ns
        passed_ns = tick.t_ns - before_ns
        if passed_ns < -STEP_BACK_NS:
            self.bank.shift(passed_ns)
            self.waves.shift(passed_ns)
            self.aligned_ns = None
        self.listened_ns += min(max(passed_ns, 0), int(self.config.tick_gap_s * NS_PER_S))
        self.tick_ns = tick.t_ns
        self._now = (offset, tick.t_ns)
        self._align(tick, events)
        self._found += self.waves.tick(offset, tick.t_ns, self.view)
        self._judge_standing(offset, tick.t_ns)
        for detector in (*self._presence, *self._quality, *self._clinical):
            self._pass(detector, offset, tick.t_ns)
        minute = int(tick.t_ns // (self.config.news2_every_s * NS_PER_S))
        if minute != self.scored:
            self.scored = minute
            for detector in (*self._scores, *self.people.detectors):
                self._pass(detector, offset, tick.t_ns)

    def _pass(self, detector: Detector, offset: int, now_ns: int) -> None:
        instant = Instant(now_ns=now_ns, key=offset, listened_ns=self.listened_ns, rows=self.bank.rows_of(detector))
        self._say(detector, detector.tick(instant, self.bank.states[detector.rule], self.bank.params_of(detector)), None)

    def _align(self, tick: Tick, events: Sequence[EventRow]) -> None:
        self.fold(events)
        # a restored event log may be shorter than the ticks of the journal say; what exists is what counts
        self.counters["events_missing"] += max(0, tick.events_offset - self.view.offset)
        if self._moved or self.aligned_ns is None or self.aligner.due(tick.t_ns):
            self.aligner.all(tick.t_ns, self.listened_ns)
            self.aligned_ns = tick.t_ns
        elif self._devices or self._people:
            self.aligner.some(self._devices, self._people, tick.t_ns, self.listened_ns)
            self.aligned_ns = tick.t_ns
        self._moved = False
        self._devices.clear()
        self._people.clear()

    # --- readings ----------------------------------------------------------------------------------------------------

    def _readings(self, first: int, readings: ReadingBlock) -> Iterator[None]:
        names = self._names(readings)
        device = names[readings.device]
        self._found += self.clocks.step(first, readings, self.view, self.roster.bound[device])
        self._alive(first, readings, device)
        index = (
            ((readings.mark & UNTIMELY) == 0) & ((readings.quality & WAVE) == 0) & _VITAL[readings.quantity] & self.roster.bound[device]
        ).nonzero()[0]
        index = self._own(index, readings, device)
        if not len(index):
            return
        rows = self.roster.rows(device[index], readings.quantity[index])
        if (rows == NO_ROW).any():
            new = index[rows == NO_ROW]
            for at, quantity in in_order(device[new], readings.quantity[new]):
                self.aligner.seat(at, quantity, self.aligned_ns or int(readings.t_received_ns[0]))
            rows = self.roster.rows(device[index], readings.quantity[index])
        index, rows = index[rows >= 0], rows[rows >= 0]
        order = ordered(readings, index)
        if order is not None:
            index, rows = index[order], rows[order]
        parts: list[Window] = []
        turns = rounds.split(rows)
        if len(turns) > MOST:
            kept = thinned(readings.frame[index], rows, readings.value[index])
            self.counters["thinned"] += len(index) - len(kept)
            index, rows = index[kept], rows[kept]
            turns = rounds.split(rows)
        for number, turn in enumerate(turns, start=1):
            self._round(first, readings, index[turn], rows[turn], parts)
            if number % ROUNDS_PER_STAGE == 0:
                yield
        if parts:
            self._score(parts)
        yield from self.people.flush(ROUNDS_PER_STAGE)

    def _round(self, first: int, readings: ReadingBlock, index: NDArray[np.int64], rows: NDArray[np.int64], parts: list[Window]) -> None:
        """One reading per series through all stages."""
        t_ns, mark = readings.t_measured_ns[index], readings.mark[index]
        last_ns = self.bank.windows.table["last_ns"][rows]
        old = t_ns < last_ns
        if old.any():
            superseded = old & ((mark & STORED) != 0)
            self.counters["superseded"] += int(superseded.sum())
            # a live reading is dated by its reception: if it seems old, the clock stepped back, and it is now all the same
            t_ns = np.maximum(t_ns, last_ns)
            keep = ~superseded
            index, rows, t_ns, mark = index[keep], rows[keep], t_ns[keep], mark[keep]
            if not len(index):
                return
        window = self._window(first, readings, index, rows, t_ns, mark)
        told = window.usable & ~np.isnan(window.value)
        self.bank.windows.push(rows[told], t_ns[told], window.value[told])
        self.bank.meta["value"][rows[window.usable]] = window.value[window.usable]
        self.bank.meta["origin"][rows] = window.origin
        for detector in self._presence:
            self._say(detector, detector.step(window, self.bank.states[detector.rule]), window)
        leap = self._flat.screen(window, self.bank.states[self._flat.rule])
        window.usable = window.usable & ~leap
        self.counters["leaps"] += int(leap.sum())
        for detector in self._quality:
            answer = detector.step(window, self.bank.states[detector.rule])
            self._say(detector, answer, window)
            window.usable = window.usable & (answer.verdict != ALARM)
        for detector in self._clinical:
            self._say(detector, detector.step(window, self.bank.states[detector.rule]), window)
        self.people.add(window, readings.quantity[index])
        scored = ((window.part >= 0) & window.usable & (self.bank.series["resident"][rows] >= 0)).nonzero()[0]
        if len(scored):
            parts.append(window.take(scored))

    def _window(
        self,
        first: int,
        readings: ReadingBlock,
        index: NDArray[np.int64],
        rows: NDArray[np.int64],
        t_ns: NDArray[np.int64],
        mark: NDArray[np.uint16],
    ) -> Window:
        value, quality = readings.value[index], readings.quality[index]
        above, below = (quality & ABOVE) != 0, (quality & BELOW) != 0
        return Window(
            rows=rows,
            t_ns=t_ns,
            value=value,
            key=first + index,
            # LO or HI without a number still says on which side of the sensor's range the true value lies
            usable=((quality & SPEECHLESS) == 0) & (np.isfinite(value) | above | below),
            doubtful=(quality & DOUBTFUL) != 0,
            beyond=above.astype(np.int8) - below.astype(np.int8),
            origin=np.where((mark & TEST) != 0, np.uint8(Origin.TEST), readings.origin[index]),
            part=_PART[readings.quantity[index]],
            params=self.bank.series,
            listened_ns=self.listened_ns,
            fault=faults(quality),
        )

    def _score(self, parts: list[Window]) -> None:
        """Hand each resident's newest parts of this block to the score: the latest in the journal, not the latest round."""
        whole = joined(parts)
        seat = self.bank.series["resident"][whole.rows]
        names = np.asarray(seat * 16 + whole.part, dtype=np.int64)
        position = np.arange(len(names), dtype=np.int64)
        newest = rounds.last_of(names)[names] == position
        whole = whole if newest.all() else whole.take(newest)
        whole = replace(whole, rows=self.bank.series["resident"][whole.rows], params=self.bank.residents)
        for detector in self._scores:
            self._say(detector, detector.step(whole, self.bank.states[detector.rule]), whole)

    def _names(self, readings: ReadingBlock) -> NDArray[np.int64]:
        """Index of each of the block's devices; new ones get theirs."""
        known = self.roster.devices
        found = [known.get(name, -1) for name in readings.devices]
        if -1 in found:
            for at, name in enumerate(readings.devices):
                if name not in known:
                    self.aligner.device(self.roster.device(name), int(readings.t_received_ns[0]), self.listened_ns)
                found[at] = known[name]
        return np.array(found, dtype=np.int64)

    def _own(self, index: NDArray[np.int64], readings: ReadingBlock, device: NDArray[np.int64]) -> NDArray[np.int64]:
        """Without stored readings of whoever had the device before."""
        stored = index[(readings.mark[index] & STORED) != 0]
        if not len(stored):
            return index
        others = [
            at
            for at in stored
            if self.view.resident_of(readings.devices[readings.device[at]], int(readings.t_measured_ns[at]))
            != self.roster.wearers[device[at]].resident
        ]
        self.counters["former_wearer"] += len(others)
        return index[~np.isin(index, others)] if others else index

    def _alive(self, first: int, readings: ReadingBlock, device: NDArray[np.int64]) -> None:
        """Anything but a retained message shows that its device lives: heard at its first reading, last seen at its last."""
        spoke = ((readings.mark & RETAINED) == 0).nonzero()[0]
        rows = self.roster.rows_of[device[spoke], DEVICE]
        if not len(rows) or rows.min() < 0:
            spoke, rows = spoke[rows >= 0], rows[rows >= 0]
            if not len(rows):
                return
        position = np.arange(len(rows), dtype=np.int64)
        if self.bank.states[self._nodata.rule]["active"][rows].any():
            at = position[rounds.first_of(rows)[rows] == position]
            self._heard(first, readings, spoke[at], rows[at])
        at = position[rounds.last_of(rows)[rows] == position]
        self._heard(first, readings, spoke[at], rows[at])

    def _heard(self, first: int, readings: ReadingBlock, index: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        count, no = len(rows), np.zeros(len(rows), dtype=bool)
        origin = np.where((readings.mark[index] & TEST) != 0, np.uint8(Origin.TEST), readings.origin[index])
        self.bank.meta["origin"][rows] = origin
        window = Window(
            rows=rows, t_ns=readings.t_received_ns[index], value=np.ones(count), key=first + index, usable=~no, doubtful=no,
            beyond=no.astype(np.int8), origin=origin, part=np.full(count, -1, dtype=np.int8), params=self.bank.series,
            listened_ns=self.listened_ns,
        )  # fmt: skip
        for detector in self._presence:
            self._say(detector, detector.step(window, self.bank.states[detector.rule]), window)

    # --- what it means -----------------------------------------------------------------------------------------------

    def _ended(self, detector: Detector, answer: Verdicts) -> None:
        """Conditions that ended with their binding or limit, at the tick or reading under way: not over, but no longer applicable."""
        before = len(self._found)
        self._say(detector, answer, None)
        self._found[before:] = [replace(one, params=one.params | {NOT_APPLICABLE: True}) for one in self._found[before:]]

    def _judge_standing(self, offset: int, now_ns: int) -> None:
        """Limits that began just now, for values that stand until the next one comes."""
        rows, self.aligner.standing = self.aligner.standing, []
        window = standing(self.bank, rows, offset, now_ns, self.listened_ns) if rows else None
        for detector in self._clinical if window is not None else ():
            if detector.rule.startswith("limit.") and window is not None:
                self._say(detector, detector.step(window, self.bank.states[detector.rule]), window)

    def _say(self, detector: Detector, answer: Verdicts, window: Window | None) -> None:
        if not answer.change.flags.writeable:
            return  # nothing was written: no transitions
        for at in answer.change.nonzero()[0]:
            change, row = Change(int(answer.change[at])), int(answer.rows[at])
            offset, t_ns = self._now if window is None else (int(window.key[at]), int(window.t_ns[at]))
            onset = (int(answer.onset_key[at]), int(answer.onset_ns[at]))
            ended = (int(answer.ended_key[at]), int(answer.ended_ns[at]))
            phases = [(Phase.START, onset)] if Change.START in change else []
            phases += [(Phase.UPDATE, onset)] if Change.UPDATE in change else []
            if Change.END in change:
                # with another onset it is the former condition that ended, before this one started
                phases.insert(len(phases) if ended == onset else 0, (Phase.END, ended))
            series = self._series(detector, row)
            for phase, (key, since_ns) in phases:
                moment = Moment(
                    phase=phase, row=row, onset_key=key, onset_ns=since_ns, offset=offset, t_ns=t_ns,
                    origin=self._origin(detector, series, row), direction=int(answer.evidence["direction"][at]) if answer.evidence else 0,
                )  # fmt: skip
                self._found.append(finding(detector.rule, detector.version, self.bank, self.config, series, moment))

    def _series(self, detector: Detector, row: int) -> Series:
        if detector.stage not in PERSONAL:
            return self.roster.at(row)
        name = self.roster.seats[row] or ""
        return Series(name, name, "", DEVICE)

    def _origin(self, detector: Detector, series: Series, row: int) -> int:
        """The worst of the condition's readings; a device that never spoke has the registry's word."""
        state = int(self.bank.states[detector.rule]["origin"][row])
        if detector.stage in PERSONAL:
            return state
        known = self.view.devices.get(series.device)
        registered = known.origin if known is not None and series.quantity == DEVICE else 0
        return max(state, int(self.bank.meta["origin"][row]), registered)
