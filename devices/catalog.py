"""The folder is the registry: every module of devices/payloads that declares CHANNELS decodes those topics; nothing is listed by hand."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from devices import payloads
from devices.model import DecodeError, DeviceFacts, Message

Decode = Callable[[str, bytes, DeviceFacts], Message]


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic pattern, `{device}` standing for the one level that names the device, and who decodes it."""

    pattern: str
    format: str  # name of the module in devices/payloads
    calls: bool  # carries calls for help only: has a lane of its own
    decode: Decode

    @property
    def mqtt_filter(self) -> str:
        """The pattern as an MQTT subscription."""
        return self.pattern.replace("{device}", "+")


def _load() -> tuple[Channel, ...]:
    found: list[Channel] = []
    for info in pkgutil.iter_modules(payloads.__path__):
        module = importlib.import_module(f"{payloads.__name__}.{info.name}")
        calls = getattr(module, "CALL_CHANNELS", ())
        found += [Channel(pattern, info.name, pattern in calls, module.decode) for pattern in getattr(module, "CHANNELS", ())]
    patterns = [channel.pattern for channel in found]
    if len(set(patterns)) != len(patterns):
        raise ImportError("two payload formats claim the same topic")
    return tuple(found)


_CHANNELS = _load()
_PATTERNS = tuple(
    (re.compile(re.escape(channel.pattern).replace(re.escape("{device}"), "[^/]+")), channel) for channel in _CHANNELS
)


def channels() -> tuple[Channel, ...]:
    """Every topic pattern that a payload format declares."""
    return _CHANNELS


@lru_cache(maxsize=8192)
def channel_of(topic: str) -> Channel:
    """The channel of a topic; DecodeError for a topic that no format declares."""
    for pattern, channel in _PATTERNS:
        if pattern.fullmatch(topic):
            return channel
    raise DecodeError("topic: no format is known for it")


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One frame -> its message; DecodeError is the only exception."""
    return channel_of(topic).decode(topic, payload, facts)
