"""The README's daily commands, one after the other, on a real data folder beside its running gateway and without it."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from tests.support.button import Button
from tests.support.hook import Hook
from tests.support.running import Gateway, until
from tests.support.town import configure, seed

pytestmark = pytest.mark.timeout(60)

TABLES = {
    "sites.csv": "code,name,tz,kind\nS1,春晖,Asia/Shanghai,institution\n",
    "zones.csv": "site,code,name\nS1,Z1,一区\n",
    "beds.csv": "site,zone,code\nS1,Z1,1-01\nS1,Z1,1-02\n",
    "residents.csv": "code,name,site,bed\nR01,王淑华,S1,1-01\nR02,李桂兰,S1,1-02\n",
    "staff.csv": "code,name,role\nP1,李静,护理员\n",
    "devices.csv": "device,model,site,quantities\nwrist-01,W1,S1,battery\nwrist-02,W1,S1,battery\n",
    "bindings.csv": "device,resident\nwrist-02,R02\n",
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """A running gateway of this file's own: its tests are steps of one day, in their order."""
    path = Path(tempfile.mkdtemp(prefix="anxin-"))
    found = Gateway(path / "data")
    try:
        with Hook() as hook:
            configure(found, hook)
            seed(found)
            try:
                yield found.start()
            finally:
                found.close()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def tables(gateway: Gateway, **changed: str) -> list[str]:
    """The files of the import, some of them changed."""
    folder = gateway.data.parent / "tables"
    folder.mkdir(exist_ok=True)
    for name, text in TABLES.items():
        (folder / name).write_text(changed.get(name.partition(".")[0], text), encoding="utf-8")
    return [str(folder / name) for name in TABLES]


def sign_in(gateway: Gateway, login: str, password: str) -> int:
    body = {"user": login, "password": password}
    return httpx.post(f"{gateway.url}/api/v1/session", json=body, headers={"Origin": gateway.url}, timeout=10).status_code


def done(gateway: Gateway, *words: str, code: int = 0, lang: str = "en", data: Path | None = None) -> Any:
    """`anxin --json ...` in this process, which spares its start; the document and the exit code."""
    return json.loads(told(gateway, lang, "--json", *words, code=code, data=data))


def told(gateway: Gateway, lang: str, *words: str, code: int = 0, data: Path | None = None) -> str:
    """`anxin ...` in this process: what it says to a person."""
    result = CliRunner().invoke(app, ["--data", str(data or gateway.data), "--lang", lang, *words])
    assert result.exit_code == code, f"anxin {' '.join(words)}: {result.output}"
    return result.stdout or result.stderr


def test_doctor(gateway: Gateway) -> None:
    rows = {row["check"]: row for row in gateway.cli("doctor", code=None)}
    assert rows["gateway"]["detail"] == "running"
    assert rows["configuration"]["ok"]
    assert "正在运行" in gateway.shell("--lang", "zh", "doctor").stdout


def test_import_names_the_bad_row_and_writes_nothing_then_all(gateway: Gateway) -> None:
    bad = tables(gateway, residents=TABLES["residents.csv"] + "R03,张志强,S1,9-99\n")
    for words in (("import", "--dry-run", *bad), ("import", *bad)):
        report = gateway.cli(*words, code=1)
        (error,) = report["errors"]
        assert (error["file"], error["line"], error["column"]) == ("residents.csv", 4, "bed")
        assert not report["written"]
    for lang, nothing in (("zh", "没有写入任何内容"), ("en", "Nothing was written")):
        said = told(gateway, lang, "import", "--dry-run", *bad, code=1)
        assert "residents.csv" in said
        assert nothing in said
    good = tables(gateway)
    dry = done(gateway, "import", "--dry-run", *good)
    assert (dry["written"], dry["errors"]) == (False, [])
    assert gateway.cli("import", *good)["written"]
    counts = done(gateway, "import", *good)["counts"]
    assert all(count["created"] == count["changed"] == 0 for count in counts.values()), "again changes nothing"
    assert "no-such.csv" in done(gateway, "import", "no-such.csv", code=2)["error"]


def test_accounts(gateway: Gateway) -> None:
    made = done(gateway, "users", "add", "li", "--role", "caregiver", "--name", "Li Jing", "--site", "S1")
    gateway.passwords["li"] = made["password"]
    assert [site["name"] for site in gateway.person("li").get("/me")["sites"]] == ["春晖"], "a code is as good as an id"
    again = done(gateway, "users", "reset", "li")
    assert sign_in(gateway, "li", made["password"]) == 401
    assert sign_in(gateway, "li", again["password"]) == 200
    assert done(gateway, "users", "disable", "li")["status"] == "disabled"
    assert sign_in(gateway, "li", again["password"]) == 401
    assert {row["login"]: row["status"] for row in done(gateway, "users", "list")}["li"] == "disabled"
    assert "error" in done(gateway, "users", "add", "li", "--role", "caregiver", "--site", "S1", code=1), "taken"
    assert "error" in done(gateway, "users", "reset", "nobody", code=1)
    assert gateway.shell("users", "add", "someone").returncode == 2, "a role is missing"
    assert "nan 的一次性密码：" in told(gateway, "zh", "users", "reset", "nan")
    assert "One-time password of nan: " in told(gateway, "en", "users", "reset", "nan")


def test_a_token_lets_a_device_in_and_a_binding_makes_its_calls_a_residents(gateway: Gateway) -> None:
    gateway.tokens["wrist-01"] = done(gateway, "token", "wrist-01")["token"]
    assert "error" in done(gateway, "token", "no-such-device", code=1)
    assert done(gateway, "inbox") == []
    assert "没有未登记的设备" in told(gateway, "zh", "inbox")
    assert gateway.shell("bind", "wrist-01").returncode == 2, "to whom?"
    assert "error" in done(gateway, "bind", "wrist-01", "--resident", "nobody", code=1)
    bound = done(gateway, "bind", "wrist-01", "--resident", "R01")
    with Button(gateway, "wrist-01") as device:
        device.connected().call("sos")
        assert device.fate() == "stored"
        device.publish("up", device.body(quantity="battery", value=50, unit="furlong"))
        assert device.fate() == "dead_letter"
    (alert,) = until("an alert", lambda: [row for row in done(gateway, "alerts") if row["cause"] == "call.sos"])
    assert alert["state"] == "raised"
    assert "1-01" in alert["place"], "the bed of who wears it"
    why = done(gateway, "why", alert["id"])
    assert (why["alert"], why["cause"]) == (alert["id"], "call.sos")
    assert alert["id"] in told(gateway, "zh", "alerts")
    assert done(gateway, "unbind", "wrist-01")["resident"] == bound["resident"]
    assert "error" in done(gateway, "unbind", "wrist-01", code=1)


def test_the_books_stay_the_same_with_and_without_the_gateway(gateway: Gateway) -> None:
    letters = done(gateway, "deadletter", "list")["letters"]
    assert (letters[0]["topic"], letters[0]["reason"]) == ("anxin/up/wrist-01", "unit: unknown for battery")
    assert done(gateway, "deadletter", "retry", str(letters[0]["id"]))["fate"] == "dead_letter"
    books = done(gateway, "ledger")
    (row,) = [row for row in books["devices"] if row["device"] == "wrist-01"]
    assert (row["received"], row["stored"], row["dead_letter"], row["lost"]) == (2, 1, 1, 0)
    gateway.kill()
    assert done(gateway, "ledger") == books, "from the files, after a crash"
    assert "丢失" in told(gateway, "zh", "ledger")
    for words in (("status",), ("deadletter", "retry", str(letters[0]["id"]))):
        for lang, needed in (("zh", "需要正在运行的网关"), ("en", "needs the running gateway")):
            refusal = done(gateway, *words, lang=lang, code=2)["error"]
            assert needed in refusal
            assert "anxin run" in refusal


def test_a_backup_is_restored_elsewhere_and_a_broken_chain_is_found(gateway: Gateway) -> None:
    elsewhere = gateway.data.parent / "restored"
    archive = done(gateway, "backup")["archive"]
    gateway.cli("restore", archive, data=elsewhere)
    assert "error" in done(gateway, "restore", archive, data=elsewhere, code=2), "not over what is there"
    verdict = done(gateway, "audit", "verify", data=elsewhere)
    assert verdict["ok"]
    assert verdict["rows"] > 5
    rows = done(gateway, "audit", "list", "--limit", "500", data=elsewhere)
    victim = rows[len(rows) // 2]["n"]
    conn = apsw.Connection(str(elsewhere / "store.sqlite"))
    triggers = [name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'")]
    kept = {name: sql for name, sql in conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'") if name in triggers}
    for name in triggers:
        conn.execute(f'DROP TRIGGER "{name}"')
    conn.execute("UPDATE audit SET actor = 'somebody else' WHERE n = ?", (victim,))
    for sql in kept.values():
        conn.execute(sql)
    conn.close()
    broken = done(gateway, "audit", "verify", data=elsewhere, code=1)
    assert (broken["ok"], broken["first_bad"]) == (False, victim)
    for lang, words in (("zh", f"第 {victim} 行有问题"), ("en", f"row {victim} is bad")):
        assert words in told(gateway, lang, "audit", "verify", data=elsewhere, code=1)
    assert done(gateway, "audit", "verify")["ok"], "the original is untouched"


def test_a_recording_is_replayed(gateway: Gateway) -> None:
    path, out = gateway.data.parent / "own.csv", gateway.data.parent / "findings.ndjson"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows: list[list[Any]] = [["device", "resident", "quantity", "unit", "t", "value"]]
        rows += [["w", "R", "hr", "/min", 1_767_225_600_000 + second * 5000, 190 if second > 200 else 70] for second in range(400)]
        rows.append(["w", "R", "hr", "furlong", 1_767_227_600_000, 70])
        csv.writer(file).writerows(rows)
    report = gateway.cli("replay", str(path), "--out", str(out))
    assert (report["residents"], report["readings"], sum(report["skipped"].values())) == (1, 400, 1)
    assert report["findings"] == len(out.read_text().splitlines()) > 0
    assert gateway.shell("replay", "no-such-recording").returncode == 2


def test_the_simulator_says_when_no_fleet_runs(gateway: Gateway) -> None:
    refused = gateway.shell("sim", "stats")
    assert refused.returncode == 2
    assert "--control" in refused.stderr
