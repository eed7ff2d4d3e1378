"""The sink: batches of lines, a place that moves after the 204 only, poisoned lines found by halving and kept apart.

An answer that says "never" (400, 413, 422) is taken apart until single lines remain; those are kept as dead letters with the place, in
one transaction, and the rest goes on. A server that refuses almost everything is not fed to the dead letters: that is a wrong server,
a wrong bucket or a conflict of types, said as a fault, and the journal keeps all of it. Any other answer, or none, is "later".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import apsw

from gateway.clock import Clock
from gateway.history.base import MISSED_FAULT, Batch, Kept, Rejected, SinkDown, WriteResult, begin_of, time_of
from gateway.history.influx.client import Door, Refused
from gateway.history.influx.lines import Unfit, of_block, of_piece
from gateway.ops import Ops
from gateway.store import Component, Database, StoreError, cursor

JOURNAL = "journal"
MAX_LETTERS = 10_000  # more are counted, not kept
MAX_REFUSED = 20  # of one batch, or a quarter of it
FAULT = "history.rejected"
FILL_EVERY_S = 30.0
LONGEST_GAP_NS = 400 * 86_400 * 10**9

COMPONENT = Component(
    "influx",
    (
        """
        CREATE TABLE refused(
            lineage TEXT NOT NULL, "offset" INTEGER NOT NULL, t_ns INTEGER NOT NULL, reason TEXT NOT NULL, line TEXT NOT NULL,
            PRIMARY KEY(lineage, "offset")
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE missed(
            lineage TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER,
            PRIMARY KEY(lineage, first)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE settled(one INTEGER PRIMARY KEY CHECK(one = 1), t_ns INTEGER NOT NULL) STRICT;
        """,
    ),
)
COMPONENTS = (cursor.COMPONENT, COMPONENT)


_GAP = "SELECT lineage, first, from_ns, to_ns FROM missed WHERE to_ns IS NOT NULL ORDER BY first LIMIT 1"


def _filled(conn: apsw.Connection, gap: tuple[str, int, int, int]) -> None:
    conn.execute("DELETE FROM missed WHERE lineage = ? AND first = ?", gap[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A line that the server (or the formatter) refused."""

    offset: int
    t_ns: int
    reason: str
    line: str  # empty where there is none


@dataclass(slots=True)
class _Progress:
    """How far a batch is."""

    settled: int
    rejected: list[tuple[int, str, str]] = field(default_factory=list)  # offset, reason, line
    accepted: int = 0
    most: int = MAX_REFUSED
    by_server: int = 0
    t_ns: int | None = None  # when the last of it came in; None while it is not complete


class InfluxSink:
    """Readings as points of an InfluxDB bucket."""

    name = "influx"

    def __init__(self, db: Database, door: Door, clock: Clock, ops: Ops, *, batch_readings: int = 5_000, linger_s: float = 1.0) -> None:
        self.batch_readings = batch_readings
        self.linger_s = linger_s
        self.safe = 0
        self._db = db
        self._door = door
        self._clock = clock
        self._ops = ops
        self._lineage = ""
        self._open = True  # a gap may wait for its end

    async def resume(self, lineage: str, first: int, head: int) -> int:
        """The place; a journal that the file does not know is sent from its beginning."""
        at = await self._db.read(lambda conn: cursor.get(conn, JOURNAL))
        self._lineage = lineage
        self.safe = first - 1 if at is None or at[0] != lineage else min(at[1], head - 1)
        return self.safe + 1

    async def write(self, batch: Batch) -> WriteResult:
        """Send a batch; what is settled when it fails stays settled."""
        lines: list[tuple[int, str]] = []
        progress = _Progress(settled=self.safe)
        if self._open and batch.last > self.safe:
            await self._close_gap(begin_of(batch.blocks[0]))
        for block in batch.blocks:
            for offset, said in of_block(block):
                if offset <= self.safe:
                    continue
                if isinstance(said, Unfit):
                    progress.rejected.append((offset, str(said), ""))
                else:
                    lines.append((offset, said))
        progress.most = max(MAX_REFUSED, len(lines) // 4)
        try:
            await self._send(lines, progress)
        except SinkDown:
            progress.rejected = [row for row in progress.rejected if row[0] <= progress.settled]
            if progress.settled > self.safe:
                await self._settle(progress)
            raise
        progress.settled, progress.t_ns = batch.last, time_of(batch.blocks[-1])
        await self._settle(progress)
        return WriteResult(
            accepted=progress.accepted, rejected=tuple(Rejected(offset=offset, reason=reason) for offset, reason, _ in progress.rejected)
        )

    async def _send(self, lines: list[tuple[int, str]], progress: _Progress) -> None:
        """From the left to the right, halving what is refused."""
        waiting = [lines]
        while waiting:
            part = waiting.pop()
            if not part:
                continue
            try:
                await self._door.post("\n".join(text for _, text in part), self._clock.now_ns())
            except Refused as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                    continue
                progress.by_server += 1
                if progress.by_server > progress.most:
                    raise SinkDown(f"refuses too many lines, status {error.status}") from None
                progress.rejected.append((part[0][0], f"status {error.status}", part[0][1]))
            else:
                progress.accepted += len(part)
            progress.settled = part[-1][0]

    async def _settle(self, progress: _Progress) -> None:
        """Place and dead letters in one transaction."""
        lineage, upto, now_ns = self._lineage, progress.settled, self._clock.now_ns()
        letters = [(lineage, offset, now_ns, reason, text) for offset, reason, text in progress.rejected]

        def unit(conn: apsw.Connection) -> None:
            if letters:
                room = MAX_LETTERS - int(conn.execute("SELECT count(*) FROM refused").get)
                conn.executemany(
                    'INSERT OR REPLACE INTO refused(lineage, "offset", t_ns, reason, line) VALUES(?, ?, ?, ?, ?)', letters[: max(0, room)]
                )
            if progress.t_ns is not None:
                conn.execute("INSERT OR REPLACE INTO settled(one, t_ns) VALUES(1, ?)", (progress.t_ns,))
            cursor.put(conn, JOURNAL, lineage, upto)

        await self._db.write(unit, rows=1 + len(letters))
        self.safe = upto
        if letters:
            self._ops.fault(FAULT, self.name, reason=letters[0][3])

    async def missed(self, first: int, last: int) -> None:
        """The journal dropped these before the server was back: noted, and the place goes on behind them."""
        lineage = self._lineage

        def unit(conn: apsw.Connection) -> None:
            conn.execute(
                "INSERT OR REPLACE INTO missed(lineage, first, last, from_ns) VALUES(?, ?, ?, coalesce((SELECT t_ns FROM settled), 0))",
                (lineage, first, last),
            )
            cursor.put(conn, JOURNAL, lineage, last)

        await self._db.write(unit)
        self.safe = last
        self._open = True

    async def _close_gap(self, t_ns: int) -> None:
        """What comes now came in at `t_ns`: the gap before it ends there."""

        def unit(conn: apsw.Connection) -> None:
            conn.execute("UPDATE missed SET to_ns = ? WHERE to_ns IS NULL", (t_ns,))

        await self._db.write(unit)
        self._open = False

    async def fill(self, kept: Kept | None) -> None:
        """Send what was missed from another history, for ever; without one the gaps stay a fault."""
        while True:
            await self._clock.sleep(FILL_EVERY_S)
            gap = await self._db.read(lambda conn: conn.execute(_GAP).fetchone())
            if gap is None or kept is None:
                continue
            try:
                count = await self._fill_gap(kept, gap[2], gap[3])
                await self._db.write(partial(_filled, gap=gap))
            except (SinkDown, StoreError):
                self._ops.counters["history.influx.fill_failed"] += 1  # the whole gap comes again, and makes the same points
                continue
            self._ops.counters["history.influx.filled"] += count
            if await self._db.read(lambda conn: conn.execute("SELECT count(*) FROM missed").get) == 0:
                self._ops.clear(MISSED_FAULT, self.name)

    async def _fill_gap(self, kept: Kept, from_ns: int, to_ns: int) -> int:
        progress = _Progress(settled=0)
        async for piece in kept.pieces(max(from_ns, to_ns - LONGEST_GAP_NS) // 1_000_000, to_ns // 1_000_000 + 1):
            lines = of_piece(piece)
            for at in range(0, len(lines), self.batch_readings):
                await self._send([(0, text) for text in lines[at : at + self.batch_readings]], progress)
        self._ops.counters["history.influx.rejected"] += len(progress.rejected)
        return progress.accepted

    async def letters(self, limit: int = 100) -> list[Letter]:
        """What was refused, newest first."""
        rows = await self._db.read(
            lambda conn: list(
                conn.execute('SELECT "offset", t_ns, reason, line FROM refused ORDER BY t_ns DESC, "offset" DESC LIMIT ?', (limit,))
            )
        )
        return [Letter(offset=offset, t_ns=t_ns, reason=reason, line=text) for offset, t_ns, reason, text in rows]

    async def close(self) -> None:
        """Close the file and the connections."""
        self._door.close()
        await self._db.close()
