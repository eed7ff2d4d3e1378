"""The log of readings and ticks: one compressed block per append, one SQLite file per day, one offset for each entry.

Invariants
- Offsets are dense, from 1, across blocks, segments and restarts: a block takes [first, last], the next one starts at
  last + 1. A reading takes one offset, a tick takes one.
- A block is durable (synchronous=FULL) before its append returns, before it enters the ring, before anyone may read it.
  An offset that anyone has seen is therefore never given out again, whatever crashes.
- Blocks are immutable. A segment goes only as a whole, by unlink, oldest first, when it is older than the retention and
  no consumer holds it; the newest never goes, so the head and the lineage survive an idle year.
- Reading verifies the CRC of every block and that it follows its predecessor. What does not fit is an error and a fault,
  never skipped.
- One process writes (flock on `journal/lock`); any number may read.

Disk format 1, `journal/YYYY-MM-DD.sqlite` (UTC day of its first commit; "-2", "-3" when a clock was set back by days):
  application_id "ANXN", the meta tables of gateway.store.schema, component "journal", and
  segment(one = 1, lineage, base, day, t_ns)   lineage of the journal, offset of the first entry; written with the file
  block(first, last, kind, format, crc, t_ns, body)
    kind    0 = readings, 1 = tick             format  version of `body`, 1
    t_ns    wall time of the append, UTC       crc     CRC-32 of first, last, kind, format, t_ns (little-endian qqBHq) + body
    body    tick: little-endian t_ns, events_offset (qq); readings: see codec.py
"""

from gateway.journal.errors import JournalCorrupt, JournalError, JournalGone, JournalLocked
from gateway.journal.log import FIRST_OFFSET, Extent, Journal
from gateway.journal.reader import JournalReader, Verification

__all__ = [
    "FIRST_OFFSET",
    "Extent",
    "Journal",
    "JournalCorrupt",
    "JournalError",
    "JournalGone",
    "JournalLocked",
    "JournalReader",
    "Verification",
]
