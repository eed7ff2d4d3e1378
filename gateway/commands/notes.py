"""Writing notes about residents and taking them back; audited in the same transaction, without the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw

from gateway import notes
from gateway.access import FieldClass
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_resident
from gateway.notes import Note
from gateway.query.asker import Asker, Missing
from gateway.query.notes import CLASS_OF
from gateway.query.shape import plain
from gateway.registry import check
from gateway.registry.errors import RegistryError
from gateway.registry.ids import uuid7
from gateway.store import StoreError

if TYPE_CHECKING:
    from gateway.commands.door import CommandParts

TEXT_LIMIT = 2_000


class NoteCommands:
    """The write side of notes."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts

    async def add(self, asker: Asker, resident_id: str, *, kind: str, text: str) -> dict[str, Any]:
        """Write something down; raises Missing, Forbidden, Refusal."""
        scope = must_resident(asker, self._parts.registry.view, resident_id, CLASS_OF[kind])
        if scope.resident_id is None:
            raise Missing
        now_ns = self._parts.clock.now_ns()
        note = Note(
            id=uuid7(now_ns), resident_id=scope.resident_id, kind=kind, text=_clean(text), author=asker.id, author_name=asker.user.name,
            t_ns=now_ns,
        )  # fmt: skip

        def unit(conn: apsw.Connection) -> Note:
            notes.add(conn, note)
            self._audit(conn, asker, "note.added", note)
            return note

        return await self._write(unit)

    async def withdraw(self, asker: Asker, note_id: str, *, reason: str) -> dict[str, Any]:
        """Take a note back, with a reason; raises Missing, Forbidden, Refusal."""
        former = await self._parts.db.read(lambda conn: notes.get(conn, note_id))
        if former is None:
            raise Missing
        must_resident(asker, self._parts.registry.view, former.resident_id, CLASS_OF.get(former.kind, FieldClass.NOTES))
        clean, now_ns = _clean(reason, check.NOTE_LIMIT), self._parts.clock.now_ns()

        def unit(conn: apsw.Connection) -> Note:
            standing = notes.get(conn, note_id)
            if standing is None or standing.withdrawn_ns is not None:
                raise Refusal(Kind.CONFLICT, "note.withdrawn")
            self._audit(conn, asker, "note.withdrawn", standing)
            return notes.withdraw(conn, standing, by=asker.id, name=asker.user.name, reason=clean, t_ns=now_ns)

        return await self._write(unit)

    async def _write(self, unit: Any) -> dict[str, Any]:
        try:
            document: dict[str, Any] = plain(await self._parts.db.write(unit))
        except StoreError:
            raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from None
        return document

    def _audit(self, conn: apsw.Connection, asker: Asker, action: str, note: Note) -> None:
        self._parts.audit.append(
            conn, actor=asker.id, role=asker.role.value, action=action, subject=note.id, resident=note.resident_id,
            purpose=asker.purpose.value, detail={"kind": note.kind},
        )  # fmt: skip


def _clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Lines of text, each without control characters; raises Refusal."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        found = "\n".join(check.text("text", line, limit=limit) for line in lines)
        if not found or len(found) > limit:
            raise RegistryError("text.long" if found else "text.empty", field="text")
    except RegistryError as error:
        raise Refusal(Kind.INVALID, f"registry.{error.code}") from None
    return found
