"""What is written about residents: diagnoses, medication, allergies, notes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import StringConstraints

from gateway.api.models import Body, Note
from gateway.api.policies import CARE_WRITE, NOTES_READ, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["notes"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class NoteBody(Body):
    """Something to write down."""

    kind: Literal["diagnosis", "medication", "allergy", "note"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]


class WithdrawBody(Body):
    """Why it is taken back."""

    reason: Note


@router.get("/residents/{resident_id}/notes", dependencies=[guard(NOTES_READ)])
async def notes(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """Everything that was written about a resident, withdrawn ones marked, newest first."""
    return await doors_of(request).query.notes.of_resident(me, resident_id)


@router.post("/residents/{resident_id}/notes", dependencies=[guard(CARE_WRITE)])
async def add_note(request: Request, me: Me, resident_id: IdPath, body: NoteBody) -> dict[str, Any]:
    """Write something down; it can be taken back, not changed."""
    return {"note": await doors_of(request).commands.notes.add(me, resident_id, kind=body.kind, text=body.text)}


@router.post("/notes/{note_id}/withdraw", dependencies=[guard(CARE_WRITE)])
async def withdraw_note(request: Request, me: Me, note_id: IdPath, body: WithdrawBody) -> dict[str, Any]:
    """Take a note back; it stays readable as withdrawn."""
    return {"note": await doors_of(request).commands.notes.withdraw(me, note_id, reason=body.reason)}
