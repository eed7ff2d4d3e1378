"""The one way in: frames are decoded, recognised, dated and stored; then, and only then, their doors may acknowledge them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from devices import catalog
from devices.model import DecodeError, DeviceFacts, Message, Sample
from gateway import deadletter, intake_keys
from gateway.clock import NS_PER_S, Clock
from gateway.deadletter import Letter, StoredLetter
from gateway.frames import Collector, Fate, Frame, Verdict
from gateway.hearing import Hearing
from gateway.identity import Claim, Hashes, Identity, Pending, digest_of
from gateway.intake_keys import FOR_EVER
from gateway.intake_peek import peek
from gateway.intake_pieces import CHUNK, PIECE, chunks, is_old, size_of
from gateway.intake_rows import BlockBuilder
from gateway.ops import Ops
from gateway.readings import FrameRow, Mark, ReadingBlock, StoredBlock
from gateway.registry.errors import RegistryError
from gateway.registry.view import Device, RegistryView
from gateway.sequence import Standing
from gateway.store import Database, StoreError
from gateway.vocabulary import Origin

MAX_PAYLOAD = 256 * 1024
_RETAINED, _TEST, _LATE = int(Mark.RETAINED), int(Mark.TEST), int(Mark.LATE)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class JournalDoor(Protocol):
    """What is needed of the journal."""

    async def append(self, block: ReadingBlock, *, priority: bool = False) -> StoredBlock:
        """Store readings; durable when it returns."""
        ...


class RegistryDoor(Protocol):
    """What is needed of the registry."""

    @property
    def view(self) -> RegistryView:
        """Devices and what is known of them."""
        ...

    async def see(self, device_id: str, *, origin: Origin = Origin.LIVE, site: str | None = None, quantities: Sequence[str] = ()) -> Device:
        """Put an unknown device into the inbox."""
        ...


@dataclass(slots=True)
class _Work:
    """One frame on its way; `fate` is set as soon as it is known."""

    frame: Frame
    message: Message | None = None
    detail: str = ""  # why it is a dead letter
    boot_id: str | None = None
    seq: int | None = None
    digest: int = 0
    call: bool = False
    key: tuple[str, str] | None = None  # (device, boot id) where there is a sequence number
    frame_hash: int | None = None
    records: list[list[int | None]] = field(default_factory=list)
    fate: Fate | None = None
    reason: str = ""

    @property
    def hashes(self) -> list[int]:
        own = [] if self.frame_hash is None else [self.frame_hash]
        return own + [key for keys in self.records for key in keys if key is not None] if self.records else own


class Intake:
    """Takes what the collectors bring until cancelled."""

    def __init__(
        self, registry: RegistryDoor, journal: JournalDoor, store: Database, identity: Identity, clock: Clock, ops: Ops,
        given: Mapping[str, Mapping[str, str]] = MappingProxyType({}), hearing: Hearing | None = None,
    ) -> None:  # fmt: skip
        self._registry = registry
        self._journal = journal
        self._store = store
        self._identity = identity
        self._clock = clock
        self._ops = ops
        self._hearing = hearing or Hearing()
        self._given = given  # facts of devices from the configuration: what their formats must be told
        self._facts: dict[str, tuple[Device, DeviceFacts]] = {}
        self._unseen: set[str] = set()  # on their way into the inbox
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, collectors: Sequence[Collector]) -> None:
        """One task per door; ends with the first that fails, which is an error of the gateway."""
        async with asyncio.TaskGroup() as group:
            for collector in collectors:
                group.create_task(self._serve(collector), name=f"intake-{collector.name}")

    async def _serve(self, collector: Collector) -> None:
        async for frames, ack in collector.batches():
            self._ops.progress_ns[f"intake.{collector.name}"] = self._clock.monotonic_ns()
            await ack(await self.take(frames, priority=collector.priority))

    async def take(self, frames: Sequence[Frame], *, priority: bool = False) -> list[Verdict]:
        """Store a batch; the verdicts stand in the order of the frames, and all but REFUSED are durable."""
        view = self._registry.view
        works: list[_Work] = []
        for chunk in chunks(frames):
            works += [self._decode(frame, view) for frame in chunk]
            await asyncio.sleep(0)
        calls = [work for work in works if work.call]
        others = [work for work in works if work.message is not None and not work.call]
        letters = [work for work in works if work.message is None]
        if calls:
            await self._store_readings(calls, priority=True)
        old = [is_old(work.message) for work in others]
        live = [work for work, past in zip(others, old, strict=True) if not past]
        if live:
            await self._store_readings(live, priority=priority)
        for piece in _pieces([work for work, past in zip(others, old, strict=True) if past]):
            began_ns = self._clock.monotonic_ns()
            await self._store_readings(piece, priority=priority)
            await self._clock.sleep((self._clock.monotonic_ns() - began_ns) / NS_PER_S)  # a back-fill leaves half of the time to life
        if letters:
            await self._store_letters(letters)
        self._introduce(works, view)
        self._ops.counters.update(f"intake.{(work.fate or Fate.REFUSED).value}" for work in works)
        return [_verdict(work) for work in works]

    async def retry(self, letter: StoredLetter) -> Verdict:
        """Decode a dead letter again; it goes when it is taken, and stays with the time of the attempt when it is not."""
        work = self._decode(letter.as_frame(), self._registry.view)
        if work.message is None or not letter.complete:
            now_ns = self._clock.now_ns()
            await self._store.write(lambda conn: deadletter.tried(conn, letter.id, now_ns))
            return Verdict(fate=Fate.DEAD_LETTER, device=letter.device, reason=work.detail or "not all of its bytes were kept")
        await self._store_readings([work], priority=False, retried=True)
        if work.fate in (Fate.STORED, Fate.DUPLICATE):
            await self._store.write(lambda conn: deadletter.taken(conn, letter.id))
        return _verdict(work)

    # -- decoding

    def _decode(self, frame: Frame, view: RegistryView) -> _Work:
        work = _Work(frame, digest=digest_of(frame.payload, letter=True))
        device = frame.device
        if device is None or _ID.fullmatch(device) is None:
            work.detail = "topic: the device is not 1 to 64 of A-Z a-z 0-9 _ -"
            return work
        if len(frame.payload) > MAX_PAYLOAD:
            work.detail = f"too long: more than {MAX_PAYLOAD} bytes"
            return work
        try:
            message = catalog.decode(frame.topic, frame.payload, self._device_facts(device, view))
        except DecodeError as error:
            work.detail = str(error)
            work.boot_id, work.seq = frame.number or peek(device, frame.payload)
            work.key = None if work.boot_id is None else (device, work.boot_id)
            return work
        except Exception as error:  # noqa: BLE001 - a decoder's bug must not stop the stream: kept as a dead letter, said as a fault
            work.detail = f"internal: {type(error).__name__}"
            self._ops.fault("intake.internal", type(error).__name__)
            return work
        if message.device is not None and message.device != device:
            work.detail = "device: does not match the topic"
            return work
        if not message.items:
            work.detail = "nothing in it"
            return work
        if frame.number is not None and message.boot_id is None and message.record is None and not intake_keys.is_dated(message):
            message = replace(message, boot_id=frame.number[0], seq=frame.number[1])
        work.message, work.boot_id, work.seq, work.digest = message, message.boot_id, message.seq, digest_of(frame.payload)
        work.call = intake_keys.is_call(message)
        numbered = message.boot_id is not None and message.seq is not None
        if message.boot_id is not None and numbered:
            work.key = (device, message.boot_id)
        if message.record is not None or any(item.stored for item in message.items):
            work.records = intake_keys.record_keys(device, message.items, message.record)
        if work.call or not (numbered or message.record is not None):
            work.frame_hash = intake_keys.message_key(device, frame.payload, message, numbered=numbered, channel=frame.channel)
        return work

    def _device_facts(self, device: str, view: RegistryView) -> DeviceFacts:
        row = view.devices.get(device)
        if row is None:
            return DeviceFacts(device=device, facts=dict(self._given.get(device, {})))
        known = self._facts.get(device)
        if known is None or known[0] is not row:
            facts = {**row.facts, **self._given.get(device, {})}
            known = self._facts[device] = (row, DeviceFacts(device=device, model=row.model, facts=facts))
        return known[1]

    # -- storing

    async def _store_readings(self, works: Sequence[_Work], *, priority: bool, retried: bool = False) -> None:
        """Judge and store; sets every work's fate. If the commit fails the whole batch is refused, known messages too."""
        keys = {work.key for work in works if work.key is not None}
        hashes = {h for work in works if work.frame_hash is not None or work.records for h in work.hashes}
        if self._identity.lacks(keys, hashes):
            await self._identity.load(keys, hashes)
        claim = self._identity.claim()
        try:
            builder = BlockBuilder()
            old: list[_Work] = []
            devices = self._registry.view.devices
            for start in range(0, len(works), CHUNK):
                old += [work for work in works[start : start + CHUNK] if self._judge(work, claim, builder, devices, retried)]
                await asyncio.sleep(0)
            if builder.readings:
                await self._journal.append(builder.build(), priority=priority)
        except StoreError as error:
            self._identity.abort(claim)
            _refuse(works, str(error))
            return
        except BaseException:
            self._identity.abort(claim)
            raise
        self._identity.commit(claim)
        if old:
            await self._store_letters(old)

    def _judge(self, work: _Work, claim: Claim, builder: BlockBuilder, devices: Mapping[str, Device], retried: bool) -> bool:
        """Set the fate that holds once the batch is committed, and add what is new; True for what nobody can tell."""
        frame, message = work.frame, work.message
        device = frame.device or ""
        known, skip = self._standing(work, claim, retried)
        louder = message is not None and message.said is not None and self._is_louder(frame, message)
        if known is Pending.PENDING:
            work.fate, work.reason = Fate.REFUSED, "it is being stored through another door"
        elif work.detail:
            return True
        elif known and not louder:
            work.fate = Fate.DUPLICATE
        elif message is not None:
            if known:  # another listener heard it better: its strength counts, the rest is there already
                skip = [[not isinstance(item, Sample) or item.quantity != "rssi"] for item in message.items]
            work.fate = Fate.STORED
            self._identity.see(claim, device, frame.t_received_ns)
            origin = _origin(frame, message, devices.get(device))
            mark = (_RETAINED if frame.retained else 0) | (_TEST if message.test else 0) | (_LATE if retried else 0)
            run = None if work.key is None else self._identity.runs[work.key]
            row = FrameRow(
                device=device, channel=frame.channel, topic=frame.topic, boot_id=message.boot_id, seq=message.seq,
                t_received_ns=frame.t_received_ns, t_device_ns=None if message.relative else message.t_device_ns, payload=frame.payload,
            )  # fmt: skip
            builder.add(row, message, origin, mark, frame.clock_offset_ns if run is None else run.offset_ns, skip)
        return False

    def _is_louder(self, frame: Frame, message: Message) -> bool:
        """Whether no other listener has passed this on with a better signal."""
        dbm = next((item.value for item in message.items if isinstance(item, Sample) and item.quantity == "rssi"), None)
        if dbm is None or message.said is None or frame.retained:
            return False
        device = frame.device or ""
        self._hearing.note(device, message.via or frame.channel, dbm, frame.t_received_ns)
        return self._hearing.louder(device, message.said, dbm, frame.t_received_ns)

    def _standing(self, work: _Work, claim: Claim, retried: bool) -> tuple[bool | Pending, list[list[bool]]]:
        """(known before, which of its stored records are); what is new is claimed."""
        identity, received_ns = self._identity, work.frame.t_received_ns
        if work.records and identity.busy(claim, work.hashes):
            return Pending.PENDING, []
        known = self._known_frame(work, claim, retried)
        if known or not work.records:
            return known, []
        skip = [[key is not None and bool(identity.judge_hash(claim, key, FOR_EVER, received_ns)) for key in keys] for keys in work.records]
        return all(keys and all(keys) for keys in skip), skip

    def _known_frame(self, work: _Work, claim: Claim, retried: bool) -> bool | Pending:
        identity, frame, message = self._identity, work.frame, work.message
        standing: Standing | Pending = Standing.NEW
        received_ns, t_device_ns = frame.t_received_ns, None if message is None or message.relative else message.t_device_ns
        if work.key is not None:
            standing = identity.judge(claim, identity.runs[work.key], work.seq or 0, work.digest, received_ns, t_device_ns)
        if message is not None and work.frame_hash is not None:
            # calls and frames without a number: only the very same bytes are known; a number alone never silences a call
            expires_ns = FOR_EVER if work.key else intake_keys.window_ns(message, received_ns, retained=frame.retained)
            return identity.judge_hash(claim, work.frame_hash, expires_ns, received_ns)
        if isinstance(standing, Pending):
            return standing
        if standing is Standing.NEW or standing is Standing.RESTARTED:
            return False
        if standing is Standing.REUSED and message is None:
            return False
        if retried or standing is Standing.REUSED:  # the number is taken, perhaps by the dead letter itself: the bytes decide
            h = intake_keys.frame_key(frame.device or "", frame.payload, numbered=True, channel=frame.channel)
            return identity.judge_hash(claim, h, received_ns + intake_keys.WINDOW_DATED_S * NS_PER_S, received_ns)
        if standing is Standing.TOO_OLD and message is not None:
            work.detail = "seq: older than what can be told apart from a repetition"
        return True

    async def _store_letters(self, works: Sequence[_Work]) -> None:
        """Keep what cannot be taken; a repetition with the same number is kept once."""
        keys = {work.key for work in works if work.key is not None}
        if self._identity.lacks(keys, ()):
            await self._identity.load(keys, ())
        claim = self._identity.claim()
        letters: list[Letter] = []
        for work in works:
            known = work.message is None and self._known_frame(work, claim, False)
            if isinstance(known, Pending):
                work.fate, work.reason = Fate.REFUSED, "it is being stored through another door"
            elif known:
                work.fate = Fate.DUPLICATE
            else:
                work.fate = Fate.DEAD_LETTER
                letters.append(Letter(frame=work.frame, detail=work.detail, boot_id=work.boot_id, seq=work.seq))
        try:
            if letters:
                await self._store.write(lambda conn: deadletter.add(conn, letters), rows=min(len(letters), 500))
        except StoreError as error:
            self._identity.abort(claim)
            _refuse(works, str(error))
        except BaseException:
            self._identity.abort(claim)
            raise
        else:
            self._identity.commit(claim)

    def _introduce(self, works: Iterable[_Work], view: RegistryView) -> None:
        """Devices that nobody entered go into the inbox, beside the hot path; their readings are kept either way."""
        for work in works:
            device = work.frame.device
            if work.message is None or device is None or device in view.devices or device in self._unseen or len(self._unseen) >= 1000:
                continue
            self._unseen.add(device)
            quantities = tuple(dict.fromkeys(item.quantity for item in work.message.items if hasattr(item, "quantity")))
            task = asyncio.create_task(self._see(device, work.frame.origin, quantities))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _see(self, device: str, origin: Origin, quantities: Sequence[str]) -> None:
        try:
            await self._registry.see(device, origin=origin, quantities=quantities)
            self._ops.clear("inbox.refused", "inbox")
        except (RegistryError, StoreError) as error:
            self._ops.fault("inbox.refused", "inbox", error=type(error).__name__)
        finally:
            self._unseen.discard(device)


def hashes_of(row: FrameRow) -> Hashes:
    """What a stored frame is recognised by besides its number: for catching up after a crash."""
    try:
        message = catalog.decode(row.topic, row.payload, DeviceFacts(device=row.device))
    except DecodeError:
        return ()
    numbered = row.boot_id is not None and row.seq is not None
    found: list[tuple[int, int]] = []
    if intake_keys.is_call(message) or not (numbered or message.record is not None):
        expires_ns = FOR_EVER if numbered else intake_keys.window_ns(message, row.t_received_ns, retained=False)
        found.append((intake_keys.message_key(row.device, row.payload, message, numbered=numbered, channel=row.channel), expires_ns))
    if message.record is not None or any(item.stored for item in message.items):
        records = intake_keys.record_keys(row.device, message.items, message.record)
        found += [(key, FOR_EVER) for keys in records for key in keys if key is not None]
    return found


def _pieces(works: Sequence[_Work]) -> Iterable[Sequence[_Work]]:
    """Works of at most PIECE readings together, or one that has more."""
    start = size = 0
    for index, work in enumerate(works):
        count = size_of(work.message)
        if index > start and size + count > PIECE:
            yield works[start:index]
            start, size = index, 0
        size += count
    if start < len(works):
        yield works[start:]


def _origin(frame: Frame, message: Message, device: Device | None) -> Origin:
    if message.test:
        return Origin.TEST
    if frame.origin is not Origin.LIVE or device is None:
        return frame.origin
    return Origin(device.origin)


def _refuse(works: Iterable[_Work], reason: str) -> None:
    for work in works:
        work.fate, work.reason = Fate.REFUSED, reason


def _verdict(work: _Work) -> Verdict:
    return Verdict(
        fate=work.fate or Fate.REFUSED, device=work.frame.device, boot_id=work.boot_id, seq=work.seq, reason=work.reason or work.detail
    )
