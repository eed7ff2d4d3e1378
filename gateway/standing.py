"""How the running gateway is, for `anxin status`."""

from __future__ import annotations

from typing import Any

from gateway.clock import NS_PER_S
from gateway.core import Core
from gateway.histories import Histories
from gateway.journal import Journal
from gateway.stream.runner import StreamRunner


def standing(core: Core, journal: Journal, runner: StreamRunner, histories: Histories, started_ns: int) -> dict[str, Any]:
    """Counts, places in the logs and faults, as JSON has them."""
    view, extent, now_ns = core.registry.view, journal.extent(), core.clock.monotonic_ns()
    return {
        "up_s": (now_ns - started_ns) // NS_PER_S,
        "residents": sum(resident.status == "admitted" for resident in view.residents.values()),
        "devices": sum(device.status == "active" for device in view.devices.values()),
        "inbox": len(core.registry.inbox()),
        "journal": {"first": extent.first, "head": extent.head, "days": len(extent.days), "bytes": extent.bytes},
        "stream": {"offset": runner.engine.offset, "behind": max(0, extent.head - 1 - runner.engine.offset)},
        "history": histories.status(),
        "events": core.events.head,
        "counters": dict(core.ops.counters),
        "progress_age_ms": {name: (now_ns - at_ns) // 1_000_000 for name, at_ns in core.ops.progress_ns.items()},
        "faults": [{"code": fault.code, "subject": fault.subject, "params": fault.params} for fault in core.ops.faults()],
    }
