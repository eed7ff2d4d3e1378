"""History: 500 power cuts (or `python -m tests.soak.history <cuts>`)."""

from __future__ import annotations

import sys

from tests.history.cuts import run
from tests.support import fresh_seed


def main() -> int:
    """0 = nothing below a group's place was lost, and the content afterwards is the same."""
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print(f"{cuts} power cuts, {run(cuts, fresh_seed()):,} readings compared, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
