"""What every file of the store carries: identity, lineage, versions; how it is made, checked and upgraded.

Format 1: PRAGMA application_id = "ANXN", PRAGMA user_version = 1 (the format of these two tables), and
  meta(key, value)              lineage (UUID; a restored file gets a new one)
  meta_component(name, version) number of migrations of each component that have run
Creation and every upgrade are one transaction each: a file is either as it was or as it should be.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

from gateway.clock import NS_PER_S
from gateway.store.errors import Corrupt, DowngradeRefused, StoreError, is_corrupt

APPLICATION_ID = 0x414E584E  # "ANXN"
FORMAT = 1
UPGRADE_BACKUPS = "upgrade-backups"
UPGRADE_BACKUPS_KEPT = 5  # per file; the hourly backups are the long memory

Migration = str | Callable[[apsw.Connection], None]


@dataclass(frozen=True)
class Component:
    """Tables of one module; `migrations` only ever grows at its end: index + 1 = version."""

    name: str
    migrations: tuple[Migration, ...]


META_COMPONENT = Component(
    "meta",
    (
        """
        CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE meta_component(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE meta_probe(body BLOB NOT NULL) STRICT;
        """,
    ),
)


def make_private(path: Path) -> None:
    """Create an empty file that only its owner may read; SQLite gives its side files the same mode."""
    make_folder(path.parent)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.close(fd)
    path.chmod(0o600)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner may enter, durably, with all above it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_blank(conn: apsw.Connection) -> bool:
    """Whether nothing was ever committed to the file; a first page that damage emptied does not pass for it."""
    tables = conn.execute("SELECT count(*) FROM sqlite_schema").get
    return bool(tables == 0 and conn.pragma("page_count") <= 1 and conn.pragma("application_id") == 0)


def check_identity(conn: apsw.Connection, path: Path) -> None:
    """Refuse files of other programs and of newer versions."""
    if conn.pragma("application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is not a file of Anxin: move it away or choose another data folder")
    found = conn.pragma("user_version")
    if found > FORMAT:
        raise DowngradeRefused(f"{path} has format {found}, this version knows {FORMAT}: install the newer version again")


def check_pages(conn: apsw.Connection, path: Path) -> None:
    """Quick check of the whole file."""
    try:
        result = conn.execute("PRAGMA quick_check(1)").get
    except apsw.Error as error:
        if is_corrupt(error):
            raise damaged(path) from error
        raise
    if result != "ok":
        raise damaged(path)


def damaged(path: Path) -> Corrupt:
    """The error for a damaged file, with the way back."""
    return Corrupt(f"{path} is damaged: keep a copy of it, then bring back the last backup with `anxin restore <backup> <empty folder>`")


def versions(conn: apsw.Connection) -> dict[str, int]:
    """Component name -> version in the file."""
    return dict(conn.execute("SELECT name, version FROM meta_component"))


def lineage(conn: apsw.Connection) -> str:
    """The file's lineage."""
    value = conn.execute("SELECT value FROM meta WHERE key = 'lineage'").get
    if not isinstance(value, str):
        raise StoreError("the file carries no lineage")
    return value


def renew_lineage(conn: apsw.Connection) -> str:
    """Give the file a new lineage, so that nobody takes it for the log that it was copied from."""
    new = str(uuid.uuid4())
    conn.execute("UPDATE meta SET value = ? WHERE key = 'lineage'", (new,))
    return new


def create(conn: apsw.Connection, components: Sequence[Component], created: Callable[[apsw.Connection], None] | None) -> None:
    """Fill a blank file, in one transaction."""
    with Immediate(conn):
        conn.pragma("application_id", APPLICATION_ID)
        conn.pragma("user_version", FORMAT)
        _migrate(conn, META_COMPONENT, 0)
        conn.execute("INSERT INTO meta(key, value) VALUES('lineage', ?)", (str(uuid.uuid4()),))
        _record(conn, META_COMPONENT)
        for component in components:
            _migrate(conn, component, 0)
            _record(conn, component)
        if created is not None:
            created(conn)


def upgrade(conn: apsw.Connection, path: Path, components: Sequence[Component], now_ns: int) -> bool:
    """Bring an existing file to this version after saving a copy; False when there was nothing to do."""
    found = versions(conn)
    wanted = (META_COMPONENT, *components)
    for component in wanted:
        if found.get(component.name, 0) > len(component.migrations):
            raise DowngradeRefused(
                f"{path}: {component.name} has version {found[component.name]}, this version knows {len(component.migrations)}:"
                " install the newer version again, or restore a backup that is older than the upgrade"
            )
    due = [component for component in wanted if found.get(component.name, 0) < len(component.migrations)]
    if not due:
        return False
    save_before_upgrade(conn, path, now_ns)
    with Immediate(conn):
        for component in due:
            _migrate(conn, component, found.get(component.name, 0))
            _record(conn, component)
    return True


def save_before_upgrade(conn: apsw.Connection, path: Path, now_ns: int) -> Path:
    """Copy the file as it is into `upgrade-backups`, and keep the last few."""
    folder = path.parent / UPGRADE_BACKUPS
    stamp = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{path.stem}-{stamp}{path.suffix}"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{stamp}-{number}{path.suffix}"
    copy_file(conn, target)
    old = sorted(folder.glob(f"{path.stem}-*{path.suffix}"), key=lambda found: found.stat().st_mtime_ns)
    for surplus in old[:-UPGRADE_BACKUPS_KEPT]:
        surplus.unlink()
    return target


def copy_file(source: apsw.Connection, target: Path, progress: Callable[[int, int], None] | None = None, pages: int = 1000) -> None:
    """Copy one moment of a database into a new file, checked and synced; the file appears only when it is whole."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    make_private(part)
    conn = apsw.Connection(str(part))
    try:
        # A read transaction pins the moment: commits in between neither enter the copy nor restart it.
        source.execute("BEGIN")
        try:
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with conn.backup("main", source, "main") as copy:
                while not copy.done:
                    copy.step(pages)
                    if progress is not None:
                        progress(copy.page_count - copy.remaining, copy.page_count)
        finally:
            source.execute("ROLLBACK")
        conn.pragma("journal_mode", "delete")  # one file, no side files
        if (result := conn.execute("PRAGMA integrity_check(1)").get) != "ok":
            raise Corrupt(f"the copy of {target.name} is damaged ({result}): check the disk")
    except BaseException:
        conn.close()
        part.unlink(missing_ok=True)
        raise
    conn.close()
    _sync_file(part)
    part.replace(target)
    sync_folder(target.parent)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Immediate:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK on any error."""

    def __init__(self, conn: apsw.Connection) -> None:
        self._conn = conn

    def __enter__(self) -> None:
        self._conn.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._conn.execute("COMMIT")
        elif self._conn.in_transaction:
            self._conn.execute("ROLLBACK")


def _migrate(conn: apsw.Connection, component: Component, done: int) -> None:
    for migration in component.migrations[done:]:
        if isinstance(migration, str):
            conn.execute(migration)
        else:
            migration(conn)


def _record(conn: apsw.Connection, component: Component) -> None:
    conn.execute(
        "INSERT INTO meta_component(name, version) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET version = excluded.version",
        (component.name, len(component.migrations)),
    )
