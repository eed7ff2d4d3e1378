"""Opening files: the connection's settings, checks, creation and upgrade, errors in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from gateway.clock import Clock
from gateway.store import schema
from gateway.store.errors import DiskFull, StoreError, is_corrupt, is_full
from gateway.store.schema import Component

BUSY_MS = 5_000  # another process (a command) may be writing
WAL_KEEP_BYTES = 16 << 20  # a log that grew in a storm is cut back to this


def open_checked(
    path: Path,
    clock: Clock,
    components: Sequence[Component],
    synchronous: str,
    vfs: str | None,
    check: bool,
    created: Callable[[apsw.Connection], None] | None,
) -> apsw.Connection:
    """Write connection of a file that is ready for use."""
    schema.make_private(path)
    conn = apsw.Connection(str(path), vfs=vfs)
    try:
        _configure(conn)
        if schema.is_blank(conn):
            conn.pragma("journal_mode", "wal")
            conn.pragma("synchronous", synchronous)
            schema.create(conn, components, created)
            return conn
        schema.check_identity(conn, path)
        if check:
            schema.check_pages(conn, path)
        conn.pragma("journal_mode", "wal")
        conn.pragma("synchronous", synchronous)
        schema.upgrade(conn, path, components, clock.now_ns())
        return conn
    except BaseException:
        conn.close()
        raise


def _configure(conn: apsw.Connection) -> None:
    conn.set_busy_timeout(BUSY_MS)
    conn.pragma("foreign_keys", True)
    conn.pragma("trusted_schema", False)
    conn.pragma("journal_size_limit", WAL_KEEP_BYTES)


def connect_reader(path: Path, vfs: str | None) -> apsw.Connection:
    """Connection that cannot change anything."""
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    conn.set_busy_timeout(BUSY_MS)
    conn.pragma("query_only", True)
    conn.pragma("trusted_schema", False)
    return conn


def translated(error: apsw.Error | UnicodeDecodeError, path: Path, verb: str) -> StoreError:
    """What went wrong with a file, and what to do."""
    if is_corrupt(error):
        return schema.damaged(path)
    if is_full(error):
        return DiskFull(f"{path} cannot be {verb}: no room; free space on its disk")
    return StoreError(f"{path} cannot be {verb}: {error}")
