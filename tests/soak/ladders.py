"""200 kills in the middle of ladders (or `python -m tests.soak.ladders <kills>`), in houses of 10 kills each."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.crash.test_ladders import CALLS, run
from tests.support import fresh_seed

PER_HOUSE = 10


def main() -> int:
    """0 = no call and no step lost, nothing said twice under different ids, what was overdue ran at once after the start."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed, wrong, pages = fresh_seed(), 0, 0
    print(f"seed {seed}", flush=True)
    for start in range(0, kills, PER_HOUSE):
        count = min(PER_HOUSE, kills - start)
        with tempfile.TemporaryDirectory(prefix="anxin-") as temp:
            try:
                pages += asyncio.run(run(Path(temp), count, seed + start))
            except AssertionError as error:
                wrong += 1
                print(f"wrong after {start} kills, seed {seed + start}: {error}", flush=True)
        print(f"{start + count} kills, {(start + count) * CALLS} calls, {pages} pages, wrong: {wrong}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
