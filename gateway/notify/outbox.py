"""The durable outbox: every page until it is delivered, with retry, fall-back to the next channel, quotas and dedupe keys."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import apsw

from gateway.clock import NS_PER_S, Clock, wait_for_event
from gateway.notify.base import Bucket, Notifier, Outcome, Page, Verdict
from gateway.ops import Ops
from gateway.store import Component, Database, Lane, StoreError
from gateway.vocabulary import Priority

log = logging.getLogger("anxin.notify")

COMPONENT = Component(
    "outbox",
    (
        """
        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            alert_id TEXT NOT NULL,
            recipient TEXT NOT NULL,
            priority INTEGER NOT NULL,
            page TEXT NOT NULL,
            routes TEXT NOT NULL,           -- [[channel, address], ...], first choice first
            route INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_mono INTEGER NOT NULL DEFAULT 0,   -- monotonic, of this run; 0 = at once
            state TEXT NOT NULL DEFAULT 'pending',  -- pending | sent | void | refused
            reason TEXT NOT NULL DEFAULT '',
            channel TEXT NOT NULL DEFAULT '',
            created_ns INTEGER NOT NULL,
            done_ns INTEGER
        );
        CREATE INDEX outbox_pending ON outbox (priority DESC, id) WHERE state = 'pending';
        CREATE INDEX outbox_alert ON outbox (alert_id);
        CREATE INDEX outbox_done ON outbox (done_ns) WHERE done_ns IS NOT NULL;
        """,
    ),
)

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = {Priority.HIGH: 30.0}
BACKOFF_CAP_OTHER_S = 300.0
SWITCH_AFTER = 3  # attempts on one channel before what is not high priority goes to the next
DOWN_AFTER = 5  # failures in a row
DOWN_AFTER_S = 300.0
TOTAL_PARALLEL = 16
IDLE_S = 1.0
KEEP_NS = 90 * 24 * 3600 * NS_PER_S
_BATCH = 500  # pages looked at in one go; more of them wait behind those of higher priority


def enqueue(conn: apsw.Connection, page: Page, routes: Sequence[tuple[str, str]], now_ns: int) -> None:
    """Put a page into the box; it takes the place of what was not yet sent to the same person about the same alert."""
    conn.execute(
        "UPDATE outbox SET state = 'void', reason = 'superseded', done_ns = ?"
        " WHERE state = 'pending' AND alert_id = ? AND recipient = ? AND key <> ?",
        (now_ns, page.alert_id, page.recipient, page.key),
    )
    conn.execute(
        "INSERT INTO outbox (key, alert_id, recipient, priority, page, routes, created_ns) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO NOTHING",
        (page.key, page.alert_id, page.recipient, int(page.priority), json.dumps(page.to_dict()), json.dumps(list(routes)), now_ns),
    )


def void(conn: apsw.Connection, alert_id: str, reason: str, now_ns: int) -> None:
    """What was not yet sent about an alert need not be sent any more."""
    conn.execute(
        "UPDATE outbox SET state = 'void', reason = ?, done_ns = ? WHERE state = 'pending' AND alert_id = ?", (reason, now_ns, alert_id)
    )


def fates(conn: apsw.Connection, alert_id: str) -> dict[str, dict[str, Any]]:
    """By key: state, reason, channel, attempts, done_ns of an alert's pages."""
    sql = "SELECT key, state, reason, channel, attempts, done_ns FROM outbox WHERE alert_id = ?"
    names = ("state", "reason", "channel", "attempts", "done_ns")
    return {str(row[0]): dict(zip(names, row[1:], strict=True)) for row in conn.execute(sql, (alert_id,))}


@dataclass(slots=True)
class Channel:
    """A notifier with its quota, its load and its health."""

    notifier: Notifier
    bucket: Bucket
    busy: int = 0
    failures: int = 0
    failing_since_ns: int = 0
    down: bool = False

    def has_slot(self, priority: Priority) -> bool:
        """Whether another attempt may start; one slot is kept for high priority."""
        parallel = self.notifier.settings.parallel
        return self.busy < (parallel if priority >= Priority.HIGH else parallel - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A pending page."""

    id: int
    page: Page
    routes: tuple[tuple[str, str], ...]
    route: int
    attempts: int


@dataclass(slots=True)
class _Plan:
    """What a look at the box leads to."""

    start: list[tuple[Item, str]] = field(default_factory=list)
    wait_s: float = IDLE_S


class Outbox:
    """Sends what stands in the box until cancelled."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        ops: Ops,
        notifiers: Mapping[str, Notifier],
        rng: random.Random | None = None,
    ) -> None:
        self._db, self._clock, self._ops = db, clock, ops
        self._rng = rng or random.Random()
        mono = clock.monotonic_ns()
        self._channels = {name: Channel(n, Bucket(n.settings, float(n.settings.burst), mono)) for name, n in notifiers.items()}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._unrecorded: dict[int, tuple[str, tuple[str | int, ...]]] = {}  # at most one per attempt that ran while the store failed
        self._wake = asyncio.Event()
        self.on_claim: Callable[[Page], Awaitable[None]] | None = None  # somebody took the alert over on the channel itself
        self.link_of: Callable[[Page, bool], Awaitable[str]] | None = None  # True: a group reads it

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(self._channels)

    def wake(self) -> None:
        """There is something new in the box; called on the loop's thread."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; a page that was being sent when this ended is sent again with the same key."""
        await self._start()
        try:
            while True:
                self._wake.clear()
                await self._reap()
                try:
                    await self._record_again()
                    plan = await self._look()
                except StoreError:
                    self._ops.fault("outbox.store", "outbox")
                    await wait_for_event(self._clock, self._wake, IDLE_S)
                    continue
                self._ops.clear("outbox.store", "outbox")
                for item, name in plan.start:
                    task = asyncio.create_task(self._attempt(item, name))
                    self._tasks[item.id] = task
                    task.add_done_callback(lambda _: self._wake.set())
                await wait_for_event(self._clock, self._wake, plan.wait_s)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _start(self) -> None:
        """Retry times of an earlier run mean nothing on this run's monotonic clock; quotas of the last minute do."""
        since_ns = self._clock.now_ns() - 60 * NS_PER_S

        def unit(conn: apsw.Connection) -> list[tuple[str, int]]:
            conn.execute("UPDATE outbox SET next_mono = 0 WHERE state = 'pending'")
            conn.execute("DELETE FROM outbox WHERE done_ns < ?", (self._clock.now_ns() - KEEP_NS,))
            sql = "SELECT channel, count(*) FROM outbox WHERE state = 'sent' AND done_ns > ? GROUP BY channel"
            return [(str(name), int(count)) for name, count in conn.execute(sql, (since_ns,))]

        for name, count in await self._db.write(unit):
            if name in self._channels:
                self._channels[name].bucket.remember(count, self._clock.monotonic_ns())

    async def _reap(self) -> None:
        for item_id in [i for i, task in self._tasks.items() if task.done()]:
            await self._tasks.pop(item_id)  # an error of our own code ends the outbox loudly

    async def _look(self) -> _Plan:
        mono = self._clock.monotonic_ns()
        busy = json.dumps([*self._tasks, *self._unrecorded])

        def read(conn: apsw.Connection) -> tuple[list[tuple[Any, ...]], int | None]:
            sql = (
                "SELECT id, page, routes, route, attempts FROM outbox WHERE state = 'pending' AND next_mono <= ?"
                " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY priority DESC, id LIMIT ?"
            )
            rows = list(conn.execute(sql, (mono, busy, _BATCH)))
            later = conn.execute("SELECT min(next_mono) FROM outbox WHERE state = 'pending' AND next_mono > ?", (mono,)).fetchone()
            return rows, None if later is None else later[0]

        rows, later = await self._db.read(read)
        plan = _Plan()
        if later is not None:
            plan.wait_s = min(plan.wait_s, max(0.01, (later - mono) / NS_PER_S))
        for row in rows:
            if len(self._tasks) + len(plan.start) >= TOTAL_PARALLEL:
                break
            routes = tuple((str(name), str(address)) for name, address in json.loads(row[2]))
            item = Item(id=row[0], page=Page.from_dict(json.loads(row[1])), routes=routes, route=row[3], attempts=row[4])
            await self._choose(item, mono, plan)
        return plan

    async def _choose(self, item: Item, mono: int, plan: _Plan) -> None:
        """Start the item on the first channel that can take it; healthy channels first, the item's own turn kept."""
        order = [(item.route + i) % len(item.routes) for i in range(len(item.routes))]
        known = [i for i in order if item.routes[i][0] in self._channels]
        if not known:
            await self._finish(item, "refused", "no_such_channel", "")
            return
        known.sort(key=lambda i: self._channels[item.routes[i][0]].down)
        high = item.page.priority >= Priority.HIGH
        shortest_s = None
        for i in known if high else known[:1]:
            channel = self._channels[item.routes[i][0]]
            if not channel.has_slot(item.page.priority):
                continue
            wait_s = channel.bucket.wait_s(item.page.priority, mono)
            if wait_s == 0.0:
                channel.busy += 1
                plan.start.append((replace(item, route=i), item.routes[i][0]))
                return
            shortest_s = wait_s if shortest_s is None else min(shortest_s, wait_s)
        if shortest_s is not None:
            await self._later(item, item.route, item.attempts, "quota", shortest_s)
            plan.wait_s = min(plan.wait_s, shortest_s)

    async def _attempt(self, item: Item, name: str) -> None:
        channel = self._channels[name]
        try:
            page = replace(item.page, address=item.routes[item.route][1])
            if self.link_of is not None:
                page = replace(page, link=await self.link_of(page, channel.notifier.settings.group))
            outcome = await self._send(channel, page)
        finally:
            channel.busy -= 1
        self._health(name, channel, outcome)
        if outcome.claimed and self.on_claim is not None:
            await self.on_claim(page)
        if outcome.verdict is Verdict.DELIVERED:
            await self._finish(item, "sent", "", name)
        elif outcome.verdict is Verdict.REFUSED:
            await self._refused(item, name, outcome.reason)
        else:
            await self._again(item, outcome)

    async def _send(self, channel: Channel, page: Page) -> Outcome:
        """One attempt within the channel's time; a bug in a channel counts as a failure of that channel."""
        sending = asyncio.ensure_future(channel.notifier.notify(page))
        timer = asyncio.create_task(self._clock.sleep(channel.notifier.settings.timeout_s))
        try:
            await asyncio.wait({sending, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            if not sending.done():
                sending.cancel()
        await asyncio.gather(timer, sending, return_exceptions=True)
        if sending.cancelled():
            return Outcome(verdict=Verdict.RETRY, reason="timeout")
        error = sending.exception()
        if error is not None:
            return Outcome(verdict=Verdict.RETRY, reason=f"error_{type(error).__name__}")
        return sending.result()

    def _health(self, name: str, channel: Channel, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.DELIVERED or outcome.works:
            if channel.down:
                log.warning("channel %s is back", name)
            channel.failures, channel.down = 0, False
            self._ops.clear("channel.down", name)
            self._ops.clear("channel.refused", name)
            return
        if outcome.verdict is Verdict.REFUSED:
            self._ops.fault("channel.refused", name, reason=outcome.reason)
            return
        mono = self._clock.monotonic_ns()
        if channel.failures == 0:
            channel.failing_since_ns = mono
        channel.failures += 1
        long = mono - channel.failing_since_ns >= DOWN_AFTER_S * NS_PER_S
        if not channel.down and (channel.failures >= DOWN_AFTER or long):
            channel.down = True
            log.warning("channel %s is down: %s", name, outcome.reason)
            self._ops.fault("channel.down", name, reason=outcome.reason)

    async def _again(self, item: Item, outcome: Outcome) -> None:
        """High priority goes to the next channel at once, everything else after some attempts; each full round waits longer."""
        attempts = item.attempts + 1
        high = item.page.priority >= Priority.HIGH
        per_channel = 1 if high else SWITCH_AFTER
        count = len(item.routes)
        route = (item.route + 1) % count if attempts % per_channel == 0 else item.route
        if high and attempts % count != 0:
            await self._later(item, route, attempts, outcome.reason, 0.0)
            return
        rounds = (attempts // count if high else attempts) - 1
        cap_s = BACKOFF_CAP_S.get(item.page.priority, BACKOFF_CAP_OTHER_S)
        delay_s = min(cap_s, BACKOFF_BASE_S * 2.0 ** min(rounds, 20)) * (0.5 + 0.5 * self._rng.random())
        await self._later(item, route, attempts, outcome.reason, max(delay_s, min(outcome.retry_after_s or 0.0, cap_s)))

    async def _refused(self, item: Item, name: str, reason: str) -> None:
        routes = tuple(route for i, route in enumerate(item.routes) if i != item.route)
        if not routes:
            await self._finish(item, "refused", reason, name)
            return
        sql = (
            "UPDATE outbox SET routes = ?, route = ?, attempts = attempts + 1, reason = ?, next_mono = 0 WHERE id = ? AND state = 'pending'"
        )
        await self._write(sql, (json.dumps(routes), item.route % len(routes), reason, item.id))

    async def _later(self, item: Item, route: int, attempts: int, reason: str, delay_s: float) -> None:
        mono = self._clock.monotonic_ns() + int(delay_s * NS_PER_S)
        sql = "UPDATE outbox SET route = ?, attempts = ?, reason = ?, next_mono = ? WHERE id = ? AND state = 'pending'"
        await self._write(sql, (route, attempts, reason, mono, item.id))

    async def _finish(self, item: Item, state: str, reason: str, channel: str) -> None:
        """The end of a page; one that became void while it was being sent was sent all the same."""
        sql = "UPDATE outbox SET state = ?, reason = ?, channel = ?, attempts = attempts + 1, done_ns = ? WHERE id = ?"
        await self._write(sql, (state, reason, channel, self._clock.now_ns(), item.id))

    async def _write(self, sql: str, values: tuple[str | int, ...]) -> None:
        """Record an attempt; if the store refuses, the record waits in memory, so that nobody is told again and again meanwhile."""
        try:
            await self._db.write(lambda conn: conn.execute(sql, values), lane=Lane.GROUP)
        except StoreError:
            self._unrecorded[int(values[-1])] = (sql, values)

    async def _record_again(self) -> None:
        for item_id, (sql, values) in list(self._unrecorded.items()):
            await self._db.write(lambda conn, sql=sql, values=values: conn.execute(sql, values), lane=Lane.NOW)  # type: ignore[misc]
            del self._unrecorded[item_id]
