"""Composition root: starts sinks, then the core, then the doors; stops in reverse. The only module that knows every part."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gateway import chores, deadletter, mqtt_doors, office_alarms, outages, systemd
from gateway.alarm_path import alarm_path, watchdog
from gateway.alerts.desk import AlertDesk
from gateway.api.app import ApiSettings, close_streams, create_app
from gateway.backups import Backups
from gateway.broker import Broker, BrokerError
from gateway.certwatch import CertificateWatch
from gateway.checkins import CheckinDoor
from gateway.clock import SystemClock
from gateway.collect.http import HttpCollector
from gateway.collect.mqtt import MqttCollector
from gateway.commands import CommandParts, Commands
from gateway.config import Ble, Mqtt, Web
from gateway.control import serve as serve_control
from gateway.control import socket_path
from gateway.core import MIB, Core
from gateway.enrol import Enrolment
from gateway.frames import Collector
from gateway.health.opening import opened
from gateway.health.runner import DeviceHealth
from gateway.health_record import HealthRecord
from gateway.hearing import Hearing
from gateway.histories import Histories
from gateway.identity import Identity
from gateway.intake import Intake, hashes_of
from gateway.journal import Journal
from gateway.ledger import Ledger
from gateway.notify.outbox import Outbox
from gateway.office import JOBS, OPERATOR, backup_folder, make_backup, perform
from gateway.office_devices import health_rows
from gateway.ops import Ops
from gateway.pairings import Pairings
from gateway.processes import many_files, stop_signal, until
from gateway.query import Parts, Query
from gateway.returns import Returns
from gateway.setups import Setups
from gateway.standing import standing
from gateway.standing_tests import StandingTests
from gateway.store import Database
from gateway.stream.rules import StreamConfig
from gateway.stream.runner import COMPONENTS as STREAM_COMPONENTS
from gateway.stream.runner import StreamRunner
from gateway.vocabulary import Role
from gateway.web import Web as WebServer
from gateway.web import listen


class StartError(RuntimeError):
    """The gateway cannot start; the text says why and what to do."""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """A running gateway: what its starter needs to know of it."""

    core: Core
    journal: Journal
    broker: Broker | None
    desk: AlertDesk
    url: str


async def run_gateway(
    data_dir: Path, *, web_port: int | None = None, mqtt_port: int | None = None, on_ready: Callable[[str], None] | None = None
) -> None:
    """Run until SIGINT or SIGTERM."""
    many_files()
    stop = stop_signal()
    async with running(data_dir, web_port=web_port, mqtt_port=mqtt_port) as (gateway, ended):
        if on_ready is not None:
            on_ready(gateway.url)
        await until(stop, ended)


@asynccontextmanager
async def running(
    data_dir: Path,
    *,
    web_port: int | None = None,
    mqtt_port: int | None = None,
    web: Web | None = None,
    ble: Ble | None = None,
    prepare: Callable[[Core], Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[Gateway, asyncio.Task[None]]]:
    """Everything up: store, journal, outbox, desk, engine, intake, doors, web; stopped in reverse. `prepare` runs before the doors open."""
    clock, ops = SystemClock(), Ops()
    async with AsyncExitStack() as stack:
        core = await asyncio.to_thread(Core.open, data_dir, clock, ops)
        stack.callback(core.close)
        core.config = core.config.model_copy(update=_chosen(core.config.web if web is None else web, web_port, core.config.mqtt, mqtt_port))
        if ble is not None:
            core.config = core.config.model_copy(update={"ble": ble})
        if prepare is not None:
            await prepare(core)
        builder = _Builder(core, stack)
        yield await builder.build()


def _chosen(web: Web, web_port: int | None, mqtt: Mqtt, mqtt_port: int | None) -> dict[str, Any]:
    return {
        "web": web if web_port is None else web.model_copy(update={"port": web_port}),
        "mqtt": mqtt if mqtt_port is None else mqtt.model_copy(update={"port": mqtt_port}),
    }


class _Builder:
    """Builds the parts in order; whatever was started is on the stack, to be stopped in reverse."""

    def __init__(self, core: Core, stack: AsyncExitStack) -> None:
        self._core = core
        self._stack = stack
        self._pairings = Pairings(core.registry)
        self._setups = Setups(core.registry, core.clock)
        folder = backup_folder(core)
        self._backups = Backups(folder, partial(make_backup, core, folder), core.config.backup.every_s, core.clock, core.ops)
        self._certificate_watch: CertificateWatch | None = None
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._health: DeviceHealth | None = None
        self._record: HealthRecord | None = None
        self._hearing = Hearing()
        self._checkins = CheckinDoor(core.registry, core.store, core.tokens, core.badges, core.clock, core.ops)

    async def build(self) -> tuple[Gateway, asyncio.Task[None]]:
        """All parts, up; the task ends when one of them does, with its error."""
        core = self._core
        config, clock, ops = core.config, core.clock, core.ops
        started_ns = clock.monotonic_ns()
        journal = await Journal.open(
            core.data_dir / "journal",
            core.writer,
            clock,
            ops,
            config.journal.retention_days,
            ballast_bytes=config.journal.ballast_mib * MIB,
        )
        self._stack.push_async_callback(journal.close)
        listener = listen(config.web.host, config.web.port)
        self._stack.callback(listener.close)
        scheme, port = "https" if config.web.certificate else "http", listener.getsockname()[1]
        url = config.web.public_url or f"{scheme}://{_shown(config.web.host)}:{port}"
        outbox, desk = alarm_path(core, self._stack, url)
        runner = self._stream(journal, desk)
        histories = await self._histories(journal)
        self._record = record = await asyncio.to_thread(HealthRecord.open, core, journal)
        self._stack.push_async_callback(record.close)
        self._health = await opened(core, journal, self._hearing)
        if self._health is not None:
            self._stack.push_async_callback(self._health.close)
        identity = await self._identity(journal)
        intake = Intake(core.registry, journal, core.store, identity, clock, ops, given=config.mqtt.facts, hearing=self._hearing)
        ledger = Ledger(journal, identity, core.store)
        http = HttpCollector(clock, core.tokens.verify)
        webs = self._webs(journal, desk, runner, histories, intake, ledger, http, listener, url)
        await outages.record(core.store, journal, clock)
        await self._start_core(outbox, desk, runner, journal, identity)
        for name, work in (histories.work() | record.work()).items():
            self._task(name, work)
        if self._health is not None:
            self._task("devices", self._health.run())
        broker, doors = await self._mqtt_doors()
        self._task("intake", intake.run([http, http.calls, *doors, *self._ble_doors()]))
        for name, web in webs.items():
            await web.start(clock)
            self._stack.push_async_callback(web.stop)
            self._task(name, web.wait())
        await self._control(journal, runner, intake, ledger, histories, record, desk, started_ns)
        self._certificate_watch = self._certificates(broker, webs)
        self._task("certificates", self._certificate_watch.run())
        self._stack.push_async_callback(self._backups.close)
        self._task("backups", chores.backups(self._backups.due, config.backup.every_s, clock, ops))
        ended = asyncio.create_task(chores.first_to_end(self._tasks), name="first-to-end")
        self._stack.callback(ended.cancel)
        return Gateway(core=core, journal=journal, broker=broker, desk=desk, url=url), ended

    def _task(self, name: str, work: Any) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks[name] = task

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)

    def _stream(self, journal: Journal, desk: AlertDesk) -> StreamRunner:
        core = self._core
        database = Database.open(core.data_dir / "stream.sqlite", core.writer, components=STREAM_COMPONENTS)
        self._stack.push_async_callback(database.close)
        config = replace(StreamConfig(), **core.config.stream.options)
        return StreamRunner(
            journal, core.events, database, desk.take, core.clock, core.ops, config=config, checkpoint_s=core.config.stream.checkpoint_s
        )

    async def _identity(self, journal: Journal) -> Identity:
        core = self._core
        identity = Identity.open(core.data_dir / "identity.sqlite", core.writer, core.clock, core.ops)
        self._stack.push_async_callback(identity.close)
        letters = await core.store.read(deadletter.numbered)
        await asyncio.to_thread(identity.catch_up, journal, hashes_of, letters)
        return identity

    async def _start_core(self, outbox: Outbox, desk: AlertDesk, runner: StreamRunner, journal: Journal, identity: Identity) -> None:
        core = self._core
        self._task("outbox", outbox.run())
        self._task("desk", desk.run())
        self._task("stream", runner.run())
        self._task("identity", identity.run())
        self._task("audit", core.audit.run(core.store))
        self._task("ticks", chores.ticks(journal, core.events, core.clock, core.ops))
        self._task("retention", chores.retention(journal, core.clock, core.ops))
        self._task("returns", Returns(core.store, core.registry, desk, core.clock, core.ops).run())
        if core.config.standing_tests.enabled:
            tests = StandingTests(core.store, core.registry, desk, core.clock, core.ops, outbox.names, office_alarms.plan_of(core))
            self._task("standing-tests", tests.run())
        if systemd.watched():
            self._task("signs-of-life", systemd.signs_of_life(lambda: core.ops.progress_ns.get("alerts"), core.clock))
        if core.config.watchdog.enabled:
            await watchdog(core, self._stack)

    async def _mqtt_doors(self) -> tuple[Broker | None, list[MqttCollector]]:
        try:
            broker, doors = await mqtt_doors.opened(self._core, self._stack, self._task)
        except BrokerError as error:
            raise StartError(str(error)) from error
        kiosks = doors.pop()
        self._task("checkins", self._checkins.serve(kiosks))
        return broker, doors

    def _certificates(self, broker: Broker | None, webs: Mapping[str, WebServer]) -> CertificateWatch:
        core = self._core
        files = {"web": core.config.web.certificate, "mqtt": core.config.mqtt.certificate, "ca": core.authority.ca_file}
        if core.config.web.family is not None:
            files["family"] = core.config.web.family.certificate
        present = {name: path for name, path in files.items() if path is not None and path.exists()}
        renewed = {name: web.renew for name, web in webs.items()} | ({} if broker is None else {"mqtt": broker.refresh})
        return CertificateWatch(present, renewed, core.clock, core.ops)

    def _ble_doors(self) -> list[Collector]:
        core = self._core
        if core.config.ble.backend == "none":
            return []
        from gateway.collect.ble.opening import door  # Bluetooth stacks take their time to load

        made = door(core.config.ble, core.registry, core.store, core.clock, core.ops)
        self._pairings.desk = made.parts.pairings
        self._setups.air, self._setups.forget = made.parts.air, made.forget
        made.parts.hearing = self._hearing
        self._stack.push_async_callback(made.close)
        return [made, made.calls]

    def _query(self, journal: Journal, runner: StreamRunner, histories: Histories, ledger: Ledger) -> Query:
        core = self._core
        return Query(
            Parts(
                db=core.store,
                events=core.events,
                registry=core.registry,
                audit=core.audit,
                latest=lambda: runner.latest,
                clock=core.clock,
                ops=core.ops,
                ledger=ledger.summary,
                history=lambda: histories.history,
                devices=self._health,
                record=self._record,
                stream=runner.engine.config,
                unassigned=None if self._health is None else self._health.unassigned,
                burden_per_day=core.config.alerts.burden_per_day,
                recent=journal.recent,
                backups=self._backups,
                certificates=lambda: [] if self._certificate_watch is None else self._certificate_watch.standing(),
                emergency_after_s=core.config.family.emergency_after_s,
                shelf=core.shelf,
            )
        )

    def _webs(
        self,
        journal: Journal,
        desk: AlertDesk,
        runner: StreamRunner,
        histories: Histories,
        intake: Intake,
        ledger: Ledger,
        http: HttpCollector,
        listener: socket.socket,
        url: str,
    ) -> dict[str, WebServer]:
        core = self._core
        query = self._query(journal, runner, histories, ledger)
        commands = Commands(
            CommandParts(
                db=core.store,
                query=query,
                registry=core.registry,
                accounts=core.accounts,
                desk=desk,
                audit=core.audit,
                clock=core.clock,
                ops=core.ops,
                pairings=self._pairings,
                badges=core.badges,
                second_factor_roles=frozenset(Role(word) for word in core.config.web.second_factor),
                setups=self._setups,
                backups=self._backups,
                shelf=core.shelf,
                retry_dead_letter=lambda letter: _retry(core, intake, letter),
            )
        )
        machines = (http.router, Enrolment(core, lambda: mqtt_doors.reached(core.config)).router, self._checkins.router)
        web, family = core.config.web, core.config.web.family
        family_url = "" if family is None else family.public_url
        settings = ApiSettings(public_url=web.public_url or url, http_lan=web.http_lan, family_url=family_url)
        app = create_app(query, commands, clock=core.clock, ops=core.ops, settings=settings, machine_routers=machines)
        webs = {"web": WebServer(app, listener, certificate=web.certificate, key=web.key, before_stop=lambda: close_streams(app))}
        if family is not None:
            # No device and no carer comes in here: it is what the internet may see.
            own = ApiSettings(public_url=family.public_url, http_lan=family.http_lan, only=frozenset({Role.FAMILY}))
            apart = create_app(query, commands, clock=core.clock, ops=core.ops, settings=own)
            place = listen(family.host, family.port, "[web.family] port")
            self._stack.callback(place.close)
            webs["family"] = WebServer(
                apart, place, certificate=family.certificate, key=family.key, before_stop=lambda: close_streams(apart)
            )
        return webs

    async def _histories(self, journal: Journal) -> Histories:
        core = self._core
        histories = await Histories.open(core.config.history, core.data_dir, journal, core.writer, core.clock, core.ops)
        self._stack.push_async_callback(histories.close)
        return histories

    async def _control(
        self,
        journal: Journal,
        runner: StreamRunner,
        intake: Intake,
        ledger: Ledger,
        histories: Histories,
        record: HealthRecord,
        desk: AlertDesk,
        since_ns: int,
    ) -> None:
        core = self._core

        async def status(_args: Mapping[str, Any]) -> dict[str, Any]:
            return standing(core, journal, runner, histories, since_ns)

        async def books(_args: Mapping[str, Any]) -> Any:
            return await ledger.summary()

        async def retry(args: Mapping[str, Any]) -> Any:
            found = await _retry(core, intake, int(args["id"]))
            if found is None:
                raise LookupError(f"no dead letter {args['id']}")
            return found

        handlers = {name: partial(perform, core, name) for name in JOBS} | record.handlers()
        handlers |= self._pairings.handlers(OPERATOR)

        async def health(_args: Mapping[str, Any]) -> list[dict[str, Any]]:
            return health_rows(core.registry.view, self._health, core.clock.now_ns())

        handlers["devices.health"] = health
        handlers["drill"] = office_alarms.drill(desk, core)
        server = await serve_control(socket_path(core.data_dir), {**handlers, "status": status, "ledger": books, "deadletter.retry": retry})
        self._stack.callback(server.close)


async def _retry(core: Core, intake: Intake, letter_id: int) -> dict[str, Any] | None:
    letter = await core.store.read(lambda conn: deadletter.get(conn, letter_id))
    if letter is None:
        return None
    verdict = await intake.retry(letter)
    return {"id": letter_id, "fate": verdict.fate.value, "reason": verdict.reason}


def _shown(host: str) -> str:
    """An address that a person can type: of this machine where we listen everywhere."""
    return socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
