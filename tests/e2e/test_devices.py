"""`anxin devices` as somebody who looks after devices uses it: a table, JSON, lines for a pipe; what is known outlives the gateway."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.support.running import ANXIN, API, until
from tests.support.town import town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


def test_as_a_new_user(tmp_path: Path) -> None:
    with town(tmp_path) as (gateway, _hook):
        for lang, word in (("zh", "登记与凭据"), ("en", "how they are")):
            said = gateway.shell("--lang", lang, "devices", "--help").stdout
            assert word in said
            assert all(command in said for command in ("enrol", "know", "list", "revoke", "--watch", "--visit"))
        before = gateway.cli("devices")  # no gateway runs: everything is "never heard"
        assert {row["availability"]["state"] for row in before} == {"never"}
        gateway.start()
        readings = [{"quantity": "hr", "value": 70, "unit": "/min"}, {"quantity": "battery", "value": 9, "unit": "%"}]
        body = {"v": 1, "device": "band-1", "boot_id": "b", "seq": 0, "t": time.time_ns() // 1_000_000, "readings": readings}
        headers = {"Authorization": f"Bearer {gateway.tokens['band-1']}"}
        assert httpx.post(f"{gateway.url}{API}/ingest/band-1", json=body, headers=headers, timeout=10).json()["fate"] == "stored"

        def row() -> dict[str, object] | None:
            found = {one["id"]: one for one in gateway.ask("devices.health")}["band-1"]
            return found if found["battery"]["percent"] == 9 else None

        assert until("it is heard", row)["availability"]["state"] == "online"  # type: ignore[index]
        assert gateway.cli("devices", "--visit")[0]["id"] == "band-1"
        table = gateway.shell("--lang", "en", "devices").stdout
        assert "band-1" in table
        assert "9 %" in table
        ops = gateway.person("ops")
        found = ops.get("/devices/health", need="battery")["devices"]
        assert [one["id"] for one in found] == ["band-1"]
        lines = watched(gateway.data)
        assert len([line for line in lines if line.startswith("band-1\t")]) == 1  # it has not changed meanwhile
        assert gateway.stop() == 0
        after = {one["id"]: one for one in gateway.cli("devices")}["band-1"]  # from the file
        assert after["battery"]["percent"] == 9


def watched(data: Path) -> list[str]:
    """What `--watch` writes into a pipe within a few rounds."""
    words = [ANXIN, "--data", str(data), "--lang", "en", "devices", "--watch"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(7)
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=20)
    return out.splitlines()
