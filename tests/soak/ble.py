"""`python -m tests.soak ble`: 500 simulated straps in 50 rooms at 1 Hz for 60 s (or ANXIN_BLE_ROOMS, ANXIN_BLE_S) in one process."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.support.ble_crowd import run

ROOMS = int(os.environ.get("ANXIN_BLE_ROOMS", "50"))
SECONDS = float(os.environ.get("ANXIN_BLE_S", "60"))
GATHER_S = 300.0


def main() -> int:
    """0 when every reading that was sent is in the journal once and in order."""
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp:
        seen = asyncio.run(run(Path(temp), ROOMS, SECONDS, GATHER_S))
    print(seen.line())
    return 0 if not (seen.missing or seen.twice or seen.shuffled) else 1


if __name__ == "__main__":
    sys.exit(main())
