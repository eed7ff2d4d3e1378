"""Script-free pages of the alarm side: the card for 120, and hand-over."""

from __future__ import annotations

import re
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, Response

from gateway.api.models import HandoverBody
from gateway.api.plain import ALERT_ID, form_of, lang_of, me_of, pages_of, person_of, refused, see_other, tz_of
from gateway.api.policies import ALERTS_READ, HANDOVER, OPEN, Me, guard
from gateway.api.session import doors_of, form_token_right, token_of
from gateway.commands import Refusal
from gateway.query import Missing

router = APIRouter(prefix="/m", include_in_schema=False)
ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SAID = frozenset({"given", "accepted", "conflict", "form_expired", "refused"})


@router.get("/alerts/{alert_id}/dispatch", dependencies=[guard(OPEN)])
async def dispatch_page(request: Request, alert_id: str) -> Response:
    """What is said to 120 and to whoever is sent."""
    me = await person_of(request)
    known = ALERT_ID.fullmatch(alert_id) is not None
    if me is None:
        return see_other(f"/m/login?next=/m/alerts/{quote(alert_id)}" if known else "/m/login")
    if me.role not in ALERTS_READ.roles or me.held_back:
        return refused(request, me)
    doors = doors_of(request)
    try:
        if not known:
            raise Missing
        card = await doors.query.alarms.dispatch(me, await doors.query.alert_view(me, alert_id))
    except Missing:
        return HTMLResponse(pages_of(request).missing(lang_of(request, me)), status_code=404)
    token = doors.commands.form_token(token_of(request))
    page = pages_of(request).dispatch(
        lang_of(request, me), me=me_of(request, me), tz=tz_of(request, me, card["alert"]["site_id"]), card=card, form_token=token
    )
    return HTMLResponse(page)


@router.get("/handover", dependencies=[guard(OPEN)])
async def handover_page(request: Request) -> Response:
    """What would be handed over now, and the last hand-overs."""
    me = await person_of(request)
    if me is None:
        return see_other("/m/login")
    if me.role not in HANDOVER.roles or me.held_back:
        return refused(request, me)
    doors = doors_of(request)
    sites = [site["id"] for site in me_of(request, me)["sites"]]
    site = request.query_params.get("site", sites[0] if sites else "")
    try:
        found = await doors.query.alarms.handover(me, site, None)
    except Missing:
        return HTMLResponse(pages_of(request).missing(lang_of(request, me)), status_code=404)
    said = request.query_params.get("said", "")
    page = pages_of(request).handover(
        lang_of(request, me), me=me_of(request, me), tz=tz_of(request, me, site), site=site, found=found,
        form_token=doors.commands.form_token(token_of(request)), said=said if said in SAID else "",
    )  # fmt: skip
    return HTMLResponse(page)


@router.post("/handover", dependencies=[guard(HANDOVER)])
async def give(request: Request, me: Me) -> Response:
    """Hand the shift over to the desk."""
    form = await form_of(request)
    if not form_token_right(token_of(request), form.get("form_token", "")):
        return see_other("/m/handover?said=form_expired")
    try:
        body = HandoverBody.model_validate({"site": form.get("site", ""), "note": form.get("note", "")})
    except ValidationError:
        return see_other("/m/handover?said=refused")
    await doors_of(request).commands.alarms.give(me, site=body.site, zone=None, receiver=None, note=body.note)
    return see_other(f"/m/handover?site={quote(body.site)}&said=given")


@router.post("/handover/{handover_id}/accept", dependencies=[guard(HANDOVER)])
async def accept(request: Request, me: Me, handover_id: str) -> Response:
    """Take a shift over."""
    form = await form_of(request)
    if ROW_ID.fullmatch(handover_id) is None:
        raise Missing
    if not form_token_right(token_of(request), form.get("form_token", "")):
        return see_other("/m/handover?said=form_expired")
    try:
        row = await doors_of(request).commands.alarms.accept(me, handover_id)
    except Refusal:
        return see_other("/m/handover?said=conflict")
    return see_other(f"/m/handover?site={quote(row['site_id'])}&said=accepted")
