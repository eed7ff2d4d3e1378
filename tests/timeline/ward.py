"""A readable ward for time lines: a desk on a real store and a clock that the test moves; times are seconds since the start."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import apsw

from gateway import events
from gateway.alerts import desk as desks
from gateway.alerts.policy import Address, PolicyBook, from_options
from gateway.notify import outbox
from gateway.ops import Ops
from gateway.registry.view import Binding, Device, Place, RegistryView, Resident, RotaRow, Site, Staff
from gateway.store import Database, Lane, Writer
from gateway.vocabulary import Action, Actor, AlertKind, AlertView, Finding, Origin, Outcome, Phase, Priority
from tests.support.fake_clock import NS_PER_S, FakeClock

T = TypeVar("T")

SITE = "home"
ALL_DAYS = (0, 1, 2, 3, 4, 5, 6)
COMPONENTS = (events.COMPONENT, desks.COMPONENT, outbox.COMPONENT)


class BusyDatabase:
    """The store, telling the clock while something is under way in its threads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.under_way = 0

    async def write(self, unit: Callable[[apsw.Connection], T], *, lane: Lane = Lane.GROUP, rows: int = 1) -> T:
        self.under_way += 1
        try:
            return await self._db.write(unit, lane=lane, rows=rows)
        finally:
            self.under_way -= 1

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        self.under_way += 1
        try:
            return await self._db.read(fn)
        finally:
            self.under_way -= 1


@dataclass
class Copies:
    """The registry: a new view whenever it is asked, since the tests change theirs in place."""

    mine: RegistryView

    @property
    def view(self) -> RegistryView:
        return self.mine.copy()


@dataclass
class Ward:
    """One desk, its store and the people of the house."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ("phone", "mail")
    desk_channels: tuple[str, ...] = ("phone",)
    ops: Ops = field(default_factory=Ops)
    view: RegistryView = field(default_factory=RegistryView)
    beat_s: float = 600.0

    def __post_init__(self) -> None:
        self.start_ns = self.clock.now_ns()
        self.mono_start_ns = self.clock.monotonic_ns()
        self.view.sites[SITE] = Site(id=SITE, name="Home", tz="Asia/Shanghai")
        self._offset = 0
        self._seen_pages = 0
        self.notifiers: dict[str, Any] = {}

    # --- the house -------------------------------------------------------------------------------------------------

    def resident(self, name: str, bed: str = "3-01", status: str = "admitted") -> None:
        place = Place(site_id=SITE, label=bed)
        self.view.residents[name] = Resident(id=name, name=name.title(), initials=name[:2].upper(), status=status, place=place)
        self.device(f"band-{name}", name)

    def device(self, device: str, resident: str | None) -> None:
        self.view.devices[device] = Device(id=device, site_id=SITE)
        binding = Binding(id=f"b-{device}", device_id=device, resident_id=resident, place=None, valid_from_ns=0)
        self.view._index_binding(binding)

    def staff(
        self, who: str, role: str = "caregiver", start: str = "00:00", end: str = "00:00", channels: tuple[str, ...] | None = None
    ) -> None:
        names = self.channels if channels is None else channels
        self.view.staff[who] = Staff(
            id=who, name=who.title(), initials=who[:1], role=role, user_id=f"u-{who}", channels=dict.fromkeys(names, who)
        )
        self.view.rota[f"r-{who}"] = RotaRow(id=f"r-{who}", site_id=SITE, staff_id=who, role=role, weekdays=ALL_DAYS, start=start, end=end)

    # --- running ---------------------------------------------------------------------------------------------------

    def book(self) -> PolicyBook:
        book = from_options(dict(self.options))
        return book.model_copy(update={"desk": tuple(Address(channel=name, address="desk") for name in self.desk_channels)})

    async def start(self) -> None:
        self.writer = Writer(self.clock, self.ops, group_window_s=0.0)
        self.raw = Database.open(self.folder / "store.sqlite", self.writer, COMPONENTS, synchronous="NORMAL", check=False)
        self.writer.start()
        self.db = BusyDatabase(self.raw)
        self.clock.busy[:] = [lambda: self.db.under_way > 0]
        log = SimpleNamespace()  # the desk writes events by its own connection; nobody follows them here
        self.outbox = outbox.Outbox(self.db, self.clock, self.ops, self.notifiers) if self.notifiers else None  # type: ignore[arg-type]
        self.desk = desks.AlertDesk(
            self.db,  # type: ignore[arg-type]
            log,  # type: ignore[arg-type]
            Copies(self.view),
            self.clock,
            self.ops,
            self.book(),
            channels=self.channels,
            public_url="https://anxin.example",
            wake=self.outbox.wake if self.outbox else None,
            beat_s=self.beat_s,
        )
        self.tasks = [asyncio.create_task(self.desk.run())]
        if self.outbox:
            self.tasks.append(asyncio.create_task(self.outbox.run()))
        await self.clock.settle()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        results = await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.raw.close()
        self.writer.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def restart(self, down_s: float = 0.0, wall_step_s: float = 0.0) -> None:
        """The process ends and another one starts on the same file; its monotonic clock begins anew."""
        await self.stop()
        before = self.clock
        self.clock = FakeClock(before.now_ns() + round((down_s + wall_step_s) * NS_PER_S))
        self.mono_start_ns = self.clock.monotonic_ns() - (before.monotonic_ns() - self.mono_start_ns) - round(down_s * NS_PER_S)
        self.ops = Ops()
        await self.start()

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def freeze(self, seconds: float) -> None:
        """The process is stopped and continued (SIGSTOP, SIGCONT): time passes, and only then all that is due wakes."""
        clock = self.clock
        clock._move_to(clock.monotonic_ns() + round(seconds * NS_PER_S))
        clock._sleepers = [(max(due, clock.monotonic_ns()), n, future) for due, n, future in clock._sleepers]
        heapq.heapify(clock._sleepers)
        await clock.advance(0)

    @property
    def t(self) -> float:
        """Seconds of monotonic time since the start, over restarts."""
        return (self.clock.monotonic_ns() - self.mono_start_ns) / NS_PER_S

    # --- what happens ----------------------------------------------------------------------------------------------

    async def call(self, kind: str = "sos", who: str = "wang", **more: Any) -> Finding:
        return await self.finding(f"call.{kind}", Priority.HIGH, who=who, kind=AlertKind.CALL, latched=True, **more)

    async def vital(self, cause: str, priority: Priority = Priority.MEDIUM, who: str = "wang", **more: Any) -> Finding:
        return await self.finding(cause, priority, who=who, **more)

    async def finding(
        self,
        cause: str,
        priority: Priority,
        *,
        who: str | None = "wang",
        kind: AlertKind = AlertKind.PHYSIOLOGICAL,
        device: str | None = None,
        phase: Phase = Phase.START,
        of: Finding | None = None,
        **more: Any,
    ) -> Finding:
        self._offset += 1
        offset = self._offset
        finding = Finding(
            id=of.id if of else f"{who}.{cause}.{offset}",
            phase=phase,
            rule=f"rule.{cause}",
            rule_version=1,
            cause=cause,
            kind=kind,
            priority=priority,
            resident=who,
            device=device or (f"band-{who}" if who else None),
            onset_offset=of.onset_offset if of else offset,
            onset_ns=self.clock.now_ns(),
            offset=offset,
            t_ns=self.clock.now_ns(),
            **more,
        )
        await self.take(finding)
        return finding

    async def update(self, of: Finding, priority: Priority | None = None, **more: Any) -> Finding:
        wanted = of.priority if priority is None else priority
        return await self.finding(of.cause, wanted, who=of.resident, kind=of.kind, device=of.device, phase=Phase.UPDATE, of=of, **more)

    async def over(self, of: Finding) -> None:
        await self.finding(of.cause, of.priority, who=of.resident, kind=of.kind, device=of.device, phase=Phase.END, of=of, origin=of.origin)

    async def take(self, *findings: Finding) -> None:
        await self.desk.take(findings)
        await self.clock.settle()

    async def act(self, action: Action, who: str, cause: str | None = None, **more: Any) -> AlertView:
        found = await self.desk.act(action, self.alert(cause).id, person(who), **more)
        await self.clock.settle()
        return found

    async def claim(self, who: str, cause: str | None = None) -> AlertView:
        return await self.act(Action.CLAIM, who, cause)

    async def resolve(self, who: str, cause: str | None = None, outcome: Outcome = Outcome.HELPED) -> AlertView:
        return await self.act(Action.RESOLVE, who, cause, outcome=outcome)

    # --- what is seen ----------------------------------------------------------------------------------------------

    def alerts(self) -> list[AlertView]:
        """All alerts, oldest first."""
        return list(reversed(self.raw.read_sync(lambda conn: desks.recent_alerts(conn, 1000))))

    def open(self) -> list[AlertView]:
        return self.raw.read_sync(desks.open_alerts)

    def alert(self, cause: str | None = None) -> AlertView:
        """The newest alert (of a cause)."""
        found = [view for view in self.alerts() if cause is None or view.cause == cause]
        if not found:
            raise LookupError(f"no alert {cause}")
        return found[-1]

    def pages(self) -> list[tuple[float, str, str]]:
        """(second, recipient, why) of every page since the last look."""
        sql = "SELECT id, created_ns, recipient, json_extract(page, '$.why') FROM outbox WHERE id > ? ORDER BY id"
        rows = self.raw.read_sync(lambda conn: list(conn.execute(sql, (self._seen_pages,))))
        self._seen_pages = rows[-1][0] if rows else self._seen_pages
        return [(self.seconds(t_ns), who, why) for _, t_ns, who, why in rows]

    def told(self) -> list[tuple[str, str]]:
        """(recipient, why) of every page since the last look."""
        return [(who, why) for _, who, why in self.pages()]

    def seconds(self, wall_ns: int) -> float:
        return round((wall_ns - self.start_ns) / NS_PER_S, 3)

    def story(self, cause: str | None = None) -> list[str]:
        """Kinds of an alert's transitions."""
        return [row["kind"] for row in self.raw.read_sync(lambda conn: desks.history(conn, self.alert(cause).id))]

    def why(self, cause: str | None = None) -> list[dict[str, Any]]:
        return self.raw.read_sync(lambda conn: desks.AlertDesk.why(conn, self.alert(cause).id))


def person(who: str) -> Actor:
    if who.startswith("contact:"):
        return Actor(id=who, name=who)
    return Actor(id=f"u-{who}", name=who.title())


def at(hour: int, minute: int = 0, *, day: int = 5, month: int = 1, year: int = 2026) -> int:
    """Wall time in ns for a UTC moment."""
    from datetime import UTC, datetime

    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * NS_PER_S


@asynccontextmanager
async def ward(folder: Path, **settings: Any) -> AsyncIterator[Ward]:
    """A running ward with one resident, two caregivers and a nurse on duty around the clock."""
    house = Ward(folder, **settings)
    house.resident("wang")
    house.staff("li")
    house.staff("zhao", "nurse")
    await house.start()
    try:
        yield house
    finally:
        await house.stop()


__all__ = ["Origin", "Ward", "at", "person", "ward"]
