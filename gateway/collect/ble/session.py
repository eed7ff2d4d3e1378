"""One connection: subscribe at once, control point last, then records, then everything that is slow; until the link ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from devices import deviations
from devices.gatt import cgm, glucose
from devices.model import DecodeError
from gateway.clock import NS_PER_S
from gateway.collect.ble import facts
from gateway.collect.ble.bonding import wants_bond
from gateway.collect.ble.parts import Full, Item, Parts, within
from gateway.collect.ble.records import Records
from gateway.collect.ble.survey import STREAMS, Map, survey
from gateway.collect.ble.users import FACT as USERS
from gateway.collect.ble.users import Users
from gateway.frames import Fate, Frame

T = TypeVar("T")
MEASUREMENT, CONTEXT, JOINED = "gatt/1808/2a18", "gatt/1808/2a34", "gatt/1808/2a18-2a34"
SENSOR, SESSION_START, SENSED = "gatt/181f/2aa7", "gatt/181f/2aaa", "gatt/181f/2aaa-2aa7"
SPOT = "gatt/1822/2a5e"  # its records have no numbers
NUMBERED = STREAMS | {"gatt/180f/2a19", SENSOR}  # without a time or a number of their own: ours tells a repetition from the next one
SPEECH = ("notify", "indicate")
WAITING = 100  # measurements for the start of their session; beyond them they are live
PLACE = "-place"  # of the topics of records whose number is only their place in the memory
KIND = ("2a29", "2a24")  # manufacturer and model: what deviations go by


@dataclass(slots=True)
class Held:
    """A measurement that waits for its context."""

    payload: bytes
    t_ns: int
    since_ns: int
    landed: Callable[[Fate], None] | None


class Session:
    """The life of one link; `run` returns why it ended."""

    def __init__(
        self, parts: Parts, client: BleakClient, device: str, ended: asyncio.Event, adapter: str, why: Callable[[], str]
    ) -> None:
        self._parts = parts
        self._client = client
        self._device = device
        self._ended = ended
        self._adapter = adapter
        self._why = why  # a session that is cancelled was cancelled
        self._offset_ns: int | None = None
        self._records: dict[str, Records] = {}
        self._held: dict[int, Held] = {}
        self._heard_ns = parts.clock.monotonic_ns()
        self._sensed: list[tuple[bytes, int]] | None = None  # measurements that wait for the start of their session
        self._start: bytes | None = None
        self._up = False
        self._places = False
        self._contexts = False  # it can tell them
        self.streams = False
        self.values = 0

    async def run(self) -> str:
        """Serve the link until it ends; the cause in a word."""
        work = asyncio.ensure_future(self._serve())
        ended = asyncio.ensure_future(self._ended.wait())
        flushing = asyncio.ensure_future(self._keep_flushing())
        cause = ""
        try:
            await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
            cause = self._cause(work)
            for records in self._records.values():
                await records.close()
            return cause
        finally:
            ended.cancel()
            work.cancel()
            flushing.cancel()
            try:
                waiting, self._sensed = self._sensed or [], None
                for payload, t_ns in waiting if "181f" not in self._records else ():  # the rest is still in the device
                    self._take_sensed(payload, t_ns)
                self._flush(everything=True)
            except Full:
                pass  # it is still in the device
            await self._finish(cause or self._why())

    def _cause(self, work: asyncio.Future[str]) -> str:
        if work.cancelled():
            return "link lost"
        error = work.exception()
        if error is None:
            return work.result()
        if isinstance(error, TimeoutError):
            return "no answer"
        if isinstance(error, Full):
            return "gateway full"
        if wants_bond(error):
            return "not paired"
        if self._ended.is_set():
            return "link lost"
        self._parts.ops.counters[f"ble.session.{type(error).__name__}"] += 1
        return "device error"

    async def _finish(self, cause: str) -> None:
        """Give the link back and write down since when nothing is heard."""
        if not self._ended.is_set():
            try:
                await within(self._parts.clock, self._client.disconnect(), self._parts.timing.exchange_s)
            except (BleakError, TimeoutError, OSError):
                pass  # as good as disconnected
        await self._note_up()
        if self._up:
            heard_ns = self._parts.heard.pop(self._device, self._parts.clock.now_ns())
            await _surely(self._parts.book.link_down(self._device, heard_ns, cause))

    # --- in order

    async def _serve(self) -> str:
        parts, timing = self._parts, self._parts.timing
        found = survey(self._client)
        self.streams = found.streams
        self._places = self._known().get("record_number") == "place"
        self._offset_ns = await facts.assume_clock(parts, self._device)  # a cuff may speak as soon as it is listened to
        topics = {topic for topic, _ in found.readings}
        self._contexts = CONTEXT in topics
        if SENSOR in topics:
            self._sensed = []
        for topic, characteristic in found.readings:
            if any(word in characteristic.properties for word in SPEECH):
                await self._exchange(self._client.start_notify(characteristic, partial(self._on_value, topic)))
        for service, characteristic in found.control:
            records = self._records[service] = Records(parts, self._device, service, partial(self._write, characteristic))
            records.whole = service == SPOT.split("/")[1]
            await self._exchange(self._client.start_notify(characteristic, partial(_answer, records)))
        await self._consent(found)
        self._offset_ns = await facts.learn_clock(parts, self._device, await self._clock_ms(found))  # quick, and records need it
        await self._learn_kind(found)
        await self._learn_start(found)
        for records in self._records.values():
            await records.fetch()
        await self._describe(found)
        while True:
            await parts.clock.sleep(timing.tick_s)
            await self._note_up()
            quiet_s = (parts.clock.monotonic_ns() - self._heard_ns) / NS_PER_S
            if self.streams and quiet_s > timing.silence_s:
                return "silent"
            if not self.streams and quiet_s > timing.linger_s and not self._held:
                return "done"

    async def _consent(self, found: Map) -> None:
        """Ask for what its users have measured, where their codes are known."""
        known = self._known().get(USERS, "")
        if found.users is not None and known:
            users = Users(self._parts, self._device, partial(self._write, found.users))
            await self._exchange(self._client.start_notify(found.users, partial(_answer, users)))
            await users.consent(known)

    async def _learn_kind(self, found: Map) -> None:
        """Which deviations this device has; records need it, so a device that is new says first what it is."""
        known = self._known()
        if self._records and "manufacturer" not in known:
            said: dict[str, str] = {}
            for topic, characteristic in found.facts:
                if topic.rpartition("/")[2] in KIND and (payload := await self._read(characteristic)) is not None:
                    said |= facts.described(topic, payload)
            await facts.remember(self._parts, self._device, said)
            known = self._known()
        self._places = known.get("record_number") == "place"
        for records in self._records.values():
            records.whole |= known.get("record_memory") == "whole"

    async def _learn_start(self, found: Map) -> None:
        """When the session of a sensor began: without it its records have neither time nor name, and its memory is left alone."""
        waiting, self._sensed = self._sensed, None
        if waiting is None:
            return
        for topic, characteristic in found.facts:
            if topic == SESSION_START and (payload := await self._read(characteristic)) is not None:
                self._start = cgm.start_of(payload)
        records = self._records.get("181f")
        if records is not None and self._start is not None:
            records.service = f"181f/{self._start.hex()}"
        elif records is not None:
            del self._records["181f"]
        for payload, t_ns in waiting:
            self._take_sensed(payload, t_ns)

    def _take_sensed(self, payload: bytes, t_ns: int) -> None:
        """A sensor's notification: its records, each behind the start of the session."""
        records = self._records.get("181f")
        if self._sensed is not None and len(self._sensed) < WAITING:
            self._sensed.append((payload, t_ns))
            return
        try:
            parts = [] if self._start is None else list(cgm.records(payload))
        except DecodeError:
            parts = []
        if not parts:
            self._put(SENSOR, payload, t_ns)
        for record in parts:
            landed = None if records is None else records.came(cgm.minutes_of(record), record)
            self._put(SENSED, (self._start or b"") + record, t_ns, landed)

    def _known(self) -> Mapping[str, str]:
        row = self._parts.registry.view.devices.get(self._device)
        return {} if row is None else deviations.known(row.facts, row.model)

    async def _exchange(self, work: Awaitable[T]) -> T:
        return await within(self._parts.clock, work, self._parts.timing.exchange_s)

    async def _write(self, characteristic: BleakGATTCharacteristic, payload: bytes) -> None:
        await self._client.write_gatt_char(characteristic, payload, response=True)

    async def _clock_ms(self, found: Map) -> int | None:
        if found.clock is None:
            return None
        topic, characteristic = found.clock
        try:
            payload = bytes(await self._exchange(self._client.read_gatt_char(characteristic)))
        except BleakError:
            if self._ended.is_set():
                raise
            return None
        text = facts.described(topic, payload).get("clock_ms")
        return None if text is None else int(text)

    async def _describe(self, found: Map) -> None:
        """Readings that can only be read, then facts."""
        for topic, characteristic in found.readings:
            if "read" in characteristic.properties:
                payload = await self._read(characteristic)
                if payload is not None:
                    self._take(topic, payload, self._parts.clock.now_ns())
        said = {"ble_kind": "stream" if self.streams else "spot"}  # whether silence of its link means something
        for topic, characteristic in found.facts:
            payload = await self._read(characteristic)
            if payload is not None:
                said |= facts.described(topic, payload)
        await facts.remember(self._parts, self._device, {key: value for key, value in said.items() if key not in facts.OWN})

    async def _read(self, characteristic: BleakGATTCharacteristic) -> bytes | None:
        try:
            return bytes(await self._exchange(self._client.read_gatt_char(characteristic)))
        except BleakError:
            if self._ended.is_set():
                raise
            return None  # not permitted, or not without pairing

    async def _note_up(self) -> None:
        """A streaming device that has been heard on this link is up."""
        if self.streams and not self._up and self._device in self._parts.heard:
            self._up = True
            await _surely(self._parts.book.link_up(self._device, adapter=self._adapter))

    # --- values

    def _on_value(self, topic: str, _characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
        now_ns = self._parts.clock.now_ns()
        self._heard_ns = self._parts.clock.monotonic_ns()
        self.values += 1
        if topic in STREAMS:
            self._parts.heard[self._device] = now_ns
        try:
            self._take(topic, bytes(data), now_ns)
        except Full:
            self._ended.set()  # the device keeps its record; it is fetched when there is room again

    def _take(self, topic: str, payload: bytes, t_ns: int) -> None:
        if topic == MEASUREMENT:
            self._take_measurement(payload, t_ns)
        elif topic == CONTEXT:
            self._take_context(payload, t_ns)
        elif topic == SENSOR:
            self._take_sensed(payload, t_ns)
        elif topic == SPOT and "1822" in self._records:
            self._put(topic, payload, t_ns, self._records["1822"].came(0, payload))
        else:
            self._put(topic, payload, t_ns)

    def _take_measurement(self, payload: bytes, t_ns: int) -> None:
        records = self._records.get("1808")
        try:
            sequence = glucose.sequence_of(payload)
            waits = self._contexts and glucose.context_follows(payload)
        except DecodeError:
            self._put(MEASUREMENT, payload, t_ns)
            return
        landed = None if records is None else records.came(sequence, payload)
        if waits:
            self._held[sequence] = Held(payload, t_ns, self._parts.clock.monotonic_ns(), landed)
        else:
            self._put(MEASUREMENT, payload, t_ns, landed)

    def _take_context(self, payload: bytes, t_ns: int) -> None:
        try:
            held = self._held.pop(glucose.sequence_of(payload), None)
        except DecodeError:
            held = None
        if held is None:
            self._put(CONTEXT, payload, t_ns)
        else:
            self._put(JOINED, held.payload + payload, held.t_ns, held.landed)

    async def _keep_flushing(self) -> None:
        """While records are fetched too: what waits for a context in vain would hold up the whole memory."""
        try:
            while True:
                await self._parts.clock.sleep(self._parts.timing.tick_s)
                self._flush()
        except Full:
            self._ended.set()

    def _flush(self, *, everything: bool = False) -> None:
        """Measurements whose context has not come go on without it."""
        limit_ns = self._parts.clock.monotonic_ns() - int(self._parts.timing.context_s * NS_PER_S)
        for sequence, held in list(self._held.items()):
            if everything or held.since_ns <= limit_ns:
                del self._held[sequence]
                self._put(MEASUREMENT, held.payload, held.t_ns, held.landed)

    def _put(self, topic: str, payload: bytes, t_ns: int, landed: Callable[[Fate], None] | None = None) -> None:
        if self._places and topic in (MEASUREMENT, JOINED):
            topic += PLACE
        frame = Frame(
            channel="ble", topic=topic, payload=payload, t_received_ns=t_ns, device=self._device,
            number=self._parts.number(self._device) if topic in NUMBERED else None, clock_offset_ns=self._offset_ns,
        )  # fmt: skip
        self._parts.tray.put(Item(frame, landed))


async def _surely(work: Awaitable[None]) -> None:
    """A gap is written down whole, even when link or gateway end at this moment."""
    writing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait((writing,))
        raise


def _answer(whom: Records | Users, _characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
    whom.answer(bytes(data))
