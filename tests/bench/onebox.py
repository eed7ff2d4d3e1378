"""`python -m tests.bench onebox`: the one-box soak for 30 s."""

from __future__ import annotations

import sys

from tests.soak.onebox import main

if __name__ == "__main__":
    sys.exit(main(30.0))
