"""Tables of history.sqlite, which readings are packed and which are rows, and how series are named.

Format 1
  series(id, device, quantity, origin)      quantity = index of the table of quantities; one series never mixes origins
  chunk(series, minute, body)               packed readings, see chunks.py; minute = UTC ms // 60,000; goes after `raw_days`
  minute(series, minute, n, silent, low, high, total)
                                            sums over what a chunk holds: n told values with minimum, maximum and sum, silent others
  reading(id, series, t_ns, t_received_ns, value, quality, mark, frame)
                                            single readings; id = era * 2**44 + offset in the journal: a replay writes the same row
  frame(id, device, channel, topic, boot_id, seq, t_received_ns, t_device_ns, payload)
                                            raw bytes behind single readings; id = id of the first reading of the frame
  era(id, lineage)                          journals that were consumed, in their order
  cursor "journal/<group>"                  one place per group of devices (crc32 of the device modulo 16): each group is written by
                                            itself, so that no transaction is long; written with the content it stands for
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from devices.codes import QUANTITIES, Kind
from devices.model import Quality
from gateway.readings import Mark
from gateway.store import Component, cursor

GROUPS = 16  # part of the format: the cursors' names
ERA = 1 << 44
SILENT = int(
    Quality.NO_VALUE
    | Quality.NOT_WORN
    | Quality.LEAD_OFF
    | Quality.SENSOR_ERROR
    | Quality.CUFF_ERROR
    | Quality.CONTROL_SOLUTION
    | Quality.WAVE
)  # what the detectors take for no value counts in no sum either
HIDDEN = int(Mark.FUTURE | Mark.RETAINED | Mark.TEST)  # never part of a curve; the rows are there
SINGLE = int(Mark.STORED | Mark.FUTURE | Mark.RETAINED | Mark.TEST)  # such readings are rows whatever their quantity
PACKED = np.array([row.kind in (Kind.CONTINUOUS, Kind.STATUS) for row in QUANTITIES])
POWER = np.array([max(0, round(-np.log10(row.step))) for row in QUANTITIES], np.int64)

COMPONENT = Component(
    "history",
    (
        """
        CREATE TABLE series(
            id INTEGER PRIMARY KEY, device TEXT NOT NULL, quantity INTEGER NOT NULL, origin INTEGER NOT NULL,
            UNIQUE(device, quantity, origin)
        ) STRICT;
        CREATE TABLE chunk(
            series INTEGER NOT NULL, minute INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(series, minute)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE minute(
            series INTEGER NOT NULL, minute INTEGER NOT NULL, n INTEGER NOT NULL, silent INTEGER NOT NULL,
            low REAL, high REAL, total REAL NOT NULL, PRIMARY KEY(series, minute)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE frame(
            id INTEGER PRIMARY KEY, device TEXT NOT NULL, channel TEXT NOT NULL, topic TEXT NOT NULL, boot_id TEXT, seq INTEGER,
            t_received_ns INTEGER NOT NULL, t_device_ns INTEGER, payload BLOB
        ) STRICT;
        CREATE TABLE reading(
            id INTEGER PRIMARY KEY, series INTEGER NOT NULL, t_ns INTEGER NOT NULL, t_received_ns INTEGER NOT NULL, value REAL,
            quality INTEGER NOT NULL, mark INTEGER NOT NULL, frame INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX reading_time ON reading(series, t_ns);
        CREATE INDEX reading_frame ON reading(frame);
        CREATE TABLE era(id INTEGER PRIMARY KEY, lineage TEXT NOT NULL) STRICT;
        """,
    ),
)
COMPONENTS = (cursor.COMPONENT, COMPONENT)


def group_of(device: str) -> int:
    """Which of the groups a device belongs to."""
    return zlib.crc32(device.encode("utf-8", "surrogatepass")) % GROUPS


def place(group: int) -> str:
    """Name of a group's cursor."""
    return f"journal/{group:02d}"


def told(value: NDArray[np.float64], quality: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Which readings say a value that counts."""
    spoken: NDArray[np.bool_] = np.isfinite(value) & ((quality & SILENT) == 0)
    return spoken
