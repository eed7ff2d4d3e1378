"""For those who run the house: residents, beds, staff, the week's duty, versions of policies, tables to import, accounts."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from gateway.api.models_people import CorrectBody, ImportBody, UserChangeBody
from gateway.api.policies import (
    AUDIT,
    CONSENT_WRITE,
    POLICIES_READ,
    REGISTRY_READ,
    REGISTRY_WRITE,
    RESIDENTS_WRITE,
    SUPERVISION,
    USERS,
    Me,
    guard,
)
from gateway.api.problems import Problem
from gateway.api.session import doors_of
from gateway.query.trail import Asked

router = APIRouter(tags=["people"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
IdQuery = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Moment = Annotated[int | None, Query(ge=0, le=4_102_444_800_000)]
Weeks = Annotated[int, Query(ge=1, le=26)]
Kind = Literal["read", "act", "refused", "sign_in"]
BOM = "\ufeff"  # spreadsheets take a file without it for another encoding


def _table(name: str, text: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(BOM + text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/house/residents", dependencies=[guard(RESIDENTS_WRITE)])
async def residents(request: Request, me: Me) -> dict[str, Any]:
    """Residents in reach, those who left too, with who is away longer than said."""
    return await doors_of(request).query.people.residents(me)


@router.get("/house/residents/{resident_id}", dependencies=[guard(RESIDENTS_WRITE)])
async def resident(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """One resident with contacts, what an ambulance asks for, devices and every step."""
    return await doors_of(request).query.people.resident(me, resident_id)


@router.get("/house/residents/{resident_id}/merge", dependencies=[guard(RESIDENTS_WRITE)])
async def merge_preview(request: Request, me: Me, resident_id: IdPath, into: IdQuery) -> dict[str, Any]:
    """What a merge would do; nothing is written."""
    return await doors_of(request).query.people.merge_preview(me, resident_id, into)


@router.post("/house/residents/{resident_id}/correct", dependencies=[guard(RESIDENTS_WRITE)])
async def correct(request: Request, me: Me, resident_id: IdPath, body: CorrectBody) -> dict[str, Any]:
    """Correct what was entered wrongly."""
    fields = body.model_dump(exclude_unset=True, exclude_none=True)
    return {"resident": await doors_of(request).commands.people.correct(me, resident_id, fields)}


@router.get("/house/beds", dependencies=[guard(REGISTRY_WRITE)])
async def beds(request: Request, me: Me) -> dict[str, Any]:
    """Beds in reach, free or taken."""
    return await doors_of(request).query.people.beds(me)


@router.get("/house/staff", dependencies=[guard(REGISTRY_WRITE)])
async def staff(request: Request, me: Me) -> dict[str, Any]:
    """Everybody who can be called, and how."""
    return doors_of(request).query.people.staff(me)


@router.post("/house/staff/{staff_id}/retire", dependencies=[guard(REGISTRY_WRITE)])
async def retire(request: Request, me: Me, staff_id: IdPath) -> dict[str, Any]:
    """Take somebody off duty for good."""
    return {"staff": await doors_of(request).commands.people.retire_staff(me, staff_id)}


@router.get("/house/week", dependencies=[guard(POLICIES_READ)])
async def week(request: Request, me: Me, site: IdQuery, at_ms: Moment = None) -> dict[str, Any]:
    """Who is on duty at every hour of a week, and where a role that alarms call is nobody."""
    doors = doors_of(request)
    return await doors.query.people.week(me, site, at_ms, doors.commands.alarms.base)


@router.get("/policies/{policy_id}/versions", dependencies=[guard(POLICIES_READ)])
async def versions(request: Request, me: Me, policy_id: IdPath) -> dict[str, Any]:
    """Every version of a policy, newest first, with who set it."""
    return await doors_of(request).query.people.versions(me, policy_id)


@router.get("/house/choices", dependencies=[guard(REGISTRY_READ)])
async def choices(request: Request, me: Me) -> dict[str, Any]:
    """What a policy can name."""
    doors = doors_of(request)
    return doors.query.people.choices(me, doors.commands.alarms.channels, doors.commands.alarms.base)


@router.get("/house/grantees", dependencies=[guard(CONSENT_WRITE)])
async def grantees(request: Request, me: Me) -> dict[str, Any]:
    """Family accounts that a consent can name."""
    return await doors_of(request).query.people.grantees(me)


@router.post("/house/import", dependencies=[guard(RESIDENTS_WRITE)])
async def import_tables(request: Request, me: Me, body: ImportBody) -> dict[str, Any]:
    """Rehearse CSV files row by row, or take them over: all rows or none."""
    try:
        files = {table.name: base64.b64decode(table.content_base64, validate=True) for table in body.files}
    except binascii.Error:
        raise Problem(422, "import.encoding") from None
    return await doors_of(request).commands.people.import_tables(me, files, write=body.write, lang=body.lang)


@router.get("/supervision", dependencies=[guard(SUPERVISION)])
async def supervision(request: Request, me: Me, weeks: Weeks = 8, site: IdQuery | None = None) -> dict[str, Any]:
    """Figures of whole houses by site and complete week, never of fewer than ten people."""
    return await doors_of(request).query.supervision.read(me, weeks, site)


@router.get("/supervision.csv", dependencies=[guard(SUPERVISION)])
async def supervision_csv(request: Request, me: Me, weeks: Weeks = 8, site: IdQuery | None = None) -> Response:
    """The same, one figure per line."""
    return _table("supervision.csv", await doors_of(request).query.supervision.csv(me, weeks, site))


@router.get("/audit/search", dependencies=[guard(AUDIT)])
async def audit_search(
    request: Request,
    me: Me,
    actor: IdQuery | None = None,
    resident: IdQuery | None = None,
    kind: Kind | None = None,
    from_ms: Moment = None,
    until_ms: Moment = None,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Who looked and who changed what, newest first."""
    asked = Asked(actor=actor, resident=resident, kind=kind, from_ms=from_ms, until_ms=until_ms)
    return await doors_of(request).query.trail.search(me, asked, before=before, limit=limit)


@router.get("/audit/search.csv", dependencies=[guard(AUDIT)])
async def audit_csv(
    request: Request,
    me: Me,
    actor: IdQuery | None = None,
    resident: IdQuery | None = None,
    kind: Kind | None = None,
    from_ms: Moment = None,
    until_ms: Moment = None,
) -> Response:
    """The same rows as a table, 50,000 at most."""
    asked = Asked(actor=actor, resident=resident, kind=kind, from_ms=from_ms, until_ms=until_ms)
    return _table("audit.csv", await doors_of(request).query.trail.csv(me, asked))


@router.get("/audit/verify", dependencies=[guard(AUDIT)])
async def audit_verify(request: Request, me: Me) -> dict[str, Any]:
    """Whether the chain is whole: no row edited, deleted or cut off."""
    return await doors_of(request).query.trail.verify(me)


@router.get("/house/import/{table}", dependencies=[guard(REGISTRY_WRITE)])
async def template(request: Request, table: IdPath, lang: Literal["zh", "en"] = "zh") -> Response:
    """An empty table to fill in."""
    text = doors_of(request).commands.people.template(table, lang)
    return _table(f"{table}.csv", text)


@router.post("/users/{user_id}", dependencies=[guard(USERS)])
async def change_user(request: Request, me: Me, user_id: IdPath, body: UserChangeBody) -> dict[str, Any]:
    """Change an account; `status` active opens it again."""
    names = {"sites": "site_ids", "residents": "resident_ids"}
    fields = {names.get(key, key): value for key, value in body.model_dump(exclude_unset=True).items() if value is not None}
    return {"user": await doors_of(request).commands.people.change_user(me, user_id, fields)}


@router.post("/users/{user_id}/reset", dependencies=[guard(USERS)])
async def reset_password(request: Request, me: Me, user_id: IdPath) -> dict[str, Any]:
    """A new one-time password, shown once; the person's sessions end."""
    return {"user_id": user_id, "one_time_password": await doors_of(request).commands.people.reset_password(me, user_id)}
