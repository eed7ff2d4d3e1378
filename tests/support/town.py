"""Seeds a small house for tests of the real process: one site, residents with buttons and wearables, people on duty, tokens, settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM
from tests.support.hook import Hook
from tests.support.running import Gateway, ladder, toml

SITE = "site"
PEOPLE = (
    ("mei", "caregiver", "P-mei"),
    ("nan", "caregiver", "P-nan"),
    ("doc", "clinician", None),
    ("ops", "operator", None),
    ("root", "admin", None),
)
RESIDENTS = 6
QUIET = ("battery",)  # nobody misses it within a test


def _furnish(tx: Tx, loads: int) -> None:
    org.set_site(tx, name="安和", site_id=SITE)
    org.set_zone(tx, site=SITE, name="三区", zone_id="zone")
    org.set_staff(tx, name="Mei", initials="MEI", role="caregiver", staff_id="P-mei", channels={"hook": ""})
    org.set_staff(tx, name="Nan", initials="NAN", role="nurse", staff_id="P-nan", channels={"hook": ""})
    for staff, role in (("P-mei", "caregiver"), ("P-nan", "nurse")):
        org.set_rota(tx, site=SITE, staff=staff, role=role, weekdays=range(7), start="00:00", end="00:00")
    for number in range(1, RESIDENTS + 1):
        org.set_bed(tx, site=SITE, zone="zone", label=f"3-0{number}", bed_id=f"bed-{number}")
        residents.admit(tx, name=f"住户{number}", initials=f"R{number}", bed=f"bed-{number}", resident_id=f"R-{number}")
        bindings.set_device(tx, f"button-{number}", kind="pendant", quantities=())
        bindings.bind(tx, f"button-{number}", resident=f"R-{number}")
    bindings.set_device(tx, "band-1", kind="wearable", quantities=QUIET)
    bindings.bind(tx, "band-1", resident="R-1")
    for number in range(loads):
        bindings.set_device(tx, f"load-{number}", kind="wearable", quantities=())


def seed(gateway: Gateway, *, loads: int = 0) -> None:
    """Write the registry, accounts and tokens into the gateway's data folder, through the product's own doors."""
    core = Core.open(gateway.data, SystemClock(), Ops())
    try:
        core.registry.do_sync(SYSTEM, _furnish, loads)
        for login, role, staff in PEOPLE:
            site_ids = (SITE,)
            _, password = core.accounts.create_sync(
                SYSTEM, login=login, name=login.title(), role=role, staff_id=staff, site_ids=site_ids, must_change=False, lang="en"
            )
            gateway.passwords[login] = password
        for device in core.registry.view.devices.values():
            gateway.tokens[device.id] = core.tokens.issue_sync(SYSTEM, device.id)
    finally:
        core.close()


def configure(gateway: Gateway, hook: Hook, *, call: dict[str, Any] | None = None, mqtt: dict[str, Any] | None = None, **more: Any) -> None:
    """Write anxin.toml: short ladders, one web hook, everything on 127.0.0.1."""
    tables: dict[str, Any] = {
        "language": "en",
        "web": {"http_lan": True},
        "mqtt": mqtt or {},
        "journal": {"ballast_mib": 2},
        "stream": {"checkpoint_s": 1},
        "alerts": {"options": {"call": call or ladder(300)}},
        "watchdog": {"enabled": False},
        "channels": {"hook": {"type": "webhook", "url": hook.url, "lang": "en", "timeout_s": 1, "rate_per_min": 60_000, "burst": 1000}},
    }
    for name, table in more.items():
        tables[name] = tables.get(name, {}) | table
    gateway.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (gateway.data / "anxin.toml").write_text(toml(tables), encoding="utf-8")


@contextmanager
def town(
    folder: Path, *, loads: int = 0, env: dict[str, str] | None = None, mosquitto_port: int | None = None, **settings: Any
) -> Iterator[tuple[Gateway, Hook]]:
    """A seeded gateway that is not started yet, and its recording web hook; everything ends with the block."""
    gateway = Gateway(folder / "data", env=env or {})
    if mosquitto_port is not None:
        gateway.mqtt_port, gateway.embedded = mosquitto_port, False
        settings["mqtt"] = {"embedded": False} | settings.get("mqtt", {})
    with Hook() as hook:
        configure(gateway, hook, **settings)
        seed(gateway, loads=loads)
        try:
            yield gateway, hook
        finally:
            gateway.close()


def names(prefix: str, number: int) -> Sequence[str]:
    """Device ids of a kind."""
    return [f"{prefix}-{i}" for i in range(number)]
