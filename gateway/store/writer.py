"""The one writer thread of all databases: group commit, a priority lane, bounded queues.

Rules:
- GROUP units are committed together, at most one transaction per `group_window_s` unless `group_rows` rows wait; the first
  unit after a quiet time does not wait at all. NOW units jump the queue: the transaction under way is committed where it
  stands and theirs follows at once.
- A unit may run twice (never commit twice): after a full disk the priority lane tries again. Its only effect must be on
  the connection that it is given.
- Hooks and `done` callbacks run on the loop that started the writer (or first wrote), in the order of the commits and
  before the awaiters of the same commit go on; without a loop they run in the writer thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from enum import Enum
from functools import partial
from typing import Any, Protocol

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.ops import Ops
from gateway.store.errors import Overloaded, StoreError

GROUP_WINDOW_S = 0.05
GROUP_ROWS = 2_000
MAX_GROUP_UNITS = 20_000  # waiting; a unit is a closure over at most one batch
MAX_NOW_UNITS = 2_000
TEND_S = 1.0  # how often a full database is tried again
JOIN_S = 30.0

_log = logging.getLogger(__name__)


class Lane(Enum):
    """How soon a unit is committed."""

    GROUP = "group"
    NOW = "now"


class Item:
    """One unit on its way through the writer."""

    __slots__ = ("done", "error", "future", "lane", "loop", "result", "rows", "target", "unit")

    def __init__(
        self,
        target: Target,
        unit: Callable[[apsw.Connection], Any],
        lane: Lane,
        rows: int,
        future: asyncio.Future[Any] | Future[Any],
        loop: asyncio.AbstractEventLoop | None,
        done: Callable[[Any], None] | None = None,
    ) -> None:
        self.target = target
        self.unit = unit
        self.lane = lane
        self.rows = rows
        self.future = future
        self.loop = loop
        self.done = done
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Hand the outcome to the awaiter, on the awaiter's thread."""
        if self.future.done():
            return  # cancelled by its awaiter: the commit stands
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Target(Protocol):
    """A database as the writer sees it."""

    label: str

    def execute(self, items: Sequence[Item], urgent: Callable[[], bool]) -> Sequence[Item]:
        """Run units of one lane in one transaction and commit; returns those left over because something urgent came."""
        ...

    def hooks(self) -> Sequence[Callable[[], None]]:
        """What to call after a commit."""
        ...

    def tend(self) -> bool:
        """Called about once a second while it returns True: bring a full database back."""
        ...


class Writer:
    """Owner of the writer thread."""

    def __init__(
        self,
        clock: Clock,
        ops: Ops,
        *,
        group_window_s: float = GROUP_WINDOW_S,
        group_rows: int = GROUP_ROWS,
        max_group_units: int = MAX_GROUP_UNITS,
        max_now_units: int = MAX_NOW_UNITS,
    ) -> None:
        self.clock = clock
        self._ops = ops
        self._window_s = group_window_s
        self._group_rows = group_rows
        self._limits = {Lane.GROUP: max_group_units, Lane.NOW: max_now_units}
        # submit() keeps the bounds; the deques' own is out of reach, since what an urgent unit pushed back comes on top.
        self._queues: dict[Lane, deque[Item]] = {lane: deque(maxlen=2 * limit + 1000) for lane, limit in self._limits.items()}
        self._executing = False
        self._waiting_rows = 0
        self._wake = threading.Condition()
        self._closing = False
        self._dead: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_group_ns: int | None = None
        self._tended_ns = 0
        self._sick: set[Target] = set()  # full databases, to be tended

    def start(self) -> None:
        """Start the thread; a running loop becomes the home of hooks and faults."""
        if self._thread is not None:
            raise StoreError("the writer was started twice")
        self._adopt(_running_loop())
        self._thread = threading.Thread(target=self._run, name="anxin-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what waits, then stop; later units are refused."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(JOIN_S)
            if self._thread.is_alive():
                raise StoreError("the writer did not stop; a unit hangs")

    def submit(self, item: Item, *, bounded: bool = True) -> None:
        """Queue a unit; Overloaded at the bound (which a fence, one per database, need not mind)."""
        if item.loop is not None:
            self._adopt(item.loop)
        with self._wake:
            if self._dead is not None:
                raise StoreError("the writer has stopped after an error; restart the gateway") from self._dead
            if self._closing or self._thread is None:
                raise StoreError("the writer is not running")
            queue = self._queues[item.lane]
            if bounded and len(queue) >= self._limits[item.lane]:
                raise Overloaded(f"{len(queue)} units wait to be written; nothing was stored, send again later")
            queue.append(item)
            if item.lane is Lane.GROUP:
                self._waiting_rows += item.rows
            self._wake.notify()

    def busy(self) -> bool:
        """Whether units wait or are under way; for tests whose clock stands still."""
        return self._executing or any(self._queues.values())

    def fault(self, code: str, subject: str, **params: Any) -> None:
        """Report a fault from any thread."""
        self._on_home(lambda: self._ops.fault(code, subject, **params))

    def clear(self, code: str, subject: str) -> None:
        """Report the end of a fault from any thread."""
        self._on_home(lambda: self._ops.clear(code, subject))

    def sick(self, target: Target) -> None:
        """Ask for `target.tend()` until it says that it is well; called by targets."""
        with self._wake:
            if target not in self._sick:
                self._sick.add(target)
                self._tended_ns = self.clock.monotonic_ns()  # not at once: it has just failed
            self._wake.notify()

    # -- the writer thread

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._execute(batch)
                self._executing = False
                self._tend()
        except BaseException as error:
            self._die(error)
            raise

    def _next(self) -> list[Item] | None:
        """The next transaction's units (empty: only tend), or None at the end."""
        with self._wake:
            while True:
                if self._queues[Lane.NOW]:
                    return self._take_now()
                if self._queues[Lane.GROUP]:
                    if self._window_over():
                        return self._take_group()
                elif self._closing:
                    return None
                elif not self._wake.wait(TEND_S if self._sick else None):
                    return []

    def _window_over(self) -> bool:
        """Wait for the rest of the window; False when something urgent came first. The bound is real time, whatever the clock says."""
        rest_s = 0.0
        if self._last_group_ns is not None:
            rest_s = self._window_s - (self.clock.monotonic_ns() - self._last_group_ns) / NS_PER_S
        if rest_s > 0:
            self._wake.wait_for(
                lambda: self._queues[Lane.NOW] or self._waiting_rows >= self._group_rows or self._closing, min(rest_s, self._window_s)
            )
        return not self._queues[Lane.NOW]

    def _take_now(self) -> list[Item]:
        queue = self._queues[Lane.NOW]
        batch = list(queue)
        queue.clear()
        self._executing = True
        return batch

    def _take_group(self) -> list[Item]:
        queue = self._queues[Lane.GROUP]
        batch: list[Item] = []
        rows = 0
        while queue and (not batch or rows + queue[0].rows <= self._group_rows):
            batch.append(queue.popleft())
            rows += batch[-1].rows
        self._waiting_rows -= rows
        self._executing = True
        self._last_group_ns = self.clock.monotonic_ns()
        return batch

    def _execute(self, batch: list[Item]) -> None:
        """One transaction per database; what is left over goes back to the head of its queue."""
        by_target: dict[Target, list[Item]] = {}
        for item in batch:
            by_target.setdefault(item.target, []).append(item)
        left: list[Item] = []
        for target, items in by_target.items():
            now = items[0].lane is Lane.NOW
            if not now and self._queues[Lane.NOW]:
                left.extend(items)
                continue
            rest = target.execute(items, _never if now else lambda: bool(self._queues[Lane.NOW]))
            left.extend(rest)
            self._deliver(target, items[: len(items) - len(rest)])
        if left:
            with self._wake:
                self._queues[Lane.GROUP].extendleft(reversed(left))
                self._waiting_rows += sum(item.rows for item in left)

    def _deliver(self, target: Target, items: Sequence[Item]) -> None:
        good = [item for item in items if item.error is None]
        calls: list[Callable[[], None]] = [partial(item.done, item.result) for item in good if item.done is not None]
        if good:
            calls.extend(target.hooks())
        if calls:
            self._on_home(lambda: self._call(calls))
        by_loop: dict[asyncio.AbstractEventLoop | None, list[Item]] = {}
        for item in items:
            by_loop.setdefault(item.loop, []).append(item)
        for loop, settled in by_loop.items():
            if loop is None:
                _settle(settled)
            else:
                _post(loop, partial(_settle, settled))

    def _call(self, calls: Iterable[Callable[[], None]]) -> None:
        """A hook that fails is a fault of the gateway; the commit and the other hooks stand."""
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - not swallowed: a fault, and a log line with the place
                _log.exception("a hook after a commit failed")
                self._ops.fault("store.hook", type(error).__name__)

    def _tend(self) -> None:
        if not self._sick:
            return
        now_ns = self.clock.monotonic_ns()
        if self._queues[Lane.NOW] or 0 <= now_ns - self._tended_ns < TEND_S * NS_PER_S / 2:
            return
        self._tended_ns = now_ns
        for target in list(self._sick):
            if not target.tend():
                self._sick.discard(target)

    def _die(self, error: BaseException) -> None:
        with self._wake:
            self._dead = error
            items = [item for queue in self._queues.values() for item in queue]
            for queue in self._queues.values():
                queue.clear()
        for item in items:
            item.error = StoreError("the writer has stopped after an error; restart the gateway")
            if item.loop is None or not _post(item.loop, item.settle):
                item.settle()
        self.fault("store.writer", "writer", error=type(error).__name__)

    # -- the loop

    def _adopt(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and (self._loop is None or self._loop.is_closed()):
            self._loop = loop

    def _on_home(self, call: Callable[[], None]) -> None:
        """Run on the home loop, or here when there is none."""
        if self._loop is None or not _post(self._loop, call):
            call()


def _never() -> bool:
    return False


def _settle(items: Iterable[Item]) -> None:
    for item in items:
        item.settle()


def _post(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> bool:
    """Hand a call to a loop; False when that loop has ended (its awaiters are gone with it)."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return False
    return True


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
