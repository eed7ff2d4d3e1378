"""What the desk looks after by itself: shift ends, merged and absent residents, silences that run out, deliveries, the morning's digest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from gateway.alerts import machine, records, silences, storm, whose
from gateway.alerts.case import OWNED, Case, Change, Standing, Transition, Why, settle, with_view
from gateway.alerts.routing import DESK, digest_page, staff_of, to_desk, to_person
from gateway.alerts.storms import Storms
from gateway.clock import NS_PER_S
from gateway.notify import outbox
from gateway.registry import rota
from gateway.registry.view import Quiet, RegistryView
from gateway.vocabulary import SYSTEM, AlertKind, AlertState

DIGEST_ROLES = ("caregiver", "nurse", "head_nurse")
DIGEST_WITHIN_NS = 12 * 3600 * NS_PER_S  # a morning that is longer ago needs no summary any more
MAX_DELIVERIES = 200  # per turn; the next turn follows
OWN_FATES = ("sent", "void", "refused")


class Keeping(Storms):
    """Upkeep inside a transaction."""

    # --- people ----------------------------------------------------------------------------------------------------

    def shift_ends(self) -> None:
        """Hand the alerts of people whose shift is over to the desk."""
        for case in records.cases(self._conn, "SELECT body FROM alerts WHERE open = 1 AND claimed_by IS NOT NULL", ()):
            if self._off_shift(case):
                self._commit(machine.on_shift_end(case, self._timing_of(case), self._now), case)

    def _off_shift(self, case: Case) -> bool:
        view = case.view
        staff_id = None if view.claimed_by is None else staff_of(self._duty, view.claimed_by)
        if view.state not in OWNED or staff_id is None or view.site_id is None or view.claimed_ns is None:
            return False
        then = rota.on_shift(self._duty, view.site_id, staff_id, view.claimed_ns)
        return then and not rota.on_shift(self._duty, view.site_id, staff_id, self._now.wall_ns)

    def residents_changed(self) -> None:
        """Alerts of a merged record follow it; of somebody who is away nothing is expected."""
        merged = {row.id for row in self._duty.residents.values() if row.merged_into is not None}
        away = {row.id for row in self._duty.residents.values() if row.status == "away"}
        sql = "SELECT body FROM alerts WHERE open = 1 ORDER BY raised_ns, id"
        for case in records.cases(self._conn, sql):
            if case.subject in merged:
                self._follow(records.load(self._conn, case.view.id))
            elif case.view.resident_id in merged:
                self._follow_device(case)
            elif case.view.resident_id in away and case.view.cause.startswith(storm.PREFIX) and not case.view.condition_over:
                said = Transition(kind="expectation_paused", why=Why.AWAY)
                self._commit(settle(Change(case=case, transitions=(said,)), self._now), case)
                self.end_all(records.load(self._conn, case.view.id))

    def _standing_of(self, resident_id: str, case: Case) -> Standing:
        row = self._duty.residents[resident_id]
        while row.merged_into is not None and row.merged_into in self._duty.residents:
            row = self._duty.residents[row.merged_into]
        place = row.place
        subject = row.id if case.subject == resident_id else case.subject
        return Standing(
            subject=subject, resident_id=row.id, site_id=place.site_id, zone_id=place.zone_id, place=place.label, initials=row.initials
        )

    def _follow_device(self, case: Case) -> None:
        standing = self._standing_of(case.view.resident_id or "", case)
        self._commit(machine.move(case, replace(standing, place=case.view.place), self._now), case)

    def reattributed(self, view: RegistryView, since: dict[str, int]) -> None:
        """Readings turned out to be another person's: alerts that were raised of them follow, those that are over as well."""
        for alert_id, standing in whose.moves(self._conn, view, since):
            self._follow_to(records.load(self._conn, alert_id), standing, Why.REATTRIBUTED)

    def _follow(self, case: Case) -> None:
        """An alert of a merged record."""
        if case.open:
            self._follow_to(case, self._standing_of(case.subject, case), Why.MERGED)

    def _follow_to(self, case: Case, standing: Standing, why: Why) -> None:
        """Where the same cause stands with the other person already, one of the two alerts speaks for both."""
        other = self._open_case(standing.subject, case.view.kind, case.view.cause, case.view.origin) if case.open else None
        if other is None:
            self._commit(machine.move(case, standing, self._now, why), case)
            return
        keeper, loser = (case, other) if case.view.state in OWNED and other.view.state not in OWNED else (other, case)
        self._commit(machine.close_merged(loser, keeper.view.id, self._now), loser)
        if keeper is case:
            self._commit(machine.move(case, standing, self._now, why), case)
        self._conn.execute("UPDATE alert_findings SET alert_id = ? WHERE alert_id = ?", (keeper.view.id, loser.view.id))
        kept = records.load(self._conn, keeper.view.id)
        self._commit(machine.absorb(kept, loser, self._now), kept)

    # --- silences --------------------------------------------------------------------------------------------------

    def silences_due(self, *, stepped: bool) -> None:
        """Silences of rules that have run out; the alerts under them have timers of their own."""
        for row in silences.end_due(self._conn, self._now, stepped=stepped):
            self._said("silence.ended", row["id"], SYSTEM, {**_silence_body(row), "why": row["ended_why"]})

    # --- deliveries ------------------------------------------------------------------------------------------------

    def deliveries(self) -> None:
        """What became of the pages: who was reached, by which channel, and when."""
        sql = (
            "SELECT w.rowid, w.alert_id, w.recipient, w.name, o.state, o.channel, o.done_ns FROM alert_why w"
            " JOIN outbox o ON o.key = w.page_key WHERE w.fate = '' AND w.page_key <> '' AND o.state <> 'pending' LIMIT ?"
        )
        for rowid, alert_id, recipient, name, state, channel, done_ns in list(self._conn.execute(sql, (MAX_DELIVERIES,))):
            self._conn.execute("UPDATE alert_why SET fate = ? WHERE rowid = ?", (state if state in OWN_FATES else "other", rowid))
            if state == "sent":
                case = records.load(self._conn, alert_id)
                body = {"recipient": recipient, "name": name, "channel": channel, "at_ns": done_ns}
                view = case.view
                first = with_view(case, delivered_ns=view.delivered_ns or done_ns)
                # The version stays: nobody's claim may fail because a message arrived.
                self._commit(Change(case=first, transitions=(Transition(kind="delivered", why=Why.DELIVERED, body=body),)), case)

    # --- quiet hours -----------------------------------------------------------------------------------------------

    def digests(self) -> None:
        """When the quiet hours of a site are over: one summary of what waited."""
        for quiet in self._duty.quiet.values():
            from_ns, until_ns = rota.last_window(quiet.start, quiet.end, self._tz(quiet.site_id), self._now.wall_ns)
            if self._now.wall_ns - until_ns > DIGEST_WITHIN_NS:
                continue
            known = "SELECT 1 FROM digest WHERE site_id = ? AND until_ns = ?"
            if self._conn.execute(known, (quiet.site_id, until_ns)).fetchone() is None:
                self._digest(quiet, from_ns, until_ns)

    def _digest(self, quiet: Quiet, from_ns: int, until_ns: int) -> None:
        sql = (
            "SELECT DISTINCT a.body FROM alert_why w JOIN alerts a ON a.id = w.alert_id"
            " WHERE w.t_ns >= ? AND w.t_ns < ? AND w.told = 0 AND w.reason = ? AND a.site_id = ?"
        )
        waited = records.cases(self._conn, sql, (from_ns, until_ns, Why.QUIET.value, quiet.site_id))
        ids = [case.view.id for case in waited]
        self._conn.execute("INSERT INTO digest VALUES (?, ?, ?, ?)", (quiet.site_id, until_ns, from_ns, json.dumps(ids)))
        if not waited:
            return
        counts = Counter(case.view.cause for case in waited)
        open_count = sum(case.open for case in waited)
        body = {"site_id": quiet.site_id, "from_ns": from_ns, "until_ns": until_ns, "alerts": ids, "counts": counts, "open": open_count}
        told = [*dict.fromkeys(self._on_duty(quiet.site_id))]
        self._said("digest.morning", quiet.site_id, SYSTEM, {**body, "told": told or [DESK]})
        routing = self._routing()
        for one in [to_person(staff_id, routing) for staff_id in told] or [to_desk(routing)]:
            if one.routes:
                page = digest_page(quiet.site_id, until_ns, len(ids), one, self._rules.public_url)
                outbox.enqueue(self._conn, page, one.routes, self._now.wall_ns)

    def _on_duty(self, site_id: str) -> Iterable[str]:
        for role in DIGEST_ROLES:
            yield from rota.on_duty(self._duty, site_id, None, role, self._now.wall_ns)

    def _quiet_now(self, site_id: str | None) -> Quiet | None:
        quiet = self._duty.quiet.get(site_id or "")
        if quiet is None:
            return None
        inside = rota.window_at(quiet.start, quiet.end, self._tz(site_id), self._now.wall_ns)
        return None if inside is None else quiet

    def _stale(self, case: Case) -> bool:
        """Whether the data of a case's condition are missing now."""
        view = case.view
        quantity = view.params.get("quantity")
        sql = "SELECT body FROM alerts WHERE open = 1 AND kind = ? AND cause LIKE 'nodata.%' AND state <> ? AND origin = ?"
        values = (AlertKind.TECHNICAL.value, AlertState.CLEARED.value, int(view.origin))
        for other in records.cases(self._conn, sql, values):
            mine = view.resident_id is not None and other.view.resident_id == view.resident_id
            what = other.view.cause.removeprefix(storm.PREFIX)
            if mine and not other.view.condition_over and (what == "device" or quantity is None or what == quantity):
                return True
        return False


def _silence_body(row: dict[str, object]) -> dict[str, object]:
    return {name: row[name] for name in ("id", "resident_id", "cause", "reason", "author", "from_ns", "until_ns")}
