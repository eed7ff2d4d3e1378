"""Received, stored, twice, refused, lost: what becomes of what devices send, from their own numbering and from the journal.

"Lost" is computed from the gaps in each device's sequence, never from counters of ours; a device that does not number its messages, or
numbers them wrongly, gets "cannot tell".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import deadletter
from gateway.identity import Identity, JournalView
from gateway.journal import Extent, JournalReader
from gateway.readings import StoredBlock
from gateway.sequence import Run, Standing
from gateway.store import Database

CANNOT_TELL = "cannot tell"
GAPS_SHOWN = 20
BLOCKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """What the journal itself says."""

    frames: int
    twice: int  # frames that stand in it a second time
    unnumbered: int
    runs: Mapping[tuple[str, str], Run]


class JournalFiles:
    """The journal of a folder that no gateway writes, for reading only."""

    def __init__(self, folder: Path) -> None:
        self._reader = JournalReader(folder)
        segments = self._reader.segments()
        self.lineage = segments[-1].lineage if segments else ""
        self.head = self.extent().head

    def read_sync(self, offset: int, limit_blocks: int = BLOCKS) -> list[StoredBlock]:
        """Blocks whose last entry is at or after `offset`."""
        return self._reader.blocks(offset, limit_blocks)

    def extent(self) -> Extent:
        """What the journal holds."""
        return Extent(*self._reader.extent())

    def close(self) -> None:
        """Close the files."""
        self._reader.close()


class Ledger:
    """The books over the journal, the identity file and the dead letters."""

    def __init__(self, journal: JournalView, identity: Identity, store: Database) -> None:
        self._journal = journal
        self._identity = identity
        self._store = store

    async def summary(self) -> dict[str, Any]:
        """One row per device and the totals; numbers are messages."""
        letters = await self._store.read(deadletter.numbered)
        counts = await self._store.read(deadletter.counts)
        dead = Counter((device, boot_id) for device, boot_id, _, _ in letters)
        by_device: dict[str, list[Run]] = {device: [] for device in self._identity.devices}
        for run in await self._identity.all_runs():
            by_device.setdefault(run.device, []).append(run)
        rows = [_row(device, runs, dead) for device, runs in sorted(by_device.items())]
        told = [row for row in rows if row["lost"] != CANNOT_TELL]
        total = {
            "devices": len(rows),
            "received": sum(row["received"] for row in rows),
            "stored": sum(row["stored"] for row in rows),
            "duplicate": sum(row["duplicate"] for row in rows),
            "dead_letter": sum(counts.values()),
            "lost": sum(row["lost"] for row in told),
            "cannot_tell": len(rows) - len(told),
        }
        return {"devices": rows, "total": total, "dead_letters": counts}

    async def recount(self) -> dict[str, Any]:
        """Count again from the journal alone and compare; takes a while."""
        found = await asyncio.to_thread(recount, self._journal)
        differs = []
        for key, run in found.runs.items():
            known = self._identity.runs.get(key)
            if known is not None and known.epoch == 0 and known.high < run.high:
                differs.append({"device": key[0], "boot_id": key[1], "journal": run.high, "identity": known.high})
        return {"frames": found.frames, "twice": found.twice, "unnumbered": found.unnumbered, "differs": differs[:GAPS_SHOWN]}


def recount(journal: JournalView) -> Recount:
    """Walk the whole journal."""
    runs: dict[tuple[str, str], Run] = {}
    frames = twice = unnumbered = 0
    offset = journal.extent().first
    while blocks := journal.read_sync(offset, BLOCKS):
        for block in blocks:
            for frame in block.readings.frames if block.readings is not None else ():
                frames += 1
                if frame.boot_id is None or frame.seq is None:
                    unnumbered += 1
                    continue
                run = runs.get((frame.device, frame.boot_id))
                if run is None:
                    run = runs[frame.device, frame.boot_id] = Run(frame.device, frame.boot_id, first=-1)
                digest = hash(frame.payload)
                twice += run.standing(frame.seq, digest, None) is Standing.KNOWN
                run.take(frame.seq, digest, frame.t_received_ns, None)
        offset = blocks[-1].last + 1
    return Recount(frames=frames, twice=twice, unnumbered=unnumbered, runs=runs)


def _row(device: str, runs: list[Run], dead: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    received = sum(run.received for run in runs)
    letters = sum(dead.get((run.device, run.boot_id), 0) for run in runs)
    trusted = bool(runs) and all(run.trusted for run in runs)
    gaps = [f"{run.boot_id}:{low}-{high}" for run in runs for low, high in run.gaps if high >= run.first]
    note = "" if trusted else "numbers used twice" if runs else "no sequence numbers"
    return {
        "device": device,
        "boots": len(runs),
        "received": received,
        "stored": max(0, received - letters),
        "duplicate": sum(run.duplicates for run in runs),
        "dead_letter": letters,
        "lost": sum(run.missing for run in runs) if trusted else CANNOT_TELL,
        "note": note or " ".join(gaps[:GAPS_SHOWN]),
    }
