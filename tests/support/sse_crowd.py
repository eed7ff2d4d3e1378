"""Many open streams in a process of their own: `python -m tests.support.sse_crowd '{"port", "cookies", "clients"}'`.

Prints {"open": n} once all have answered; after the end of its standard input {"heard": [[alert, count, [second, ...]], ...], "ended"}:
when (monotonic clock, which all processes of a machine share) each stream had an event of a call in its hands. Streams share the cookies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

EVENT, DATA, ALERT = b"event: ", b"data: ", b"alert"


class Crowd:
    """All streams of one session."""

    def __init__(self, port: int, clients: int) -> None:
        self._port, self._clients = port, clients
        self._all_open = asyncio.Event()
        self._keys: dict[bytes, tuple[str, int] | None] = {}
        self.heard: dict[tuple[str, int], list[float]] = {}
        self.open = self.ended = 0

    async def one(self, cookie: str) -> None:
        """One stream until it ends."""
        head = f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        writer.write(head.encode())
        event, seen = b"", set[tuple[str, int]]()
        try:
            while line := await reader.readline():
                if line.startswith(b"HTTP/1.1 200"):
                    self.open += 1
                    if self.open == self._clients:
                        self._all_open.set()
                elif line.startswith(EVENT):
                    event = line[len(EVENT) :].strip()
                elif event == ALERT and line.startswith(DATA):
                    self._take(line[len(DATA) :], time.monotonic(), seen)
        except (OSError, ValueError):
            pass  # counted below
        self.ended += 1

    async def wait(self) -> None:
        """Until all are open."""
        await self._all_open.wait()

    def _take(self, data: bytes, now_s: float, seen: set[tuple[str, int]]) -> None:
        if data not in self._keys:  # the same bytes a thousand times
            alert = json.loads(data)["alert"]
            fresh = alert["kind"] == "call" and alert["state"] == "raised"
            self._keys[data] = (alert["id"], alert["count"]) if fresh else None
        key = self._keys[data]
        if key is not None and key not in seen:  # an alert is told again when it was delivered
            seen.add(key)
            self.heard.setdefault(key, []).append(now_s)


async def run(settings: dict[str, Any]) -> None:
    cookies, clients = settings["cookies"], settings["clients"]
    crowd, loop = Crowd(settings["port"], clients), asyncio.get_running_loop()
    tasks = []
    for number in range(clients):
        tasks.append(asyncio.create_task(crowd.one(cookies[number % len(cookies)])))
        if number % 50 == 49:
            await asyncio.sleep(0.05)  # a ward's screens do not all come in the same instant
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(crowd.wait(), 60)
    print(json.dumps({"open": crowd.open}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    ended = crowd.ended
    for task in tasks:
        task.cancel()
    print(json.dumps({"heard": [[*key, times] for key, times in crowd.heard.items()], "ended": ended}), flush=True)


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
