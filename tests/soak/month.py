"""`python -m tests.soak month`: a simulated month of 100 residents, faster than real time, with truth labels.

Vitals once a minute (heart, oxygen, breathing) with a rhythm of the day and slow wander go through the real engine; what it finds, and
calls at their second, go to the real alert desk on a fake clock, where simulated staff answer pages, arrive and resolve. The staff: three
caregivers, a nurse, and a desk; a page is answered with 90 % by a caregiver who is free, after 4 to 25 s; arrival takes 1 to 3 min, help 2
to 15 min. Who handles an alert judges it by the truth labels. Everything follows from ANXIN_SEED (1); ANXIN_MONTH_DAYS (30) and
ANXIN_MONTH_RESIDENTS (100) make it smaller.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from devices.codes import BY_KEY
from devices.model import Quality
from gateway import figures
from gateway.figures import Span
from gateway.readings import FrameRow, ReadingBlock, StoredBlock, Tick
from gateway.registry.view import Place, Stay
from gateway.stream.engine import Engine
from gateway.stream.rules import StreamConfig
from gateway.vocabulary import Action, AlertConflict, AlertKind, Finding, Outcome, Phase
from tests.support.fake_clock import NS_PER_S, FakeClock
from tests.support.ward import NS, T0_NS, R, block_of, events_for
from tests.support.ward import ward as engine_ward
from tests.timeline.ward import SITE, Ward, person

SEED = int(os.environ.get("ANXIN_SEED", "1"))
DAYS = float(os.environ.get("ANXIN_MONTH_DAYS", "30"))
RESIDENTS = int(os.environ.get("ANXIN_MONTH_RESIDENTS", "100"))
KEYS = ("hr", "spo2", "resp")
MINUTE_S, DAY_S = 60, 86_400
SLACK_S = 600.0  # an alarm so long after its cause's end is still that cause's
SOS_LIMIT_S = 60.0
EPSILON_S = 1e-6  # a time that went through nanoseconds and back
# Name: per resident and month, minutes from and to, and what moves by how much. `true` = somebody should come.
CAUSES: dict[str, tuple[float, tuple[int, int], dict[str, float], bool]] = {
    "hypoxia": (0.5, (20, 60), {"spo2": -12.0, "hr": 15.0, "resp": 8.0}, True),
    "tachycardia": (0.4, (20, 60), {"hr": 65.0}, True),
    "bradypnoea": (0.1, (15, 40), {"resp": -9.0, "spo2": -4.0}, True),
    "motion": (12.0, (1, 2), {"spo2": -9.0, "hr": 20.0}, False),
    "exercise": (8.0, (10, 25), {"hr": 22.0, "resp": 5.0}, False),
}
FLAGGED = 0.8  # share of the motions that the wearable marks in its status bits, as oximeters do
SILENCES = 1.5  # a wearable on its charger or out of reach, per resident and month; 5 to 90 min
CALLS = {"sos": 1.2, "sos_by_mistake": 0.4, "fall": 0.3}
EXPLAINS = {
    "hypoxia": ("spo2", "hr", "resp", "news2", "deterioration"),
    "tachycardia": ("hr", "news2", "deterioration"),
    "bradypnoea": ("resp", "spo2", "news2", "deterioration"),
    "silent": ("nodata",),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened to a resident between two seconds; `flagged` = the device itself says that it moved."""

    who: int
    cause: str
    from_s: float
    to_s: float
    flagged: bool = False


@dataclass
class Script:
    """The month's happenings, from the seed alone."""

    truths: list[Truth] = field(default_factory=list)
    calls: list[tuple[float, int, str, bool]] = field(default_factory=list)  # second, resident, kind, meant

    @classmethod
    def write(cls, rng: random.Random) -> Script:
        made = cls()
        span_s, months = DAYS * DAY_S, DAYS / 30
        for who in range(RESIDENTS):
            for cause, (rate, (low, high), _, _) in CAUSES.items():
                for _ in range(_poisson(rng, rate * months)):
                    start = rng.uniform(DAY_S / 24, span_s - high * MINUTE_S)
                    flagged = cause == "motion" and rng.random() < FLAGGED
                    made.truths.append(Truth(who, cause, start, start + rng.uniform(low, high) * MINUTE_S, flagged))
            for _ in range(_poisson(rng, SILENCES * months)):
                start = rng.uniform(DAY_S / 24, span_s - 90 * MINUTE_S)
                made.truths.append(Truth(who, "silent", start, start + rng.uniform(5, 90) * MINUTE_S))
            for kind, rate in CALLS.items():
                for _ in range(_poisson(rng, rate * months)):
                    made.calls.append((round(rng.uniform(600, span_s - 3600), 1), who, kind.partition("_")[0], kind != "sos_by_mistake"))
        made.calls.sort()
        return made

    def explains(self, finding: Finding) -> bool:
        """Whether something true stands behind an alarm."""
        who, t_s = int((finding.resident or "R-d0")[3:]), (finding.t_ns - T0_NS) / NS
        for truth in self.truths:
            words = EXPLAINS.get(truth.cause, ())
            if truth.who == who and truth.from_s <= t_s <= truth.to_s + SLACK_S and any(word in finding.rule for word in words):
                return True
        return False


def _poisson(rng: random.Random, mean: float) -> int:
    total, count = rng.expovariate(1.0), 0
    while total < mean:
        total += rng.expovariate(1.0)
        count += 1
    return count


def physiology(script: Script) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """(second, values[3, residents], moving[residents]) per minute; NaN where a wearable is silent."""
    rng = np.random.default_rng(SEED)
    base = np.stack([rng.normal(74, 5, RESIDENTS), np.minimum(98.3, rng.normal(96.4, 0.7, RESIDENTS)), rng.normal(16, 1.2, RESIDENTS)])
    swing = np.array([[4.0], [0.4], [0.8]])
    sd, keep = np.array([[3.0], [0.5], [0.9]]), np.exp(-1 / np.array([[25.0], [15.0], [15.0]]))  # wander with a memory of minutes
    noise = np.zeros((3, RESIDENTS))
    jitter = np.array([[1.2], [0.4], [0.5]])
    starts = sorted(script.truths, key=lambda truth: truth.from_s)
    active: list[Truth] = []
    at = 0
    for minute in range(1, int(DAYS * 1440)):
        t_s = minute * MINUTE_S
        while at < len(starts) and starts[at].from_s <= t_s:
            active.append(starts[at])
            at += 1
        active = [truth for truth in active if truth.to_s > t_s]
        noise = keep * noise + sd * np.sqrt(1 - keep**2) * rng.standard_normal((3, RESIDENTS))
        phase = np.cos(2 * np.pi * ((t_s / DAY_S) % 1 - 0.6))
        values = base + swing * phase * np.array([[1.0], [-0.5], [1.0]]) + noise + jitter * rng.standard_normal((3, RESIDENTS))
        moving = np.zeros(RESIDENTS, dtype=bool)
        for truth in active:
            if truth.cause == "silent":
                values[:, truth.who] = np.nan
                continue
            for key, by in CAUSES[truth.cause][2].items():
                ramp = min(1.0, (t_s - truth.from_s) / 120.0 + 0.3)
                values[KEYS.index(key), truth.who] += by * ramp
            moving[truth.who] |= truth.flagged
        values[1] = np.minimum(values[1], 100.0)
        yield t_s, np.maximum(values, 1.0), moving


def minute_block(t_s: float, values: np.ndarray, moving: np.ndarray) -> ReadingBlock:
    """All readings of a minute; a frame each."""
    keys, who = np.nonzero(~np.isnan(values))
    count = len(who)
    t_ns = np.full(count, T0_NS + round(t_s * NS), dtype=np.int64)
    frame = FrameRow(device="", channel="sim", topic="", boot_id=None, seq=None, t_received_ns=int(T0_NS), t_device_ns=None, payload=b"")
    index = np.array([BY_KEY[key].index for key in KEYS], dtype=np.int16)
    return ReadingBlock(
        devices=tuple(f"d{n}" for n in range(RESIDENTS)), frames=(frame,) * count, device=who.astype(np.int32), quantity=index[keys],
        value=np.round(values[keys, who], 1), t_measured_ns=t_ns, t_received_ns=t_ns,
        quality=np.where(moving[who], int(Quality.MOTION), 0).astype(np.uint16),
        mark=np.zeros(count, dtype=np.uint16), origin=np.zeros(count, dtype=np.uint8), frame=np.arange(count, dtype=np.int32),
    )  # fmt: skip


def found_by_the_engine(script: Script) -> tuple[list[Finding], int]:
    """Findings of the month in their order, and how many readings there were."""
    house = engine_ward(
        *(f"d{n}" for n in range(RESIDENTS)), quantities=(*KEYS, "call.sos", "call.fall"), cadence_s=dict.fromkeys(KEYS, 60.0)
    )
    engine = Engine(config=StreamConfig(tick_gap_s=1e9))
    head, found, readings = 1, [], 0
    calls = iter(script.calls)
    call = next(calls, None)

    def step(block: StoredBlock) -> None:
        nonlocal head
        head = block.last + 1
        found.extend(engine.step(block, events_for(engine, block, house.events)))

    step(StoredBlock(first=head, tick=Tick(t_ns=T0_NS, events_offset=len(house.events))))
    for t_s, values, moving in physiology(script):
        while call is not None and call[0] <= t_s:
            press = R(device=f"d{call[1]}", key=f"call.{call[2]}", value=1.0, t_s=call[0])
            step(StoredBlock(first=head, readings=block_of([press])))
            call = next(calls, None)
        block = minute_block(t_s, values, moving)
        readings += len(block.value)
        step(StoredBlock(first=head, readings=block))
        step(StoredBlock(first=head, tick=Tick(t_ns=T0_NS + round(t_s * NS), events_offset=len(house.events))))
    return found, readings


@dataclass
class Shift:
    """The people who answer."""

    home: Ward
    rng: random.Random
    right: dict[str, bool]  # finding id -> whether something true stood behind it
    busy_until_s: dict[str, float] = field(default_factory=dict)
    todo: list[tuple[float, int, str, str, str]] = field(default_factory=list)  # second, number, deed, alert, who
    _count: Iterator[int] = field(default_factory=itertools.count)

    def plan(self, t_s: float, deed: str, alert_id: str, who: str) -> None:
        heapq.heappush(self.todo, (t_s, next(self._count), deed, alert_id, who))

    def hear(self) -> None:
        """New pages: whoever is free decides whether to come."""
        sql = "SELECT id, created_ns, recipient, alert_id FROM outbox WHERE id > ? ORDER BY id"
        rows = self.home.raw.read_sync(lambda conn: list(conn.execute(sql, (self.home._seen_pages,))))
        for number, created_ns, who, alert_id in rows:
            self.home._seen_pages = number
            t_s = (created_ns - self.home.start_ns) / NS_PER_S
            free = self.busy_until_s.get(who, 0.0) <= t_s
            if self.rng.random() < (0.9 if free else 0.15):
                self.plan(t_s + self.rng.uniform(4, 25), "claim", alert_id, who)

    async def do(self, deed: str, alert_id: str, who: str) -> None:
        """One deed; somebody else may have been first."""
        t_s, desk = self.home.t, self.home.desk
        actor = person(who)
        try:
            if deed == "claim":
                await desk.act(Action.CLAIM, alert_id, actor)
                arrive_s = t_s + self.rng.uniform(60, 170)
                self.busy_until_s[who] = arrive_s + 120
                self.plan(arrive_s, "arrive", alert_id, who)
            elif deed == "arrive":
                await desk.act(Action.ARRIVE, alert_id, actor)
                self.plan(t_s + self.rng.uniform(120, 500), "resolve", alert_id, who)
            else:
                await desk.act(Action.RESOLVE, alert_id, actor, outcome=self._judged(alert_id))
        except AlertConflict:
            return
        await self.home.clock.settle()

    def _judged(self, alert_id: str) -> Outcome:
        sql = "SELECT finding_id FROM alert_findings WHERE alert_id = ?"
        ids = self.home.raw.read_sync(lambda conn: [row[0] for row in conn.execute(sql, (alert_id,))])
        return Outcome.HELPED if any(self.right.get(one, False) for one in ids) else Outcome.FALSE_ALARM


async def lived_through(folder: Path, findings: list[Finding], right: dict[str, bool]) -> tuple[Ward, list[figures.Life], Span]:
    """The month at the desk."""
    home = Ward(folder, clock=FakeClock(T0_NS, pause_s=0.0002))
    home.beat_s = 3600.0
    for n in range(RESIDENTS):
        home.resident(f"R-d{n}", bed=f"{n // 20 + 1}-{n % 20 + 1:02d}")
        home.device(f"d{n}", f"R-d{n}")
        place = Place(site_id=SITE, label="")
        home.view._stays[f"R-d{n}"] = (Stay(from_ns=T0_NS, place=place, status="admitted"),)
    for who, role in (("ann", "caregiver"), ("bo", "caregiver"), ("chen", "caregiver"), ("nia", "nurse")):
        home.staff(who, role)
    await home.start()
    shift = Shift(home, random.Random(SEED + 7), right)
    coming = sorted(findings, key=lambda one: one.t_ns)
    at = 0
    try:
        while at < len(coming) or shift.todo:
            finding_s = (coming[at].t_ns - T0_NS) / NS if at < len(coming) else float("inf")
            deed_s = shift.todo[0][0] if shift.todo else float("inf")
            due_ns = home.raw.read_sync(lambda conn: conn.execute("SELECT min(due_mono) FROM alerts WHERE due_mono IS NOT NULL").get)
            due_s = float("inf") if due_ns is None else (due_ns - home.mono_start_ns) / NS_PER_S
            next_s = min(finding_s, deed_s, max(due_s, home.t))
            await home.wait(max(0.0, next_s - home.t) + (0.01 if next_s == max(due_s, home.t) else 0.0))
            if finding_s <= home.t + EPSILON_S:
                await home.take(coming[at])
                at += 1
            elif shift.todo and shift.todo[0][0] <= home.t + EPSILON_S:
                _, _, deed, alert_id, who = heapq.heappop(shift.todo)
                await shift.do(deed, alert_id, who)
            shift.hear()
        now_ns = home.clock.now_ns()
        span = Span(from_ns=T0_NS, to_ns=T0_NS + round(DAYS * DAY_S * NS), now_ns=now_ns)
        found = home.raw.read_sync(lambda conn: figures.lives(figures.read(conn, T0_NS), span))
        return home, found, span
    finally:
        await home.stop()


def table(report: dict[str, object], right: Counter[str], starts: Counter[str], days: float) -> list[str]:
    """Engine findings by rule: how many, how many per resident-day, how many had something true behind them."""
    lines = [f"{'rule':<28}{'alarms':>8}{'/resident-day':>15}{'right':>8}{'share':>8}"]
    for rule, count in sorted(starts.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"{rule:<28}{count:>8}{count / days:>15.4f}{right[rule]:>8}{right[rule] / count:>8.2f}")
    total, good = sum(starts.values()), sum(right.values())
    lines.append(f"{'all':<28}{total:>8}{total / days:>15.4f}{good:>8}{good / max(total, 1):>8.2f}")
    return lines


def main() -> int:
    """0 when no call was without an owner for more than a minute and every alert ended or has a next step due."""
    began_s = time.monotonic()
    script = Script.write(random.Random(SEED))
    findings, readings = found_by_the_engine(script)
    engine_s = time.monotonic() - began_s
    meant = {(round(at_s, 1), who): was_meant for at_s, who, _, was_meant in script.calls}
    right, starts, good = {}, Counter[str](), Counter[str]()
    for one in findings:
        if one.phase is not Phase.START:
            continue
        if one.kind is AlertKind.CALL:
            right[one.id] = meant.get((round((one.t_ns - T0_NS) / NS, 1), int((one.resident or "R-d0")[3:])), False)
        else:
            right[one.id] = script.explains(one)
        starts[one.rule] += 1
        good[one.rule] += right[one.id]
    with tempfile.TemporaryDirectory(prefix="anxin-month-") as folder:
        home, lives, span = asyncio.run(lived_through(Path(folder), findings, right))
    return said(script, findings, readings, engine_s, began_s, table({}, good, starts, DAYS * RESIDENTS), home, lives, span)


def said(
    script: Script, findings: list[Finding], readings: int, engine_s: float, began_s: float, rows: list[str], home: Ward,
    lives: list[figures.Life], span: Span,
) -> int:  # fmt: skip
    """Print it all; whether it may."""
    report = figures.report(home.view, lives, span, 1.0)["total"]
    sos = [life for life in lives if life.rule == "call.sos"]
    late = [life for life in sos if life.unowned_ns > SOS_LIMIT_S * NS_PER_S]
    open_without_step = [life for life in lives if life.still_unowned and life.priority >= 2]
    falls = sum(kind == "fall" for _, _, kind, _ in script.calls)
    digest = hashlib.sha256("\n".join(sorted(f"{one.id} {one.phase} {one.t_ns}" for one in findings)).encode())
    for life in sorted(lives, key=lambda one: (one.raised_ns, one.rule)):
        digest.update(f"{life.raised_ns} {life.claimed_ns} {life.arrived_ns} {life.resolved_ns} {life.outcome}".encode())
    calls, took_s = report["calls"], time.monotonic() - began_s
    fast, slow = calls["within_60_s"], calls["within_180_s"]
    print(f"{RESIDENTS} residents, {DAYS:g} days, seed {SEED}: {readings:,} readings, {len(findings):,} findings, engine {engine_s:.0f} s")
    print("\n".join(rows))
    about, rate = report["of_residents"], report["per_resident_day"]
    print(f"alerts at the desk: {report['alarms']}; about residents {about}, {rate} per resident-day")
    for row in report["by_rule"]:
        print(f"  {row['key']:<26}{row['alarms']:>6}  judged false {row['false']}/{row['judged']}")
    for name, times in report["times"].items():
        print(f"time to {name}: p50 {times['p50_s']:.1f} s, p95 {times['p95_s']:.1f} s (n={times['n']})")
    print(f"calls {calls['calls']} ({falls} falls), answered <= 60 s: {fast['share']} (goal {fast['goal']})", end="")
    print(f", <= 180 s: {slow['share']} (goal {slow['goal']})")
    longest_s = max((life.unowned_ns for life in sos), default=0) / NS
    print(f"SOS {len(sos)}, unowned > {SOS_LIMIT_S:.0f} s: {len(late)}; longest {longest_s:.1f} s")
    print(f"alerts of medium or high priority that nobody owns at the end: {len(open_without_step)}")
    print(f"digest {digest.hexdigest()[:16]}; {took_s:.0f} s in all, {DAYS * DAY_S / took_s:,.0f} times real time")
    missing = [call for call in script.calls if call[2] == "sos"]
    return 0 if not late and len(sos) <= len(missing) and sos else 1


if __name__ == "__main__":
    sys.exit(main())
