"""When the gateway itself was not there: written at each start from the last tick of the journal, so that a gap can say its reason."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.journal import Journal
from gateway.store import Component, Database

LEAST_NS = 10 * NS_PER_S  # a restart within this is no gap of anything
LOOK_BACK = 2_000  # offsets before the head among which a tick is looked for; ticks come once a second
MAX_LISTED = 1_000

COMPONENT = Component(
    "outage",
    ("CREATE TABLE outage (from_ns INTEGER PRIMARY KEY, to_ns INTEGER NOT NULL) STRICT;",),
)


@dataclass(frozen=True, slots=True)
class Outage:
    """The gateway did not run in [from, to)."""

    from_ns: int
    to_ns: int


def last_tick_ns(journal: Journal) -> int | None:
    """Time of the newest tick in the journal; None where there is none near its end."""
    upto = journal.head
    for back in (LOOK_BACK, 50 * LOOK_BACK):  # a flood of readings may lie behind it
        blocks = journal.read_sync(max(1, upto - back), back)
        ticks = [block.tick.t_ns for block in blocks if block.tick is not None]
        if ticks:
            return max(ticks)
    return None


def note(conn: apsw.Connection, from_ns: int, to_ns: int) -> None:
    """Write an absence down; one that began at the same tick is the same one, now longer."""
    conn.execute(
        "INSERT INTO outage(from_ns, to_ns) VALUES (?1, ?2) ON CONFLICT (from_ns) DO UPDATE SET to_ns = max(to_ns, ?2)", (from_ns, to_ns)
    )


def between(conn: apsw.Connection, from_ns: int, to_ns: int) -> list[Outage]:
    """Absences that touch [from, to), oldest first."""
    sql = "SELECT from_ns, to_ns FROM outage WHERE from_ns < ? AND to_ns > ? ORDER BY from_ns LIMIT ?"
    rows = conn.execute(sql, (to_ns, from_ns, MAX_LISTED))
    return [Outage(begin, end) for begin, end in rows]


async def record(db: Database, journal: Journal, clock: Clock) -> None:
    """At the start, before the first tick of this run."""
    before_ns, now_ns = last_tick_ns(journal), clock.now_ns()
    if before_ns is not None and now_ns - before_ns > LEAST_NS:
        await db.write(lambda conn: note(conn, before_ns, now_ns))
