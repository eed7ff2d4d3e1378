"""`anxin demo`: a simulated fall stands on the wall, a named person handles it, Ctrl-C ends everything, a second start goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import demo_ward
from gateway.journal import JournalReader
from tests.browser.screens import PHONE, chromium
from tests.support.running import Gateway, Person, until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]


def started(gateway: Gateway) -> dict[str, Any]:
    """What the demo prints when it is up."""
    out = gateway.data.parent / "out.log"
    before = len(out.read_text().splitlines()) if out.exists() else 0
    gateway.launch()
    lines = until("the demo prints its links", lambda: out.read_text().splitlines()[before:], 90)
    links: dict[str, Any] = json.loads(lines[0])
    gateway.passwords = {row["login"]: row["password"] for row in links["users"]}
    return links


def ended(gateway: Gateway) -> None:
    """Ctrl-C in a terminal: all processes of the foreground group get it; nothing is left."""
    assert {"nats-server", "firmware_sim", "gateway.watchdog"} <= {
        word for line in gateway.family().values() for word in ("nats-server", "firmware_sim", "gateway.watchdog") if word in line
    }
    assert gateway.stop(signal.SIGINT) == 0
    until("no process is left", lambda: not gateway.family(), 15)


def test_a_fall_is_claimed_arrived_and_resolved_and_the_demo_ends_and_resumes(folder: Path) -> None:
    gateway = Gateway(folder / "data", command=("demo", "--first-s", "3", "--every-s", "10"))
    gateway.env = {"PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", "")}
    try:
        links = started(gateway)
        assert httpx.get(links["url"], timeout=10, follow_redirects=True).status_code == 200
        assert {row["role"] for row in links["users"]} == {"caregiver", "family", "clinician", "operator", "admin"}
        caregiver = gateway.person("li")
        alert = until("a simulated fall stands on the wall", lambda: _fall_on_a_wall(caregiver), 120)
        assert alert["resident"]["name"]
        _handled_on_a_phone(gateway, alert["id"])
        done = caregiver.get(f"/alerts/{alert['id']}")["alert"]
        owner = "李静"
        assert (done["state"], done["claimed_name"], done["outcome"]) == ("resolved", owner, "helped")
        assert gateway.ask("ledger")["total"]["lost"] == 0
        spoke = until("a Bluetooth device has stored readings", lambda: _on_bluetooth(gateway), 30)
        assert spoke <= {f"sim-{number:02d}-{row[0]}" for rows in demo_ward.ble_rooms().values() for number, row in rows}
        until("the health record holds readings", lambda: _lines(gateway, "Observation"), 30)
        issues = until("it holds the fall", lambda: [line for line in _lines(gateway, "DetectedIssue") if alert["id"] in line], 30)
        assert json.loads(issues[0])["resourceType"] == "DetectedIssue"
        assert all("HTEST" in line for line in (*issues, *_lines(gateway, "Observation"))), "what is simulated says so"
        ended(gateway)

        old = caregiver.client.base_url
        links = started(gateway)
        assert str(old).rstrip("/") == links["url"].rstrip("/")
        again = gateway.person("li").get(f"/alerts/{alert['id']}")["alert"]
        assert (again["state"], again["claimed_name"], again["outcome"]) == ("resolved", owner, "helped")
        ended(gateway)
    finally:
        gateway.close()


def _fall_on_a_wall(person: Person) -> dict[str, Any] | None:
    sites = [site["id"] for site in person.get("/me")["sites"]]
    found = [alert for site in sites for alert in person.get("/wall", site=site)["alerts"] if alert["cause"] == "call.fall"]
    return found[0] if found else None


def _handled_on_a_phone(gateway: Gateway, alert_id: str) -> None:
    """Sign in with the printed password, claim, arrive and resolve on the phone's page."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]}, locale="zh-CN")
        page.goto(f"{gateway.url}/login")
        page.locator("input[name=user]").fill("li")
        page.locator("input[name=password]").fill(gateway.passwords["li"])
        page.locator("input[name=password]").press("Enter")
        page.locator("input[name=password]").wait_for(state="detached", timeout=10_000)
        page.goto(f"{gateway.url}/phone")
        for state, button in (("raised", "claim"), ("claimed", "arrive")):
            page.locator(f'[data-alert="{alert_id}"][data-state={state}] [data-act={button}]').click(timeout=10_000)
        page.locator(f'[data-alert="{alert_id}"][data-state=arrived] [data-outcome=helped]').click(timeout=10_000)
        page.locator(f'[data-alert="{alert_id}"]').wait_for(state="detached", timeout=10_000)


def _on_bluetooth(gateway: Gateway) -> set[str]:
    """Devices with frames in the journal that came over Bluetooth."""
    reader = JournalReader(gateway.data / "journal")
    found: set[str] = set()
    offset = reader.extent()[0]
    while blocks := reader.blocks(offset, 500):
        for block in blocks:
            if block.readings is not None and len(block.readings.value):
                found |= {frame.device for frame in block.readings.frames if frame.channel == "ble"}
        offset = blocks[-1].last + 1
    reader.close()
    return found


def _lines(gateway: Gateway, kind: str) -> list[str]:
    """Complete lines of the health record's folder."""
    paths = sorted((gateway.data / "ehr").rglob(f"{kind}*.ndjson"))
    return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
