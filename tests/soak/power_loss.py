"""1,000 power cuts (or `python -m tests.soak.power_loss <cuts>`), and 100 with weak syncing that must lose."""

from __future__ import annotations

import sys

from tests.crash.power_cuts import run
from tests.support import fresh_seed


def main() -> int:
    """0 = nothing corrupt, nothing accepted lost, and the rig is known to bite."""
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = fresh_seed()
    full = run(cuts, "FULL", seed)
    print("synchronous=FULL:  ", full.line())
    for problem in full.corrupt:
        print("corrupt:", problem)
    weak = run(max(10, cuts // 10), "NORMAL", seed)
    print("synchronous=NORMAL:", weak.line())
    return 0 if not full.corrupt and not full.lost and weak.lost else 1


if __name__ == "__main__":
    sys.exit(main())
