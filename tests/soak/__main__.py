"""`python -m tests.soak [name ...]`: all soak runs, or the named ones."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.parts import run_parts

PLANNED = {
    "kill": "200 kills of the gateway under load: every accepted reading once, every alert in its state",
    "ladders": "200 kills in the middle of ladders counted in seconds: no step lost, none said twice under different ids",
    "power_loss": "1,000 power cuts on a disk that tears and drops unsynced sectors; the same with weak syncing must lose",
    "stall": "a consumer that stands still for 60 s while the broker waits 30 s: bounded redelivery, nothing twice, calls go on",
    "edge": "1,000,000 readings that an edge kept for 72 h drain in order while calls go on: nothing lost, twice, late or alarming",
    "onebox": "500 residents x 10 signals at 1 Hz and 500 accelerometers at 50 Hz for 10 min on one box: lost, lag p99, CPU, memory",
    "month": "a simulated month of 100 residents, engine and desk, with truth labels: alarms per resident-day, share right, SOS owned",
    "flood": "10 minutes of publishers that never stop: every call on the screen and at a channel, what was refused is counted",
    "ble": "500 Bluetooth devices in 50 rooms at 1 Hz for 60 s: every reading in the journal once and in order, CPU share",
    "decoders": "10^6 random inputs per decoder: samples in range or DecodeError",
}

if __name__ == "__main__":
    sys.exit(run_parts(Path(__file__).parent, PLANNED, sys.argv[1:]))
