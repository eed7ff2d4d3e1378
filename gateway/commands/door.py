"""What people do: sign in, act on alerts, change the registry; allowed for the person and audited in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import apsw

from gateway import deadletter
from gateway.access import Action as Deed
from gateway.access import FieldClass, subject_of
from gateway.alerts.desk import AlertDesk
from gateway.audit import Audit
from gateway.backups import BackupBusy, Backups
from gateway.care.documents import Shelf
from gateway.clock import Clock
from gateway.commands.alarms import AlarmCommands
from gateway.commands.care import CareCommands
from gateway.commands.entry import EntryCommands, EntryParts
from gateway.commands.invitations import InvitationCommands
from gateway.commands.limits import LimitCommands
from gateway.commands.links import LinkDoor, LinkParts
from gateway.commands.notes import NoteCommands
from gateway.commands.pairing import PairingCommands
from gateway.commands.people import PeopleCommands
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import RegistryCommands, must, must_device, must_site
from gateway.commands.setup import SetupCommands
from gateway.commands.whose import WhoseCommands
from gateway.ops import Ops
from gateway.pairings import Pairings
from gateway.pins import Pins
from gateway.query import Asker, Forbidden, Missing, Query
from gateway.query.asker import alert_scope, may
from gateway.query.looks import Looks
from gateway.query.shape import alert_json, plain
from gateway.registry import credentials
from gateway.registry.accounts import Accounts, CodeNeeded, SignInRefused, form_token
from gateway.registry.attempts import TooManyAttempts
from gateway.registry.badges import Badges
from gateway.registry.errors import ConflictError, NotFoundError, RegistryError
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.setups import Setups
from gateway.store import Database, StoreError
from gateway.vocabulary import Action, AlertConflict, AlertNotFound, AlertView, Outcome, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandParts:
    """What the write door works with; the optional ones are refused clearly where they are absent."""

    db: Database
    query: Query
    registry: Registry
    accounts: Accounts
    desk: AlertDesk
    audit: Audit
    clock: Clock
    ops: Ops
    pairings: Pairings | None = None
    badges: Badges | None = None
    second_factor_roles: frozenset[Role] = frozenset()  # who has to set a second factor before anything else opens
    setups: Setups | None = None
    backups: Backups | None = None
    shelf: Shelf | None = None  # files of documents
    retry_dead_letter: Callable[[int], Awaitable[Mapping[str, Any] | None]] | None = None  # None = no such letter


RETRIED = 500  # dead letters of one reason at once
# Parameters of registry errors that are ours or that the asker may know; what was sent is never said back.
_SAID = ("field", "limit", "allowed", "low", "high", "unit", "quantity", "start", "end", "status", "device")


def _params(error: RegistryError) -> dict[str, Any]:
    found = {name: plain(error.params[name]) for name in _SAID if name in error.params}
    return {"params": found} if found else {}


@contextmanager
def _refusing() -> Iterator[None]:
    """Registry and account errors as refusals."""
    try:
        yield
    except NotFoundError as error:
        raise Missing from error
    except ConflictError as error:
        raise Refusal(Kind.CONFLICT, f"registry.{error.code}", **_params(error)) from error
    except RegistryError as error:
        raise Refusal(Kind.INVALID, f"registry.{error.code}", **_params(error)) from error
    except StoreError as error:
        raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from error


class Commands:
    """The write door."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self.pairing = PairingCommands(parts.pairings or Pairings(parts.registry), parts.registry, parts.clock)
        self._looks = Looks(parts.db, parts.audit, parts.clock, parts.ops)
        setups = parts.setups or Setups(parts.registry, parts.clock)
        self.setup = SetupCommands(self._do, setups, parts.registry, parts.query, self._looks, parts.clock)
        self.registry = RegistryCommands(self._do)
        self.whose = WhoseCommands(self._do, parts.badges)
        self.alarms = AlarmCommands(parts, self._do)
        self.limits = LimitCommands(parts)
        self.notes = NoteCommands(parts)
        self.people = PeopleCommands(parts, self._do, _refusing)
        self.care = CareCommands(parts)
        self.invitations = InvitationCommands(parts, self._do)
        self.pins = Pins(parts.db, parts.clock, parts.audit, parts.accounts.hasher)
        self.entry = EntryCommands(
            EntryParts(db=parts.db, registry=parts.registry, accounts=parts.accounts, pins=self.pins, clock=parts.clock), self._do
        )
        self.links = LinkDoor(
            LinkParts(
                db=parts.db, registry=parts.registry, desk=parts.desk, audit=parts.audit, pins=self.pins, clock=parts.clock,
            )
        )  # fmt: skip

    async def _do(self, actor: Any, work: Callable[[Tx], Any]) -> Any:
        with _refusing():
            return await self._parts.registry.do(actor, work)

    # --- the person ------------------------------------------------------------------------------------------------

    async def session(self, token: str, *, touch: bool = True) -> Asker | None:
        """The person behind a session token, as the registry knows this person now; None once it is over."""
        if not token:
            return None
        session = await self._parts.accounts.session(token, touch=touch)
        if session is None:
            return None
        subject = subject_of(self._parts.registry.view, session.user.id, self._parts.clock.now_ns())
        if subject is None:
            return None
        unset = subject.role in self._parts.second_factor_roles and not await self.entry.has_factor(session.user.id)
        return Asker(user=session.user, subject=subject, must_change_password=session.must_change, must_set_factor=unset)

    async def peek(self, token: str) -> Asker | None:
        """The same without keeping the session awake: what a stream asks every few seconds."""
        return await self.session(token, touch=False)

    @staticmethod
    def form_token(token: str) -> str:
        """Proof that a form came from a page of this session."""
        return form_token(token)

    async def sign_in(
        self, user: str, password: str, *, client: str, former: str, code: str = "", only: frozenset[Role] = frozenset()
    ) -> tuple[str, Asker]:
        """Start a session; raises Refusal without telling which accounts exist. `only`: whom this listener lets in."""
        try:
            signed = await self._parts.accounts.sign_in(
                user, password, code=code, peer=client, former_token=former or None, only=only
            )
        except CodeNeeded:
            raise Refusal(Kind.UNKNOWN_PERSON, "session.code_needed") from None
        except SignInRefused:
            raise Refusal(Kind.UNKNOWN_PERSON, "session.refused") from None
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None
        asker = await self.session(signed.token)
        if asker is None:
            raise Refusal(Kind.UNKNOWN_PERSON, "session.refused")
        return signed.token, asker

    async def sign_out(self, token: str) -> None:
        """End a session; its streams end within seconds."""
        await self._parts.accounts.sign_out(token)

    async def change_password(self, asker: Asker, token: str, old: str, new: str, *, client: str = "") -> None:
        """Change one's own password; this session goes on, all others end."""
        try:
            with _refusing():
                await self._parts.accounts.change_password(asker.actor, token, old, new, peer=client)
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None

    async def change_language(self, asker: Asker, lang: str) -> None:
        """Choose the language of one's own screens."""
        with _refusing():
            await self._parts.accounts.change(asker.actor, asker.id, lang=lang)

    async def change_size(self, asker: Asker, *, large: bool) -> None:
        """Choose the large version of one's own screens."""
        with _refusing():
            await self._parts.accounts.change(asker.actor, asker.id, elder=large)

    async def refused(self, asker: Asker, policy: str) -> None:
        """Record that somebody tried what the role may not do at all."""
        self._parts.ops.counters["access.refused"] += 1
        await self._looks.looked(asker, "refused", policy, outcome="refused")

    async def opened_stream(self, asker: Asker) -> None:
        """Record that somebody watches live."""
        reach = self._parts.query.reach(asker)
        await self._looks.looked(asker, "stream", "live", residents=len(reach.vitals))

    async def add_user(self, asker: Asker, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Open an account with a one-time password."""
        must(asker, None, FieldClass.USERS, seen_by=FieldClass.SYSTEM)
        with _refusing():
            user, password = await self._parts.accounts.create(
                asker.actor, login=fields["login"], name=fields["name"], role=fields["role"], site_ids=fields["sites"],
                resident_ids=fields["residents"], staff_id=fields["staff_id"], lang=fields["lang"],
            )  # fmt: skip
        return {"user": plain(user), "one_time_password": password}

    async def disable_user(self, asker: Asker, user_id: str) -> None:
        """Close an account; its sessions end at once."""
        must(asker, None, FieldClass.USERS, seen_by=FieldClass.SYSTEM)
        if user_id == asker.id:
            raise Refusal(Kind.CONFLICT, "user.own_account")
        with _refusing():
            await self._parts.accounts.change(asker.actor, user_id, status="disabled")

    # --- alerts ----------------------------------------------------------------------------------------------------

    async def act(
        self,
        asker: Asker,
        alert_id: str,
        action: Action,
        *,
        version: int | None = None,
        note: str = "",
        outcome: Outcome | None = None,
        until_s: float | None = None,
        reason: str = "",
        incident: bool = False,
    ) -> dict[str, Any]:
        """Claim, arrive, resolve ...; raises Missing, Forbidden or Refusal (a conflict carries `current`)."""
        view = self._parts.query.view
        alert = await self._parts.query.alert_view(asker, alert_id)
        if not may(asker, Deed.ACT, alert_scope(view, alert), FieldClass.ALERTS):
            raise Forbidden

        def audited(conn: apsw.Connection) -> None:
            self._parts.audit.append(
                conn, actor=asker.id, role=asker.role.value, action=f"alert.{action.value}", subject=alert_id, resident=alert.resident_id,
                purpose=asker.purpose.value,
            )  # fmt: skip

        try:
            after = await self._parts.desk.act(
                action, alert_id, asker.actor, version=version, note=note, outcome=outcome, until_s=until_s, reason=reason,
                incident=incident, also=audited,
            )
        except AlertNotFound:
            raise Missing from None
        except AlertConflict as conflict:
            raise Refusal(Kind.CONFLICT, f"alert.{conflict.reason}", current=self._json(conflict.current)) from None
        except StoreError:
            raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from None
        return self._json(after)

    def _json(self, alert: AlertView) -> dict[str, Any]:
        return alert_json(self._parts.query.view, alert)

    # --- devices and dead letters ----------------------------------------------------------------------------------

    async def issue_token(self, asker: Asker, device_id: str) -> str:
        """A new token for a device, shown once."""

        def work(tx: Tx) -> str:
            must_device(asker, tx.view, device_id, tx.now_ns)
            must_site(asker, tx.view, tx.view.devices[device_id].site_id, FieldClass.DEVICE)
            return credentials.issue(tx, device_id)

        token: str = await self._do(asker.actor, work)
        return token

    async def retry_dead_letter(self, asker: Asker, letter_id: int) -> dict[str, Any]:
        """Decode a dead letter again; raises Missing, or Refusal where intake is not running."""
        must(asker, None, FieldClass.SYSTEM, seen_by=FieldClass.SYSTEM)
        must(asker, None, FieldClass.DEVICE, seen_by=FieldClass.SYSTEM)
        if self._parts.retry_dead_letter is None:
            raise Refusal(Kind.UNAVAILABLE, "deadletter.no_intake")
        await self._note(asker, "deadletter.retry", str(letter_id))
        result = await self._parts.retry_dead_letter(letter_id)
        if result is None:
            raise Missing
        shown: dict[str, Any] = plain(result)
        return shown

    async def retry_reason(self, asker: Asker, reason: str) -> dict[str, Any]:
        """Decode the dead letters of a reason again, the oldest first, at most some hundreds at once; says how each ended."""
        must(asker, None, FieldClass.DEVICE, seen_by=FieldClass.REGISTRY)
        ids = await self._parts.db.read(lambda conn: deadletter.of_reason(conn, reason, RETRIED))
        fates: Counter[str] = Counter()
        for letter_id in ids:
            with suppress(Missing):
                fates[(await self.retry_dead_letter(asker, letter_id))["fate"]] += 1
        left = await self._parts.db.read(lambda conn: deadletter.kept(conn).get(reason, 0))
        return {"tried": sum(fates.values()), "fates": dict(fates), "left": left}

    async def back_up(self, asker: Asker, *, history: bool | None) -> None:
        """Make an archive now; raises Refusal while one is being made."""
        must(asker, None, FieldClass.SYSTEM, seen_by=FieldClass.SYSTEM)
        if self._parts.backups is None:
            raise Refusal(Kind.UNAVAILABLE, "backup.unavailable")
        await self._note(asker, "backup.make", "backup")
        try:
            self._parts.backups.begin(history=history)
        except BackupBusy:
            raise Refusal(Kind.CONFLICT, "backup.busy") from None

    async def _note(self, asker: Asker, action: str, subject: str, **detail: Any) -> None:
        """What somebody does beside registry and alerts is in the audit before it is done."""

        def unit(conn: apsw.Connection) -> None:
            self._parts.audit.append(
                conn, actor=asker.id, role=asker.role.value, action=action, subject=subject, purpose=asker.purpose.value, detail=detail
            )

        try:
            await self._parts.db.write(unit)
        except StoreError:
            raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from None
