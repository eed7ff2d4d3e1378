"""Storms: when many devices of one site fall silent together, or while the way they come by is down, one alert speaks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.alerts.case import Case, Moment
from gateway.vocabulary import AlertKind, AlertState, AlertView, Finding, Phase

CAUSE = "nodata.site"
PREFIX = "nodata."
# Faults of the gateway behind which devices fall silent; those of Bluetooth only for devices with a Bluetooth address.
WAYS = ("ops.broker.down.", "ops.broker.unreachable.", "ops.ble.adapter.", "ops.disk.full.")
BLUETOOTH = "ops.ble."
UNFOLD_NS = 150 * 1_000_000_000  # after the way is back: longer than the slowest of the live no-data limits


def subject(site_id: str) -> str:
    """What the site's alert is about."""
    return f"site:{site_id}"


def foldable(case: Case) -> bool:
    """Whether another alert may speak for this one: a silent device that nobody has taken on."""
    view = case.view
    silent = view.kind is AlertKind.TECHNICAL and view.cause.startswith(PREFIX) and view.cause != CAUSE
    return silent and view.state is AlertState.RAISED and view.folded_into is None


def carries(fault: AlertView, bluetooth: bool) -> bool:
    """Whether a device comes by the way that a fault of the gateway is about."""
    return fault.cause.startswith(WAYS) and fault.cause.startswith(BLUETOOTH) is bluetooth


def finding(children: Sequence[Case], newest: Case, now: Moment) -> Finding:
    """What the site's alert is raised for."""
    return Finding(
        id=f"storm.{newest.view.id}.{newest.view.version}",
        phase=Phase.START,
        rule="storm.nodata",
        rule_version=1,
        cause=CAUSE,
        kind=AlertKind.TECHNICAL,
        priority=max(child.view.priority for child in children),
        resident=None,
        device=None,
        onset_offset=0,
        onset_ns=min(child.view.raised_ns for child in children),
        offset=0,
        t_ns=now.wall_ns,
        origin=newest.view.origin,
        code="finding.storm.nodata",
        params=affected(child.view for child in children),
    )


def affected(views: Iterable[AlertView]) -> dict[str, int]:
    """How many devices are silent, and how many residents they were watching."""
    known = list(views)
    return {
        "devices": len({view.device_id or view.id for view in known}),
        "residents": len({view.resident_id for view in known if view.resident_id is not None}),
    }


def update(case: Case, counted: dict[str, int], now: Moment) -> Finding:
    """The number of silent devices has changed."""
    view = case.view
    return Finding(
        id=case.findings[-1] if case.findings else f"storm.{view.id}",
        phase=Phase.UPDATE,
        rule=view.rule,
        rule_version=1,
        cause=view.cause,
        kind=view.kind,
        priority=view.priority,
        resident=None,
        device=None,
        onset_offset=0,
        onset_ns=view.raised_ns,
        offset=0,
        t_ns=now.wall_ns,
        origin=view.origin,
        code=view.code,
        params={**view.params, **counted},
    )
