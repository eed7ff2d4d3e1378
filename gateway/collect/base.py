"""What doors share: the bridge between a thread that speaks a protocol and the loop, and a socket whose reads and writes are gathered."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Protocol

from gateway.clock import Clock
from gateway.frames import Ack, Fate, Frame, Verdict
from gateway.ops import Ops

BATCH = 2_000
RETRY_FIRST_S = 0.5  # what was refused is offered again after this, then after twice as long, up to the cap
RETRY_CAP_S = 15.0
ACKS_WAITING = 50_000  # application acknowledgements; one that is dropped only makes the device send again
READ_BYTES = 64 * 1024
WRITE_LIMIT = 4 << 20  # unsent bytes; beyond them the writer is told to wait


Item = tuple[int, int, Frame]  # connection number, packet id (0 = nothing to acknowledge), frame


class Bridge:
    """Hands frames from a protocol's thread to the loop and acknowledgements back, in batches.

    It is bounded by what a peer leaves unacknowledged. `number` is the present connection's: packet ids of earlier ones are void.
    The thread is woken by `wake`.
    """

    def __init__(self, name: str, clock: Clock, ops: Ops, *, bound: int, acknowledge: bool, wake: Callable[[], None]) -> None:
        self.number = 0
        most = bound + READ_BYTES  # `full` stops the reading at the bound, one gulp of the socket may come on top
        self.orders: deque[tuple[int, list[int]]] = deque(maxlen=most)  # (connection, packet ids) to acknowledge
        self.acks: deque[tuple[str, bytes]] = deque(maxlen=ACKS_WAITING)  # application acknowledgements to publish
        self._name = name
        self._clock = clock
        self._ops = ops
        self._bound = bound
        self._acknowledge = acknowledge
        self._wake = wake
        self._inbox: deque[Item] = deque(maxlen=most)
        self._held: list[Item] = []  # refused by intake, to be offered again
        self._retry_s = 0.0
        self._received = 0  # written by the thread
        self._settled = 0  # written by the loop
        self._woken = asyncio.Event()
        self._signalled = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- the loop's side

    def attach(self) -> None:
        """Belong to the running loop; before the thread starts."""
        self._loop = asyncio.get_running_loop()

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """Batches for ever."""
        while True:
            items = await self._next()
            yield [item[2] for item in items], partial(self._settle, items)

    async def _next(self) -> list[Item]:
        if self._held:
            await self._clock.sleep(self._retry_s * random.uniform(0.8, 1.2))
            held, self._held = self._still_ours(self._held), []
            if held:
                return held
        while not self._inbox:
            self._woken.clear()
            self._signalled = False
            if not self._inbox:
                await self._woken.wait()
        return [self._inbox.popleft() for _ in range(min(len(self._inbox), BATCH))]

    async def _settle(self, items: list[Item], verdicts: Sequence[Verdict]) -> None:
        done: dict[int, list[int]] = {}
        held: list[Item] = []
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict.fate is Fate.REFUSED:
                held.append(item)
                continue
            if item[1]:
                done.setdefault(item[0], []).append(item[1])
            if self._acknowledge and verdict.seq is not None and not item[2].retained:
                self.acks.append((f"anxin/ack/{verdict.device}", acknowledgement(verdict)))
        if held:
            self._ops.counters[f"{self._name}.refused"] += len(held)
        self._settled += len(items) - len(held)
        self.orders.extend(done.items())
        self._held = self._still_ours(held)
        self._retry_s = min(RETRY_CAP_S, self._retry_s * 2 or RETRY_FIRST_S) if self._held else 0.0
        self._wake()

    def _still_ours(self, items: list[Item]) -> list[Item]:
        """Refused ones that the peer will not send again by itself: those of this connection, and those that it has forgotten."""
        kept = [item for item in items if item[0] == self.number or not item[1]]
        self._settled += len(items) - len(kept)
        return kept

    # -- the thread's side

    @property
    def full(self) -> bool:
        """Whether more waits here than a peer should have sent unacknowledged."""
        return self._received - self._settled > self._bound

    def deliver(self, items: list[Item]) -> None:
        """Hand over what has come in; one wake-up per batch."""
        self._received += len(items)
        self._inbox.extend(items)
        if not self._signalled:
            self._signalled = True
            self.call(self._woken.set)

    def call(self, function: Callable[..., object], *arguments: object) -> bool:
        """Run on the loop; False when it has ended."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False
        return True


def acknowledgement(verdict: Verdict) -> bytes:
    """Body of the application acknowledgement."""
    boot_id = json.dumps(verdict.boot_id)
    return f'{{"v":1,"boot_id":{boot_id},"seq":{verdict.seq},"fate":"{verdict.fate.value}"}}'.encode()


class Wire(Protocol):
    """The part of a (TLS) socket that is used."""

    def recv(self, size: int) -> bytes:
        """Bytes that are there, b"" at the end."""
        ...

    def send(self, data: bytes) -> int:
        """Number of bytes taken."""
        ...

    def fileno(self) -> int:
        """Its descriptor."""
        ...

    def close(self) -> None:
        """Close it."""
        ...

    def setblocking(self, flag: bool) -> None:
        """Whether calls wait."""
        ...


class GatheredSocket:
    """Looks like a non-blocking socket to its user: `recv` serves from what `fill` has read, `send` collects for `flush`.

    Every system call of a thread gives up the interpreter's lock and has to queue for it again; at three reads and a write
    per message a busy process would spend its time waiting for itself.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._in = b""
        self._at = 0
        self._out = bytearray()
        self._ended = False

    @property
    def buffered(self) -> bool:
        """Whether `recv` has something, the end included."""
        return self._at < len(self._in) or self._ended

    @property
    def unsent(self) -> bool:
        """Whether `flush` has something to do."""
        return bool(self._out)

    def fill(self) -> int:
        """Read what is there, up to about READ_BYTES; returns the number of bytes."""
        parts = [self._in[self._at :]] if self._at < len(self._in) else []
        got = 0
        while got < READ_BYTES:
            try:
                part = self._wire.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not part:
                self._ended = True
                break
            parts.append(part)
            got += len(part)
            if len(part) < READ_BYTES and not isinstance(self._wire, ssl.SSLSocket):
                break  # a plain socket has given everything
        self._in, self._at = b"".join(parts), 0
        return got

    def flush(self) -> None:
        """Send what was collected, as far as it goes."""
        while self._out:
            try:
                sent = self._wire.send(bytes(self._out[:READ_BYTES]))
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._out[:sent]

    def break_off(self) -> None:
        """Let the user of the socket see its end."""
        self._ended = True

    def recv(self, size: int) -> bytes:
        """Bytes read before; BlockingIOError when there are none."""
        at = self._at
        if at < len(self._in):
            part = self._in[at : at + size]
            self._at = at + len(part)
            return part
        if self._ended:
            return b""
        raise BlockingIOError

    def send(self, data: bytes | bytearray) -> int:
        """Take all of it for the next flush."""
        if len(self._out) > WRITE_LIMIT:
            raise BlockingIOError
        self._out += data
        return len(data)

    def pending(self) -> int:
        """Bytes that a wait on the descriptor would not tell of."""
        inner = self._wire.pending() if isinstance(self._wire, ssl.SSLSocket) else 0
        return len(self._in) - self._at + inner

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._wire.fileno()

    def setblocking(self, flag: bool) -> None:
        """Pass on."""
        self._wire.setblocking(flag)

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()
