"""200 kills under 1,000 msg/s (or `python -m tests.soak.kill <kills> <msg/s>`), in towns of 20 kills each."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.e2e.kills import Report, run
from tests.support import fresh_seed

PER_TOWN = 20


def main() -> int:
    """0 = nothing accepted lost or counted twice, every alert in its state, nothing announced again."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 1000.0
    seed, total = fresh_seed(), Report()
    for start in range(0, kills, PER_TOWN):
        with tempfile.TemporaryDirectory(prefix="anxin-") as temp:
            report = run(Path(temp), kills=min(PER_TOWN, kills - start), rate=rate, seed=seed + start, loads=40)
        print(report.line(), flush=True)
        total.add(report)
    print("in all:", total.line())
    for sentence in total.wrong:
        print("wrong:", sentence)
    return 1 if total.wrong or total.lost or total.twice else 0


if __name__ == "__main__":
    sys.exit(main())
