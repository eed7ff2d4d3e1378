"""Alerts: the queue, one alert, and what people do to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from gateway.api.models import Act
from gateway.api.policies import ALERTS_ACT, ALERTS_LIST, ALERTS_READ, Me, guard
from gateway.api.session import doors_of
from gateway.vocabulary import Action, Outcome

router = APIRouter(prefix="/alerts", tags=["alerts"])
AlertId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


@router.get("", dependencies=[guard(ALERTS_LIST)])
async def alerts(
    request: Request,
    me: Me,
    state: Literal["open", "all"] = "open",
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> dict[str, Any]:
    """Open alerts in the order of the queue, or the last ones."""
    return await doors_of(request).query.alerts(me, every=state == "all", limit=limit)


@router.get("/{alert_id}", dependencies=[guard(ALERTS_READ)])
async def alert(request: Request, me: Me, alert_id: AlertId) -> dict[str, Any]:
    """One alert with its history and the last 30 minutes."""
    return await doors_of(request).query.alert(me, alert_id)


@router.get("/{alert_id}/why", dependencies=[guard(ALERTS_READ)])
async def why(request: Request, me: Me, alert_id: AlertId) -> dict[str, Any]:
    """Who was told or not, and why."""
    return await doors_of(request).query.why(me, alert_id)


@router.get("/{alert_id}/dispatch", dependencies=[guard(ALERTS_READ)])
async def dispatch(request: Request, me: Me, alert_id: AlertId) -> dict[str, Any]:
    """What is said to 120 and to whoever is sent: place, last known room, address, door code, medical summary, contacts."""
    doors = doors_of(request)
    return await doors.query.alarms.dispatch(me, await doors.query.alert_view(me, alert_id))


@router.post("/{alert_id}/{action}", dependencies=[guard(ALERTS_ACT)])
async def act(request: Request, me: Me, alert_id: AlertId, action: Action, body: Act | None = None) -> dict[str, Any]:
    """Claim, release, arrive, resolve, support, silence, unsilence, reopen, seen, note, dispatch.

    409 with `current` where somebody else was first.
    """
    details = body or Act()
    outcome = None if details.outcome is None else Outcome(details.outcome)
    document = await doors_of(request).commands.act(
        me, alert_id, action, version=details.version, note=details.note, outcome=outcome, until_s=details.until_s, reason=details.reason,
        incident=details.incident,
    )
    return {"alert": document}
