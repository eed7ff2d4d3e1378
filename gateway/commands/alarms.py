"""Acts of the alarm side: policies, exceptions to the rota, contacts, quiet hours, silences, hand-overs; audited with the act."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw

from gateway.access import Action as Deed
from gateway.access import FieldClass, scope_of, site_scope
from gateway.alerts import book, handover
from gateway.alerts.case import NotAllowedError
from gateway.alerts.policy import PolicyBook, PolicyError
from gateway.alerts.silences import LONGEST_S, SilenceNotFound
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_resident, must_site
from gateway.query.alarms import report_json
from gateway.query.asker import Asker, Forbidden, Missing, may
from gateway.query.shape import plain
from gateway.registry import duty
from gateway.registry.tx import Tx
from gateway.store import StoreError
from gateway.vocabulary import Actor, Role

if TYPE_CHECKING:
    from gateway.commands.door import CommandParts

Fields = Mapping[str, Any]
HOUSE = frozenset({Role.CAREGIVER, Role.CLINICIAN, Role.OPERATOR})


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    try:
        yield
    except NotAllowedError as error:
        raise Refusal(Kind.CONFLICT, f"{what}.{error}") from error
    except (SilenceNotFound, handover.HandoverNotFound) as error:
        raise Missing from error
    except StoreError as error:
        raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from error


class AlarmCommands:
    """The write side of who is called."""

    def __init__(self, parts: CommandParts, run: Callable[..., Any]) -> None:
        self._parts, self._run_tx = parts, run

    async def _run(self, asker: Asker, work: Callable[[Tx], Any]) -> Any:
        return plain(await self._run_tx(asker.actor, work))

    def _audited(self, asker: Asker, action: str, subject: str, resident: str | None = None) -> Callable[[apsw.Connection], None]:
        def also(conn: apsw.Connection) -> None:
            self._parts.audit.append(
                conn, actor=asker.id, role=asker.role.value, action=action, subject=subject, resident=resident, purpose=asker.purpose.value
            )

        return also

    # --- policies --------------------------------------------------------------------------------------------------

    @property
    def base(self) -> PolicyBook:
        """The installation's own policies, of the configuration."""
        return self._parts.desk.base

    @property
    def channels(self) -> tuple[str, ...]:
        """Ways by which people can be told."""
        return tuple(self._parts.desk.channels)

    def check_policy(self, asker: Asker, raw: Fields) -> dict[str, Any]:
        """What saving the policy would mean: errors, steps that reach nobody at some hour of the coming week, empty targets."""
        view, now_ns = self._parts.registry.view, self._parts.clock.now_ns()
        must_site(asker, view, raw.get("site_id"), FieldClass.STAFF)
        try:
            policy = book.parse(raw)
        except PolicyError as error:
            return {"ok": False, "errors": str(error).split("; "), "dead_ends": [], "holes": [], "unstaffed": []}
        return report_json(book.check(policy, view, self._parts.desk.channels, now_ns))

    async def set_policy(self, asker: Asker, policy_id: str, raw: Fields) -> dict[str, Any]:
        """Save a policy that has no dead end, as a new version; raises Refusal that carries the report."""

        def work(tx: Tx) -> dict[str, Any]:
            must_site(asker, tx.view, raw.get("site_id"), FieldClass.STAFF)
            former = tx.view.policies.get(policy_id)
            if former is not None:
                must_site(asker, tx.view, former.get("site_id"), FieldClass.STAFF)
            try:
                policy = book.parse({**raw, "id": policy_id})
            except PolicyError as error:
                report = {"ok": False, "errors": str(error).split("; "), "dead_ends": [], "holes": [], "unstaffed": []}
                raise Refusal(Kind.INVALID, "policy.invalid", report=report) from error
            report = report_json(book.check(policy, tx.view, self._parts.desk.channels, tx.now_ns))
            if not report["ok"]:
                raise Refusal(Kind.CONFLICT, "policy.dead_ends" if report["dead_ends"] else "policy.invalid", report=report)
            stored = duty.set_policy(tx, policy_id, policy.model_dump(mode="json", exclude={"id", "version"}))
            return {"policy": stored, "report": report}

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def end_policy(self, asker: Asker, policy_id: str) -> None:
        """Withdraw a policy; the next wider one holds again."""

        def work(tx: Tx) -> None:
            former = tx.view.policies.get(policy_id)
            if former is None:
                raise Missing
            must_site(asker, tx.view, former.get("site_id"), FieldClass.STAFF)
            duty.end_policy(tx, policy_id)

        await self._run(asker, work)

    # --- the rota's exceptions, groups, quiet hours ----------------------------------------------------------------

    async def set_of_site(self, asker: Asker, kind: str, fields: Fields) -> dict[str, Any]:
        """Create or replace an override, a group or the quiet hours of a site."""

        def work(tx: Tx) -> Any:
            must_site(asker, tx.view, fields["site"], FieldClass.STAFF)
            tables: dict[str, Mapping[str, Any]] = {"override": tx.view.overrides, "group": tx.view.groups}
            former = tables.get(kind, {}).get(str(fields.get(f"{kind}_id")))
            if former is not None:
                must_site(asker, tx.view, former.site_id, FieldClass.STAFF)
            commands: dict[str, Callable[..., Any]] = {
                "override": duty.set_override, "group": duty.set_group, "quiet": duty.set_quiet,
            }  # fmt: skip
            return commands[kind](tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def end_of_site(self, asker: Asker, kind: str, row_id: str) -> None:
        """End an override, a group or the quiet hours of a site."""

        def work(tx: Tx) -> None:
            tables: dict[str, Mapping[str, Any]] = {"override": tx.view.overrides, "group": tx.view.groups, "quiet": tx.view.quiet}
            former = tables[kind].get(row_id)
            if former is None:
                raise Missing
            must_site(asker, tx.view, former.site_id, FieldClass.STAFF)
            {"override": duty.end_override, "group": duty.end_group, "quiet": duty.end_quiet}[kind](tx, row_id)

        await self._run(asker, work)

    # --- residents -------------------------------------------------------------------------------------------------

    async def set_contact(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Enter whom to call for a resident."""

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, fields["resident"], FieldClass.IDENTITY)
            former = tx.view.contacts.get(str(fields.get("contact_id")))
            if former is not None:
                must_resident(asker, tx.view, former.resident_id, FieldClass.IDENTITY)
            return duty.set_contact(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def end_contact(self, asker: Asker, contact_id: str) -> None:
        """Call this person no more."""

        def work(tx: Tx) -> None:
            former = tx.view.contacts.get(contact_id)
            if former is None:
                raise Missing
            must_resident(asker, tx.view, former.resident_id, FieldClass.IDENTITY)
            duty.end_contact(tx, contact_id)

        await self._run(asker, work)

    async def set_home(self, asker: Asker, resident_id: str, fields: Fields) -> dict[str, Any]:
        """Enter address, door code and medical summary for an ambulance."""

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, resident_id, FieldClass.IDENTITY)
            return duty.set_home(tx, resident=resident_id, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    # --- silences --------------------------------------------------------------------------------------------------

    async def silence(self, asker: Asker, resident_id: str, cause: str, *, reason: str, span_s: float | None) -> dict[str, Any]:
        """Silence a rule for a resident; raises Missing, Forbidden or Refusal."""
        resident = self._resident(asker, resident_id)
        also = self._audited(asker, "silence.set", cause, resident)
        with _refusing("silence"):
            row = await self._parts.desk.silence(
                resident, cause, asker.actor, reason=reason, span_s=LONGEST_S if span_s is None else span_s, also=also
            )
        shown: dict[str, Any] = plain(row)
        return shown

    async def unsilence(self, asker: Asker, silence_id: str) -> dict[str, Any]:
        """End a silence before its time."""
        found = await self._parts.query.alarms.silences(asker)
        row = next((row for row in found["silences"] if row["id"] == silence_id), None)
        if row is None:
            raise Missing
        resident = self._resident(asker, row["resident_id"])
        with _refusing("silence"):
            ended = await self._parts.desk.unsilence(
                silence_id, asker.actor, also=self._audited(asker, "silence.ended", row["cause"], resident)
            )
        shown: dict[str, Any] = plain(ended)
        return shown

    def _resident(self, asker: Asker, resident_id: str) -> str:
        scope = scope_of(self._parts.registry.view, resident_id)
        if scope is None or scope.resident_id is None or not may(asker, Deed.READ, scope, FieldClass.ALERTS):
            raise Missing
        if not may(asker, Deed.ACT, scope, FieldClass.ALERTS):
            raise Forbidden
        return scope.resident_id

    # --- hand-over -------------------------------------------------------------------------------------------------

    async def give(self, asker: Asker, *, site: str, zone: str | None, receiver: str | None, note: str) -> dict[str, Any]:
        """Hand a shift over to a user, or to the desk."""
        view = self._parts.registry.view
        self._site(asker, site)
        if zone is not None and (zone not in view.zones or view.zones[zone].site_id != site):
            raise Missing
        to: Actor | None = None
        if receiver is not None:
            user = view.users.get(receiver)
            if user is None or user.status != "active" or Role(user.role) not in HOUSE or not {site, "*"} & set(user.site_ids):
                raise Missing
            to = Actor(id=user.id, name=user.name, role=Role(user.role))
        giving = handover.Giving(site_id=site, zone_id=zone, giver=asker.actor, receiver=to, note=note)
        shown: dict[str, Any] = plain(await self._parts.desk.give(giving, also=self._audited(asker, "handover.given", site)))
        return shown

    async def accept(self, asker: Asker, handover_id: str) -> dict[str, Any]:
        """Take a shift over."""
        with _refusing("handover"):
            row = await self._parts.db.read(lambda conn: handover.get(conn, handover_id))
            self._site(asker, row["site_id"])
            accepted = await self._parts.desk.accept(
                handover_id, asker.actor, also=self._audited(asker, "handover.accepted", row["site_id"])
            )
        shown: dict[str, Any] = plain(accepted)
        return shown

    def _site(self, asker: Asker, site_id: str) -> None:
        view = self._parts.registry.view
        if site_id not in view.sites or not may(asker, Deed.ACT, site_scope(site_id), FieldClass.ALERTS):
            raise Missing
