"""Alerts as rows: the tables, and how cases and views turn into JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import apsw

from gateway.alerts.case import Case, Moment, Timer
from gateway.store import Component
from gateway.vocabulary import AlertKind, AlertNotFound, AlertState, AlertView, Origin, Outcome, Priority

COMPONENT = Component(
    "alerts",
    (
        """
        CREATE TABLE alerts (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            kind TEXT NOT NULL,
            cause TEXT NOT NULL,
            origin INTEGER NOT NULL,
            open INTEGER NOT NULL,
            state TEXT NOT NULL,
            priority INTEGER NOT NULL,
            site_id TEXT,
            folded_into TEXT,
            claimed_by TEXT,
            raised_ns INTEGER NOT NULL,
            last_ns INTEGER NOT NULL,
            resolved_ns INTEGER,
            due_mono INTEGER,               -- next timer on this run's monotonic clock
            body TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX alerts_one_open ON alerts (subject, kind, cause, origin) WHERE open = 1;
        CREATE INDEX alerts_open ON alerts (open, raised_ns);
        CREATE INDEX alerts_by_cause ON alerts (subject, kind, cause, origin, raised_ns);
        CREATE INDEX alerts_due ON alerts (due_mono) WHERE due_mono IS NOT NULL;
        CREATE INDEX alerts_folded ON alerts (folded_into) WHERE folded_into IS NOT NULL AND open = 1;
        CREATE TABLE alert_findings (
            finding_id TEXT NOT NULL,
            phase TEXT NOT NULL,
            offset INTEGER NOT NULL,
            alert_id TEXT NOT NULL,
            t_ns INTEGER NOT NULL,
            PRIMARY KEY (finding_id, phase, offset)
        ) WITHOUT ROWID;
        CREATE INDEX alert_findings_age ON alert_findings (t_ns);
        CREATE TABLE alert_transitions (
            alert_id TEXT NOT NULL,
            n INTEGER NOT NULL,
            t_ns INTEGER NOT NULL,
            kind TEXT NOT NULL,
            why TEXT NOT NULL,
            actor TEXT NOT NULL,
            actor_name TEXT NOT NULL,
            event_offset INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (alert_id, n)
        ) WITHOUT ROWID;
        CREATE TABLE alert_why (
            alert_id TEXT NOT NULL,
            n INTEGER NOT NULL,             -- of the transition
            recipient TEXT NOT NULL,
            name TEXT NOT NULL,
            t_ns INTEGER NOT NULL,
            channels TEXT NOT NULL,
            told INTEGER NOT NULL,
            reason TEXT NOT NULL,
            page_key TEXT NOT NULL
        );
        CREATE INDEX alert_why_alert ON alert_why (alert_id, n);
        CREATE TABLE alert_clock (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            wall_ns INTEGER NOT NULL,
            mono_ns INTEGER NOT NULL,
            beats INTEGER NOT NULL
        );
        """,
        """
        ALTER TABLE alert_why ADD COLUMN fate TEXT NOT NULL DEFAULT '';     -- '' = not yet known, else what became of the page
        UPDATE alert_why SET fate = 'before';
        CREATE INDEX alert_why_waiting ON alert_why (page_key) WHERE fate = '' AND page_key <> '';
        CREATE INDEX alert_why_time ON alert_why (t_ns);
        CREATE INDEX alerts_calls ON alerts (raised_ns) WHERE kind = 'call';
        CREATE INDEX alerts_gateway ON alerts (last_ns) WHERE open = 1 AND subject = 'gateway';
        CREATE INDEX alert_transitions_time ON alert_transitions (t_ns);
        CREATE TABLE silence (
            id TEXT PRIMARY KEY,
            resident_id TEXT NOT NULL,
            cause TEXT NOT NULL,
            reason TEXT NOT NULL,
            author TEXT NOT NULL,
            author_name TEXT NOT NULL,
            from_ns INTEGER NOT NULL,
            until_ns INTEGER NOT NULL,
            ended_ns INTEGER,
            ended_by TEXT NOT NULL DEFAULT '',
            ended_why TEXT NOT NULL DEFAULT ''
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX silence_one ON silence (resident_id, cause) WHERE ended_ns IS NULL;
        CREATE INDEX silence_time ON silence (from_ns);
        CREATE TABLE handover (
            id TEXT PRIMARY KEY,
            site_id TEXT NOT NULL,
            zone_id TEXT,
            giver TEXT NOT NULL,
            giver_name TEXT NOT NULL,
            receiver TEXT,                  -- a user; NULL = the desk
            receiver_name TEXT NOT NULL,
            given_ns INTEGER NOT NULL,
            accepted_ns INTEGER,
            accepted_by TEXT,
            accepted_name TEXT NOT NULL DEFAULT '',
            note TEXT NOT NULL,
            body TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX handover_site ON handover (site_id, given_ns);
        CREATE TABLE digest (
            site_id TEXT NOT NULL,
            until_ns INTEGER NOT NULL,
            from_ns INTEGER NOT NULL,
            alerts TEXT NOT NULL,
            PRIMARY KEY (site_id, until_ns)
        ) STRICT, WITHOUT ROWID;
        """,
    ),
)


_VIEW_FIELDS = tuple(field.name for field in fields(AlertView))


def view_to_dict(view: AlertView) -> dict[str, Any]:
    """A view as JSON-ready fields; the body of every alert event holds one under "view"."""
    raw = {name: getattr(view, name) for name in _VIEW_FIELDS}  # a deep copy would cost more than everything else here
    raw.update(priority=int(view.priority), origin=int(view.origin), supported_by=list(view.supported_by))
    return raw


def view_from_dict(raw: Mapping[str, Any]) -> AlertView:
    """Inverse of view_to_dict."""
    return AlertView(
        **{
            **raw,
            "state": AlertState(raw["state"]),
            "priority": Priority(raw["priority"]),
            "kind": AlertKind(raw["kind"]),
            "origin": Origin(raw["origin"]),
            "outcome": None if raw["outcome"] is None else Outcome(raw["outcome"]),
            "supported_by": tuple(raw["supported_by"]),
        }
    )


def dump(case: Case, now: Moment) -> str:
    """A case as JSON; each timer with its monotonic due time, its wall due time and the span that remained."""
    shift_ns = now.wall_ns - now.mono_ns
    timers = {timer.value: [due, due + shift_ns, due - now.mono_ns] for timer, due in case.timers.items()}
    told = None if case.told_mono_ns is None else [case.told_mono_ns, case.told_mono_ns + shift_ns]
    raw = {
        "v": 1,
        "view": view_to_dict(case.view),
        "subject": case.subject,
        "initials": case.initials,
        "timers": timers,
        "findings": list(case.findings),
        "told": told,
    }
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":"))


def parse(body: str) -> Case:
    """Inverse of dump within one run; after a restart see adopt()."""
    raw = json.loads(body)
    return Case(
        view=view_from_dict(raw["view"]),
        subject=raw["subject"],
        initials=raw["initials"],
        timers={Timer(name): int(mono) for name, (mono, _, _) in raw["timers"].items()},
        findings=tuple(raw["findings"]),
        told_mono_ns=None if raw["told"] is None else int(raw["told"][0]),
    )


def adopt(body: str, now: Moment, stepped_back: bool) -> Case:
    """A case of an earlier run on this run's clock: timers fire early rather than late.

    What remains is the smaller of (wall due - now) and the persisted span; if the wall clock went back meanwhile,
    nobody knows how long we were down, and the ladder goes on at once.
    """
    raw = json.loads(body)
    timers: dict[Timer, int] = {}
    for name, (_, wall_due, span) in raw["timers"].items():
        left = min(wall_due - now.wall_ns, span)  # below zero: overdue by that much
        if stepped_back:
            left = min(0, span) if name == Timer.STEP else span
        timers[Timer(name)] = now.mono_ns + left
    told = None if raw["told"] is None else now.mono_ns - max(0, now.wall_ns - int(raw["told"][1]))
    raw["timers"], raw["told"] = {}, None
    case = parse(json.dumps(raw))
    return Case(view=case.view, subject=case.subject, initials=case.initials, timers=timers, findings=case.findings, told_mono_ns=told)


_COLUMNS = (
    "id subject kind cause origin open state priority site_id folded_into claimed_by raised_ns last_ns resolved_ns due_mono body".split()
)
# Not OR REPLACE: a second open alert of the same cause must fail, not push the first one out.
_UPSERT = (
    f"INSERT INTO alerts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - constant names
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


def with_version(case: Case, version: int) -> Case:
    """The case under a given version."""
    return replace(case, view=replace(case.view, version=version))


def save(conn: apsw.Connection, case: Case, now: Moment) -> None:
    """Write a case's row."""
    view = case.view
    due = min(case.timers.values(), default=None)
    row = (
        view.id,
        case.subject,
        view.kind.value,
        view.cause,
        int(view.origin),
        int(case.open),
        view.state.value,
        int(view.priority),
        view.site_id,
        view.folded_into,
        view.claimed_by,
        view.raised_ns,
        view.last_ns,
        view.resolved_ns,
        due,
        dump(case, now),
    )
    conn.execute(_UPSERT, row)


def load(conn: apsw.Connection, alert_id: str) -> Case:
    """A case by id; raises AlertNotFound."""
    row = conn.execute("SELECT body FROM alerts WHERE id = ?", (alert_id,)).fetchone()
    if row is None:
        raise AlertNotFound(alert_id)
    return parse(row[0])


def cases(conn: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[Case]:
    """Cases by a constant statement that selects bodies."""
    return [parse(body) for (body,) in conn.execute(sql, values)]


def open_alerts(conn: apsw.Connection) -> list[AlertView]:
    """All alerts that are not resolved: unclaimed first, then priority, then oldest."""
    return sorted_for_wall(case.view for case in cases(conn, "SELECT body FROM alerts WHERE open = 1"))


def recent_alerts(conn: apsw.Connection, limit: int) -> list[AlertView]:
    """Newest alerts of any state."""
    return [case.view for case in cases(conn, "SELECT body FROM alerts ORDER BY raised_ns DESC LIMIT ?", (limit,))]


def sorted_for_wall(views: Iterable[AlertView]) -> list[AlertView]:
    """Unclaimed > priority > oldest; what is only unseen comes last."""

    def order(view: AlertView) -> tuple[int, int, int]:
        rank = {AlertState.RAISED: 0, AlertState.CLAIMED: 1, AlertState.ARRIVED: 1, AlertState.CLEARED: 2, AlertState.RESOLVED: 3}
        return rank[view.state], -int(view.priority), view.raised_ns

    return sorted(views, key=order)


def get(conn: apsw.Connection, alert_id: str) -> AlertView:
    """One alert; raises AlertNotFound."""
    return load(conn, alert_id).view


def history(conn: apsw.Connection, alert_id: str) -> list[dict[str, Any]]:
    """Transitions of one alert, oldest first: n, t_ns, kind, why, actor, actor_name, event_offset, body."""
    names = ("n", "t_ns", "kind", "why", "actor", "actor_name", "event_offset")
    sql = "SELECT n, t_ns, kind, why, actor, actor_name, event_offset, body FROM alert_transitions WHERE alert_id = ? ORDER BY n"
    rows = conn.execute(sql, (alert_id,))
    return [{**dict(zip(names, row, strict=False)), "body": json.loads(row[-1])} for row in rows]
