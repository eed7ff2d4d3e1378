"""devices.sqlite: what is known of each device's state, and its slots of ten minutes for a week. A checkpoint of what the journal says.

Format 1: state(device, body) with body = JSON of the record without its slots; slot(device, slot, body), slot = UTC ns // 600 s;
cursor "journal". Format 2 adds loose(device, t_ms, body): measurements of shared devices, body = JSON [slot, [[quantity, value, quality]]].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apsw

from gateway.health.record import KEPT_SLOTS, SLOT_S, Record, Slot
from gateway.store import Component, cursor

KEPT_DAYS = 7
COMPONENT = Component(
    "health",
    (
        """
        CREATE TABLE state(device TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE slot(device TEXT NOT NULL, slot INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(device, slot)) STRICT, WITHOUT ROWID;
        CREATE INDEX slot_age ON slot(slot);
        """,
        """
        CREATE TABLE loose(
            device TEXT NOT NULL, t_ms INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(device, t_ms)
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)
COMPONENTS = (cursor.COMPONENT, COMPONENT)
_PLAIN = (
    "first_ns", "last_ns", "live_ns", "channel", "online", "online_ns", "battery", "battery_ns", "trend", "rssi", "rssi_ns", "gap_ns",
    "heard",
)  # fmt: skip


def load(conn: apsw.Connection, now_ns: int) -> dict[str, Record]:
    """All devices, with the slots of the last hour."""
    records = {}
    for device, body in conn.execute("SELECT device, body FROM state"):
        values = json.loads(body)
        values["trend"] = [(t_ns, percent) for t_ns, percent in values["trend"]]
        records[device] = Record(device, **{**values, "heard": tuple(values["heard"])})
    oldest = now_ns // (SLOT_S * 1_000_000_000) - KEPT_SLOTS
    for device, number, body in conn.execute("SELECT device, slot, body FROM slot WHERE slot > ?", (oldest,)):
        if device in records:
            records[device].slots[number] = _slot(body)
    return records


def states(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Rows of the table `state`."""
    return [(one.device, _dump({name: getattr(one, name) for name in _PLAIN})) for one in records]


def slots(records: Sequence[Record]) -> list[tuple[str, int, str]]:
    """Rows of the table `slot`: those that have changed."""
    return [(one.device, number, _body(one.slots[number])) for one in records for number in sorted(one.touched) if number in one.slots]


def save(
    conn: apsw.Connection, rows: Sequence[tuple[str, str]], parts: Sequence[tuple[str, int, str]], place: tuple[str, int], now_ns: int
) -> None:
    """Write what has changed with the place in the journal for which it stands, and drop what is too old."""
    conn.executemany("INSERT OR REPLACE INTO state(device, body) VALUES(?, ?)", rows)
    conn.executemany("INSERT OR REPLACE INTO slot(device, slot, body) VALUES(?, ?, ?)", parts)
    oldest = now_ns // (SLOT_S * 1_000_000_000) - KEPT_DAYS * 86_400 // SLOT_S
    conn.execute("DELETE FROM slot WHERE slot IN (SELECT slot FROM slot WHERE slot < ? LIMIT 2000)", (oldest,))
    cursor.put(conn, "journal", *place)


def course(conn: apsw.Connection, device: str) -> list[tuple[int, Slot]]:
    """The slots of a device that are kept, oldest first."""
    return [(number, _slot(body)) for number, body in conn.execute("SELECT slot, body FROM slot WHERE device = ? ORDER BY slot", (device,))]


def _body(slot: Slot) -> str:
    readings = {str(quantity): count for quantity, count in slot.readings.items()}
    return _dump([slot.frames, readings, slot.rssi_n, slot.rssi_sum, slot.rssi_low, slot.offset_ns])


def _slot(body: str) -> Slot:
    frames, readings, rssi_n, rssi_sum, rssi_low, offset_ns = json.loads(body)
    counts = {int(quantity): count for quantity, count in readings.items()}
    return Slot(frames=frames, readings=counts, rssi_n=rssi_n, rssi_sum=rssi_sum, rssi_low=rssi_low, offset_ns=offset_ns)


def _dump(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
