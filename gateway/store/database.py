"""One SQLite file: its write connection (used only by the writer thread once open), its readers, its reserve."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

import apsw

from gateway.store import schema
from gateway.store.ballast import Ballast, free_bytes
from gateway.store.errors import Corrupt, DiskFull, StoreError, is_corrupt, is_full
from gateway.store.opening import connect_reader, open_checked, translated
from gateway.store.schema import Component
from gateway.store.writer import Item, Lane, Writer

T = TypeVar("T")

READERS = 3  # threads of read()
SYNC_READERS = 2  # further connections for read_sync(), so that it does not wait behind the threads
PROBE_BYTES = 64 << 10  # what must fit before a full database counts as well again


class Database:
    """A file of the store. Open it before the writer gets units for it; close it before the writer."""

    def __init__(self, path: Path, writer: Writer, conn: apsw.Connection, ballast: Ballast, label: str, vfs: str | None) -> None:
        self.path = path
        self.label = label
        self.lineage = schema.lineage(conn)
        self.versions = schema.versions(conn)
        self.ballast = ballast
        self._writer = writer
        self._conn = conn
        self._vfs = vfs
        self._hooks: list[Callable[[], None]] = []
        self._full = False
        self._failing = False
        self._refusing = False  # set first, so that nothing enters while what waits is committed
        self._closed = False
        self._conn_lock = threading.Lock()  # the writer thread tends a full database on its own account, also while it is being closed
        self._readers: list[apsw.Connection] = []  # idle ones
        self._reader_slots = threading.BoundedSemaphore(READERS + SYNC_READERS)
        self._reader_lock = threading.Lock()
        self._executor = ThreadPoolExecutor(READERS, thread_name_prefix=f"anxin-read-{label}")
        if not ballast.present and not ballast.ensure(0):
            self._enter_full()

    @staticmethod
    def open(
        path: Path | str,
        writer: Writer,
        components: Sequence[Component] = (),
        *,
        synchronous: Literal["FULL", "NORMAL", "EXTRA"] = "FULL",
        vfs: str | None = None,
        ballast_bytes: int = 0,
        ballast_path: Path | None = None,
        label: str | None = None,
        check: bool = True,
        created: Callable[[apsw.Connection], None] | None = None,
    ) -> Database:
        """Open, check, create or upgrade a file; `created` runs in the transaction that makes a new one."""
        path = Path(path)
        ballast = Ballast(ballast_path or path.with_name(path.name + ".ballast"), ballast_bytes)
        try:
            conn = open_checked(path, writer.clock, components, synchronous, vfs, check, created)
        except (apsw.Error, UnicodeDecodeError) as error:
            if not is_full(error):
                raise translated(error, path, "opened") from error
            ballast.release()
            try:
                conn = open_checked(path, writer.clock, components, synchronous, vfs, check, created)
            except apsw.Error as again:
                raise translated(again, path, "opened") from again
        return Database(path, writer, conn, ballast, label or path.name, vfs)

    # -- writing

    def submit(
        self,
        unit: Callable[[apsw.Connection], T],
        *,
        lane: Lane = Lane.GROUP,
        rows: int = 1,
        done: Callable[[T], None] | None = None,
    ) -> asyncio.Future[T]:
        """Queue a unit at once, in the order of the calls; `done(result)` runs on the loop after the commit, cancelled or not."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._check_open()
        self._writer.submit(Item(self, unit, lane, rows, future, loop, done))
        return future

    async def write(self, unit: Callable[[apsw.Connection], T], *, lane: Lane = Lane.GROUP, rows: int = 1) -> T:
        """Run a unit in the writer thread inside a SAVEPOINT; returns after the commit, raises the unit's own exception.

        A cancelled write may still commit. A unit must not end transactions and may run twice (see writer.py).
        """
        return await self.submit(unit, lane=lane, rows=rows)

    def write_sync(self, unit: Callable[[apsw.Connection], T], *, lane: Lane = Lane.GROUP, rows: int = 1) -> T:
        """The same, blocking: for commands and tests."""
        self._check_open()
        future: Future[T] = Future()
        self._writer.submit(Item(self, unit, lane, rows, future, None))
        return future.result()

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` after each commit, on the loop (see writer.py)."""
        self._hooks.append(hook)

    # -- reading

    def open_reader(self) -> apsw.Connection:
        """A read connection of one's own; the caller closes it."""
        return connect_reader(self.path, self._vfs)

    def read_sync(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run `fn` on a read connection, in one read transaction."""
        with self._reader() as conn:
            return fn(conn)

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """The same, in a thread."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.read_sync, fn)

    async def backup_to(self, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Copy one moment of the file while writing goes on; `progress(pages_done, pages)` is called from a thread."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self.backup_to_sync, path, progress)

    def backup_to_sync(self, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """The same, blocking."""
        conn = self.open_reader()
        try:
            schema.copy_file(conn, path, progress)
        except apsw.Error as error:
            raise translated(error, self.path, "copied") from error
        finally:
            conn.close()

    @contextmanager
    def _reader(self) -> Iterator[apsw.Connection]:
        with self._reader_slots:
            self._check_open()
            with self._reader_lock:
                conn = self._readers.pop() if self._readers else None
            if conn is None:
                conn = connect_reader(self.path, self._vfs)
            try:
                conn.execute("BEGIN")
                try:
                    yield conn
                finally:
                    if conn.in_transaction:
                        conn.execute("ROLLBACK")
            except apsw.Error as error:
                if is_corrupt(error):
                    raise self._damaged() from error
                raise
            finally:
                with self._reader_lock:
                    if self._closed:
                        conn.close()
                    else:
                        self._readers.append(conn)

    # -- closing

    async def close(self) -> None:
        """Commit what waits, then close the connections."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_sync)

    async def drain(self) -> None:
        """Return when everything queued before has been committed or refused, and its callbacks have run."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._writer.submit(Item(self, _nothing, Lane.GROUP, 0, future, loop), bounded=False)
        try:
            await future
        except DiskFull:
            pass  # refused like those before it

    def close_sync(self) -> None:
        """The same, blocking; also after the writer has stopped."""
        if self._refusing:
            return
        self._refusing = True
        future: Future[None] = Future()
        try:
            self._writer.submit(Item(self, _nothing, Lane.GROUP, 0, future, None), bounded=False)
            future.result()
        except DiskFull:
            pass  # everything before was settled, too
        except StoreError:
            pass  # the writer has stopped: nothing of ours is under way
        self._executor.shutdown(wait=True)
        with self._conn_lock:
            self._closed = True
            self._conn.close()
        with self._reader_lock:
            for conn in self._readers:
                conn.close()
            self._readers.clear()

    def _check_open(self) -> None:
        if self._refusing:
            raise StoreError(f"{self.label} is closed")

    # -- the writer's side (Target)

    def hooks(self) -> Sequence[Callable[[], None]]:
        """What to call after a commit."""
        return tuple(self._hooks)

    def execute(self, items: Sequence[Item], urgent: Callable[[], bool]) -> Sequence[Item]:
        """One transaction; see writer.Target."""
        with self._conn_lock:
            if self._closed:
                self._fail(items, lambda: StoreError(f"{self.label} is closed"))
                return ()
            return self._execute(items, urgent)

    def _execute(self, items: Sequence[Item], urgent: Callable[[], bool]) -> Sequence[Item]:
        now = items[0].lane is Lane.NOW
        if self._full and not now:
            self._fail(items, self._no_room)
            return ()
        try:
            return self._transaction(items, urgent)
        except _AbandonedError as abandoned:
            error = abandoned.error
        if not is_full(error):
            self._fail(items, lambda: self._commit_failed(error))
            return ()
        self._enter_full()
        if now:
            try:
                return self._transaction(items, urgent)
            except _AbandonedError as abandoned:
                error = abandoned.error
                if not is_full(error):
                    self._fail(items, lambda: self._commit_failed(error))
                    return ()
        self._fail(items, self._no_room)
        return ()

    def _transaction(self, items: Sequence[Item], urgent: Callable[[], bool]) -> Sequence[Item]:
        conn = self._conn
        left: Sequence[Item] = ()
        self._roll_back()
        try:
            conn.execute("BEGIN IMMEDIATE")
            for index, item in enumerate(items):
                if index and urgent():
                    left = items[index:]
                    break
                if item.future.cancelled():
                    item.error = StoreError("cancelled before it was written")
                else:
                    _run_unit(conn, item)
            conn.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back()
            raise _AbandonedError(error) from error
        if self._failing:
            self._failing = False
            self._writer.clear("store.write", self.label)
        return left

    def _roll_back(self) -> None:
        if self._conn.in_transaction:
            try:
                self._conn.execute("ROLLBACK")
            except apsw.Error as error:
                self._commit_failed(error)  # said as a fault; tried again before the next transaction

    def _fail(self, items: Sequence[Item], make: Callable[[], StoreError]) -> None:
        """Everybody of a failed transaction gets an error; a unit's own one says more."""
        for item in items:
            if item.error is None or is_full(item.error):
                item.error = make()

    def _no_room(self) -> DiskFull:
        return DiskFull(f"no room for {self.label}: nothing was stored; free space on the disk of {self.path.parent}, then send again")

    def _commit_failed(self, error: BaseException) -> StoreError:
        if is_corrupt(error):
            return self._damaged()
        if not self._failing:
            self._failing = True
            self._writer.fault("store.write", self.label, error=type(error).__name__)
        failure = StoreError(f"{self.label} could not be written ({error}): nothing was stored, send again later")
        failure.__cause__ = error
        return failure

    def _damaged(self) -> Corrupt:
        self._writer.fault("store.corrupt", self.label)
        return schema.damaged(self.path)

    # -- no room

    def _enter_full(self) -> None:
        self.ballast.release()
        if not self._full:
            self._full = True
            self._writer.fault("disk.full", self.label, free_bytes=free_bytes(self.path.parent))
        self._writer.sick(self)

    def tend(self) -> bool:
        """Try whether a full database can be written again; True = still full."""
        with self._conn_lock:
            return not self._closed and self._full and self._still_full()

    def _still_full(self) -> bool:
        if not self.ballast.ensure(self.ballast.size) or not self._probe():
            self.ballast.release()
            return True
        self._full = False
        self._writer.clear("disk.full", self.label)
        return False

    def _probe(self) -> bool:
        """Commit something of size and take it back; what a checkpoint can give back is given back first."""
        try:
            self._conn.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)  # any other mode would wait for readers
            with schema.Immediate(self._conn):
                self._conn.execute("INSERT INTO meta_probe(body) VALUES(zeroblob(?))", (PROBE_BYTES,))
            with schema.Immediate(self._conn):
                self._conn.execute("DELETE FROM meta_probe")
        except apsw.Error as error:
            self._roll_back()
            if not is_full(error):
                self._commit_failed(error)  # said as a fault; this database stays as it is, the others go on
            return False
        return True


def _nothing(conn: apsw.Connection) -> None:
    """A unit that only waits for those before it."""


class _AbandonedError(Exception):
    """The whole transaction is gone."""

    def __init__(self, error: apsw.Error) -> None:
        super().__init__(str(error))
        self.error = error


def _run_unit(conn: apsw.Connection, item: Item) -> None:
    """Run a unit in its SAVEPOINT; its failure stays its own unless SQLite gave up the whole transaction or has no room."""
    conn.execute("SAVEPOINT unit")
    item.error = None
    try:
        item.result = item.unit(conn)
    except BaseException as error:
        # A future cannot carry StopIteration: it would end the generator that awaits it.
        item.error = RuntimeError("a unit raised StopIteration") if isinstance(error, StopIteration) else error
        if isinstance(error, apsw.Error) and (is_full(error) or not conn.in_transaction):
            raise
        if not conn.in_transaction:
            raise apsw.AbortError("a unit ended the transaction") from error
        conn.execute("ROLLBACK TO unit")
    if not conn.in_transaction:
        item.error = StoreError("a unit must not end the transaction")
        raise apsw.AbortError("a unit ended the transaction")
    conn.execute("RELEASE unit")
