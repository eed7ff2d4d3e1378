"""Filling, following and comparing journals in tests."""

from __future__ import annotations

import random

from gateway.journal import Journal
from gateway.readings import StoredBlock
from tests.support.blocks import make_block, same


async def fill(journal: Journal, count: int, seed: int = 1) -> list[StoredBlock]:
    rng = random.Random(seed)
    stored = []
    for number in range(count):
        if number % 3 == 2:
            stored.append(await journal.tick(number, number))
        else:
            stored.append(await journal.append(make_block(rng, rng.randint(1, 20)), priority=number % 3 == 1))
    return stored


def equal(left: list[StoredBlock], right: list[StoredBlock]) -> bool:
    return len(left) == len(right) and all(
        a.first == b.first and a.last == b.last and a.tick == b.tick and same(a.readings, b.readings)
        for a, b in zip(left, right, strict=True)
    )


def dense(blocks: list[StoredBlock], first: int = 1) -> bool:
    for block in blocks:
        if block.first != first:
            return False
        first = block.last + 1
    return True


def read_all(journal: Journal, offset: int = 1) -> list[StoredBlock]:
    blocks: list[StoredBlock] = []
    while part := journal.read_sync(offset, 7):
        blocks += part
        offset = part[-1].last + 1
    return blocks


async def follow_to(journal: Journal, offset: int, last: int) -> list[StoredBlock]:
    got: list[StoredBlock] = []
    async for blocks in journal.follow(offset):
        got += blocks
        if got[-1].last >= last:
            break
    return got


def segments(journal: Journal) -> list[str]:
    return [segment.path.name for segment in journal._reader.segments()]
