"""Opens the MQTT doors: the embedded broker with those who may use it, or another one, and a session each for readings and for calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from devices import catalog
from gateway import chores
from gateway.broker import Broker, BrokerError, BrokerOptions
from gateway.brokerlog import Refusal
from gateway.checkins import FILTER as CHECKINS
from gateway.collect.mqtt import MqttCollector, MqttOptions
from gateway.config import Config, Mqtt
from gateway.core import Core
from gateway.registry import enrolment
from gateway.store import Lane, StoreError

REFUSALS_WAITING = 200


class RefusalBook:
    """Writes whom the broker refused into the audit."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: deque[Refusal] = deque(maxlen=REFUSALS_WAITING)
        self._woken = asyncio.Event()

    def note(self, refusal: Refusal) -> None:
        """Take one; beyond the bound the oldest is left out and counted."""
        if len(self._waiting) == REFUSALS_WAITING:
            self._core.ops.counters["broker.refusals_left_out"] += 1
        self._waiting.append(refusal)
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            refusals = list(self._waiting)
            self._waiting.clear()
            try:
                await self._core.store.write(partial(self._write, refusals), lane=Lane.GROUP)
            except StoreError:  # a full disk says so itself
                self._core.ops.counters["broker.refusals_left_out"] += len(refusals)

    def _write(self, refusals: list[Refusal], conn: Any) -> None:
        for each in refusals:
            detail = {"address": each.address, "client": each.client, "said": each.detail}
            self._core.audit.append(
                conn, actor=each.client or each.address, action=f"broker.{each.what}", subject="mqtt", outcome="refused", detail=detail
            )


async def opened(core: Core, stack: AsyncExitStack, task: Callable[[str, Any], None]) -> tuple[Broker | None, list[MqttCollector]]:
    """The broker, when it is ours, and the sessions for readings, calls and check-ins, in this order; raises BrokerError."""
    mqtt = core.config.mqtt
    connection = _connection(core, mqtt)
    options = [
        MqttOptions(name="mqtt", filters=("anxin/up/+", "anxin/senml/+", *_foreign(mqtt)), client_id=mqtt.client_id, **connection),
        MqttOptions(name="mqtt.calls", filters=("anxin/call/+",), client_id=f"{mqtt.client_id}-calls", priority=True, **connection),
        MqttOptions(name="mqtt.checkins", filters=(CHECKINS,), client_id=f"{mqtt.client_id}-checkins", **connection),
    ]
    broker = None
    if mqtt.embedded:
        broker = await _embedded(core, stack, task, tuple(option.name for option in options))
        own = broker.own_connection()
        options = [replace(option, protocol="3.1.1", ack_qos=0, **own) for option in options]  # QoS 1 would cost a disk sync each
    doors = [MqttCollector(option, core.clock, core.ops, subscribed=None if broker is None else broker.subscribed) for option in options]
    for door in doors:
        stack.push_async_callback(door.close)
    return broker, doors


def _foreign(mqtt: Mqtt) -> tuple[str, ...]:
    """Subscriptions for the payloads of other products."""
    channels = [channel for channel in catalog.channels() if not channel.pattern.startswith(("anxin/", "gatt/", "advert/"))]
    known = sorted({channel.format for channel in channels})
    if unknown := sorted(set(mqtt.formats) - set(known)):
        raise BrokerError(f"[mqtt] formats: {', '.join(unknown)[:100]} is not known; there are {', '.join(known)}")
    return tuple(sorted(channel.mqtt_filter for channel in channels if channel.format in mqtt.formats))


async def _embedded(core: Core, stack: AsyncExitStack, task: Callable[[str, Any], None], expects: tuple[str, ...]) -> Broker:
    mqtt, book = core.config.mqtt, RefusalBook(core)
    if mqtt.client_certificates and not core.authority.exists:
        raise BrokerError("[mqtt] client_certificates: there is no authority yet that could sign them; run `anxin certs init` first")
    settings = BrokerOptions(
        host=mqtt.host, port=mqtt.port, in_flight=mqtt.in_flight, ack_wait_s=mqtt.redeliver_s, certificate=mqtt.certificate, key=mqtt.key,
        authority=core.authority.ca_file if mqtt.client_certificates else None, bridges=tuple(sorted(mqtt.bridges.items())),
    )  # fmt: skip
    broker = Broker(
        core.data_dir / "nats", settings, core.tokens.mqtt_users, core.clock, core.ops, expects=expects, refused=book.note,
        certificates=lambda: enrolment.mqtt_certificates(core.registry, core.store, core.clock.now_ns()),
    )  # fmt: skip
    await broker.start()
    stack.push_async_callback(broker.stop)
    task("broker-users", chores.follow_devices(core.events, broker.refresh))
    task("broker-refusals", book.run())
    return broker


def reached(config: Config) -> dict[str, Any]:
    """How a device that enrols reaches the broker; the host is the one it knows already, unless it is another broker's."""
    mqtt = config.mqtt
    return {
        "host": None if mqtt.embedded else mqtt.host,
        "port": mqtt.port,
        "tls": (mqtt.certificate if mqtt.embedded else mqtt.ca_file) is not None,
        "client_certificate": mqtt.client_certificates,
    }


def _connection(core: Core, mqtt: Mqtt) -> dict[str, Any]:
    password = mqtt.password_file.read_text(encoding="utf-8").strip() if mqtt.password_file is not None else ""
    return {
        "state_dir": core.data_dir / "run",
        "host": mqtt.host,
        "port": mqtt.port,
        "protocol": mqtt.protocol,
        "username": mqtt.username,
        "password": password,
        "ca_file": mqtt.ca_file,
        "certificate": mqtt.certificate,
        "key": mqtt.key,
        "in_flight": mqtt.in_flight,
    }
