"""What an operator does about who is called from the command line: policies, duty, and why somebody was told in a resident's minute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.alerts import book, why
from gateway.alerts.policy import LANES, PolicyBook, PolicyError, from_options
from gateway.core import Core
from gateway.query.alarms import minute, policy_json, report_json
from gateway.query.shape import plain
from gateway.registry import check, duty, rota
from gateway.registry.errors import NotFoundError
from gateway.registry.view import Resident
from gateway.vocabulary import Actor

OPERATOR = Actor(id="command-line", name="command line")


def _base(core: Core) -> PolicyBook:
    return from_options(core.config.alerts.options)


async def policy_show(core: Core, _args: Mapping[str, Any]) -> dict[str, Any]:
    """The policies of the configuration and those that people set, as they are written."""
    base, rows = _base(core), core.registry.view.policies
    return {
        "defaults": [policy_json(base.default(lane), lane) for lane in LANES],
        "policies": [dict(row) for _, row in sorted(rows.items())],
        "unreadable": book.problems(rows),
    }


async def policy_check(core: Core, args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A report for every hour of the coming week: of one policy that is given, or of all that are in force."""
    view, now_ns, base = core.registry.view, core.clock.now_ns(), _base(core)
    given = args.get("policy")
    if given is not None:
        rows = {str(given.get("id", "given")): given}
    else:
        rows = {f"default.{lane}": policy_json(base.default(lane), lane) for lane in LANES} | view.policies
    found = []
    for name, row in rows.items():
        try:
            own = name in view.policies or given is not None
            report = report_json(book.check(book.parse({**row, "id": name}), view, tuple(core.config.channels), now_ns, own=own))
        except PolicyError as error:
            report = {"ok": False, "errors": str(error).split("; "), "dead_ends": [], "holes": [], "unstaffed": []}
        found.append({"policy": name, **report})
    return found


async def policy_set(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Save a policy; one that reaches nobody at some hour is refused, and the report says when."""
    row = {**args["policy"], "id": args["id"]}
    (report,) = await policy_check(core, {"policy": row})
    if not report["ok"]:
        return {"saved": False, **report}
    policy = book.parse(row)
    stored = await core.registry.do(OPERATOR, duty.set_policy, args["id"], policy.model_dump(mode="json", exclude={"id", "version"}))
    return {"saved": True, "version": stored["version"], **report}


async def policy_end(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Withdraw a policy; the next wider one holds again."""
    await core.registry.do(OPERATOR, duty.end_policy, args["id"])
    return {"ended": args["id"]}


async def duty_list(core: Core, args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who is on duty now or at a local time, by site and role."""
    view, found = core.registry.view, []
    for site in view.sites.values():
        t_ns = core.clock.now_ns() if args.get("at") is None else check.local_time_ns("at", args["at"], site.tz)
        for staff_id, role in sorted(set(rota.serving(view, site.id, None, t_ns)), key=lambda pair: (pair[1], pair[0])):
            found.append({"site": site.name, "role": role, "staff": staff_id, "name": view.staff[staff_id].name})
    return found


def _resident(core: Core, wanted: str) -> Resident | None:
    view = core.registry.view
    if wanted in view.residents:
        return view.residents[view.canonical(wanted)]
    return next((row for row in view.residents.values() if row.code and row.code == wanted), None)


async def why_resident(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A resident's minute, by id or the house's own number; `at` is a local time of the site, or ISO 8601 with an offset."""
    view, resident = core.registry.view, _resident(core, args["resident"])
    if resident is None:
        raise NotFoundError("resident", str(args["resident"])[:64])
    site = view.sites.get(resident.place.site_id)
    t_ns = check.local_time_ns("at", args["at"], "UTC" if site is None else site.tz)
    found = await core.store.read(lambda conn: why.at(conn, view.records_of(resident.id), t_ns))
    answer: dict[str, Any] = plain(minute(view, resident.id, t_ns, found))
    return answer


JOBS = {
    "policy.show": policy_show,
    "policy.check": policy_check,
    "policy.set": policy_set,
    "policy.end": policy_end,
    "duty": duty_list,
    "why.resident": why_resident,
}
