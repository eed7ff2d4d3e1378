"""A ward with a past: a resident whose wearable has told a day of seconds and a month of hours, read by a family and a clinic."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import NS_PER_S, SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, consents, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM
from tests.browser.wards import CADENCE, SITE, Feeder, Ward, seed
from tests.support.button import now_ms
from tests.support.running import Gateway, ladder, toml

WHO, NAME, BED = "yu", "陈玉兰", "3-12"
DAY_S, DAY_MS = 86_400, 86_400_000
GAP_MS = (10 * 3_600_000, 11 * 3_600_000)  # after the begin of the last day: nothing was told in this hour
CURVES = {
    "hr": ("/min", 72.0, 9.0, 0), "pulse": ("/min", 71.0, 9.0, 0), "spo2": ("%", 96.0, 1.2, 0), "resp": ("/min", 16.0, 2.0, 0),
    "temp": ("Cel", 36.5, 0.3, 1),
}  # fmt: skip
SLOW = {"temp": 60_000}  # the least step in ms of what is measured now and then
CHUNK = 9_000  # values of a message


def furnish(tx: Tx, since_ns: int) -> None:
    """The resident with a wearable and a cuff since then."""
    org.set_bed(tx, site=SITE, zone="zone-3", label=BED, bed_id=f"bed-{WHO}")
    residents.admit(tx, name=NAME, initials="YU", bed=f"bed-{WHO}", resident_id=WHO, at_ns=since_ns, birth_date="1946-03-09", sex="female")
    expected = (*CURVES, "steps", "sleep_total")
    bindings.set_device(tx, f"band-{WHO}", kind="wearable", quantities=expected, cadence_s=dict.fromkeys(CURVES, 900.0))
    bindings.set_device(tx, f"cuff-{WHO}", kind="cuff", quantities=("sbp", "dbp"))
    bindings.set_device(tx, f"button-{WHO}", kind="pendant", quantities=())
    bindings.set_device(tx, f"sugar-{WHO}", kind="cgm", quantities=("glucose_cgm",), cadence_s={"glucose_cgm": 300.0})
    for device in ("band", "cuff", "button", "sugar"):
        bindings.bind(tx, f"{device}-{WHO}", resident=WHO, from_ns=since_ns)


def people(core: Core, gateway: Gateway, now_ns: int) -> None:
    """A doctor, a daughter who sees much and a cousin who sees little."""
    for login, name, role in (("doctor", "周医生", "clinician"), ("daughter", "陈女士", "family"), ("cousin", "表妹", "family")):
        reach: dict[str, Any] = {"resident_ids": (WHO,)} if role == "family" else {"site_ids": (SITE,)}
        user, password = core.accounts.create_sync(SYSTEM, login=login, name=name, role=role, must_change=False, lang="zh", **reach)
        gateway.passwords[login] = password
        classes = {"daughter": ("summary", "vitals", "alerts", "looks"), "cousin": ("summary",)}.get(login)
        if classes is not None:
            core.registry.do_sync(
                SYSTEM, consents.set_consent, resident=WHO, grantee=user.id, classes=classes, until_ns=now_ns + 90 * DAY_S * NS_PER_S,
                giver=NAME, text_version="2026-11", text_sha256="0" * 64,
            )  # fmt: skip
    for device in (f"band-{WHO}", f"cuff-{WHO}", f"button-{WHO}", f"sugar-{WHO}"):
        gateway.tokens[device] = core.tokens.issue_sync(SYSTEM, device)


def curve(key: str, t_ms: int) -> float:
    """A day's course with a little restlessness, the same for everybody who asks."""
    _, middle, swing, digits = CURVES[key]
    restless = 0.3 * math.sin(t_ms / 1_900_000) + 0.25 * math.sin(t_ms / 610_000) + 0.15 * math.sin(t_ms / 77_000)
    value = middle + swing * (math.sin(t_ms / DAY_MS * math.tau - 2) + restless)
    return round(value, digits) if digits else round(value)


def sweet(t_ms: int) -> float:
    """Glucose in mmol/L: higher after three meals, a low night now and then, otherwise for each day."""
    hour = t_ms % DAY_MS / 3_600_000
    meals = sum(3.2 * math.exp(-(((hour - at) % 24 - 1.2) ** 2) / 2.0) for at in (23.5, 4.5, 10.5))  # UTC hours of meals in Shanghai
    own = 0.6 * math.sin(t_ms / DAY_MS * 2.1)
    return round(max(2.6, 6.4 + meals + own + 0.5 * math.sin(t_ms / 3_100_000)), 1)


class Past:
    """Sends stored records as a wearable would that was out of reach."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._client = httpx.Client(timeout=30)
        self._seq = 0

    def send(self, device: str, series: list[dict[str, Any]]) -> None:
        """One message with series of stored records."""
        self._seq += 1
        body = {"v": 1, "device": device, "boot_id": "past", "seq": self._seq, "t": now_ms(), "stored": True, "series": series}
        headers = {"Authorization": f"Bearer {self._gateway.tokens[device]}"}
        self._client.post(f"{self._gateway.url}/api/v1/ingest/{device}", json=body, headers=headers).raise_for_status()

    def seconds(self, end_ms: int, step_ms: int) -> None:
        """A day of every curve at this step, without the hour of the gap."""
        begin_ms = end_ms - DAY_MS + step_ms
        for key in CURVES:
            step = max(step_ms, SLOW.get(key, 0))
            times = [t for t in range(begin_ms, end_ms, step) if not GAP_MS[0] <= t - begin_ms < GAP_MS[1]]
            self._series(f"band-{WHO}", key, CURVES[key][0], times, [curve(key, t) for t in times])

    def month(self, end_ms: int) -> None:
        """Thirty days of every curve by the quarter hour, blood pressure and the nights."""
        times = list(range(end_ms - 30 * DAY_MS, end_ms - DAY_MS, 900_000))
        for key in CURVES:
            self._series(f"band-{WHO}", key, CURVES[key][0], times, [curve(key, t) for t in times])
        cuff = list(range(end_ms - 30 * DAY_MS, end_ms, 8 * 3_600_000))
        self._series(f"cuff-{WHO}", "sbp", "mm[Hg]", cuff, [128 + t // 3_600_000 % 9 for t in cuff])
        self._series(f"cuff-{WHO}", "dbp", "mm[Hg]", cuff, [76 + t // 3_600_000 % 5 for t in cuff])
        nights = [end_ms - day * DAY_MS - 60_000 for day in range(10, -1, -1)]
        self._series(f"band-{WHO}", "sleep_total", "min", nights, [410 + day for day in range(11)])

    def sugar(self, end_ms: int) -> None:
        """Fifteen days of a glucose sensor, a value in five minutes."""
        times = list(range(end_ms - 15 * DAY_MS, end_ms, 300_000))
        self._series(f"sugar-{WHO}", "glucose_cgm", "mmol/L", times, [sweet(t) for t in times])

    def _series(self, device: str, key: str, unit: str, times: Sequence[int], values: Sequence[float]) -> None:
        for at in range(0, len(times), CHUNK):
            part = slice(at, at + CHUNK)
            self.send(device, [{"quantity": key, "unit": unit, "value": list(values[part]), "t": list(times[part])}])

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def raised(ward: Ward, within_s: float = 10) -> str:
    """Id of the resident's open alert, once it is there."""
    clock = SystemClock()
    end_ns = clock.monotonic_ns() + round(within_s * NS_PER_S)
    while clock.monotonic_ns() < end_ns:
        for alert in ward.person("mei").get("/alerts")["alerts"]:
            if alert["resident_id"] == WHO:
                return str(alert["id"])
    raise RuntimeError("no alert came")


@contextmanager
def past_ward(*, step_ms: int = 1000) -> Iterator[Ward]:
    """The ward of wards.py and the resident with a past."""
    with tempfile.TemporaryDirectory(prefix="anxin-") as folder:
        gateway = Gateway(Path(folder) / "data")
        tables: dict[str, Any] = {
            "web": {"http_lan": True}, "journal": {"ballast_mib": 2}, "stream": {"checkpoint_s": 1}, "watchdog": {"enabled": False},
            "alerts": {"options": {"call": ladder(300)}}, "ehr": {"enabled": False},
        }  # fmt: skip
        gateway.data.mkdir(mode=0o700)
        (gateway.data / "anxin.toml").write_text(toml(tables), encoding="utf-8")
        seed(gateway, CADENCE)
        clock = SystemClock()
        core = Core.open(gateway.data, clock, Ops())
        try:
            core.registry.do_sync(SYSTEM, furnish, clock.now_ns() - 31 * DAY_S * NS_PER_S)
            people(core, gateway, clock.now_ns())
        finally:
            core.close()
        try:
            gateway.start()
            past = Past(gateway)
            past.month(now_ms())
            past.sugar(now_ms())
            past.seconds(now_ms(), step_ms)
            past.close()
            with Feeder(gateway) as feeder:
                yield Ward(gateway, feeder)
        finally:
            gateway.close()
