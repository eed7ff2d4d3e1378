"""Backups: one moment of the store in one archive, checked; a restore makes a new lineage in an empty folder.

Archive format 1: a zip with `manifest.json` {format, created_ns, files: [{name, bytes, sha256, database}]} and the files
under their names in the data folder. Databases are copied by SQLite's online backup, so the gateway may go on writing.
The store, its keys and the outbox of the health record go into every archive. The history is large and only grows at its end: it goes into
the archives whose names say so, which a restore of any other archive takes it from.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.store import Corrupt, DowngradeRefused, StoreError, schema

FORMAT = 1
STORE = "store.sqlite"
MANIFEST = "manifest.json"
KEEP = (7, 4, 12)  # newest of each day, week and month that have one
_CHUNK = 1 << 20
_MANIFEST_BYTES = 1 << 20
HISTORY = "history.sqlite"
KEEP_HISTORY = 2  # newest archives with the history
_NAME = re.compile(r"anxin-(\d{8}T\d{6})Z(-\d+)?(\.history)?\.zip")
_MAGIC = b"SQLite format 3\0"

Progress = Callable[[str, int, int], None]  # (file, done, of)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A file of an archive."""

    name: str
    bytes: int
    sha256: str
    database: bool


def backup(data_dir: Path, target: Path, *, clock: Clock, others: Sequence[str] = (), progress: Progress | None = None) -> Path:
    """Write an archive of store.sqlite and `others` (names in the data folder) into the folder `target`; returns its path."""
    names = (STORE, *others)
    size = 0
    for name in names:
        if not (data_dir / _safe(name)).is_file():
            raise StoreError(f"{data_dir / name} is not there: nothing was backed up")
        size += (data_dir / name).stat().st_size
    schema.make_folder(target)
    if shutil.disk_usage(target).free < 2 * size:  # a copy and the archive
        raise StoreError(f"{target} has no room for a backup of {size >> 20} MiB: nothing was backed up")
    now_ns = clock.now_ns()
    archive = _free_name(target, now_ns, ".history" if HISTORY in names else "")
    part = archive.with_name(archive.name + ".part")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=target) as scratch:
            fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
                entries = [_add(bundle, data_dir / name, name, Path(scratch), progress) for name in names]
                bundle.writestr(MANIFEST, _manifest(now_ns, entries))
            _sync(part)
        part.replace(archive)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    schema.sync_folder(target)
    return archive


def restore(archive: Path, folder: Path, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Bring an archive back into an empty folder, check it, give each database a new lineage; returns the files' names.

    The history comes from the newest archive beside it that has one and is no younger.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is not empty: restore into an empty folder, then point the gateway to it")
    made = not folder.exists()
    schema.make_folder(folder)
    try:
        with zipfile.ZipFile(archive) as bundle:
            entries = _read_manifest(bundle, archive)
            for entry in entries:
                _extract(bundle, entry, folder / entry.name, progress)
        if all(entry.name != HISTORY for entry in entries) and (other := _history_beside(archive)) is not None:
            with zipfile.ZipFile(other) as bundle:
                added = [entry for entry in _read_manifest(bundle, other) if entry.name == HISTORY]
                for entry in added:
                    _extract(bundle, entry, folder / entry.name, progress)
            entries += added
        for entry in entries:
            if entry.database:
                _renew(folder / entry.name)
    except BaseException as error:
        _empty(folder, made)
        if isinstance(error, zipfile.BadZipFile | KeyError | OSError):
            raise StoreError(f"{archive} cannot be restored: {error}") from error
        raise
    schema.sync_folder(folder)
    return tuple(entry.name for entry in entries)


def prune(target: Path, keep: tuple[int, int, int] = KEEP) -> tuple[str, ...]:
    """Remove archives beyond the newest of the last `keep` days, weeks and months; returns the removed names."""
    everything = found(target)
    with_history = [one for one in everything if _has_history(one[2])]
    without = [one for one in everything if not _has_history(one[2])]
    kept = {path for _, _, path in with_history[:KEEP_HISTORY]}
    for count, period in zip(keep, ("%Y-%m-%d", "%G-%V", "%Y-%m"), strict=True):
        newest: dict[str, Path] = {}
        for stamp, _, path in without:
            newest.setdefault(stamp.strftime(period), path)
        kept.update(list(newest.values())[:count])
    removed = [path for _, _, path in everything if path not in kept]
    for path in removed:
        path.unlink()
    return tuple(path.name for path in removed)


def history_age_s(target: Path, now_ns: int) -> float | None:
    """How old the newest archive with the history is; None without one."""
    stamps = [stamp for stamp, _, path in found(target) if _has_history(path)]
    return now_ns / NS_PER_S - stamps[0].timestamp() if stamps else None


def found(target: Path) -> list[tuple[datetime, int, Path]]:
    """(moment, number within the second, path) of the archives in a folder, newest first."""
    rows: list[tuple[datetime, int, Path]] = []
    for path in target.iterdir() if target.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            stamp = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            rows.append((stamp, int((match[2] or "-1")[1:]), path))
    return sorted(rows, reverse=True)


def _has_history(path: Path) -> bool:
    return path.name.endswith(".history.zip")


def _history_beside(archive: Path) -> Path | None:
    """The newest archive with the history in the same folder that is no younger."""
    match = _NAME.fullmatch(archive.name)
    if match is None:
        return None
    moment = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return next((path for stamp, _, path in found(archive.parent) if _has_history(path) and stamp <= moment), None)


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or name == MANIFEST:
        raise StoreError("a backup holds a name that leads out of the data folder")
    return path


def _free_name(target: Path, now_ns: int, more: str) -> Path:
    stamp = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    archive = target / f"anxin-{stamp}{more}.zip"
    number = 1
    while archive.exists():
        number += 1
        archive = target / f"anxin-{stamp}-{number}{more}.zip"
    return archive


def _add(bundle: zipfile.ZipFile, path: Path, name: str, scratch: Path, progress: Progress | None) -> _Entry:
    database = _is_database(path)
    source = path
    if database:
        source = scratch / "copy.sqlite"
        _copy_database(path, source, None if progress is None else lambda done, of: progress(name, done, of))
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as data, bundle.open(zipfile.ZipInfo(name), "w", force_zip64=True) as out:
        while chunk := data.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
    if database:
        source.unlink()
    return _Entry(name=name, bytes=size, sha256=digest.hexdigest(), database=database)


def _is_database(path: Path) -> bool:
    with path.open("rb") as data:
        return data.read(len(_MAGIC)) == _MAGIC


def _copy_database(path: Path, target: Path, progress: Callable[[int, int], None] | None) -> None:
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        conn.set_busy_timeout(5_000)
        conn.pragma("query_only", True)
        schema.check_identity(conn, path)
        schema.copy_file(conn, target, progress)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise StoreError(f"{path} could not be backed up: {error}") from error
    finally:
        conn.close()


def _manifest(now_ns: int, entries: Sequence[_Entry]) -> str:
    files = [{"name": entry.name, "bytes": entry.bytes, "sha256": entry.sha256, "database": entry.database} for entry in entries]
    return json.dumps({"format": FORMAT, "created_ns": now_ns, "files": files}, indent=1)


def _read_manifest(bundle: zipfile.ZipFile, archive: Path) -> list[_Entry]:
    if bundle.getinfo(MANIFEST).file_size > _MANIFEST_BYTES:
        raise StoreError(f"{archive} is not a backup of Anxin")
    try:
        content: dict[str, Any] = json.loads(bundle.read(MANIFEST))
        version = int(content["format"])
        if version > FORMAT:
            raise DowngradeRefused(f"{archive} has format {version}, this version knows {FORMAT}: install the newer version")
        entries = [_Entry(**file) for file in content["files"]]
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{archive} is not a backup of Anxin: its manifest cannot be read") from error
    for entry in entries:
        _safe(entry.name)
    return entries


def _extract(bundle: zipfile.ZipFile, entry: _Entry, target: Path, progress: Progress | None) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as out, bundle.open(entry.name) as data:
        while (chunk := data.read(_CHUNK)) and size <= entry.bytes:
            size += _write(out, chunk, digest)
            if progress is not None:
                progress(entry.name, size, entry.bytes)
        out.flush()
        os.fsync(out.fileno())
    if size != entry.bytes or digest.hexdigest() != entry.sha256:
        raise Corrupt(f"{entry.name} in the backup is damaged: use an older backup")


def _write(out: BinaryIO, chunk: bytes, digest: hashlib._Hash) -> int:
    out.write(chunk)
    digest.update(chunk)
    return len(chunk)


def _renew(path: Path) -> None:
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        schema.check_identity(conn, path)
        if conn.execute("PRAGMA integrity_check(1)").get != "ok":
            raise Corrupt(f"{path.name} in the backup is damaged: use an older backup")
        conn.pragma("synchronous", "FULL")
        with schema.Immediate(conn):
            schema.renew_lineage(conn)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise Corrupt(f"{path.name} in the backup cannot be read ({error}): use an older backup") from error
    finally:
        conn.close()


def _empty(folder: Path, made: bool) -> None:
    """Leave nothing of a failed restore behind."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if made:
        folder.rmdir()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
