"""`anxin replay`: a recording through the same engine as live readings, as fast as it goes, with what it would have cost in alarms.

The journal is made up on the way: blocks of readings and ticks with dense offsets. A live journal ticks every second; here the step is the
fastest cadence of the recording, 1 to 60 s, and a tick is left out where the engine says that none could matter. Findings depend neither on
the size of the blocks nor on interruptions: the state file holds the engine, the place in the recording and the length of the findings
file, and is replaced atomically after the findings are on the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from devices.codes import BY_KEY, Kind
from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.collect.replay import Recording, SourceError, load
from gateway.events import EventRow
from gateway.readings import StoredBlock, Tick
from gateway.registry.view import RegistryView
from gateway.replay_ward import SLOWEST_TICK_S, events_of, first_residents, naive_alarms, readings_of, spans_of
from gateway.stream import checkpoint
from gateway.stream.engine import Engine
from gateway.stream.rules import StreamConfig
from gateway.vocabulary import Finding, Phase

BLOCK_ROWS = 2_000
SAVE_READINGS = 20_000  # readings between two states
TAIL_S = 86_400.0  # after the last reading, delays may still run out for this long
FORMAT = 1
CONFIG = StreamConfig(tick_gap_s=1e9)  # a recording has no absence of ours: every step of time counts as listened
_LENGTH = struct.Struct("<I")

Progress = Callable[[int, int], None]


class ReplayError(ValueError):
    """The replay cannot go on; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCost:
    """What one rule cost; `naive` is the plain crossing of the same threshold, None where there is no such thing."""

    rule: str
    alarms: int
    per_resident_day: float
    naive: int | None
    naive_per_resident_day: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a replay found."""

    source: str
    fingerprint: str
    residents: int
    resident_days: float
    readings: int
    skipped: Mapping[str, int]
    findings: int  # lines: starts, updates and ends
    findings_sha256: str
    rules: tuple[RuleCost, ...]
    ticks: int
    tick_s: float
    resumed: bool
    seconds: float
    readings_per_s: float

    def as_json(self) -> dict[str, Any]:
        """Plain data for --json."""
        return asdict(self)

    def text(self) -> str:
        """The report as a table."""
        lines = [
            f"{self.source}: {self.residents} residents, {self.resident_days:.1f} resident-days, {self.readings} readings",
            f"{self.readings_per_s:,.0f} readings/s ({self.seconds:.1f} s, {self.ticks} ticks every {self.tick_s:g} s or more)",
            f"{self.findings} findings, sha256 {self.findings_sha256}",
            f"{'rule':<28}{'alarms':>8}{'/resident-day':>15}{'naive':>8}{'/resident-day':>15}",
        ]
        for row in self.rules:
            naive = f"{row.naive:>8}{row.naive_per_resident_day:>15.3f}" if row.naive is not None else f"{'-':>8}{'-':>15}"
            lines.append(f"{row.rule:<28}{row.alarms:>8}{row.per_resident_day:>15.3f}{naive}")
        lines += [f"skipped {count} rows: {reason}" for reason, count in self.skipped.items()]
        return "\n".join(lines)


def run_replay(
    source: str,
    *,
    out: Path | None = None,
    state: Path | None = None,
    data_dir: Path | None = None,
    clock: Clock | None = None,
    config: StreamConfig = CONFIG,
    block_rows: int = BLOCK_ROWS,
    save_readings: int = SAVE_READINGS,
    max_residents: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Replay `source` (a known recording or a CSV path). Findings go to `out` as NDJSON; with `state` a killed replay goes on.

    SourceError: the recording cannot be used. ReplayError: the state file belongs to something else.
    """
    clock = clock or SystemClock()
    recording = load(source, data_dir or default_data_dir())
    if max_residents is not None:
        recording = first_residents(recording, max_residents)
    began_ns = clock.monotonic_ns()
    run = _Run(recording, config, block_rows)
    run.open(out, state)
    start = run.position
    try:
        run.go(save_readings, progress)
    finally:
        run.close()
    seconds = (clock.monotonic_ns() - began_ns) / NS_PER_S
    report = run.report(seconds, len(recording) - start, resumed=start > 0)
    if state is not None:
        state.unlink(missing_ok=True)
    return report


def default_data_dir() -> Path:
    """ANXIN_DATA, or ../shared/data seen from the project."""
    return Path(os.environ.get("ANXIN_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")


class _Run:
    """One replay: the made-up journal, the engine, the findings file."""

    def __init__(self, recording: Recording, config: StreamConfig, block_rows: int) -> None:
        self.recording = recording
        self.engine = Engine(config=config)
        self.position = 0  # next reading
        self.events = events_of(recording)
        self.ticks = 0
        self.written = 0  # bytes of findings
        self.findings = 0
        self.starts: Counter[str] = Counter()
        self.hash = hashlib.sha256()
        fast = [cadence_s for key, cadence_s in recording.cadence_s.items() if BY_KEY[key].kind is Kind.CONTINUOUS]
        self.tick_ns = int(min([SLOWEST_TICK_S, *fast]) * NS_PER_S)
        self._config = config
        self._block_rows = block_rows
        self._head = 1  # next journal offset
        self._out: BinaryIO | None = None
        self._state: Path | None = None
        self._saved = 0
        self._key = hashlib.sha256(
            json.dumps([FORMAT, recording.fingerprint, len(recording), self.tick_ns, config.fingerprint()]).encode()
        ).hexdigest()

    # --- state -------------------------------------------------------------------------------------------------------

    def open(self, out: Path | None, state: Path | None) -> None:
        """Open the findings file and go on from the state file if there is one."""
        self._state = state
        if state is not None and state.exists():
            self._resume(state.read_bytes(), out)
        if out is not None:
            self._out = out.open("r+b" if self.written else "wb")
            self._out.truncate(self.written)
            self._out.seek(self.written)

    def close(self) -> None:
        """Close the findings file."""
        if self._out is not None:
            self._out.close()

    def _resume(self, data: bytes, out: Path | None) -> None:
        try:
            (size,) = _LENGTH.unpack_from(data)
            head = json.loads(data[_LENGTH.size : _LENGTH.size + size])
            key = head["key"]
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise ReplayError("the state file is not readable; delete it to begin anew") from error
        if key != self._key:
            raise ReplayError("the state file belongs to another recording, configuration or version; delete it to begin anew")
        found = b"" if out is None or not out.exists() else out.read_bytes()[: head["written"]]
        if out is not None and len(found) < head["written"]:
            raise ReplayError("the findings file is shorter than the state says; delete the state file to begin anew")
        view = RegistryView.fold(self.events[: head["events"]])
        try:
            self.engine = checkpoint.restore(data[_LENGTH.size + size :], view, self._config)
        except checkpoint.CheckpointError as error:
            raise ReplayError(f"the state file does not fit: {error}; delete it to begin anew") from error
        self.position, self.ticks, self.findings = head["position"], head["ticks"], head["findings"]
        self.written, self._head, self._saved = head["written"], head["head"], head["position"]
        self.starts.update(head["starts"])
        self.hash = hashlib.sha256(found)
        if out is None and self.findings:
            raise ReplayError("the state file belongs to a replay with a findings file; name it again with --out")

    def save(self) -> None:
        """Findings to the disk, then the state, atomically."""
        if self._state is None:
            return
        if self._out is not None:
            self._out.flush()
            os.fsync(self._out.fileno())
        head = json.dumps({
            "key": self._key, "position": self.position, "ticks": self.ticks, "findings": self.findings, "written": self.written,
            "head": self._head, "events": self.engine.view.offset, "starts": dict(self.starts),
        }).encode()  # fmt: skip
        fresh = self._state.with_name(self._state.name + ".new")
        with fresh.open("wb") as file:
            file.write(_LENGTH.pack(len(head)) + head + checkpoint.snapshot(self.engine))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._state)
        self._saved = self.position

    # --- the made-up journal -----------------------------------------------------------------------------------------

    def go(self, save_readings: int, progress: Progress | None) -> None:
        """From the present position to the end."""
        t_ns, total = self.recording.t_ns, len(self.recording)
        if self.engine.tick_ns is None:
            self._tick(int(t_ns[0]) // self.tick_ns * self.tick_ns)
        while self.position < total:
            upto_ns = _ceil(int(t_ns[self.position]), self.tick_ns)
            self._idle(upto_ns)
            if upto_ns - self.tick_ns > (self.engine.tick_ns or 0):
                self._tick(upto_ns - self.tick_ns)  # a reading is heard at the time of the tick before it
            end = int(np.searchsorted(t_ns, upto_ns, side="right"))
            while self.position < end:
                self._block(min(end, self.position + self._block_rows))
            self._tick(upto_ns)
            if self.position - self._saved >= save_readings:
                self.save()
            if progress is not None:
                progress(self.position, total)
        self._idle(int(t_ns[-1]) + int(TAIL_S * NS_PER_S))

    def _idle(self, upto_ns: int) -> None:
        """The ticks before `upto_ns` that could matter: something is due, or staff noted something."""
        while True:
            now_ns = self.engine.tick_ns or 0
            due_ns = self.engine.due_ns()
            event = self.engine.view.offset
            if event < len(self.events) and (due_ns is None or self.events[event].t_ns < due_ns):
                due_ns = self.events[event].t_ns
            if due_ns is None:
                return
            at_ns = max(_ceil(due_ns, self.tick_ns), now_ns + self.tick_ns)
            if at_ns >= upto_ns:
                return
            self._tick(at_ns)

    def _tick(self, t_ns: int) -> None:
        after = self.engine.view.offset
        upto = after
        while upto < len(self.events) and self.events[upto].t_ns <= t_ns:
            upto += 1
        self.ticks += 1
        self._step(StoredBlock(first=self._head, tick=Tick(t_ns=t_ns, events_offset=upto)), self.events[after:upto])

    def _block(self, end: int) -> None:
        rows = slice(self.position, end)
        self.position = end
        self._step(StoredBlock(first=self._head, readings=readings_of(self.recording, rows)), ())

    def _step(self, block: StoredBlock, events: Sequence[EventRow]) -> None:
        self._head = block.last + 1
        for found in self.engine.step(block, events):
            self.findings += 1
            if found.phase is Phase.START:
                self.starts[found.rule] += 1
            line = ndjson(found)
            self.written += len(line)
            self.hash.update(line)
            if self._out is not None:
                self._out.write(line)

    # --- what it comes to --------------------------------------------------------------------------------------------

    def report(self, seconds: float, replayed: int, *, resumed: bool) -> Report:
        """The figures."""
        spans = spans_of(self.recording)
        days = sum((last - first) / (86_400 * NS_PER_S) for first, last in spans.values())
        naive = naive_alarms(self.recording, self._config)
        score = self.engine.bank.states["news2"]
        naive["news2.high"] = int(score["crossings"][: self.engine.bank.resident_rows].sum())
        rules = tuple(
            RuleCost(
                rule=rule,
                alarms=self.starts[rule],
                per_resident_day=round(self.starts[rule] / days, 4) if days else 0.0,
                naive=naive.get(rule),
                naive_per_resident_day=round(naive[rule] / days, 4) if days and rule in naive else None,
            )
            for rule in sorted({*self.starts, *(rule for rule, count in naive.items() if count)})
        )
        return Report(
            source=self.recording.name, fingerprint=self.recording.fingerprint, residents=len(set(self.recording.residents)),
            resident_days=round(days, 3), readings=len(self.recording), skipped=dict(self.recording.skipped), findings=self.findings,
            findings_sha256=self.hash.hexdigest(), rules=rules, ticks=self.ticks, tick_s=self.tick_ns / NS_PER_S, resumed=resumed,
            seconds=round(seconds, 3), readings_per_s=round(replayed / seconds, 1) if seconds else 0.0,
        )  # fmt: skip


def ndjson(found: Finding) -> bytes:
    """A finding as one line: keys sorted, so that equal findings are equal bytes."""
    return json.dumps(asdict(found), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _ceil(t_ns: int, step_ns: int) -> int:
    return -(-t_ns // step_ns) * step_ns


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m gateway.replay SOURCE`: the function behind `anxin replay` without the rest of the command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway.replay", description="replay a recording through the stream engine")
    parser.add_argument("source", help="name of a recording (mimic3_demo) or a CSV file")
    parser.add_argument("--out", type=Path, help="findings as NDJSON")
    parser.add_argument("--state", type=Path, help="state file: a killed replay goes on from it")
    parser.add_argument("--save-readings", type=int, default=SAVE_READINGS, help="readings between two states")
    parser.add_argument("--residents", type=int, help="only the first so many residents")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    chosen = parser.parse_args(arguments)
    try:
        report = run_replay(
            chosen.source, out=chosen.out, state=chosen.state, save_readings=chosen.save_readings, max_residents=chosen.residents
        )
    except (SourceError, ReplayError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write((json.dumps(report.as_json(), ensure_ascii=False) if chosen.json else report.text()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
