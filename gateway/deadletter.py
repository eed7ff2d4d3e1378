"""What could not be taken, kept with its reason and raw bytes for a repaired decoder; bounded, so that a flood fills no disk.

A letter that finds no room pushes the oldest of its own reason out; what is pushed out, or too fast to be kept, stays counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.frames import Frame
from gateway.store import Component
from gateway.vocabulary import Origin

MAX_PAYLOAD = 256 * 1024  # bytes kept of one frame; a longer one is cut and cannot be decoded again
MAX_PER_REASON = 2_000
MAX_LETTERS = 10_000
MAX_BYTES = 64 << 20
MAX_REASONS = 300  # counted apart; the rest under "other"
KEPT_PER_BATCH = 100  # of one batch and reason
_INDEX = re.compile(r"(?<=\[)\d+(?=\])|(?<=character )\d+")

COMPONENT = Component(
    "deadletter",
    (
        """
        CREATE TABLE deadletter(
            id INTEGER PRIMARY KEY AUTOINCREMENT, t_ns INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
            channel TEXT NOT NULL, topic TEXT NOT NULL, device TEXT, boot_id TEXT, seq INTEGER, retained INTEGER NOT NULL,
            origin INTEGER NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL, retried_ns INTEGER
        ) STRICT;
        CREATE INDEX deadletter_reason ON deadletter(reason, id, size);
        CREATE TABLE deadletter_count(reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A frame that could not be taken; `detail` names the cause and holds no health data."""

    frame: Frame
    detail: str
    boot_id: str | None = None
    seq: int | None = None

    @property
    def reason(self) -> str:
        """The cause without positions: what is counted together."""
        return _INDEX.sub("n", self.detail)[:120]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """A letter as it lies in the table; `size` is the frame's, `payload` may be cut."""

    id: int
    t_ns: int
    reason: str
    detail: str
    channel: str
    topic: str
    device: str | None
    boot_id: str | None
    seq: int | None
    retained: bool
    origin: Origin
    size: int
    payload: bytes
    retried_ns: int | None

    @property
    def complete(self) -> bool:
        """Whether all bytes were kept, so that it can be decoded again."""
        return len(self.payload) == self.size

    def as_frame(self) -> Frame:
        """The frame as it came in, received when it was received."""
        return Frame(
            channel=self.channel, topic=self.topic, payload=self.payload, t_received_ns=self.t_ns,
            device=self.device, retained=self.retained, origin=self.origin,
        )  # fmt: skip


def add(conn: apsw.Connection, letters: Sequence[Letter]) -> None:
    """Keep and count the letters of a batch; call it in a unit."""
    kept: dict[str, list[Letter]] = {}
    counts: dict[str, tuple[int, int]] = {}
    for letter in letters:
        same = kept.setdefault(letter.reason, [])
        if len(same) < KEPT_PER_BATCH:
            same.append(letter)
        count, _ = counts.get(letter.reason, (0, 0))
        counts[letter.reason] = (count + 1, letter.frame.t_received_ns)
    for same in kept.values():
        conn.executemany(_INSERT, [_row(letter) for letter in same])
    for reason, (count, last_ns) in counts.items():
        _count(conn, reason, count, last_ns)
        conn.execute(_TRIM_REASON, (reason, MAX_PER_REASON))
    _trim(conn)


def counts(conn: apsw.Connection) -> dict[str, int]:
    """How many there have been, by reason, kept or not."""
    return dict(conn.execute("SELECT reason, count FROM deadletter_count ORDER BY count DESC"))


def since(conn: apsw.Connection, t_ns: int) -> tuple[int, int]:
    """(letters that are kept, those of them that came after `t_ns`)."""
    kept, late = conn.execute("SELECT count(*), count(*) FILTER (WHERE t_ns > ?) FROM deadletter", (t_ns,)).fetchone() or (0, 0)
    return int(kept), int(late)


def kept(conn: apsw.Connection) -> dict[str, int]:
    """How many are kept, by reason, most first."""
    return dict(conn.execute("SELECT reason, count(*) AS n FROM deadletter GROUP BY reason ORDER BY n DESC, reason"))


def of_reason(conn: apsw.Connection, reason: str, limit: int) -> list[int]:
    """Ids of the letters of a reason that were not tried lately, oldest first."""
    return [int(row[0]) for row in conn.execute("SELECT id FROM deadletter WHERE reason = ? ORDER BY id LIMIT ?", (reason, limit))]


def listing(conn: apsw.Connection, *, limit: int = 100, before: int | None = None, reason: str | None = None) -> list[StoredLetter]:
    """Newest first."""
    return [_letter(row) for row in conn.execute(_LISTING, (before, reason, limit))]


def get(conn: apsw.Connection, letter_id: int) -> StoredLetter | None:
    """One letter, or None when it was never there or was pushed out."""
    row = conn.execute(_ONE, (letter_id,)).fetchone()
    return None if row is None else _letter(row)


def numbered(conn: apsw.Connection) -> Iterable[tuple[str, str, int, int]]:
    """(device, boot id, sequence number, reception) of the kept letters that have one: they are accounted for, not lost."""
    return list(conn.execute("SELECT device, boot_id, seq, t_ns FROM deadletter WHERE boot_id IS NOT NULL AND seq IS NOT NULL ORDER BY id"))


def taken(conn: apsw.Connection, letter_id: int) -> None:
    """A repaired decoder has taken it: it goes."""
    conn.execute("DELETE FROM deadletter WHERE id = ?", (letter_id,))


def tried(conn: apsw.Connection, letter_id: int, now_ns: int) -> None:
    """It was tried again and stays."""
    conn.execute("UPDATE deadletter SET retried_ns = ? WHERE id = ?", (now_ns, letter_id))


_ONE = """
    SELECT id, t_ns, reason, detail, channel, topic, device, boot_id, seq, retained, origin, size, payload, retried_ns
    FROM deadletter WHERE id = ?
"""
_LISTING = """
    SELECT id, t_ns, reason, detail, channel, topic, device, boot_id, seq, retained, origin, size, payload, retried_ns
    FROM deadletter WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR reason = ?2) ORDER BY id DESC LIMIT ?3
"""
_INSERT = (
    "INSERT INTO deadletter(t_ns, reason, detail, channel, topic, device, boot_id, seq, retained, origin, size, payload) "
    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TRIM_REASON = (
    "DELETE FROM deadletter WHERE reason = ?1 AND id <= "
    "(SELECT id FROM deadletter WHERE reason = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
)


def _row(letter: Letter) -> tuple[object, ...]:
    frame = letter.frame
    topic = frame.topic.encode("utf-8", "replace").decode()[:512].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return (
        frame.t_received_ns, letter.reason, letter.detail[:300], frame.channel, topic, frame.device, letter.boot_id, letter.seq,
        frame.retained, int(frame.origin), len(frame.payload), frame.payload[:MAX_PAYLOAD],
    )  # fmt: skip


def _count(conn: apsw.Connection, reason: str, count: int, last_ns: int) -> None:
    conn.execute("UPDATE deadletter_count SET count = count + ?, last_ns = ? WHERE reason = ?", (count, last_ns, reason))
    if conn.changes():
        return
    (known,) = conn.execute("SELECT count(*) FROM deadletter_count").fetchone() or (0,)
    conn.execute(
        "INSERT INTO deadletter_count(reason, count, last_ns) VALUES(?1, ?2, ?3)"
        " ON CONFLICT(reason) DO UPDATE SET count = count + ?2, last_ns = ?3",
        (reason if known < MAX_REASONS else "other", count, last_ns),
    )


def _trim(conn: apsw.Connection) -> None:
    """Oldest first beyond the number and the bytes that may lie here."""
    conn.execute("DELETE FROM deadletter WHERE id <= (SELECT id FROM deadletter ORDER BY id DESC LIMIT 1 OFFSET ?)", (MAX_LETTERS,))
    (total,) = conn.execute("SELECT coalesce(sum(min(size, ?)), 0) FROM deadletter", (MAX_PAYLOAD,)).fetchone() or (0,)
    while total > MAX_BYTES:
        letter_id, size = conn.execute("SELECT id, length(payload) FROM deadletter ORDER BY id LIMIT 1").fetchone() or (0, total)
        conn.execute("DELETE FROM deadletter WHERE id = ?", (letter_id,))
        total -= size


def _letter(row: tuple[Any, ...]) -> StoredLetter:
    letter_id, t_ns, reason, detail, channel, topic, device, boot_id, seq, retained, origin, size, payload, retried_ns = row
    return StoredLetter(
        id=letter_id, t_ns=t_ns, reason=reason, detail=detail, channel=channel, topic=topic, device=device, boot_id=boot_id, seq=seq,
        retained=bool(retained), origin=Origin(origin), size=size, payload=payload, retried_ns=retried_ns,
    )  # fmt: skip
