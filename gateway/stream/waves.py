"""Raw acceleration out of the frames of the journal into the fall detector, and its findings out of it. Pure; one part of the engine.

A message holds x, y, z by turns (devices/payloads/asyncapi.yaml); it ends when it was received. Messages follow on each other if their
device times do, or, without a device clock, their receptions roughly; otherwise the detector starts anew. Only sensors that the registry
calls worn at waist or chest are judged: elsewhere, or where nobody said so, detection is off, and a technical finding says that.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import END, START, UPDATE
from analytics.detect.fall import FINE, HELPLESS, OVER, QUIET, SILENT, Falls, Transition
from analytics.falls import G_MS2, HIGHEST_HZ, LOWEST_HZ
from analytics.table import Table
from devices import catalog
from devices.codes import BY_KEY
from devices.model import DecodeError, DeviceFacts, Quality, Wave
from gateway.readings import Mark, ReadingBlock
from gateway.registry.view import RegistryView
from gateway.stream.calls import CANCEL_WITHIN_NS, finding_id, origin_of
from gateway.stream.speak import finite
from gateway.vocabulary import AlertKind, Finding, Origin, Phase, Priority

ACC, CANCEL = BY_KEY["acc"].index, BY_KEY["call.cancel"].index
WORN = frozenset({"waist", "hip", "belt", "chest", "sternum"})
CAUSE = "call.fall"  # that of fall messages of other devices: one incident
UNSUPPORTED = "fall.unsupported"
UNTIMELY = int(Mark.LATE | Mark.FUTURE | Mark.RETAINED | Mark.STORED)
WAVE = int(Quality.WAVE)
DEVICE_SLACK_NS = 100_000_000  # device clocks are whole milliseconds and drift
RECEPTION_SLACK_NS = 2_500_000_000  # networks do not deliver evenly
PHASES = {START: Phase.START, UPDATE: Phase.UPDATE, END: Phase.END}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Samples of one message: row, float64[m, 3] in g, end, journal offset."""

    row: int
    acc_g: NDArray[np.float64]
    rate_hz: float
    end_ns: int
    key: int


class Waves:
    """Rows of the fall detector by device; one device has one wearer at a time."""

    def __init__(self, detector: Falls | None = None) -> None:
        self.detector = Falls() if detector is None else detector
        self.state = Table(self.detector.columns)
        self.counters: Counter[str] = Counter()
        self._rows: dict[str, int] = {}
        self._residents: list[str | None] = []
        self._next: dict[str, list[int]] = {}  # device -> [device time, reception] at which its next message begins (0 = no clock), ends
        self._off: dict[str, list[Any]] = {}  # device -> [offset, time, place] since when its position is not supported

    def step(self, first: int, readings: ReadingBlock, view: RegistryView) -> list[Finding]:
        """Findings of a block's waveforms and cancellations."""
        wanted = ((readings.quality & WAVE) != 0) & (readings.quantity == ACC) | (readings.quantity == CANCEL)
        if not wanted.any():
            return []
        found: list[Finding] = []
        turns: list[dict[int, Chunk]] = []
        for index in np.flatnonzero(wanted & ((readings.mark & UNTIMELY) == 0)).tolist():
            if readings.quantity[index] == CANCEL:
                found += self._flush(turns, view)
                found += self._cancel(first + index, index, readings, view)
                continue
            chunk = self._chunk(first + index, index, readings, view, found)
            if chunk is not None:
                turn = next((turn for turn in turns if chunk.row not in turn), None)
                if turn is None:
                    turn = {}
                    turns.append(turn)
                turn[chunk.row] = chunk
        return found + self._flush(turns, view)

    def tick(self, key: int, now_ns: int, view: RegistryView) -> list[Finding]:
        """Falls after which the sensor fell silent."""
        return self._findings(self.detector.tick(now_ns, key, len(self._residents), self.state), view)

    def due_ns(self) -> int | None:
        """When the next fall is one without recovery because nothing more came."""
        return self.detector.due_ns(len(self._residents), self.state)

    def shift(self, delta_ns: int) -> None:
        """The wall clock stepped back."""
        self.state.shift([name for name in self.state.columns if name.endswith("_ns")], delta_ns)
        for spans in self._next.values():
            spans[1] += delta_ns

    # --- one message --------------------------------------------------------------------------------------------------

    def _chunk(self, key: int, index: int, readings: ReadingBlock, view: RegistryView, found: list[Finding]) -> Chunk | None:
        device = readings.devices[readings.device[index]]
        t_ns = int(readings.t_received_ns[index])
        resident = view.resident_of(device, t_ns)
        if resident is None or not self._supported(device, resident, key, t_ns, readings, index, view, found):
            return None
        frame = readings.frames[readings.frame[index]]
        try:
            known = view.devices[device]  # it has a position, so it is known
            message = catalog.decode(frame.topic, frame.payload, DeviceFacts(device=device, model=known.model, facts=known.facts))
        except DecodeError:
            self.counters["waves_undecodable"] += 1  # intake has read this frame before: it is of another version of the code
            return None
        wave = next((item for item in message.items if isinstance(item, Wave) and item.quantity == "acc"), None)
        if wave is None or len(wave.values) % 3 or not LOWEST_HZ <= wave.rate_hz <= HIGHEST_HZ:
            self.counters["waves_unfit"] += 1
            return None
        row = self._row(device, resident, key, t_ns, found, view)
        acc = np.frombuffer(wave.values, np.float64).reshape(-1, 3) / G_MS2
        span_ns = round(len(acc) / wave.rate_hz * 1e9)
        if not self._follows(device, row, frame.t_device_ns, t_ns, span_ns):
            return None
        self.state["origin"][row] = origin_of(int(readings.origin[index]), int(readings.mark[index]))
        return Chunk(row=row, acc_g=acc, rate_hz=wave.rate_hz, end_ns=t_ns, key=key)

    def _follows(self, device: str, row: int, begin_ns: int | None, received_ns: int, span_ns: int) -> bool:
        """Whether the message counts: what is older than what came before does not, after a gap the detector starts anew."""
        expected = self._next.get(device)
        self._next[device] = [0 if begin_ns is None else begin_ns + span_ns, received_ns]
        if expected is None:
            return True
        if begin_ns is not None and expected[0]:
            off_ns = begin_ns - expected[0]
            slack_ns = DEVICE_SLACK_NS + span_ns // 20
            if -60_000_000_000 < off_ns < -slack_ns:  # came again, or late and out of order; a clock that was set back is another matter
                self._next[device] = expected
                self.counters["waves_old"] += 1
                return False
        else:
            off_ns, slack_ns = received_ns - expected[1] - span_ns, RECEPTION_SLACK_NS + span_ns
        if abs(off_ns) > slack_ns:
            self.counters["waves_gaps"] += 1
            self.detector.restart(np.array([row]), self.state)
        return True

    def _row(self, device: str, resident: str, key: int, t_ns: int, found: list[Finding], view: RegistryView) -> int:
        row = self._rows.get(device)
        if row is None:
            row = self._rows[device] = len(self._residents)
            self._residents.append(resident)
            self.state.ensure(row + 1)
        elif self._residents[row] != resident:
            if self.state["state"][row] not in (QUIET, OVER, FINE):
                onset = int(self.state["onset_key"][row]), int(self.state["onset_ns"][row])
                over = Transition(row=row, change=END, key=key, t_ns=t_ns, onset_key=onset[0], onset_ns=onset[1])
                found += self._findings([over], view)
            self.state.reset(np.array([row]))
            self._residents[row] = resident
            self._next.pop(device, None)
        return row

    def _cancel(self, key: int, index: int, readings: ReadingBlock, view: RegistryView) -> list[Finding]:
        row = self._rows.get(readings.devices[readings.device[index]])
        if row is None:
            return []
        t_ns = int(readings.t_received_ns[index])
        said = self.detector.cancel(row, key, t_ns, CANCEL_WITHIN_NS / 1e9, self.state)
        return [] if said is None else self._findings([said], view)

    def _flush(self, turns: list[dict[int, Chunk]], view: RegistryView) -> list[Finding]:
        """Hand over what was collected, equal lengths and rates together."""
        found: list[Finding] = []
        for turn in turns:
            groups: dict[tuple[float, int], list[Chunk]] = {}
            for chunk in turn.values():
                groups.setdefault((chunk.rate_hz, len(chunk.acc_g)), []).append(chunk)
            for (rate_hz, _), group in groups.items():
                _, said = self.detector.push(
                    np.array([chunk.row for chunk in group]), np.array([chunk.acc_g for chunk in group]), rate_hz,
                    np.array([chunk.end_ns for chunk in group]), np.array([chunk.key for chunk in group]), self.state,
                )  # fmt: skip
                found += self._findings(said, view)
        turns.clear()
        return found

    # --- what it means ------------------------------------------------------------------------------------------------

    def _findings(self, said: Iterable[Transition], view: RegistryView) -> list[Finding]:
        return [self._finding(one, view) for one in said]

    def _finding(self, said: Transition, view: RegistryView) -> Finding:
        resident = self._residents[said.row]
        device = next(name for name, row in self._rows.items() if row == said.row)
        held = int(self.state["state"][said.row])
        code, extra = "finding.fall", dict[str, Any]()
        if said.change == END:
            code = "finding.fall.over"
        elif said.change == UPDATE:
            code = {HELPLESS: "finding.fall.helpless", SILENT: "finding.fall.silent", FINE: "finding.call.cancel"}[held]
            extra = {"cancelled": True} if held == FINE else {}
        worse = said.change == UPDATE and held in (HELPLESS, SILENT)
        evidence: dict[str, Any] = {}
        if said.change == START:
            evidence = self.detector.trace(said.row, self.state)
            evidence["t_ms"] = [said.onset_ns // 1_000_000 + int(one) for one in evidence.get("t_ms", [])]
        return Finding(
            id=finding_id(str(resident), self.detector.rule, said.onset_key, self.detector.version),
            phase=PHASES[said.change],
            rule=self.detector.rule,
            rule_version=self.detector.version,
            cause=CAUSE,
            kind=AlertKind.CALL,
            priority=Priority.HIGH if worse else Priority.MEDIUM,
            resident=resident,
            device=device,
            onset_offset=said.onset_key,
            onset_ns=said.onset_ns,
            offset=said.key,
            t_ns=said.t_ns,
            latched=True,
            origin=Origin(int(self.state["origin"][said.row])),
            code=code,
            params=finite(self.detector.numbers(said.row, self.state)) | {"lasted_s": round((said.t_ns - said.onset_ns) / 1e9, 1)} | extra,
            evidence=evidence,
        )

    def _supported(
        self, device: str, resident: str, key: int, t_ns: int, readings: ReadingBlock, index: int, view: RegistryView, found: list[Finding]
    ) -> bool:
        """Whether the sensor's position is one that the model knows; says it once where it is not, and once that it is now."""
        known = view.devices.get(device)
        place = "" if known is None else known.facts.get("body_location", "")
        since = self._off.get(device)
        if place in WORN:
            if since is not None:
                found.append(self._position(device, resident, Phase.END, since, key, t_ns, readings, index))
                del self._off[device]
            return True
        if since is None or since[2] != place:
            if since is not None:
                found.append(self._position(device, resident, Phase.END, since, key, t_ns, readings, index))
            self._off[device] = [key, t_ns, place]
            found.append(self._position(device, resident, Phase.START, self._off[device], key, t_ns, readings, index))
        return False

    def _position(
        self, device: str, resident: str, phase: Phase, since: list[Any], key: int, t_ns: int, readings: ReadingBlock, index: int
    ) -> Finding:
        onset_key, onset_ns, place = int(since[0]), int(since[1]), str(since[2])
        return Finding(
            id=finding_id(device, UNSUPPORTED, onset_key, self.detector.version),
            phase=phase,
            rule=UNSUPPORTED,
            rule_version=self.detector.version,
            cause=UNSUPPORTED,
            kind=AlertKind.TECHNICAL,
            priority=Priority.LOW,
            resident=resident,
            device=device,
            onset_offset=onset_key,
            onset_ns=onset_ns,
            offset=key,
            t_ns=t_ns,
            origin=origin_of(int(readings.origin[index]), int(readings.mark[index])),
            code="finding.fall.unsupported" if place else "finding.fall.unplaced",
            params={"place": place},
        )

    # --- checkpoint ---------------------------------------------------------------------------------------------------

    def pack(self) -> bytes:
        """All memory: length-prefixed JSON, then the table."""
        head = {"rows": self._rows, "residents": self._residents, "next": self._next, "off": self._off, "counters": dict(self.counters)}
        text = json.dumps(head, separators=(",", ":")).encode()
        return _LENGTH.pack(len(text)) + text + self.state.pack(len(self._residents))

    def unpack(self, data: bytes) -> None:
        """From `pack`; TableError, struct.error or ValueError if it is something else."""
        (size,) = _LENGTH.unpack_from(data)
        head: Mapping[str, Any] = json.loads(data[_LENGTH.size : _LENGTH.size + size])
        self._rows, self._residents = dict(head["rows"]), list(head["residents"])
        self._next, self._off = dict(head["next"]), dict(head["off"])
        self.counters = Counter(head["counters"])
        self.state.unpack(data[_LENGTH.size + size :])
