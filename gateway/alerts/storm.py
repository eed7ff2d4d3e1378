"""Storms: when many devices of one site fall silent together, one alert speaks for the site. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.alerts.case import Case, Moment
from gateway.vocabulary import AlertKind, AlertState, Finding, Phase

CAUSE = "nodata.site"
PREFIX = "nodata."


def subject(site_id: str) -> str:
    """What the site's alert is about."""
    return f"site:{site_id}"


def foldable(case: Case) -> bool:
    """Whether the site's alert may speak for this one: a silent device that nobody has taken on."""
    view = case.view
    silent = view.kind is AlertKind.TECHNICAL and view.cause.startswith(PREFIX) and view.cause != CAUSE
    return silent and view.state is AlertState.RAISED and view.folded_into is None and view.site_id is not None


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
        params={"devices": len({child.subject for child in children})},
    )


def update(case: Case, devices: int, now: Moment) -> Finding:
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
        params={**view.params, "devices": devices},
    )
