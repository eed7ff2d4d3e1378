"""The folders are the registry: a module of devices/payloads, gatt or adverts that declares channels decodes them; none is listed by hand.

A topic is an MQTT topic, `gatt/<service>/<characteristic>` in the short form of `gatt_topic`, or `advert/<service>` for service data.
CHANNELS hold readings (`decode`), FACT_CHANNELS what a device says of itself (`facts_of`): its maker, its features, its clock.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

from devices import adverts, deviations, gatt, payloads
from devices.model import DecodeError, DeviceFacts, Message

Decode = Callable[[str, bytes, DeviceFacts], Message]
Describe = Callable[[str, bytes], dict[str, str]]

_LEVEL = re.compile(r"\\\{[a-z]+\\\}")
_SIG_BASE = re.compile(r"0000([0-9a-f]{4})-0000-1000-8000-00805f9b34fb")


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic pattern, `{device}` standing for the one level that names the device, and who decodes it; other names stand for any level."""

    pattern: str
    format: str  # name of the module in devices/payloads; gatt_<name> or advert_<name> for one in devices/gatt or devices/adverts
    calls: bool  # carries calls for help only: has a lane of its own
    decode: Decode

    @property
    def mqtt_filter(self) -> str:
        """The pattern as an MQTT subscription."""
        return re.sub(r"\{[a-z]+\}", "+", self.pattern)


@dataclass(frozen=True, slots=True)
class FactChannel:
    """A characteristic that describes the device, and who reads it."""

    pattern: str
    format: str
    describe: Describe


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for package, prefix in ((payloads, ""), (gatt, "gatt_"), (adverts, "advert_")):
        for info in pkgutil.iter_modules(package.__path__):
            yield prefix + info.name, importlib.import_module(f"{package.__name__}.{info.name}")


def _load() -> tuple[tuple[Channel, ...], tuple[FactChannel, ...]]:
    found: list[Channel] = []
    facts_found: list[FactChannel] = []
    for name, module in _modules():
        calls = getattr(module, "CALL_CHANNELS", ())
        found += [Channel(pattern, name, pattern in calls, module.decode) for pattern in getattr(module, "CHANNELS", ())]
        facts_found += [FactChannel(pattern, name, module.facts_of) for pattern in getattr(module, "FACT_CHANNELS", ())]
    patterns = [channel.pattern for channel in found] + [channel.pattern for channel in facts_found]
    if len(set(patterns)) != len(patterns):
        raise ImportError("two formats claim the same topic")
    return tuple(found), tuple(facts_found)


def _expression(pattern: str) -> re.Pattern[str]:
    named = re.escape(pattern).replace(r"\{device\}", "(?P<device>[^/]+)")
    return re.compile(_LEVEL.sub("[^/]+", named))


_CHANNELS, _FACT_CHANNELS = _load()
_PATTERNS = tuple((_expression(channel.pattern), channel) for channel in _CHANNELS)
_FACT_PATTERNS = tuple((_expression(channel.pattern), channel) for channel in _FACT_CHANNELS)


def channels() -> tuple[Channel, ...]:
    """Every topic pattern that a format declares for readings."""
    return _CHANNELS


def fact_channels() -> tuple[FactChannel, ...]:
    """Every topic pattern of what devices say of themselves."""
    return _FACT_CHANNELS


@lru_cache(maxsize=8192)
def channel_of(topic: str) -> Channel:
    """The channel of a topic; DecodeError for a topic that no format declares."""
    for pattern, channel in _PATTERNS:
        if pattern.fullmatch(topic):
            return channel
    if any(pattern.fullmatch(topic) for pattern, _ in _FACT_PATTERNS):
        raise DecodeError("topic: holds facts of the device, no readings")
    raise DecodeError("topic: no format is known for it")


@lru_cache(maxsize=8192)
def device_of(topic: str) -> str:
    """Who is meant by a topic: the level that its format says, else the last one."""
    for pattern, _ in _PATTERNS:
        if found := pattern.fullmatch(topic):
            return found.groupdict().get("device") or topic.rpartition("/")[2]
    return topic.rpartition("/")[2]


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One frame -> its message; DecodeError is the only exception."""
    return channel_of(topic).decode(topic, payload, deviations.applied(facts))


def facts(topic: str, payload: bytes) -> dict[str, str]:
    """What a characteristic says of its device; DecodeError is the only exception."""
    for pattern, channel in _FACT_PATTERNS:
        if pattern.fullmatch(topic):
            return channel.describe(topic, payload)
    raise DecodeError("topic: no facts are known to be in it")


def gatt_topic(service: str, characteristic: str) -> str:
    """The topic of a characteristic from two UUIDs, in lower case, those of the Bluetooth SIG short (16 bits, 4 digits)."""
    return f"gatt/{_short(service)}/{_short(characteristic)}"


def _short(uuid: str) -> str:
    lower = uuid.lower()
    sig = _SIG_BASE.fullmatch(lower)
    return lower if sig is None else sig[1]
