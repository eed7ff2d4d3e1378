"""Every look at a person's data is a row of the audit: one per view and subject, not one per tile and second."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import apsw

from gateway.audit import Audit
from gateway.clock import NS_PER_S, Clock
from gateway.ops import Ops
from gateway.query.asker import Asker
from gateway.store import Database, StoreError

WINDOW_S = 60  # a page that refreshes itself is one look per minute
MAX_REMEMBERED = 10_000


class Looks:
    """Writes looks before the data is handed out."""

    def __init__(self, db: Database, audit: Audit, clock: Clock, ops: Ops) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._ops = ops
        self._recent: OrderedDict[tuple[str, str, str, str | None], int] = OrderedDict()

    async def looked(
        self, asker: Asker, view: str, subject: str, *, resident: str | None = None, outcome: str = "allowed", **detail: Any
    ) -> None:
        """Record that the asker looks at `view` of `subject`; the same look within a minute is the same row."""
        key = (asker.id, view, subject, resident)
        now_ns = self._clock.monotonic_ns()
        before = self._recent.get(key)
        if before is not None and now_ns - before < WINDOW_S * NS_PER_S:
            return

        def unit(conn: apsw.Connection) -> None:
            self._audit.append(
                conn, actor=asker.id, role=asker.role.value, action=f"read.{view}", subject=subject, resident=resident,
                purpose=asker.purpose.value, outcome=outcome, detail={**detail, "window_s": WINDOW_S},
            )  # fmt: skip

        try:
            await self._db.write(unit)
        except StoreError:
            # Care goes on when the disk is full: the fault is an alert of its own, the missing rows are counted.
            self._ops.counters["audit.look_not_written"] += 1
            self._ops.fault("audit.unwritable", "store")
            return
        self._ops.clear("audit.unwritable", "store")
        self._recent[key] = now_ns
        self._recent.move_to_end(key)
        while len(self._recent) > MAX_REMEMBERED:
            self._recent.popitem(last=False)
