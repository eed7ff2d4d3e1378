"""MQTT devices as firmware sees them: a sequence per boot, a log kept until the gateway says that it has stored it."""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.clock import DeviceClock
from firmware_sim.people import Vitals

LOG_LIMIT = 5_000  # messages kept until acknowledged; then the oldest vitals go, never a call


@dataclass(slots=True)
class Outgoing:
    """A message on its way: topic, body, its sequence number and whether it is a call."""

    topic: str
    body: bytes
    seq: int
    call: bool


@dataclass(slots=True)
class Device:
    """A simulated device of one kind; `observe` turns a person's vitals into messages by the kind's cadence."""

    id: str
    kind: str  # wearable | cuff | glucometer | button | pendant | bed | thermometer
    token: str = ""
    seed: int = 0
    clock: DeviceClock = field(default_factory=DeviceClock)
    silent: bool = False
    battery_pct: float = 90.0
    log: OrderedDict[int, Outgoing] = field(default_factory=OrderedDict)
    boot_id: str = field(init=False)
    seq: int = field(init=False, default=0)
    lost_calls: int = field(init=False, default=0)
    overwritten: int = field(init=False, default=0)
    _due_s: dict[str, float] = field(init=False, default_factory=dict)
    _buffer: list[tuple[int, Vitals]] = field(init=False, default_factory=list)
    _steps: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._new_boot(self.seed)

    def _new_boot(self, salt: object) -> None:
        self.boot_id = f"{random.Random(f'{self.id}-{salt}').getrandbits(48):012x}"
        self.seq = 0

    def reboot(self, t_world_ms: int) -> None:
        """Power cycle: a new boot id, the sequence starts again, the unacknowledged log is lost (it was in RAM)."""
        self.log.clear()
        self._new_boot(t_world_ms)

    def _message(self, t_world_ms: int, body: dict[str, Any], *, call: bool = False) -> Outgoing:
        head = {"v": 1, "device": self.id, "boot_id": self.boot_id, "seq": self.seq, "t": self.clock.read_ms(t_world_ms)}
        topic = f"anxin/{'call' if call else 'up'}/{self.id}"
        out = Outgoing(topic, json.dumps(head | body, separators=(",", ":")).encode(), self.seq, call)
        self.seq += 1
        self.log[out.seq] = out
        if len(self.log) > LOG_LIMIT:
            oldest = next((seq for seq, kept in self.log.items() if not kept.call), None)
            self.log.pop(next(iter(self.log)) if oldest is None else oldest)
            self.overwritten += 1
        return out

    def call(self, kind: str, t_world_ms: int, *, test: bool = False) -> Outgoing:
        """A press, a pull or a detected fall."""
        body: dict[str, Any] = {"call": {"kind": kind}}
        return self._message(t_world_ms, body | ({"test": True} if test else {}), call=True)

    def acknowledged(self, boot_id: str | None, seq: int | None) -> None:
        """The gateway has it for good: forget it."""
        if boot_id == self.boot_id and seq is not None:
            self.log.pop(seq, None)

    def _every(self, name: str, period_s: float, t_s: float) -> bool:
        due = self._due_s.get(name)
        if due is None:  # spread the first ones, so that a fleet does not speak in chorus
            due = t_s + random.Random(f"{self.id}-{name}").uniform(0, min(period_s, 20.0))
            self._due_s[name] = due
        if t_s < due:
            return False
        self._due_s[name] = max(due + period_s, t_s - period_s)
        return True

    def observe(self, t_world_ms: int, vitals: Vitals) -> list[Outgoing]:
        """Messages due now; a silent device makes none and counts none."""
        if self.silent:
            return []
        t_s = t_world_ms / 1000
        out: list[Outgoing] = []
        if self.kind == "wearable":
            out += self._wearable(t_world_ms, t_s, vitals)
        elif self.kind == "cuff" and self._every("bp", 900, t_s):
            out.append(self._readings(t_world_ms, sbp=(vitals.sbp_mmhg, "mm[Hg]", 0), dbp=(vitals.dbp_mmhg, "mm[Hg]", 0)))
        elif self.kind == "glucometer" and self._every("glucose", 1800, t_s):
            out.append(self._readings(t_world_ms, glucose=(vitals.glucose_mmol_l, "mmol/L", 1)))
        elif self.kind == "bed" and self._every("bed", 10, t_s):
            out.append(self._readings(t_world_ms, bed_occupied=(float(vitals.in_bed), "1", 0)))
        if self._every("battery", 60, t_s):
            self.battery_pct = max(1.0, self.battery_pct - 0.002)
            out.append(self._readings(t_world_ms, battery=(self.battery_pct, "%", 0)))
        return out

    def _wearable(self, t_world_ms: int, t_s: float, vitals: Vitals) -> list[Outgoing]:
        """Heart rate, SpO2, respiration once a second, sent as arrays of five; temperature and steps each minute."""
        out: list[Outgoing] = []
        self._steps += vitals.steps_per_min / 60
        if self._every("sample", 1, t_s):
            self._buffer.append((t_world_ms, vitals))
        if len(self._buffer) >= 5:
            out.append(self._series(t_world_ms))
            self._buffer.clear()
        if self._every("temp", 30, t_s):
            out.append(self._readings(t_world_ms, temp=(vitals.temp_cel, "Cel", 2)))
        if self._every("steps", 60, t_s):
            out.append(self._readings(t_world_ms, steps=(float(int(self._steps)), "{steps}", 0)))
        return out

    def _series(self, t_world_ms: int) -> Outgoing:
        times = [self.clock.read_ms(t) for t, _ in self._buffer]
        columns = {
            "hr": ("/min", [round(v.hr_bpm) for _, v in self._buffer]),
            "spo2": ("%", [round(v.spo2_pct) for _, v in self._buffer]),
            "resp": ("/min", [round(v.resp_bpm) for _, v in self._buffer]),
        }
        if any(t is None for t in times):  # no clock: the latest of each, dated by its reception
            return self._readings(t_world_ms, **{key: (float(values[-1]), unit, 0) for key, (unit, values) in columns.items()})
        series = [{"quantity": key, "unit": unit, "value": values, "t": times} for key, (unit, values) in columns.items()]
        return self._message(t_world_ms, {"series": series})

    def _readings(self, t_world_ms: int, **values: tuple[float, str, int]) -> Outgoing:
        items = [{"quantity": key, "value": round(value, digits), "unit": unit} for key, (value, unit, digits) in values.items()]
        return self._message(t_world_ms, {"readings": items})
