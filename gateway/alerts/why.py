"""Why somebody was or was not told: the desk's reasons joined with what became of the pages."""

from __future__ import annotations

from typing import Any

import apsw

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
