"""A server on a real socket in the test's own loop, and a reader of server-sent events."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from gateway.api.app import close_streams
from tests.support.house import PASSWORD, House

HOST = "127.0.0.1"


@asynccontextmanager
async def serving(home: House, *, send_buffer: int | None = None) -> AsyncIterator[str]:
    """The house's application under a real uvicorn; yields its URL."""
    listener = socket.socket()
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listener.bind((HOST, 0))
    config = uvicorn.Config(home.app, log_level="error", lifespan="on", timeout_graceful_shutdown=2, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        close_streams(home.app)
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def person(url: str, login: str) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in browser that speaks to a real server over plain http."""
    async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=10) as client:
        answer = await client.post("/api/v1/session", json={"user": login, "password": PASSWORD})
        answer.raise_for_status()
        yield client


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    event: str
    id: str
    data: Any

    @property
    def offset(self) -> int:
        return int(self.id.rpartition(":")[2])


@dataclass
class Stream:
    """An open stream; `seen` grows as events come in."""

    response: httpx.Response
    seen: list[Event] = field(default_factory=list)
    ended: bool = False

    async def read(self) -> None:
        """Until the server ends the stream."""
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields.keys() - {"retry"}:
                self.seen.append(Event(fields["event"], fields.get("id", ""), json.loads(fields["data"])))
                fields = {}
            else:
                fields = {}
        self.ended = True

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.seen if event.event in kinds]

    @property
    def last_id(self) -> str:
        return next(event.id for event in reversed(self.seen) if event.id)


@asynccontextmanager
async def streaming(client: httpx.AsyncClient, last_id: str | None = None, since: str | None = None) -> AsyncIterator[Stream]:
    """An open stream that is read in the background; leaving the block cuts the connection."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    params = {} if since is None else {"since": since}
    async with client.stream("GET", "/api/v1/stream", headers=headers, params=params) as response:
        response.raise_for_status()
        stream = Stream(response)
        task = asyncio.create_task(stream.read())
        try:
            yield stream
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], within_s: float = 4.0) -> None:
    """Wait for a condition; the deadline has threefold slack."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        if loop.time() > end:
            raise AssertionError("did not happen in time")
        await asyncio.sleep(0.01)
