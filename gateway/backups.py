"""Backups as people see them: what there is and how old it is, one made now with its progress, how one comes back."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import backup as archives
from gateway.clock import NS_PER_S, Clock
from gateway.ops import Ops
from gateway.store import StoreError

SHOWN = 60  # archives
Make = Callable[[bool | None, archives.Progress], dict[str, Any]]  # blocking; returns the archive's path and what was thinned out


@dataclass(slots=True)
class Run:
    """An archive that is being made, or the last one that somebody asked for."""

    since_ns: int
    file: str = ""
    done: int = 0
    of: int = 0
    state: str = "running"  # running, done, failed
    archive: str = ""


class BackupBusy(RuntimeError):
    """One is being made."""


class Backups:
    """One at a time, whether somebody or the clock asked for it."""

    def __init__(self, folder: Path, make: Make, every_s: float, clock: Clock, ops: Ops) -> None:
        self._folder = folder
        self._make = make
        self._every_s = every_s
        self._clock = clock
        self._ops = ops
        self._lock = asyncio.Lock()
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None

    async def due(self) -> None:
        """The one that the clock asks for; raises what it raises."""
        async with self._lock:
            self._run = Run(since_ns=self._clock.now_ns())
            await self._work(self._run, None)

    def begin(self, *, history: bool | None) -> None:
        """Make one now, in the background; BackupBusy while one is being made."""
        if self._lock.locked() or (self._task is not None and not self._task.done()):
            raise BackupBusy
        self._run = Run(since_ns=self._clock.now_ns())
        self._task = asyncio.create_task(self._asked(self._run, history), name="backup")

    async def _asked(self, run: Run, history: bool | None) -> None:
        async with self._lock:
            try:
                await self._work(run, history)
            except (StoreError, OSError) as error:
                self._ops.fault("backup.failed", "backup", reason=type(error).__name__)
            else:
                self._ops.clear("backup.failed", "backup")
                self._ops.counters["backups"] += 1

    async def _work(self, run: Run, history: bool | None) -> None:
        def progress(name: str, done: int, of: int) -> None:
            run.file, run.done, run.of = name, done, of

        try:
            made = await asyncio.to_thread(self._make, history, progress)
        except BaseException:
            run.state = "failed"
            raise
        run.state, run.archive = "done", Path(made["archive"]).name

    async def close(self) -> None:
        """Wait for one that is being made: a half archive is none."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def state(self) -> dict[str, Any]:
        """How old the newest is, how often they are made, and how the one under way stands."""
        newest = await asyncio.to_thread(_newest_ns, self._folder)
        run = self._run
        return {
            "folder": str(self._folder), "every_s": self._every_s, "newest_ms": None if newest is None else newest // 1_000_000,
            "age_s": None if newest is None else max(0.0, (self._clock.now_ns() - newest) / NS_PER_S),
            "run": None if run is None else {
                "state": run.state, "since_ms": run.since_ns // 1_000_000, "file": run.file, "done": run.done, "of": run.of,
                "archive": run.archive,
            },
        }  # fmt: skip

    async def listing(self) -> list[dict[str, Any]]:
        """Archives, newest first, with what is in each."""
        return await asyncio.to_thread(_listing, self._folder)


def _newest_ns(folder: Path) -> int | None:
    found = archives.found(folder)
    return int(found[0][0].timestamp()) * NS_PER_S if found else None


def _listing(folder: Path) -> list[dict[str, Any]]:
    return [_described(path) for _, _, path in archives.found(folder)[:SHOWN]]


def _described(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"name": path.name, "bytes": 0, "created_ms": None, "files": [], "readable": False}
    try:
        row["bytes"] = path.stat().st_size
        with zipfile.ZipFile(path) as bundle:
            content = json.loads(bundle.read(archives.MANIFEST))
        row["created_ms"] = int(content["created_ns"]) // 1_000_000
        row["files"] = [{"name": str(file["name"]), "bytes": int(file["bytes"])} for file in content["files"]]
        row["readable"] = True
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError):
        pass  # it is listed as one that cannot be read
    return row
