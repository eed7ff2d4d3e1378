"""`anxin ...` as a script and as a person use it, against the running gateway and on a folder without one."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control import ControlError
from tests.e2e.conftest import House
from tests.support.button import Button
from tests.support.running import Gateway, until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A data folder that does not exist yet."""
    path = Path(tempfile.mkdtemp(prefix="anxin-"))
    yield path / "data"
    shutil.rmtree(path, ignore_errors=True)


def test_status_ledger_and_dead_letters_agree_with_what_was_sent(house: House) -> None:
    gateway = house.gateway
    with Button(gateway, "button-6", "books") as device:
        device.connected()
        for _ in range(20):
            device.reading("battery", 77, "%")
        device.publish("up", device.body(quantity="battery", value=77, unit="furlong"))
        assert device.fate() == "dead_letter"
    status = gateway.cli("status")
    assert (status["residents"], status["devices"]) == (6, 7)
    assert status["stream"]["behind"] < 50

    def row() -> dict[str, Any] | None:
        rows = [row for row in gateway.cli("ledger")["devices"] if row["device"] == "button-6"]
        return rows[0] if rows and rows[0]["stored"] >= 20 else None

    found = until("the ledger knows them", row, 20)
    assert found["lost"] == 0
    letters = gateway.cli("deadletter", "list", "--limit", "500")
    letter = letters["letters"][0]
    assert letter["topic"] == "anxin/up/button-6"
    assert "unit" in letter["reason"]
    assert gateway.cli("deadletter", "retry", str(letter["id"]))["fate"] == "dead_letter"
    assert "error" in gateway.cli("deadletter", "retry", "999999", code=1)


def test_why_and_audit_tell_who_was_told_and_who_did_what(house: House) -> None:
    gateway = house.gateway
    mei = gateway.person("mei")
    with Button(gateway, "button-5", "why") as button:
        button.connected().call("pull_cord")
        alert = until("an alert", lambda: mei.alerts(device_id="button-5", state="raised"))[0]
        until("it is announced", lambda: house.hook.keys(alert["id"]))
    until("its page is on record", lambda: gateway.rows("SELECT 1 FROM outbox WHERE alert_id = ? AND state = 'sent'", alert["id"]))
    told = [row for row in gateway.cli("why", alert["id"])["told"] if row["told"]]
    assert [(row["recipient"], row["page"]["state"]) for row in told] == [("P-mei", "sent")]
    assert any(row["id"] == alert["id"] for row in gateway.cli("alerts"))
    mei.act(alert["id"], "claim")
    mei.act(alert["id"], "resolve", outcome="helped")
    verdict = gateway.cli("audit", "verify")
    assert verdict["ok"]
    rows = gateway.cli("audit", "list", "--limit", "500", "--after", str(max(0, verdict["rows"] - 400)))
    mine = {row["action"] for row in rows if row["subject"] == alert["id"]}
    assert any("claim" in action for action in mine), mine
    assert "error" in gateway.cli("why", "no-such-alert", code=1)


def test_a_backup_restored_elsewhere_is_the_same_house_with_a_new_lineage(house: House, elsewhere: Path) -> None:
    gateway = house.gateway
    archive = gateway.cli("backup")["archive"]
    assert Path(archive).stat().st_mode & 0o077 == 0
    assert "store.sqlite" in " ".join(gateway.cli("restore", archive, data=elsewhere)["restored"])
    again = Gateway(elsewhere)
    assert lineage(again) != lineage(gateway)
    assert again.cli("audit", "verify")["ok"]
    names = {row["login"] for row in again.cli("users", "list")}
    assert names == set(gateway.passwords)
    assert "error" in again.cli("restore", archive, data=elsewhere, code=2), "not over what is there"


def lineage(gateway: Gateway) -> str:
    return str(gateway.rows("SELECT value FROM meta WHERE key = 'lineage'")[0][0])


def test_people_read_tables_in_both_languages_and_wrong_calls_say_why(house: House, elsewhere: Path) -> None:
    gateway = house.gateway
    zh, en = gateway.shell("--lang", "zh", "alerts"), gateway.shell("--lang", "en", "alerts")
    assert (zh.returncode, en.returncode) == (0, 0)
    assert zh.stdout != en.stdout
    assert any(word in zh.stdout for word in ("编号", "没有未结束的提醒"))
    nothing = gateway.shell("--lang", "zh", "status", data=elsewhere)
    assert nothing.returncode == 2
    assert "没有数据" in nothing.stderr
    second = gateway.shell("--lang", "en", "run", "--port", "0", "--mqtt-port", "0")
    assert second.returncode == 2
    assert "in use by process" in second.stderr
    with pytest.raises(ControlError, match="unknown command"):
        gateway.ask("no such command")


def test_an_unknown_key_in_the_configuration_stops_the_start_and_is_named(elsewhere: Path) -> None:
    elsewhere.mkdir(parents=True)
    (elsewhere / "anxin.toml").write_text("[web]\nprot = 80\n")
    gateway = Gateway(elsewhere)
    done = gateway.shell("--json", "run")
    assert done.returncode == 2
    assert "web.prot" in json.loads(done.stderr)["error"]
    rows = gateway.cli("doctor", code=1)
    assert any("web.prot" in row["detail"] for row in rows)
