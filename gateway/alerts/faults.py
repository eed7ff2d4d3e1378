"""Faults of the gateway itself as technical alerts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.alerts.case import Case, Moment
from gateway.ops import Fault
from gateway.vocabulary import AlertKind, Finding, Phase, Priority

SUBJECT = "gateway"

# What stops alarms or readings from travelling is urgent; the rest can wait for its turn.
_HIGH = frozenset(
    {"disk.full", "store.write", "store.corrupt", "broker.down", "broker.unreachable", "alerts.finding", "alerts.timer", "outbox.store"}
)
_LOW = frozenset({"test.overdue"})


def site_of(fault: Fault, sites: Collection[str], device_sites: Mapping[str, str | None]) -> str | None:
    """The site that a fault belongs to: named by itself, that of its device, or the only one there is."""
    named = fault.params.get("site_id")
    if isinstance(named, str) and named in sites:
        return named
    of_device = device_sites.get(fault.subject)
    if of_device is not None:
        return of_device
    return next(iter(sites)) if len(sites) == 1 else None


def cause(fault: Fault) -> str:
    """What merges the alerts of one fault."""
    return f"ops.{fault.code}.{fault.subject}"


def finding(fault: Fault, now: Moment) -> Finding:
    """What the alert is raised for; `now` makes the id, for a fault has no place in the journal."""
    return Finding(
        id=f"{cause(fault)}.{now.wall_ns}.{now.mono_ns}",
        phase=Phase.START,
        rule=f"ops.{fault.code}",
        rule_version=1,
        cause=cause(fault),
        kind=AlertKind.TECHNICAL,
        priority=Priority.HIGH if fault.code in _HIGH else Priority.LOW if fault.code in _LOW else Priority.MEDIUM,
        resident=None,
        device=None,
        onset_offset=0,
        onset_ns=now.wall_ns,
        offset=0,
        t_ns=now.wall_ns,
        code=f"fault.{fault.code}",
        params={**fault.params, "subject": fault.subject},
    )


def ending(case: Case, finding_id: str, now: Moment) -> Finding:
    """The end of one of a case's conditions, said by the desk itself."""
    view = case.view
    return Finding(
        id=finding_id,
        phase=Phase.END,
        rule=view.rule,
        rule_version=1,
        cause=view.cause,
        kind=view.kind,
        priority=view.priority,
        resident=view.resident_id,
        device=view.device_id,
        onset_offset=0,
        onset_ns=view.raised_ns,
        offset=0,
        t_ns=now.wall_ns,
        origin=view.origin,
    )
