"""The health record as this house reads it back: the resources that go to the record, as bundles of a person and a span; read only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from gateway.access import Action, FieldClass
from gateway.ehr.base import outbox
from gateway.ehr.base.items import Row
from gateway.ehr.fhir.common import GATEWAY
from gateway.ehr.fhir.render import FhirFormat
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.refusal import Unavailable
from gateway.query.sight import Sight
from gateway.store import Database

DAY_NS = 86_400 * 1_000_000_000
MOST = 500
GATEWAY_ID = "gateway"  # an id of FHIR takes no "@"


class RecordSource(Protocol):
    """What is read of the health record: its file and its format; both None where it is switched off."""

    @property
    def db(self) -> Database | None:
        """The record's own file."""
        ...

    @property
    def form(self) -> FhirFormat | None:
        """How items become resources."""
        ...

    def person(self, kind: str, key: str) -> dict[str, Any]:
        """What the registry says of a Patient or a Device."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A search: times in UTC ns, [from, to); `after` = (t_ns, id) of the last one of the page before."""

    from_ns: int
    to_ns: int
    code: str = ""
    count: int = 100
    after: tuple[int, int] = (0, 0)


class Records:
    """The reads of the health record."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def observations(self, asker: Asker, resident_id: str, wanted: Wanted) -> tuple[dict[str, Any], tuple[int, int] | None]:
        """A searchset Bundle, oldest first, and where the next page begins; raises Missing, Unavailable."""
        own, _, db, form = self._open(asker, resident_id)
        await self._sight.looks.looked(asker, "fhir", own, resident=own, from_ns=wanted.from_ns, to_ns=wanted.to_ns)
        view = self._sight.view
        residents = view.records_of(own)
        devices = sorted({one.device_id for one in view.bindings.values() if one.resident_id in residents})
        count = max(1, min(wanted.count, MOST))
        rows = await db.read(
            lambda conn: outbox.of_person(
                conn, residents, devices, (wanted.from_ns, wanted.to_ns), quantity=wanted.code, after=wanted.after, limit=count + 1
            )
        )
        shown = rows[:count]
        more = (shown[-1].t_ns, shown[-1].id) if len(rows) > count else None
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [_entry(form, row) for row in shown]}
        return bundle, more

    async def patient(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """The Patient as the record knows the person; raises Missing, Unavailable."""
        own, source, _, form = self._open(asker, resident_id)
        await self._sight.looks.looked(asker, "fhir", own, resident=own)
        resource, _, _ = form.person("Patient", own, source.person("Patient", own))
        return {**resource, "id": own}

    def _open(self, asker: Asker, resident_id: str) -> tuple[str, RecordSource, Database, FhirFormat]:
        scope = resident_scope(self._sight.view, resident_id)
        if scope.resident_id is None or not may(asker, Action.EXPORT, scope, FieldClass.VITALS):
            raise Missing
        source: RecordSource | None = self._sight.parts.record
        db, form = (None, None) if source is None else (source.db, source.form)
        if source is None or db is None or form is None:
            raise Unavailable("record.unavailable")
        return scope.resident_id, source, db, form


def _entry(form: FhirFormat, row: Row) -> dict[str, Any]:
    resource = form.render(row)
    literals = {
        (kind, key): {"reference": f"{kind}/{GATEWAY_ID if key == GATEWAY else key}"} for kind, key in form.places(resource)
    }
    resource = {"resourceType": resource["resourceType"], "id": form.uid(row), **_literal(form, resource, literals)}
    return {"fullUrl": f"urn:uuid:{form.uid(row)}", "resource": resource, "search": {"mode": "match"}}


def _literal(form: FhirFormat, resource: dict[str, Any], literals: dict[tuple[str, str], dict[str, str]]) -> dict[str, Any]:
    return form.with_literals(resource, {key: value["reference"] for key, value in literals.items()})


def span_of(dates: list[str], now_ns: int) -> tuple[int, int]:
    """[from, to) in UTC ns of the search parameters `date`: ge, gt, le, lt or a plain day or moment; the last week without any.

    Raises ValueError.
    """
    if not dates:
        return now_ns - 7 * DAY_NS, now_ns
    begin, end = 0, 2**62
    for date in dates:
        prefix, text = (date[:2], date[2:]) if date[:2] in ("ge", "gt", "le", "lt", "eq") else ("eq", date)
        first, last = _moments(text)
        if prefix in ("ge", "eq"):
            begin = max(begin, first)
        if prefix == "gt":
            begin = max(begin, last)
        if prefix in ("le", "eq"):
            end = min(end, last)
        if prefix == "lt":
            end = min(end, first)
    return begin, end


def _moments(text: str) -> tuple[int, int]:
    """First instant of a date or moment and the first one after it; without an offset it is UTC."""
    whole_day = len(text) == len("2026-11-25")
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a query is a blank
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    width = timedelta(days=1) if whole_day else timedelta(milliseconds=1 if moment.microsecond else 1000)
    return _ns(moment), _ns(moment + width)


def _ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
