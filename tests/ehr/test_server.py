"""Against a third party's R4 server: each reading and alert is there once, whatever fails in between."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.ehr.base import outbox
from gateway.ehr.base.items import Item
from gateway.ehr.feed import vitals
from gateway.ehr.feed.runner import move
from gateway.ehr.fhir.common import key_of
from gateway.readings import Mark
from gateway.vocabulary import Origin
from tests.ehr.children import CONTEXT, send_for_ever
from tests.ehr.proxy import proxied
from tests.ehr.rig import PEOPLE, alert_items, ask, on_server, once_each, rig, two_hundred_vitals
from tests.ehr.support import START_NS, block, registry, server

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    with server() as (base, _process):
        yield base


@pytest.fixture
def url(running: str) -> str:
    ask(running, "/clear", {})
    return running


async def test_sent_twice_is_there_once(url: str, tmp_path: Path) -> None:
    items = [*two_hundred_vitals(), *alert_items(("raised",))]
    later = alert_items(("raised", "claimed", "arrived", "resolved"))
    for folder in ("first", "second"):  # the second knows nothing of the first: a house that lost its outbox
        (tmp_path / folder).mkdir()
        async with rig(tmp_path / folder, url) as one:
            await one.put(items)
            assert await one.drain() == {"done": 203}
            await one.put(later)
            assert await one.drain() == {"done": 203}
    once_each(url, items)
    assert [len(on_server(url, kind)) for kind in ("Patient", "Device", "DetectedIssue", "Task", "Communication")] == [4, 5, 1, 1, 1]
    issue, task = on_server(url, "DetectedIssue")[0], on_server(url, "Task")[0]
    assert (issue["status"], task["status"]) == ("final", "completed")
    assert [step["action"]["coding"][0]["code"] for step in issue["mitigation"]] == ["claimed", "arrived", "resolved"]
    assert task["focus"]["reference"] == f"DetectedIssue/{issue['id']}"
    patients = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in on_server(url, "Patient")}
    assert {patients[one["subject"]["reference"]] for one in on_server(url, "Observation")} == set(PEOPLE.values())


async def test_a_poisoned_entry_alone_is_dead(url: str, tmp_path: Path) -> None:
    items = two_hundred_vitals(count=40)
    async with rig(tmp_path, url) as one:
        ask(url, "/poison", {"reject": [key_of(items[7].key, items[7].resident)]})
        await one.put(items)
        assert await one.drain() == {"done": 39, "dead": 1}
        [letter] = await one.db.read(lambda conn: outbox.stuck(conn, ("dead",), 10))
        assert letter["outcome"]["resourceType"] == "OperationOutcome"
        assert letter["outcome"]["issue"][0]["details"]["text"] == "poisoned for the test"
        await one.sender.round()
        assert [fault.code for fault in one.ops.faults()] == ["ehr.dead"]
    assert len(on_server(url, "Observation")) == 39


async def test_two_matches_are_held(url: str, tmp_path: Path) -> None:
    items = two_hundred_vitals(count=8)
    async with rig(tmp_path, url) as one:
        await one.put(items[:1])
        await one.drain()
        twin = on_server(url, "Observation")[0]
        ask(url, "/twin", {key: value for key, value in twin.items() if key not in ("id", "meta")})
        await one.db.write(lambda conn: conn.execute("DELETE FROM item"))
        await one.put(items)
        assert await one.drain() == {"done": 7, "held": 1}
        [held] = await one.db.read(lambda conn: outbox.stuck(conn, ("held",), 10))
        assert held["reason"].startswith("412")
        assert await one.db.write(lambda conn: outbox.retry(conn, ("held",))) == 1


async def test_no_patient_is_guessed(url: str, tmp_path: Path) -> None:
    items = two_hundred_vitals(count=8)
    async with rig(tmp_path, url, create_patients=False, links={"R1": "Patient/linked-1"}) as one:
        ask(url, "/twin", {"resourceType": "Patient", "identifier": [{"system": "urn:anxin:resident", "value": "R2"}]})
        await one.put(items)
        assert await one.drain() == {"done": 4, "held": 4}
        reasons = {letter["reason"] for letter in await one.db.read(lambda conn: outbox.stuck(conn, ("held",), 10))}
        assert reasons == {"patient unlinked"}
    assert len(on_server(url, "Patient")) == 1


async def test_simulated_and_tested_never_reach_it(url: str, tmp_path: Path) -> None:
    async with rig(tmp_path, url) as one:
        for number, origin in enumerate((Origin.SIM, Origin.REPLAY, Origin.TEST, Origin.IMPORT)):
            await one.put(vitals.items_of(block([("dev-1", "temp", 37.0, START_NS)], origin=origin, first_seq=number), one.view))
        await one.put(vitals.items_of(block([("dev-1", "temp", 37.0, START_NS)], mark=Mark.TEST, first_seq=9), one.view))
        assert await one.drain() == {}
    assert on_server(url, "Observation") == []


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("400", "dead"), ("404", "dead"), ("410", "dead"), ("422", "dead"), ("412", "held"), ("405", "held"), ("403", "held"),
        ("408", "done"),
        ("409", "done"), ("429", "done"), ("503", "done"), ("200 OK", "done"), ("", "done"),
    ],
)  # fmt: skip
async def test_entries_are_judged_one_by_one(url: str, tmp_path: Path, status: str, fate: str) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["ok", f"part:{status}"]
            states = await one.drain()
            assert states == ({"done": 4} if fate == "done" else {"done": 3, fate: 1})
            letters = await one.db.read(lambda conn: outbox.stuck(conn, ("held", "dead"), 9))
            assert all(letter["outcome"]["resourceType"] == "OperationOutcome" for letter in letters)


@pytest.mark.parametrize(
    "plan",
    [
        ["503"] * 3, ["429:0", "500", "ok", "502"], ["drop"] * 3, ["stored"] * 4, ["ok", "stored", "503", "stored"],
        ["401", "408", "409", "413"],
    ],
    ids="-".join,
)  # fmt: skip
async def test_failures_of_the_server(url: str, tmp_path: Path, plan: list[str]) -> None:
    items = two_hundred_vitals(count=60)
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(items)
            proxy.plan = ["ok", *plan]  # people and devices first
            assert await one.drain() == {"done": 60}
            assert proxy.plan == []
    once_each(url, items)


async def test_refused_is_a_fault_and_waits(url: str, tmp_path: Path) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["403"]
            await one.sender.round()
            assert [fault.code for fault in one.ops.faults()] == ["ehr.refused"]
            assert (await one.states())["emr"] == {"pending": 4}
            assert await one.drain() == {"done": 4}
            assert one.ops.faults() == ()


async def test_a_server_without_batch_loses_nothing(url: str, tmp_path: Path) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["400"] * 40
            for _ in range(4):
                await one.sender.round()
            assert set((await one.states())["emr"]) <= {"pending", "held"}
            proxy.plan = []
            one.sender.wake(now=True)
            await one.db.write(lambda conn: outbox.retry(conn, ("held",)))
            assert await one.drain() == {"done": 4}


@pytest.mark.parametrize(
    "answer",
    [
        "", "<html>", "[]", "1", '{"resourceType":"Bundle"}', '{"resourceType":"Bundle","entry":[1,2,3,4]}',
        '{"resourceType":"Bundle","entry":[{"response":1},{},{},{}]}', '{"resourceType":"Bundle","entry":[{"response":null},{},{},{}]}',
        '{"resourceType":"Bundle","entry":[{"response":{"status":"201"},"resource":7},{},{},{}]}', '{"resourceType":"Bundle","entry":7}',
    ],
)  # fmt: skip
async def test_odd_answers_stop_nothing(url: str, tmp_path: Path, answer: str) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["ok", f"raw:{answer}", "ok", "ok"]
            assert await one.drain() == {"done": 4}
    assert len(on_server(url, "Observation")) == 4


async def test_a_record_that_cannot_be_mapped_is_dead(url: str, tmp_path: Path) -> None:
    items = two_hundred_vitals(count=4)
    async with rig(tmp_path, url) as one:
        await one.put([replace(items[0], record={**items[0].record, "tz": "Mars/Olympus"}), *items[1:]])
        assert await one.drain() == {"done": 3, "dead": 1}


async def test_dead_letters_can_be_sent_again(url: str, tmp_path: Path) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["ok", "part:422"]
            assert await one.drain() == {"done": 3, "dead": 1}
            assert await one.db.write(lambda conn: outbox.retry(conn, ("held", "dead"))) == 1
            one.sender.wake(now=True)
            assert await one.drain() == {"done": 4}
    assert len(on_server(url, "Patient")) == 4


async def test_retry_after_is_kept(url: str, tmp_path: Path) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["429:1"]
            running = asyncio.ensure_future(one.sender.run())
            await asyncio.sleep(0.6)
            assert len(proxy.seen) == 1
            for _ in range(40):
                await asyncio.sleep(0.1)
                if (await one.states())["emr"] == {"done": 4}:
                    break
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert (await one.states())["emr"] == {"done": 4}


async def test_the_same_bytes_after_a_timeout(url: str, tmp_path: Path) -> None:
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["ok", "stored"]
            await one.drain()
            assert proxy.bodies[1] == proxy.bodies[2]


@pytest.mark.crash
@pytest.mark.parametrize("place", [0, 1, 2, 4])
async def test_kill_in_mid_batch(url: str, tmp_path: Path, place: int) -> None:
    items: list[Item] = [*two_hundred_vitals(count=180), *alert_items(("raised", "claimed"))]
    with proxied(url) as (base, proxy):
        async with rig(tmp_path, base) as one:
            await one.put(items)
        child = CONTEXT.Process(target=send_for_ever, args=(str(tmp_path), base))
        proxy.on_stored = child.kill
        proxy.plan = ["ok"] * place + ["stored"]
        child.start()
        await asyncio.to_thread(child.join, 20)
        assert child.exitcode == -signal.SIGKILL
        async with rig(tmp_path, base) as one:
            await one.db.write(lambda conn: outbox.start(conn, "emr"))
            assert await one.drain() == {"done": 183}
    once_each(url, items)
    assert [len(on_server(url, kind)) for kind in ("Patient", "Device", "DetectedIssue", "Task", "Communication")] == [4, 5, 1, 1, 1]


async def test_a_reading_moves_to_the_right_person(url: str, tmp_path: Path) -> None:
    items = two_hundred_vitals(count=8)
    event = registry(PEOPLE)[-1]
    async with rig(tmp_path, url) as one:
        await one.put(items)
        await one.drain()
        for owner in ("R2", "R1", "R2"):
            rows = await one.db.read(partial(outbox.of_device, device="dev-1", since_ns=0))
            for row, due_ns in rows:
                await one.db.write(
                    partial(move, row=row, due_ns=due_ns, owner=owner, event=event, addresses=one.addresses, now_ns=START_NS)
                )
            await one.drain()
        states = await one.drain()
        assert set(states) == {"done"}
    patients = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in on_server(url, "Patient")}
    found = {
        (patients[each["subject"]["reference"]], each["status"]) for each in on_server(url, "Observation") if _of(each, url) == "dev-1"
    }
    assert found == {("R1", "entered-in-error"), ("R2", "final")}
    assert len(on_server(url, "Observation")) == 10
    assert on_server(url, "Provenance")[0]["target"][0]["reference"].startswith("Observation/")


def _of(observation: dict[str, object], url: str) -> str:
    devices = {f"Device/{one['id']}": one["identifier"][0]["value"] for one in on_server(url, "Device")}
    return str(devices[json.loads(json.dumps(observation))["device"]["reference"]])
