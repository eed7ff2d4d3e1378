"""Folding inside a transaction: which alert speaks for silent devices, how many it speaks for, and who speaks when it is over."""

from __future__ import annotations

from gateway.alerts import faults, machine, records, storm
from gateway.alerts.case import Case, Standing
from gateway.alerts.transaction import Transaction
from gateway.clock import NS_PER_S
from gateway.vocabulary import AlertKind, AlertState, Finding


class Storms(Transaction):
    """Alerts that stand for many."""

    _parents: set[str]  # alerts whose children changed in this transaction

    def _changed(self, case: Case, before: Case | None) -> None:
        folded = case.view.folded_into or (None if before is None else before.view.folded_into)
        if folded is not None:
            self._parents.add(folded)

    def take(self, finding: Finding, standing: Standing) -> None:
        """See Unit."""
        raise NotImplementedError

    def _spoken_for(self, case: Case) -> Case | None:
        """The open alert that speaks for a silent device: of the way it comes by, or of its whole site."""
        if not storm.foldable(case):
            return None
        view = case.view
        bluetooth = view.device_id in self._duty.bluetooth
        sql = "SELECT body FROM alerts WHERE subject = ? AND open = 1 ORDER BY raised_ns"
        for parent in records.cases(self._conn, sql, (faults.SUBJECT,)):
            same_site = parent.view.site_id in (None, view.site_id)
            if same_site and not parent.view.condition_over and storm.carries(parent.view, bluetooth):
                return parent
        if view.site_id is None:
            return None
        found = self._open_case(storm.subject(view.site_id), AlertKind.TECHNICAL, storm.CAUSE, view.origin)
        return None if found is None or found.view.condition_over else found

    def _fold(self, alert_id: str) -> None:
        """If many devices of a site fell silent together, or the way they come by is down, one alert speaks for all of them."""
        case = records.load(self._conn, alert_id)
        if not storm.foldable(case):
            return
        view = case.view
        parent = self._spoken_for(case)
        children = [case]
        if parent is None and view.site_id is not None:
            since_ns = self._now.wall_ns - int(self._rules.book.storm.window_s * NS_PER_S)
            values = (view.site_id, AlertKind.TECHNICAL.value, int(view.origin), since_ns)
            sql = (
                "SELECT body FROM alerts WHERE open = 1 AND site_id = ? AND kind = ? AND origin = ? AND folded_into IS NULL"
                " AND state = 'raised' AND last_ns > ?"
            )
            children = [one for one in records.cases(self._conn, sql, values) if storm.foldable(one)]
            if len({one.subject for one in children}) >= self._rules.book.storm.count:
                parent = self._raise_storm(children, case)
        if parent is None:
            return
        for child in children:
            self._commit(machine.fold(child, parent.view.id, self._now), child)
        self._parents.add(parent.view.id)

    def _fold_into_fault(self, alert_id: str) -> None:
        """The way is found to be down after devices fell silent behind it: their alerts are its alert."""
        parent = records.load(self._conn, alert_id)
        if not parent.view.cause.startswith(storm.WAYS):
            return
        since_ns = self._now.wall_ns - int(self._rules.book.storm.window_s * NS_PER_S)
        sql = "SELECT body FROM alerts WHERE open = 1 AND kind = ? AND folded_into IS NULL AND state = 'raised' AND last_ns > ?"
        for child in records.cases(self._conn, sql, (AlertKind.TECHNICAL.value, since_ns)):
            spoken = self._spoken_for(child)
            if spoken is not None and spoken.view.id == alert_id:
                self._commit(machine.fold(child, alert_id, self._now), child)
                self._parents.add(alert_id)

    def _raise_storm(self, children: list[Case], newest: Case) -> Case:
        finding = storm.finding(children, newest, self._now)
        standing = Standing(subject=storm.subject(newest.view.site_id or ""), site_id=newest.view.site_id)
        self.take(finding, standing)
        parent = self._mapped(finding.id)
        if parent is None:
            raise LookupError("the site's alert was not raised")
        return parent

    def end_all(self, case: Case) -> None:
        """The condition of a case that stands for others, or for a fault, is over."""
        for finding_id in case.findings:
            current = records.load(self._conn, case.view.id)
            change = machine.on_finding(current, faults.ending(current, finding_id, self._now), self._timing_of(current), self._now)
            self._commit(change, current)

    def _unfold(self, parent_id: str) -> None:
        """The way is there again: what stays silent behind it speaks for itself after a while."""
        sql = "SELECT body FROM alerts WHERE folded_into = ? AND open = 1"
        for child in records.cases(self._conn, sql, (parent_id,)):
            if child.view.state is AlertState.RAISED:
                self._commit(machine.unfold_in(child, storm.UNFOLD_NS, self._now), child)

    def finish(self) -> None:
        """Bring the alerts that stand for others up to date with those."""
        for alert_id in sorted(self._parents):
            case = records.load(self._conn, alert_id)
            sql = "SELECT body FROM alerts WHERE folded_into = ? AND open = 1"
            children = records.cases(self._conn, sql, (alert_id,))
            counted = storm.affected(child.view for child in children)
            of_site = case.view.cause == storm.CAUSE
            if not children and of_site:
                self.end_all(case)
                continue
            news = any(case.view.params.get(name) != count for name, count in counted.items())
            if news and children and case.open and not case.view.condition_over:  # one that is over keeps the number it had
                update = storm.update(case, counted, self._now)
                self._commit(machine.on_finding(case, update, self._timing_of(case), self._now), case)
        self._parents.clear()
