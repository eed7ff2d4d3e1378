"""Set up the demo: the invented ward in the registry, tokens for its devices, a plan for the simulator, users with fresh passwords."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway import demo_ward as ward
from gateway.registry import bindings, consents, org, residents
from gateway.registry.accounts import Accounts
from gateway.registry.tx import Tx
from gateway.registry.view import RegistryView
from gateway.vocabulary import SYSTEM, Origin

WEEK = tuple(range(7))
PLAN_VERSION = 3  # of the files that the simulators read
MEASURE_EVERY_S = {"cuff": 900, "glucometer": 1800}
CADENCE_S = {"hr": 5, "spo2": 5, "resp": 5, "temp": 30, "steps": 60, "battery": 60}


def seed(tx: Tx) -> bool:
    """Enter sites, beds, staff, shifts, residents, devices and bindings in one transaction; False when they are there already."""
    if ward.SITES[0].id in tx.view.sites:
        return False
    org.set_organisation(tx, name="安心演示", organisation_id="O-demo")
    beds = [bed for site in ward.SITES for bed in _site(tx, site)]
    for person in ward.STAFF:
        role = "nurse" if person.id == "P-head" else person.role
        org.set_staff(tx, name=person.name, initials=person.initials, role=role, staff_id=person.id)
    for site in ward.SITES:
        _shifts(tx, site.id)
    for number, (person, bed_id) in enumerate(zip(ward.RESIDENTS, beds, strict=True), start=1):
        residents.admit(tx, name=person.name, initials=person.initials, bed=bed_id, resident_id=person.id)
        _equip(tx, person.id, number)
    return True


def _site(tx: Tx, site: ward.DemoSite) -> list[str]:
    org.set_site(tx, name=site.name, kind=site.kind, site_id=site.id)
    made = []
    for zone_id, zone_name, labels in site.zones:
        org.set_zone(tx, site=site.id, name=zone_name, zone_id=zone_id)
        for index, label in enumerate(labels, start=1):
            made.append(org.set_bed(tx, site=site.id, zone=zone_id, label=label, bed_id=f"B-{zone_id}-{index:02d}").id)
    return made


def _shifts(tx: Tx, site_id: str) -> None:
    for staff, role, start, end in (
        ("P-li", "caregiver", "07:00", "19:00"),
        ("P-zhao", "caregiver", "19:00", "07:00"),
        ("P-head", "nurse", "00:00", "00:00"),
    ):
        org.set_rota(tx, site=site_id, staff=staff, role=role, weekdays=WEEK, start=start, end=end)


def _equip(tx: Tx, resident_id: str, number: int) -> None:
    for suffix, kind, model, quantities in ward.devices_of(number):
        device_id = f"sim-{number:02d}-{suffix}"
        bindings.set_device(tx, device_id, model=model, kind=kind, origin=Origin.SIM, quantities=quantities, cadence_s=CADENCE_S)
        bindings.bind(tx, device_id, resident=resident_id)


def pair(tx: Tx) -> None:
    """Enter the addresses of the Bluetooth devices, also in a ward that was furnished before there were any."""
    for number, (suffix, kind, model, quantities) in (entry for entries in ward.ble_rooms().values() for entry in entries):
        device_id, address = f"sim-{number:02d}-{suffix}", ward.ble_address(number, suffix)
        if tx.view.devices[device_id].facts.get("ble_address") != address:
            bindings.set_device(
                tx, device_id, model=model, kind=kind, origin=Origin.SIM, quantities=quantities, cadence_s=CADENCE_S,
                facts={"ble_address": address},
            )  # fmt: skip


def _mqtt_devices(number: int) -> list[tuple[str, str]]:
    """(id, kind) of the resident's devices that speak MQTT."""
    rows = (row for row in ward.devices_of(number) if row not in ward.BLE_DEVICES)
    return [(f"sim-{number:02d}-{suffix}", kind) for suffix, kind, _model, _quantities in rows]


def device_ids() -> list[str]:
    """All devices of the demo that need a token."""
    return [device_id for number in range(1, len(ward.RESIDENTS) + 1) for device_id, _ in _mqtt_devices(number)]


def plan_is_current(path: Path) -> bool:
    """Whether a plan that this version wrote is there."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("version") == PLAN_VERSION)
    except (OSError, ValueError, AttributeError):
        return False


def _ble_device(number: int, suffix: str, kind: str) -> dict[str, Any]:
    person = {"person": ward.RESIDENTS[number - 1].id, "seed": 1000 + number - 1}
    return {
        "id": f"sim-{number:02d}-{suffix}", "kind": kind, "address": ward.ble_address(number, suffix),
        "measure_every_s": MEASURE_EVERY_S.get(kind, 0), **person,
    }  # fmt: skip


def write_ble_plan(path: Path) -> None:
    """Write the Bluetooth simulator's plan."""
    rooms = [
        {"name": zone, "devices": [_ble_device(number, suffix, kind) for number, (suffix, kind, *_) in entries]}
        for zone, entries in ward.ble_rooms().items()
        if entries
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": PLAN_VERSION, "seed": 1, "rooms": rooms}), encoding="utf-8")


def write_plan(path: Path, tokens: Mapping[str, str]) -> None:
    """Write the simulator's plan, readable by its owner only, since it holds the devices' tokens."""
    people: list[dict[str, Any]] = []
    for number, person in enumerate(ward.RESIDENTS, start=1):
        devices = [{"id": device_id, "kind": kind, "token": tokens[device_id]} for device_id, kind in _mqtt_devices(number)]
        people.append({"id": person.id, "devices": devices})
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump({"version": PLAN_VERSION, "seed": 1, "people": people}, out, ensure_ascii=False)
    scratch.replace(path)


def consent(tx: Tx, login: str) -> bool:
    """What the demo's resident lets the family account see, for a year; False where it stands already."""
    user = next(user for user in tx.view.users.values() if user.login == login)
    if any(row.withdrawn_ns is None and tx.now_ns < row.until_ns for row in tx.view.consents_of(user.id, ward.FAMILY_RESIDENT)):
        return False
    giver = tx.view.residents[ward.FAMILY_RESIDENT].name
    until_ns = tx.now_ns + ward.FAMILY_SPAN_NS
    consents.set_consent(tx, resident=ward.FAMILY_RESIDENT, grantee=user.id, classes=ward.FAMILY_CLASSES, until_ns=until_ns, giver=giver)
    return True


async def fresh_password(accounts: Accounts, view: RegistryView, *, login: str, name: str, role: str, staff: str | None) -> str:
    """A new password for one of the demo's accounts, made at the first start; the former one stops working."""
    known = next((user for user in view.users.values() if user.login == login), None)
    if known is not None:
        return await accounts.reset_password(SYSTEM, known.id, must_change=False)
    family = role == "family"
    _user, password = await accounts.create(
        SYSTEM,
        login=login,
        name=name,
        role=role,
        staff_id=staff,
        must_change=False,
        site_ids=() if family else tuple(site.id for site in ward.SITES),
        resident_ids=(ward.FAMILY_RESIDENT,) if family else (),
    )
    return password
