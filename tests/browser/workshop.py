"""A house for the installer's pages: a gateway whose adapter is a simulated room with cuffs and a meter that nobody has entered yet."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_sim.control import ask
from gateway.clock import NS_PER_S, SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM
from tests.browser.wards import Ward
from tests.support.ble_town import address
from tests.support.running import Gateway, toml

CUFF, METER, BOUND = address(61), address(62), address(63)
RESIDENTS = (("wang", "王淑华", "3-01"), ("li", "李桂兰", "3-02"), ("zhang", "张志强", "3-03"))
PEOPLE = (("chief", "总运维", "operator"), ("root", "管理员甲", "admin"), ("mei", "梅护士", "caregiver"))
PLAN = {"seed": 1, "advert_ms": 60, "rooms": [{"name": "ward", "devices": [
    {"id": "cuff-new", "kind": "cuff", "address": CUFF, "pairing": "just_works", "blinks": True},
    {"id": "meter-new", "kind": "glucometer", "address": METER, "pairing": "passkey", "records": 2},
    {"id": "cuff-old", "kind": "cuff", "address": BOUND},
]}]}  # fmt: skip
QUICK = {"connect_s": 4, "exchange_s": 3, "linger_s": 0.3, "burst_s": 0.5, "revisit_s": 2, "tick_s": 0.1, "backoff_cap_s": 2}


def _furnish(tx: Tx, since_ns: int) -> None:
    org.set_site(tx, name="安和养老院", site_id="care")
    org.set_zone(tx, site="care", name="三区", zone_id="zone-3")
    for who, name, bed in RESIDENTS:
        org.set_bed(tx, site="care", zone="zone-3", label=bed, bed_id=f"bed-{who}")
        residents.admit(tx, name=name, initials=who.upper(), bed=f"bed-{who}", resident_id=who, at_ns=since_ns)
    bindings.set_device(tx, "cuff-old", kind="cuff", site="care", quantities=("sbp", "dbp"), facts={"ble_address": BOUND})
    bindings.bind(tx, "cuff-old", resident="wang", from_ns=since_ns)
    bindings.set_device(tx, "band-li", kind="wearable", site="care", quantities=("hr",), facts={"bthome_key": "0011223344556677"})
    bindings.bind(tx, "band-li", resident="li", from_ns=since_ns)


def seed(gateway: Gateway) -> None:
    clock = SystemClock()
    core = Core.open(gateway.data, clock, Ops())
    try:
        core.registry.do_sync(SYSTEM, _furnish, clock.now_ns() - 3600 * NS_PER_S)
        for login, name, role in PEOPLE:
            reach: dict[str, Any] = {"site_ids": ("*",) if role == "operator" else ("care",)}
            _, password = core.accounts.create_sync(SYSTEM, login=login, name=name, role=role, must_change=False, lang="zh", **reach)
            gateway.passwords[login] = password
    finally:
        core.close()


@dataclass
class Workshop(Ward):
    """The ward with its room of Bluetooth devices."""

    control: Path = field(default_factory=Path)

    def tell(self, **command: Any) -> dict[str, Any]:
        """A command of the simulator."""
        reply: dict[str, Any] = ask(self.control, command)
        return reply


@contextmanager
def workshop() -> Iterator[Workshop]:
    """Everything up; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="anxin-") as folder:
        plan, control = Path(folder) / "plan.json", Path(folder) / "sim.sock"
        plan.write_text(json.dumps(PLAN), encoding="utf-8")
        command = [sys.executable, "-m", "firmware_sim", "ble", "--plan", str(plan), "--control", str(control), "--with-parent"]
        simulator = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        gateway = Gateway(Path(folder) / "data")
        try:
            if simulator.stdout is None:
                raise RuntimeError("the simulator has no output")
            rooms = json.loads(simulator.stdout.readline())["rooms"]
            tables: dict[str, Any] = {
                "web": {"http_lan": True, "second_factor": []}, "journal": {"ballast_mib": 2}, "stream": {"checkpoint_s": 1},
                "watchdog": {"enabled": False}, "ble": {"backend": "bumble", "adapters": list(rooms.values()), "options": QUICK},
            }  # fmt: skip
            gateway.data.mkdir(mode=0o700)
            (gateway.data / "anxin.toml").write_text(toml(tables), encoding="utf-8")
            seed(gateway)
            gateway.start()
            yield Workshop(gateway, None, control=control)  # type: ignore[arg-type]  # no wearables here
        finally:
            gateway.close()
            simulator.terminate()
            simulator.communicate(timeout=15)  # closes its pipes too
