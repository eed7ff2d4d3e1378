"""An edge that kept 1,000,000 readings of 72 hours drains them (or `python -m tests.soak.edge <readings>`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.e2e.edge import run

CALL_LIMIT_S = 0.75  # three times what a call may take


def main() -> int:
    """0 = in order, nothing lost or twice, calls on the screen in time, nothing of then alarms today."""
    readings = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp:
        report = run(Path(temp), readings)
    print(report.line())
    for sentence in report.wrong:
        print("wrong:", sentence)
    slow = sum(took_s > CALL_LIMIT_S for took_s in report.calls_s)
    print(f"calls beyond {CALL_LIMIT_S * 1000:.0f} ms: {slow} of {len(report.calls_s)}")
    whole = report.stored == report.sent and not report.twice and report.order and not report.missing
    return 0 if whole and not report.vital_alerts and not report.wrong and slow == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
