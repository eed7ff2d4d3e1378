"""Power cuts: a VFS that logs what reaches the disk, and disks as they may look after the power went at any point of it.

Model of a disk: what was written to a file before its last sync is there. Each later write is lost, or there, or torn: of
its 512-byte sectors some are there and some are not; each later truncation is there or not. Names (new and deleted files)
are certain after a sync of the folder, which SQLite does with the first sync of a new log or journal, or on request when
it deletes; before that each deletion is undone or not.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR = 512
LOST, TORN = 0.4, 0.2  # of the unsynced operations; the rest arrives
SIDE_FILES = ("-wal", "-journal")


@dataclass(frozen=True, slots=True)
class Op:
    """One thing that happened: open, write, truncate, sync, names (folder synced), delete, ack."""

    kind: str
    path: str = ""
    offset: int = 0
    data: bytes = b""
    ack: tuple[str, int, str] | None = None  # (log, offset, digest of what was accepted)


@dataclass
class Recording:
    """Everything that happened, in order."""

    root: Path
    ops: list[Op] = field(default_factory=list)

    def ack(self, log: str, offset: int, digest: str) -> None:
        """Note that a caller was told that this is stored."""
        self.ops.append(Op("ack", ack=(log, offset, digest)))


class LoggingVFS(apsw.VFS):
    """The default VFS, with a list of all that it is asked to do to databases below the recording's root."""

    def __init__(self, name: str, recording: Recording) -> None:
        self.recording = recording
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not path.startswith(str(self.recording.root)):
            return super().xOpen(name, flags)
        new = not Path(path).exists()
        self.recording.ops.append(Op("open", path))
        return LoggingFile(name, flags, path, self.recording, names_due=new and path.endswith(SIDE_FILES))

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.recording.ops.append(Op("delete", filename))
        if syncdir:
            self.recording.ops.append(Op("names"))


class LoggingFile(apsw.VFSFile):
    """A file that logs."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], path: str, recording: Recording, names_due: bool) -> None:
        self._path = path
        self._ops = recording.ops
        self._names_due = names_due
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._ops.append(Op("write", self._path, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._ops.append(Op("truncate", self._path, newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._ops.append(Op("sync", self._path))
        if self._names_due:
            self._ops.append(Op("names"))
            self._names_due = False


class _Node:
    """A file's content and what has not been synced of it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.pending: list[Op] = []

    def apply(self, op: Op) -> None:
        if op.kind == "truncate":
            del self.data[op.offset :]
            self.data.extend(b"\0" * (op.offset - len(self.data)))
            return
        end = op.offset + len(op.data)
        self.data.extend(b"\0" * (end - len(self.data)))
        self.data[op.offset : end] = op.data

    def sync(self) -> None:
        for op in self.pending:
            self.apply(op)
        self.pending.clear()

    def cut(self, rng: random.Random) -> bytes:
        for op in self.pending:
            chance = rng.random()
            if chance < LOST:
                continue
            if chance < LOST + TORN and op.kind == "write":
                for part in _sectors(op):
                    if rng.random() < 0.5:
                        self.apply(part)
            else:
                self.apply(op)
        return bytes(self.data)


def _sectors(op: Op) -> list[Op]:
    parts = []
    at = op.offset
    while at < op.offset + len(op.data):
        end = min((at // SECTOR + 1) * SECTOR, op.offset + len(op.data))
        parts.append(Op("write", op.path, at, op.data[at - op.offset : end - op.offset]))
        at = end
    return parts


class Disk:
    """Follows a recording and can lose power at any time."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._deleted: dict[str, _Node] = {}  # may come back until the folder is synced
        self.acks: list[tuple[str, int, str]] = []

    def feed(self, op: Op) -> None:
        """Let one more thing happen."""
        if op.kind == "ack" and op.ack is not None:
            self.acks.append(op.ack)
        elif op.kind == "names":
            self._deleted.clear()
        elif op.kind == "delete":
            if op.path in self._nodes:
                self._deleted[op.path] = self._nodes.pop(op.path)
        elif op.kind == "open":
            self._nodes.setdefault(op.path, _Node())
        elif op.kind == "sync":
            self._nodes[op.path].sync()
        elif op.path in self._nodes:
            self._nodes[op.path].pending.append(op)

    def lose_power(self, rng: random.Random) -> dict[str, bytes]:
        """Files as they are found afterwards; the disk itself is used up."""
        found = {path: node.cut(rng) for path, node in self._nodes.items()}
        for path, node in self._deleted.items():
            if path not in found and rng.random() < 0.5:
                found[path] = node.cut(rng)
        return found


def disk_at(recording: Recording, point: int, rng: random.Random) -> tuple[dict[str, bytes], list[tuple[str, int, str]]]:
    """Files after a power cut behind the first `point` operations, and what had been acknowledged by then."""
    disk = Disk()
    for op in recording.ops[:point]:
        disk.feed(op)
    return disk.lose_power(rng), disk.acks
