"""Bodies of journal blocks: readings as columns, their frames as a table with the raw payloads, both compressed.

Format 1 (little-endian), the body is zlib (level 1) of:
  header   <IIIII   n readings, f frames, s strings, bytes of all strings, bytes of all payloads
  readings device int32[n] (string), quantity int16[n], value float64[n], t_measured and t_received int64[n] (first value, then
           differences, modulo 2**64), quality uint16[n], mark uint16[n], origin uint8[n], frame int32[n]
  devices  <I count, then int32[count] (strings, in the block's order)
  frames   device, channel, topic, boot_id int32[f] each (strings; boot_id -1 = none), seq int64[f] (-1 = none),
           t_received int64[f] (differences), t_device int64[f] and its presence uint8[f], payload length uint32[f]
  strings  length uint32[s], then UTF-8 (lone surrogates pass) one after another
  payloads one after another
8-byte columns are stored byte plane by byte plane: neighbours agree in their upper bytes, which compresses well and fast.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.journal.errors import JournalCorrupt, JournalError
from gateway.readings import FrameRow, ReadingBlock, Tick

FORMAT = 1
KIND_READINGS = 0
KIND_TICK = 1
LEVEL = 1
MAX_BODY_BYTES = 256 << 20  # of one block, unpacked; a bomb must not take the process

_HEADER = struct.Struct("<IIIII")
_TICK = struct.Struct("<qq")
_SEAL = struct.Struct("<qqBHq")
_COLUMNS: tuple[tuple[str, str], ...] = (
    ("device", "<i4"),
    ("quantity", "<i2"),
    ("value", "<f8"),
    ("t_measured_ns", "<i8"),
    ("t_received_ns", "<i8"),
    ("quality", "<u2"),
    ("mark", "<u2"),
    ("origin", "<u1"),
    ("frame", "<i4"),
)
_TIMES = frozenset({"t_measured_ns", "t_received_ns"})


def seal(first: int, last: int, kind: int, version: int, t_ns: int, body: bytes) -> int:
    """CRC-32 of a block with its place."""
    return zlib.crc32(body, zlib.crc32(_SEAL.pack(first, last, kind, version, t_ns)))


def encode_tick(tick: Tick) -> bytes:
    """Body of a tick block."""
    return _TICK.pack(tick.t_ns, tick.events_offset)


def decode_tick(body: bytes) -> Tick:
    """Tick of a body."""
    try:
        t_ns, events_offset = _TICK.unpack(body)
    except struct.error as error:
        raise JournalCorrupt("a tick block has a wrong length") from error
    return Tick(t_ns=t_ns, events_offset=events_offset)


def encode(block: ReadingBlock) -> bytes:
    """Body of a block of readings; JournalError when its parts do not fit together."""
    check(block)
    strings = _Strings()
    parts: list[bytes] = []
    for name, kind in _COLUMNS:
        column: NDArray[Any] = getattr(block, name)
        parts.append(_pack(_differences(column) if name in _TIMES else column, kind))
    parts.append(struct.pack("<I", len(block.devices)))
    parts.append(np.array(strings.numbers(block.devices), "<i4").tobytes())
    parts.extend(_frame_columns(block.frames, strings))
    texts = [text.encode("utf-8", "surrogatepass") for text in strings.known]
    parts.append(np.array([len(text) for text in texts], "<u4").tobytes())
    parts.extend(texts)
    payloads = [frame.payload for frame in block.frames]
    parts.extend(payloads)
    header = _HEADER.pack(len(block), len(block.frames), len(texts), sum(map(len, texts)), sum(map(len, payloads)))
    return zlib.compress(header + b"".join(parts), LEVEL)


def decode(body: bytes, version: int) -> ReadingBlock:
    """Readings of a body; JournalCorrupt when it cannot be read."""
    if version != FORMAT:
        raise JournalError(f"a block has format {version}, this version knows {FORMAT}: install the newer version again")
    try:
        return _Body(_unpacked(body)).block()
    except (zlib.error, struct.error, ValueError, IndexError, OverflowError) as error:
        raise JournalCorrupt(f"a block cannot be unpacked ({type(error).__name__})") from error


def check(block: ReadingBlock) -> None:
    """Refuse a block whose columns differ in length or type or point nowhere."""
    n = len(block)
    if n == 0:
        raise JournalError("a block without readings has no offset")
    for name, kind in _COLUMNS:
        column: NDArray[Any] = getattr(block, name)
        if column.shape != (n,) or column.dtype != np.dtype(kind):
            raise JournalError(f"column {name} must be {np.dtype(kind).name}[{n}], is {column.dtype.name}{list(column.shape)}")
    for name, size in (("device", len(block.devices)), ("frame", len(block.frames))):
        column = getattr(block, name)
        if int(column.min()) < 0 or int(column.max()) >= size:
            raise JournalError(f"column {name} points outside of its table")


class _Strings:
    """Each string once, numbered in the order of first use."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def numbers(self, texts: Iterable[str]) -> list[int]:
        known = self.known
        return [known.setdefault(text, len(known)) for text in texts]


def _frame_columns(frames: Sequence[FrameRow], strings: _Strings) -> list[bytes]:
    absent = -1
    for frame in frames:
        if frame.seq is not None and frame.seq < 0:
            raise JournalError("a frame's sequence number is negative")
    try:
        received = np.array([frame.t_received_ns for frame in frames], "<i8")
        seq = np.array([absent if frame.seq is None else frame.seq for frame in frames], "<i8")
        device_time = np.array([0 if frame.t_device_ns is None else frame.t_device_ns for frame in frames], "<i8")
    except OverflowError as error:
        raise JournalError("a frame's sequence number or time is beyond 64 bits") from error
    numbers = strings.numbers
    boots = iter(numbers(frame.boot_id for frame in frames if frame.boot_id is not None))
    return [
        np.array(numbers(frame.device for frame in frames), "<i4").tobytes(),
        np.array(numbers(frame.channel for frame in frames), "<i4").tobytes(),
        np.array(numbers(frame.topic for frame in frames), "<i4").tobytes(),
        np.array([absent if frame.boot_id is None else next(boots) for frame in frames], "<i4").tobytes(),
        _pack(seq, "<i8"),
        _pack(_differences(received), "<i8"),
        _pack(device_time, "<i8"),
        np.array([frame.t_device_ns is not None for frame in frames], "<u1").tobytes(),
        np.array([len(frame.payload) for frame in frames], "<u4").tobytes(),
    ]


def _differences(column: NDArray[Any]) -> NDArray[Any]:
    """First value, then differences modulo 2**64."""
    bits = column.view("<u8")
    out = bits.copy()
    out[1:] -= bits[:-1]
    return out


def _pack(column: NDArray[Any], kind: str) -> bytes:
    """Bytes of a column; 8-byte ones by byte planes."""
    column = np.ascontiguousarray(column)
    if np.dtype(kind).itemsize < 8:
        return column.tobytes()
    return column.view("<u1").reshape(-1, 8).T.tobytes()


def _unpacked(body: bytes) -> bytes:
    inflate = zlib.decompressobj()
    raw = inflate.decompress(body, MAX_BODY_BYTES)
    if not inflate.eof or inflate.unused_data:
        raise JournalCorrupt("a block is longer or shorter than it says")
    return raw


class _Body:
    """Reads an unpacked body from front to back."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def block(self) -> ReadingBlock:
        n, f, s, string_bytes, payload_bytes = _HEADER.unpack(self._take(_HEADER.size))
        columns = {name: self._times(n) if name in _TIMES else self._column(n, kind) for name, kind in _COLUMNS}
        (count,) = struct.unpack("<I", self._take(4))
        devices = self._column(count, "<i4").tolist()
        device, channel, topic, boot = (self._column(f, "<i4").tolist() for _ in range(4))
        seq = self._column(f, "<i8").tolist()
        received = self._times(f).tolist()
        device_time = self._column(f, "<i8").tolist()
        has_time = self._column(f, "<u1").tolist()
        lengths = self._column(f, "<u4").tolist()
        strings = [part.decode("utf-8", "surrogatepass") for part in self._pieces(self._column(s, "<u4").tolist(), string_bytes)]
        payloads = self._pieces(lengths, payload_bytes)
        if self._at != len(self._raw):
            raise JournalCorrupt("a block holds more than it says")
        frames = tuple(
            FrameRow(
                device=strings[device[i]],
                channel=strings[channel[i]],
                topic=strings[topic[i]],
                boot_id=None if boot[i] < 0 else strings[boot[i]],
                seq=None if seq[i] < 0 else seq[i],
                t_received_ns=received[i],
                t_device_ns=device_time[i] if has_time[i] else None,
                payload=payloads[i],
            )
            for i in range(f)
        )
        return ReadingBlock(devices=tuple(strings[i] for i in devices), frames=frames, **columns)

    def _take(self, size: int) -> bytes:
        part = self._raw[self._at : self._at + size]
        if len(part) != size:
            raise JournalCorrupt("a block ends too early")
        self._at += size
        return part

    def _column(self, count: int, kind: str) -> NDArray[Any]:
        """Read-only column of `count` values."""
        dtype = np.dtype(kind)
        part = self._take(count * dtype.itemsize)
        if dtype.itemsize < 8:
            return np.frombuffer(part, dtype)
        column = np.frombuffer(part, "<u1").reshape(8, count).T.copy().view(dtype).reshape(count)
        column.flags.writeable = False
        return column

    def _times(self, count: int) -> NDArray[Any]:
        column = np.cumsum(self._column(count, "<u8"), dtype="<u8").view("<i8")
        column.flags.writeable = False
        return column

    def _pieces(self, lengths: Sequence[int], total: int) -> list[bytes]:
        if sum(lengths) != total:
            raise JournalCorrupt("lengths inside a block do not add up")
        part = self._take(total)
        pieces = []
        at = 0
        for length in lengths:
            pieces.append(part[at : at + length])
            at += length
        return pieces
