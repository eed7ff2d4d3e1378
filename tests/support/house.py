"""A small house with a real store, registry, accounts and desk behind the real web application; for tests of the doors and the API."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from gateway import audit as audit_log
from gateway import deadletter, links, notes, outages, pins
from gateway import events as event_log
from gateway.alerts import desk as desks
from gateway.alerts.policy import PolicyBook
from gateway.api.app import ApiSettings, create_app
from gateway.audit import Audit
from gateway.care import documents, invitations, letters, visits
from gateway.care.documents import Shelf
from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.commands import CommandParts, Commands
from gateway.events import Events
from gateway.notify import outbox
from gateway.ops import Ops
from gateway.query import Parts, Query
from gateway.registry import accounts, badges, bindings, consents, credentials, factors, limits, org, residents, terminals, tx
from gateway.registry.accounts import Accounts
from gateway.registry.passwords import Hasher
from gateway.registry.registry import Registry
from gateway.store import Database, Writer
from gateway.vocabulary import SYSTEM, AlertKind, AlertView, Finding, Phase, Priority, Role

COMPONENTS = (
    event_log.COMPONENT,
    tx.COMPONENT,
    accounts.COMPONENT,
    credentials.COMPONENT,
    desks.COMPONENT,
    outbox.COMPONENT,
    audit_log.COMPONENT,
    deadletter.COMPONENT,
    links.COMPONENT,
    pins.COMPONENT,
    badges.COMPONENT,
    factors.COMPONENT,
    terminals.COMPONENT,
    notes.COMPONENT,
    outages.COMPONENT,
    letters.COMPONENT,
    visits.COMPONENT,
    documents.COMPONENT,
    invitations.COMPONENT,
)
PASSWORD = "correct horse 42 battery"
ORIGIN = "https://anxin.test"
# login -> role; who is in which reach stands in `_people`.
PEOPLE = {
    "carer": "caregiver",
    "carer2": "caregiver",
    "doctor": "clinician",
    "son": "family",
    "operator": "operator",
    "chief": "operator",
    "admin": "admin",
    "inspector": "supervisor",
}


@dataclass(frozen=True, slots=True)
class Last:
    """A last value as the stream would keep it."""

    value: float
    t_ns: int


@dataclass
class FakeLatest:
    """What the stream keeps of the present, set by hand."""

    values: dict[tuple[str, str], Last] = field(default_factory=dict)
    points: dict[tuple[str, str], list[tuple[int, float]]] = field(default_factory=dict)

    def last(self, device: str, quantity: str) -> Last | None:
        return self.values.get((device, quantity))

    def trend(self, device: str, quantity: str) -> Sequence[tuple[int, float]]:
        return self.points.get((device, quantity), [])

    def put(self, device: str, quantity: str, value: float | None, t_ns: int) -> None:
        """A value, which is a point of the line as well."""
        number = math.nan if value is None else value
        self.values[device, quantity] = Last(number, t_ns)
        self.points.setdefault((device, quantity), []).append((t_ns, number))


class House:
    """Everything of one installation in a folder; `open` again on the same folder is a restart."""

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        settings: ApiSettings | None = None,
        routers: Sequence[APIRouter] = (),
        second_factor_roles: frozenset[Role] = frozenset(),
    ) -> None:
        self.folder = folder
        self.clock = clock or SystemClock()
        self.ops = Ops()
        self.latest = FakeLatest()
        self.past: Any = None  # the history, where a test brings one
        self.writer = Writer(self.clock, self.ops, group_window_s=0.0)
        self.db = Database.open(folder / "store.sqlite", self.writer, COMPONENTS, synchronous="NORMAL", check=False)
        self.writer.start()
        self.events = Events(self.db, self.clock)
        self.audit = Audit.open(folder / "audit.key", folder / "checkpoints.ndjson", self.clock)
        self.registry = Registry(self.db, self.events, self.clock, self.audit)
        self.accounts = Accounts(self.registry, self.db, self.clock, Hasher(memory_kib=64, time_cost=1))
        self.badges = badges.Badges.open(folder / "badges.key")
        self.desk = desks.AlertDesk(self.db, self.events, self.registry, self.clock, self.ops, PolicyBook())
        self.query = Query(
            Parts(
                db=self.db, events=self.events, registry=self.registry, audit=self.audit, latest=lambda: self.latest,
                clock=self.clock, ops=self.ops, history=lambda: self.past, shelf=Shelf(folder / "documents"),
            )
        )  # fmt: skip
        self.commands = Commands(
            CommandParts(
                db=self.db, query=self.query, registry=self.registry, accounts=self.accounts, desk=self.desk, audit=self.audit,
                clock=self.clock, ops=self.ops, second_factor_roles=second_factor_roles, badges=self.badges,
                shelf=Shelf(folder / "documents"),
            )
        )  # fmt: skip
        self.app: FastAPI = create_app(
            self.query, self.commands, clock=self.clock, ops=self.ops, settings=settings or ApiSettings(static_dir=folder / "no-static"),
            machine_routers=routers,
        )  # fmt: skip
        self._finding = self.events.head

    def close(self) -> None:
        self.accounts.close()
        self.registry.close()
        self.events.close()
        self.db.close_sync()
        self.writer.close()

    # --- who lives here --------------------------------------------------------------------------------------------

    def furnish(self) -> None:
        """Two sites that have nothing to do with each other, three residents, people of every role."""
        do = self.registry.do_sync
        for site, zone, beds in (("care", "z-a", ("3-01", "3-02")), ("far", "z-far", ("9-01",))):
            do(SYSTEM, org.set_site, name=f"Site {site}", site_id=site)
            do(SYSTEM, org.set_zone, site=site, name=f"Zone {zone}", zone_id=zone)
            for bed in beds:
                do(SYSTEM, org.set_bed, site=site, zone=zone, label=bed, bed_id=f"bed-{bed}")
        for who, name, bed in (("wang", "王淑华", "bed-3-01"), ("liu", "刘秀英", "bed-3-02"), ("zhou", "周文斌", "bed-9-01")):
            do(SYSTEM, residents.admit, name=name, bed=bed, resident_id=who)
            do(SYSTEM, bindings.set_device, f"band-{who}", quantities=("hr", "spo2", "temp"), site="far" if who == "zhou" else "care")
            do(SYSTEM, bindings.bind, f"band-{who}", resident=who, binding_id=f"bind-{who}")
        do(SYSTEM, bindings.see_device, "band-free", t_ns=self.clock.now_ns(), site="care")
        do(SYSTEM, limits.set_limit, quantity="spo2", reason="COPD", resident="zhou", low=85.0)
        do(SYSTEM, org.set_staff, name="李静", role="caregiver", staff_id="staff-li")
        self._people()

    def _people(self) -> None:
        reach: dict[str, Mapping[str, Any]] = {
            "carer": {"site_ids": ("care",)}, "carer2": {"site_ids": ("care",)}, "doctor": {"site_ids": ("care",)},
            "son": {"resident_ids": ("wang",)}, "operator": {"site_ids": ("care",)}, "chief": {"site_ids": ("*",)}, "admin": {},
            "inspector": {"site_ids": ("care",)},
        }  # fmt: skip
        for login, role in PEOPLE.items():
            self.accounts.create_sync(
                SYSTEM, login=login, password=PASSWORD, must_change=False, name=login.title(), role=role, user_id=f"u-{login}",
                **reach[login],
            )  # fmt: skip
        year_ns = self.clock.now_ns() + 365 * 86_400 * NS_PER_S
        self.registry.do_sync(
            SYSTEM, consents.set_consent, resident="wang", grantee="u-son", classes=("vitals",), until_ns=year_ns, giver="王淑华"
        )

    # --- what happens ----------------------------------------------------------------------------------------------

    async def call(self, who: str | None = "wang", cause: str = "call.sos", **more: Any) -> AlertView:
        """Somebody presses the button."""
        self._finding += 1
        await self.desk.take([self.finding(who, cause, self._finding, **more)])
        found = await self.db.read(lambda conn: desks.recent_alerts(conn, 50))
        return next(view for view in found if view.cause == cause and view.resident_id == who)

    def finding(self, who: str | None, cause: str, offset: int, **more: Any) -> Finding:
        now_ns = self.clock.now_ns()
        values: dict[str, Any] = {
            "id": f"{who}.{cause}.{offset}", "phase": Phase.START, "rule": cause, "rule_version": 1, "cause": cause, "kind": AlertKind.CALL,
            "priority": Priority.HIGH, "resident": who, "device": f"band-{who or 'free'}", "onset_offset": offset, "onset_ns": now_ns,
            "offset": offset, "t_ns": now_ns, "latched": True, "code": "finding.call.sos", "params": {},
        }  # fmt: skip
        return Finding(**{**values, **more})

    # --- who asks --------------------------------------------------------------------------------------------------

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A browser that nobody has signed in with."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN, **headers})

    @asynccontextmanager
    async def signed_in(self, login: str, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser with a session of this person."""
        async with self.client(**headers) as client:
            if login != "nobody":
                answer = await client.post("/api/v1/session", json={"user": login, "password": PASSWORD})
                if answer.status_code != 200:
                    raise RuntimeError(f"sign-in of {login} answered {answer.status_code}: {answer.text}")
            yield client

    async def audit_rows(self) -> list[audit_log.AuditRow]:
        return await self.db.read(lambda conn: self.audit.rows(conn, limit=500))


@asynccontextmanager
async def house(folder: Path, **more: Any) -> AsyncIterator[House]:
    """A furnished house."""
    made = House(folder, **more)
    try:
        await asyncio.to_thread(made.furnish)
        yield made
    finally:
        await asyncio.to_thread(made.close)
