"""What an operator does with devices' secrets and the house's certificates from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import authority
from gateway.clock import NS_PER_S
from gateway.core import Core
from gateway.health import file
from gateway.health.record import Record
from gateway.health.rows import Health, row_of, urgency
from gateway.hearing import Hearing
from gateway.registry import bindings, enrolment
from gateway.registry.enrolment import Certificate
from gateway.registry.view import RegistryView
from gateway.store import Database
from gateway.vocabulary import Actor

OPERATOR = Actor(id="command-line", name="command line")


async def listed(core: Core, _args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every device with how it comes in."""
    now_ns, view = core.clock.now_ns(), core.registry.view
    live = await core.store.read(lambda conn: enrolment.live_certificates(conn, now_ns))
    with_token = {device for device, _ in core.tokens.mqtt_users()}
    until: dict[str, int] = {}
    for row in live:
        until[row.device_id] = max(until.get(row.device_id, 0), row.not_after_ns)
    return [
        {
            "device": device.id, "model": device.model, "status": device.status, "resident": view.resident_of(device.id, now_ns),
            "token": device.id in with_token, "certificate_until": _day(until[device.id]) if device.id in until else None,
        }
        for device in sorted(view.devices.values(), key=lambda device: device.id)
    ]  # fmt: skip


async def enrol(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A one-time code for a device, shown once; with `new` an unknown device is entered first."""
    device, valid_s = str(args["device"]), int(args["valid_s"])
    if args.get("new") and device not in core.registry.view.devices:
        await core.registry.do(OPERATOR, bindings.set_device, device, quantities=())
    code = await core.registry.do(OPERATOR, enrolment.issue_code, device, valid_s)
    return {"device": device, "code": code, "valid_s": valid_s, "path": f"/api/v1/enrol/{device}"}


async def know(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Enter what decoders and doors must know of a device (address, keys, habits); answers with the names only, for keys are secrets."""
    device, facts = str(args["device"]), {str(key): str(value) for key, value in args["facts"].items()}
    if args.get("new") and device not in core.registry.view.devices:
        await core.registry.do(OPERATOR, bindings.set_device, device, quantities=())
    row = await core.registry.do(OPERATOR, bindings.note_facts, device, facts)
    return {"device": device, "known": sorted(row.facts)}


async def revoke(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Take all secrets of a device away; live sessions at the embedded broker end at once."""
    taken = await core.registry.do(OPERATOR, enrolment.revoke, str(args["device"]))
    return {"device": args["device"], "taken": taken, "crl": await _revocations(core)}


async def certificate(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """Sign a device's request that was brought by hand."""
    device, days = str(args["device"]), int(args["days"])
    request = await asyncio.to_thread(Path(str(args["csr"])).read_bytes)
    issued = await asyncio.to_thread(core.authority.device, device, request, days)
    row = Certificate(device_id=device, serial=issued.serial, not_after_ns=issued.not_after_ns)
    await core.registry.do(OPERATOR, enrolment.put_certificate, row)
    await _revocations(core)
    return {"device": device, "serial": issued.serial, "until": _day(issued.not_after_ns), "certificate": issued.certificate_pem}


async def _revocations(core: Core) -> str | None:
    """Write the list of revoked certificates anew, for brokers that read one."""
    if not core.authority.exists:
        return None
    now_ns = core.clock.now_ns()
    rows = await core.store.read(lambda conn: enrolment.revoked_serials(conn, now_ns))
    return str(await asyncio.to_thread(core.authority.write_revocations, rows))


async def health(core: Core, _args: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How devices were when the gateway last wrote it down; the running gateway answers by itself."""
    path, now_ns = core.data_dir / "devices.sqlite", core.clock.now_ns()
    if not path.exists():
        return health_rows(core.registry.view, None, now_ns)
    database = await asyncio.to_thread(Database.open, path, core.writer, file.COMPONENTS)
    try:
        records = await database.read(lambda conn: file.load(conn, now_ns))
    finally:
        await database.close()
    return health_rows(core.registry.view, AsWritten(records), now_ns)


@dataclass(frozen=True, slots=True)
class AsWritten:
    """States of devices from the file: nobody hears anything now."""

    records: Mapping[str, Record]
    hearing: Hearing = field(default_factory=Hearing)
    rooms: Mapping[str, str] = field(default_factory=dict)


def health_rows(view: RegistryView, health: Health | None, now_ns: int) -> list[dict[str, Any]]:
    """Devices with how they are and how many seconds ago they spoke, those that need something first."""
    rows = [row_of(view, device, health, now_ns) for device in view.devices.values() if device.status != "retired"]
    for row in rows:
        row["seen_s"] = None if row["last_seen_ms"] is None else round(now_ns / 1e9 - row["last_seen_ms"] / 1e3, 1)
    return sorted(rows, key=urgency)


def _day(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns // NS_PER_S, UTC).date().isoformat()


def shown(path: Path, now_ns: int) -> dict[str, Any]:
    """A certificate file as a row: whose, until when, how many days."""
    found = authority.read(path)
    return {
        "file": str(path), "subject": found.subject.rfc4514_string(), "until": found.not_valid_after_utc.date().isoformat(),
        "days": authority.days_left(path, now_ns),
    }  # fmt: skip


DEVICE_JOBS = {
    "devices.health": health, "devices.list": listed, "devices.enrol": enrol, "devices.know": know, "devices.revoke": revoke,
    "certs.device": certificate,
}  # fmt: skip
