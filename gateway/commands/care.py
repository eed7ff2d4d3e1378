"""What house and family write to each other: messages, visits, documents; each allowed for the person, audited with the act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from gateway import events
from gateway.access import Action, FieldClass, Scope, scope_of
from gateway.care import documents, letters, visits
from gateway.care.documents import Document
from gateway.care.letters import Letter, Thread
from gateway.clock import NS_PER_S
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_resident
from gateway.query.asker import Asker, Forbidden, Missing, may
from gateway.query.care import document_json, thread_json, visit_json
from gateway.query.shape import NS_PER_MS
from gateway.store import Lane, StoreError

if TYPE_CHECKING:
    from gateway.commands.door import CommandParts

T = TypeVar("T")
PER_DAY = 30  # messages of one family member; more is no conversation
DAY_NS = 86_400 * NS_PER_S
FARTHEST_NS = 400 * DAY_NS  # a visit is planned at most so far ahead, or entered so late
UPLOADS_AT_ONCE = 2


class CareCommands:
    """The write side of what is between house and family."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def _write(self, asker: Asker, action: str, resident_id: str, unit: Callable[[apsw.Connection, int], tuple[str, T]]) -> T:
        """One transaction: the rows, an event and a row of the audit; all or nothing."""

        def work(conn: apsw.Connection) -> T:
            now_ns = self._parts.clock.now_ns()
            subject, made = unit(conn, now_ns)
            events.append(conn, kind=f"care.{action}", subject=subject, actor=asker.id, body={"resident_id": resident_id}, t_ns=now_ns)
            self._parts.audit.append(
                conn, actor=asker.id, role=asker.role.value, action=f"care.{action}", subject=subject, resident=resident_id,
                purpose=asker.purpose.value,
            )  # fmt: skip
            return made

        try:
            return await self._parts.db.write(work, lane=Lane.NOW)
        except StoreError:
            raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from None

    def _scope(self, asker: Asker, resident_id: str, field_class: FieldClass) -> str:
        scope = must_resident(asker, self._parts.registry.view, resident_id, field_class)
        if scope.resident_id is None:
            raise Missing
        return scope.resident_id

    async def _read(self, fn: Callable[[apsw.Connection], T]) -> T:
        return await self._parts.db.read(fn)

    # --- messages --------------------------------------------------------------------------------------------------

    async def note(self, asker: Asker, resident_id: str, text: str) -> dict[str, Any]:
        """A message of the house to all who may read notes about this resident."""
        who = self._scope(asker, resident_id, FieldClass.NOTES)
        return await self._send(asker, who, "note", text)

    async def ask(self, asker: Asker, resident_id: str, text: str, thread_id: str | None) -> dict[str, Any]:
        """A question of a family member to the desk, or what belongs to one that was asked; raises Missing or Refusal."""
        who = self._scope(asker, resident_id, FieldClass.DESK)
        thread = None
        if thread_id is not None:
            thread = await self._read(lambda conn: letters.thread_of(conn, thread_id))
            if thread is None or thread.opener != asker.id or self._parts.registry.view.canonical(thread.resident_id) != who:
                raise Missing
        since_ns = self._parts.clock.now_ns() - DAY_NS
        if await self._read(lambda conn: letters.sent_since(conn, asker.id, since_ns)) >= PER_DAY:
            raise Refusal(Kind.TOO_MANY, "care.too_many", retry_s=3600)
        return await self._send(asker, who, "asked", text, from_family=True, thread=thread)

    async def answer(self, asker: Asker, thread_id: str, text: str) -> dict[str, Any]:
        """The desk's answer to a question; raises Missing."""
        thread = await self._question(asker, thread_id)
        return await self._send(asker, thread.resident_id, "answered", text, thread=thread)

    async def settle(self, asker: Asker, thread_id: str) -> None:
        """A question was answered in another way, by telephone or in the room."""
        thread = await self._question(asker, thread_id)

        def unit(conn: apsw.Connection, _now_ns: int) -> tuple[str, None]:
            letters.settle(conn, thread.id)
            return thread.id, None

        await self._write(asker, "settled", thread.resident_id, unit)

    async def withdraw_letter(self, asker: Asker, letter_id: str, reason: str) -> None:
        """Take back a message of the house; who wrote it or anybody of the desk. Raises Missing or Refusal."""
        letter = await self._read(lambda conn: letters.find(conn, letter_id))
        if letter is None:
            raise Missing
        who = self._scope(asker, letter.resident_id, FieldClass.NOTES)
        if letter.from_family:
            raise Forbidden
        if letter.withdrawn_ns is not None:
            raise Refusal(Kind.CONFLICT, "care.withdrawn")

        def unit(conn: apsw.Connection, now_ns: int) -> tuple[str, Letter]:
            return letter.id, letters.withdraw(conn, letter, by=asker.id, reason=reason, now_ns=now_ns)

        await self._write(asker, "withdrawn", who, unit)

    async def _question(self, asker: Asker, thread_id: str) -> Thread:
        thread = await self._read(lambda conn: letters.thread_of(conn, thread_id))
        if thread is None or thread.kind != letters.QUESTION:
            raise Missing
        self._scope(asker, thread.resident_id, FieldClass.DESK)
        return thread

    async def _send(
        self, asker: Asker, resident_id: str, action: str, text: str, *, from_family: bool = False, thread: Thread | None = None
    ) -> dict[str, Any]:
        def unit(conn: apsw.Connection, now_ns: int) -> tuple[str, Thread | None]:
            letter = letters.send(
                conn, author=asker.actor, resident_id=resident_id, text=text.strip(), now_ns=now_ns, from_family=from_family, thread=thread
            )
            return letter.id, letters.thread_of(conn, letter.thread)

        if not text.strip():
            raise Refusal(Kind.INVALID, "care.empty")
        whole = await self._write(asker, action, resident_id, unit)
        if whole is None:
            raise Missing
        return thread_json(self._parts.registry.view, whole, asker.id if from_family else "")

    # --- visits ----------------------------------------------------------------------------------------------------

    async def plan_visit(self, asker: Asker, resident_id: str, *, kind: str, at_ms: int, note: str) -> dict[str, Any]:
        """Enter a visit to come, or one that was."""
        who = self._scope(asker, resident_id, FieldClass.NOTES)
        if abs(at_ms * NS_PER_MS - self._parts.clock.now_ns()) > FARTHEST_NS:
            raise Refusal(Kind.INVALID, "care.visit_time")

        def unit(conn: apsw.Connection, now_ns: int) -> tuple[str, visits.Visit]:
            made = visits.plan(conn, resident_id=who, kind=kind, at_ns=at_ms * NS_PER_MS, note=note.strip(), by=asker.id, now_ns=now_ns)
            return made.id, made

        return visit_json(self._parts.registry.view, await self._write(asker, "visit_planned", who, unit))

    async def close_visit(self, asker: Asker, visit_id: str, status: str, result: str) -> dict[str, Any]:
        """A planned visit was held or is cancelled; raises Missing or Refusal."""
        found = await self._read(lambda conn: visits.find(conn, visit_id))
        if found is None:
            raise Missing
        who = self._scope(asker, found.resident_id, FieldClass.NOTES)

        def unit(conn: apsw.Connection, now_ns: int) -> tuple[str, visits.Visit]:
            now = visits.find(conn, visit_id)
            if now is None or now.status != visits.PLANNED:
                raise Refusal(Kind.CONFLICT, "care.visit_closed")
            made = visits.close(conn, now, status=status, result=result.strip(), by=asker.id, now_ns=now_ns)
            return made.id, made

        return visit_json(self._parts.registry.view, await self._write(asker, f"visit_{status}", who, unit))

    # --- documents -------------------------------------------------------------------------------------------------

    def may_upload(self, asker: Asker, resident_id: str) -> None:
        """Asked before a single byte is read; raises Missing or Forbidden."""
        self._scope(asker, resident_id, FieldClass.DOCUMENTS)

    async def add_document(self, asker: Asker, resident_id: str, content: bytes, *, title: str, kind: str, day: str) -> dict[str, Any]:
        """Keep a document; what it is, is found in its bytes. Raises Missing or Refusal."""
        who, shelf = self._scope(asker, resident_id, FieldClass.DOCUMENTS), self._parts.shelf
        if shelf is None:
            raise Refusal(Kind.UNAVAILABLE, "documents.unavailable")
        media_type = documents.media_type_of(content)
        if media_type is None:
            raise Refusal(Kind.INVALID, "documents.type")
        if not title.strip():
            raise Refusal(Kind.INVALID, "care.empty")
        if day and not _is_day(day):
            raise Refusal(Kind.INVALID, "documents.day")
        try:
            row_id = await asyncio.to_thread(shelf.put, content, self._parts.clock.now_ns())
        except OSError:
            raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=60) from None

        def unit(conn: apsw.Connection, now_ns: int) -> tuple[str, Document]:
            made = documents.add(
                conn, row_id=row_id, resident_id=who, title=title.strip(), kind=kind, day=day, media_type=media_type, content=content,
                by=asker.id, now_ns=now_ns,
            )  # fmt: skip
            return row_id, made

        try:
            return document_json(await self._write(asker, "document_added", who, unit))
        except Refusal:
            shelf.drop(row_id)
            raise

    async def withdraw_document(self, asker: Asker, document_id: str, reason: str) -> None:
        """Take a document away: nobody opens it any more and its bytes go; the row stays with the reason. Raises Missing."""
        found = await self._read(lambda conn: documents.find(conn, document_id))
        if found is None:
            raise Missing
        who = self._scope(asker, found.resident_id, FieldClass.DOCUMENTS)
        seen = may(asker, Action.READ, scope_of(self._parts.registry.view, who) or Scope(), FieldClass.DOCUMENTS)
        if not seen and found.entered_by != asker.id:
            raise Missing
        if found.withdrawn_ns is not None:
            raise Refusal(Kind.CONFLICT, "care.withdrawn")

        def unit(conn: apsw.Connection, now_ns: int) -> tuple[str, Document]:
            return found.id, documents.withdraw(conn, found, by=asker.id, reason=reason, now_ns=now_ns)

        await self._write(asker, "document_withdrawn", who, unit)
        if self._parts.shelf is not None:
            await asyncio.to_thread(self._parts.shelf.drop, found.id)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
