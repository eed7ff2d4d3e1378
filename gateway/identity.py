"""What has been received before: sequence runs per (device, boot) and a table of digests, in identity.sqlite.

The journal is the truth. This file is a checkpoint of what follows from it, caught up from the journal before the doors open, so that
the hot path writes nothing here. A `Claim` holds what one batch is about to store; until it ends, the same message in another
batch is PENDING: its fate depends on the first one's commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Protocol

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.journal import Extent
from gateway.ops import Ops
from gateway.readings import FrameRow, StoredBlock
from gateway.sequence import Run, Standing
from gateway.store import Component, Database, StoreError, Writer, cursor

MAX_RUNS = 50_000  # kept in memory; others are read when they are needed
MAX_HASHES = 200_000
CHECKPOINT_S = 10.0
CHECKPOINT_ROWS = 20_000  # changed rows that do not wait for the next checkpoint
KEEP_RUN_S = 400 * 86_400
FOR_EVER = 0

COMPONENT = Component(
    "identity",
    (
        """
        CREATE TABLE identity_run(
            device TEXT NOT NULL, boot_id TEXT NOT NULL, last_ns INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(device, boot_id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE identity_hash(h INTEGER PRIMARY KEY, expires_ns INTEGER NOT NULL) STRICT;
        CREATE TABLE identity_device(device TEXT PRIMARY KEY, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """,
    ),
)

RunKey = tuple[str, str]
Numbered = tuple[str, str, int, int]  # device, boot id, sequence number, t_received_ns
LETTER_DIGEST = -1  # digests below zero are dead letters'; this one's bytes are not known any more
Hashes = Sequence[tuple[int, int]]  # (digest, expires_ns; 0 = never)
_PLAIN = (
    "first", "floor", "high", "given_up", "skipped", "lost_before", "epoch", "duplicates", "first_ns", "last_ns",
    "t_device_ns", "offset_ns", "offset_at_ns",
)  # fmt: skip


class JournalView(Protocol):
    """What is needed of the journal."""

    lineage: str
    head: int

    def read_sync(self, offset: int, limit_blocks: int = 100) -> list[StoredBlock]:
        """Blocks whose last entry is at or after `offset`."""
        ...

    def extent(self) -> Extent:
        """What the journal holds."""
        ...


class Pending(Enum):
    """The message is in another batch that is being stored: what it is depends on that commit."""

    PENDING = "pending"


@dataclass(slots=True, eq=False)
class Claim:
    """What one batch is about to store."""

    low: int  # nothing of it stands in the journal before this offset
    taken: list[tuple[Run, int, int, int, int | None]] = field(default_factory=list)  # run, seq, digest, t_received_ns, t_device_ns
    restarted: set[int] = field(default_factory=set)  # id() of runs that count anew with this batch
    hashes: list[tuple[int, int]] = field(default_factory=list)
    devices: dict[str, tuple[int, int]] = field(default_factory=dict)  # device -> first and last reception


class Identity:
    """Judges messages and remembers what was stored."""

    def __init__(self, db: Database, clock: Clock, ops: Ops) -> None:
        self.runs: dict[RunKey, Run] = {}
        self.devices: dict[str, tuple[int, int]] = {}
        self._db = db
        self._clock = clock
        self._ops = ops
        self._hashes: dict[int, int] = {}
        self._pending: dict[tuple[str, str, int], tuple[Claim, int]] = {}  # -> digest
        self._pending_hashes: dict[int, Claim] = {}
        self._claims: set[Claim] = set()
        self._dirty_runs: set[RunKey] = set()
        self._dirty_hashes: set[int] = set()
        self._dirty_devices: set[str] = set()
        self._journal: JournalView | None = None
        self._letter = 0  # id of the last dead letter that is accounted for

    @staticmethod
    def open(path: Path, writer: Writer, clock: Clock, ops: Ops) -> Identity:
        """Open the file and what of it belongs into memory."""
        identity = Identity(Database.open(path, writer, (COMPONENT, cursor.COMPONENT)), clock, ops)
        identity._db.read_sync(identity._load)
        return identity

    def _load(self, conn: apsw.Connection) -> None:
        seen = conn.execute("SELECT device, first_ns, last_ns FROM identity_device")
        self.devices = {device: (first_ns, last_ns) for device, first_ns, last_ns in seen}
        newest = "SELECT device, boot_id, body FROM identity_run ORDER BY last_ns DESC LIMIT ?"
        for device, boot_id, body in conn.execute(newest, (MAX_RUNS // 2,)):
            self.runs[device, boot_id] = _unpack(device, boot_id, body)

    def catch_up(self, journal: JournalView, hashes_of: Callable[[FrameRow], Hashes], letters: Iterable[Numbered] = ()) -> int:
        """Take in what the journal holds beyond the checkpoint, and the dead letters kept; returns the number of messages.

        Called before the doors open.
        """
        self._journal = journal
        place = self._db.read_sync(lambda conn: cursor.get(conn, "journal"))
        offset = place[1] if place is not None and place[0] == journal.lineage else 0
        offset = max(offset, journal.extent().first)
        count = 0
        while blocks := journal.read_sync(offset, 100):
            for block in blocks:
                for row in block.readings.frames if block.readings is not None else ():
                    self._recall(row, hashes_of(row))
                    count += 1
            offset = blocks[-1].last + 1
        for device, boot_id, seq, t_received_ns in letters:
            run = self._db.read_sync(partial(self._fetch, device=device, boot_id=boot_id))
            if run.standing(seq, LETTER_DIGEST, None) is Standing.NEW:
                self._take(run, seq, LETTER_DIGEST, t_received_ns, None)
        return count

    def _recall(self, row: FrameRow, hashes: Hashes) -> None:
        if row.boot_id is not None and row.seq is not None:
            run = self._db.read_sync(partial(self._fetch, device=row.device, boot_id=row.boot_id))
            digest = digest_of(row.payload)
            if run.standing(row.seq, digest, row.t_device_ns) is Standing.RESTARTED:
                run.restart()
            self._take(run, row.seq, digest, row.t_received_ns, row.t_device_ns)
        for h, expires_ns in hashes:
            self._remember(h, expires_ns)
        self._see(row.device, row.t_received_ns, row.t_received_ns)

    # -- judging

    def claim(self) -> Claim:
        """Begin a batch."""
        claim = Claim(low=0 if self._journal is None else self._journal.head)
        self._claims.add(claim)
        return claim

    def lacks(self, keys: Collection[RunKey], hashes: Collection[int]) -> bool:
        """Whether `load` has to be awaited before judging these."""
        return any(key not in self.runs for key in keys) or any(h not in self._hashes for h in hashes)

    async def load(self, keys: Collection[RunKey], hashes: Collection[int]) -> None:
        """Read from disk what memory does not hold of these; unknown runs are made."""
        missing = [key for key in keys if key not in self.runs]
        asked = [h for h in hashes if h not in self._hashes]

        def read(conn: apsw.Connection) -> tuple[list[tuple[str, str, str]], list[tuple[int, int]]]:
            rows = [(*key, body) for key in missing for (body,) in conn.execute(_RUN, key)]
            return rows, [(h, expires) for h in asked for (expires,) in conn.execute(_HASH, (h,))]

        rows, found = await self._db.read(read)
        for device, boot_id, body in rows:
            self.runs.setdefault((device, boot_id), _unpack(device, boot_id, body))
        for device, boot_id in missing:
            self._make(device, boot_id)
        for h, expires_ns in found:
            self._hashes.setdefault(h, expires_ns)

    def judge(self, claim: Claim, run: Run, seq: int, digest: int, t_received_ns: int, t_device_ns: int | None) -> Standing | Pending:
        """What a message with a sequence number is; NEW and RESTARTED are claimed."""
        key = (run.device, run.boot_id, seq)
        held = self._pending.get(key)
        if held is None:
            standing = Standing.NEW if id(run) in claim.restarted else run.standing(seq, digest, t_device_ns)
            former = run.recent.get(seq)
        elif held[0] is not claim:
            return Pending.PENDING
        else:
            former = held[1]
            standing = Standing.KNOWN if former == digest else Standing.REUSED
        if standing is Standing.NEW or standing is Standing.RESTARTED:
            self._pending[key] = (claim, digest)
            claim.taken.append((run, seq, digest, t_received_ns, t_device_ns))
        if standing is Standing.RESTARTED:
            claim.restarted.add(id(run))
        if standing is Standing.KNOWN:
            run.duplicates += 1
            self._dirty_runs.add((run.device, run.boot_id))
        elif standing is not Standing.NEW and digest >= 0 and (former is None or former >= 0):
            self._ops.fault("sequence.reused", run.device)
        return standing

    def judge_hash(self, claim: Claim, h: int, expires_ns: int, t_received_ns: int) -> bool | Pending:
        """Whether a digest is known; an unknown one is claimed."""
        holder = self._pending_hashes.get(h)
        if holder is not None:
            return True if holder is claim else Pending.PENDING
        known = self._hashes.get(h)
        if known is not None and (known == FOR_EVER or t_received_ns <= known):
            return True
        self._pending_hashes[h] = claim
        claim.hashes.append((h, expires_ns))
        return False

    def busy(self, claim: Claim, hashes: Iterable[int]) -> bool:
        """Whether another batch is storing one of these."""
        return any(self._pending_hashes.get(h, claim) is not claim for h in hashes)

    def see(self, claim: Claim, device: str, t_received_ns: int) -> None:
        """The batch holds something of this device."""
        first, last = claim.devices.get(device, (t_received_ns, t_received_ns))
        claim.devices[device] = (min(first, t_received_ns), max(last, t_received_ns))

    def commit(self, claim: Claim) -> None:
        """The batch is durable."""
        for run, seq, digest, t_received_ns, t_device_ns in claim.taken:
            if claim.restarted and id(run) in claim.restarted:
                claim.restarted.discard(id(run))
                run.restart()
            self._take(run, seq, digest, t_received_ns, t_device_ns)
        for h, expires_ns in claim.hashes:
            self._remember(h, expires_ns)
        for device, (first, last) in claim.devices.items():
            self._see(device, first, last)
        self._end(claim)

    def abort(self, claim: Claim) -> None:
        """The batch was not stored: everything in it stays unknown."""
        self._end(claim)

    def _end(self, claim: Claim) -> None:
        for run, seq, *_ in claim.taken:
            self._pending.pop((run.device, run.boot_id, seq), None)
        for h, _ in claim.hashes:
            self._pending_hashes.pop(h, None)
        self._claims.discard(claim)

    def _take(self, run: Run, seq: int, digest: int, t_received_ns: int, t_device_ns: int | None) -> None:
        if run.high < 0 and not run.gaps and run.first < 0:
            run.first = seq  # counting begins here: what the device sent before our time is no loss
        run.take(seq, digest, t_received_ns, t_device_ns)
        self._dirty_runs.add((run.device, run.boot_id))

    def _remember(self, h: int, expires_ns: int) -> None:
        self._hashes[h] = expires_ns
        self._dirty_hashes.add(h)

    def _see(self, device: str, first_ns: int, last_ns: int) -> None:
        known = self.devices.get(device)
        self.devices[device] = (first_ns, last_ns) if known is None else (min(known[0], first_ns), max(known[1], last_ns))
        self._dirty_devices.add(device)

    def _make(self, device: str, boot_id: str) -> Run:
        """A run that nobody has seen; only a device's very first one may begin in the middle."""
        run = self.runs.get((device, boot_id))
        if run is None:
            run = self.runs[device, boot_id] = Run(device, boot_id, first=0 if device in self.devices else -1)
        return run

    def _fetch(self, conn: apsw.Connection, device: str, boot_id: str) -> Run:
        if (device, boot_id) not in self.runs:
            for (body,) in conn.execute(_RUN, (device, boot_id)):
                self.runs[device, boot_id] = _unpack(device, boot_id, body)
        return self._make(device, boot_id)

    # -- the checkpoint

    async def run(self) -> None:
        """Write a checkpoint every few seconds, until cancelled."""
        while True:
            for _ in range(int(CHECKPOINT_S)):
                await self._clock.sleep(1.0)
                if len(self._dirty_hashes) + len(self._dirty_runs) >= CHECKPOINT_ROWS:
                    break
            try:
                await self.checkpoint()
            except StoreError:
                self._ops.counters["identity.checkpoint_failed"] += 1  # the store says why; the journal still holds everything

    async def checkpoint(self) -> None:
        """Write what has changed, with the place in the journal up to which it is complete."""
        journal = self._journal
        if journal is None:
            return
        upto = min((claim.low for claim in self._claims), default=journal.head)
        keys, hashes, devices = self._dirty_runs, self._dirty_hashes, self._dirty_devices
        runs = [(*key, self.runs[key].last_ns, _pack(self.runs[key])) for key in keys]
        digests = [(h, self._hashes[h]) for h in hashes]
        seen = [(device, *self.devices[device]) for device in devices]
        self._dirty_runs, self._dirty_hashes, self._dirty_devices = set(), set(), set()
        now_ns, lineage = self._clock.now_ns(), journal.lineage

        def write(conn: apsw.Connection) -> None:
            conn.executemany("INSERT OR REPLACE INTO identity_run(device, boot_id, last_ns, body) VALUES(?, ?, ?, ?)", runs)
            conn.executemany("INSERT OR REPLACE INTO identity_hash(h, expires_ns) VALUES(?, ?)", digests)
            conn.executemany("INSERT OR REPLACE INTO identity_device(device, first_ns, last_ns) VALUES(?, ?, ?)", seen)
            conn.execute(_EXPIRED, (now_ns,))
            conn.execute("DELETE FROM identity_run WHERE last_ns < ?", (now_ns - KEEP_RUN_S * NS_PER_S,))
            cursor.put(conn, "journal", lineage, upto)

        try:
            await self._db.write(write, rows=len(runs) + len(digests) + len(seen) + 1)
        except BaseException:
            self._dirty_runs |= keys
            self._dirty_hashes |= hashes
            self._dirty_devices |= devices
            raise
        self._trim()

    def _trim(self) -> None:
        """Memory keeps what is new, waits for a checkpoint or is being stored; the rest is read when it is asked for."""
        if len(self._hashes) > MAX_HASHES:
            self._hashes = {h: self._hashes[h] for h in self._dirty_hashes}
        if len(self.runs) > MAX_RUNS and not self._claims:
            fresh = sorted(self.runs, key=lambda key: self.runs[key].last_ns)[-MAX_RUNS // 2 :]
            self.runs = {key: self.runs[key] for key in self._dirty_runs.union(fresh)}

    async def all_runs(self) -> list[Run]:
        """Every run that is known, on disk or in memory."""
        rows = await self._db.read(lambda conn: list(conn.execute("SELECT device, boot_id, body FROM identity_run")))
        return [*self.runs.values(), *(_unpack(*row) for row in rows if (row[0], row[1]) not in self.runs)]

    async def close(self) -> None:
        """Write the last checkpoint and close the file."""
        try:
            await self.checkpoint()
        finally:
            await self._db.close()


_RUN = "SELECT body FROM identity_run WHERE device = ? AND boot_id = ?"
_HASH = "SELECT expires_ns FROM identity_hash WHERE h = ?"
_EXPIRED = "DELETE FROM identity_hash WHERE h IN (SELECT h FROM identity_hash WHERE expires_ns BETWEEN 1 AND ? LIMIT 5000)"


def digest_of(payload: bytes, *, letter: bool = False) -> int:
    """Tells messages with one number apart, in this process; below zero for a dead letter."""
    digest = hash(payload) & 0x3FFF_FFFF_FFFF_FFFF
    return -2 - digest if letter else digest


def _pack(run: Run) -> str:
    return json.dumps({**{name: getattr(run, name) for name in _PLAIN}, "gaps": run.gaps}, separators=(",", ":"))


def _unpack(device: str, boot_id: str, body: str) -> Run:
    values = json.loads(body)
    gaps = [(low, high) for low, high in values.pop("gaps")]
    return Run(device, boot_id, gaps=gaps, **values)
