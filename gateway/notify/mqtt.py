"""Siren, lamp or relay over MQTT: one message of the house's own form to a topic of the house's own; needs no internet."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import Template
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from pydantic import Field, SecretStr, field_validator

from gateway.notify.base import DELIVERED, ChannelSettings, Outcome, Page, Verdict, template_words

FIELDS = ("place", "initials", "reason", "priority", "late", "key", "priority_code")


class Settings(ChannelSettings):
    """A broker, a topic and what is published there.

    `topic` and `payload` may hold $place, $initials, $reason, $priority, $late, $key and $priority_code (3 = high); in the payload their
    values are written as JSON strings without the quotes. A page's own address takes the place of `topic`.
    """

    host: str
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["3.1.1", "5"] = "5"  # 5 tells when the broker refuses; 3.1.1 confirms even then
    username: str = ""
    password: SecretStr | None = None
    ca_file: Path | None = None
    topic: str
    payload: str = '{"state": "ON", "reason": "$reason", "place": "$place", "priority": $priority_code, "key": "$key"}'
    qos: Literal[1, 2] = 1

    @field_validator("payload", "topic")
    @classmethod
    def _known_fields(cls, text: str) -> str:
        try:
            Template(text).substitute(dict.fromkeys(FIELDS, ""))
        except (KeyError, ValueError) as error:
            raise ValueError(f"may hold ${', $'.join(FIELDS)}") from error
        return text

    @field_validator("topic")
    @classmethod
    def _one_topic(cls, topic: str) -> str:
        if not topic or any(char in topic for char in "+#\0"):
            raise ValueError("one topic, without + and #")
        return topic


class MqttChannel:
    """A connection of its own for each message: what sounds once a day needs no link that is kept alive."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._mqtt = settings
        self._threads = ThreadPoolExecutor(max_workers=settings.parallel, thread_name_prefix="mqtt-channel")

    async def notify(self, page: Page) -> Outcome:
        """Publish in a thread; every wait in it is bounded."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, page)

    async def close(self) -> None:
        """Let threads end by themselves; each has a timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, page: Page) -> Outcome:
        topic, payload = fill(page.address or self._mqtt.topic, self._mqtt.payload, page, self.settings.lang)
        exchange = _Exchange(self._mqtt)
        try:
            return exchange.run(topic, payload)
        except TimeoutError:
            return Outcome(verdict=Verdict.RETRY, reason="timeout")
        except (OSError, ValueError) as error:
            return Outcome(verdict=Verdict.RETRY, reason=f"transport_{type(error).__name__}")
        finally:
            exchange.end()


def fill(topic: str, payload: str, page: Page, lang: str) -> tuple[str, str]:
    """Topic and payload with the page's words in them."""
    words = {**template_words(page, lang), "key": page.key, "priority_code": str(int(page.priority))}
    chosen = {name: words[name] for name in FIELDS}
    in_topic = {name: "".join(char for char in value if char not in "/+#\0 ") for name, value in chosen.items()}
    in_json = {name: json.dumps(value, ensure_ascii=False)[1:-1] for name, value in chosen.items()}
    return Template(topic).safe_substitute(in_topic), Template(payload).substitute(in_json)


class _Exchange:
    """Connect, publish, hear the confirmation, disconnect; callbacks come from the client's own thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connected, self._published = threading.Event(), threading.Event()
        self._refused = ""
        version = paho.MQTTv5 if settings.protocol == "5" else paho.MQTTv311
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version, reconnect_on_failure=False)
        self._client.connect_timeout = settings.timeout_s / 2
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        if settings.username:
            self._client.username_pw_set(settings.username, settings.password.get_secret_value() if settings.password else None)
        if settings.ca_file is not None:
            self._client.tls_set(ca_certs=str(settings.ca_file))

    def run(self, topic: str, payload: str) -> Outcome:
        """The whole exchange."""
        half_s = self._settings.timeout_s / 2
        self._client.connect(self._settings.host, self._settings.port, keepalive=60)
        self._client.loop_start()
        if not self._connected.wait(half_s):
            return Outcome(verdict=Verdict.RETRY, reason="timeout")
        if not self._refused:
            info = self._client.publish(topic, payload, qos=self._settings.qos)
            if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return Outcome(verdict=Verdict.RETRY, reason="not_published")
            if not self._published.wait(half_s):
                return Outcome(verdict=Verdict.RETRY, reason="timeout")
        if self._refused:
            # A wrong password may be repaired and is tried again; what the broker forbids is final.
            return Outcome(verdict=Verdict.RETRY if self._refused.startswith("connect") else Verdict.REFUSED, reason=self._refused)
        return DELIVERED

    def end(self) -> None:
        """Say goodbye and end the client's thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._refused = f"connect_{code.value}"
        self._connected.set()

    def _on_publish(self, _client: Any, _data: Any, _mid: int, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._refused = f"mqtt_{code.value}"
        self._published.set()


def build(name: str, settings: Settings) -> MqttChannel:
    """A channel of this kind."""
    return MqttChannel(name, settings)
