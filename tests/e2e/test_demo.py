"""`anxin demo`: a simulated fall stands on the wall, a named person handles it, Ctrl-C ends everything, a second start goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.background import beside
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


@beside
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
        owner = caregiver.act(alert["id"], "claim")["claimed_name"]
        assert owner == "李静"
        caregiver.act(alert["id"], "arrive")
        done = caregiver.act(alert["id"], "resolve", outcome="helped", note="")
        assert (done["state"], done["outcome"]) == ("resolved", "helped")
        assert gateway.ask("ledger")["total"]["lost"] == 0
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
