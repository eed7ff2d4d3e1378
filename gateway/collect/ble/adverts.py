"""Service data that devices advertise without a link: what has been said is passed on once, calls for help in a lane of their own.

A button repeats its advert for seconds, a sensor for hours. Bytes that tell one event from the next (a packet number, the counter of the
encryption) are the same event for a minute; others are while they come without a pause. Nothing here is kept over a restart: at worst a
call that was just heard pages once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from bleak.backends.scanner import AdvertisementData

from devices import catalog
from devices.adverts import bthome
from gateway.clock import NS_PER_S, Clock
from gateway.frames import Ack, Fate, Frame, Verdict
from gateway.ops import Ops

CHANNEL = "ble-advert"
SAME_S = 60.0  # the same bytes are the same event for so long; then a sensor that has not changed says so again
PAUSE_S = 3.0  # without a number in them, the same bytes after such a pause are another event
WAITING = 2_000
DEVICES = 5_000
RETRY_S = 1.0
TOPICS = {channel.pattern.rpartition("/")[2]: channel.pattern for channel in catalog.channels() if channel.pattern.startswith("advert/")}
# It writes payloads, and so readings of people, into its log.
logging.getLogger("bthome_ble").setLevel(logging.CRITICAL + 1)


@dataclass(slots=True)
class _Said:
    payload: bytes
    passed_ns: int
    heard_ns: int


class Once:
    """Recognises what a device repeats."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], _Said] = {}

    def is_new(self, device: str, topic: str, payload: bytes, now_ns: int) -> bool:
        """Whether this was not said just now."""
        key = (device, topic)
        said = self._said.get(key)
        if said is not None and said.payload == payload and now_ns - said.passed_ns < SAME_S * NS_PER_S:
            paused = now_ns - said.heard_ns > PAUSE_S * NS_PER_S
            said.heard_ns = now_ns
            if not paused or bthome.is_told_apart(payload):
                return False
        if said is None and len(self._said) >= DEVICES:
            del self._said[next(iter(self._said))]
        self._said[key] = _Said(payload, now_ns, now_ns)
        return True


class Calls:
    """The lane of adverts that may hold a call: committed at once, and offered again until they are kept."""

    name = "ble.calls"
    priority = True

    def __init__(self, clock: Clock, ops: Ops) -> None:
        self._clock = clock
        self._ops = ops
        self._waiting: deque[Frame] = deque(maxlen=WAITING)  # the newest are kept: whoever called first is called for already
        self._woken = asyncio.Event()
        self._refused = False

    def put(self, frame: Frame) -> None:
        """One more."""
        if len(self._waiting) == WAITING:
            self._ops.counters["ble.calls.dropped"] += 1
        self._waiting.append(frame)
        self._woken.set()

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Everything that waits, for ever."""
        while True:
            if self._refused:
                await self._clock.sleep(RETRY_S)
            while not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            frames = list(self._waiting)
            self._waiting.clear()
            yield frames, partial(self._settle, frames)

    async def _settle(self, frames: Sequence[Frame], verdicts: Sequence[Verdict]) -> None:
        refused = [frame for frame, verdict in zip(frames, verdicts, strict=True) if verdict.fate is Fate.REFUSED]
        self._refused = bool(refused)
        self._waiting.extendleft(reversed(refused[: WAITING - len(self._waiting)]))


def said(advert: AdvertisementData) -> list[tuple[str, bytes]]:
    """(topic, payload) of the service data in an advert that some format decodes."""
    if not advert.service_data:
        return []
    found = ((catalog.gatt_topic("0000", uuid).rpartition("/")[2], data) for uuid, data in advert.service_data.items())
    return [(TOPICS[short], data) for short, data in found if short in TOPICS]


def frame_of(device: str, topic: str, payload: bytes, t_ns: int) -> Frame:
    """What intake gets."""
    return Frame(channel=CHANNEL, topic=topic, payload=payload, t_received_ns=t_ns, device=device)
