"""The call service: the list of calls with who answered, who was sent and how it ended, and how fast each site answers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from gateway.alerts import records
from gateway.clock import NS_PER_S
from gateway.vocabulary import AlertView, Origin

ANSWERS = ("claimed", "arrived", "resolved", "supported")  # what only a person does
SAID = ("noted", "dispatched", "wearer_ok")
FAST_S, SLOW_S = 60.0, 180.0
FAST_SHARE, SLOW_SHARE = 0.975, 0.99  # answered within FAST_S and SLOW_S: what the telecare associations ask for
MAX_CALLS = 5000

_CALLS = "SELECT body FROM alerts WHERE kind = 'call' AND raised_ns >= ? AND raised_ns < ? ORDER BY raised_ns DESC LIMIT ?"
_SAID = (
    "SELECT t_ns, kind, actor, actor_name, body FROM alert_transitions WHERE alert_id = ?"
    " AND kind IN ('claimed', 'arrived', 'resolved', 'supported', 'noted', 'dispatched', 'wearer_ok') ORDER BY n"
)


def listing(conn: apsw.Connection, since_ns: int, until_ns: int, limit: int = MAX_CALLS) -> list[dict[str, Any]]:
    """Calls raised in [since, until), newest first: view, answered_ns, answered_by, said (notes and people sent)."""
    found = []
    for case in records.cases(conn, _CALLS, (since_ns, until_ns, min(limit, MAX_CALLS))):
        steps = list(conn.execute(_SAID, (case.view.id,)))
        answer = next(((t_ns, name) for t_ns, kind, actor, name, _ in steps if kind in ANSWERS and actor != "system"), None)
        said = [
            {"t_ns": t_ns, "kind": kind, "actor_name": name, **json.loads(body)} for t_ns, kind, _, name, body in steps if kind in SAID
        ]
        found.append(
            {
                "view": case.view,
                "answered_ns": None if answer is None else answer[0],
                "answered_by": None if answer is None else answer[1],
                "said": said,
            }
        )
    return found


def figures(rows: Iterable[Mapping[str, Any]], now_ns: int) -> dict[str, dict[str, Any]]:
    """By site ("" = of none): calls, answered within 60 s and 180 s against 97.5 % and 99 %, the longest without an answer, outcomes.

    Only real calls count. One that still waits counts as late from the moment on when it is.
    """
    by_site: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        view: AlertView = row["view"]
        if view.origin is Origin.LIVE:
            by_site[view.site_id or ""].append(row)
    return {site_id: _of_site(found, now_ns) for site_id, found in by_site.items()}


def _of_site(rows: Sequence[Mapping[str, Any]], now_ns: int) -> dict[str, Any]:
    waits = [((now_ns if row["answered_ns"] is None else row["answered_ns"]) - row["view"].raised_ns) / NS_PER_S for row in rows]
    judged = [(wait, row) for wait, row in zip(waits, rows, strict=True) if row["answered_ns"] is not None or wait > FAST_S]
    slow = [(wait, row) for wait, row in zip(waits, rows, strict=True) if row["answered_ns"] is not None or wait > SLOW_S]
    fast_share = _share([wait <= FAST_S for wait, _ in judged])
    slow_share = _share([wait <= SLOW_S for wait, _ in slow])
    outcomes: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["view"].outcome is not None:
            outcomes[row["view"].outcome.value] += 1
    return {
        "calls": len(rows),
        "waiting": sum(row["answered_ns"] is None for row in rows),
        "within_60_s": fast_share,
        "within_180_s": slow_share,
        "target_60_s": FAST_SHARE,
        "target_180_s": SLOW_SHARE,
        "met": None if fast_share is None or slow_share is None else fast_share >= FAST_SHARE and slow_share >= SLOW_SHARE,
        "longest_s": round(max(waits, default=0.0), 1),
        "outcomes": dict(outcomes),
    }


def _share(good: Sequence[bool]) -> float | None:
    return None if not good else round(sum(good) / len(good), 4)
