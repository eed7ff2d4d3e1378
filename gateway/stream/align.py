"""Keeps rows and parameters in step with the registry: bindings, limits, expectations, residents' own data for the score."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from math import nan
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import PERSONAL, Detector, Verdicts
from analytics.detect.nodata import NoData
from devices.codes import BY_KEY, QUANTITIES, Kind
from gateway.registry.view import PRESENT, Device, RegistryView, Resident
from gateway.stream.bank import Bank, set_row
from gateway.stream.limit_hours import SIDES, LimitHours, stands
from gateway.stream.people import personal_quantities
from gateway.stream.roster import DEVICE, IGNORED, Roster, Wearer
from gateway.stream.rules import LIFE, SCORE_PARTS, StreamConfig, score_ages_s, settings, signal_spans_s, silence_deadline_s

HOUR_NS = 3_600_000_000_000
_MEASURED = (Kind.CONTINUOUS, Kind.SPOT, Kind.STATUS)

Say = Callable[[Detector, Verdicts], None]  # hears of conditions that end because their binding or limit did


class Aligner:
    """Applies the registry as of a moment; all of it is a function of (view, config, now), so that a replay does the same."""

    def __init__(self, bank: Bank, roster: Roster, view: RegistryView, config: StreamConfig, say: Say) -> None:
        self._bank = bank
        self._roster = roster
        self._view = view
        self._config = config
        self._say = say
        self._offsets: dict[tuple[str, int], float] = {}
        self.next_ns: int | None = None
        self.standing: list[int] = []  # rows whose value stands and that have new limits: judged anew by the engine at this tick
        self._hours = LimitHours(bank, view, config)
        self._hour = 0
        self._shifts: dict[str, float] = {}
        self._personal = personal_quantities(bank.detectors)
        (self._nodata,) = (detector for detector in bank.detectors if isinstance(detector, NoData))

    def all(self, now_ns: int, listened_ns: int) -> None:
        """Every device that is known, then residents who left."""
        for name in sorted(set(self._view.devices) - set(self._roster.devices)):
            self._roster.device(name)
        self._roster.look_again(self._hours.quantities())
        for device in range(len(self._roster.names)):
            self.device(device, now_ns, listened_ns)
        self._sweep()
        for name in list(self._roster.residents):
            self._resident(self._view.residents[name], now_ns)
        self._look_ahead(now_ns)
        self._hour, self._shifts = now_ns // HOUR_NS, self._zones(now_ns)

    def some(self, devices: Collection[str], people: Collection[str], now_ns: int, listened_ns: int) -> None:
        """Only what some events were about."""
        touched = set(devices)
        for name in people:
            touched.update(self._view.devices_of(name, now_ns))
        for name in sorted(touched):
            device = self._roster.device(name)
            former = self._roster.wearers[device].resident
            self.device(device, now_ns, listened_ns)
            people = {*people, *(one for one in (former, self._roster.wearers[device].resident) if one is not None)}
        for name in sorted(people):
            if name in self._roster.residents and name in self._view.residents:
                self._resident(self._view.residents[name], now_ns)
        self._look_ahead(now_ns)

    def due(self, now_ns: int) -> bool:
        """Whether a binding or limit began or ended by time alone, or a site's local time shifted."""
        hour = now_ns // HOUR_NS
        if hour != self._hour:
            self._hour = hour
            zones = self._zones(now_ns)
            shifted, self._shifts = zones != self._shifts, zones
            if shifted:
                return True
        return self.next_ns is not None and now_ns >= self.next_ns

    def _look_ahead(self, now_ns: int) -> None:
        """The next moment at which a binding or limit, or the hours of one, begin or end."""
        moments: list[int] = []
        for binding in self._view.bindings.values():
            moments += [at for at in (binding.valid_from_ns, binding.valid_to_ns) if at is not None and at > now_ns]
        moments += [limit.expires_ns for limit in self._view.limits.values() if limit.expires_ns is not None and limit.expires_ns > now_ns]
        moments += self._hours.edges(now_ns)
        self.next_ns = min(moments, default=None)

    def _zones(self, now_ns: int) -> dict[str, float]:
        quarter = now_ns // 900_000_000_000
        return {tz: _offset_s(tz, quarter) for tz in sorted({site.tz for site in self._view.sites.values()})}

    def device(self, device: int, now_ns: int, listened_ns: int) -> None:
        """One device: who has it, what is expected of it, the limits of its series."""
        roster, name = self._roster, self._roster.names[device]
        wearer = self._wearer(name, now_ns)
        if wearer != roster.wearers[device]:
            former = roster.active(device)
            self._drop(former)
            self._bank.series["deadline_s"][former] = nan
            roster.wear(device, wearer)
        if not wearer.bound:
            return
        known = self._view.devices.get(name)
        expected = self._expected(known, wearer)
        for quantity in expected:
            if roster.rows_of[device, quantity] < 0:
                self.seat(device, quantity, now_ns)
        if expected and roster.rows_of[device, DEVICE] < 0:
            self._take(device, DEVICE, now_ns)
        for seated in np.flatnonzero(roster.rows_of[device, :DEVICE] >= 0):
            self._params(device, int(seated), known, now_ns)
        self._expect(device, expected, listened_ns)

    def seat(self, device: int, quantity: int, now_ns: int) -> None:
        """A row for a series that is seen or expected for the first time under this binding; IGNORED if nothing watches it."""
        row = QUANTITIES[quantity]
        name = self._roster.names[device]
        known = self._view.devices.get(name)
        watched = row.key in self._config.watches or row.key in self._expected_keys(known) or quantity in self._personal
        watched = watched or self._hours.limited(row.key)
        if row.kind not in _MEASURED or not watched:
            self._roster.rows_of[device, quantity] = IGNORED
            return
        self._take(device, quantity, now_ns)
        self._params(device, quantity, known, now_ns)

    def _take(self, device: int, quantity: int, now_ns: int) -> None:
        at, fresh = self._roster.seat(device, quantity)
        self._bank.use_series(at, fresh=fresh)
        resident = self._roster.at(at).resident
        if resident is not None and resident in self._view.residents and (quantity in SCORE_PARTS or quantity in self._personal):
            seat, new = self._roster.resident(resident)
            self._bank.use_resident(seat, fresh=new)
            if new:
                self._resident(self._view.residents[resident], now_ns)
        seat = -1 if resident is None else self._roster.residents.get(resident, -1)
        self._bank.series["resident"][at] = seat

    def _wearer(self, name: str, now_ns: int) -> Wearer:
        binding = self._view.binding_at(name, now_ns)
        device = self._view.devices.get(name)
        if binding is None or (device is not None and device.status == "retired"):
            return Wearer()
        resident = self._view.resident_of(name, now_ns)
        if resident is None:
            return Wearer(bound=True)
        record = self._view.residents.get(resident)
        present = record is not None and record.status in PRESENT
        return Wearer(bound=True, resident=resident) if present else Wearer()

    def _expected_keys(self, known: Device | None) -> tuple[str, ...]:
        return () if known is None or known.status != "active" else known.quantities

    def _expected(self, known: Device | None, wearer: Wearer) -> dict[int, float]:
        """Quantity index -> cadence in s of what the device must send; nothing from somebody who is away."""
        record = None if wearer.resident is None else self._view.residents.get(wearer.resident)
        if known is None or (record is not None and record.status == "away"):
            return {}
        found: dict[int, float] = {}
        for key in self._expected_keys(known):
            row = BY_KEY.get(key)
            cadence_s = known.cadence_s.get(key, row.cadence_s) if row is not None else None
            if row is not None and row.kind in _MEASURED and cadence_s is not None:
                found[row.index] = cadence_s
        return found

    def _params(self, device: int, quantity: int, known: Device | None, now_ns: int) -> None:
        row = int(self._roster.rows_of[device, quantity])
        series = self._roster.at(row)
        key = series.key
        record = None if series.resident is None else self._view.residents.get(series.resident)
        site_id = self._site_id(known, record)
        limit = self._view.limit_for(series.resident, key, now_ns, site_id)
        cadence_s = None if known is None else known.cadence_s.get(key)
        now = self._hours.hold(key, site_id, now_ns)
        values = settings(key, limit, cadence_s, 1 if record is None else record.spo2_scale, self._config, now=now)
        table = self._bank.series
        for detector in self._hours.inapplicable(row, values):
            self._end(detector, np.array([row]))
        if stands(key, cadence_s) and any(values[side] != table[side][row] and not np.isnan(values[side]) for side in SIDES):
            self.standing.append(row)
        set_row(table, row, values)

    def _expect(self, device: int, expected: Mapping[int, float], listened_ns: int) -> None:
        """Deadlines of the device's series; time begins to run for those that were not expected before."""
        deadlines = {quantity: silence_deadline_s(cadence_s, self._config) for quantity, cadence_s in expected.items()}
        if deadlines:
            deadlines[DEVICE] = min(deadlines.values())
        table, state = self._bank.series, self._bank.states[self._nodata.rule]
        own = int(self._roster.rows_of[device, DEVICE])
        for quantity in (*range(len(QUANTITIES)), DEVICE):
            row = int(self._roster.rows_of[device, quantity])
            if row < 0:
                continue
            at = np.array([row])
            deadline_s = deadlines.get(quantity, nan)
            if np.isnan(deadline_s) and not np.isnan(table["deadline_s"][row]):
                self._end(self._nodata, at)
            if not np.isnan(deadline_s) and np.isnan(table["deadline_s"][row]):
                self._nodata.expect(at, listened_ns, state)
            set_row(table, row, {"deadline_s": deadline_s, "parent": -1 if quantity == DEVICE else own})

    def _resident(self, record: Resident, now_ns: int) -> None:
        """What staff entered, and age limits that fit the resident's devices."""
        row = self._roster.residents[record.id]
        cadences: dict[int, float] = {}
        life_s: list[float] = []
        for name in self._view.devices_of(record.id, now_ns):
            device = self._view.devices.get(name)
            for key in self._expected_keys(device):
                cadence_s = None if device is None else device.cadence_s.get(key, BY_KEY[key].cadence_s if key in BY_KEY else None)
                if cadence_s is not None and key in LIFE:
                    life_s.append(cadence_s)
                if key in BY_KEY and cadence_s is not None and BY_KEY[key].index in SCORE_PARTS:
                    part = SCORE_PARTS[BY_KEY[key].index]
                    cadences[part] = max(cadences.get(part, 0.0), cadence_s)
        table = self._bank.residents
        table["max_age_s"][row] = score_ages_s(cadences)
        table["signal_tau_s"][row], table["signal_age_s"][row] = signal_spans_s(cadences)
        values = {
            "spo2_scale": record.spo2_scale,
            "on_oxygen": nan if record.on_oxygen is None else float(record.on_oxygen),
            "cvpu": nan if record.consciousness is None else float(record.consciousness != "A"),
            "persistence_s": self._config.news2_persistence_s,
            "away": float(record.status == "away"),
            "life_deadline_s": 3.0 * max(life_s) if life_s else nan,
            "utc_offset_s": self._utc_offset_s(None, record, now_ns),
        }
        set_row(table, row, {name: value for name, value in values.items() if name in table.columns})

    def _drop(self, rows: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        for detector in self._bank.detectors:
            if detector.stage not in PERSONAL:
                self._end(detector, rows)

    def _end(self, detector: Detector, rows: NDArray[np.int64]) -> None:
        self._say(detector, detector.drop(rows, self._bank.states[detector.rule]))

    def _sweep(self) -> None:
        """Free the rows of people who left for good and of retired devices."""
        for row in self._roster.resting():
            series = self._roster.at(row)
            record = None if series.resident is None else self._view.residents.get(series.resident)
            device = self._view.devices.get(series.device)
            gone = series.resident is not None and (record is None or record.status not in PRESENT)
            if gone or (device is not None and device.status == "retired"):
                self._roster.forget(row)
        for name in list(self._roster.residents):
            record = self._view.residents.get(name)
            if record is None or record.status not in PRESENT:
                for detector in self._bank.detectors:
                    if detector.stage not in PERSONAL:
                        continue
                    self._end(detector, np.array([self._roster.residents[name]]))
                self._roster.leave(name)

    @staticmethod
    def _site_id(device: Device | None, record: Resident | None) -> str | None:
        return record.place.site_id if record is not None else (None if device is None else device.site_id)

    def _utc_offset_s(self, device: Device | None, record: Resident | None, now_ns: int) -> float:
        """Offset of the site's local time now; cached per quarter of an hour, which no zone's change cuts."""
        site_id = self._site_id(device, record)
        site = None if site_id is None else self._view.sites.get(site_id)
        if site is None:
            return 0.0
        quarter = now_ns // 900_000_000_000
        if (site.tz, quarter) not in self._offsets:
            if len(self._offsets) > 1_000:
                self._offsets.clear()
            self._offsets[site.tz, quarter] = _offset_s(site.tz, quarter)
        return self._offsets[site.tz, quarter]


def _offset_s(tz: str, quarter: int) -> float:
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError):
        return 0.0  # an unknown zone shifts the hours of the routine, which is learned anyway; it must not stop the stream
    offset = datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
