"""MQTT: a broker's messages become frames, and its PUBACK goes out only after the commit (paho's manual acknowledgement, here alone).

A thread owns the paho client; the loop and the thread hand each other batches. What is not acknowledged stays at the broker, and its
own window of unacknowledged messages is the bound of what waits here. Packet ids belong to one connection: they die with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import select
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from devices import catalog
from gateway.certificates import leaf, unchecked
from gateway.clock import NS_PER_S, Clock
from gateway.collect.base import Bridge, GatheredSocket, Item
from gateway.frames import Ack, Frame
from gateway.ops import Ops

LOG = logging.getLogger("anxin.mqtt")
KEEPALIVE_S = 10
SILENCE_S = 13.0  # a broker that has not answered the ping by then is taken for dead
CONNECT_S = 5.0
BACKOFF_CAP_S = 15.0
STEADY_S = 10.0  # a connection that was shorter does not reset the backoff: two gateways with one client id must not fight at full speed
SESSION_EXPIRY_S = 7 * 86_400
ACKS_ON_THE_WAY = 32  # of those with QoS 1
ACKS_IN_A_HURRY = 1_000  # waiting: the rest goes with QoS 0; a lost one only makes the device send again


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """One connection: its broker, its session and what it subscribes to."""

    name: str  # of the collector and of its faults
    filters: tuple[str, ...]
    state_dir: Path  # remembers what the session is subscribed to
    client_id: str
    host: str = "127.0.0.1"
    port: int = 1883
    protocol: str = "3.1.1"
    username: str = ""
    password: str = ""
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    pinned: Path | None = None  # TLS with the broker that shows this very certificate: our own, whatever name and signer it has
    in_flight: int = 4_000
    priority: bool = False
    acknowledge: bool = True  # publish the application acknowledgement on anxin/ack/<device>
    ack_qos: int = 1  # 0 where each message costs the broker a disk sync; a lost one only makes the device send again


class _Client(paho.Client):
    """paho with a gathered socket; `_create_socket` is the one private name used (tests/unit/test_mqtt.py guards it)."""

    wire: GatheredSocket | None = None
    pins: frozenset[bytes] = frozenset()  # certificates (DER), one of which the broker must show

    def _create_socket(self) -> Any:
        wire: Any = super()._create_socket()
        if self.pins and wire.getpeercert(binary_form=True) not in self.pins:
            wire.close()
            raise ConnectionError("it shows another certificate than ours")
        self.wire = GatheredSocket(wire)
        return self.wire


class MqttCollector:
    """Frames of one MQTT session; `subscribed` is called on the loop each time the session stands."""

    def __init__(self, options: MqttOptions, clock: Clock, ops: Ops, *, subscribed: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.name = options.name
        self.priority = options.priority
        self._link = _Link(options, clock, ops, subscribed)
        self._thread: threading.Thread | None = None

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Batches for ever; the connection is made with the first call."""
        bridge = self._link.bridge
        bridge.attach()
        self._thread = threading.Thread(target=self._link.run, name=f"anxin-{self.name}", daemon=True)
        self._thread.start()
        try:
            async for batch in bridge.batches():
                yield batch
        finally:
            self._link.stop()

    async def close(self) -> None:
        """Disconnect; the session stays at the broker."""
        self._link.stop()
        if self._thread is not None and self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 10)


class _Link:
    """The thread: connects, reads, acknowledges, publishes, watches for silence, and connects again."""

    def __init__(self, options: MqttOptions, clock: Clock, ops: Ops, subscribed: Callable[[str], None] | None) -> None:
        bound = 2 * options.in_flight * max(1, len(options.filters))  # Mosquitto 2.0 sends more than its window allows
        self.bridge = Bridge(f"mqtt.{options.name}", clock, ops, bound=bound, acknowledge=options.acknowledge, wake=self.wake)
        self._options = options
        self._clock = clock
        self._ops = ops
        self._subscribed = subscribed
        self._state = options.state_dir / f"{options.client_id}.session.json"
        self._wanted = {"broker": f"{options.host}:{options.port}", "filters": sorted(options.filters)}
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopped = threading.Event()
        self._up = False  # the session stands
        self._down_said = False
        self._failure = ""
        self._redelivered = 0
        self._fresh: list[Item] = []
        self._pending: set[int] = set()  # packet ids of this connection that are not acknowledged
        self._published: dict[int, tuple[str, bytes]] = {}  # our acknowledgements on their way
        self._pins = frozenset[bytes]() if options.pinned is None else frozenset({leaf(options.pinned)})

    def wake(self) -> None:
        """Look at the orders."""
        try:
            os.write(self._wake_w, b"w")
        except BlockingIOError:
            pass  # it is awake
        except OSError:
            self._stopped.set()  # closed

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.wake()

    def run(self) -> None:
        """Until stopped."""
        failures = 0
        while not self._stopped.is_set():
            self._failure = ""
            client = self._connect()
            began_ns = self._clock.monotonic_ns()
            if client is not None:
                self._session(client)
            lasted = self._up and self._clock.monotonic_ns() - began_ns > STEADY_S * NS_PER_S
            failures = 0 if lasted else failures + 1
            was_up, self._up = self._up, False
            self._forget()
            if self._stopped.is_set():
                return
            self._say_down(was_up)
            pause_s = min(BACKOFF_CAP_S, 0.125 * 2 ** min(failures, 10)) * random.uniform(0.7, 1.3)
            self._stopped.wait(pause_s)

    def _say_down(self, was_up: bool) -> None:
        if was_up:
            LOG.warning("%s: connection to the broker lost (%s)", self._options.name, self._failure)
        elif not self._down_said:  # one quick retry is no news to the alert desk
            self._down_said = True
            LOG.warning("%s: no broker at %s:%d (%s)", self._options.name, self._options.host, self._options.port, self._failure)
            self.bridge.call(partial(self._ops.fault, "broker.unreachable", self._options.name, cause=self._failure[:120]))

    def _forget(self) -> None:
        """What belonged to the connection; our own acknowledgements that were on their way are published again."""
        self._hand_over()
        self._pending.clear()
        self.bridge.acks.extendleft(self._published.values())
        self._published.clear()

    def _connect(self) -> _Client | None:
        o = self._options
        five = o.protocol == "5"
        client = _Client(
            CallbackAPIVersion.VERSION2, client_id=o.client_id, manual_ack=True, reconnect_on_failure=False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311, clean_session=None if five else False,
        )  # fmt: skip
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(ACKS_ON_THE_WAY)
        client.on_socket_register_write = lambda *_: None  # or paho would write at once, packet by packet
        client.on_connect, client.on_message = self._on_connect, self._on_message
        client.on_subscribe, client.on_publish, client.on_disconnect = self._on_subscribe, self._on_publish, self._on_disconnect
        try:
            if o.username:
                client.username_pw_set(o.username, o.password)
            self._encrypt(client)
            properties = None
            if five:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                properties.SessionExpiryInterval = SESSION_EXPIRY_S
                properties.ReceiveMaximum = min(o.in_flight, 65_535)
            self.bridge.number += 1
            clean = False if five else paho.MQTT_CLEAN_START_FIRST_ONLY
            client.connect(o.host, o.port, KEEPALIVE_S, clean_start=clean, properties=properties)
        except (OSError, ssl.SSLError, ValueError) as error:
            self._failure = f"{type(error).__name__}: {error}"
            return None
        return client

    def _encrypt(self, client: _Client) -> None:
        o = self._options
        if o.pinned is not None:
            # The embedded broker shows what it read when it started, we may read what has been renewed since: both are its own.
            self._pins |= {leaf(o.pinned)}
            client.pins = self._pins
            client.tls_set_context(unchecked(o.certificate, o.key))
        elif o.ca_file is not None or o.certificate is not None:
            ca, certificate, key = (None if path is None else str(path) for path in (o.ca_file, o.certificate, o.key))
            client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key)  # without a CA file: those of the system

    def _session(self, client: _Client) -> None:
        """Serve one connection until it ends."""
        wire = client.wire
        if wire is None:
            return
        clock = self._clock
        poller = select.poll()
        poller.register(self._wake_r, select.POLLIN)
        began_ns = heard_ns = pinged_ns = clock.monotonic_ns()
        while self._goes_on():
            paused = self.bridge.full
            poller.register(wire.fileno(), (0 if paused else select.POLLIN) | (select.POLLOUT if wire.unsent else 0))
            poller.poll(0 if wire.pending() and not paused else 500)
            self._drain_wakes()
            try:
                if not paused and wire.fill():
                    heard_ns = clock.monotonic_ns()
                while not paused and wire.buffered and self._goes_on():
                    self._check(client.loop_read())
                self._hand_over()
                self._obey(client)
                now_ns = clock.monotonic_ns()
                if paused:  # the answers to pings lie behind what is not read: the broker is kept waiting, and kept content
                    heard_ns = now_ns
                    if now_ns - pinged_ns > KEEPALIVE_S * NS_PER_S // 2:
                        pinged_ns = now_ns
                        wire.send(b"\xc0\x00")
                else:
                    self._check(client.loop_misc())
                self._check(client.loop_write())
                wire.flush()
            except OSError as error:
                self._fail(f"{type(error).__name__}: {error}")
                break
            if now_ns - heard_ns > SILENCE_S * NS_PER_S:
                self._fail("no answer to a ping")
            if not self._up and now_ns - began_ns > CONNECT_S * NS_PER_S:
                self._fail("connected, but no answer: frozen, or not an MQTT broker")
        self._leave(client, wire)

    def _leave(self, client: _Client, wire: GatheredSocket) -> None:
        if not self._failure:
            client.disconnect()
            try:
                client.loop_write()
                wire.flush()
            except OSError:
                pass  # it is gone already
        wire.close()

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._fail(paho.error_string(code))

    def _fail(self, cause: str) -> None:
        """End the connection; the first cause counts."""
        self._failure = self._failure or cause

    def _goes_on(self) -> bool:
        return not self._failure and not self._stopped.is_set()

    def _drain_wakes(self) -> None:
        try:
            while os.read(self._wake_r, 4096):
                pass
        except BlockingIOError:
            pass

    def _hand_over(self) -> None:
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            self.bridge.deliver(fresh)
        if self._redelivered:
            self.bridge.call(self._count, "redelivered", self._redelivered)
            self._redelivered = 0

    def _count(self, what: str, number: int = 1) -> None:
        self._ops.counters[f"mqtt.{self._options.name}.{what}"] += number

    def _obey(self, client: _Client) -> None:
        """Acknowledge what is committed, then publish application acknowledgements, a bounded number at once."""
        orders = self.bridge.orders
        while orders:
            number, packet_ids = orders.popleft()
            if number != self.bridge.number:
                continue
            for packet_id in packet_ids:
                client.ack(packet_id, 1)
            self._pending.difference_update(packet_ids)
        acks = self.bridge.acks
        while acks and self._up:
            careful = self._options.ack_qos > 0 and len(acks) < ACKS_IN_A_HURRY
            if careful and len(self._published) >= ACKS_ON_THE_WAY:
                return
            topic, body = acks.popleft()
            if careful:
                self._published[client.publish(topic, body, qos=1).mid] = (topic, body)
            elif client.wire is not None:
                client.wire.send(_publish_packet(topic, body, five=self._options.protocol == "5"))

    # -- paho's callbacks, on this thread

    def _on_connect(self, client: paho.Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._failure = f"refused: {reason}"
            return
        if flags.session_present and self._remembered() == self._wanted:
            self._stand()
            return
        if self._state.exists() and not flags.session_present:
            self.bridge.call(self._count, "session_lost")
        self._state.unlink(missing_ok=True)
        client.subscribe([(topic, 1) for topic in self._options.filters])

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._failure = "the broker refuses the subscription: check the gateway's permissions there"
            return
        self._state.parent.mkdir(parents=True, exist_ok=True)
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(self._wanted), encoding="utf-8")
        part.replace(self._state)
        self._stand()

    def _remembered(self) -> Any:
        try:
            return json.loads(self._state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _stand(self) -> None:
        self._up = True
        if self.bridge.number > 1:
            LOG.warning("%s: connected to the broker again", self._options.name)
        self._down_said = False
        self.bridge.call(self._stands)

    def _stands(self) -> None:
        """On the loop."""
        self._ops.clear("broker.unreachable", self._options.name)
        if self._subscribed is not None:
            self._subscribed(self._options.name)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        packet_id = message.mid if message.qos else 0
        if packet_id in self._pending:  # the same packet once more while its first copy waits here: one acknowledgement serves both
            self._redelivered += 1
            return
        if packet_id:
            self._pending.add(packet_id)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        frame = Frame(
            channel="mqtt", topic=topic, payload=bytes(message.payload), t_received_ns=self._clock.now_ns(),
            device=catalog.device_of(topic), retained=message.retain,
        )  # fmt: skip
        self._fresh.append((self.bridge.number, packet_id, frame))

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._published.pop(mid, None)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._fail(f"closed: {reason}")


def _publish_packet(topic: str, body: bytes, *, five: bool) -> bytes:
    """PUBLISH with QoS 0: four lines here against thirty microseconds of bookkeeping for a message that nobody keeps."""
    name = topic.encode()
    rest = len(name).to_bytes(2, "big") + name + (b"\0" if five else b"") + body
    size = bytes([len(rest)]) if len(rest) < 128 else bytes([len(rest) % 128 | 128, len(rest) // 128])
    return b"\x30" + size + rest
