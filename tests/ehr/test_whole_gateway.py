"""The real gateway against the third party's server: its answers lost, errors, kill -9, an alert's life, a device that was another's."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings
from gateway.vocabulary import SYSTEM
from tests.ehr.proxy import proxied
from tests.ehr.rig import on_server
from tests.ehr.support import server
from tests.support.running import Gateway, until
from tests.support.town import town

START_MS = time.time_ns() // 1_000_000  # the same bytes when a message is sent again


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: a Unix socket's path may have 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="anxin-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def send(gateway: Gateway, device: str, seq: int, **body: Any) -> None:
    document = {"v": 1, "device": device, "boot_id": "b1", "seq": seq, "t": START_MS + seq, **body}
    headers = {"Authorization": f"Bearer {gateway.tokens[device]}"}
    answer = httpx.post(f"{gateway.url}/api/v1/ingest/{device}", json=document, headers=headers, timeout=10)
    assert answer.json()["fate"] in ("stored", "duplicate")


def pressures(gateway: Gateway, start: int, count: int) -> None:
    """However fast they come, each is a panel of its own."""
    for seq in range(start, start + count):
        pair = (("sbp", 118 + seq % 10), ("dbp", 74 + seq % 5))
        readings = [{"quantity": quantity, "value": value, "unit": "mm[Hg]"} for quantity, value in pair]
        send(gateway, "band-1", seq, readings=readings)


def of(url: str, code: str) -> list[dict[str, Any]]:
    return [one for one in on_server(url, "Observation") if one["code"]["coding"][-1]["code"] == code]


def correct(gateway: Gateway) -> None:
    """Band 1 had been on the second resident all the time."""
    core = Core.open(gateway.data, SystemClock(), Ops())
    try:
        known = core.registry.view.bindings_of("band-1")[0]
        core.registry.do_sync(
            SYSTEM, bindings.correct_binding, "band-1", from_ns=known.valid_from_ns, to_ns=None, reason="mixed up", resident="R-2"
        )
    finally:
        core.close()


@pytest.mark.crash
@pytest.mark.timeout(180)
def test_each_reading_and_alert_once(folder: Path) -> None:
    with server() as (url, _process), proxied(url) as (base, proxy):
        targets = {"emr": {"type": "fhir", "url": base, "create_patients": True, "timeout_s": 5}, "here": {"type": "folder"}}
        with town(folder, ehr={"targets": targets}) as (gateway, _hook):
            gateway.start()
            proxy.on_stored = gateway.kill  # the answer that says "stored" finds nobody
            proxy.plan = ["503"] * 1000
            pressures(gateway, 0, 20)
            proxy.plan = ["ok", "stored"]
            until("the gateway is dead", lambda: gateway.process is not None and gateway.process.poll() is not None, 30)
            proxy.plan = ["503", "429:1", "drop"]
            gateway.start()
            pressures(gateway, 15, 25)  # five again, as a device does it
            send(gateway, "button-1", 0, call={"kind": "sos"})
            mei = gateway.person("mei")
            alert_id = until("the call is an alert", lambda: [one["id"] for one in mei.alerts(device_id="button-1")], 20)[0]
            for action in ("claim", "arrive"):
                mei.act(alert_id, action)
            mei.act(alert_id, "resolve", outcome="helped")
            until("the alert is final", lambda: [one for one in on_server(url, "DetectedIssue") if one["status"] == "final"], 30, 0.3)
            until("everything is there", lambda: len(of(url, "bp")) == 40, 30, 0.3)
            assert gateway.cli("ehr", "deadletter") == []
            gateway.kill()
            correct(gateway)
            gateway.start()
            until("all are moved", lambda: len(of(url, "bp")) == 80 and len(on_server(url, "Provenance")) == 40, 40, 0.3)

            def done() -> bool:
                found = gateway.ask("ehr.status")["targets"]
                return set(found["emr"]) == set(found["here"]) == {"done"} and found["emr"] == found["here"]

            until("all is done, here and there", done, 20, 0.3)
        people = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in on_server(url, "Patient")}
        found = Counter((people[one["subject"]["reference"]], one["status"]) for one in of(url, "bp"))
        assert found == {("R-1", "entered-in-error"): 40, ("R-2", "final"): 40}
        assert set(Counter(one["identifier"][0]["value"] for one in on_server(url, "Observation")).values()) == {1}
        assert [len(on_server(url, kind)) for kind in ("DetectedIssue", "Task")] == [1, 1]
        assert on_server(url, "Task")[0]["status"] == "completed"
        assert len(of(url, "call.sos")) == 1
