"""The ward wall: beds with their residents, last values with honest states, and how each bed is monitored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from devices import codes
from gateway.clock import NS_PER_S
from gateway.query.shape import ms, person_json
from gateway.query.vitals import VitalState, bounds_s, monitoring_of, state_of
from gateway.registry.view import PRESENT, Place, RegistryView, Resident
from gateway.stream.latest import SLOT_NS

WALL_KEYS = ("hr", "pulse", "spo2", "resp", "temp", "sbp", "dbp", "glucose", "glucose_cgm")
SPARK_KEYS = ("hr", "pulse", "spo2", "resp")
SPARK_POINTS = 40
TILES_S = 5.0


class LastValue(Protocol):
    """The newest value of one (device, quantity) that may stand for now."""

    @property
    def value(self) -> float:
        """Canonical unit; NaN = the device said that it has no value."""
        ...

    @property
    def t_ns(self) -> int:
        """When it was measured, UTC."""
        ...


class LatestValues(Protocol):
    """What the stream keeps of the present."""

    def last(self, device: str, quantity: str) -> LastValue | None:
        """Newest live value; late, future and retained readings never stand here."""
        ...

    def trend(self, device: str, quantity: str) -> Sequence[tuple[int, float]]:
        """Points of the last half hour as (start of the slot in UTC ns, value), oldest first, the newest still changing; NaN = none."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A device of a resident as the source of one quantity."""

    device_id: str
    quantity: str
    bound_ns: int
    live_s: float
    lost_s: float
    continuous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One place on the wall; `bed_id` stands for the resident where there is no bed (home, day centre)."""

    bed_id: str
    label: str
    site_id: str
    zone_id: str | None
    resident: Resident | None
    sources: tuple[Source, ...] = ()


@dataclass(slots=True)
class Vitals:
    """What a tile shows of its resident's vitals."""

    vitals: dict[str, dict[str, Any]] = field(default_factory=dict)
    spark: dict[str, list[float | None]] = field(default_factory=dict)
    monitoring: str = "none"
    monitoring_since_ms: int | None = None


def tiles(view: RegistryView, now_ns: int) -> list[Tile]:
    """All places of all sites: every bed, and every present resident without one."""
    found = []
    for bed in view.beds.values():
        occupant = view.occupant(bed.id)
        resident = view.residents.get(occupant) if occupant is not None else None
        found.append(
            Tile(
                bed_id=bed.id, label=bed.label, site_id=bed.site_id, zone_id=bed.zone_id, resident=resident,
                sources=sources_of(view, resident.id, now_ns) if resident is not None else (),
            )
        )  # fmt: skip
    for resident in view.residents.values():
        if resident.place.bed_id is None and resident.status in PRESENT:
            place: Place = resident.place
            found.append(
                Tile(
                    bed_id=f"resident:{resident.id}", label=place.label or resident.initials, site_id=place.site_id,
                    zone_id=place.zone_id, resident=resident, sources=sources_of(view, resident.id, now_ns),
                )
            )  # fmt: skip
    return sorted(found, key=lambda tile: (tile.label, tile.bed_id))


def sources_of(view: RegistryView, resident_id: str, now_ns: int) -> tuple[Source, ...]:
    """Which device gives which quantity of the resident now, with the ages that count for it."""
    found = []
    for device_id in view.devices_of(resident_id, now_ns):
        device = view.devices.get(device_id)
        binding = view.binding_at(device_id, now_ns)
        if device is None or binding is None or device.status != "active":
            continue
        for key in device.quantities:
            row = codes.BY_KEY.get(key)
            if row is None or key not in WALL_KEYS:
                continue
            continuous = row.kind is codes.Kind.CONTINUOUS
            live_s, lost_s = bounds_s(continuous=continuous, cadence_s=device.cadence_s.get(key, row.cadence_s), late_s=row.late_s)
            found.append(Source(device_id, key, binding.valid_from_ns, live_s, lost_s, continuous))
    return tuple(found)


class Present:
    """The present of all beds; keeps what is costly and changes seldom: the tiles per registry view, the lines per slot."""

    def __init__(self, latest: Callable[[], LatestValues]) -> None:
        self._latest = latest
        self._view: RegistryView | None = None
        self._made_ns = 0
        self._tiles: list[Tile] = []
        self._lines: dict[tuple[str, str, int], tuple[int, list[float | None]]] = {}

    def tiles(self, view: RegistryView, now_ns: int) -> list[Tile]:
        """All places; a binding that ends by itself shows within TILES_S."""
        if self._view is not view or not 0 <= now_ns - self._made_ns < TILES_S * NS_PER_S:
            self._view, self._made_ns, self._tiles = view, now_ns, tiles(view, now_ns)
            known = {(source.device_id, source.quantity, source.bound_ns) for tile in self._tiles for source in tile.sources}
            self._lines = {key: line for key, line in self._lines.items() if key in known}
        return self._tiles

    def tile_of(self, view: RegistryView, resident_id: str, now_ns: int) -> Tile | None:
        """The place of a resident; None for nobody's."""
        return next((tile for tile in self.tiles(view, now_ns) if tile.resident is not None and tile.resident.id == resident_id), None)

    def vitals(self, tile: Tile, now_ns: int) -> Vitals:
        """The tile's vitals now: per quantity the freshest source, never an old number as live."""
        result = Vitals()
        best: dict[str, tuple[int, Source, VitalState, float | None, int | None]] = {}
        for source in tile.sources:
            state, value, t_ns = self._read(source, now_ns)
            known = best.get(source.quantity)
            if known is None or (t_ns or 0) > known[0]:
                best[source.quantity] = (t_ns or 0, source, state, value, t_ns)
        continuous: list[VitalState] = []
        newest = 0
        for key in WALL_KEYS:
            if key not in best:
                continue
            rank_ns, source, state, value, t_ns = best[key]
            result.vitals[key] = {"value": value, "unit": codes.BY_KEY[key].ucum, "t_ms": ms(t_ns), "state": state}
            if key in SPARK_KEYS:
                result.spark[key] = self._line(source, rank_ns)
            if source.continuous:
                continuous.append(state)
                newest = max(newest, rank_ns)
        result.monitoring = monitoring_of(continuous)
        if result.monitoring in ("stale", "lost") and newest:
            result.monitoring_since_ms = ms(newest)
        return result

    def trend(self, tile: Tile, since_ns: int) -> dict[str, dict[str, list[Any]]]:
        """Per quantity the points since `since_ns` from the device that has most of them."""
        result: dict[str, dict[str, list[Any]]] = {}
        for source in tile.sources:
            points = [point for point in self._points(source) if point[0] >= since_ns]
            if points and len(points) > len(result.get(source.quantity, {}).get("t_ms", ())):
                result[source.quantity] = {"t_ms": [ms(t_ns) for t_ns, _ in points], "value": [_finite(value) for _, value in points]}
        return result

    def _line(self, source: Source, last_ns: int) -> list[float | None]:
        """The sparkline without its newest point: that one still changes, and a screen that only appends must never take one back."""
        key, slot = (source.device_id, source.quantity, source.bound_ns), last_ns // SLOT_NS
        known = self._lines.get(key)
        if known is None or known[0] != slot:
            known = (slot, [_finite(value) for _, value in self._points(source)][:-1][-SPARK_POINTS:])
            self._lines[key] = known
        return known[1]

    def _points(self, source: Source) -> list[tuple[int, float]]:
        """What was measured since the device is this resident's; before, it was somebody else or nobody."""
        return [point for point in self._latest().trend(source.device_id, source.quantity) if point[0] >= source.bound_ns]

    def _read(self, source: Source, now_ns: int) -> tuple[VitalState, float | None, int | None]:
        last = self._latest().last(source.device_id, source.quantity)
        if last is not None and last.t_ns < source.bound_ns:
            last = None
        value = None if last is None else _finite(last.value)
        age_s = None if last is None else max(0.0, (now_ns - last.t_ns) / NS_PER_S)
        bound_for_s = (now_ns - source.bound_ns) / NS_PER_S
        state = state_of(value=value, age_s=age_s, bound_for_s=bound_for_s, live_s=source.live_s, lost_s=source.lost_s)
        return state, value, None if last is None else last.t_ns


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def tile_json(tile: Tile, *, identity: bool, vitals: Vitals | None, alert_ids: Sequence[str]) -> dict[str, Any]:
    """A tile as the browser gets it; what the asker may not see is absent, not hidden."""
    shown = vitals if vitals is not None else Vitals()
    return {
        "bed_id": tile.bed_id,
        "label": tile.label,
        "zone_id": tile.zone_id,
        "resident": person_json(tile.resident) if tile.resident is not None and identity else None,
        "vitals": shown.vitals,
        "spark": shown.spark,
        "monitoring": shown.monitoring,
        "monitoring_since_ms": shown.monitoring_since_ms,
        "alert_ids": list(alert_ids),
    }


def tail(before: Mapping[str, Sequence[float | None]], after: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
    """New points of each sparkline since `before`; a whole line, filled up in front, where the two do not overlap.

    A screen appends the points and keeps the last 40, so that a whole line replaces what it had.
    """
    result: dict[str, list[float | None]] = {}
    for key, points in after.items():
        old, new = list(before.get(key, ())), list(points)
        fresh = next((shift for shift in range(len(new) + 1) if _continues(old, new[: len(new) - shift])), len(new))
        if fresh and fresh == len(new):
            result[key] = [*[None] * (SPARK_POINTS - len(new)), *new]
        elif fresh:
            result[key] = new[len(new) - fresh :]
    return result


def _continues(old: list[float | None], kept: list[float | None]) -> bool:
    return len(kept) <= len(old) and old[len(old) - len(kept) :] == kept
