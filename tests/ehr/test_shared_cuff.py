"""One cuff, three residents: the inbox, check-in by card, QR code and PIN over HTTP and MQTT, a reading of somebody else, undone again.

After each step: what the charts, the folder and the third party's server hold. The real gateway, the third party's server.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, org
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM
from tests.ehr.rig import on_server
from tests.ehr.support import server
from tests.support.mqtt_wire import Publisher
from tests.support.running import API, Gateway, until
from tests.support.town import SITE, town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: a Unix socket's path may have 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="anxin-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def furnish(gateway: Gateway) -> None:
    """A kiosk and a cuff stand in the day room; the first resident lives beside it."""

    def work(tx: Tx) -> None:
        org.set_room(tx, site=SITE, zone="zone", name="活动室", room_id="day")
        for device, facts in (("kiosk", {}), ("cuff", {"kiosk": "kiosk"})):
            bindings.set_device(tx, device, site=SITE, quantities=("sbp", "dbp") if device == "cuff" else (), facts=facts)
            bindings.bind(tx, device, room="day")

    core = Core.open(gateway.data, SystemClock(), Ops())
    try:
        core.registry.do_sync(SYSTEM, work)
        for device in ("kiosk", "cuff"):
            gateway.tokens[device] = core.tokens.issue_sync(SYSTEM, device)
    finally:
        core.close()


class Day:
    """What happens, step by step."""

    def __init__(self, gateway: Gateway, url: str) -> None:
        self.gateway, self.url, self.seq = gateway, url, 0
        self.mei, self.ops, self.doc = (gateway.person(login) for login in ("mei", "ops", "doc"))

    def measure(self, sbp: int) -> None:
        """A reading that nobody else has: its value names it."""
        readings = [{"quantity": key, "value": value, "unit": "mm[Hg]"} for key, value in (("sbp", sbp), ("dbp", 70))]
        body = {"v": 1, "device": "cuff", "boot_id": "b", "seq": self.seq, "t": time.time_ns() // 1_000_000, "readings": readings}
        self.seq += 1
        assert self.post("/ingest/cuff", body, "cuff").json()["fate"] == "stored"

    def post(self, path: str, body: dict[str, Any], device: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.gateway.tokens[device]}"}
        return httpx.post(f"{self.gateway.url}{API}{path}", json=body, headers=headers, timeout=10)

    def inbox(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.mei.get("/inbox/readings", device="cuff")["readings"]
        return found

    def t_ms(self, sbp: int) -> int:
        """When the reading was measured, from whoever has it in the chart now."""

        def look() -> int | None:
            for number in (1, 2, 3):
                for line in self.history(number):
                    for t_ms, value in zip(line["t_ms"], line["value"], strict=True):
                        if value == sbp:
                            return int(t_ms)
            return None

        return until(f"{sbp} is in somebody's chart", look, 20)

    def history(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.doc.get(f"/residents/R-{number}/history", quantity="sbp", points=1000)["lines"]
        return found

    def charts(self) -> dict[str, list[float]]:
        return {f"R-{number}": sorted(v for line in self.history(number) for v in line["value"]) for number in (1, 2, 3)}

    def assign(self, t_ms: int, resident: str | None, reason: str) -> str:
        answer = self.mei.client.post(
            f"{API}/readings/assign", json={"device": "cuff", "t_ms": t_ms, "resident": resident, "reason": reason}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["assigned"]["id"])

    # --- the health record

    def at_server(self) -> set[tuple[str, float, str]]:
        """(resident, systolic pressure, status) of every panel."""
        people = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in on_server(self.url, "Patient")}
        return {_panel(one, people[one["subject"]["reference"]]) for one in on_server(self.url, "Observation") if _is_panel(one)}

    def in_folder(self) -> set[tuple[str, float, str]]:
        """The same from the lines of the folder, the newest of each resource."""
        newest: dict[str, dict[str, Any]] = {}
        people: dict[str, str] = {}
        for path in sorted((self.gateway.data / "ehr").rglob("*.ndjson")):
            for line in path.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                newest[one["id"]] = one
                if one["resourceType"] == "Patient":
                    people[one["id"]] = one["identifier"][0]["value"]
        return {
            _panel(one, people[one["subject"]["reference"].rpartition("/")[2].rpartition(":")[2]])
            for one in newest.values()
            if one["resourceType"] == "Observation" and _is_panel(one)
        }

    def record_is(self, what: str, wanted: set[tuple[str, float, str]]) -> None:
        until(f"{what}: at the server", lambda: self.at_server() == wanted, 40, 0.3)
        until(f"{what}: in the folder", lambda: self.in_folder() == wanted, 20, 0.3)


def _is_panel(one: dict[str, Any]) -> bool:
    return "component" in one


def _panel(one: dict[str, Any], person: str) -> tuple[str, float, str]:
    systolic = next(part for part in one["component"] if part["code"]["coding"][0]["code"] in ("8480-6", "150021"))
    return person, float(systolic["valueQuantity"]["value"]), one["status"]


def test_one_cuff_three_residents(folder: Path) -> None:
    with server() as (url, _process):
        targets = {"emr": {"type": "fhir", "url": url, "create_patients": True, "timeout_s": 5}, "here": {"type": "folder"}}
        with town(folder, ehr={"targets": targets}) as (gateway, _hook):
            furnish(gateway)
            gateway.start()
            story(Day(gateway, url))


def story(day: Day) -> None:
    final = {("R-1", 121.0, "final"), ("R-1", 122.0, "final"), ("R-2", 123.0, "final"), ("R-3", 124.0, "final")}
    nobody(day)
    checked_in(day)
    day.record_is("everybody has what is theirs", final)
    assert day.charts() == {"R-1": [121, 122], "R-2": [123], "R-3": [124]}

    # The first resident's card was in the second one's hand.
    moved = day.assign(day.t_ms(122), "R-2", "Chen had Wang's card")
    wrong = (final - {("R-1", 122.0, "final")}) | {("R-1", 122.0, "entered-in-error"), ("R-2", 122.0, "final")}
    day.record_is("the reading is another person's", wrong)
    assert day.charts() == {"R-1": [121], "R-2": [122, 123], "R-3": [124]}
    listed = day.mei.get("/inbox/assigned")["assigned"]
    assert [(one["resident_id"], one["former_id"], one["reason"]) for one in listed[:1]] == [("R-2", "R-1", "Chen had Wang's card")]
    until("why it was so is in the record", lambda: len(on_server(day.url, "Provenance")) == 1, 20, 0.3)

    # And it was not so after all.
    assert day.mei.client.post(f"{API}/readings/assigned/{moved}/undo").status_code == 200
    assert day.mei.client.post(f"{API}/readings/assigned/{moved}/undo").status_code == 409
    undone = final | {("R-2", 122.0, "entered-in-error")}
    day.record_is("undone", undone)
    assert day.charts() == {"R-1": [121, 122], "R-2": [123], "R-3": [124]}
    alert_follows(day)


def nobody(day: Day) -> None:
    """Somebody measures and says nothing: the inbox has it, with whom it may be; staff assign it."""
    day.measure(121)
    [row] = until("it waits in the inbox", day.inbox, 10)
    assert {one["quantity"]: one["value"] for one in row["values"]} == {"sbp": 121, "dbp": 70}
    assert row["place"]["room_id"] == "day"
    hidden = day.ops.get("/inbox/readings")["readings"]
    assert all("value" not in one for line in hidden for one in line["values"])  # who looks after devices sees no vital signs
    day.assign(row["t_ms"], "R-1", "he says it was he")
    assert day.inbox() == []


def checked_in(day: Day) -> None:
    """Card over HTTP, QR code over MQTT, PIN over HTTP; a strange card is nobody's."""
    badges = {}
    for number, (kind, card) in enumerate((("card", "04:A2:3b:11"), ("qr", None), ("pin", None)), 1):
        answer = day.ops.client.post(f"{API}/residents/R-{number}/badges", json={"kind": kind, "card": card})
        assert answer.status_code == 200, answer.text
        badges[kind] = answer.json()["secret"]
    assert day.post("/checkin/kiosk", {"v": 1, "card": "DEADBEEF"}, "kiosk").status_code == 404
    assert day.post("/checkin/kiosk", {"v": 1, "pin": "000000"}, "cuff").status_code == 401  # a token of another device
    stale = {"v": 1, "card": "04A23B11", "t": time.time_ns() // 1_000_000 - 600_000}
    assert day.post("/checkin/kiosk", stale, "kiosk").json()["code"] == "checkin.stale"

    said = day.post("/checkin/kiosk", {"v": 1, "card": "04-a2-3b-11"}, "kiosk").json()
    assert (said["initials"], said["devices"]) == ("R1", ["cuff"])
    day.measure(122)
    kiosk = Publisher(day.gateway.mqtt_port, "kiosk", "kiosk", day.gateway.tokens["kiosk"])
    body = {"v": 1, "device": "kiosk", "boot_id": "k", "seq": 1, "t": None, "qr": badges["qr"]}
    kiosk.publish_all([("anxin/checkin/kiosk", json.dumps(body).encode())])
    until("the second one is checked in", lambda: day.gateway.ask("status")["counters"].get("checkin.done") == 2)
    day.measure(123)
    assert day.post("/checkin/kiosk", {"v": 1, "pin": badges["pin"]}, "kiosk").json()["initials"] == "R3"
    day.measure(124)
    assert day.post("/checkin/kiosk", {"v": 1, "out": True}, "kiosk").json() == {"checked_in": False}
    assert day.inbox() == []
    text = b"".join(path.read_bytes() for path in day.gateway.data.rglob("*") if path.is_file() and "anxin.toml" not in path.name)
    assert badges["qr"].encode() not in text  # neither the journal nor the store nor the broker's log keeps what was shown
    assert badges["pin"].encode() not in b"".join(path.read_bytes() for path in (day.gateway.data / "journal").glob("*"))
    kiosk.close()


def alert_follows(day: Day) -> None:
    """A pressure beyond the extreme limit was not the third resident's: its alert and the finding in the record follow."""
    answer = day.mei.client.post(f"{API}/devices/cuff/checkin", json={"resident": "R-3", "minutes": 2})
    assert answer.status_code == 200, answer.text
    values = iter(range(240, 260))
    measured: list[int] = []

    def look() -> list[dict[str, Any]]:
        measured.append(next(values))
        day.measure(measured[-1])
        return [one for one in day.mei.alerts(device_id="cuff", kind="physiological") if one["resident"]]

    [alert] = until("it is an alert", look, 40, 1.0)
    assert alert["resident"]["id"] == "R-3"
    until("and a finding in the record", lambda: on_server(day.url, "DetectedIssue"), 30, 0.3)
    for value in measured:
        day.assign(day.t_ms(value), "R-2", "she sat down first")

    def moved() -> list[dict[str, Any]]:
        return [one for one in day.mei.alerts(id=alert["id"]) if one["resident"]["id"] == "R-2"]

    until("the alert follows", moved, 20)
    history = day.mei.get(f"/alerts/{alert['id']}")["history"]
    assert ("followed", "reattributed") in {(step["kind"], step["why"]) for step in history}

    def followed() -> bool:
        people = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in on_server(day.url, "Patient")}
        whose = [one["patient"]["reference"] for one in on_server(day.url, "DetectedIssue")]
        whose += [one["for"]["reference"] for one in on_server(day.url, "Task")]
        return len(whose) >= 2 and {people[one] for one in whose} == {"R-2"}

    until("so does the finding", followed, 30, 0.3)
