"""A Frame is bytes as a door of the gateway received them; an Ack tells that door what became of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.vocabulary import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Bytes of one message with where and when they came in."""

    channel: str  # "mqtt", "http", "replay", "ble": part of a reading's identity
    topic: str  # MQTT topic, or the same path for other doors; selects the decoder
    payload: bytes
    t_received_ns: int
    device: str | None = None  # as the transport authenticated or addressed it
    retained: bool = False
    origin: Origin = Origin.LIVE
    number: tuple[str, int] | None = None  # (run, place in it) given by a door whose transport brings each message once and in order
    clock_offset_ns: int | None = None  # to add to the times of the device's records, where the door has compared the clocks


class Fate(StrEnum):
    """What became of a frame. All but REFUSED are final and durable when the Ack is called."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"
    REFUSED = "refused"  # not kept (disk full, overload): the sender must keep it and send again


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Fate of one frame, with the sender's own identity for the application acknowledgement."""

    fate: Fate
    device: str | None = None
    boot_id: str | None = None
    seq: int | None = None
    reason: str = ""


class Ack(Protocol):
    """Called once per batch, after the commit; `verdicts` stand in the order of the frames."""

    async def __call__(self, verdicts: Sequence[Verdict]) -> None:
        """Acknowledge to the sender what is durable; do not acknowledge what is REFUSED."""
        ...


class Collector(Protocol):
    """A door: yields batches for ever, reconnects by itself, says once when it goes down and once when it is back."""

    name: str
    priority: bool  # True for the calls' lane: its batches are committed at once

    def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Batches of frames, each with its acknowledgement; bounded in flight."""
        ...
