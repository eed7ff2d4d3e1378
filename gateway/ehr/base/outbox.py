"""The outbox of the health record: items, one delivery per item and target, and the references that targets gave us.

A delivery is pending -> sent -> done, or held (a person must look) or dead (the target will never take it). `sent` is written before the
request leaves, so that after a crash everybody knows what may have arrived; it is sent again, to the same effect. All functions run
inside a unit of the one writer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.ehr.base.items import NOBODY, RANK, Item, ItemKind, Row, dump, merged
from gateway.store import Component, cursor
from gateway.vocabulary import Origin

COMPONENT = Component(
    "ehr",
    (
        """
        CREATE TABLE item(
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, resident TEXT NOT NULL, device TEXT NOT NULL,
            t_ns INTEGER NOT NULL, origin INTEGER NOT NULL, test INTEGER NOT NULL, retracted INTEGER NOT NULL DEFAULT 0,
            version INTEGER NOT NULL DEFAULT 1, due_ns INTEGER, created_ns INTEGER NOT NULL, record TEXT NOT NULL,
            UNIQUE(key, resident)
        ) STRICT;
        CREATE INDEX item_device ON item(device, t_ns);
        CREATE INDEX item_due ON item(due_ns) WHERE due_ns IS NOT NULL;
        CREATE INDEX item_age ON item(created_ns);
        CREATE TABLE delivery(
            target TEXT NOT NULL, item INTEGER NOT NULL REFERENCES item(id) ON DELETE CASCADE, rank INTEGER NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending', swap INTEGER NOT NULL DEFAULT 0, sent_version INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0, next_mono INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
            outcome TEXT NOT NULL DEFAULT '', literal TEXT NOT NULL DEFAULT '', done_ns INTEGER, PRIMARY KEY(target, item)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX delivery_pending ON delivery(target, rank, item) WHERE state = 'pending';
        CREATE INDEX delivery_item ON delivery(item);
        CREATE INDEX delivery_stuck ON delivery(state, target, item) WHERE state IN ('held', 'dead', 'sent');
        CREATE TABLE reference(
            target TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, literal TEXT NOT NULL, PRIMARY KEY(target, kind, key)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE folder_file(target TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY(target, path))
            STRICT, WITHOUT ROWID;
        """,
    ),
)
COMPONENTS = (cursor.COMPONENT, COMPONENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A target as the outbox knows it."""

    name: str
    real: bool

    def takes(self, origin: Origin, test: bool) -> bool:
        """Whether it may have an item of this origin."""
        return not self.real or (origin is Origin.LIVE and not test)


def put(conn: apsw.Connection, item: Item, addresses: Sequence[Address], now_ns: int) -> int:
    """Put an item in, or its newer state; the parts of one minute add up. Returns its id."""
    sql = "SELECT id, record, retracted, due_ns FROM item WHERE key = ? AND resident = ?"
    found = conn.execute(sql, (item.key, item.resident)).fetchone()
    if found is None:
        values = (
            item.kind.value, item.key, item.resident, item.device, item.t_ns, int(item.origin), int(item.test), item.due_ns, now_ns,
            dump(item.record),
        )  # fmt: skip
        insert = (
            "INSERT INTO item(kind, key, resident, device, t_ns, origin, test, due_ns, created_ns, record)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
        )
        item_id = int(conn.execute(insert, values).get)
        if item.due_ns is None:
            _address(conn, item_id, item.kind, item.resident, item.origin, item.test, addresses)
        return item_id
    item_id, old, retracted, due_ns = found
    record = dict(item.record) if retracted else merged(json.loads(old), item.record)
    text = dump(record)
    if text == old and not retracted:
        return int(item_id)
    conn.execute("UPDATE item SET record = ?, retracted = 0, version = version + ? WHERE id = ?", (text, int(due_ns is None), item_id))
    if due_ns is None:
        _again(conn, item_id)
        _address(conn, item_id, item.kind, item.resident, item.origin, item.test, addresses)
    return int(item_id)


def release(conn: apsw.Connection, upto_ns: int, addresses: Sequence[Address]) -> int:
    """What is complete by now goes out."""
    sql = "SELECT id, kind, resident, origin, test FROM item WHERE due_ns <= ?"
    rows = list(conn.execute(sql, (upto_ns,)))
    for item_id, kind, resident, origin, test in rows:
        _address(conn, item_id, ItemKind(kind), resident, Origin(origin), bool(test), addresses)
        conn.execute("UPDATE item SET due_ns = NULL WHERE id = ?", (item_id,))
    return len(rows)


def _address(
    conn: apsw.Connection, item_id: int, kind: ItemKind, resident: str, origin: Origin, test: bool, addresses: Sequence[Address]
) -> None:
    if resident == NOBODY and kind is not ItemKind.CORRECTION:
        return
    names = [(one.name, item_id, RANK[kind]) for one in addresses if one.takes(origin, test)]
    conn.executemany("INSERT INTO delivery(target, item, rank) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", names)


def _again(conn: apsw.Connection, item_id: int) -> None:
    """A newer state: what may have arrived is replaced, what never left needs nothing more."""
    conn.execute(
        "UPDATE delivery SET swap = CASE WHEN sent_version > 0 THEN 1 ELSE swap END,"
        " state = CASE WHEN state = 'sent' THEN 'sent' ELSE 'pending' END, attempts = 0, next_mono = 0, reason = '', outcome = ''"
        " WHERE item = ?",
        (item_id,),
    )


def retract(conn: apsw.Connection, item_id: int) -> frozenset[str]:
    """It was never this person's: what may have arrived becomes entered-in-error. Returns the targets for which it had left."""
    conn.execute("DELETE FROM delivery WHERE item = ? AND sent_version = 0", (item_id,))
    left = frozenset(str(target) for (target,) in conn.execute("SELECT target FROM delivery WHERE item = ?", (item_id,)))
    if left:
        conn.execute("UPDATE item SET retracted = 1, version = version + 1, due_ns = NULL WHERE id = ?", (item_id,))
        _again(conn, item_id)
    else:
        conn.execute("DELETE FROM item WHERE id = ?", (item_id,))
    return left


def follow(conn: apsw.Connection, alert_id: str, resident: str | None) -> int:
    """An alert is another person's: its resources are changed where they are, or taken back where it is nobody's. Returns how many."""
    kinds = (ItemKind.ISSUE.value, ItemKind.TASK.value, ItemKind.MESSAGE.value)
    sql = (
        "SELECT id FROM item WHERE kind IN (?, ?, ?) AND (key = ? OR key = ? OR key >= ? AND key < ?)"
        " AND (resident <> ? OR ? IS NULL) AND (retracted = 0 OR ? IS NOT NULL)"
    )
    messages = (f"message.{alert_id}.", f"message.{alert_id}/")
    values = (*kinds, alert_id, f"task.{alert_id}", *messages, resident or NOBODY, resident, resident)
    found = [int(item_id) for (item_id,) in conn.execute(sql, values)]
    for item_id in found:
        if resident is None:
            retract(conn, item_id)
        else:
            conn.execute("UPDATE item SET resident = ?, retracted = 0, version = version + 1 WHERE id = ?", (resident, item_id))
            _again(conn, item_id)
    return len(found)


_COLUMNS = "i.id, i.kind, i.key, i.resident, i.device, i.t_ns, i.origin, i.test, i.retracted, i.version, i.record"


def _row(columns: Sequence[Any]) -> Row:
    item_id, kind, key, resident, device, t_ns, origin, test, retracted, version, record = columns
    return Row(
        id=item_id, kind=ItemKind(kind), key=key, resident=resident, device=device, t_ns=t_ns, origin=Origin(origin), test=bool(test),
        retracted=bool(retracted), version=version, record=json.loads(record),
    )  # fmt: skip


def of_device(conn: apsw.Connection, device: str, since_ns: int) -> list[tuple[Row, int | None]]:
    """Readings of a device from a time on, with when they are due; without what was taken back."""
    sql = (
        f"SELECT {_COLUMNS}, i.due_ns FROM item i WHERE i.device = ? AND i.t_ns >= ? AND i.retracted = 0 AND i.kind IN (?, ?) ORDER BY i.id"  # noqa: S608 - constant names
    )
    rows = conn.execute(sql, (device, since_ns, ItemKind.READING.value, ItemKind.SUMMARY.value))
    return [(_row(columns[:-1]), columns[-1]) for columns in rows]


def of_person(
    conn: apsw.Connection, residents: Sequence[str], devices: Sequence[str], span: tuple[int, int], *, quantity: str = "",
    after: tuple[int, int] = (0, 0), limit: int = 100,
) -> list[Row]:  # fmt: skip
    """Complete readings of a person within [from, to) ns and beyond `after` (time, id), oldest first; with what was taken back."""
    sql = (
        f"SELECT {_COLUMNS} FROM item i WHERE i.device IN (SELECT value FROM json_each(?1)) AND i.t_ns >= ?2 AND i.t_ns < ?3"  # noqa: S608 - constant names
        " AND i.resident IN (SELECT value FROM json_each(?4)) AND i.kind IN (?5, ?6) AND i.due_ns IS NULL"
        " AND (?7 = '' OR json_extract(i.record, '$.q') = ?7) AND (i.t_ns, i.id) > (?8, ?9) ORDER BY i.t_ns, i.id LIMIT ?10"
    )
    values = (
        json.dumps(list(devices)), *span, json.dumps(list(residents)), ItemKind.READING.value, ItemKind.SUMMARY.value, quantity,
        *after, limit,
    )  # fmt: skip
    return [_row(columns) for columns in conn.execute(sql, values)]


def waiting(conn: apsw.Connection, target: str, mono_ns: int, limit: int) -> list[tuple[Row, bool]]:
    """What goes out next: (item, whether it replaces what is there)."""
    sql = (
        f"SELECT {_COLUMNS}, d.swap FROM delivery d JOIN item i ON i.id = d.item"  # noqa: S608 - constant names
        " WHERE d.target = ? AND d.state = 'pending' AND d.next_mono <= ? ORDER BY d.rank, d.item LIMIT ?"
    )
    return [(_row(columns[:-1]), bool(columns[-1])) for columns in conn.execute(sql, (target, mono_ns, limit))]


def mark_sent(conn: apsw.Connection, target: str, rows: Iterable[Row]) -> None:
    """They leave now."""
    conn.executemany(
        "UPDATE delivery SET state = 'sent', sent_version = ?, attempts = attempts + 1 WHERE target = ? AND item = ?",
        [(row.version, target, row.id) for row in rows],
    )


def settle(
    conn: apsw.Connection,
    target: str,
    row: Row,
    *,
    state: str,
    now_ns: int,
    reason: str = "",
    outcome: Mapping[str, Any] | None = None,
    literal: str = "",
    next_mono: int = 0,
) -> None:
    """Write what became of a delivery; an item that changed meanwhile stays pending, to replace what has just arrived."""
    newer = conn.execute("SELECT version > ? FROM item WHERE id = ?", (row.version, row.id)).fetchone()
    if newer is None:
        return
    if newer[0]:
        state, reason, outcome, next_mono = "pending", "", None, 0
    conn.execute(
        "UPDATE delivery SET state = ?1, reason = ?2, outcome = ?3, literal = CASE WHEN ?4 = '' THEN literal ELSE ?4 END,"
        " done_ns = ?5, next_mono = ?6, swap = CASE WHEN ?7 AND sent_version > 0 THEN 1 ELSE swap END"
        " WHERE target = ?8 AND item = ?9",
        (
            state, reason, "" if outcome is None else dump(outcome), literal, now_ns if state == "done" else None, next_mono,
            bool(newer[0]), target, row.id,
        ),
    )  # fmt: skip


def start(conn: apsw.Connection, target: str) -> int:
    """What was under way when an earlier run ended goes again; its waiting times mean nothing now."""
    conn.execute("UPDATE delivery SET next_mono = 0 WHERE target = ? AND state = 'pending'", (target,))
    conn.execute("UPDATE delivery SET state = 'pending', next_mono = 0 WHERE target = ? AND state = 'sent'", (target,))
    return conn.changes()


def literal_of(conn: apsw.Connection, target: str, key: str, resident: str | None) -> tuple[str, str]:
    """(where an item stands at a target, state of its delivery); ("", "") if it does not go there. `resident` None = anybody's."""
    sql = (
        "SELECT d.literal, d.state FROM delivery d JOIN item i ON i.id = d.item"
        " WHERE d.target = ?1 AND i.key = ?2 AND (?3 IS NULL OR i.resident = ?3)"
    )
    row = conn.execute(sql, (target, key, resident)).fetchone()
    return ("", "") if row is None else (str(row[0]), str(row[1]))


def known(conn: apsw.Connection, target: str, kind: str, key: str) -> str:
    """The literal reference of a person or device at a target; empty if that is not known."""
    row = conn.execute("SELECT literal FROM reference WHERE target = ? AND kind = ? AND key = ?", (target, kind, key)).fetchone()
    return "" if row is None else str(row[0])


def learn(conn: apsw.Connection, target: str, kind: str, key: str, literal: str) -> None:
    """Remember a literal reference."""
    conn.execute("INSERT OR REPLACE INTO reference(target, kind, key, literal) VALUES(?, ?, ?, ?)", (target, kind, key, literal))


def forget_target(conn: apsw.Connection, names: Sequence[str]) -> int:
    """Deliveries to targets that are no longer configured are void."""
    conn.execute(
        "DELETE FROM delivery WHERE state <> 'done' AND target NOT IN (SELECT value FROM json_each(?))", (json.dumps(list(names)),)
    )
    return conn.changes()


def retry(conn: apsw.Connection, states: Sequence[str], item: int | None = None) -> int:
    """Put what is held or dead back; with dead letters, people and devices are looked up anew: theirs may be what was refused."""
    marks = json.dumps(list(states))
    if "dead" in states:
        conn.execute("DELETE FROM reference")
    conn.execute(
        "UPDATE delivery SET state = 'pending', attempts = 0, next_mono = 0, reason = '', outcome = ''"
        " WHERE state IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR item = ?2)",
        (marks, item),
    )
    return conn.changes()


def counts(conn: apsw.Connection) -> dict[str, dict[str, int]]:
    """Deliveries by target and state."""
    found: dict[str, dict[str, int]] = {}
    for target, state, number in conn.execute("SELECT target, state, count(*) FROM delivery GROUP BY target, state"):
        found.setdefault(target, {})[state] = number
    return found


def stuck_count(conn: apsw.Connection, target: str, state: str) -> int:
    """How many are held or dead; by the index of what is stuck, since it is asked often."""
    sql = "SELECT count(*) FROM delivery WHERE state IN ('held', 'dead', 'sent') AND state = ? AND target = ?"
    return int(conn.execute(sql, (state, target)).get)


def stuck(conn: apsw.Connection, states: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """What is held or dead, newest first, with the target's explanation."""
    sql = (
        "SELECT d.target, d.item, i.kind, i.device, i.resident, i.t_ns, d.state, d.reason, d.outcome FROM delivery d"
        " JOIN item i ON i.id = d.item WHERE d.state IN (SELECT value FROM json_each(?)) ORDER BY d.item DESC LIMIT ?"
    )
    names = ("target", "item", "kind", "device", "resident", "t_ns", "state", "reason")
    return [
        {**dict(zip(names, row, strict=False)), "outcome": json.loads(row[-1]) if row[-1] else None}
        for row in conn.execute(sql, (json.dumps(list(states)), limit))
    ]


def prune(conn: apsw.Connection, before_ns: int, most: int, step: int = 2_000) -> tuple[int, int]:
    """Drop what was settled long ago, and beyond `most` items what is settled at all; only then the oldest minutes: (settled, shed)."""
    settled = _drop_settled(conn, before_ns, step)
    excess = int(conn.execute("SELECT count(*) FROM item").get) - most
    if excess <= 0:
        return settled, 0
    if dropped := _drop_settled(conn, 2**62, min(step, excess)):
        return settled + dropped, 0
    shed = "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE kind = ? AND due_ns IS NULL ORDER BY id LIMIT ?)"
    conn.execute(shed, (ItemKind.SUMMARY.value, min(step, excess)))
    return settled, conn.changes()


def _drop_settled(conn: apsw.Connection, before_ns: int, limit: int) -> int:
    """The oldest of which nothing is on its way or held."""
    old = (
        "DELETE FROM item WHERE id IN (SELECT i.id FROM item i WHERE i.created_ns < ? AND i.due_ns IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM delivery d WHERE d.item = i.id AND d.state IN ('pending', 'sent', 'held')) ORDER BY i.created_ns LIMIT ?)"
    )
    conn.execute(old, (before_ns, limit))
    return conn.changes()
