"""`python -m tests.bench [name ...]`: all benchmarks, or the named ones."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.parts import run_parts

PLANNED = {
    "ingest": "MQTT QoS 1 to acknowledgement: messages/s, CPU per message, losses, on both brokers",
    "call_latency": "call published to event on a screen: p50/p95/p99, quiet, loaded and flooded",
    "engine": "stream engine updates/s at 1,000 series, against River in the same run",
    "onebox": "the whole product on one box for 30 s: 500 residents x 10 signals at 1 Hz, 500 accelerometers at 50 Hz",
    "deviation": "alarms per resident-week on clean synthetic vital signs, and what the deviation rule finds when",
    "falls": "wearers at 50 Hz per core: the fall detector alone, and the engine with the frames' JSON",
    "screens": "1,000 open streams: call to event in each one's hand; a wall of 100 beds at 1 Hz for 10 min: page's work per second, heap",
    "history": "ingest, bytes per reading, 24 h at 1 Hz and 30 days as 500 points; beside a row per reading and VictoriaMetrics",
}

if __name__ == "__main__":
    sys.exit(run_parts(Path(__file__).parent, PLANNED, sys.argv[1:]))
