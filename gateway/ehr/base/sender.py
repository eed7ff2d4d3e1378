"""One sender per target: bundles of what waits, references made literal first, each entry judged by itself.

While the target is down nothing is lost and nothing is counted against an entry; when whole bundles fail, they get smaller until the
entry that makes the target fail stands alone and waits by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import apsw

from gateway.clock import NS_PER_S, Clock, wait_for_event
from gateway.ehr.base import outbox
from gateway.ehr.base.items import Row
from gateway.ehr.base.references import Format, Held, NotYet, ReferenceOptions, References
from gateway.ehr.base.target import Entry, Fate, Target, TargetDown, TargetRefused, TooLarge, Verdict
from gateway.ops import Ops
from gateway.store import Database, StoreError

CAP_S = 64.0
REFUSED_S = 60.0  # a target that says no is asked again once a minute
IDLE_S = 1.0
LATER_S = 2.0  # for what is referred to and has not arrived yet
DOWN_AFTER = 3
GIVE_UP = 12  # failures of one entry, while others go through, before a person must look
DOWN, REFUSED, HELD, DEAD, STORE = "ehr.down", "ehr.refused", "ehr.held", "ehr.dead", "ehr.store"


class Sender:
    """Sends what stands in the outbox for one target until cancelled."""

    def __init__(
        self,
        db: Database,
        target: Target,
        form: Format,
        describe: Callable[[str, str], Mapping[str, Any]],
        clock: Clock,
        ops: Ops,
        options: ReferenceOptions | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._db = db
        self._target = target
        self._form = form
        self._clock = clock
        self._ops = ops
        self._rng = rng or random.Random()
        self._wake = asyncio.Event()
        self._references = References(db, target, form, describe, clock, options or ReferenceOptions())
        self._failures = 0
        self._size = target.batch
        self._not_before_ns = 0

    @property
    def name(self) -> str:
        """The target's."""
        return self._target.name

    def wake(self, *, now: bool = False) -> None:
        """There is something new; `now` forgets the waiting after failures."""
        if now:
            self._not_before_ns = 0
            self._references.ask_again()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._store(lambda conn: outbox.start(conn, self.name))
        while True:
            self._wake.clear()
            wait_s = (self._not_before_ns - self._clock.monotonic_ns()) / NS_PER_S
            if wait_s > 0:
                await wait_for_event(self._clock, self._wake, wait_s)
                continue
            if not await self.round():
                await wait_for_event(self._clock, self._wake, IDLE_S)

    async def round(self) -> bool:
        """One bundle; False when nothing could be sent."""
        mono_ns = self._clock.monotonic_ns()
        waiting = await self._db.read(lambda conn: outbox.waiting(conn, self.name, mono_ns, self._size))
        if not waiting:
            await self._say_stuck()
            return False
        rows = [row for row, _ in waiting]
        try:
            ready, entries = await self._prepare(waiting)
            if not ready:
                return True
            verdicts = await self._send(ready, entries)
        except TargetDown as error:
            await self._down(rows, str(error), error.retry_after_s)
        except TargetRefused as error:
            await self._back(rows)
            self._ops.fault(REFUSED, self.name, reason=str(error))
            self._not_before_ns = self._clock.monotonic_ns() + int(REFUSED_S * NS_PER_S)
        except TooLarge:
            await self._too_large(rows)
        else:
            await self._judge(ready, verdicts)
        return True

    async def _send(self, rows: Sequence[Row], entries: Sequence[Entry]) -> list[Verdict]:
        def unit(conn: apsw.Connection) -> None:
            self._target.reserve(conn)
            outbox.mark_sent(conn, self.name, rows)

        await self._store(unit)
        return await self._target.send(entries)

    # --- before ------------------------------------------------------------------------------------------------------

    async def _prepare(self, waiting: Sequence[tuple[Row, bool]]) -> tuple[list[Row], list[Entry]]:
        ready: list[Row] = []
        entries: list[Entry] = []
        searches: set[str] = set()
        rendered = []
        for row, replace in waiting:
            try:
                rendered.append((row, replace, self._form.render(row)))
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:  # one bad record must not stop the others
                await self._settle(row, Verdict(fate=Fate.DEAD, reason=f"cannot be mapped: {type(error).__name__}"))
        await self._references.meet({one for *_, resource in rendered for one in self._form.places(resource)}, self._store)
        for row, replace, resource in rendered:
            try:
                literals = {one: await self._references.literal(*one) for one in self._form.places(resource)}
            except Held as error:
                await self._settle(row, Verdict(fate=Fate.HELD, reason=str(error)))
                continue
            except NotYet:
                await self._later(row)
                continue
            resource = self._form.with_literals(resource, literals)
            if broken := self._form.problems(resource):
                await self._settle(row, Verdict(fate=Fate.DEAD, reason="rule " + ", ".join(broken)))
                continue
            search = self._form.search(row)
            if search in searches:  # servers lose one of two that are the same in one bundle
                continue
            searches.add(search)
            ready.append(row)
            entries.append(Entry(resource=resource, search=search, uid=self._form.uid(row), replace=replace))
        return ready, entries

    # --- after -------------------------------------------------------------------------------------------------------

    async def _judge(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> None:
        retry_s = [verdict.retry_after_s for verdict in verdicts if verdict.retry_after_s is not None]
        through = any(verdict.fate is not Fate.RETRY for verdict in verdicts)
        now_ns = self._clock.now_ns()
        if through:
            self._well()
        attempts = await self._db.read(lambda conn: _attempts(conn, self.name, rows))

        def unit(conn: apsw.Connection) -> None:
            for row, verdict in zip(rows, verdicts, strict=True):
                self._write(conn, row, verdict, attempts.get(row.id, 1), now_ns)
            self._target.commit(conn)

        await self._store(unit)
        for verdict in verdicts:
            self._ops.counters[f"ehr.{self.name}.{verdict.fate.value}"] += 1
        if not through:
            await self._slow_down("entries", max(retry_s, default=None))
        elif retry_s:
            self._not_before_ns = self._clock.monotonic_ns() + int(max(retry_s) * NS_PER_S)

    def _write(self, conn: apsw.Connection, row: Row, verdict: Verdict, attempts: int, now_ns: int) -> None:
        state, reason, next_mono = verdict.fate.value, verdict.reason, 0
        if verdict.fate is Fate.RETRY:
            state = "pending"
            next_mono = self._clock.monotonic_ns() + int(self._delay_s(attempts, verdict.retry_after_s) * NS_PER_S)
            if attempts >= GIVE_UP and not self._failures:
                state = "held"
        outbox.settle(
            conn, self.name, row, state=state, now_ns=now_ns, reason=reason, outcome=verdict.outcome, literal=verdict.literal,
            next_mono=next_mono,
        )  # fmt: skip

    async def _settle(self, row: Row, verdict: Verdict) -> None:
        now_ns = self._clock.now_ns()
        self._ops.counters[f"ehr.{self.name}.{verdict.fate.value}"] += 1
        await self._store(lambda conn: self._write(conn, row, verdict, 1, now_ns))

    async def _later(self, row: Row) -> None:
        next_mono = self._clock.monotonic_ns() + int(LATER_S * NS_PER_S)

        def unit(conn: apsw.Connection) -> None:
            outbox.settle(conn, self.name, row, state="pending", now_ns=0, reason="reference not there yet", next_mono=next_mono)

        await self._store(unit)

    async def _back(self, rows: Sequence[Row], next_mono: int = 0, reason: str = "") -> None:
        """To pending again; what may have arrived is known by its sent version."""

        def unit(conn: apsw.Connection) -> None:
            for row in rows:
                conn.execute(
                    "UPDATE delivery SET state = 'pending', next_mono = ?, reason = ? WHERE target = ? AND item = ?"
                    " AND state IN ('sent', 'pending')",
                    (next_mono, reason, self.name, row.id),
                )

        await self._store(unit)

    async def _down(self, rows: Sequence[Row], reason: str, retry_after_s: float | None) -> None:
        if len(rows) == 1 and self._failures:
            # It may be this entry that makes the target fail: it waits by itself, others are tried.
            delay_s = self._delay_s(self._failures, retry_after_s)
            await self._back(rows, self._clock.monotonic_ns() + int(delay_s * NS_PER_S), reason)
        else:
            await self._back(rows, reason=reason)
        await self._slow_down(reason, retry_after_s)

    async def _slow_down(self, reason: str, retry_after_s: float | None) -> None:
        self._failures += 1
        if self._failures >= 2:
            self._size = max(1, self._size // 2)
        if self._failures >= DOWN_AFTER:
            self._ops.fault(DOWN, self.name, reason=reason)
        self._not_before_ns = self._clock.monotonic_ns() + int(self._delay_s(self._failures, retry_after_s) * NS_PER_S)

    def _delay_s(self, failures: int, retry_after_s: float | None) -> float:
        """What the target asks for, else twice as long each time."""
        if retry_after_s is not None:
            return min(max(retry_after_s, 0.0), 3600.0)
        return min(2.0 ** min(failures - 1, 10) / 2 + self._rng.random() / 2, CAP_S)

    async def _too_large(self, rows: Sequence[Row]) -> None:
        if len(rows) == 1:
            await self._settle(rows[0], Verdict(fate=Fate.DEAD, reason="413"))
            return
        await self._back(rows)
        self._size = max(1, len(rows) // 2)

    def _well(self) -> None:
        self._failures, self._size = 0, self._target.batch
        self._ops.clear(DOWN, self.name)
        self._ops.clear(REFUSED, self.name)

    async def _say_stuck(self) -> None:
        """What a person must look at is a fault as long as it is there."""
        for code, state in ((HELD, "held"), (DEAD, "dead")):
            count = await self._db.read(partial(outbox.stuck_count, target=self.name, state=state))
            if count:
                self._ops.fault(code, self.name, count=count)
            else:
                self._ops.clear(code, self.name)

    async def _store(self, unit: Callable[[apsw.Connection], Any]) -> None:
        """Write, and wait for a file that cannot be written."""
        failures = 0
        while True:
            try:
                await self._db.write(unit)
                self._ops.clear(STORE, self.name)
                return
            except StoreError as error:
                self._ops.fault(STORE, self.name, reason=type(error).__name__)
                failures += 1
                await self._clock.sleep(min(30.0, 0.2 * 2 ** min(failures, 8)))


def _attempts(conn: apsw.Connection, target: str, rows: Sequence[Row]) -> dict[int, int]:
    sql = "SELECT attempts FROM delivery WHERE target = ? AND item = ?"
    found = {}
    for row in rows:
        one = conn.execute(sql, (target, row.id)).fetchone()
        if one is not None:
            found[row.id] = int(one[0])
    return found
