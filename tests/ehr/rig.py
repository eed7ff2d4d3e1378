"""An outbox with one target, fed directly: what a house had in it is there twice, thrice, under every failure."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.clock import Clock, SystemClock
from gateway.ehr.base import outbox
from gateway.ehr.base.items import Item
from gateway.ehr.base.outbox import Address
from gateway.ehr.base.references import ReferenceOptions
from gateway.ehr.base.sender import Sender
from gateway.ehr.base.target import Target
from gateway.ehr.feed import alerts, vitals
from gateway.ehr.fhir.common import Settings
from gateway.ehr.fhir.render import FhirFormat
from gateway.ehr.targets.fhir import FhirTarget
from gateway.ehr.targets.fhir import Settings as FhirSettings
from gateway.events import EventRow
from gateway.ops import Ops
from gateway.registry.view import RegistryView
from gateway.store import Database, Writer
from tests.ehr.support import START_NS, block, view_of

S = 1_000_000_000
PEOPLE = {f"dev-{number}": f"R{number}" for number in range(1, 5)}


def two_hundred_vitals(view: RegistryView | None = None, count: int = 200) -> list[Item]:
    """Spot readings of four people, one frame each."""
    quantities = ("temp", "glucose", "weight", "sbp")
    rows = []
    for number in range(count):
        key = quantities[number // 4 % 4]
        value = 37.0 + number % 3 if key == "temp" else 40.0 + number % 9
        rows.append((f"dev-{1 + number % 4}", key, value, START_NS + number * 5 * S))  # of a series: 80 s apart
    return vitals.items_of(block(rows), view or view_of(PEOPLE))


def alert_items(states: Sequence[str], alert_id: str = "A1", view: RegistryView | None = None) -> list[Item]:
    """The items of an alert's life."""
    base = {
        "id": alert_id, "version": 1, "state": "raised", "priority": 3, "kind": "call", "rule": "call.sos",
        "cause": "call.sos", "code": "x", "params": {},
        "resident_id": "R1", "device_id": "dev-1", "site_id": "S1", "zone_id": None, "place": "", "raised_ns": START_NS,
        "last_ns": START_NS,
        "count": 1, "latched": True, "condition_over": False, "late_s": 0.0, "origin": 0, "step": 0, "next_step_ns": START_NS + 30 * S,
        "claimed_by": None, "claimed_name": None, "claimed_ns": None, "arrived_ns": None, "resolved_ns": None, "outcome": None, "note": "",
        "silenced_until_ns": None, "supported_by": [], "folded_into": None,
    }  # fmt: skip
    steps: dict[str, dict[str, Any]] = {
        "raised": {}, "claimed": {"claimed_by": "u1", "claimed_name": "Li", "claimed_ns": START_NS + S},
        "arrived": {"arrived_ns": START_NS + 2 * S},
        "resolved": {"resolved_ns": START_NS + 3 * S, "outcome": "helped"},
    }  # fmt: skip
    found = []
    for number, state in enumerate(states, 1):
        base = {**base, **steps[state], "state": state, "version": number}
        event = EventRow(
            offset=number, t_ns=START_NS + number * S, kind=f"alert.{state}", subject=alert_id, actor="system",
            body={"view": base, "who": {"id": "system", "name": ""}, "why": "new", "policy": ["p", 1]},
        )  # fmt: skip
        told = [{"id": "P-li", "name": "Li"}] if state == "raised" else []
        found += alerts.items_of(event, view or view_of(PEOPLE), ("call", "physiological"), told)
    return found


class Rig:
    """One outbox, one target."""

    def __init__(self, db: Database, target: Target, clock: Clock, ops: Ops, options: ReferenceOptions) -> None:
        self.db, self.target, self.ops = db, target, ops
        self.addresses = [Address(name=target.name, real=target.real)]
        self.view = view_of(PEOPLE)
        self.sender_options = options
        self.sender = Sender(db, target, FhirFormat(Settings()), self.describe, clock, ops, options)

    def describe(self, kind: str, key: str) -> dict[str, Any]:
        return {"number": key} if kind == "Patient" else {"model": "M1"}

    async def put(self, items: Sequence[Item]) -> None:
        await self.db.write(lambda conn: [outbox.put(conn, item, self.addresses, START_NS) for item in items])

    async def drain(self, rounds: int = 60) -> dict[str, int]:
        """Rounds without waiting until nothing is pending (or the rounds are over); states by count."""
        for _ in range(rounds):
            await self.db.write(lambda conn: conn.execute("UPDATE delivery SET next_mono = 0"))
            if not await self.sender.round():
                break
        return (await self.states()).get(self.target.name, {})

    async def states(self) -> dict[str, dict[str, int]]:
        return await self.db.read(outbox.counts)


@asynccontextmanager
async def rig(
    folder: Path,
    url: str = "",
    *,
    target: Target | None = None,
    create_patients: bool = True,
    links: dict[str, str] | None = None,
    **more: Any,
) -> AsyncIterator[Rig]:
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops, group_window_s=0.001)
    writer.start()
    db = Database.open(folder / "ehr.sqlite", writer, components=outbox.COMPONENTS)
    made = target or FhirTarget("emr", FhirSettings(type="fhir", url=url, timeout_s=5, **more), clock)
    try:
        yield Rig(db, made, clock, ops, ReferenceOptions(create_patients=create_patients, links=links or {}))
    finally:
        await made.close()
        await db.close()
        writer.close()


def on_server(url: str, kind: str) -> list[dict[str, Any]]:
    """All resources of a kind at the server."""
    with urllib.request.urlopen(f"{url}/{kind}?_count=10000", timeout=10) as answer:  # noqa: S310
        return [one["resource"] for one in json.load(answer).get("entry", [])]


def ask(url: str, path: str, body: Any) -> Any:
    """POST to the server's own switches."""
    request = urllib.request.Request(url.removesuffix("/fhir") + path, data=json.dumps(body).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def once_each(url: str, items: Sequence[Item]) -> None:
    """The server holds each reading once, and nothing else."""
    found = Counter(one["identifier"][0]["value"] for one in on_server(url, "Observation"))
    assert max(found.values(), default=0) <= 1
    assert len(found) == len({(item.key, item.resident) for item in items if item.kind.value in ("reading", "summary")})
