"""A recording InfluxDB: the write route with a line-protocol parser of its own, gzip, and answers that a test chooses."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

Tags = tuple[tuple[str, str], ...]
Key = tuple[str, Tags, int]  # measurement, tags, time


class BadLine(ValueError):
    """What a server would answer 400 to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say instead of 204; `keep` = the lines were stored all the same."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    keep: bool = False
    hang: bool = False


@dataclass
class Server:
    """What has arrived: points as a real server keeps them, one per measurement, tags and time."""

    url: str = ""
    points: dict[Key, dict[str, float | int]] = field(default_factory=dict)
    requests: int = 0
    writes: int = 0  # lines taken, repeats included
    answers: list[Answer] = field(default_factory=list)  # for the next requests
    poison: Callable[[str], bool] = lambda _: False
    authorization: str = ""
    gzipped: int = 0

    def take(self, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Judge one request."""
        self.requests += 1
        split = urlsplit(target)
        self.authorization = headers.get("authorization", "")
        if split.path != "/api/v2/write":
            return Answer(404)
        if headers.get("content-encoding") == "gzip":
            self.gzipped += 1
            body = gzip.decompress(body)
        query = parse_qs(split.query)
        if query["precision"] != ["ns"] or not query["bucket"]:
            return Answer(400)
        answer = self.answers.pop(0) if self.answers else Answer(204)
        if answer.status != 204 and not answer.keep:
            return answer
        lines = body.decode("utf-8").split("\n")
        try:
            parsed = [parse(line) for line in lines]
        except BadLine:
            return Answer(400)
        if any(self.poison(line) for line in lines):
            return Answer(400)
        for measurement, tags, fields, t_ns in parsed:
            self.points[measurement, tags, t_ns] = fields
            self.writes += 1
        return answer


def parse(line: str) -> tuple[str, Tags, dict[str, float | int], int]:
    """One line, by the specification: backslash escapes in the key, no quotes in our fields."""
    key, fields, t_ns = cut(line, " ")
    parts = cut(key, ",")
    tags = []
    for part in parts[1:]:
        name, value = cut(part, "=")
        if not name or not value:
            raise BadLine("empty tag")
        tags.append((unescape(name), unescape(value)))
    found: dict[str, float | int] = {}
    for part in cut(fields, ","):
        name, value = cut(part, "=")
        found[name] = int(value[:-1]) if value.endswith("i") else float(value)
    if not found or not parts[0]:
        raise BadLine("no field")
    return unescape(parts[0]), tuple(tags), found, int(t_ns)


def cut(text: str, at: str) -> list[str]:
    """Split at a character that no backslash stands before."""
    parts, begin, index = [], 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 2
            continue
        if text[index] == at:
            parts.append(text[begin:index])
            begin = index + 1
        index += 1
    return [*parts, text[begin:]]


def unescape(text: str) -> str:
    out, index = "", 0
    while index < len(text):
        if text[index] == "\\" and index + 1 < len(text) and text[index + 1] in ",= ":
            index += 1
        out += text[index]
        index += 1
    return out


@asynccontextmanager
async def recording() -> AsyncIterator[Server]:
    """A server on a free port of this machine."""
    server = Server()
    hanging: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        hanging.add(task)
        try:
            while head := await reader.readline():
                _, target, _ = head.decode().split(" ", 2)
                headers = {}
                while (line := (await reader.readline()).decode().strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = server.take(target, headers, body)
                if answer.hang:
                    await reader.read()  # until the client gives up
                    return
                text = b"" if answer.status == 204 else b'{"code":"chosen","message":"chosen by the test"}'
                more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
                top = f"HTTP/1.1 {answer.status} X\r\ncontent-length: {len(text)}\r\ncontent-type: application/json\r\n{more}\r\n"
                writer.write(top.encode() + text)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            hanging.discard(task)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(hanging):
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
