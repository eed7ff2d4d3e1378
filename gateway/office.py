"""What an operator does from the command line; runs in the gateway when it is up, else on the data folder itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import backup as archives
from gateway import deadletter, health_record, office_alarms, office_policies
from gateway.alerts.desk import AlertDesk
from gateway.core import Core
from gateway.identity import Identity
from gateway.intake import hashes_of
from gateway.ledger import JournalFiles, Ledger
from gateway.office_devices import DEVICE_JOBS
from gateway.registry import bindings, residents
from gateway.registry import csv_import as tables
from gateway.registry.errors import RegistryError
from gateway.store import Database
from gateway.vocabulary import Actor, AlertNotFound

OPERATOR = Actor(id="command-line", name="command line")
Job = Callable[[Core, Mapping[str, Any]], Awaitable[Any]]


async def users_list(core: Core, _args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All accounts, without any secret."""
    return [
        {"login": u.login, "name": u.name, "role": u.role, "sites": list(u.site_ids), "residents": list(u.resident_ids), "status": u.status}
        for u in sorted(core.registry.view.users.values(), key=lambda u: u.login)
    ]


async def users_add(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A new account with a one-time password, shown once."""
    user, password = await core.accounts.create(
        OPERATOR,
        login=args["login"],
        name=args["name"],
        role=args["role"],
        site_ids=tuple(args["sites"]),
        resident_ids=tuple(args["residents"]),
        staff_id=args.get("staff"),
        lang=args.get("lang", "zh"),
    )
    return {"login": user.login, "role": user.role, "password": password}


async def users_reset(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A new one-time password; ends the person's sessions."""
    user = _user(core, args["login"])
    return {"login": user.login, "password": await core.accounts.reset_password(OPERATOR, user.id)}


async def users_disable(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Nobody signs in with this account any more; its sessions end."""
    user = await core.accounts.change(OPERATOR, _user(core, args["login"]).id, status="disabled")
    return {"login": user.login, "status": user.status}


def _user(core: Core, login: str) -> Any:
    for user in core.registry.view.users.values():
        if user.login == login:
            return user
    raise LookupError(f"no account named {login}")


async def device_token(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A new token for a device, shown once; the former stops working."""
    return {"device": args["device"], "token": await core.tokens.issue(OPERATOR, args["device"])}


async def device_bind(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Bind a device to a resident or a bed from now on; an inbox device is in service then."""
    device = core.registry.view.devices.get(args["device"])
    if device is not None and device.status == "inbox":
        await core.registry.do(OPERATOR, bindings.activate_device, device.id)
    row = await core.registry.do(OPERATOR, bindings.bind, args["device"], resident=args.get("resident"), bed=args.get("bed"))
    return {"binding": row.id, "device": row.device_id, "resident": row.resident_id}


async def device_unbind(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """End the device's present binding."""
    now_ns = core.clock.now_ns()
    row = core.registry.view.binding_at(args["device"], now_ns)
    if row is None:
        raise LookupError(f"device {args['device']} is not bound")
    await core.registry.do(OPERATOR, bindings.end_binding, row.id)
    return {"binding": row.id, "device": row.device_id, "resident": row.resident_id}


async def residents_merge(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Two records of one person become one; names them by id or code."""
    lives = await core.registry.do(OPERATOR, residents.merge, args["resident"], args["into"], reason=args["reason"])
    return {"merged": args["resident"], "into": lives.id, "status": lives.status}


async def inbox(core: Core, _args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Devices that spoke before anybody entered them."""
    return [{"device": d.id, "first_seen_ns": d.first_seen_ns, "quantities": list(d.quantities)} for d in core.registry.inbox()]


async def csv_import(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """CSV files into the registry: all or nothing; a dry run only reports."""
    paths = [Path(name) for name in args["files"]]
    files = {path.name: path.read_bytes() for path in paths}
    if args["dry_run"]:
        report = await asyncio.to_thread(tables.dry_run, core.registry, OPERATOR, files)
    else:
        report = await tables.apply(core.registry, OPERATOR, files)
    lang = str(args["lang"])
    return {
        "written": report.written,
        "counts": {name: asdict(count) for name, count in report.counts.items()},
        "errors": [{"file": e.file, "line": e.line, "column": e.column, "message": e.message(lang)} for e in report.errors],
        "omitted": report.omitted,
    }


async def audit_verify(core: Core, _args: Mapping[str, Any]) -> dict[str, Any]:
    """Walk the chain of looks and acts; names the first bad row."""
    verdict = await core.store.read(core.audit.verify)
    return {"ok": verdict.ok, "rows": verdict.rows, "first_bad": verdict.first_bad, "fault": verdict.fault}


async def audit_list(core: Core, args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who looked at or did what."""
    rows = await core.store.read(
        lambda conn: core.audit.rows(conn, after=int(args["after"]), limit=int(args["limit"]), resident=args.get("resident"))
    )
    names = ("n", "t_ns", "actor", "role", "action", "subject", "resident", "purpose", "outcome")
    return [{name: getattr(row, name) for name in names} for row in rows]


async def why(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Who was told of an alert or was not, when, and why."""

    def read(conn: Any) -> dict[str, Any]:
        view = AlertDesk.get(conn, args["alert"])
        told = [dict(row) for row in AlertDesk.why(conn, args["alert"])]
        return {"alert": view.id, "state": view.state, "cause": view.cause, "place": view.place, "told": told}

    try:
        return await core.store.read(read)
    except AlertNotFound as error:
        raise LookupError(f"no alert {args['alert']}") from error


async def alerts(core: Core, _args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Open alerts, most urgent first."""
    found = await core.store.read(AlertDesk.open_alerts)
    names = ("id", "state", "priority", "kind", "cause", "place", "raised_ns", "count", "claimed_name", "step")
    return [{name: getattr(row, name) for name in names} for row in found]


async def deadletter_list(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Refused frames, newest first, with counts per reason."""

    def read(conn: Any) -> dict[str, Any]:
        letters = [
            {"id": row.id, "t_received_ns": row.t_ns, "topic": row.topic, "reason": row.reason, "detail": row.detail, "bytes": row.size}
            for row in deadletter.listing(conn, limit=int(args["limit"]))
        ]
        return {"counts": deadletter.counts(conn), "letters": letters}

    return await core.store.read(read)


async def ledger(core: Core, _args: Mapping[str, Any]) -> dict[str, Any]:
    """The books from the files; a running gateway answers from its own."""
    journal = JournalFiles(core.data_dir / "journal")
    try:
        identity = Identity.open(core.data_dir / "identity.sqlite", core.writer, core.clock, core.ops)
        try:
            letters = await core.store.read(deadletter.numbered)
            await asyncio.to_thread(identity.catch_up, journal, hashes_of, letters)
            return await Ledger(journal, identity, core.store).summary()
        finally:
            await identity.close()
    finally:
        journal.close()


async def _in_health_record(core: Core, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """For commands without a running gateway; a running one answers by itself."""
    if not core.config.ehr.enabled:
        raise LookupError("the health record is switched off (ehr.enabled)")
    database = Database.open(core.data_dir / health_record.FILE_NAME, core.writer, components=health_record.COMPONENTS)
    try:
        return await work(database)
    finally:
        await database.close()


async def ehr_status(core: Core, _args: Mapping[str, Any]) -> Any:
    """What waits for the health record, what is sent, held and dead."""
    return await _in_health_record(core, health_record.status)


async def ehr_deadletter(core: Core, args: Mapping[str, Any]) -> Any:
    """What a target refused or a person must look at."""
    return await _in_health_record(core, lambda database: health_record.deadletter(database, args))


async def ehr_send(core: Core, args: Mapping[str, Any]) -> Any:
    """Put back what is held or dead; it goes when the gateway runs."""
    return await _in_health_record(core, lambda database: health_record.send(database, args))


async def backup(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """An archive of the store with its keys, the history as asked for (else when it is due); old ones are thinned out."""
    target = Path(args["folder"]) if args.get("folder") else backup_folder(core)
    return await asyncio.to_thread(make_backup, core, target, args.get("history"))


def backup_folder(core: Core) -> Path:
    """Where archives go unless somebody says otherwise."""
    return core.config.backup.folder or core.data_dir / "backups"


def make_backup(core: Core, target: Path, history: bool | None, progress: archives.Progress | None = None) -> dict[str, Any]:
    """Write an archive, blocking; returns its path and the names that were thinned out."""
    names = ["anxin.toml", "keys/audit.key", "audit-checkpoints.ndjson", health_record.FILE_NAME]
    names += [f"certs/{name}" for name in ("ca.pem", "ca.key", "server.pem", "server.key")]  # without the root all devices enrol anew
    age_s = archives.history_age_s(target, core.clock.now_ns())
    if history or (history is None and (age_s is None or age_s >= core.config.backup.history_every_s)):
        names.append(archives.HISTORY)
    others = [name for name in names if (core.data_dir / name).is_file()]
    path = archives.backup(core.data_dir, target, clock=core.clock, others=others, progress=progress)
    return {"archive": str(path), "removed": list(archives.prune(target))}


JOBS: dict[str, Job] = {
    "users.list": users_list,
    "users.add": users_add,
    "users.reset": users_reset,
    "users.disable": users_disable,
    "device.token": device_token,
    "device.bind": device_bind,
    "device.unbind": device_unbind,
    **DEVICE_JOBS,
    "residents.merge": residents_merge,
    "inbox": inbox,
    "import": csv_import,
    "audit.verify": audit_verify,
    "audit.list": audit_list,
    "why": why,
    "alerts": alerts,
    "deadletter.list": deadletter_list,
    "ledger": ledger,
    "backup": backup,
    "ehr.status": ehr_status,
    "ehr.deadletter": ehr_deadletter,
    "ehr.send": ehr_send,
    **office_alarms.JOBS,
    **office_policies.JOBS,
}


async def perform(core: Core, job: str, args: Mapping[str, Any]) -> Any:
    """One job by name; a refusal of the registry is said in the asker's language."""
    try:
        return await JOBS[job](core, args)
    except RegistryError as error:
        raise ValueError(error.message(str(args.get("lang", "en")))) from error
