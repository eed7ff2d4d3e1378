"""The sink: batches of lines, a place that moves after the 204 only, poisoned lines found by halving and kept apart.

An answer that says "never" (400, 413, 422) is taken apart until single lines remain; those are kept as dead letters with the place, in
one transaction, and the rest goes on. A server that refuses almost everything is not fed to the dead letters: that is a wrong server,
a wrong bucket or a conflict of types, said as a fault, and the journal keeps all of it. Any other answer, or none, is "later".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import apsw

from gateway.clock import Clock
from gateway.history.base import Batch, Rejected, SinkDown, WriteResult
from gateway.history.influx.client import Door, Refused
from gateway.history.influx.lines import Unfit, of_block
from gateway.ops import Ops
from gateway.store import Component, Database, cursor

JOURNAL = "journal"
MAX_LETTERS = 10_000  # more are counted, not kept
MAX_REFUSED = 20  # of one batch, or a quarter of it
FAULT = "history.rejected"

COMPONENT = Component(
    "influx",
    (
        """
        CREATE TABLE refused(
            lineage TEXT NOT NULL, "offset" INTEGER NOT NULL, t_ns INTEGER NOT NULL, reason TEXT NOT NULL, line TEXT NOT NULL,
            PRIMARY KEY(lineage, "offset")
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE missed(
            lineage TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, t_ns INTEGER NOT NULL, PRIMARY KEY(lineage, first)
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)
COMPONENTS = (cursor.COMPONENT, COMPONENT)


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
        progress.settled = batch.last
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
            cursor.put(conn, JOURNAL, lineage, upto)

        await self._db.write(unit, rows=1 + len(letters))
        self.safe = upto
        if letters:
            self._ops.fault(FAULT, self.name, reason=letters[0][3])

    async def missed(self, first: int, last: int) -> None:
        """The journal dropped these before the server was back: noted, and the place goes on behind them."""
        lineage, now_ns = self._lineage, self._clock.now_ns()

        def unit(conn: apsw.Connection) -> None:
            conn.execute("INSERT OR REPLACE INTO missed(lineage, first, last, t_ns) VALUES(?, ?, ?, ?)", (lineage, first, last, now_ns))
            cursor.put(conn, JOURNAL, lineage, last)

        await self._db.write(unit)
        self.safe = last

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
