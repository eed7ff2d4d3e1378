"""A ward for the browser: a seeded data folder behind a real `anxin run`, wearables that keep sending, buttons to press."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from gateway.clock import NS_PER_S, SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, consents, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM, Origin
from tests.support.button import Button, now_ms
from tests.support.fail_point import with_fail_point
from tests.support.running import Gateway, Person, ladder, toml

SITE = "care"
LONG_NAME = "阿布都热合曼·买买提明·吐尔逊江·艾合买提·依明江"
LONG_BED = "护理楼三层东侧康复单元-3-06"
# id, name, bed; the last one has never sent anything although the device has been bound for long.
RESIDENTS = (
    ("wang", "王淑华", "3-01"), ("li", "李桂兰", "3-02"), ("zhang", "张志强", "3-03"), ("liu", "刘秀英", "3-04"),
    ("chen", "陈国栋", "3-05"), ("long", LONG_NAME, LONG_BED), ("mute", "赵德明", "3-07"),
)  # fmt: skip
PEOPLE = (
    ("mei", "梅护士", "caregiver"), ("nan", "南护工", "caregiver"), ("kin", "王先生", "family"), ("ops", "运维员", "operator"),
    ("root", "管理员甲", "admin"), ("doc", "周大夫", "clinician"), ("niece", "李女士", "family"),
    ("chief", "总运维", "operator"),  # answers for the whole installation, not for one house
)  # fmt: skip
STAFF = {"mei": "caregiver", "nan": "caregiver"}
CADENCE = {"hr": 5.0, "spo2": 5.0}
FEED_S = 3.0


def _furnish(tx: Tx, cadence_s: dict[str, float], since_ns: int) -> None:
    org.set_site(tx, name="安和养老院", site_id=SITE)
    for zone, name in (("zone-2", "二区"), ("zone-3", "三区")):
        org.set_zone(tx, site=SITE, name=name, zone_id=zone)
    for login, role in STAFF.items():
        org.set_staff(tx, name=next(name for who, name, _ in PEOPLE if who == login), role=role, staff_id=f"P-{login}")
    org.set_rota(tx, site=SITE, staff="P-mei", role="caregiver", weekdays=range(7), start="00:00", end="00:00")
    for who, name, bed in RESIDENTS:
        org.set_bed(tx, site=SITE, zone="zone-3", label=bed, bed_id=f"bed-{who}")
        residents.admit(tx, name=name, initials=who.upper(), bed=f"bed-{who}", resident_id=who, at_ns=since_ns)
        bindings.set_device(tx, f"band-{who}", kind="wearable", quantities=("hr", "spo2", "temp", "battery"), cadence_s=cadence_s)
        # A drill: what this button says is marked as simulated.
        bindings.set_device(tx, f"button-{who}", kind="pendant", quantities=(), origin=Origin.SIM if who == "chen" else Origin.LIVE)
        for device in ("band", "button"):
            bindings.bind(tx, f"{device}-{who}", resident=who, from_ns=since_ns)
    org.set_bed(tx, site=SITE, zone="zone-2", label="2-01", bed_id="bed-empty")


def seed(gateway: Gateway, cadence_s: dict[str, float]) -> None:
    """Registry, accounts and tokens, through the product's own doors."""
    clock = SystemClock()
    core = Core.open(gateway.data, clock, Ops())
    try:
        core.registry.do_sync(SYSTEM, _furnish, cadence_s, clock.now_ns() - 3600 * NS_PER_S)
        for login, name, role in (*PEOPLE, ("fresh", "新来的", "caregiver"), ("guard", "安管理", "admin")):
            relative = "li" if login == "niece" else "wang"
            sites = ("*",) if login == "chief" else (SITE,)
            reach: dict[str, Any] = {"resident_ids": (relative,)} if role == "family" else {"site_ids": sites}
            staff = f"P-{login}" if login in STAFF else None
            user, password = core.accounts.create_sync(
                SYSTEM, login=login, name=name, role=role, staff_id=staff, must_change=login == "fresh", lang="zh", **reach
            )
            gateway.passwords[login] = password
            if login == "niece":  # the only one of the family with a consent
                core.registry.do_sync(
                    SYSTEM, consents.set_consent, resident="li", grantee=user.id, classes=("summary", "vitals", "alerts", "looks"),
                    until_ns=clock.now_ns() + 90 * 86_400 * NS_PER_S, giver="李桂兰", text_version="2026-11", text_sha256="0" * 64,
                )  # fmt: skip
        for device in core.registry.view.devices.values():
            gateway.tokens[device.id] = core.tokens.issue_sync(SYSTEM, device.id)
    finally:
        core.close()


@dataclass
class Feeder:
    """Wearables that send over HTTP until they are told to be silent."""

    gateway: Gateway
    silent: set[str] = field(default_factory=set)
    temp: dict[str, float] = field(default_factory=dict)  # resident -> degrees, where not 36.5
    _stop: threading.Event = field(default_factory=threading.Event)
    _seq: int = 0

    def __enter__(self) -> Self:
        self._client = httpx.Client(timeout=5)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._client.close()

    def _run(self) -> None:
        while not self._stop.wait(0 if self._seq == 0 else FEED_S):
            for who in [who for who, _, _ in RESIDENTS if who != "mute" and who not in self.silent]:
                try:
                    self.send(who)
                except httpx.HTTPError:
                    continue  # the gateway is frozen or away: what a wearable without memory does

    def send(self, who: str) -> None:
        """One message of the person's wearable."""
        self._seq += 1
        readings = [
            {"quantity": "hr", "value": 60 + len(who) * 3 + self._seq % 4, "unit": "/min"},
            {"quantity": "spo2", "value": 96, "unit": "%"},
            {"quantity": "temp", "value": self.temp.get(who, 36.5), "unit": "Cel"},
        ]
        body = {"v": 1, "device": f"band-{who}", "boot_id": "b", "seq": self._seq, "t": now_ms(), "readings": readings}
        headers = {"Authorization": f"Bearer {self.gateway.tokens[f'band-{who}']}"}
        self._client.post(f"{self.gateway.url}/api/v1/ingest/band-{who}", json=body, headers=headers).raise_for_status()


@dataclass
class Ward:
    """The running gateway with its wearables."""

    gateway: Gateway
    feeder: Feeder
    cookies: dict[str, Any] = field(default_factory=dict)  # login -> a session that screens share
    _people: dict[str, Person] = field(default_factory=dict)

    def person(self, login: str) -> Person:
        """Somebody who is signed in without a screen; a sign-in costs a second of hashing, so it is kept."""
        if login not in self._people:
            self._people[login] = self.gateway.person(login)
        return self._people[login]

    @property
    def url(self) -> str:
        return self.gateway.url

    def heat(self, who: str) -> None:
        """A fever: an alert of medium priority at once."""
        self.feeder.temp[who] = 39.4
        self.feeder.send(who)

    def cool(self, who: str) -> None:
        """And back to normal."""
        del self.feeder.temp[who]
        self.feeder.send(who)

    def call(self, who: str, kind: str = "sos") -> None:
        """Press the person's button: a real MQTT publish; returns when the broker has it."""
        with Button(self.gateway, f"button-{who}", boot_id=f"b{now_ms()}") as button:
            button.connected().call(kind).wait_for_publish(10)


@contextmanager
def running_ward(*, cadence_s: dict[str, float] | None = None) -> Iterator[Ward]:
    """A ward in a folder of its own with a short name; everything ends with the block."""
    with tempfile.TemporaryDirectory(prefix="anxin-") as folder:
        gateway = Gateway(Path(folder) / "data", env=with_fail_point(Path(folder) / "fail"))
        tables: dict[str, Any] = {
            "web": {"http_lan": True}, "journal": {"ballast_mib": 2}, "stream": {"checkpoint_s": 1}, "watchdog": {"enabled": False},
            "alerts": {"options": {"call": ladder(300)}},
        }  # fmt: skip
        gateway.data.mkdir(mode=0o700)
        (gateway.data / "anxin.toml").write_text(toml(tables), encoding="utf-8")
        seed(gateway, cadence_s or CADENCE)
        try:
            gateway.start()
            with Feeder(gateway) as feeder:
                yield Ward(gateway, feeder)
        finally:
            gateway.close()
