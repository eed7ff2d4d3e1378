"""Server-sent events: one feed from the event log, a bounded queue per client, resumable by (lineage, offset) over cuts and restarts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.api.pace import Pace
from gateway.clock import NS_PER_S, Clock
from gateway.ops import Ops
from gateway.query import Asker, FeedItem, Reach

# The library logs each chunk, which is health data, at DEBUG.
logging.getLogger("sse_starlette").setLevel(logging.INFO)

PAGE = 500


class Source(Protocol):
    """What the stream needs of the read door."""

    @property
    def lineage(self) -> str:
        """Lineage of the event log."""
        ...

    @property
    def head(self) -> int:
        """Offset of the last committed event."""
        ...

    async def wait(self, after: int, timeout_s: float) -> int:
        """The head, once it is beyond `after` or the time is over."""
        ...

    async def read(self, after: int, upto: int, limit: int) -> Sequence[FeedItem]:
        """Items of the events in (after, upto], oldest first; at least one per event read, so that the offset moves."""
        ...

    def visible(self, asker: Asker, item: FeedItem) -> bool:
        """Whether this person may hear of it."""
        ...

    def scope(self, asker: Asker) -> Reach:
        """What this person may see right now; a change of it ends the stream."""
        ...

    def vitals(self, reach: Reach, since: int) -> tuple[int, list[dict[str, Any]]]:
        """Beds of the scope that changed after revision `since`, and the revision now."""
        ...

    async def refresh_vitals(self) -> None:
        """Look at all beds once; called once per second for all clients."""
        ...

    def faults(self, asker: Asker) -> list[dict[str, Any]]:
        """What is wrong with the gateway now, for those who may know."""
        ...


class Sessions(Protocol):
    """Who is still signed in."""

    async def peek(self, token: str) -> Asker | None:
        """The person behind the token without keeping the session awake; None once it is over."""
        ...


GROUP = 50  # screens that get their vital signs in one go


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """Bounds of the streams; seconds on the monotonic clock."""

    tick_s: float = 1.0  # vitals go out at most this often
    heartbeat_s: float = 2.0
    queue: int = 64
    per_user: int = 12
    total: int = 2000
    catch_up: int = 5000  # events behind the head; older clients reload instead
    send_timeout_s: float = 10.0


class TooManyStreams(RuntimeError):
    """The person, or the house, has too many open streams."""


@dataclass(eq=False, slots=True)
class _Client:
    subject: Asker
    token: str
    scope: Reach
    queue: deque[FeedItem] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    position: int = 0
    behind: bool = True  # reads from the log until it has caught up with the feed
    revision: int = -1
    looked: bool = False  # the beds were looked at since it came: nobody looks while nobody watches, and what was seen then is old
    vitals_ns: int = 0
    due: bool = True  # a round of vital signs that was not left out
    heartbeat_ns: int = 0
    cut: str = ""


def encode(event: str, data: Any, event_id: str | None = None) -> bytes:
    """One event as it goes over the wire; JSON has no raw line breaks, so one data line is enough."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {event}\ndata: {text}\n\n".encode()


class Live:
    """All open streams."""

    def __init__(self, source: Source, sessions: Sessions, clock: Clock, ops: Ops, settings: LiveSettings | None = None) -> None:
        self._source = source
        self._sessions = sessions
        self._clock = clock
        self._ops = ops
        self.settings = settings or LiveSettings()
        self._clients: set[_Client] = set()
        self._per_user: Counter[str] = Counter()
        self._position = source.head
        self._closing = False
        self._pace = Pace(self.settings.tick_s)

    async def run(self) -> None:
        """Feed all clients until cancelled."""
        self._position = self._source.head
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump())
            group.create_task(self._tick())

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closing = True
        for client in self._clients:
            self._cut(client, "server.stopping")

    @property
    def open_streams(self) -> int:
        """Number of open streams."""
        return len(self._clients)

    @property
    def vitals_every_s(self) -> float:
        """How often vital signs go out at present."""
        return self._pace.every * self.settings.tick_s

    def admit(self, subject: Asker) -> None:
        """Refuse before the answer has begun where there are too many streams."""
        if self._closing or self._per_user[subject.id] >= self.settings.per_user or len(self._clients) >= self.settings.total:
            self._ops.counters["sse.refused"] += 1
            raise TooManyStreams

    async def events(self, subject: Asker, token: str, cursor: str | None) -> AsyncIterator[bytes]:
        """The stream of one client from its cursor on, until it is cut, signed out or gone."""
        source = self._source
        client = _Client(subject=subject, token=token, scope=source.scope(subject))
        self._clients.add(client)
        self._per_user[subject.id] += 1
        try:
            yield b"retry: 1000\n\n"
            start = self._start(cursor, self._position)
            client.position = self._position if start is None else start
            if start is None:
                yield encode("snapshot", {"t_ms": self._now_ms(), "cursor": self._id(client.position)}, self._id(client.position))
            while True:
                async for chunk in self._catch_up(client):
                    yield chunk
                chunk = await self._next(client)
                if chunk:
                    yield chunk
                if client.cut:
                    yield encode("closed", {"code": client.cut})
                    return
                await client.wake.wait()
                client.wake.clear()
        finally:
            self._clients.discard(client)
            self._per_user[subject.id] -= 1
            if not self._per_user[subject.id]:
                del self._per_user[subject.id]

    # --- one client ------------------------------------------------------------------------------------------------

    def _start(self, cursor: str | None, head: int) -> int | None:
        """Offset to go on from; None where only a reload gives the truth."""
        lineage, _, text = (cursor or "").rpartition(":")
        if lineage != self._source.lineage or not text.isascii() or not text.isdigit() or len(text) > 18:
            return None
        offset = int(text)
        # An event committed a moment ago may be known to the client before the pump has seen it.
        if offset > self._source.head or head - offset > self.settings.catch_up:
            return None
        return offset

    async def _catch_up(self, client: _Client) -> AsyncIterator[bytes]:
        while client.behind and not client.cut:
            upto = self._position
            if client.position >= upto:
                client.behind = False  # no await since `upto` was read: the feed goes on exactly where the log ended
                return
            items = await self._source.read(client.position, upto, PAGE)
            client.position = items[-1].offset if items else upto
            chunk = self._render(client, items)
            if chunk:
                yield chunk

    async def _next(self, client: _Client) -> bytes:
        """Everything that is due for the client now, in the order of the log."""
        items: list[FeedItem] = []
        while client.queue and not client.cut:
            item = client.queue.popleft()
            if item.offset > client.position:
                client.position = item.offset
                items.append(item)
        parts = [self._render(client, items)]
        now_ns = self._clock.monotonic_ns()
        if any(item.rechecks for item in items) or self._beat_due(client, now_ns):
            await self._recheck(client)
            if client.cut:
                return b"" if client.cut != "server.stopping" else parts[0]
            parts.append(self._vitals(client, now_ns))
            parts.append(encode("heartbeat", self._beat(client), self._id(client.position)))
            client.heartbeat_ns = now_ns
        else:
            parts.append(self._vitals(client, now_ns))
        return b"".join(parts)

    def _beat(self, client: _Client) -> dict[str, Any]:
        return {"t_ms": self._now_ms(), "faults": self._source.faults(client.subject)}

    def _beat_due(self, client: _Client, now_ns: int) -> bool:
        # A tick that comes a little early must not put the heartbeat off to the next one.
        return now_ns - client.heartbeat_ns >= (self.settings.heartbeat_s - self.settings.tick_s / 4) * NS_PER_S

    def _render(self, client: _Client, items: Sequence[FeedItem]) -> bytes:
        visible = [item for item in items if item.event and self._source.visible(client.subject, item)]
        return b"".join(encode(item.event, item.data, self._id(item.offset)) for item in visible)

    def _vitals(self, client: _Client, now_ns: int) -> bytes:
        if client.cut or not client.looked or not client.due or now_ns - client.vitals_ns < 0.9 * self.settings.tick_s * NS_PER_S:
            return b""
        client.vitals_ns, client.due = now_ns, False
        client.revision, beds = self._source.vitals(client.scope, client.revision)
        return encode("vitals", {"t_ms": self._now_ms(), "beds": beds}) if beds else b""

    async def _recheck(self, client: _Client) -> None:
        """Still signed in, and still allowed to see the same: else the stream ends and the client asks anew."""
        if client.cut:
            return
        subject = await self._sessions.peek(client.token)
        if subject is None:
            self._cut(client, "session.ended")
            return
        reach = self._source.scope(subject)
        if not reach.covers(client.scope):
            self._cut(client, "access.changed")
        client.subject, client.scope = subject, reach

    # --- all clients -----------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            head = await self._source.wait(self._position, 1.0)
            while self._position < head:
                items = await self._source.read(self._position, head, PAGE)
                # Set before anybody is told: who attaches from here on catches up to this offset from the log.
                self._position = items[-1].offset if items else head
                for client in self._clients:
                    self._push(client, items)

    async def _tick(self) -> None:
        """Rounds of vital signs and heartbeats; vital signs are left out first when the loop cannot keep up."""
        began_ns, slept_s = self._clock.monotonic_ns(), 0.0
        while True:
            await self._clock.sleep(self.settings.tick_s - slept_s)
            now_ns = self._clock.monotonic_ns()
            due = self._pace.round((now_ns - began_ns) / NS_PER_S)
            began_ns = now_ns
            here = list(self._clients)
            if here and due:
                await self._source.refresh_vitals()
            elif here:
                self._ops.counters["shed.vitals"] += len(here)
            slept_s = await self._round(here, due=due)

    async def _round(self, here: list[_Client], *, due: bool) -> float:
        """Wake everybody for a round, some at a time, so that a call never waits until a thousand screens have theirs; seconds slept."""
        groups = [here[at : at + GROUP] for at in range(0, len(here), GROUP)]
        pause_s = self.settings.tick_s / 2 / len(groups) if len(groups) > 1 else 0.0
        for group in groups:
            for client in group:
                client.looked = client.looked or due
                client.due = client.due or due
                client.wake.set()
            if pause_s:
                await self._clock.sleep(pause_s)
        return pause_s * len(groups)

    def _push(self, client: _Client, items: Sequence[FeedItem]) -> None:
        if client.cut or not items:
            return
        if items[-1].offset - client.position > self.settings.catch_up:
            self._cut(client, "client.slow")
        elif client.behind:
            return
        else:
            self._queue(client, items)

    def _queue(self, client: _Client, items: Sequence[FeedItem]) -> None:
        wanted = [item for item in items if item.rechecks or (item.event and self._source.visible(client.subject, item))]
        if len(client.queue) + len(wanted) > self.settings.queue:
            # A burst, or a reader that lags: memory stays bounded, the log holds what the queue does not.
            client.queue.clear()
            client.behind = True
            self._ops.counters["sse.behind"] += 1
        elif wanted:
            client.queue.extend(wanted)
        elif not client.queue:
            client.position = max(client.position, items[-1].offset)
            return
        client.wake.set()

    def _cut(self, client: _Client, code: str) -> None:
        """End a stream; what it has not read stands in the log, from where the client resumes."""
        if not client.cut:
            client.cut = code
            client.queue.clear()
            client.wake.set()
            self._ops.counters[f"sse.cut.{code}"] += 1

    def _id(self, offset: int) -> str:
        return f"{self._source.lineage}:{offset}"

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000
