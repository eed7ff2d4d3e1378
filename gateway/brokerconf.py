"""The embedded broker's configuration as text: who may come in and with what, which topics are whose, what is on disk."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.authority import mqtt_name

INTERNAL_USER = "anxin-gateway"
_DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_SERIAL = re.compile(r"[0-9a-f]{16,40}")
_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}")


class BrokerError(RuntimeError):
    """The broker cannot be started; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """How the embedded broker runs; `port` 0 = any free one, chosen at the first start."""

    host: str = "127.0.0.1"
    port: int = 1883
    in_flight: int = 4000  # unacknowledged messages towards the gateway, per filter
    max_payload: int = 256 * 1024 + 1024  # the envelope's limit and the MQTT head
    store_mib: int = 1024  # what a gateway that takes nothing may fill; then publishers get no PUBACK
    ack_wait_s: int = 30
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None  # who is let in only with a certificate signed by this one, and by nothing else
    bridges: tuple[tuple[str, str], ...] = ()  # (device, base topic): publishes and hears everything under it


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One that may connect: nats-server's user name and password, and the device whose topics it has; None = all topics."""

    name: str
    password: str
    device: str | None


def device_users(rows: Iterable[tuple[str, str]]) -> list[User]:
    """From (device, bcrypt hash of its token)."""
    users = []
    for device, bcrypt_hash in rows:
        if not _DEVICE.fullmatch(device) or not _BCRYPT.fullmatch(bcrypt_hash):
            raise BrokerError("a device's credentials are malformed: issue its token again")
        users.append(User(name=device, password=bcrypt_hash, device=device))
    return users


def certificate_users(rows: Iterable[tuple[str, str]]) -> list[User]:
    """From (device, serial of its certificate), which is all that they show; without TLS (nats-server's own port) there is no way in."""
    users = []
    for device, serial in rows:
        if not _DEVICE.fullmatch(device) or not _SERIAL.fullmatch(serial):
            raise BrokerError("a device's certificate is recorded wrongly: enrol it again")
        users.append(User(name=mqtt_name(serial), password="", device=device))
    return users


def config_text(folder: Path, options: BrokerOptions, port: int, users: Sequence[User]) -> str:
    """The whole file; equal texts need no reload."""
    o, quote = options, json.dumps
    limits = f"max_memory_store: 16MB, max_file_store: {o.store_mib}MB"
    listen = f"[{o.host}]:{port}" if ":" in o.host else f"{o.host}:{port}"
    lines = [
        'server_name: "anxin_edge"',
        'listen: "127.0.0.1:-1"',
        f"max_payload: {o.max_payload}",
        f"pid_file: {quote(str(folder / 'nats.pid'))}",
        f"log_file: {quote(str(folder / 'nats.log'))}",
        "logfile_size_limit: 4MB",
        "logfile_max_num: 2",
        "logtime_utc: true",
        f"jetstream {{ store_dir: {quote(str(folder / 'store'))}, sync_interval: always, {limits} }}",
        f'mqtt {{ listen: {quote(listen)}, ack_wait: "{o.ack_wait_s}s", max_ack_pending: {o.in_flight}{_tls(o)} }}',
        f"# {_digest(o)}",  # a renewed certificate is a change too
        "authorization { users: [",
        *(f"  {_user(user, dict(o.bridges))}" for user in users),
        "] }",
        "",
    ]
    return "\n".join(lines)


def _user(user: User, bridges: Mapping[str, str]) -> str:
    secret = f", password: {json.dumps(user.password)}" if user.password else ""
    text = f'{{user: {json.dumps(user.name)}{secret}, allowed_connection_types: ["MQTT"]'
    if user.device is None:
        return text + "}"
    own = [f"{_subject(bridges[user.device])}.>"] if user.device in bridges else []
    publish = json.dumps([*(f"anxin.{kind}.{user.device}" for kind in ("up", "call", "senml", "checkin")), *own])
    return f"{text}, permissions: {{publish: {publish}, subscribe: {json.dumps([f'anxin.ack.{user.device}', *own])}}}}}"


def _subject(base: str) -> str:
    """A base topic as nats-server writes it; never one of ours."""
    if not _BASE.fullmatch(base) or base.partition("/")[0] == "anxin":
        raise BrokerError(f"[mqtt] bridges: {base[:64]} cannot be a base topic: levels of A-Z a-z 0-9 _ - that do not begin with anxin")
    return base.replace("/", ".")


def _tls(options: BrokerOptions) -> str:
    if options.certificate is None or options.key is None:
        return ""
    parts = [f"cert_file: {json.dumps(str(options.certificate))}", f"key_file: {json.dumps(str(options.key))}"]
    if options.authority is not None:
        parts += [f"ca_file: {json.dumps(str(options.authority))}", "verify_and_map: true"]
    return f", tls {{ {', '.join(parts)} }}"


def _digest(options: BrokerOptions) -> str:
    digest = hashlib.sha256()
    for path in (options.certificate, options.key, options.authority):
        if path is not None and path.exists():
            digest.update(path.read_bytes())
    return digest.hexdigest()
