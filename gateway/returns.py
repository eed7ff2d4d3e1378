"""Who is away and not back when expected: an alert for the house, which ends when the person is back or another date is entered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gateway.alerts.records import cases
from gateway.clock import Clock
from gateway.ops import Ops
from gateway.registry.view import RegistryView, Resident
from gateway.store import Database, StoreError
from gateway.vocabulary import AlertKind, Finding, Phase, Priority

LOOK_EVERY_S = 30.0
RULE = "away.overdue"
_OPEN = "SELECT body FROM alerts WHERE open = 1 AND cause = ? ORDER BY raised_ns, id"


class Desk(Protocol):
    """What is needed of the alert desk."""

    async def take(self, findings: Sequence[Finding]) -> None:
        """Make alerts of findings."""
        ...


class HasView(Protocol):
    """What is needed of the registry."""

    @property
    def view(self) -> RegistryView:
        """At the committed head."""
        ...


class Returns:
    """Looks twice a minute; what stands is in the registry and in the alerts, so that a restart forgets nothing."""

    def __init__(self, db: Database, registry: HasView, desk: Desk, clock: Clock, ops: Ops) -> None:
        self._db, self._registry, self._desk, self._clock, self._ops = db, registry, desk, clock, ops

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.turn()
            except StoreError:
                self._ops.counters["returns.refused"] += 1  # the store says what is the matter; the next turn comes
            await self._clock.sleep(LOOK_EVERY_S)

    async def turn(self) -> None:
        """One look."""
        now_ns, view = self._clock.now_ns(), self._registry.view
        late = [_finding(row, now_ns) for row in overdue(view, now_ns)]
        lasting = {finding.id for finding in late}
        over = [
            _ending(case.view.resident_id, finding_id, now_ns)
            for case in await self._db.read(lambda conn: cases(conn, _OPEN, (RULE,)))
            for finding_id in case.findings
            if finding_id not in lasting
        ]
        if found := [*late, *over]:
            await self._desk.take(found)


def overdue(view: RegistryView, now_ns: int) -> Iterator[Resident]:
    """Residents who are away longer than they said."""
    for resident in view.residents.values():
        if resident.status == "away" and resident.back_ns is not None and resident.back_ns <= now_ns:
            yield resident


def _finding(resident: Resident, now_ns: int) -> Finding:
    """The same absence is the same finding, however often it is said."""
    back_ns = resident.back_ns or now_ns
    return Finding(
        id=f"{RULE}.{resident.id}.{back_ns}", phase=Phase.START, rule=RULE, rule_version=1, cause=RULE, kind=AlertKind.TECHNICAL,
        priority=Priority.MEDIUM, resident=resident.id, device=None, onset_offset=0, onset_ns=back_ns, offset=0, t_ns=now_ns,
        code="finding.away.overdue",
    )  # fmt: skip


def _ending(resident_id: str | None, finding_id: str, now_ns: int) -> Finding:
    """The person is back, gone for good, or expected later."""
    return Finding(
        id=finding_id, phase=Phase.END, rule=RULE, rule_version=1, cause=RULE, kind=AlertKind.TECHNICAL, priority=Priority.MEDIUM,
        resident=resident_id, device=None, onset_offset=0, onset_ns=now_ns, offset=0, t_ns=now_ns, code="finding.away.overdue",
    )  # fmt: skip
