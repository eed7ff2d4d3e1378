"""The alarm loop's turn in the store: proves that it commits, keeps due times right through clock steps and restarts."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from gateway import events
from gateway.alerts import records
from gateway.alerts.case import Change, Moment, settle
from gateway.clock import NS_PER_S

STEP_NS = 2 * NS_PER_S  # wall and monotonic time apart by more than this between two turns: the wall clock was set
MAX_DUE = 200  # alerts per turn; the next turn follows at once
KEEP_FINDINGS_NS = 30 * 24 * 3600 * NS_PER_S  # the journal they could be repeated from is kept for 7 days


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn found."""

    beats: int
    due: tuple[str, ...]
    claimed: bool  # whether somebody owns an alert, so that the end of a shift matters
    waiting: bool = False  # whether it became known what happened to a page
    silences: bool = False  # whether silences of rules are in force
    stepped: bool = False  # whether the wall clock was set


def adopt(conn: apsw.Connection, now: Moment) -> None:
    """Take over what an earlier run left: its monotonic times mean nothing here."""
    row = conn.execute("SELECT wall_ns, beats FROM alert_clock WHERE id = 1").fetchone()
    stepped_back = row is not None and now.wall_ns < row[0] - STEP_NS
    for (body,) in list(conn.execute("SELECT body FROM alerts WHERE open = 1 OR due_mono IS NOT NULL")):
        records.save(conn, records.adopt(body, now, stepped_back), now)
    beats = 0 if row is None else int(row[1])
    conn.execute("INSERT OR REPLACE INTO alert_clock VALUES (1, ?, ?, ?)", (now.wall_ns, now.mono_ns, beats))
    conn.execute("DELETE FROM alert_findings WHERE t_ns < ?", (now.wall_ns - KEEP_FINDINGS_NS,))


def turn(conn: apsw.Connection, now: Moment) -> Turn:
    """Count a beat, notice a step of the wall clock, name the alerts that are due."""
    row = conn.execute("SELECT wall_ns, mono_ns, beats FROM alert_clock WHERE id = 1").fetchone()
    if row is None:
        raise LookupError("the desk has not adopted the store")
    wall_ns, mono_ns, beats = row
    step_ns = (now.wall_ns - wall_ns) - (now.mono_ns - mono_ns)
    if abs(step_ns) > STEP_NS:
        _retime(conn, now, step_ns)
    conn.execute("UPDATE alert_clock SET wall_ns = ?, mono_ns = ?, beats = ? WHERE id = 1", (now.wall_ns, now.mono_ns, beats + 1))
    due = conn.execute("SELECT id FROM alerts WHERE due_mono <= ? ORDER BY priority DESC, due_mono LIMIT ?", (now.mono_ns, MAX_DUE))
    ids = tuple(str(row[0]) for row in due)
    claimed = conn.execute("SELECT 1 FROM alerts WHERE open = 1 AND claimed_by IS NOT NULL LIMIT 1").fetchone()
    waiting = conn.execute(
        "SELECT 1 FROM alert_why w JOIN outbox o ON o.key = w.page_key"
        " WHERE w.fate = '' AND w.page_key <> '' AND o.state <> 'pending' LIMIT 1"
    ).fetchone()
    silent = conn.execute("SELECT 1 FROM silence WHERE ended_ns IS NULL LIMIT 1").fetchone()
    return Turn(
        beats=beats + 1,
        due=ids,
        claimed=claimed is not None,
        waiting=waiting is not None,
        silences=silent is not None,
        stepped=abs(step_ns) > STEP_NS,
    )


def next_due(conn: apsw.Connection) -> int | None:
    """Monotonic time of the next timer of all alerts."""
    row = conn.execute("SELECT min(due_mono) FROM alerts WHERE due_mono IS NOT NULL").fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _retime(conn: apsw.Connection, now: Moment, step_ns: int) -> None:
    """The wall clock was set: timers keep their monotonic due times, and screens get the new wall times."""
    events.append(conn, kind="clock.stepped", subject="gateway", actor="system", body={"step_ns": step_ns}, t_ns=now.wall_ns)
    for case in records.cases(conn, "SELECT body FROM alerts WHERE due_mono IS NOT NULL"):
        # The version stays: nobody's claim may fail because a clock was set.
        moved = settle(Change(case=case), now, told=False).case
        moved = records.with_version(moved, case.view.version)
        records.save(conn, moved, now)
        body = {"view": records.view_to_dict(moved.view), "who": {"id": "system", "name": "system"}, "why": "clock_stepped"}
        events.append(conn, kind="alert.retimed", subject=case.view.id, actor="system", body=body, t_ns=now.wall_ns)
