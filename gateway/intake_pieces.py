"""How intake cuts what comes at once: bounded decoding, and back-fill in pieces that leave time to what is live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devices.model import Message, Series
from gateway.frames import Frame

CHUNK = 200  # frames handled in one go: a call in its own lane waits no longer than this takes
DECODE_SHARE_BYTES = 128 * 1024
PIECE = 2_000  # old readings of one block: what follows the journal handles a block in one go


def chunks(frames: Sequence[Frame]) -> Iterable[Sequence[Frame]]:
    """Frames in parts of a bounded number and size."""
    start = size = 0
    for index, frame in enumerate(frames):
        if index > start and (index - start >= CHUNK or size + len(frame.payload) > DECODE_SHARE_BYTES):
            yield frames[start:index]
            start, size = index, 0
        size += len(frame.payload)
    if start < len(frames):
        yield frames[start:]


def is_old(message: Message | None) -> bool:
    """Whether it is nothing but records from a device's memory."""
    return message is not None and all(item.stored for item in message.items)


def size_of(message: Message | None) -> int:
    """Readings in a message."""
    return 0 if message is None else sum(len(item.values) if isinstance(item, Series) else 1 for item in message.items)
