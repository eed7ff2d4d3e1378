"""Why somebody was or was not told: the desk's reasons joined with what became of the pages."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import apsw

from gateway.alerts import records, silences
from gateway.notify import outbox


def of(conn: apsw.Connection, alert_id: str) -> list[dict[str, Any]]:
    """By transition, oldest first: n, transition, t_ns, recipient, name, channels, told, reason, page.

    `reason` is why the person was told ("new", "unclaimed", ...) or not ("off_duty", "no_channel", "silenced", "folded", ...);
    `page` is None or {state, reason, channel, attempts, done_ns}: state pending with reason "quota" waits for the channel's quota.
    """
    fates = outbox.fates(conn, alert_id)
    sql = (
        "SELECT w.n, t.kind, w.t_ns, w.recipient, w.name, w.channels, w.told, w.reason, w.page_key FROM alert_why w"
        " JOIN alert_transitions t ON t.alert_id = w.alert_id AND t.n = w.n WHERE w.alert_id = ? ORDER BY w.n, w.rowid"
    )
    found = []
    for n, kind, t_ns, recipient, name, channels, told, reason, key in conn.execute(sql, (alert_id,)):
        found.append(
            {
                "n": n,
                "transition": kind,
                "t_ns": t_ns,
                "recipient": recipient,
                "name": name,
                "channels": [part for part in str(channels).split(",") if part],
                "told": bool(told),
                "reason": reason,
                "page": fates.get(str(key)),
            }
        )
    return found


def told_at(conn: apsw.Connection, event_offset: int) -> list[dict[str, str]]:
    """People who were told because of one event: id and name."""
    sql = (
        "SELECT DISTINCT w.recipient, w.name FROM alert_transitions t JOIN alert_why w ON w.alert_id = t.alert_id AND w.n = t.n"
        ' WHERE t.event_offset = ?1 AND w.told = 1 AND t.alert_id = (SELECT subject FROM event WHERE "offset" = ?1)'
    )
    return [{"id": str(recipient), "name": str(name)} for recipient, name in conn.execute(sql, (event_offset,))]


_MINUTE_NS = 60 * 1_000_000_000
_STOOD = """
    SELECT id, subject FROM alerts WHERE raised_ns < ?2 AND (open = 1 OR coalesce(resolved_ns, last_ns) >= ?1)
    AND (subject IN (SELECT value FROM json_each(?3)) OR json_extract(body, '$.view.resident_id') IN (SELECT value FROM json_each(?3)))
    ORDER BY raised_ns, id LIMIT 500
"""
_AT_THAT_TIME = """
    SELECT e.body FROM alert_transitions t JOIN event e ON e."offset" = t.event_offset WHERE t.alert_id = ? AND t.t_ns < ?
    ORDER BY t.n DESC LIMIT 1
"""


def at(conn: apsw.Connection, residents: Collection[str], t_ns: int) -> dict[str, Any]:
    """A resident's minute: every alert that stood in it, as it stood at its end, what happened, who was told or not, what was silenced.

    Keys: from_ns, until_ns, alerts [{id, view, happened, told}], silences. `residents` are the record and those merged into it.
    """
    from_ns = t_ns - t_ns % _MINUTE_NS
    until_ns = from_ns + _MINUTE_NS
    ids = json.dumps(sorted(residents))
    found = []
    for alert_id, _ in list(conn.execute(_STOOD, (from_ns, until_ns, ids))):
        stood = conn.execute(_AT_THAT_TIME, (alert_id, until_ns)).fetchone()
        if stood is None:
            continue  # it was raised later, under an earlier clock
        happened = [row for row in records.history(conn, alert_id) if from_ns <= row["t_ns"] < until_ns]
        told = [row for row in of(conn, alert_id) if from_ns <= row["t_ns"] < until_ns]
        found.append({"id": alert_id, "view": json.loads(stood[0])["view"], "happened": happened, "told": told})
    return {"from_ns": from_ns, "until_ns": until_ns, "alerts": found, "silences": silences.at(conn, residents, from_ns)}


def held(conn: apsw.Connection, sites: Collection[str], since_ns: int, until_ns: int) -> dict[str, int]:
    """How often somebody was not told in [since, until) at these sites, by reason."""
    sql = (
        "SELECT w.reason, count(*) FROM alert_why w JOIN alerts a ON a.id = w.alert_id WHERE w.told = 0 AND w.t_ns >= ? AND w.t_ns < ?"
        " AND a.site_id IN (SELECT value FROM json_each(?)) GROUP BY w.reason ORDER BY w.reason"
    )
    return {str(reason): int(count) for reason, count in conn.execute(sql, (since_ns, until_ns, json.dumps(sorted(sites))))}
