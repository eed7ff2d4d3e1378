"""The block codec against a slow, obvious twin that packs value by value."""

from __future__ import annotations

import math
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.journal import JournalError, codec
from gateway.readings import FrameRow, ReadingBlock, Tick
from tests.support.blocks import COLUMNS, make_block, same, with_plain_payloads

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=6)  # lone surrogates and NUL included
FRAMES = st.builds(
    FrameRow,
    device=TEXT,
    channel=TEXT,
    topic=TEXT,
    boot_id=st.none() | TEXT,
    seq=st.none() | st.integers(0, 2**63 - 1),
    t_received_ns=INT64,
    t_device_ns=st.none() | INT64,
    payload=st.binary(max_size=30),
)
# Every bit pattern, so NaNs with payloads, infinities and negative zero come too.
DOUBLES = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])


@st.composite
def blocks(draw: st.DrawFn) -> ReadingBlock:
    n = draw(st.integers(1, 12))
    devices = tuple(draw(st.lists(TEXT, min_size=1, max_size=4)))
    frames = tuple(draw(st.lists(FRAMES, min_size=1, max_size=4)))

    def column(kind: str, values: st.SearchStrategy[Any]) -> Any:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=kind)

    return ReadingBlock(
        devices=devices,
        frames=frames,
        device=column("i4", st.integers(0, len(devices) - 1)),
        quantity=column("i2", st.integers(-(2**15), 2**15 - 1)),
        value=column("u8", st.integers(0, 2**64 - 1)).view("f8"),
        t_measured_ns=column("i8", INT64),
        t_received_ns=column("i8", INT64),
        quality=column("u2", st.integers(0, 2**16 - 1)),
        mark=column("u2", st.integers(0, 2**16 - 1)),
        origin=column("u1", st.integers(0, 255)),
        frame=column("i4", st.integers(0, len(frames) - 1)),
    )


def planes(words: list[bytes]) -> bytes:
    return bytes(word[plane] for plane in range(8) for word in words)


def times(values: list[int]) -> bytes:
    before, words = 0, []
    for value in values:
        words.append(((value - before) % 2**64).to_bytes(8, "little"))
        before = value
    return planes(words)


def twin(block: ReadingBlock) -> bytes:
    """The unpacked body, value by value, from the words at the head of codec.py."""
    texts: list[str] = []

    def number(text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    def ints(kind: str, values: Any) -> bytes:
        return b"".join(struct.pack("<" + kind, int(value)) for value in values)

    body = ints("i", block.device) + ints("h", block.quantity)
    body += planes([block.value[row : row + 1].tobytes() for row in range(len(block))])
    body += times([int(value) for value in block.t_measured_ns]) + times([int(value) for value in block.t_received_ns])
    body += ints("H", block.quality) + ints("H", block.mark) + ints("B", block.origin) + ints("i", block.frame)
    body += struct.pack("<I", len(block.devices)) + ints("i", [number(text) for text in block.devices])
    frames = block.frames
    # Strings are numbered in the order of first use: boot ids are looked up before the other columns.
    boots = [-1 if frame.boot_id is None else number(frame.boot_id) for frame in frames]
    body += ints("i", [number(frame.device) for frame in frames])
    body += ints("i", [number(frame.channel) for frame in frames])
    body += ints("i", [number(frame.topic) for frame in frames])
    body += ints("i", boots)
    body += planes([struct.pack("<q", -1 if frame.seq is None else frame.seq) for frame in frames])
    body += times([frame.t_received_ns for frame in frames])
    body += planes([struct.pack("<q", frame.t_device_ns or 0) for frame in frames])
    body += ints("B", [frame.t_device_ns is not None for frame in frames])
    body += ints("I", [len(frame.payload) for frame in frames])
    raw = [text.encode("utf-8", "surrogatepass") for text in texts]
    payloads = b"".join(frame.payload for frame in frames)
    header = struct.pack("<IIIII", len(block), len(frames), len(texts), len(b"".join(raw)), len(payloads))
    return header + body + ints("I", [len(text) for text in raw]) + b"".join(raw) + payloads


@given(blocks())
def test_packing_equals_the_twin_and_comes_back_to_the_bit(block: ReadingBlock) -> None:
    body = codec.encode(block)
    assert zlib.decompress(body) == twin(block)
    assert same(codec.decode(body, codec.FORMAT), block)
    assert same(codec.decode(zlib.compress(twin(block), 9), codec.FORMAT), block)


@given(blocks(), st.data())
@settings(max_examples=200)
def test_damaged_bodies_are_errors_of_the_journal(block: ReadingBlock, data: st.DataObject) -> None:
    raw = twin(block)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(JournalError):
        codec.decode(zlib.compress(raw[:cut]), codec.FORMAT)
    with pytest.raises(JournalError):
        codec.decode(zlib.compress(raw + b"\0"), codec.FORMAT)
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + 1 :]
    try:
        codec.decode(zlib.compress(changed), codec.FORMAT)
    except JournalError:
        return  # anything else than a block or this error fails the test


@given(st.binary(max_size=200))
def test_random_bytes_are_errors_of_the_journal(body: bytes) -> None:
    for candidate in (body, zlib.compress(body)):
        with pytest.raises(JournalError):
            codec.decode(candidate, codec.FORMAT)


@given(blocks(), st.integers(0, 2**62), st.integers(0, 255), st.data())
def test_the_seal_notices_every_changed_bit(block: ReadingBlock, first: int, t_ns: int, data: st.DataObject) -> None:
    body = codec.encode(block)
    last = first + len(block) - 1
    crc = codec.seal(first, last, codec.KIND_READINGS, codec.FORMAT, t_ns, body)
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    assert codec.seal(first, last, codec.KIND_READINGS, codec.FORMAT, t_ns, bytes(changed)) != crc
    assert codec.seal(first + 1, last, codec.KIND_READINGS, codec.FORMAT, t_ns, body) != crc
    assert codec.seal(first, last, codec.KIND_READINGS, codec.FORMAT, t_ns + 1, body) != crc


@given(INT64, INT64)
def test_ticks_come_back(t_ns: int, events_offset: int) -> None:
    tick = Tick(t_ns=t_ns, events_offset=events_offset)
    assert codec.decode_tick(codec.encode_tick(tick)) == tick


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": np.array([5], "i4")}, "points outside"),
        ({"frame": np.array([-1], "i4")}, "points outside"),
        ({"value": np.array([1.0], "f4")}, "column value must be float64"),
        ({"mark": np.array([1, 2], "u2")}, "column mark must be"),
        ({"frames": ()}, "points outside"),
        ({"seq": -1}, "negative"),
        ({"seq": 2**63}, "beyond 64 bits"),
        ({"t_device_ns": 2**63}, "beyond 64 bits"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    frame: dict[str, Any] = {"device": "d", "channel": "c", "topic": "t", "boot_id": None, "seq": 0, "t_received_ns": 0}
    frame |= {"t_device_ns": None, "payload": b""} | {key: value for key, value in change.items() if key in ("seq", "t_device_ns")}
    kinds = dict(codec._COLUMNS)
    parts: dict[str, Any] = {name: np.zeros(1, kinds[name]) for name in COLUMNS} | {"devices": ("d",), "frames": (FrameRow(**frame),)}
    parts |= {key: value for key, value in change.items() if key in parts}
    with pytest.raises(JournalError, match=words):
        codec.encode(ReadingBlock(**parts))


def test_an_unknown_format_names_the_newer_version() -> None:
    with pytest.raises(JournalError, match="newer version"):
        codec.decode(b"", codec.FORMAT + 1)


def test_special_numbers_keep_their_bits() -> None:
    block = ReadingBlock(
        devices=("d",),
        frames=(FrameRow(device="d", channel="c", topic="t", boot_id="", seq=0, t_received_ns=0, t_device_ns=0, payload=b""),),
        **{name: np.zeros(4, dict(codec._COLUMNS)[name]) for name in COLUMNS if name != "value"},
        value=np.array([math.nan, -0.0, math.inf, 5e-324]),
    )
    assert same(codec.decode(codec.encode(block), codec.FORMAT), block)


def test_packing_keeps_up_with_a_hundred_thousand_readings_per_second() -> None:
    """One frame for each reading is the worst case; the best of five, so that a busy machine does not decide."""
    block = with_plain_payloads(make_block(random.Random(1), 2000, 2000))
    clock = SystemClock()
    spans = []
    for _ in range(5):
        begun_ns = clock.monotonic_ns()
        codec.encode(block)
        spans.append(clock.monotonic_ns() - begun_ns)
    assert len(block) / (min(spans) / 1e9) > 100_000
