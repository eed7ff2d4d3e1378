"""Messages, visits and documents between house and family, and invitations with their consent."""

from __future__ import annotations

import base64
import io
from typing import Annotated, Any, Literal
from urllib.parse import quote

import segno
from fastapi import APIRouter, Path, Query, Request, Response

from gateway.api import care_models as models
from gateway.api.policies import (
    CARE_DESK,
    CARE_PAGE,
    CARE_WRITE,
    DOCUMENTS_READ,
    DOCUMENTS_WRITE,
    FAMILY,
    INVITE,
    OPEN,
    SIGNED_IN,
    Me,
    guard,
)
from gateway.api.problems import Problem
from gateway.api.routes_session import client_of
from gateway.api.session import doors_of, set_cookie, token_of
from gateway.query import Asker

router = APIRouter(tags=["care"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
DOCUMENT_BYTES = 10 * 1024 * 1024
_UPLOAD_TYPES = ("application/pdf", "image/jpeg", "application/octet-stream")


# --- the house -----------------------------------------------------------------------------------------------------


@router.get("/care", dependencies=[guard(CARE_DESK)])
async def desk(request: Request, me: Me) -> dict[str, Any]:
    """Questions of families that wait for an answer, and the residents in reach."""
    return await doors_of(request).query.care.desk(me)


@router.get("/care/{resident_id}", dependencies=[guard(CARE_PAGE)])
async def care_of(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """Messages, visits, documents and invitations of a resident, each as far as the asker has to do with it."""
    return await doors_of(request).query.care.of_resident(me, resident_id)


@router.post("/care/{resident_id}/notes", dependencies=[guard(CARE_WRITE)])
async def note(request: Request, me: Me, resident_id: IdPath, body: models.TextBody) -> dict[str, Any]:
    """A message to all who may read notes about this resident."""
    return {"thread": await doors_of(request).commands.care.note(me, resident_id, body.text)}


@router.post("/care/{resident_id}/visits", dependencies=[guard(CARE_WRITE)])
async def plan_visit(request: Request, me: Me, resident_id: IdPath, body: models.VisitBody) -> dict[str, Any]:
    """Enter a visit."""
    visit = await doors_of(request).commands.care.plan_visit(me, resident_id, kind=body.kind, at_ms=body.at_ms, note=body.note)
    return {"visit": visit}


@router.post("/visits/{visit_id}/end", dependencies=[guard(CARE_WRITE)])
async def end_visit(request: Request, me: Me, visit_id: IdPath, body: models.VisitEnd) -> dict[str, Any]:
    """A visit was held, or will not be."""
    return {"visit": await doors_of(request).commands.care.close_visit(me, visit_id, body.status, body.result)}


@router.post("/questions/{thread_id}/answer", dependencies=[guard(CARE_WRITE)])
async def answer(request: Request, me: Me, thread_id: IdPath, body: models.TextBody) -> dict[str, Any]:
    """Answer a question of the family."""
    return {"thread": await doors_of(request).commands.care.answer(me, thread_id, body.text)}


@router.post("/questions/{thread_id}/settle", dependencies=[guard(CARE_WRITE)])
async def settle(request: Request, me: Me, thread_id: IdPath) -> dict[str, Any]:
    """It was answered by telephone or in the room."""
    await doors_of(request).commands.care.settle(me, thread_id)
    return {"settled": True}


@router.post("/messages/{letter_id}/withdraw", dependencies=[guard(CARE_WRITE)])
async def withdraw_letter(request: Request, me: Me, letter_id: IdPath, body: models.ReasonBody) -> dict[str, Any]:
    """Take back a message of the house."""
    await doors_of(request).commands.care.withdraw_letter(me, letter_id, body.reason)
    return {"withdrawn": True}


# --- documents -----------------------------------------------------------------------------------------------------


@router.post("/care/{resident_id}/documents", dependencies=[guard(DOCUMENTS_WRITE)])
async def add_document(
    request: Request,
    me: Me,
    resident_id: IdPath,
    title: Annotated[str, Query(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")],
    kind: Literal["examination", "report", "letter", "other"] = "examination",
    day: Annotated[str, Query(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = "",
) -> dict[str, Any]:
    """Keep a PDF or JPEG, which is the body of the request; what it is, its bytes say."""
    care = doors_of(request).commands.care
    care.may_upload(me, resident_id)
    async with care.uploads:  # each may hold its whole file in memory
        content = await _content(request)
        return {"document": await care.add_document(me, resident_id, content, title=title, kind=kind, day=day)}


async def _content(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _UPLOAD_TYPES:
        raise Problem(415, "documents.type")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > DOCUMENT_BYTES:
            raise Problem(413, "documents.too_large", headers={"Connection": "close"}, params={"limit": DOCUMENT_BYTES // 1024 // 1024})
        chunks.append(chunk)
    return b"".join(chunks)


@router.get("/documents/{document_id}", dependencies=[guard(DOCUMENTS_READ)], response_class=Response)
async def document(request: Request, me: Me, document_id: IdPath) -> Response:
    """A document as a file to keep; who opened it is written first."""
    found, content = await doors_of(request).query.care.document(me, document_id)
    name = quote(f"{found.title}.{'pdf' if found.media_type == 'application/pdf' else 'jpg'}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Cache-Control": "no-store"}
    return Response(content, media_type=found.media_type, headers=headers)


@router.post("/documents/{document_id}/withdraw", dependencies=[guard(DOCUMENTS_WRITE)])
async def withdraw_document(request: Request, me: Me, document_id: IdPath, body: models.ReasonBody) -> dict[str, Any]:
    """Take a document away for good; that it was there, and why it is gone, stays on record."""
    await doors_of(request).commands.care.withdraw_document(me, document_id, body.reason)
    return {"withdrawn": True}


# --- the family ----------------------------------------------------------------------------------------------------


@router.post("/family/{resident_id}/questions", dependencies=[guard(FAMILY)])
async def ask(request: Request, me: Me, resident_id: IdPath, body: models.AskBody) -> dict[str, Any]:
    """A question to the care desk."""
    return {"thread": await doors_of(request).commands.care.ask(me, resident_id, body.text, body.thread)}


# --- invitations ---------------------------------------------------------------------------------------------------


@router.get("/consent-text", dependencies=[guard(SIGNED_IN)])
async def consent_text(request: Request, lang: Literal["zh", "en"] = "zh") -> dict[str, Any]:
    """The text that is signed, with version and hash."""
    return doors_of(request).query.care.consent_text(lang)


@router.post("/care/{resident_id}/invitations", dependencies=[guard(INVITE)])
async def invite(request: Request, me: Me, resident_id: IdPath, body: models.InvitationBody) -> dict[str, Any]:
    """Invite somebody; the link and its QR code are shown now and never again."""
    doors = doors_of(request)
    made, token = await doors.commands.invitations.invite(me, resident_id, body.model_dump())
    url = f"{request.app.state.family_url}/invite#{token}"
    picture = io.BytesIO()
    segno.make(url, error="m").save(picture, kind="svg", scale=6, border=4, xmldecl=False)
    return {"invitation": made, "url": url, "qr": f"data:image/svg+xml;base64,{base64.b64encode(picture.getvalue()).decode()}"}


@router.post("/invitations/{invitation_id}/withdraw", dependencies=[guard(INVITE)])
async def withdraw_invitation(request: Request, me: Me, invitation_id: IdPath) -> dict[str, Any]:
    """Take back an invitation that nobody has taken up."""
    await doors_of(request).commands.invitations.withdraw(me, invitation_id)
    return {"withdrawn": True}


@router.post("/invite/open", dependencies=[guard(OPEN)])
async def open_invitation(request: Request, body: models.TokenBody) -> dict[str, Any]:
    """What an invitation would open; it stays unused."""
    return await doors_of(request).query.care.invitation(body.token, await _somebody(request))


@router.post("/invite/accept", dependencies=[guard(OPEN)])
async def accept(request: Request, response: Response, body: models.AcceptBody) -> dict[str, Any]:
    """Make an account of one's own by an invitation; the person is signed in then."""
    doors = doors_of(request)
    fields = body.model_dump(exclude={"token"})
    await doors.commands.invitations.accept(body.token, fields, client=client_of(request))
    token, asker = await doors.commands.sign_in(body.user, body.password, client=client_of(request), former=token_of(request))
    set_cookie(response, doors, token)
    return {"me": doors.query.me(asker)}


@router.post("/invite/join", dependencies=[guard(FAMILY)])
async def join(request: Request, me: Me, body: models.TokenBody) -> dict[str, Any]:
    """Take an invitation up with the family account that one has."""
    await doors_of(request).commands.invitations.accept_as(me, body.token)
    return {"joined": True}


async def _somebody(request: Request) -> Asker | None:
    return await doors_of(request).commands.session(token_of(request))
