"""The alert desk: takes findings, actions and the passing of time, and makes every decision durable in one transaction."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, Protocol, TypeVar

import apsw

from gateway import events as event_log
from gateway.alerts import beat, book, faults, handover, whose, why
from gateway.alerts.case import Act, Moment, Standing
from gateway.alerts.policy import PolicyBook
from gateway.alerts.progress import Progress
from gateway.alerts.records import COMPONENT, get, history, open_alerts, recent_alerts, view_from_dict, view_to_dict
from gateway.alerts.unit import DutySnapshot, Rules, Unit
from gateway.clock import NS_PER_S, Clock, wait_for_event
from gateway.ops import Fault, Ops
from gateway.registry.view import RegistryView, Staff
from gateway.store import Database, Lane, StoreError
from gateway.vocabulary import Action, Actor, AlertKind, AlertView, Finding, Outcome

__all__ = ["COMPONENT", "AlertDesk", "get", "history", "open_alerts", "recent_alerts", "view_from_dict", "view_to_dict"]

P = ParamSpec("P")
T = TypeVar("T")
Also = Callable[[apsw.Connection], None] | None  # runs in the same transaction: the act and its audit row stand or fall together

BEAT_S = 1.0
SHORTEST_S = 0.005
CHUNK = 100  # findings per transaction
MAX_FAULTS = 4096  # waiting; far more than there are kinds and parts
FAULT_GRACE_S = 60.0  # after a start, until a fault of the earlier run that did not come back counts as over
# What a finding or an alert that cannot be handled may raise: it becomes a fault and never stops the others.
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, apsw.Error)


class HasView(Protocol):
    """The registry, as far as the desk needs it."""

    @property
    def view(self) -> RegistryView:
        """The fold at the committed head."""
        ...


class AlertDesk:
    """Owner of all alerts."""

    def __init__(
        self,
        db: Database,
        events: event_log.Events,
        registry: HasView,
        clock: Clock,
        ops: Ops,
        policies: PolicyBook,
        *,
        channels: Collection[str] = (),
        public_url: str = "",
        wake: Callable[[], None] | None = None,
        progress: Progress | None = None,
        beat_s: float = BEAT_S,
    ) -> None:
        self._db, self._registry, self._clock, self._ops = db, registry, clock, ops
        self._rules = Rules(book=policies, channels=frozenset(channels), public_url=public_url)
        self._wake = wake
        self._progress = progress
        self._beat_s = beat_s
        self._changed = asyncio.Event()  # a timer may be nearer than the loop knows
        self._faults: deque[Fault] = deque(maxlen=MAX_FAULTS)
        self._adopting = asyncio.Lock()
        self._adopted = False
        self._tidy_ns: int | None = None
        self._snapshot: tuple[RegistryView, DutySnapshot, Rules] | None = None  # of the newest view
        self._looked_at: RegistryView | None = None  # whose merges and absences the alerts follow already

    # --- inputs ----------------------------------------------------------------------------------------------------

    async def take(self, findings: Sequence[Finding]) -> None:
        """Make alerts of findings; idempotent by finding id, phase and offset; returns after the commit."""
        await self._adopt()
        for start in range(0, len(findings), CHUNK):
            chunk = [(finding, self._standing(finding)) for finding in findings[start : start + CHUNK]]
            try:
                await self._write(lambda unit, chunk=chunk: _take(unit, chunk))  # type: ignore[misc]
            except _BROKEN:
                await self._take_one_by_one(chunk)
        self._changed.set()

    async def act(
        self,
        action: Action,
        alert_id: str,
        actor: Actor,
        *,
        version: int | None = None,
        note: str = "",
        outcome: Outcome | None = None,
        until_s: float | None = None,
        reason: str = "",
        incident: bool = False,
        also: Also = None,
    ) -> AlertView:
        """Apply a person's action (`until_s` = span of a silence); raises AlertNotFound or AlertConflict.

        With `incident`, a claim takes all that is unowned of the same incident; `also` runs in the same transaction.
        """
        until_ns = None if until_s is None else round(until_s * NS_PER_S)
        act = Act(actor=actor, note=note, outcome=outcome, until_ns=until_ns, reason=reason)

        def work(unit: Unit) -> AlertView:
            view = unit.act(action, alert_id, act, version, incident=incident)
            unit.finish()
            return view

        return await self._done(work, also)

    async def silence(self, resident_id: str, cause: str, actor: Actor, *, reason: str, span_s: float, also: Also = None) -> dict[str, Any]:
        """Silence a rule for a resident for at most 30 min; raises NotAllowedError."""
        return await self._done(lambda unit: unit.silence(resident_id, cause, actor, reason, span_s), also)

    async def unsilence(self, silence_id: str, actor: Actor, *, also: Also = None) -> dict[str, Any]:
        """End a silence before its time; raises SilenceNotFound."""
        return await self._done(lambda unit: unit.unsilence(silence_id, actor), also)

    async def give(self, giving: handover.Giving, *, also: Also = None) -> dict[str, Any]:
        """Hand a shift over; returns what is handed over."""
        return await self._done(lambda unit: unit.give(giving), also)

    async def accept(self, handover_id: str, actor: Actor, *, also: Also = None) -> dict[str, Any]:
        """Take a shift over, with what the giver still owns; raises HandoverNotFound or NotAllowedError."""
        return await self._done(lambda unit: unit.accept(handover_id, actor), also)

    async def _done(self, work: Callable[[Unit], T], also: Also) -> T:
        """A person's deed, durable; the timers that it set are known to the loop."""
        await self._adopt()
        result = await self._write(work, also)
        self._changed.set()
        return result

    async def run(self) -> None:
        """Timers, shift ends, faults and progress until cancelled."""
        await self._adopt()
        self._ops.listen(self._hear)
        self._tidy_ns = self._clock.monotonic_ns() + round(FAULT_GRACE_S * NS_PER_S)
        while True:
            try:
                await self._turn()
                self._ops.clear("alerts.store", "desk")
                await self._rest()
            except StoreError:
                # No progress is shown: if this lasts, the watchdog speaks. The loop itself must go on.
                self._ops.fault("alerts.store", "desk")
                await self._clock.sleep(self._beat_s)

    @property
    def base(self) -> PolicyBook:
        """The policies of the configuration, which hold where people set none."""
        return self._rules.book

    @property
    def channels(self) -> Collection[str]:
        """Names of the channels that a policy may use."""
        return self._rules.channels

    # --- readers ---------------------------------------------------------------------------------------------------

    @staticmethod
    def open_alerts(conn: apsw.Connection) -> list[AlertView]:
        """All alerts that are not resolved: unclaimed first, then priority, then oldest."""
        return open_alerts(conn)

    @staticmethod
    def get(conn: apsw.Connection, alert_id: str) -> AlertView:
        """One alert; raises AlertNotFound."""
        return get(conn, alert_id)

    @staticmethod
    def history(conn: apsw.Connection, alert_id: str) -> list[dict[str, Any]]:
        """Transitions of one alert, oldest first: n, t_ns, kind, why, actor, actor_name, event_offset, body."""
        return history(conn, alert_id)

    @staticmethod
    def why(conn: apsw.Connection, alert_id: str) -> list[dict[str, Any]]:
        """Who was told or not, when, by which channel, and why; see why.of."""
        return why.of(conn, alert_id)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _now(self) -> Moment:
        return Moment(wall_ns=self._clock.now_ns(), mono_ns=self._clock.monotonic_ns())

    async def _write(self, work: Callable[[Unit], T], also: Also = None) -> T:
        duty, rules = self._known()
        held: Counter[str] = Counter()

        def transaction(conn: apsw.Connection) -> T:
            # The time is read in the writer's thread: a unit that had to wait does not work with an old one.
            unit = Unit(conn, self._now(), duty, rules)
            result = work(unit)
            if also is not None:
                also(conn)
            held.update(unit.held)
            return result

        result = await self._db.write(transaction, lane=Lane.NOW)
        for reason, count in held.items():
            self._ops.counters[f"alerts.held.{reason}"] += count
        if self._wake is not None:
            self._wake()
        return result

    def _known(self) -> tuple[DutySnapshot, Rules]:
        """The registry's part for a unit and the policies as people set them; made once per version of the registry."""
        view = self._registry.view
        if self._snapshot is None or self._snapshot[0] is not view:
            self._snapshot = (view, duty_of(view), replace(self._rules, book=book.with_own(self._rules.book, view.policies)))
        return self._snapshot[1], self._snapshot[2]

    async def _adopt(self) -> None:
        """Once per run: the timers of the earlier run go on on this run's clock."""
        if self._adopted:
            return
        async with self._adopting:
            if not self._adopted:
                await self._db.write(lambda conn: beat.adopt(conn, self._now()), lane=Lane.NOW)
                self._adopted = True

    async def _take_one_by_one(self, chunk: Sequence[tuple[Finding, Standing]]) -> None:
        for one in chunk:
            try:
                await self._write(lambda unit, one=one: _take(unit, (one,)))  # type: ignore[misc]
            except _BROKEN as error:
                self._ops.fault("alerts.finding", one[0].rule, error=type(error).__name__)

    def _hear(self, fault: Fault) -> None:
        if len(self._faults) == MAX_FAULTS:
            self._ops.counters["alerts.faults_dropped"] += 1
        self._faults.append(fault)
        self._changed.set()

    async def _take_faults(self) -> None:
        if self._tidy_ns is not None and self._clock.monotonic_ns() >= self._tidy_ns:
            active = {faults.cause(fault) for fault in self._ops.faults()}
            await self._write(lambda unit: _finished(unit, unit.faults_gone, active))
            self._tidy_ns = None
        while self._faults:
            fault = self._faults[0]
            try:
                standing = self._fault_standing(fault)
                await self._write(lambda unit, fault=fault, at=standing: _finished(unit, unit.fault, fault, at))  # type: ignore[misc]
            except _BROKEN as error:
                self._ops.fault("alerts.finding", fault.code, error=type(error).__name__)
            self._faults.popleft()

    async def _turn(self) -> None:
        """One turn of the alarm loop: a beat that commits, faults, due timers, shift ends."""
        state = await self._db.write(lambda conn: beat.turn(conn, self._now()), lane=Lane.NOW)
        await self._take_faults()
        for alert_id in state.due:
            try:
                await self._write(lambda unit, alert_id=alert_id: _finished(unit, unit.time, alert_id))  # type: ignore[misc]
            except _BROKEN as error:
                self._ops.fault("alerts.timer", alert_id, error=type(error).__name__)
        await self._keep(state)
        self._ops.progress_ns["alerts"] = self._clock.monotonic_ns()
        if self._progress is not None:
            self._progress.beat(state.beats)

    async def _keep(self, state: beat.Turn) -> None:
        """What is looked after beside the timers; each by itself, so that a broken one stops none of the others."""
        view = self._registry.view
        work: dict[str, Callable[[Unit], None]] = {}
        if state.claimed:
            work["shift_ends"] = lambda unit: unit.shift_ends()
        if view is not self._looked_at:
            work["residents"] = lambda unit: unit.residents_changed()
        if since := whose.changed(self._looked_at, view):
            work["reattributed"] = lambda unit: unit.reattributed(view, since)
        if state.waiting:
            work["deliveries"] = lambda unit: unit.deliveries()
        if state.silences or state.stepped:
            work["silences"] = lambda unit: unit.silences_due(stepped=state.stepped)
        if view.quiet:
            work["digests"] = lambda unit: unit.digests()
        for name, one in work.items():
            try:
                await self._write(lambda unit, one=one: _finished(unit, one, unit))  # type: ignore[misc]
                self._ops.clear("alerts.keeping", name)
            except _BROKEN as error:
                self._ops.fault("alerts.keeping", name, error=type(error).__name__)
        self._looked_at = view

    async def _rest(self) -> None:
        """Until the next beat or the next timer; a timer set meanwhile may be the next one."""
        beat_ns = self._clock.monotonic_ns() + round(self._beat_s * NS_PER_S)
        while True:
            self._changed.clear()
            due_ns = await self._db.read(beat.next_due)
            left_ns = (beat_ns if due_ns is None else min(beat_ns, due_ns)) - self._clock.monotonic_ns()
            if self._faults:
                return
            if left_ns <= 0:
                # A timer that cannot be handled stays due: the pause keeps its repeats apart.
                await self._clock.sleep(SHORTEST_S)
                return
            if not await wait_for_event(self._clock, self._changed, left_ns / NS_PER_S):
                return

    def _fault_standing(self, fault: Fault) -> Standing:
        view = self._registry.view
        device_sites = {fault.subject: view.devices[fault.subject].site_id} if fault.subject in view.devices else {}
        return Standing(subject=faults.SUBJECT, site_id=faults.site_of(fault, view.sites, device_sites))

    def _standing(self, finding: Finding) -> Standing:
        """What, whose and where, as the registry knows it now."""
        view = self._registry.view
        resident_id = finding.resident
        if resident_id is None and finding.device is not None:
            resident_id = view.resident_of(finding.device, finding.t_ns)
        resident = None if resident_id is None else view.residents.get(view.canonical(resident_id))
        place = None if finding.device is None else view.place_of(finding.device, finding.t_ns)
        if resident is not None and (place is None or finding.kind is AlertKind.PHYSIOLOGICAL):
            place = resident.place
        if resident_id is None and finding.device is None and (site_id := finding.params.get("site_id")) in view.sites:
            return Standing(subject=f"site:{site_id}", site_id=site_id)
        about_device = finding.device is not None and (finding.kind is AlertKind.TECHNICAL or resident_id is None)
        return Standing(
            subject=f"device:{finding.device}" if about_device else (resident_id if resident is None else resident.id) or "nobody",
            resident_id=resident_id if resident is None else resident.id,
            device_id=finding.device,
            site_id=None if place is None else place.site_id,
            zone_id=None if place is None else place.zone_id,
            place="" if place is None else whose.label(view, place),
            initials="" if resident is None else resident.initials,
        )


def duty_of(view: RegistryView) -> DutySnapshot:
    """The part of a view that a unit reads in the writer's thread."""
    return DutySnapshot(
        sites=dict(view.sites),
        staff=_with_accounts(view),
        rota=dict(view.rota),
        overrides=dict(view.overrides),
        groups=dict(view.groups),
        contacts={key: replace(row, resident_id=view.canonical(row.resident_id)) for key, row in view.contacts.items()},
        quiet=dict(view.quiet),
        residents=dict(view.residents),
        bluetooth=frozenset(device.id for device in view.devices.values() if "ble_address" in device.facts),
    )


def _with_accounts(view: RegistryView) -> dict[str, Staff]:
    """Staff with their accounts; the link may stand with either, since the account is often made after the person."""
    linked = {user.staff_id: user.id for user in view.users.values() if user.staff_id is not None}
    staff = dict(view.staff)
    for staff_id, user_id in linked.items():
        person = staff.get(staff_id)
        if person is not None and person.user_id is None:
            staff[staff_id] = replace(person, user_id=user_id)
    return staff


def _take(unit: Unit, chunk: Sequence[tuple[Finding, Standing]]) -> None:
    for finding, standing in chunk:
        unit.take(finding, standing)
    unit.finish()


def _finished(unit: Unit, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    work(*args, **kwargs)
    unit.finish()
