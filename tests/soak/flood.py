"""`python -m tests.soak flood`: ten minutes (ANXIN_FLOOD_S) of publishers that never stop, with a call every second.

Publishers send until they wait for room in their windows. No call may be shed: each comes to the screen (p99 <= 2 s) and to the channel;
what of the readings was refused or held back is counted by the gateway and printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import call_latency
from tests.bench.call_latency import FLOOD, LOADS, Row, Screen, measure
from tests.support.button import Button
from tests.support.running import Gateway
from tests.support.town import RESIDENTS, town

FLOOD_S = float(os.environ.get("ANXIN_FLOOD_S", "600"))
LIMIT_S = 2.0
COUNTERS = ("intake.", "mqtt.", "live.", "stream.", "ticks.", "shed.")


def run(gateway: Gateway, hook: Any, stack: ExitStack) -> tuple[Row, dict[str, int]]:
    """The flood; its row and what the gateway counted."""
    buttons = [stack.enter_context(Button(gateway, f"button-{i}")).connected() for i in range(1, RESIDENTS + 1)]
    screen = Screen(gateway.person("mei"), gateway.person("nan")).start()
    call_latency.EVERY_S, call_latency.CALLS = 1.0, max(6, round(FLOOD_S))
    row = measure(gateway, hook, screen, buttons, {button.device: 0 for button in buttons}, Row("embedded, flooded", FLOOD))
    counters = gateway.ask("status")["counters"]
    return row, {name: count for name, count in sorted(counters.items()) if name.startswith(COUNTERS)}


def main() -> int:
    """0 when no call was lost and the slowest percent took at most 2 s."""
    with tempfile.TemporaryDirectory(prefix="anxin-") as temp, ExitStack() as stack:
        gateway, hook = stack.enter_context(town(Path(temp), loads=LOADS))
        gateway.start()
        row, counted = run(gateway, hook, stack)
    print(f"flood of {FLOOD_S:.0f} s, {LOADS} publishers that wait only for room")
    print(row.line())
    for name, count in counted.items():
        print(f"  {name}: {count}")
    took = sorted(row.took_s)
    p99 = took[min(len(took) - 1, int(0.99 * len(took)))] if took else float("inf")
    calls = len(took) + row.missing
    print(
        f"calls {calls}, missing {row.missing}, p99 {p99 * 1000:.0f} ms (limit {LIMIT_S * 1000:.0f}); {len(row.paged_s)} of them raised a"
    )
    print("new alert that was requested at the channel, the others repeated one that was still open")
    return 0 if row.missing == 0 and p99 <= LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
