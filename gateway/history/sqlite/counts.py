"""Counts over the sums of minutes: how long a device told something, for figures of whole houses. No values; live readings only."""

from __future__ import annotations

import apsw

from devices.codes import BY_KEY
from devices.model import Quality
from gateway.history.sqlite.schema import HIDDEN, SILENT

MINUTE_MS = 60_000
_TOLD = """
    SELECT count(DISTINCT m.minute) FROM series s JOIN minute m ON m.series = s.id
    WHERE s.origin = 0 AND s.device = ? AND s.quantity = ? AND m.minute >= ? AND m.minute < ? AND m.n > 0
"""
_MINUTES = """
    SELECT 1 FROM series s JOIN minute m ON m.series = s.id
    WHERE s.origin = 0 AND s.device = ? AND m.minute >= ? AND m.minute < ? AND m.n > 0
        AND s.quantity NOT IN (SELECT value FROM json_each(?)) LIMIT 1
"""
_SINGLES = """
    SELECT 1 FROM series s JOIN reading r ON r.series = s.id
    WHERE s.origin = 0 AND s.device = ? AND r.t_ns >= ? AND r.t_ns < ? AND r.quality & ? = 0 AND r.mark & ? = 0 LIMIT 1
"""
# What a device says of itself is no word about its wearer.
_OF_ITSELF = str([BY_KEY[key].index for key in ("battery", "rssi") if key in BY_KEY])


def told_minutes(conn: apsw.Connection, device: str, quantity: str, from_ms: int, to_ms: int) -> int:
    """Minutes that begin in [from, to) in which at least one value of a packed quantity was told."""
    first, last = -(-from_ms // MINUTE_MS), -(-to_ms // MINUTE_MS)
    found: int = conn.execute(_TOLD, (device, BY_KEY[quantity].index, first, last)).get
    return found


def heard(conn: apsw.Connection, device: str, from_ms: int, to_ms: int) -> bool:
    """Whether the device told any value about its wearer in [from, to)."""
    first, last = -(-from_ms // MINUTE_MS), -(-to_ms // MINUTE_MS)
    if conn.execute(_MINUTES, (device, first, last, _OF_ITSELF)).fetchone() is not None:
        return True
    unsaid = SILENT & ~int(Quality.WAVE)
    single = (device, from_ms * 1_000_000, to_ms * 1_000_000, unsaid, HIDDEN)
    return conn.execute(_SINGLES, single).fetchone() is not None
