"""What the tests of decoders share: case folders, the judge of a message, random and mutated payloads."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from devices.catalog import Channel
from devices.codes import BY_KEY
from devices.model import Call, CallKind, DeviceFacts, Message, Quality, Sample, Series, Wave
from tests.support import ROOT

CASES = ROOT / "tests" / "cases"
INT64 = 2**63


@dataclass(frozen=True)
class Case:
    """A vector: bytes on a topic, and what they mean or why they are refused."""

    name: str
    topic: str
    payload: bytes
    expected: dict[str, Any]

    @property
    def error(self) -> str | None:
        """Text of the DecodeError, None for a good vector."""
        return self.expected.get("error")

    @property
    def device(self) -> DeviceFacts:
        """What was known of the device."""
        return DeviceFacts(device="dev-7", facts=self.expected.get("known", {}))

    @property
    def of_facts(self) -> bool:
        """Whether it is about the device itself and holds no readings."""
        return self.expected.get("reads") == "facts"


def _payload(raw: dict[str, Any]) -> bytes:
    if "hex" in raw:
        return bytes.fromhex("".join(line.partition("#")[0] for line in raw["hex"].splitlines()))
    return str(raw["text"]).encode()


@cache
def cases(format_name: str) -> tuple[Case, ...]:
    """The case folders of a format."""
    found = []
    for path in sorted((CASES / format_name).glob("*/case.yaml")):
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not raw.get("why"):
            raise ValueError(f"{path}: says not why it exists")
        found.append(Case(path.parent.name, raw["topic"], _payload(raw), raw))
    return tuple(found)


def case_folders() -> list[Path]:
    """Every folder of cases."""
    return sorted(path for path in CASES.iterdir() if path.is_dir() and next(path.glob("*/case.yaml"), None))


def _judge_values(quantity: str, values: array[float]) -> None:
    row = BY_KEY[quantity]
    assert isinstance(values, array)
    assert values.typecode == "d"
    assert len(values) > 0
    assert all(row.low <= value <= row.high for value in values)


def _judge_time(t_ns: int | None) -> None:
    assert t_ns is None or (type(t_ns) is int and -INT64 <= t_ns < INT64)


def judge(message: Message, channel: Channel, topic: str) -> None:
    """What every decoded message must fulfil, whatever it was made of."""
    assert type(message) is Message
    assert message.items
    assert message.device == dict(zip(channel.pattern.split("/"), topic.split("/"), strict=True)).get("{device}")
    assert message.seq is None or 0 <= message.seq < INT64
    assert message.record is None or (type(message.record) is bytes and len(message.record) > 0)
    assert message.user is None or 0 <= message.user < 255
    _judge_time(message.t_device_ns)
    for item in message.items:
        match item:
            case Sample():
                row = BY_KEY[item.quantity]
                assert type(item.value) is float
                assert math.isnan(item.value) == bool(item.quality & Quality.NO_VALUE)
                assert math.isnan(item.value) or row.low <= item.value <= row.high
                _judge_time(item.t_device_ns)
            case Series():
                _judge_values(item.quantity, item.values)
                times = item.t_device_ns
                assert times is None or (times.typecode == "q" and len(times) == len(item.values))
            case Wave():
                _judge_values(item.quantity, item.values)
                assert 0 < item.rate_hz < math.inf
                _judge_time(item.t_device_ns)
            case Call():
                assert item.call in CallKind
                _judge_time(item.t_device_ns)


_TOKENS = (
    *(b"1e400", b"NaN", b"-Infinity", b"null", b"true", b"-1", b"0", b"1.0", b"9223372036854775808", b"1" * 400, b'""', b"[]", b"{}"),
    *(b'"\\u0000"', b'"\\ud800"', b"\xff", b"\x00", b"\xf9\x7e\x00", b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xf6", b"\xf5", b"\xf7"),
    *(b"\xc2\x41\x01", b"\x9f", b"\xbf", b"\x7f", b"\xff", b"\xa0", b"\x80", b"\x1b" + b"\xff" * 8, b"\x3b" + b"\xff" * 8, b"\xd8\x1c\x80"),
)


def mutated(rng: random.Random, vectors: tuple[bytes, ...]) -> bytes:
    """A vector with one to three wounds: bytes changed, cut out, put in, swapped, or two vectors grown together."""
    data = bytearray(rng.choice(vectors))
    for _ in range(rng.randint(1, 3)):
        if not data:
            break
        at = rng.randrange(len(data))
        to = min(len(data), at + rng.randint(1, 8))
        match rng.randrange(8):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.randrange(256)
            case 2:
                del data[at:to]
            case 3:
                data[at:at] = data[at:to]
            case 4:
                data[at:to] = rng.choice(_TOKENS)
            case 5:
                other = rng.choice(vectors)
                data[at:] = other[rng.randrange(len(other)) :]
            case 6:
                data[at:at] = rng.choice(_TOKENS)
            case _:  # another number, which leaves text well-formed
                data[at] = rng.choice(b"0123456789") if chr(data[at]).isdigit() else data[at]
    return bytes(data)


def inputs(rng: random.Random, vectors: tuple[bytes, ...], count: int) -> Iterator[bytes]:
    """`count` payloads: nine of ten mutated vectors, the rest plain noise."""
    for number in range(count):
        yield rng.randbytes(rng.randrange(64)) if number % 10 == 0 else mutated(rng, vectors)
