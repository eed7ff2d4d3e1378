"""The sink contract, over every folder of gateway/history: replay is idempotent, the rest is kept, what is not settled comes again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.history.base import Batch, Sink, SinkDown
from gateway.readings import StoredBlock
from gateway.store import StoreError
from tests.history.influx_server import Answer, Server, recording
from tests.history.test_influx import sink_to
from tests.history.twin import feed, random_blocks, sink_at
from tests.support import ROOT


class Case:
    """One kind of sink: how it is opened again on the same place, what it holds, how it fails."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server

    @asynccontextmanager
    async def sqlite(self) -> AsyncIterator[Sink]:
        async with sink_at(self.folder / "history.sqlite", flush=True) as sink:
            yield sink

    @asynccontextmanager
    async def influx(self) -> AsyncIterator[Sink]:
        async with sink_to(self.server, self.folder) as sink:
            yield sink

    async def content(self, kind: str) -> Any:
        """Everything that is kept, comparable."""
        if kind == "influx":
            return sorted((key, sorted(fields.items(), key=str)) for key, fields in self.server.points.items())
        async with sink_at(self.folder / "history.sqlite") as sink:
            return await sink._db.read(
                lambda conn: [
                    sorted(conn.execute("SELECT device, quantity, origin, minute, body FROM series JOIN chunk ON series = id")),
                    sorted(conn.execute("SELECT id, t_ns, value, frame FROM reading"), key=str),
                ]
            )


async def offered(sink: Any, blocks: list[StoredBlock]) -> None:
    """A batch, and whatever the sink holds back of it."""
    await sink.write(Batch(blocks=tuple(blocks)))
    if sink.safe < blocks[-1].last:
        await sink.flush()


def test_every_sink_is_here() -> None:
    folders = {path.parent.name for path in (ROOT / "gateway" / "history").glob("*/__init__.py")}
    assert folders == {"sqlite", "influx"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["sqlite", "influx"])
async def test_replay_in_any_batches_changes_nothing(tmp_path: Path, seed: int, kind: str) -> None:
    rng = random.Random(seed)
    blocks = random_blocks(rng, 20)
    async with recording() as server:
        case = Case(tmp_path, server)
        for upto in (7, 20):
            async with getattr(case, kind)() as sink:
                await feed(sink, blocks[:upto], rng)
        once = await case.content(kind)
        assert once
        for begin in (0, 5, 19):
            async with getattr(case, kind)() as sink:
                assert sink.safe == blocks[-1].last
                result = await sink.write(Batch(blocks=tuple(blocks[begin:])))
                assert (result.accepted, result.rejected) == (0, ())
        assert await case.content(kind) == once


@pytest.mark.parametrize("kind", ["sqlite", "influx"])
async def test_what_fails_is_not_settled_and_comes_again(tmp_path: Path, seed: int, kind: str) -> None:
    blocks = random_blocks(random.Random(seed), 6)
    async with recording() as server:
        case = Case(tmp_path, server)
        async with getattr(case, kind)() as sink:
            server.answers = [Answer(503)]
            if kind == "sqlite":
                sink._db._full = True
            with pytest.raises((SinkDown, StoreError)):
                await offered(sink, blocks)
            assert sink.safe == 0
            if kind == "sqlite":
                sink._db._full = False
            await offered(sink, blocks)
        async with getattr(case, kind)() as sink:
            assert sink.safe == blocks[-1].last
