"""The page that a link in a message opens, without sign-in and without scripts: GET shows, POST claims."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.plain import form_of, lang_of, pages_of
from gateway.api.policies import OPEN, guard
from gateway.api.session import doors_of
from gateway.commands import Kind, Refusal
from gateway.query import Missing

router = APIRouter(prefix="/m/l", include_in_schema=False)
TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
SAID = frozenset({"claim", "conflict", "unavailable"})
_NO_TRACE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


@router.get("/{token}", dependencies=[guard(OPEN)])
async def show(request: Request, token: str) -> Response:
    """How the alert stands; a chat client that looks ahead changes nothing."""
    said = request.query_params.get("said", "")
    return await _page(request, token, said=said if said in SAID else "")


@router.post("/{token}", dependencies=[guard(OPEN)])
async def claim(request: Request, token: str) -> Response:
    """Claim as the one whom the link was sent to; in a group, as the person chosen and proved by PIN."""
    form = await form_of(request)
    try:
        if TOKEN.fullmatch(token) is None:
            raise Missing
        await doors_of(request).commands.links.claim(token, form.get("who", "")[:64], form.get("pin", "")[:16])
    except Missing:
        return _gone(request)
    except Refusal as refusal:
        if refusal.kind in (Kind.CONFLICT, Kind.UNAVAILABLE):
            said = "conflict" if refusal.kind is Kind.CONFLICT else "unavailable"
            return RedirectResponse(f"/m/l/{token}?said={said}", status_code=303)
        status = 429 if refusal.kind is Kind.TOO_MANY else 403
        return await _page(request, token, failed=refusal.code, chosen=form.get("who", ""), status=status)
    return RedirectResponse(f"/m/l/{token}?said=claim", status_code=303)


async def _page(request: Request, token: str, *, said: str = "", failed: str = "", chosen: str = "", status: int = 200) -> Response:
    try:
        if TOKEN.fullmatch(token) is None:
            raise Missing
        shown = await doors_of(request).commands.links.show(token)
    except Missing:
        return _gone(request)
    page = pages_of(request).link(lang_of(request), token=token, shown=shown, said=said, failed=failed, chosen=chosen)
    return HTMLResponse(page, status_code=status, headers=_NO_TRACE)


def _gone(request: Request) -> Response:
    return HTMLResponse(pages_of(request).link_over(lang_of(request)), status_code=404, headers=_NO_TRACE)
