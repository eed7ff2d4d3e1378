"""Slow, obvious twins of the vectorised detectors: one series, one reading at a time, plain Python numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, isnan, log, nan, sqrt

NS = 1_000_000_000


@dataclass
class SlowCondition:
    """The state machine of analytics/condition.py as one would write it on paper."""

    t_on: float
    t_off: float
    hold: float
    area_limit: float = float("inf")
    need: int = 1
    state: str = "ok"
    since: float = 0.0
    onset: int | None = None
    last: float | None = None
    depth: float = 0.0
    area: float = 0.0
    recent: list[bool] = field(default_factory=list)
    extreme: bool = False
    said: list[tuple[str, int | None]] = field(default_factory=list)

    def pass_time(self, now: float) -> None:
        if self.last is None:
            return
        until = min(now, self.last + self.hold)
        area = self.area + self.depth * max(0.0, until - self.last)
        if self.state == "pending" and self.need <= 1 and (until - self.since >= self.t_on or area > self.area_limit):
            self.state = "active"
            self.said.append(("start", self.onset))
        elif self.state == "clearing" and until - self.since >= self.t_off:
            self.said.append(("end", self.onset))
            self.reset()
            self.recent = []

    def take(self, key: int, now: float, bad: bool, extreme: bool, safe: bool, depth: float) -> None:
        self.pass_time(now)
        gap = 0.0 if self.last is None else max(0.0, now - self.last)
        known = min(gap, self.hold)
        if self.state != "ok":
            self.since += gap - known
        self.recent = [*self.recent, bad][-3:]
        if self.state == "pending" and not bad and (self.need <= 1 or not any(self.recent)):
            self.reset()
        if self.state == "ok" and bad:
            self.state, self.since, self.onset, self.area, self.extreme = "pending", now, key, 0.0, False
        elif self.state != "ok":
            self.area += self.depth * known
        began = False
        if self.state == "pending" and bad:
            enough = sum(self.recent) >= self.need if self.need > 1 else self.t_on <= 0
            if extreme or enough or self.area > self.area_limit:
                self.state, began = "active", True
                self.said.append(("start", self.onset))
        if self.state == "clearing" and not safe:
            self.state = "active"
        if extreme and not self.extreme and self.state != "ok":
            self.extreme = True
            if self.state == "active" and not began:
                self.said.append(("update", self.onset))
        if self.state == "active" and safe:
            self.state, self.since = "clearing", now
            if self.t_off <= 0:
                self.said.append(("end", self.onset))
                self.reset()
        self.last, self.depth = now, depth

    def reset(self) -> None:
        self.state, self.area, self.extreme = "ok", 0.0, False


@dataclass
class SlowSignal:
    """State, usual and evidence of one signal of one person (the first rows of analytics/detect/deviation.py)."""

    tau: float
    floor: float
    m: float = nan
    v: float = 0.0
    n: int = 0
    first: float = 0.0
    last: float = 0.0
    minute: int | None = None
    former: int | None = None
    values: list[float] = field(default_factory=list)
    m0: float = nan
    v0: float = 0.0
    ready0: bool = False
    mu: list[float] = field(default_factory=lambda: [nan] * 24)
    var: list[float] = field(default_factory=lambda: [0.0] * 24)
    seen: list[float] = field(default_factory=lambda: [0.0] * 24)
    smooth: float = 0.0
    tail: float = 1.5
    excess: float = 0.5
    judged: bool = False
    told: float = -1e18

    def take(self, now: float, x: float) -> None:
        minute = int(now // 60)
        if minute != self.minute:
            if self.values:
                self.close(now)
            self.minute, self.values = minute, []
            self.m0, self.v0 = self.m, self.v
            self.ready0 = self.n >= 8 and self.last - self.first >= self.tau / 4
        self.learn(now, x)
        self.values.append(x)

    def learn(self, now: float, x: float) -> None:
        if self.n == 0:
            self.m, self.v, self.first, self.last = x, 0.0, now, now
        spread = max(sqrt(self.v), self.floor)
        move = min(max(x - self.m, -4 * spread), 4 * spread)
        rate = max(1 - exp(-max(now - self.last, 0.0) / self.tau), 1 / (self.n + 1))
        self.m, self.v = self.m + rate * move, (1 - rate) * (self.v + rate * move * move)
        self.n += 1
        self.last = now

    def close(self, now: float) -> None:
        assert self.minute is not None
        mean = sum(self.values) / len(self.values)
        hour = self.minute // 60 % 24
        usual = self.seen[hour] >= 2 * 86_400
        level, variance = (self.mu[hour], self.var[hour]) if usual else (self.m0, self.v0)
        self.judged = usual or self.ready0
        z = (mean - level) / max(sqrt(variance), self.floor) if self.judged else 0.0
        weight = min(max(1 if self.former is None else self.minute - self.former, 1), 20) / 20
        span = 24 * (60 if self.former is None else min(max((self.minute - self.former) * 60, 60), 3600))
        if self.seen[hour] == 0:
            self.mu[hour] = mean
        spread = max(sqrt(self.var[hour]), self.floor)
        move = min(max(mean - self.mu[hour], -4 * spread), 4 * spread)
        rate = max(1 - exp(-span / (14 * 86_400)), span / (self.seen[hour] + span))
        self.mu[hour] += rate * move
        self.var[hour] = (1 - rate) * (self.var[hour] + rate * move * move)
        self.seen[hour] += span
        self.former, self.told = self.minute, now
        self.smooth += 0.2 * weight * (min(max(z, -6), 6) - self.smooth)
        if self.judged:
            rate, beyond = 0.05 * weight, abs(self.smooth) - self.tail
            if beyond > 0:
                self.excess = min(max(self.excess + rate * (beyond - self.excess), 0.2), 2.0)
            self.tail += rate * ((beyond > 0) - 0.02)

    def evidence(self, now: float, age: float) -> float | None:
        """None where the signal cannot tell."""
        if not self.judged or now - self.told > age:
            return None
        tail = max(self.tail, 1.5)
        return min(1.7 + (abs(self.smooth) - tail) / (self.excess * log(10)), 6.0) if abs(self.smooth) > tail else 0.0


def slow_rounds(series: list[int]) -> list[list[int]]:
    """Positions by how often their series came before."""
    found: list[list[int]] = []
    for at, name in enumerate(series):
        turn = series[:at].count(name)
        if turn == len(found):
            found.append([])
        found[turn].append(at)
    return found


def slow_news2(resp: float, spo2: float, o2: float, sbp: float, pulse: float, cvpu: float, temp: float, scale: int) -> list[int]:
    """Points per part in the order of score.PARTS, -1 = cannot tell; the chart of the RCP, row by row."""

    def rounded(x: float, step: float) -> float:
        """Half up to the chart's resolution, in whole steps."""
        return int(x / step + 0.5 + 1e-9)

    def points(x: float, table: list[tuple[float, int]]) -> int:
        return -1 if isnan(x) else next(score for upto, score in table if x <= upto)

    inf = float("inf")
    whole = [nan if isnan(x) else rounded(x, 1) for x in (resp, spo2, sbp, pulse)]
    tenths = nan if isnan(temp) else rounded(temp, 0.1)
    low = [(83, 3), (85, 2), (87, 1), (92, 0)]
    if scale == 2:
        if isnan(o2) and whole[1] >= 93:
            oxygen = -1
        else:
            oxygen = points(whole[1], [*low, (94, 1), (96, 2), (inf, 3)] if o2 > 0 else [*low, (inf, 0)])
    else:
        oxygen = points(whole[1], [(91, 3), (93, 2), (95, 1), (inf, 0)])
    return [
        points(whole[0], [(8, 3), (11, 1), (20, 0), (24, 2), (inf, 3)]),
        oxygen,
        -1 if isnan(o2) else (2 if o2 > 0 else 0),
        points(whole[2], [(90, 3), (100, 2), (110, 1), (219, 0), (inf, 3)]),
        points(whole[3], [(40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (inf, 3)]),
        -1 if isnan(cvpu) else (3 if cvpu > 0 else 0),
        points(tenths, [(350, 3), (360, 1), (380, 0), (390, 1), (inf, 2)]),
    ]
