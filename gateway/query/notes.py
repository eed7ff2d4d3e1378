"""Reads of what was written about a resident; each kind needs its own permission."""

from __future__ import annotations

from typing import Any

from gateway import notes
from gateway.access import Action, FieldClass, Scope
from gateway.notes import Note
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.shape import plain
from gateway.query.sight import Sight, to_ms

CLASS_OF = {"diagnosis": FieldClass.CARE, "medication": FieldClass.CARE, "allergy": FieldClass.CARE, "note": FieldClass.NOTES}


def readable(asker: Asker, scope: Scope) -> frozenset[str]:
    """Kinds of notes that the asker may read about a resident."""
    return frozenset(kind for kind, field_class in CLASS_OF.items() if may(asker, Action.READ, scope, field_class))


class Notes:
    """The reads of notes."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def of_resident(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """Everything that the asker may read, withdrawn ones marked, newest first; raises Missing."""
        scope = resident_scope(self._sight.view, resident_id)
        kinds = readable(asker, scope)
        if scope.resident_id is None or not kinds:
            raise Missing
        await self._sight.looks.looked(asker, "notes", scope.resident_id, resident=scope.resident_id)
        found = await self.listed(scope.resident_id)
        return {"t_ms": to_ms(self._sight.now_ns()), "notes": [plain(note) for note in found if note.kind in kinds]}

    async def facts(self, asker: Asker, scope: Scope) -> list[dict[str, Any]]:
        """Diagnoses, medication and allergies that stand, as far as the asker may read them; the caller has recorded the look."""
        kinds = readable(asker, scope)
        if scope.resident_id is None or not kinds:
            return []
        return [
            {"id": note.id, "kind": note.kind, "text": note.text, "author_name": note.author_name, "t_ms": to_ms(note.t_ns)}
            for note in reversed(await self.listed(scope.resident_id))
            if note.kind in notes.FACTS and note.kind in kinds and note.withdrawn_ns is None
        ]

    async def listed(self, resident_id: str) -> list[Note]:
        """All of a person's notes, newest first, for whoever checks the permission."""
        own = self._sight.view.records_of(resident_id)
        return await self._sight.parts.db.read(lambda conn: notes.of_residents(conn, own))
