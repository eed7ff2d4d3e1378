"""What an operator does about alarms from the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway import figures, standing_tests
from gateway.alerts.desk import AlertDesk
from gateway.alerts.records import recent_alerts
from gateway.clock import NS_PER_S
from gateway.core import Core
from gateway.figures import Span
from gateway.pins import Pins
from gateway.standing_tests import Plan
from gateway.vocabulary import Actor, AlertKind, Finding, Origin, Phase, Priority

Job = Callable[[Mapping[str, Any]], Awaitable[Any]]
OPERATOR = Actor(id="command-line", name="command line")


async def staff_pin(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A person's PIN, shown once; instead of any former one."""
    staff = core.registry.view.staff.get(args["staff"])
    if staff is None or staff.status != "active":
        raise LookupError(f"no member of staff {args['staff']}")
    pin = await Pins(core.store, core.clock, core.audit, core.accounts.hasher).give(OPERATOR, staff.id, args.get("pin"))
    return {"staff": staff.id, "name": staff.name, "pin": pin}


async def alarm_figures(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of a span, given as dates or moments on the first site's clock; `to` is the first day that does not count any more."""
    view, now_ns = core.registry.view, core.clock.now_ns()
    tz = next((site.tz for site in view.sites.values()), "Asia/Shanghai")
    to_ns = moment_ns(args["to"], tz) if args.get("to") else now_ns
    from_ns = moment_ns(args["from"], tz) if args.get("from") else to_ns - 7 * figures.DAY_NS
    if from_ns >= to_ns:
        raise ValueError("--from must lie before --to")
    span = Span(from_ns=from_ns, to_ns=to_ns, now_ns=now_ns)
    origins = frozenset(int(Origin[name.upper()]) for name in args.get("origins") or ("live",))
    found = await core.store.read(lambda conn: figures.lives(figures.read(conn, from_ns), span, origins))
    return figures.report(view, found, span, core.config.alerts.burden_per_day)


def moment_ns(text: str, tz: str) -> int:
    """UTC ns of "2026-11-25", "2026-11-25T08:00" or one with its own offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text}: a date such as 2026-11-25 is needed") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(tz))
    return int(moment.timestamp()) * NS_PER_S


async def standing_list(core: Core, _args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Standing tests with their due dates."""
    plan, now_ns, view = plan_of(core), core.clock.now_ns(), core.registry.view
    return await core.store.read(lambda conn: standing_tests.listed(conn, view, list(core.config.channels), plan, now_ns))


def plan_of(core: Core) -> Plan:
    """The configured plan of standing tests."""
    return Plan(**core.config.standing_tests.model_dump(exclude={"enabled"}))


def drill(desk: AlertDesk, core: Core) -> Job:
    """A call with the mark of a test, through the whole alarm path: at a device's place, or at a site."""

    async def work(args: Mapping[str, Any]) -> dict[str, Any]:
        view, now_ns = core.registry.view, core.clock.now_ns()
        device, site_id = args.get("device"), args.get("site") or next(iter(view.sites), None)
        if device is not None and device not in view.devices:
            raise LookupError(f"no device {device}")
        if device is None and site_id not in view.sites:
            raise LookupError("no such site; anxin drill --site, or --device")
        cause = f"call.{args['kind']}"
        finding = Finding(
            id=f"drill.{now_ns}", phase=Phase.START, rule=cause, rule_version=1, cause=cause, kind=AlertKind.CALL, priority=Priority.HIGH,
            resident=None, device=device, onset_offset=0, onset_ns=now_ns, offset=0, t_ns=now_ns, latched=True, origin=Origin.TEST,
            code=f"finding.{cause}", params={} if device is not None else {"site_id": site_id},
        )  # fmt: skip
        await desk.take([finding])
        found = await core.store.read(lambda conn: recent_alerts(conn, 20))
        raised = next(alert for alert in found if alert.origin is Origin.TEST and alert.cause == cause)
        core.ops.counters["drills"] += 1
        return {"alert": raised.id, "place": raised.place, "cause": cause}

    return work


JOBS = {"staff.pin": staff_pin, "figures": alarm_figures, "standing.list": standing_list}
