"""Script-free pages under /m/: a GET shows and changes nothing, a POST acts and redirects."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboards.pages import REFRESH_S, Pages
from gateway.api.models import Act, PasswordChange, SignIn
from gateway.api.policies import ALERTS_ACT, ALERTS_READ, OPEN, SIGNED_IN, Me, guard
from gateway.api.problems import Problem
from gateway.api.routes_session import client_of
from gateway.api.session import doors_of, drop_cookie, form_token_right, set_cookie, token_of
from gateway.commands import Kind, Refusal
from gateway.query import Asker, Missing
from gateway.vocabulary import Action, Outcome

router = APIRouter(prefix="/m", include_in_schema=False)
SAFE_TARGET = re.compile(r"/m/alerts(/[A-Za-z0-9_.:-]{1,64})?")
ALERT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
SAID = frozenset({"password", "claim", "arrive", "resolve", "conflict", "form_expired", "refused", "unavailable"})
FORM_ACTIONS = {"claim": Action.CLAIM, "arrive": Action.ARRIVE, "resolve": Action.RESOLVE}
MAX_FIELDS = 20


def pages_of(request: Request) -> Pages:
    """The pages of this application."""
    pages = request.app.state.pages
    if not isinstance(pages, Pages):
        raise TypeError("the application was not made by create_app")
    return pages


def lang_of(request: Request, me: Asker | None = None) -> str:
    """The language of the person, or of the browser."""
    asked = request.query_params.get("lang") or (me.user.lang if me is not None else None)
    return Pages.language(request.headers.get("accept-language", ""), asked)


async def form_of(request: Request) -> dict[str, str]:
    """Fields of the form; one that appears twice is refused."""
    try:
        pairs = parse_qsl((await request.body()).decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(400, "body.malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Problem(400, "body.duplicate_key")
    return fields


def see_other(url: str) -> RedirectResponse:
    """After a form: the page that shows how it stands."""
    return RedirectResponse(url, status_code=303)


async def person_of(request: Request) -> Asker | None:
    """Who is signed in; None for nobody."""
    # A page that refreshes itself is no sign that somebody is there: it does not keep a session awake.
    doors = doors_of(request)
    me = await doors.commands.session(token_of(request), touch="auto" not in request.query_params)
    return me if me is not None and doors.lets_in(me.role) else None


def refused(request: Request, me: Asker) -> Response:
    """Not for this person, or not before the one-time password was changed."""
    if me.must_change_password:
        return see_other("/m/password")
    return HTMLResponse(pages_of(request).missing(lang_of(request, me)), status_code=403)


@router.get("/style.css", dependencies=[guard(OPEN)])
async def style(request: Request) -> Response:
    """The stylesheet of the pages."""
    return Response(pages_of(request).stylesheet, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})


@router.get("/icon.svg", dependencies=[guard(OPEN)])
async def icon(request: Request) -> Response:
    """The icon of the pages: without one, browsers ask for a file that is not there."""
    return Response(pages_of(request).icon, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=300"})


@router.get("/login", dependencies=[guard(OPEN)])
async def login_page(request: Request) -> Response:
    """The sign-in form."""
    return HTMLResponse(pages_of(request).login(lang_of(request), target=_target(request.query_params.get("next", ""))))


def _target(wanted: str) -> str:
    return wanted if SAFE_TARGET.fullmatch(wanted) else "/m/alerts"


@router.post("/login", dependencies=[guard(OPEN)])
async def login(request: Request) -> Response:
    """Sign in and go where one wanted to go."""
    doors, form = doors_of(request), await form_of(request)
    target = _target(form.get("target", ""))
    try:
        body = SignIn.model_validate({name: form.get(name, "") for name in ("user", "password", "code")})
        token, _ = await doors.commands.sign_in(
            body.user, body.password, code=body.code, client=client_of(request), former=token_of(request), only=doors.only
        )
    except ValidationError:
        return HTMLResponse(pages_of(request).login(lang_of(request), failed="session.refused", target=target), status_code=401)
    except Refusal as refusal:
        status = 429 if refusal.kind is Kind.TOO_MANY else 401
        return HTMLResponse(pages_of(request).login(lang_of(request), failed=refusal.code, target=target), status_code=status)
    response = see_other(target)
    set_cookie(response, doors, token)
    return response


@router.post("/logout", dependencies=[guard(OPEN)])
async def logout(request: Request) -> Response:
    """End the session; without one, or with a page of another session, nothing happens."""
    doors, token = doors_of(request), token_of(request)
    response = see_other("/m/login")
    if form_token_right(token, (await form_of(request)).get("form_token", "")):
        await doors.commands.sign_out(token)
        drop_cookie(response, doors)
    return response


@router.get("/password", dependencies=[guard(OPEN)])
async def password_page(request: Request) -> Response:
    """The form for a new password; where a one-time password leads to."""
    me = await person_of(request)
    if me is None:
        return see_other("/m/login")
    token = doors_of(request).commands.form_token(token_of(request))
    return HTMLResponse(pages_of(request).password(lang_of(request, me), me=me_of(request, me), form_token=token))


@router.post("/password", dependencies=[guard(SIGNED_IN)])
async def change_password(request: Request, me: Me) -> Response:
    """Change one's own password."""
    doors, form, token = doors_of(request), await form_of(request), token_of(request)
    failed, params = "said.form_expired", {}
    try:
        if form_token_right(token, form.get("form_token", "")):
            body = PasswordChange.model_validate({"old": form.get("old", ""), "new": form.get("new", "")})
            await doors.commands.change_password(me, token, body.old, body.new, client=client_of(request))
            return see_other("/m/alerts?said=password")
    except ValidationError:
        failed = "said.refused"
    except Refusal as refusal:
        failed, params = f"error.{refusal.code}", dict(refusal.members.get("params", {}))
    page = pages_of(request).password(
        lang_of(request, me), me=me_of(request, me), form_token=doors.commands.form_token(token), failed=failed, params=params
    )
    return HTMLResponse(page, status_code=422)


@router.get("/alerts", dependencies=[guard(OPEN)])
async def alerts_page(request: Request) -> Response:
    """The queue; refreshes itself unless paused."""
    me = await person_of(request)
    if me is None:
        return see_other("/m/login")
    if me.role not in ALERTS_READ.roles or me.held_back:
        return refused(request, me)
    doors = doors_of(request)
    listed = await doors.query.alerts(me)
    paused = "paused" in request.query_params
    page = pages_of(request).alerts(
        lang_of(request, me), me=me_of(request, me), tz=tz_of(request, me), now_ms=listed["t_ms"], alerts=listed["alerts"],
        form_token=doors.commands.form_token(token_of(request)), said=_said(request), paused=paused,
    )  # fmt: skip
    # A header instead of <meta>: the same effect, but it can be left out when the reader asks for time.
    return HTMLResponse(page, headers={} if paused else {"Refresh": f"{REFRESH_S}; url=/m/alerts?auto=1"})


@router.get("/alerts/{alert_id}", dependencies=[guard(OPEN)])
async def alert_page(request: Request, alert_id: str) -> Response:
    """One alert; a link to it in a message may be opened by anything and changes nothing."""
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
        detail = await doors.query.alert(me, alert_id)
    except Missing:
        return HTMLResponse(pages_of(request).missing(lang_of(request, me)), status_code=404)
    page = pages_of(request).alert(
        lang_of(request, me), me=me_of(request, me), tz=tz_of(request, me, detail["alert"]["site_id"]), now_ms=detail["t_ms"],
        detail=detail,
        form_token=doors.commands.form_token(token_of(request)), said=_said(request),
    )  # fmt: skip
    writing = detail["alert"]["claimed_by"] == me.id  # a note may be half typed: this page does not move under the writer's hands
    return HTMLResponse(page, headers={} if writing else {"Refresh": f"{REFRESH_S}; url=/m/alerts/{detail['alert']['id']}?auto=1"})


@router.post("/alerts/{alert_id}/{action}", dependencies=[guard(ALERTS_ACT)])
async def act(request: Request, me: Me, alert_id: str, action: str) -> Response:
    """Claim, arrive or resolve by form; the answer is always a page that shows how it stands."""
    doors, form = doors_of(request), await form_of(request)
    if action not in FORM_ACTIONS or ALERT_ID.fullmatch(alert_id) is None:
        raise Missing
    page = f"/m/alerts/{alert_id}"
    if not form_token_right(token_of(request), form.get("form_token", "")):
        return see_other(f"{page}?said=form_expired")
    try:
        details = Act.model_validate(_details(form))
        outcome = None if details.outcome is None else Outcome(details.outcome)
        await doors.commands.act(me, alert_id, FORM_ACTIONS[action], version=details.version, note=details.note, outcome=outcome)
    except ValidationError:
        return see_other(f"{page}?said=refused")
    except Refusal as refusal:
        said = {Kind.CONFLICT: "conflict", Kind.UNAVAILABLE: "unavailable"}.get(refusal.kind, "refused")
        return see_other(f"{page}?said={said}")
    return see_other(f"/m/alerts?said={action}" if form.get("back") == "list" else f"{page}?said={action}")


def _details(form: dict[str, str]) -> dict[str, Any]:
    details: dict[str, Any] = {"note": form.get("note", ""), "outcome": form.get("outcome")}
    version = form.get("version", "")
    if version.isascii() and version.isdigit() and len(version) < 16:
        details["version"] = int(version)
    return details


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in SAID else ""


def me_of(request: Request, me: Asker) -> dict[str, Any]:
    """The person as the pages show it."""
    return doors_of(request).query.me(me)


def tz_of(request: Request, me: Asker, site_id: str | None = None) -> str:
    """The clock of a site in reach, else of the person's first one."""
    sites = me_of(request, me)["sites"]
    here = [site["tz"] for site in sites if site["id"] == site_id] or [site["tz"] for site in sites] or ["Asia/Shanghai"]
    return str(here[0])
