"""The invented ward of `anxin demo`: 24 residents in a home, a day centre and an institution. No real person is meant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A site with its zones; a room holds the beds named after it."""

    id: str
    name: str
    kind: str
    zones: tuple[tuple[str, str, tuple[str, ...]], ...]  # (zone id, name, bed labels)


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A member of staff or a resident by name, with initials for messages."""

    id: str
    name: str
    initials: str
    role: str = "resident"


SITES: tuple[DemoSite, ...] = (
    DemoSite("S-home", "居家 · 梧桐里", "home", (("Z-home", "居家", ("梧桐里 3-201", "梧桐里 5-102", "梧桐里 8-403", "梧桐里 9-101")),)),
    DemoSite(
        "S-day", "日间照料中心 · 春晖", "daycare", (("Z-day", "活动区", ("春晖-1", "春晖-2", "春晖-3", "春晖-4", "春晖-5", "春晖-6")),)
    ),
    DemoSite(
        "S-care",
        "安和养老院",
        "institution",
        (
            ("Z-2", "二区", ("2-01", "2-02", "2-03", "2-04", "2-05", "2-06", "2-07")),
            ("Z-3", "三区", ("3-01", "3-02", "3-03", "3-04", "3-05", "3-06", "3-07")),
        ),
    ),
)

RESIDENTS: tuple[DemoPerson, ...] = tuple(
    DemoPerson(f"R{number:02d}", name, initials)
    for number, (name, initials) in enumerate(
        (
            ("王淑华", "WSH"),
            ("李桂兰", "LGL"),
            ("张志强", "ZZQ"),
            ("刘秀英", "LXY"),
            ("陈国栋", "CGD"),
            ("杨玉珍", "YYZ"),
            ("赵德明", "ZDM"),
            ("黄素芬", "HSF"),
            ("周文斌", "ZWB"),
            ("吴凤英", "WFY"),
            ("徐建国", "XJG"),
            ("孙美玲", "SML"),
            ("马长顺", "MCS"),
            ("朱月娥", "ZYE"),
            ("胡永福", "HYF"),
            ("郭翠花", "GCH"),
            ("何俊生", "HJS"),
            ("林惠珍", "LHZ"),
            ("高振海", "GZH"),
            ("罗春梅", "LCM"),
            ("郑大勇", "ZDY"),
            ("梁彩云", "LCY"),
            ("谢福生", "XFS"),
            ("宋玉兰", "SYL"),
        ),
        start=1,
    )
)

STAFF: tuple[DemoPerson, ...] = (
    DemoPerson("P-li", "李静", "LJ", "caregiver"),
    DemoPerson("P-zhao", "赵磊", "ZL", "caregiver"),
    DemoPerson("P-head", "孙护士长", "SH", "caregiver"),
    DemoPerson("P-chen", "陈医生", "CYS", "clinician"),
)

# (user name, display name, role, staff id); families see one resident, the others whole sites.
USERS: tuple[tuple[str, str, str, str | None], ...] = (
    ("li", "李静", "caregiver", "P-li"),
    ("zhao", "赵磊", "caregiver", "P-zhao"),
    ("family", "王先生（家属）", "family", None),
    ("doctor", "陈医生", "clinician", "P-chen"),
    ("operator", "运维", "operator", None),
    ("admin", "管理员", "admin", None),
)
FAMILY_RESIDENT = "R11"
FAMILY_CLASSES = ("summary", "vitals", "alerts", "location", "looks")
FAMILY_SPAN_NS = 365 * 86_400 * 1_000_000_000

# What each resident carries: (suffix, simulated kind, model, expected quantities). A third have a cuff, some a glucometer.
WEARABLE = ("w", "wearable", "sim-wearable", ("hr", "spo2", "resp", "temp", "steps", "battery"))
PENDANT = ("p", "pendant", "sim-pendant", ("battery",))
# A third of the devices come over Bluetooth: every third wearable (heart rate and oximeter services, no calls), all cuffs and glucometers.
BLE_WEARABLE = ("w", "wearable", "sim-ble-wearable", ("hr", "spo2", "battery"))
BLE_CUFF = ("c", "cuff", "sim-ble-cuff", ("sbp", "dbp"))
BLE_GLUCOMETER = ("g", "glucometer", "sim-ble-glucometer", ("glucose",))
BLE_DEVICES = (BLE_WEARABLE, BLE_CUFF, BLE_GLUCOMETER)
DeviceRow = tuple[str, str, str, tuple[str, ...]]


def devices_of(number: int) -> tuple[DeviceRow, ...]:
    """Devices of the resident with this running number (from 1)."""
    third = number % 3 == 0
    extra = ((BLE_CUFF,) if third else ()) + ((BLE_GLUCOMETER,) if number % 6 == 1 else ())
    return (BLE_WEARABLE if third else WEARABLE, PENDANT, *extra)


def ble_rooms() -> dict[str, list[tuple[int, DeviceRow]]]:
    """Bluetooth devices (resident's running number, row) by zone: one link each, at most ten devices on it."""
    zones = [zone_id for site in SITES for zone_id, _name, labels in site.zones for _ in labels]
    found: dict[str, list[tuple[int, DeviceRow]]] = {}
    for number, zone in enumerate(zones, start=1):
        found.setdefault(zone, []).extend((number, row) for row in devices_of(number) if row in BLE_DEVICES)
    return found


def ble_address(number: int, suffix: str) -> str:
    """A random static address."""
    return f"C0:A2:C1:00:{'wcg'.index(suffix):02X}:{number:02X}"
