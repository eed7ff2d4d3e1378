"""Reads of messages, visits, documents and invitations: for the desk, for whoever knows a resident, and for the family page."""

from __future__ import annotations

import asyncio
from typing import Any

import apsw

from gateway.access import Action, FieldClass, Scope
from gateway.care import consent_text, documents, invitations, letters, visits
from gateway.care.documents import Document, DocumentLost
from gateway.care.invitations import Invitation
from gateway.care.letters import NOTE, QUESTION, Letter, Thread
from gateway.care.visits import Visit
from gateway.clock import NS_PER_S
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.refusal import Unavailable
from gateway.query.shape import ms, person_json
from gateway.query.sight import Sight, to_ms
from gateway.registry.view import PRESENT, RegistryView
from gateway.vocabulary import Role

DAY_NS = 86_400 * NS_PER_S
VISITS_SINCE_NS = 30 * DAY_NS
RECENT = 100
# What each part of a resident's page needs; who may do none of it has no such page.
_PARTS = (FieldClass.NOTES, FieldClass.DESK, FieldClass.DOCUMENTS, FieldClass.INVITATION)


class CareReads:
    """The reads between house and family."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    # --- the house -------------------------------------------------------------------------------------------------

    async def desk(self, asker: Asker) -> dict[str, Any]:
        """Questions that wait, longest first, and the residents in reach whom somebody from outside sees."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        await self._sight.looks.looked(asker, "desk", "list")
        rows = [one for one in await self._sight.parts.db.read(letters.waiting) if self._reads(asker, one.resident_id)]
        people = [
            {**person_json(resident), "place": resident.place.label, "family": len(_family_of(view, resident.id, now_ns))}
            for resident in view.residents.values()
            if resident.merged_into is None and resident.status in PRESENT and self._reads(asker, resident.id)
        ]
        return {
            "t_ms": to_ms(now_ns),
            "waiting": [{**thread_json(view, one), "resident": self._person(one.resident_id)} for one in rows[:RECENT]],
            "residents": sorted(people, key=lambda one: (one["place"], one["name"])),
        }

    async def waiting(self, asker: Asker) -> int:
        """How many questions of families wait for somebody like the asker."""
        rows = await self._sight.parts.db.read(letters.waiting_residents)
        return sum(1 for resident_id in rows if self._reads(asker, resident_id))

    def _reads(self, asker: Asker, resident_id: str) -> bool:
        try:
            return may(asker, Action.READ, resident_scope(self._sight.view, resident_id), FieldClass.DESK)
        except Missing:
            return False

    def _person(self, resident_id: str) -> dict[str, Any]:
        resident = self._sight.view.residents[self._sight.view.canonical(resident_id)]
        return {**person_json(resident), "place": resident.place.label}

    async def of_resident(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """Everything that the house keeps for a resident's family, each part for whom it is; raises Missing."""
        sight = self._sight
        view, now_ns = sight.view, sight.now_ns()
        scope = resident_scope(view, resident_id)
        writes = {word for word in _PARTS if may(asker, Action.WRITE, scope, word)}
        if scope.resident_id is None or not writes:
            raise Missing
        resident = view.residents[scope.resident_id]
        await sight.looks.looked(asker, "care", resident.id, resident=resident.id)
        own = view.records_of(resident.id)

        def read(conn: apsw.Connection) -> tuple[list[Thread], list[Visit], list[Document], list[Invitation]]:
            return (
                letters.of_resident(conn, own), visits.of_resident(conn, own, now_ns - VISITS_SINCE_NS),
                documents.of_resident(conn, own), invitations.of_resident(conn, own),
            )  # fmt: skip

        threads, planned, papers, invited = await sight.parts.db.read(read)
        document: dict[str, Any] = {
            "t_ms": to_ms(now_ns),
            "tz": sight.tz_of(resident),
            "resident": {**person_json(resident), "place": resident.place.label},
            "may": sorted(word.value for word in writes),
        }
        if FieldClass.DESK in writes:
            document["questions"] = [thread_json(view, one) for one in threads if one.kind == QUESTION]
        if FieldClass.NOTES in writes:
            document["notes"] = [thread_json(view, one) for one in threads if one.kind == NOTE]
            document["visits"] = [visit_json(view, one) for one in planned]
            document["family"] = _family_of(view, resident.id, now_ns)
        if FieldClass.DOCUMENTS in writes:
            sees = may(asker, Action.READ, scope, FieldClass.DOCUMENTS)
            shown = [one for one in papers if sees or one.entered_by == asker.id]
            document["documents"] = [{**document_json(one), "opens": sees} for one in shown]
        if FieldClass.INVITATION in writes:
            document["invitations"] = [invitation_json(view, one, now_ns) for one in invited]
        return document

    # --- the family ------------------------------------------------------------------------------------------------

    async def family(self, asker: Asker, scope: Scope, sees: set[FieldClass]) -> dict[str, Any]:
        """The parts of the family page that are not readings; what the consent does not open has no key."""
        sight = self._sight
        view, now_ns = sight.view, sight.now_ns()
        resident = view.residents[scope.resident_id or ""]
        own = view.records_of(resident.id)

        def read(conn: apsw.Connection) -> tuple[list[Thread], list[Visit], list[Document]]:
            return (
                letters.of_resident(conn, own) if sees & {FieldClass.DESK, FieldClass.NOTES} else [],
                visits.of_resident(conn, own, now_ns - VISITS_SINCE_NS) if FieldClass.NOTES in sees else [],
                documents.of_resident(conn, own) if FieldClass.DOCUMENTS in sees else [],
            )

        threads, planned, papers = await sight.parts.db.read(read)
        found: dict[str, Any] = {}
        if FieldClass.DESK in sees:
            site = view.sites.get(resident.place.site_id)
            mine = [thread_json(view, one, asker.id) for one in threads if one.kind == QUESTION and one.opener == asker.id]
            found["desk"] = {"site": "" if site is None else site.name, "phone": "" if site is None else site.phone, "questions": mine}
        if FieldClass.NOTES in sees:
            notes = [letter for one in threads if one.kind == NOTE for letter in one.letters if letter.withdrawn_ns is None]
            found["notes"] = [_letter_json(view, letter, asker.id) for letter in notes]
            found["visits"] = [visit_json(view, one) for one in planned]
        if FieldClass.DOCUMENTS in sees:
            found["documents"] = [document_json(one) for one in papers]
        return found

    async def document(self, asker: Asker, document_id: str) -> tuple[Document, bytes]:
        """A document with its bytes; the look is written before they are handed out. Raises Missing or Unavailable."""
        sight = self._sight
        found = await sight.parts.db.read(lambda conn: documents.find(conn, document_id))
        if found is None or found.withdrawn_ns is not None:
            raise Missing
        if not may(asker, Action.READ, resident_scope(sight.view, found.resident_id), FieldClass.DOCUMENTS):
            raise Missing
        if sight.parts.shelf is None:
            raise Unavailable("documents.unavailable")
        await sight.looks.looked(asker, "document", found.id, resident=sight.view.canonical(found.resident_id))
        try:
            return found, await asyncio.to_thread(sight.parts.shelf.get, found)
        except DocumentLost:
            raise Unavailable("documents.lost") from None

    # --- who is invited --------------------------------------------------------------------------------------------

    def consent_text(self, lang: str) -> dict[str, Any]:
        """The text that is signed before somebody is let in."""
        return {"version": f"{consent_text.VERSION}.{lang}", "sha256": consent_text.sha256_of(lang), "text": consent_text.TEXTS[lang]}

    async def invitation(self, token: str, asker: Asker | None) -> dict[str, Any]:
        """What an invitation would open, before anybody has signed in: the resident's name only in part; raises Missing."""
        now_ns, view = self._sight.now_ns(), self._sight.view
        found = await self._sight.parts.db.read(lambda conn: invitations.opened(conn, token, now_ns))
        if found is None or (scope := resident_scope(view, found.resident_id)).resident_id is None or not scope.present:
            raise Missing
        resident = view.residents[scope.resident_id]
        site = view.sites.get(resident.place.site_id)
        family = asker is not None and asker.role is Role.FAMILY
        return {
            "t_ms": to_ms(now_ns),
            "tz": self._sight.tz_of(resident),
            "name": found.name,
            "relation": found.relation,
            "resident": masked(resident.name),
            "site": "" if site is None else site.name,
            "classes": list(found.classes),
            "until_ms": ms(found.until_ns),
            "expires_ms": ms(found.expires_ns),
            "giver": found.giver if found.guardian else masked(found.giver),
            "guardian": found.guardian,
            "me": {"name": asker.user.name, "login": asker.user.login} if asker is not None and family else None,
        }


def masked(name: str) -> str:
    """A name as strangers may read it: its first character, and how long it is."""
    return name[:1] + "*" * max(1, min(len(name) - 1, 6))


def thread_json(view: RegistryView, thread: Thread, me: str = "") -> dict[str, Any]:
    """A thread with its messages, oldest first; withdrawn ones without text."""
    rows = [letter for letter in thread.letters if not me or letter.withdrawn_ns is None]
    return {"id": thread.id, "waiting_ms": ms(thread.waiting_ns), "letters": [_letter_json(view, letter, me) for letter in rows]}


def _letter_json(view: RegistryView, letter: Letter, me: str = "") -> dict[str, Any]:
    user = view.users.get(letter.author)
    return {
        "id": letter.id, "t_ms": ms(letter.sent_ns), "name": letter.author_name if user is None else user.name, "text": letter.text,
        "from_family": letter.from_family, "mine": bool(me) and letter.author == me, "withdrawn": letter.withdrawn_ns is not None,
    }  # fmt: skip


def visit_json(view: RegistryView, visit: Visit) -> dict[str, Any]:
    """A visit in plain words' codes."""
    user = view.users.get(visit.closed_by or visit.entered_by)
    return {
        "id": visit.id, "kind": visit.kind, "at_ms": ms(visit.at_ns), "note": visit.note, "status": visit.status, "result": visit.result,
        "name": "" if user is None else user.name,
    }  # fmt: skip


def document_json(document: Document) -> dict[str, Any]:
    """A document as it stands in a list."""
    return {
        "id": document.id, "title": document.title, "kind": document.kind, "day": document.day, "media_type": document.media_type,
        "size": document.size, "entered_ms": ms(document.entered_ns),
    }  # fmt: skip


def invitation_json(view: RegistryView, invitation: Invitation, now_ns: int) -> dict[str, Any]:
    """An invitation without its token, which nobody knows."""
    maker, user = view.users.get(invitation.created_by), view.users.get(invitation.used_by)
    return {
        "id": invitation.id, "name": invitation.name, "relation": invitation.relation, "classes": list(invitation.classes),
        "until_ms": ms(invitation.until_ns), "expires_ms": ms(invitation.expires_ns), "created_ms": ms(invitation.created_ns),
        "giver": invitation.giver, "guardian": invitation.guardian, "state": invitation.state(now_ns),
        "by": "" if maker is None else maker.name, "used_by": "" if user is None else user.name, "used_ms": ms(invitation.used_ns),
    }  # fmt: skip


def _family_of(view: RegistryView, resident_id: str, now_ns: int) -> list[dict[str, Any]]:
    """Who reads what of a resident now: one entry per person."""
    found: dict[str, set[str]] = {}
    for row in view.consents.values():
        live = row.from_ns <= now_ns < row.until_ns and row.withdrawn_ns is None
        if live and view.canonical(row.resident_id) == resident_id:
            found.setdefault(row.grantee_id, set()).update(row.classes)
    users = [(view.users[user_id], classes) for user_id, classes in found.items() if user_id in view.users]
    return [{"name": user.name, "classes": sorted(classes)} for user, classes in sorted(users, key=lambda one: one[0].name)]
