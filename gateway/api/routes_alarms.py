"""Who is called: policies, the rota's exceptions, contacts, quiet hours, silences, hand-overs, the list of calls, and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from gateway.api import models
from gateway.api.policies import (
    ALERTS_LIST,
    ALERTS_READ,
    HANDOVER,
    POLICIES_READ,
    POLICIES_WRITE,
    RESIDENTS_WRITE,
    SILENCES,
    Me,
    guard,
)
from gateway.api.session import doors_of

router = APIRouter(tags=["alarms"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
RowPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
IdQuery = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Moment = Annotated[int | None, Query(ge=0, le=2**53)]
NS_PER_MS = 1_000_000


def _given(body: models.Body) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True)


@router.get("/policies", dependencies=[guard(POLICIES_READ)])
async def policies(request: Request, me: Me) -> dict[str, Any]:
    """Escalation policies that people set, and the installation's own beneath them."""
    doors = doors_of(request)
    return doors.query.alarms.policies(me, doors.commands.alarms.base)


@router.post("/policies/check", dependencies=[guard(POLICIES_WRITE)])
async def check_policy(request: Request, me: Me, body: models.PolicyBody) -> dict[str, Any]:
    """What a policy would mean for every hour of the coming week; nothing is saved."""
    return doors_of(request).commands.alarms.check_policy(me, {"id": "check", **body.model_dump()})


@router.put("/policies/{policy_id}", dependencies=[guard(POLICIES_WRITE)])
async def set_policy(request: Request, me: Me, policy_id: RowPath, body: models.PolicyBody) -> dict[str, Any]:
    """Save a policy as a new version; one with a dead end is refused with the report."""
    return await doors_of(request).commands.alarms.set_policy(me, policy_id, body.model_dump())


@router.post("/policies/{policy_id}/end", dependencies=[guard(POLICIES_WRITE)])
async def end_policy(request: Request, me: Me, policy_id: RowPath) -> dict[str, Any]:
    """Withdraw a policy; the next wider one holds again."""
    await doors_of(request).commands.alarms.end_policy(me, policy_id)
    return {"ended": policy_id}


@router.get("/duty", dependencies=[guard(POLICIES_READ)])
async def duty(request: Request, me: Me, site: IdQuery, at_ms: Moment = None) -> dict[str, Any]:
    """Who is on duty in a site now or at an instant, with exceptions, groups and quiet hours."""
    return doors_of(request).query.alarms.duty(me, site, at_ms)


@router.post("/registry/overrides", dependencies=[guard(POLICIES_WRITE)])
async def set_override(request: Request, me: Me, body: models.OverrideBody) -> dict[str, Any]:
    """Enter an exception to the rota: absent, extra, or one person in the place of another."""
    fields = _given(body)
    fields |= {
        "from_ns": fields.pop("from_ms") * NS_PER_MS,
        "until_ns": fields.pop("until_ms") * NS_PER_MS,
        "role": fields.get("role") or "",
    }
    return {"override": await doors_of(request).commands.alarms.set_of_site(me, "override", fields)}


@router.post("/registry/overrides/{override_id}/end", dependencies=[guard(POLICIES_WRITE)])
async def end_override(request: Request, me: Me, override_id: IdPath) -> dict[str, Any]:
    """Take an exception back from now on."""
    await doors_of(request).commands.alarms.end_of_site(me, "override", override_id)
    return {"ended": override_id}


@router.post("/registry/groups", dependencies=[guard(POLICIES_WRITE)])
async def set_group(request: Request, me: Me, body: models.GroupBody) -> dict[str, Any]:
    """Create or replace a group of people who are called together."""
    return {"group": await doors_of(request).commands.alarms.set_of_site(me, "group", _given(body))}


@router.post("/registry/groups/{group_id}/end", dependencies=[guard(POLICIES_WRITE)])
async def end_group(request: Request, me: Me, group_id: IdPath) -> dict[str, Any]:
    """Dissolve a group that no policy calls."""
    await doors_of(request).commands.alarms.end_of_site(me, "group", group_id)
    return {"ended": group_id}


@router.post("/registry/quiet", dependencies=[guard(POLICIES_WRITE)])
async def set_quiet(request: Request, me: Me, body: models.QuietBody) -> dict[str, Any]:
    """Set the quiet hours of a site."""
    return {"quiet": await doors_of(request).commands.alarms.set_of_site(me, "quiet", _given(body))}


@router.post("/registry/quiet/{site_id}/end", dependencies=[guard(POLICIES_WRITE)])
async def end_quiet(request: Request, me: Me, site_id: IdPath) -> dict[str, Any]:
    """No quiet hours any more."""
    await doors_of(request).commands.alarms.end_of_site(me, "quiet", site_id)
    return {"ended": site_id}


@router.post("/contacts", dependencies=[guard(RESIDENTS_WRITE)])
async def set_contact(request: Request, me: Me, body: models.ContactBody) -> dict[str, Any]:
    """Enter whom to call for a resident: family, or a responder of the community."""
    return {"contact": await doors_of(request).commands.alarms.set_contact(me, _given(body))}


@router.post("/contacts/{contact_id}/end", dependencies=[guard(RESIDENTS_WRITE)])
async def end_contact(request: Request, me: Me, contact_id: IdPath) -> dict[str, Any]:
    """Call this person no more."""
    await doors_of(request).commands.alarms.end_contact(me, contact_id)
    return {"ended": contact_id}


@router.put("/residents/{resident_id}/home", dependencies=[guard(RESIDENTS_WRITE)])
async def set_home(request: Request, me: Me, resident_id: IdPath, body: models.HomeBody) -> dict[str, Any]:
    """Enter address, door code and medical summary, which the card for 120 shows."""
    return {"home": await doors_of(request).commands.alarms.set_home(me, resident_id, body.model_dump())}


@router.get("/residents/{resident_id}/why", dependencies=[guard(ALERTS_READ)])
async def why(request: Request, me: Me, resident_id: IdPath, at_ms: Annotated[int, Query(ge=0, le=2**53)]) -> dict[str, Any]:
    """A resident's minute: what stood, who was told by which channel, what was held back, and why."""
    return await doors_of(request).query.alarms.why(me, resident_id, at_ms)


@router.get("/silences", dependencies=[guard(ALERTS_LIST)])
async def silences(request: Request, me: Me) -> dict[str, Any]:
    """Silences of rules in force, with reason, author and end."""
    return await doors_of(request).query.alarms.silences(me)


@router.post("/silences", dependencies=[guard(SILENCES)])
async def silence(request: Request, me: Me, body: models.SilenceBody) -> dict[str, Any]:
    """Silence one rule for one resident for at most 30 minutes (2 at high priority); calls and falls cannot be silenced."""
    commands = doors_of(request).commands.alarms
    return {"silence": await commands.silence(me, body.resident, body.cause, reason=body.reason, span_s=body.until_s)}


@router.post("/silences/{silence_id}/end", dependencies=[guard(SILENCES)])
async def unsilence(request: Request, me: Me, silence_id: IdPath) -> dict[str, Any]:
    """End a silence before its time; what it held back is said now."""
    return {"silence": await doors_of(request).commands.alarms.unsilence(me, silence_id)}


@router.get("/handover", dependencies=[guard(HANDOVER)])
async def handover(request: Request, me: Me, site: IdQuery, zone: IdQuery | None = None) -> dict[str, Any]:
    """What would be handed over now (open, claimed, silenced, failing devices), and the last hand-overs."""
    return await doors_of(request).query.alarms.handover(me, site, zone)


@router.post("/handover", dependencies=[guard(HANDOVER)])
async def give(request: Request, me: Me, body: models.HandoverBody) -> dict[str, Any]:
    """Hand a shift over to somebody, or to the desk."""
    row = await doors_of(request).commands.alarms.give(me, site=body.site, zone=body.zone, receiver=body.receiver, note=body.note)
    return {"handover": row}


@router.post("/handover/{handover_id}/accept", dependencies=[guard(HANDOVER)])
async def accept(request: Request, me: Me, handover_id: IdPath) -> dict[str, Any]:
    """Take a shift over, with the alerts that the giver still owns."""
    return {"handover": await doors_of(request).commands.alarms.accept(me, handover_id)}


@router.get("/calls", dependencies=[guard(ALERTS_READ)])
async def calls(
    request: Request,
    me: Me,
    site: IdQuery | None = None,
    from_ms: Moment = None,
    to_ms: Moment = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Calls with who answered, who was sent and how they ended; per site the shares answered within 60 s and 180 s."""
    return await doors_of(request).query.alarms.calls(me, site, from_ms, to_ms, limit)
