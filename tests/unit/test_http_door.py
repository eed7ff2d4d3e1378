"""The HTTP door: fates after the commit, tokens, limits, refusals, the calls' lane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cbor2
import httpx
import pytest
from fastapi import FastAPI

from gateway.collect.http import MAX_BODY, HttpCollector
from gateway.readings import ReadingBlock, StoredBlock
from gateway.store import DiskFull
from tests.support.intake_node import Node

pytestmark = pytest.mark.timeout(15)
GOOD = {"Authorization": "Bearer secret"}


@asynccontextmanager
async def house(folder: Path, *, served: bool = True) -> AsyncIterator[tuple[Node, httpx.AsyncClient]]:
    node = await Node(folder).start()
    door = HttpCollector(node.clock, lambda device, token: (device, token) == ("d1", "secret"))
    app = FastAPI()
    app.include_router(door.router, prefix="/api/v1")
    task = asyncio.create_task(node.intake.run([door, door.calls] if served else []))
    await asyncio.sleep(0.01)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1") as client:
            yield node, client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await node.stop()


def body(seq: int, **more: Any) -> dict[str, Any]:
    content = more or {"quantity": "hr", "value": 60, "unit": "/min"}
    return {"v": 1, "device": "d1", "boot_id": "b1", "seq": seq, "t": None, **content}


async def test_the_answer_comes_after_the_commit_with_the_fate(tmp_path: Path) -> None:
    async with house(tmp_path) as (node, client):
        first = await client.post("/ingest/d1", json=body(0), headers=GOOD)
        assert (first.status_code, first.json()) == (200, {"fate": "stored", "boot_id": "b1", "seq": 0})
        assert len(node.journal.read_sync(1)) == 1
        again = await client.post("/ingest/d1", json=body(0), headers=GOOD)
        assert again.json()["fate"] == "duplicate"
        packed = await client.post("/ingest/d1", content=cbor2.dumps(body(1)), headers=GOOD | {"Content-Type": "application/cbor"})
        assert packed.json()["fate"] == "stored"
        senml = json.dumps([{"n": "temp", "u": "Cel", "v": 36.6}])
        pack = await client.post("/ingest/d1/senml", content=senml, headers=GOOD | {"Content-Type": "application/senml+json"})
        assert pack.status_code == 200, pack.text


async def test_many_at_once_share_commits(tmp_path: Path) -> None:
    async with house(tmp_path) as (node, client):
        answers = await asyncio.gather(*(client.post("/ingest/d1", json=body(i), headers=GOOD) for i in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        assert node.ops.counters["journal.blocks"] < 20


@pytest.mark.parametrize(
    ("path", "headers", "content", "status", "code"),
    [
        ("/ingest/d1", {}, b"{}", 401, "device.token"),
        ("/ingest/d1", {"Authorization": "Bearer wrong"}, b"{}", 401, "device.token"),
        ("/ingest/d1", {"Authorization": "Basic secret"}, b"{}", 401, "device.token"),
        ("/ingest/d2", GOOD, b"{}", 401, "device.token"),
        ("/ingest/%20", GOOD, b"{}", 404, "not_found"),
        ("/ingest/d1", GOOD | {"Content-Type": "text/plain"}, b"{}", 415, "body.media_type"),
        ("/ingest/d1", GOOD, b" " * (MAX_BODY + 1), 413, "body.too_large"),
        ("/ingest/d1", GOOD, b'{"hr": 123}', 422, "message.invalid"),
        ("/ingest/d1", GOOD, json.dumps(body(1) | {"device": "d9"}).encode(), 422, "message.invalid"),
    ],
)
async def test_refusals_are_problem_documents_that_echo_nothing(
    tmp_path: Path, path: str, headers: dict[str, str], content: bytes, status: int, code: str
) -> None:
    async with house(tmp_path) as (_, client):
        answer = await client.post(path, content=content, headers={"Content-Type": "application/json"} | headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "123" not in answer.text
        assert "d9" not in answer.text


class Full:
    """No room, and the gate is shut for readings."""

    def __init__(self, node: Node) -> None:
        self._journal = node.journal
        self.gate = asyncio.Event()
        node.intake._journal = self

    async def append(self, block: ReadingBlock, *, priority: bool = False) -> StoredBlock:
        if not priority:
            await self.gate.wait()
            raise DiskFull("no room")
        return await self._journal.append(block, priority=priority)


async def test_without_room_a_reading_is_to_come_again_and_a_call_does_not_wait_for_it(tmp_path: Path) -> None:
    async with house(tmp_path) as (node, client):
        full = Full(node)
        waiting = asyncio.create_task(client.post("/ingest/d1", json=body(0), headers=GOOD))
        await asyncio.sleep(0.05)
        call = await client.post("/ingest/d1", json=body(1, call={"kind": "sos"}), headers=GOOD)
        assert call.json()["fate"] == "stored"
        assert not waiting.done()
        full.gate.set()
        refused = await waiting
        assert (refused.status_code, refused.json()["code"]) == (503, "intake.refused")
        assert int(refused.headers["retry-after"]) > 0


async def test_a_door_that_nobody_serves_says_so(tmp_path: Path) -> None:
    async with house(tmp_path, served=False) as (_, client):
        answer = await client.post("/ingest/d1", json=body(0), headers=GOOD)
        assert answer.status_code == 503
