"""Letting a family in: an invitation with the consent that was signed for it, and what becomes of it when somebody takes it up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.access import Action, FieldClass, subject_of
from gateway.care import consent_text, invitations
from gateway.care.invitations import Invitation
from gateway.clock import NS_PER_S
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_resident
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.care import invitation_json
from gateway.query.shape import NS_PER_MS
from gateway.registry import consents
from gateway.registry.accounts import create_account
from gateway.registry.attempts import Attempts, TooManyAttempts
from gateway.registry.errors import RegistryError
from gateway.registry.passwords import MIN_LENGTH, Busy, check_strength
from gateway.registry.tx import Tx
from gateway.vocabulary import Actor, Role

if TYPE_CHECKING:
    from gateway.commands.door import CommandParts

Fields = Mapping[str, Any]
DAY_S = 86_400
LINK_DAYS = 7
LONGEST_DAYS = 3 * 366  # of a consent that is given by an invitation


class InvitationCommands:
    """The write side of invitations; `run` is the registry's own transaction."""

    def __init__(self, parts: CommandParts, run: Callable[..., Any]) -> None:
        self._parts, self._run_tx = parts, run
        self._attempts = Attempts(parts.db, parts.clock)

    # --- the house -------------------------------------------------------------------------------------------------

    async def invite(self, asker: Asker, resident_id: str, fields: Fields) -> tuple[dict[str, Any], str]:
        """Write an invitation for somebody by name; returns it with the token for the link. Raises Missing, Forbidden or Refusal."""

        def work(tx: Tx) -> tuple[Invitation, str]:
            scope = must_resident(asker, tx.view, resident_id, FieldClass.INVITATION)
            until_ns = fields["until_ms"] * NS_PER_MS
            if scope.resident_id is None or not scope.present:
                raise Missing
            if not tx.now_ns < until_ns <= tx.now_ns + LONGEST_DAYS * DAY_S * NS_PER_S:
                raise Refusal(Kind.INVALID, "invitation.until")
            made, token = invitations.make(
                tx.conn, resident_id=scope.resident_id, name=fields["name"].strip(), relation=fields["relation"],
                classes=fields["classes"], until_ns=until_ns, giver=fields["giver"].strip(), guardian=fields["guardian"],
                text_version=f"{consent_text.VERSION}.{fields['lang']}", text_sha256=consent_text.sha256_of(fields["lang"]), by=asker.id,
                now_ns=tx.now_ns, expires_ns=tx.now_ns + LINK_DAYS * DAY_S * NS_PER_S,
            )  # fmt: skip
            tx.note("invitation.made", made.id, resident=made.resident_id)
            return made, token

        made, token = await self._run_tx(asker.actor, work)
        return invitation_json(self._parts.registry.view, made, self._parts.clock.now_ns()), token

    async def withdraw(self, asker: Asker, invitation_id: str) -> None:
        """Take back an invitation that nobody has taken up; raises Missing or Refusal."""

        def work(tx: Tx) -> None:
            found = invitations.find(tx.conn, invitation_id)
            if found is None:
                raise Missing
            must_resident(asker, tx.view, found.resident_id, FieldClass.INVITATION)
            if found.used_ns is not None or found.withdrawn_ns is not None:
                raise Refusal(Kind.CONFLICT, "invitation.over")
            invitations.withdraw(tx.conn, found, tx.now_ns)
            tx.note("invitation.withdrawn", found.id, resident=found.resident_id)

        await self._run_tx(asker.actor, work)

    # --- who was invited -------------------------------------------------------------------------------------------

    async def accept(self, token: str, fields: Fields, *, client: str) -> str:
        """Open a family account for who holds the link, with the consent behind it; returns the account's id. Raises Missing or Refusal."""
        try:
            check_strength(fields["password"], fields["user"])
        except RegistryError as error:
            raise Refusal(Kind.INVALID, f"registry.{error.code}", params={"limit": MIN_LENGTH}) from error
        try:
            keys = await self._attempts.begin("invitation", client)
            await self._open(token)
            hashed = await self._parts.accounts.hasher.hash(fields["password"])
            await self._attempts.succeeded(keys)
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None
        except Busy:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=2) from None

        def account(tx: Tx, found: Invitation) -> str:
            return create_account(
                tx, login=fields["user"], hashed=hashed, must_change=False, name=fields["name"].strip() or found.name, role=Role.FAMILY,
                resident_ids=(found.resident_id,), lang=fields["lang"],
            ).id  # fmt: skip

        return await self._take(token, account)

    async def accept_as(self, asker: Asker, token: str) -> None:
        """The same for somebody who has a family account already: one more resident, or more of one. Raises Missing or Refusal."""
        if asker.role is not Role.FAMILY:
            raise Refusal(Kind.CONFLICT, "invitation.not_family")
        await self._take(token, lambda _tx, _found: asker.id)

    async def _open(self, token: str) -> Invitation:
        now_ns = self._parts.clock.now_ns()
        found = await self._parts.db.read(lambda conn: invitations.opened(conn, token, now_ns))
        if found is None:
            raise Missing
        return found

    async def _take(self, token: str, account: Callable[[Tx, Invitation], str]) -> str:
        """Account, consent row and the end of the link in one transaction; a link that two people open at once is the first one's."""
        maker = await self._maker(await self._open(token))

        def work(tx: Tx) -> str:
            found = invitations.opened(tx.conn, token, tx.now_ns)
            if found is None:
                raise Missing
            self._stands(tx, found)
            user_id = account(tx, found)
            consents.set_consent(
                tx, resident=found.resident_id, grantee=user_id, classes=found.classes, until_ns=found.until_ns, giver=found.giver,
                text_version=found.text_version, text_sha256=found.text_sha256, guardian=found.guardian, relation=found.relation,
                legal_basis="guardian_consent" if found.guardian else "separate_consent",
            )  # fmt: skip
            invitations.use(tx.conn, found, by=user_id, now_ns=tx.now_ns)
            tx.note("invitation.accepted", found.id, resident=found.resident_id, user=user_id)
            return user_id

        user_id: str = await self._run_tx(maker, work)
        return user_id

    async def _maker(self, found: Invitation) -> Actor:
        """Who wrote it: the ledger names the one who took the signature."""
        user = self._parts.registry.view.users.get(found.created_by)
        if user is None:
            raise Missing
        return Actor(id=user.id, name=user.name, role=Role(user.role))

    def _stands(self, tx: Tx, found: Invitation) -> None:
        """An invitation is worth what its maker may do now: not after he has left, nor after the resident has."""
        subject = subject_of(tx.view, found.created_by, tx.now_ns)
        user = tx.view.users.get(found.created_by)
        scope = resident_scope(tx.view, found.resident_id)
        if subject is None or user is None or not scope.present:
            raise Missing
        if not may(Asker(user=user, subject=subject), Action.WRITE, scope, FieldClass.INVITATION):
            raise Missing
