"""Which alerts stand with the wrong person after bindings were corrected: those of readings whose device was another's at that moment."""

from __future__ import annotations

import apsw

from gateway.alerts import records
from gateway.alerts.case import Standing
from gateway.registry.view import Binding, Place, RegistryView
from gateway.vocabulary import AlertKind, AlertView

MOST = 2_000  # alerts that are over, the newest first
_OPEN = "SELECT body FROM alerts WHERE open = 1 AND kind = ?"
_OVER = "SELECT body FROM alerts WHERE open = 0 AND kind = ? AND raised_ns >= ? ORDER BY raised_ns DESC LIMIT ?"


def changed(former: RegistryView | None, view: RegistryView) -> dict[str, int]:
    """Device -> earliest moment for which another binding holds than in the former view."""
    found: dict[str, int] = {}
    for binding_id, binding in () if former is None or former is view else view.bindings.items():
        before = former.bindings.get(binding_id) if former is not None else None
        if before is not binding:
            since = _since(before, binding)
            found[binding.device_id] = min(since, found.get(binding.device_id, since))
    return found


def _since(before: Binding | None, after: Binding) -> int:
    """A new binding counts from its start; one that was ended, from its new end."""
    if before is None or after.valid_to_ns is None:
        return after.valid_from_ns
    return after.valid_to_ns if before.valid_to_ns is None else min(before.valid_to_ns, after.valid_to_ns)


def moves(conn: apsw.Connection, view: RegistryView, since: dict[str, int]) -> list[tuple[str, Standing]]:
    """(alert, where it belongs) of alerts about values that are another person's by now, or nobody's."""
    if not since:
        return []
    cases = records.cases(conn, _OPEN, (AlertKind.PHYSIOLOGICAL.value,))
    cases += records.cases(conn, _OVER, (AlertKind.PHYSIOLOGICAL.value, min(since.values()), MOST))
    found = []
    for case in cases:
        alert = case.view
        if alert.device_id not in since or alert.onset_ns is None or alert.onset_ns < since[alert.device_id]:
            continue
        former = None if alert.resident_id is None else view.canonical(alert.resident_id)
        if view.resident_of(alert.device_id, alert.onset_ns) != former:
            found.append((alert.id, _standing(view, alert, alert.device_id, alert.onset_ns)))
    return found


def _standing(view: RegistryView, alert: AlertView, device_id: str, t_ns: int) -> Standing:
    resident = view.residents.get(view.resident_of(device_id, t_ns) or "")
    place = view.place_of(device_id, t_ns) if resident is None else resident.place
    return Standing(
        subject=f"device:{device_id}" if resident is None else resident.id,
        resident_id=None if resident is None else resident.id,
        device_id=device_id,
        site_id=alert.site_id if place is None else place.site_id,
        zone_id=None if place is None else place.zone_id,
        place="" if place is None else label(view, place),
        initials="" if resident is None else resident.initials,
    )


def label(view: RegistryView, place: Place) -> str:
    """What a caregiver calls the place."""
    if place.label:
        return place.label
    bed = None if place.bed_id is None else view.beds.get(place.bed_id)
    return "" if bed is None else bed.label
