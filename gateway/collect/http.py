"""HTTP: one POST per message, answered after the commit with what became of it. Calls for help take a lane of their own."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.clock import Clock
from gateway.frames import Ack, Fate, Frame, Verdict

MAX_BODY = 256 * 1024
MAX_WAITING = 2_000  # requests; beyond them senders are asked to come again
BATCH = 500
RETRY_AFTER_S = 5
CALL_MARKS = (b'"call', b"\x64call", b"call.")  # JSON key, CBOR key, quantity: a false alarm here only costs a commit of its own
_DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENVELOPE = frozenset({"application/json", "application/cbor"})
_SENML = frozenset({"application/senml+json", "application/senml+cbor"})

Verify = Callable[[str, str], bool]  # device, token


@dataclass(slots=True, eq=False)
class _Waiting:
    frame: Frame
    fate: asyncio.Future[Verdict] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Lane:
    """Requests on their way to intake."""

    def __init__(self, name: str, *, priority: bool) -> None:
        self.name = name
        self.priority = priority
        self._waiting: deque[_Waiting] = deque(maxlen=MAX_WAITING)  # `submit` refuses at the limit
        self._woken = asyncio.Event()
        self.served = False  # whether intake takes from it

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Everything that waits, for ever; each commit gathers what came during the one before."""
        self.served = True
        try:
            while True:
                while not self._waiting:
                    self._woken.clear()
                    await self._woken.wait()
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
                yield [waiting.frame for waiting in batch], partial(self._settle, batch)
        finally:
            self.served = False
            for waiting in self._waiting:
                waiting.fate.cancel()

    async def submit(self, frame: Frame) -> Verdict | None:
        """What became of a frame; None when it cannot be taken now."""
        if not self.served or len(self._waiting) >= MAX_WAITING:
            return None
        waiting = _Waiting(frame)
        self._waiting.append(waiting)
        self._woken.set()
        try:
            return await asyncio.shield(waiting.fate)
        except asyncio.CancelledError:
            if waiting.fate.cancelled():  # the door was closed; else it is the request that was cancelled
                return None
            raise

    async def _settle(self, batch: Sequence[_Waiting], verdicts: Sequence[Verdict]) -> None:
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if not waiting.fate.done():
                waiting.fate.set_result(verdict)


class HttpCollector(Lane):
    """The lane of readings, the lane of `calls`, and the `router` that feeds both (mounted under /api/v1)."""

    def __init__(self, clock: Clock, verify: Verify) -> None:
        super().__init__("http", priority=False)
        self.calls = Lane("http.calls", priority=True)
        self.router = APIRouter()
        self._verify = verify
        self._clock = clock
        self.router.add_api_route("/ingest/{device}", self._envelope, methods=["POST"], response_model=None)
        self.router.add_api_route("/ingest/{device}/senml", self._senml, methods=["POST"], response_model=None)

    async def _envelope(self, device: str, request: Request) -> Response:
        """Take one message in the envelope of version 1."""
        return await self._take(device, request, "anxin/up/", _ENVELOPE)

    async def _senml(self, device: str, request: Request) -> Response:
        """Take one SenML pack."""
        return await self._take(device, request, "anxin/senml/", _SENML)

    async def _take(self, device: str, request: Request, path: str, media_types: frozenset[str]) -> Response:
        if _DEVICE.fullmatch(device) is None:
            return _problem(404, "not_found")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not await run_in_threadpool(self._verify, device, token.strip()):
            return _problem(401, "device.token", headers={"WWW-Authenticate": "Bearer"})
        media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type not in media_types:
            return _problem(415, "body.media_type")
        body = await _body(request)
        if body is None:
            return _problem(413, "body.too_large")
        call = self.calls.served and any(mark in body for mark in CALL_MARKS)
        frame = Frame(channel="http", topic=path + device, payload=body, t_received_ns=self._clock.now_ns(), device=device)
        return _answer(await (self.calls if call else self).submit(frame))


def _answer(verdict: Verdict | None) -> Response:
    if verdict is None or verdict.fate is Fate.REFUSED:
        return _problem(503, "intake.refused", headers={"Retry-After": str(RETRY_AFTER_S)})
    if verdict.fate is Fate.DEAD_LETTER:  # kept for a repaired decoder: sending it again changes nothing
        return _problem(422, "message.invalid", fate=verdict.fate.value, detail=verdict.reason)
    body = {"fate": verdict.fate.value, "boot_id": verdict.boot_id, "seq": verdict.seq}
    return Response(json.dumps(body, separators=(",", ":")), 200, media_type="application/json")


def _problem(status: int, code: str, *, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """RFC 9457; nothing of what was sent is in it."""
    document = {"type": f"urn:anxin:problem:{code}", "title": code, "status": status, "code": code, **members}
    return Response(json.dumps(document), status, headers, "application/problem+json")


async def _body(request: Request) -> bytes | None:
    """The body, or None when it is too long; no more than the limit is read."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
