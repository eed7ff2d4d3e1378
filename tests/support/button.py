"""A device as a test holds it in its hand: paho, its own token, a sequence per boot, and the acknowledgements that it hears."""

from __future__ import annotations

import json
import time
from types import TracebackType
from typing import Any, Self

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.running import Gateway, until


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Button:
    """Speaks the envelope over MQTT (QoS 1, waits for its PUBACK) or HTTP; connects in the background, for ever."""

    def __init__(self, gateway: Gateway, device: str, boot_id: str = "boot-1") -> None:
        self.gateway = gateway
        self.device = device
        self.boot_id = boot_id
        self.seq = -1
        self.acks: list[dict[str, Any]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{device}-{boot_id}", protocol=paho.MQTTv311)
        self.client.username_pw_set(device, gateway.tokens.get(device, "nobody"))
        self.client.reconnect_delay_set(1, 1)
        self.puback_s: dict[int, float] = {}  # packet id -> monotonic seconds of its PUBACK
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_message = lambda _client, _data, message: self.acks.append(json.loads(message.payload))

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        client.subscribe(f"anxin/ack/{self.device}", 1)

    def _on_publish(self, _client: paho.Client, _data: Any, packet_id: int, _reason: Any, _properties: Any) -> None:
        self.puback_s[packet_id] = time.monotonic()

    def __enter__(self) -> Self:
        self.client.connect_async("127.0.0.1", self.gateway.mqtt_port, keepalive=10)
        self.client.loop_start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def connected(self) -> Button:
        """Wait until the broker has let it in."""
        until(f"{self.device} is connected", self.client.is_connected, 30)
        return self

    def body(self, **content: Any) -> bytes:
        """The next message, in its envelope."""
        self.seq += 1
        envelope = {"v": 1, "device": self.device, "boot_id": self.boot_id, "seq": self.seq, "t": now_ms()}
        return json.dumps(envelope | content).encode()

    def call(self, kind: str = "sos", *, retain: bool = False, **content: Any) -> paho.MQTTMessageInfo:
        return self.publish("call", self.body(call={"kind": kind}, **content), retain=retain)

    def reading(self, quantity: str = "hr", value: float = 70, unit: str = "/min", **content: Any) -> paho.MQTTMessageInfo:
        return self.publish("up", self.body(quantity=quantity, value=value, unit=unit, **content))

    def publish(self, lane: str, payload: bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        return self.client.publish(f"anxin/{lane}/{self.device}", payload, qos=1, retain=retain)

    def fate(self, seq: int | None = None, within_s: float = 10.0) -> str:
        """What the gateway says of a message of ours (the last one)."""
        wanted = self.seq if seq is None else seq
        found = until(f"an answer to {self.device} {wanted}", lambda: [a for a in list(self.acks) if a["seq"] == wanted], within_s)
        return str(found[0]["fate"])

    def post(self, payload: bytes, token: str | None = None, kind: str = "application/json") -> httpx.Response:
        """The same through the HTTP door."""
        return httpx.post(
            f"{self.gateway.url}/api/v1/ingest/{self.device}", content=payload, timeout=10,
            headers={"Authorization": f"Bearer {token or self.gateway.tokens.get(self.device, '')}", "Content-Type": kind},
        )  # fmt: skip
