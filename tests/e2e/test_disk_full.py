"""A disk that is full under a running gateway: readings are refused with a reason, calls still become alerts, and it drains afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.test_faults import drained, technical
from tests.support import missing
from tests.support.button import Button
from tests.support.mqtt_wire import mosquitto
from tests.support.running import until
from tests.support.senders import Load
from tests.support.town import names, town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]
LOADS = 5
SIZE_MIB = 40


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """A tmpfs of SIZE_MIB on `path`; needs the right to mount, as CI and containers have it."""
    path.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(path)], capture_output=True, check=False)
    if done.returncode:
        missing(f"a small tmpfs cannot be mounted: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path) -> None:
    """Until not a byte goes on to the disk."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


def test_a_full_disk_refuses_readings_and_keeps_calling(folder: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(small_disk(folder / "data"))
        broker = stack.enter_context(mosquitto(folder / "broker"))
        gateway, hook = stack.enter_context(town(folder, loads=LOADS, mosquitto_port=broker.port))
        gateway.start()
        mei = gateway.person("mei")
        load = stack.enter_context(Load(broker.port, {name: gateway.tokens[name] for name in names("load", LOADS)}, 100))
        button, band = Button(gateway, "button-1"), Button(gateway, "band-1")
        until("readings come in", lambda: gateway.ask("status")["counters"].get("intake.stored", 0) > 100, 30)
        filler = gateway.data / "filler"
        fill(filler)
        until("the disk is full", lambda: "disk.full" in gateway.faults(), 30)
        refused = until("a reading is refused", lambda: _refused(band), 15)
        assert refused["code"] == "intake.refused"
        assert until("a technical alert", lambda: technical(mei, "disk.full"), 10)
        assert "disk.full" in {fault["code"] for fault in mei.get("/wall", site="site")["faults"]}
        answer = button.post(button.body(call={"kind": "sos"}))
        assert answer.status_code == 200, answer.text
        alert = until("the call is an alert", lambda: mei.alerts(rule="call.sos"), 10)[0]
        until("it is announced", lambda: hook.keys(alert["id"]), 10)
        mei.act(alert["id"], "claim")
        os.truncate(filler, 0)
        filler.unlink()
        until("the disk has room again", lambda: "disk.full" not in gateway.faults(), 60)
        until("the alert is over", lambda: technical(mei, "disk.full")[0]["condition_over"], 15)
        before = load.acked
        until("readings come in again", lambda: load.acked > before + 50, 30)
        assert drained(gateway, load) > 150
        total = gateway.cli("ledger")["total"]
        assert (total["lost"], gateway.cli("audit", "verify")["ok"]) == (0, True)


def _refused(device: Button) -> dict[str, str] | None:
    answer = device.post(device.body(quantity="hr", value=66, unit="/min"))
    if answer.status_code != 503:
        return None
    assert int(answer.headers["retry-after"]) > 0
    document: dict[str, str] = answer.json()
    return document
