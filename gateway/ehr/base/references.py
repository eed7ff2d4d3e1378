"""References made literal before anything that needs them is sent: people and devices first, all that are missing in one bundle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.ehr.base import outbox
from gateway.ehr.base.items import Row
from gateway.ehr.base.target import Entry, Fate, Target, TooLarge, Verdict
from gateway.store import Database

UNKNOWN_S = 60.0  # one whom the target does not know is looked up again after that
MAX_KNOWN = 20_000  # references in memory
PEOPLE = ("Patient", "Device")

T = TypeVar("T")
Name = tuple[str, str]  # kind, key
Store = Callable[[Callable[[apsw.Connection], Any]], Awaitable[None]]


class Format(Protocol):
    """How items become resources."""

    def render(self, row: Row) -> dict[str, Any]: ...  # noqa: D102
    def search(self, row: Row) -> str: ...  # noqa: D102
    def uid(self, row: Row) -> str: ...  # noqa: D102
    def person(self, kind: str, key: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], str, str]: ...  # noqa: D102
    def places(self, resource: Mapping[str, Any]) -> set[tuple[str, str]]: ...  # noqa: D102
    def with_literals(self, resource: Mapping[str, Any], literals: Mapping[tuple[str, str], str]) -> dict[str, Any]: ...  # noqa: D102
    def problems(self, resource: Mapping[str, Any]) -> list[str]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceOptions:
    """How people are matched at a target: never by name."""

    create_patients: bool = False  # else a resident whom the target does not know waits for staff
    links: Mapping[str, str] = field(default_factory=dict)  # resident -> literal reference, confirmed by staff


class Held(RuntimeError):
    """A reference leads nowhere, or to two: a person must look."""


class NotYet(RuntimeError):
    """What is referred to has not arrived itself."""


class References:
    """What one target calls the people, devices and resources that others refer to."""

    def __init__(
        self,
        db: Database,
        target: Target,
        form: Format,
        describe: Callable[[str, str], Mapping[str, Any]],
        clock: Clock,
        options: ReferenceOptions,
    ) -> None:
        self._db = db
        self._target = target
        self._form = form
        self._describe = describe
        self._clock = clock
        self._options = options
        self._literals: dict[Name, str] = {}
        self._unknown: dict[Name, tuple[int, str]] = {}

    def ask_again(self) -> None:
        """Forget everybody who is in memory."""
        self._unknown.clear()
        self._literals.clear()

    async def literal(self, kind: str, key: str) -> str:
        """The literal reference; `meet` has been called with it. Raises Held or NotYet."""
        if kind in PEOPLE:
            if (found := self._literals.get((kind, key))) is not None:
                return found
            if (unknown := self._unknown.get((kind, key))) is not None:
                raise Held(unknown[1])
            raise NotYet
        item, _, resident = (key, "", None) if kind == "DetectedIssue" else key.rpartition("|")
        literal, state = await self._db.read(lambda conn: outbox.literal_of(conn, self._target.name, item, resident))
        if literal:
            return literal
        if state in ("pending", "sent"):
            raise NotYet
        raise Held(f"{kind} is not there")

    async def meet(self, wanted: Collection[Name], store: Store) -> None:
        """Get to know all people and devices among these; what the target as a whole refuses is raised."""
        now_ns = self._clock.monotonic_ns()
        missing = [one for one in wanted if one[0] in PEOPLE and one not in self._literals]
        missing = sorted(one for one in missing if self._unknown.get(one, (0, ""))[0] <= now_ns)
        if not missing:
            return
        name = self._target.name
        known = await self._db.read(lambda conn: {one: outbox.known(conn, name, *one) for one in missing})
        fresh = []
        for one in missing:
            linked = self._options.links.get(one[1]) if one[0] == "Patient" else None
            if literal := linked or known[one]:
                _bounded(self._literals)[one] = literal
            elif one[0] == "Patient" and not self._options.create_patients:
                await self._look_up(one, store)
            else:
                fresh.append(one)
        for start in range(0, len(fresh), self._target.batch):
            await self._create(fresh[start : start + self._target.batch], store)

    async def _look_up(self, one: Name, store: Store) -> None:
        _, search, _ = self._form.person(*one, self._describe(*one))
        found = await self._target.find(one[0], search)
        if len(found) == 1:
            await self._learn({one: found[0]}, store)
        else:
            self._not_known(one, "patient ambiguous" if found else "patient unlinked")

    async def _create(self, names: Sequence[Name], store: Store) -> None:
        entries, asked = [], []
        for one in names:
            resource, search, uid = self._form.person(*one, self._describe(*one))
            if broken := self._form.problems(resource):
                self._not_known(one, f"{one[0]} breaks rule " + ", ".join(broken))
                continue
            entries.append(Entry(resource=resource, search=search, uid=uid))
            asked.append(one)
        if not entries:
            return
        await store(self._target.reserve)
        try:
            verdicts = await self._target.send(entries)
        except TooLarge:
            if len(asked) == 1:
                self._not_known(asked[0], f"{asked[0][0]} is refused as a whole")
                return
            for half in (asked[: len(asked) // 2], asked[len(asked) // 2 :]):
                await self._create(half, store)
            return
        learned: dict[Name, str] = {}
        for one, entry, verdict in zip(asked, entries, verdicts, strict=True):
            literal = await self._literal_after(one, entry, verdict)
            if literal:
                learned[one] = literal
        await self._learn(learned, store)

    async def _literal_after(self, one: Name, entry: Entry, verdict: Verdict) -> str:
        if verdict.fate is Fate.DONE:
            found = [verdict.literal] if verdict.literal else await self._target.find(one[0], entry.search)
            if len(found) == 1:
                return found[0]
            self._not_known(one, f"{one[0]} cannot be found again")
        elif verdict.fate is not Fate.RETRY:
            self._not_known(one, f"{one[0]} {verdict.reason}")
        return ""

    async def _learn(self, learned: Mapping[Name, str], store: Store) -> None:
        def unit(conn: apsw.Connection) -> None:
            for (kind, key), literal in learned.items():
                outbox.learn(conn, self._target.name, kind, key, literal)
            self._target.commit(conn)

        await store(unit)
        for one, literal in learned.items():
            self._unknown.pop(one, None)
            _bounded(self._literals)[one] = literal

    def _not_known(self, one: Name, reason: str) -> None:
        _bounded(self._unknown)[one] = (self._clock.monotonic_ns() + int(UNKNOWN_S * NS_PER_S), reason)


def _bounded(table: dict[Name, T]) -> dict[Name, T]:
    """The same table, emptied when it is full."""
    if len(table) >= MAX_KNOWN:
        table.clear()
    return table
