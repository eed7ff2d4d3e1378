"""HTTP: one message per POST, answered only after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.clock import Clock
from gateway.frames import Ack, Fate, Frame, Verdict


class HttpCollector:
    """Frames posted by devices."""

    name = "http"
    priority = False

    def __init__(self, clock: Clock, verify: Callable[[str, str], bool]) -> None:
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Frame, asyncio.Future[Verdict]]] = asyncio.Queue(maxsize=1000)
        self.router = APIRouter()

        @self.router.post("/ingest/{device}")
        async def ingest(device: str, request: Request) -> JSONResponse:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not await asyncio.to_thread(verify, device, token):
                return JSONResponse({"code": "device.refused"}, 401)
            body = await request.body()
            frame = Frame(channel="http", topic=f"anxin/up/{device}", payload=body, t_received_ns=clock.now_ns(), device=device)
            answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
            await self._queue.put((frame, answer))
            verdict = await answer
            return JSONResponse({"fate": verdict.fate.value}, 503 if verdict.fate is Fate.REFUSED else 200)

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Batches for ever."""
        while True:
            items = [await self._queue.get()]

            async def ack(verdicts: Sequence[Verdict], items: list[tuple[Frame, asyncio.Future[Verdict]]] = items) -> None:
                for (_, answer), verdict in zip(items, verdicts, strict=True):
                    answer.set_result(verdict)

            yield [frame for frame, _ in items], ack
