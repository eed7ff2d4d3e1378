"""The newest blocks in memory, bounded by count and bytes, so that consumers near the head never touch the disk."""

from __future__ import annotations

from collections import deque

from gateway.readings import StoredBlock

RING_BLOCKS = 4096
RING_BYTES = 48 << 20
_READING_BYTES = 45  # of all columns
_FRAME_BYTES = 400  # a FrameRow with its strings, without the payload


class Ring:
    """Consecutive blocks up to the head."""

    def __init__(self, blocks: int = RING_BLOCKS, size: int = RING_BYTES) -> None:
        self._blocks: deque[tuple[StoredBlock, int]] = deque(maxlen=blocks + 1)
        self._max_blocks = blocks
        self._max_bytes = size
        self._bytes = 0

    def push(self, block: StoredBlock) -> None:
        """Add the next block; after a hole only what follows it is kept."""
        if self._blocks and self._blocks[-1][0].last + 1 != block.first:
            self._blocks.clear()
            self._bytes = 0
        cost = _cost(block)
        self._blocks.append((block, cost))
        self._bytes += cost
        while len(self._blocks) > 1 and (len(self._blocks) > self._max_blocks or self._bytes > self._max_bytes):
            self._bytes -= self._blocks.popleft()[1]

    def since(self, offset: int, limit: int) -> list[StoredBlock] | None:
        """At most `limit` blocks from the one that holds `offset`; None when the ring does not reach back so far."""
        if not self._blocks or offset < self._blocks[0][0].first:
            return None
        found: deque[StoredBlock] = deque(maxlen=limit)  # walking back from the head, the oldest `limit` remain
        for block, _ in reversed(self._blocks):
            if block.last < offset:
                break
            found.appendleft(block)
        return list(found)

    def newest(self) -> list[StoredBlock]:
        """Everything that is held, oldest first."""
        return [block for block, _ in self._blocks]


def _cost(block: StoredBlock) -> int:
    if block.readings is None:
        return _FRAME_BYTES
    frames = block.readings.frames
    return _FRAME_BYTES * (1 + len(frames)) + sum(len(frame.payload) for frame in frames) + _READING_BYTES * len(block.readings)
