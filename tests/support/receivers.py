"""Local servers that behave like the far side of a channel: HTTP and SMTP with scripted answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

HANG = 0  # a status that is never sent
DRIP = -1  # an answer that comes byte by byte and has no end


@dataclass
class Request:
    """What an HTTP receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpReceiver:
    """Answers each POST with the next scripted status, then with `then`; HANG never answers."""

    script: deque[int] = field(default_factory=deque)
    then: int = 204
    requests: list[Request] = field(default_factory=list)
    accepted: list[Request] = field(default_factory=list)  # those answered with 2xx
    headers: dict[str, str] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = field(default_factory=dict)

    async def start(self) -> HttpReceiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def close(self) -> None:
        await _close(self._server, self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[writer] = asyncio.current_task()
        try:
            while True:
                request = await self._read(reader)
                self.requests.append(request)
                status, body = self.answer(request)
                if status == HANG:
                    await reader.read()  # until the other side gives up
                    return
                if status == DRIP:
                    await _drip(writer)
                    return
                extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def answer(self, request: Request) -> tuple[int, bytes]:
        """Status and body for a request."""
        status = self.script.popleft() if self.script else self.then
        if 200 <= status < 300:
            self.accepted.append(request)
        return status, b""

    def heard(self) -> list[bytes]:
        return [request.body for request in self.accepted]

    async def _read(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(path=head[0].split(" ")[1], headers=headers, body=body)


@dataclass
class SmtpReceiver:
    """A mail server without TLS; `codes` maps a command to the answer's code, 0 = never answers."""

    codes: dict[str, int] = field(default_factory=dict)
    messages: list[bytes] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = field(default_factory=dict)

    async def start(self) -> SmtpReceiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.sockets[0].getsockname()[1])

    def heard(self) -> list[bytes]:
        return list(self.messages)

    async def close(self) -> None:
        await _close(self._server, self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[writer] = asyncio.current_task()
        try:
            writer.write(b"220 here\r\n")
            while line := (await reader.readline()).decode().strip():
                if not await self._command(line.split(" ")[0].split(":")[0].upper(), reader, writer):
                    return
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _command(self, verb: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        code = self.codes.get(verb, {"DATA": 354, "QUIT": 221}.get(verb, 250))
        if code == HANG:
            await reader.read()
            return False
        writer.write(f"{code} ok\r\n".encode())
        if verb == "DATA" and code == 354:
            self.messages.append((await reader.readuntil(b"\r\n.\r\n"))[:-3])
            writer.write(f"{self.codes.get('BODY', 250)} ok\r\n".encode())
        return verb != "QUIT"


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _close(server: asyncio.Server | None, serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None]) -> None:
    """Close a server with all its connections, and wait until their sockets are closed."""
    if server is not None:
        server.close()
    for writer in serving:
        writer.close()
    await asyncio.gather(*(task for task in serving.values() if task is not None), return_exceptions=True)
    await asyncio.gather(*(writer.wait_closed() for writer in serving), return_exceptions=True)
    serving.clear()
    await asyncio.sleep(0.001)


async def until(condition: Callable[[], bool], seconds: float = 3.0, poke: Callable[[], Awaitable[None]] | None = None) -> None:
    """Wait for a condition in real time; `poke` is awaited in between."""
    async with asyncio.timeout(seconds):
        while not condition():
            if poke is not None:
                await poke()
            await asyncio.sleep(0.005)
