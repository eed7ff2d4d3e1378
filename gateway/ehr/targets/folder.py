"""A folder of NDJSON: <folder>/<date>/<ResourceType>.ndjson, one line per version of a resource, synced before it counts.

How far each file is valid stands in the outbox's file, in the transaction that marks the lines as done. What a crash left beyond that
is cut off before the next line is written, so that the same lines come once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import apsw
from pydantic import BaseModel, ConfigDict, Field

from gateway.clock import NS_PER_S, Clock
from gateway.ehr.base.target import Entry, Fate, TargetDown, Verdict

KINDS = ("Patient", "Device", "Observation", "DetectedIssue", "Task", "Communication", "Provenance")


class Settings(BaseModel):
    """Of one folder target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["folder"]
    folder: Path | None = None  # default: ehr/ in the data folder
    keep_days: int = Field(default=30, ge=1)  # folders of older days are removed


class FolderTarget:
    """Embedded default target; takes simulated and test data too, labelled HTEST."""

    real = False
    batch = 200

    def __init__(self, name: str, folder: Path, valid: dict[str, int], clock: Clock, keep_days: int = 30) -> None:
        self.name = name
        self._folder = folder
        self._keep_days = keep_days
        self._day = ""
        self._valid = valid  # path in the folder -> bytes that count
        self._pending: dict[str, int] = {}
        self._names: dict[str, str] = {}  # of this day, by kind
        self._clock = clock

    @staticmethod
    def load(conn: apsw.Connection, name: str) -> dict[str, int]:
        """How far each file is valid."""
        rows = conn.execute("SELECT path, bytes FROM folder_file WHERE target = ?", (name,))
        return {str(path): int(size) for path, size in rows}

    async def send(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Append and sync."""
        self._pending.clear()
        lines: dict[str, list[bytes]] = {}
        verdicts = []
        for entry in entries:
            kind = str(entry.resource["resourceType"])
            resource: dict[str, Any] = {"resourceType": kind, "id": entry.uid, **entry.resource}
            lines.setdefault(kind, []).append(json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            verdicts.append(Verdict(fate=Fate.DONE, literal=f"{kind}/{entry.uid}"))
        try:
            for kind, part in lines.items():
                await asyncio.to_thread(self._append, kind, b"".join(part))
        except OSError as error:
            raise TargetDown(error.strerror or type(error).__name__) from error
        return verdicts

    def _append(self, kind: str, data: bytes) -> None:
        name = self._names[kind]
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = min(os.fstat(handle).st_size, self._valid.get(name, 0))
            os.ftruncate(handle, size)
            os.lseek(handle, size, os.SEEK_SET)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        if fresh:
            for folder in (path.parent, self._folder):
                _sync(folder)
        self._pending[name] = size + len(data)

    def reserve(self, conn: apsw.Connection) -> None:
        """Choose the day's files before anything is written; one that is there although nobody here wrote it is left as it is."""
        day = datetime.fromtimestamp(self._clock.now_ns() // NS_PER_S, UTC).strftime("%Y-%m-%d")
        if day == self._day:
            return
        names = {kind: self._free_name(day, kind) for kind in KINDS}
        rows = [(self.name, name) for name in names.values()]
        conn.executemany("INSERT INTO folder_file(target, path, bytes) VALUES(?, ?, 0) ON CONFLICT DO NOTHING", rows)
        self._day, self._names = day, names
        self._drop_old(conn)

    def _free_name(self, day: str, kind: str) -> str:
        for number in itertools.count(1):
            name = f"{day}/{kind}.ndjson" if number == 1 else f"{day}/{kind}-{number}.ndjson"
            if name in self._valid or not (self._folder / name).exists():
                return name
        raise AssertionError  # counting does not end

    def _drop_old(self, conn: apsw.Connection) -> None:
        oldest = datetime.strptime(self._day, "%Y-%m-%d").replace(tzinfo=UTC) - timedelta(days=self._keep_days)
        limit = oldest.strftime("%Y-%m-%d")
        for folder in self._folder.glob("????-??-??"):
            if folder.name < limit:
                shutil.rmtree(folder, ignore_errors=True)
        conn.execute("DELETE FROM folder_file WHERE target = ? AND path < ?", (self.name, limit))

    async def find(self, kind: str, search: str) -> list[str]:
        """A folder holds nobody whom we did not put there."""
        return []

    def commit(self, conn: apsw.Connection) -> None:
        """The lines of the last send count from now on."""
        for name, size in self._pending.items():
            conn.execute("INSERT OR REPLACE INTO folder_file(target, path, bytes) VALUES(?, ?, ?)", (self.name, name, size))
            self._valid[name] = size

    async def close(self) -> None:
        """Nothing is open between sends."""


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
