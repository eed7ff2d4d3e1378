"""The health record put together: targets by configuration, one sender each, the feed, and what an operator asks of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.alerts import why
from gateway.clock import NS_PER_S, Clock
from gateway.config import ConfigError
from gateway.control import Handler
from gateway.core import Core
from gateway.ehr.base import outbox
from gateway.ehr.base.outbox import Address
from gateway.ehr.base.references import ReferenceOptions
from gateway.ehr.base.sender import Sender
from gateway.ehr.base.target import Target
from gateway.ehr.feed.runner import Feed, FeedOptions
from gateway.ehr.fhir.common import GATEWAY, Settings
from gateway.ehr.fhir.render import FhirFormat
from gateway.ehr.targets import fhir, folder
from gateway.journal import Journal
from gateway.registry.view import RegistryView
from gateway.store import Database
from gateway.vocabulary import Origin

FILE_NAME = "ehr.sqlite"
COMPONENTS = outbox.COMPONENTS
DAY_NS = 86_400 * NS_PER_S
KINDS: dict[str, type[BaseModel]] = {"folder": folder.Settings, "fhir": fhir.Settings}


class HealthRecord:
    """Feed and senders over one file; nothing at all where the health record is switched off."""

    def __init__(self) -> None:
        self.feed: Feed | None = None
        self.senders: list[Sender] = []
        self.form: FhirFormat | None = None
        self._db: Database | None = None
        self._targets: list[Target] = []
        self._described: Callable[[str, str], dict[str, Any]] = lambda _kind, _key: {}

    @property
    def db(self) -> Database | None:
        """The record's own file; None where it is switched off."""
        return self._db

    def person(self, kind: str, key: str) -> dict[str, Any]:
        """What the registry says of a Patient or a Device now."""
        return self._described(kind, key)

    @staticmethod
    def open(core: Core, journal: Journal) -> HealthRecord:
        """Open the file and make what the configuration names; raises ConfigError. Nothing runs yet."""
        config, clock = core.config.ehr, core.clock
        found = HealthRecord()
        if not config.enabled:
            return found
        settings = {name: _settings(name, raw) for name, raw in config.targets.items()}
        found._db = db = Database.open(core.data_dir / FILE_NAME, core.writer, components=COMPONENTS)
        form = FhirFormat(
            Settings(
                namespace=config.namespace,
                language=core.config.language,
                patient_fields=tuple(config.patient_fields),
                staff_names=config.staff_names,
                notes=config.notes,
                profiles=config.profiles,
            )
        )
        found.form = form
        found._described = lambda kind, key: describe(core.registry.view, kind, key, clock.now_ns())
        for name, one in settings.items():
            target = _target(name, one, core.data_dir, db, clock)
            found._targets.append(target)
            found.senders.append(
                Sender(
                    db,
                    target,
                    form,
                    found._described,
                    clock,
                    core.ops,
                    _options(one),
                )
            )

        async def told(offset: int) -> list[dict[str, str]]:
            return await core.store.read(lambda conn: why.told_at(conn, offset))

        options = FeedOptions(alert_kinds=tuple(config.alert_kinds), keep_ns=config.keep_days * DAY_NS)
        addresses = [Address(name=target.name, real=target.real) for target in found._targets]
        found.feed = Feed(journal, core.events, db, addresses, told, clock, core.ops, options, found.wake)
        return found

    def wake(self, *, now: bool = False) -> None:
        """There is something to send."""
        for sender in self.senders:
            sender.wake(now=now)

    def work(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run, by name; once."""
        if self.feed is None:
            return {}
        return {"ehr": self.feed.run(), **{f"ehr.{sender.name}": sender.run() for sender in self.senders}}

    def handlers(self) -> dict[str, Handler]:
        """What a running gateway answers to commands, by job."""
        if self._db is None:
            return {}
        return {"ehr.status": self._status, "ehr.deadletter": partial(deadletter, self._db), "ehr.send": self._send}

    async def close(self) -> None:
        """After everything has ended."""
        for target in self._targets:
            await target.close()
        if self._db is not None:
            await self._db.close()

    async def _status(self, _args: Mapping[str, Any]) -> dict[str, Any]:
        if self._db is None or self.feed is None:
            raise LookupError("the health record is switched off")
        return {**await status(self._db), "offset": self.feed.offset}

    async def _send(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if self._db is None:
            raise LookupError("the health record is switched off")
        done = await send(self._db, args)
        self.wake(now=True)
        return done


async def status(db: Database) -> dict[str, Any]:
    """Deliveries by target and state."""
    return {"targets": await db.read(outbox.counts)}


async def deadletter(db: Database, args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is held or dead, newest first."""
    return await db.read(lambda conn: outbox.stuck(conn, ("held", "dead"), int(args.get("limit", 50))))


async def send(db: Database, args: Mapping[str, Any]) -> dict[str, Any]:
    """Put back what is held, and with `dead` the dead letters too, or one item of them."""
    item = args.get("item")
    states = ("held", "dead") if args.get("dead") or item is not None else ("held",)
    return {"again": await db.write(lambda conn: outbox.retry(conn, states, None if item is None else int(item)))}


def describe(view: RegistryView, kind: str, key: str, now_ns: int) -> dict[str, Any]:
    """What the registry knows of a resident or a device; a resident who has simulated devices only is simulated, too."""
    if kind == "Patient":
        resident = view.residents.get(key)
        if resident is None:
            return {}
        worn = [view.devices[device] for device in view.devices_of(key, now_ns) if device in view.devices]
        return {
            "number": resident.code or key,
            "name": resident.name,
            "birth_date": resident.birth_date,
            "sex": resident.sex,
            "test": bool(worn) and not any(_real(device.origin) for device in worn),
        }
    if key == GATEWAY:
        return {}
    device = view.devices.get(key)
    if device is None:
        return {}
    return {
        "model": device.model,
        "kind": device.kind,
        "maker": device.facts.get("manufacturer", ""),
        "serial": device.facts.get("serial", ""),
        "test": not _real(device.origin),
    }


def _real(origin: int) -> bool:
    return Origin(origin) in (Origin.LIVE, Origin.IMPORT)


def _settings(name: str, raw: Mapping[str, Any]) -> BaseModel:
    kind = KINDS.get(str(raw.get("type")))
    if kind is None:
        raise ConfigError(f"ehr.targets.{name}.type: one of {', '.join(KINDS)}")
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = [f"ehr.targets.{name}.{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ConfigError("; ".join(lines)) from error


def _target(name: str, settings: BaseModel, data_dir: Path, db: Database, clock: Clock) -> Target:
    if isinstance(settings, fhir.Settings):
        return fhir.FhirTarget(name, settings, clock)
    if isinstance(settings, folder.Settings):
        valid = db.read_sync(lambda conn: folder.FolderTarget.load(conn, name))
        return folder.FolderTarget(name, settings.folder or data_dir / "ehr", valid, clock, settings.keep_days)
    raise ConfigError(f"ehr.targets.{name}: unknown kind")


def _options(settings: BaseModel) -> ReferenceOptions:
    if isinstance(settings, fhir.Settings):
        return ReferenceOptions(create_patients=settings.create_patients, links=settings.links)
    return ReferenceOptions(create_patients=True)
