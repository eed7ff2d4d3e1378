"""A small invented ward for engine tests: events as the registry writes them, readings as intake makes them, a journal in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from devices.codes import BY_KEY
from devices.model import Quality
from gateway.events import EventRow
from gateway.readings import FrameRow, Mark, ReadingBlock, StoredBlock, Tick
from gateway.registry.view import Binding, Device, Limit, Place, Resident, Site
from gateway.stream.engine import Engine
from gateway.vocabulary import Finding, Origin, Phase

NS = 1_000_000_000
T0_NS = 1_760_000_000 * NS  # a whole second; 2025-10-09 08:53:20 UTC
FOREVER = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class R:
    """One reading; `t_s` counts from T0_NS. Readings with the same `frame` came in one frame."""

    device: str
    key: str
    value: float
    t_s: float
    quality: int = 0
    mark: int = 0
    origin: int = 0
    received_s: float | None = None
    frame: int | None = None


def block_of(readings: Sequence[R]) -> ReadingBlock:
    """Arrays of readings; each is a frame of its own unless it names one."""
    names = tuple(dict.fromkeys(r.device for r in readings))
    frames: dict[object, int] = {}
    for at, r in enumerate(readings):
        frames.setdefault(("one", at) if r.frame is None else ("many", r.frame), len(frames))
    keys = [("one", at) if r.frame is None else ("many", r.frame) for at, r in enumerate(readings)]
    received = [r.t_s if r.received_s is None else r.received_s for r in readings]
    rows: list[FrameRow] = [
        FrameRow(device="", channel="test", topic="", boot_id=None, seq=None, t_received_ns=T0_NS, t_device_ns=None, payload=b"")
        for _ in frames
    ]
    return ReadingBlock(
        devices=names,
        frames=tuple(rows),
        device=np.array([names.index(r.device) for r in readings], dtype=np.int32),
        quantity=np.array([BY_KEY[r.key].index for r in readings], dtype=np.int16),
        value=np.array([r.value for r in readings], dtype=np.float64),
        t_measured_ns=np.array([T0_NS + round(r.t_s * NS) for r in readings], dtype=np.int64),
        t_received_ns=np.array([T0_NS + round(t * NS) for t in received], dtype=np.int64),
        quality=np.array([r.quality for r in readings], dtype=np.uint16),
        mark=np.array([r.mark for r in readings], dtype=np.uint16),
        origin=np.array([r.origin for r in readings], dtype=np.uint8),
        frame=np.array([frames[key] for key in keys], dtype=np.int32),
    )


@dataclass(slots=True)
class Ward:
    """Collects events and hands them to an engine at ticks, like the runner does."""

    events: list[EventRow] = field(default_factory=list)

    def event(self, kind: str, body: dict[str, Any], t_s: float = 0.0) -> None:
        self.events.append(
            EventRow(offset=len(self.events) + 1, t_ns=T0_NS + round(t_s * NS), kind=kind, subject=str(body["id"]), actor="test", body=body)
        )

    def site(self, tz: str = "Asia/Shanghai") -> None:
        self.event("site.set", asdict(Site(id="S", name="S", tz=tz)))

    def resident(self, name: str, kind: str = "admitted", t_s: float = -FOREVER, **fields: Any) -> None:
        status = kind if kind in ("admitted", "away", "discharged", "died") else "admitted"
        record = Resident(id=name, name=name, initials=name, status=status, place=Place(site_id="S"), **fields)
        self.event(f"resident.{kind}", asdict(record) | {"at_ns": T0_NS + round(t_s * NS)}, max(t_s, 0.0))

    def device(self, name: str, quantities: tuple[str, ...] = (), cadence_s: dict[str, float] | None = None, **fields: Any) -> None:
        self.event("device.set", asdict(Device(id=name, site_id="S", quantities=quantities, cadence_s=cadence_s or {}, **fields)))

    def bind(self, device: str, resident: str | None, from_s: float = -FOREVER, to_s: float | None = None, name: str = "") -> None:
        place = Place(site_id="S", label="hall") if resident is None else None
        to_ns = None if to_s is None else T0_NS + round(to_s * NS)
        body = Binding(
            id=name or f"B-{device}-{len(self.events)}", device_id=device, resident_id=resident, place=place,
            valid_from_ns=T0_NS + round(from_s * NS), valid_to_ns=to_ns,
        )  # fmt: skip
        self.event("binding.set", asdict(body))

    def limit(self, quantity: str, resident: str | None = None, **fields: Any) -> None:
        self.event("limit.set", asdict(Limit(id=f"L{len(self.events)}", quantity=quantity, resident_id=resident, **fields)))


def ward(*devices: str, quantities: tuple[str, ...] = (), cadence_s: dict[str, float] | None = None) -> Ward:
    """Residents R-<device>, each with its device."""
    made = Ward()
    made.site()
    for name in devices:
        made.resident(f"R-{name}")
        made.device(name, quantities, cadence_s)
        made.bind(name, f"R-{name}")
    return made


@dataclass(slots=True)
class Run:
    """An engine under test with the journal that it is given."""

    ward: Ward
    engine: Engine = field(default_factory=Engine)
    findings: list[Finding] = field(default_factory=list)
    blocks: list[StoredBlock] = field(default_factory=list)
    head: int = 1

    def tick(self, t_s: float) -> list[Finding]:
        return self._step(StoredBlock(first=self.head, tick=Tick(t_ns=T0_NS + round(t_s * NS), events_offset=len(self.ward.events))))

    def read(self, *readings: R) -> list[Finding]:
        return self._step(StoredBlock(first=self.head, readings=block_of(readings)))

    def feed(self, readings: Iterable[R], *, until_s: float, from_s: float = 0.0, every_s: float = 1.0) -> list[Finding]:
        """Readings with a tick before each `every_s`, up to and with a tick at until_s."""
        found: list[Finding] = []
        rest = sorted(readings, key=lambda r: r.t_s)
        t_s = from_s
        while t_s <= until_s:
            now = [r for r in rest if r.t_s < t_s]
            rest = rest[len(now) :]
            if now:
                found += self.read(*now)
            found += self.tick(t_s)
            t_s += every_s
        return found

    def _step(self, block: StoredBlock) -> list[Finding]:
        self.blocks.append(block)
        self.head = block.last + 1
        found = self.engine.step(block, events_for(self.engine, block, self.ward.events))
        self.findings += found
        return found


def events_for(engine: Engine, block: StoredBlock, events: Sequence[EventRow]) -> list[EventRow]:
    """What the runner hands over with a block."""
    return [] if block.tick is None else list(events[engine.view.offset : block.tick.events_offset])


def series(device: str, key: str, values: Iterable[float], *, every_s: float = 1.0, from_s: float = 0.0, **fields: Any) -> Iterator[R]:
    """Readings at a fixed interval."""
    for at, value in enumerate(values):
        yield R(device=device, key=key, value=value, t_s=from_s + at * every_s, **fields)


def said(findings: Iterable[Finding]) -> list[str]:
    """Findings as "rule phase" for comparisons."""
    return [f"{finding.rule} {finding.phase}" for finding in findings]


__all__ = [
    "NS",
    "T0_NS",
    "Finding",
    "Mark",
    "Origin",
    "Phase",
    "Quality",
    "R",
    "Run",
    "Ward",
    "block_of",
    "events_for",
    "said",
    "series",
    "ward",
]
