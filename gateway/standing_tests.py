"""Standing tests: once a week every channel and every wall has to prove that an alarm gets through, and every SOS button now and then.

A channel's test is a marked message to its own address; a wall's is a low alert of origin TEST that somebody there has to answer; a button
is tested by being pressed (a call with the test mark, or a real one). What is overdue is a low technical alert until it is done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.notify import outbox
from gateway.notify.base import Page
from gateway.ops import Ops
from gateway.registry.view import RegistryView
from gateway.store import Component, Database, StoreError
from gateway.vocabulary import AlertKind, Finding, Origin, Phase, Priority

DAY_NS = 86_400 * NS_PER_S
LOOK_EVERY_S = 60.0
CHANNEL_WITHIN_NS = 15 * 60 * NS_PER_S  # a test message that is not out by then failed
WALL_CAUSE = "test.wall"
CALLS = ("call.sos", "call.fall", "call.pull_cord", "call.assist")

COMPONENT = Component(
    "standing_test",
    (
        """
        CREATE TABLE standing_test (
            kind TEXT NOT NULL,             -- channel | wall | button
            subject TEXT NOT NULL,          -- name of the channel, site, device
            since_ns INTEGER NOT NULL,      -- known since
            started_ns INTEGER,             -- of the test that runs or ran last
            passed_ns INTEGER,
            PRIMARY KEY (kind, subject)
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When: weekly on a weekday (Monday = 0) and time of the first site's clock; buttons after so many days."""

    weekday: int = 2
    time: str = "10:30"
    wall_within_h: float = 24.0
    button_days: float = 30.0
    addresses: Mapping[str, str] | None = None  # per channel, where the channel has none of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one test stands."""

    kind: str
    subject: str
    since_ns: int
    started_ns: int | None
    passed_ns: int | None

    def overdue(self, plan: Plan, now_ns: int) -> bool:
        """Whether it should have been passed by now."""
        return now_ns > self.due_ns(plan)

    def due_ns(self, plan: Plan) -> int:
        """By when it has to be passed (again)."""
        if self.kind == "button":
            return (self.passed_ns or self.since_ns) + round(plan.button_days * DAY_NS)
        within = CHANNEL_WITHIN_NS if self.kind == "channel" else round(plan.wall_within_h * 3600 * NS_PER_S)
        if self.started_ns is not None and (self.passed_ns or 0) < self.started_ns:
            return self.started_ns + within
        return (self.started_ns or self.since_ns) + 7 * DAY_NS + within


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


class StandingTests:
    """Starts tests when they are due, sees which were passed, and names those that are overdue."""

    def __init__(
        self, db: Database, registry: HasView, desk: Desk, clock: Clock, ops: Ops, channels: Collection[str], plan: Plan | None = None
    ) -> None:
        self._db, self._registry, self._desk, self._clock, self._ops = db, registry, desk, clock, ops
        self._channels, self._plan = tuple(channels), plan or Plan()
        self._said: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.turn()
            except StoreError:
                self._ops.counters["standing_tests.refused"] += 1  # the store says what is the matter; the next turn comes
            await self._clock.sleep(LOOK_EVERY_S)

    async def turn(self) -> None:
        """One look: enter what is new, start what is due, mark what was passed, say what is overdue."""
        now_ns, view = self._clock.now_ns(), self._registry.view
        subjects = subjects_of(view, self._channels)
        await self._db.write(lambda conn: _enter(conn, subjects, now_ns))
        rows = await self._db.read(rows_of)
        week_ns = latest_moment(self._plan, _tz(view), now_ns)
        for row in rows:
            if row.kind != "button" and (row.started_ns or row.since_ns) < week_ns:
                await self.start(row.kind, row.subject)
        await self._db.write(lambda conn: _mark_passed(conn, now_ns))
        self._say([row for row in await self._db.read(rows_of) if (row.kind, row.subject) in subjects], now_ns)

    async def start(self, kind: str, subject: str) -> None:
        """Start one test now."""
        now_ns = self._clock.now_ns()
        if kind == "wall":
            await self._desk.take([_wall_finding(subject, now_ns)])
        address = (self._plan.addresses or {}).get(subject, "")

        def unit(conn: apsw.Connection) -> None:
            if kind == "channel":
                outbox.enqueue(conn, _test_page(subject, now_ns), [(subject, address)], now_ns)
            conn.execute("UPDATE standing_test SET started_ns = ? WHERE kind = ? AND subject = ?", (now_ns, kind, subject))

        await self._db.write(unit)

    def _say(self, rows: Sequence[Row], now_ns: int) -> None:
        late = {(row.kind, row.subject) for row in rows if row.overdue(self._plan, now_ns)}
        for kind, subject in late - self._said:
            self._ops.fault("test.overdue", f"{kind}:{subject}", kind=kind, of=subject)
        for kind, subject in self._said - late:
            self._ops.clear("test.overdue", f"{kind}:{subject}")
        self._said = late


def subjects_of(view: RegistryView, channels: Collection[str]) -> set[tuple[str, str]]:
    """Everything that has a standing test: channels, sites with residents' beds, devices that can call."""
    found = {("channel", name) for name in channels}
    found |= {("wall", site_id) for site_id in view.sites}
    buttons = (device for device in view.devices.values() if device.status == "active" and device.origin == Origin.LIVE)
    return found | {("button", device.id) for device in buttons if any(name in CALLS for name in device.quantities)}


def rows_of(conn: apsw.Connection) -> list[Row]:
    """All tests."""
    sql = "SELECT kind, subject, since_ns, started_ns, passed_ns FROM standing_test ORDER BY kind, subject"
    return [
        Row(kind=k, subject=s, since_ns=since, started_ns=started, passed_ns=passed) for k, s, since, started, passed in conn.execute(sql)
    ]


def listed(conn: apsw.Connection, view: RegistryView, channels: Collection[str], plan: Plan, now_ns: int) -> list[dict[str, Any]]:
    """For people: every test with its due date."""
    subjects = subjects_of(view, channels)
    return [
        {
            "kind": row.kind,
            "subject": row.subject,
            "passed_ns": row.passed_ns,
            "due_ns": row.due_ns(plan),
            "overdue": row.overdue(plan, now_ns),
        }
        for row in rows_of(conn)
        if (row.kind, row.subject) in subjects
    ]


def latest_moment(plan: Plan, tz: str, now_ns: int) -> int:
    """The last weekly moment that is not after now, UTC ns; exact through the changes of summer time."""
    zone = ZoneInfo(tz)
    local = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).astimezone(zone)
    hour, minute = (int(part) for part in plan.time.split(":"))
    for back in range(15):
        day = local.date() - timedelta(days=back)
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        if day.weekday() == plan.weekday and moment <= local:
            return int(moment.timestamp()) * NS_PER_S
    raise ValueError("a week has a moment of each weekday")


def _tz(view: RegistryView) -> str:
    return next((site.tz for site in view.sites.values()), "Asia/Shanghai")


def _enter(conn: apsw.Connection, subjects: Collection[tuple[str, str]], now_ns: int) -> None:
    sql = "INSERT INTO standing_test (kind, subject, since_ns) VALUES (?, ?, ?) ON CONFLICT (kind, subject) DO NOTHING"
    conn.executemany(sql, [(kind, subject, now_ns) for kind, subject in sorted(subjects)])


def _mark_passed(conn: apsw.Connection, now_ns: int) -> None:
    """What the outbox, the desk and the calls say."""
    sql = "SELECT subject, started_ns FROM standing_test WHERE kind = ? AND started_ns IS NOT NULL AND coalesce(passed_ns, 0) < started_ns"
    for channel, started_ns in list(conn.execute(sql, ("channel",))):
        done = conn.execute("SELECT done_ns FROM outbox WHERE key = ? AND state = 'sent'", (_key(channel, started_ns),)).fetchone()
        if done is not None:
            _pass(conn, "channel", channel, done[0])
    for site_id, started_ns in list(conn.execute(sql, ("wall",))):
        answered = (
            "SELECT 1 FROM alerts WHERE cause = ?1 AND last_ns >= ?2"
            " AND max(coalesce(resolved_ns, 0), coalesce(json_extract(body, '$.view.claimed_ns'), 0)) >= ?2"
        )
        if conn.execute(answered, (f"{WALL_CAUSE}.{site_id}", started_ns)).fetchone() is not None:
            _pass(conn, "wall", site_id, now_ns)
    last = "SELECT json_extract(body, '$.view.device_id'), max(last_ns) FROM alerts WHERE kind = 'call' GROUP BY 1"
    for device_id, pressed_ns in list(conn.execute(last)):
        conn.execute(
            "UPDATE standing_test SET passed_ns = max(coalesce(passed_ns, 0), ?) WHERE kind = 'button' AND subject = ?",
            (pressed_ns, device_id),
        )


def _pass(conn: apsw.Connection, kind: str, subject: str, t_ns: int) -> None:
    conn.execute("UPDATE standing_test SET passed_ns = ? WHERE kind = ? AND subject = ?", (t_ns, kind, subject))


def _key(channel: str, started_ns: int) -> str:
    return f"test.{channel}.{started_ns}"


def _test_page(channel: str, now_ns: int) -> Page:
    return Page(
        key=_key(channel, now_ns), alert_id="", priority=Priority.INFO, reason="test.weekly", why="new", origin=Origin.TEST,
        raised_ns=now_ns, recipient=f"test:{channel}",
    )  # fmt: skip


def _wall_finding(site_id: str, now_ns: int) -> Finding:
    """A low alert that stands on the wall of the site until somebody there answers it."""
    cause = f"{WALL_CAUSE}.{site_id}"
    return Finding(
        id=f"{cause}.{now_ns}", phase=Phase.START, rule=WALL_CAUSE, rule_version=1, cause=cause, kind=AlertKind.TECHNICAL,
        priority=Priority.LOW, resident=None, device=None, onset_offset=0, onset_ns=now_ns, offset=0, t_ns=now_ns, latched=True,
        origin=Origin.TEST, code="finding.test.wall", params={"site_id": site_id},
    )  # fmt: skip
