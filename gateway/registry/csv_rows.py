"""What a line of each CSV file means: the columns of every file, and the command that a row becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devices.codes import BY_KEY
from gateway.registry import bindings, check, org, residents
from gateway.registry.csv_table import Column, Row
from gateway.registry.errors import NotFoundError
from gateway.registry.tx import Tx
from gateway.registry.view import Device, Resident
from gateway.vocabulary import Origin

_CODE, _NAME = Column("code", "编号", True), Column("name", "名称", True)
_SITE, _ZONE, _ROOM, _BED = Column("site", "站点"), Column("zone", "区域"), Column("room", "房间"), Column("bed", "床位")
_SITE_REQUIRED, _DEVICE, _PERSON = Column("site", "站点", True), Column("device", "设备", True), Column("name", "姓名", True)
_KIND, _INITIALS = Column("kind", "类型"), Column("initials", "简称")

# File (English and Chinese name) -> columns, in the order in which they are applied. References are codes; several values in one cell are
# separated by semicolons; times without an offset are on the site's clock. A row whose code exists changes that record.
FILES: Mapping[str, tuple[str, tuple[Column, ...]]] = {
    "sites": ("站点", (_CODE, _NAME, Column("tz", "时区"), _KIND)),
    "zones": ("区域", (_SITE_REQUIRED, _CODE, _NAME)),
    "rooms": ("房间", (_SITE_REQUIRED, _ZONE, _CODE, _NAME)),
    "beds": ("床位", (_SITE_REQUIRED, _ZONE, _ROOM, _CODE, Column("label", "床号"))),
    "residents": (
        "住民",
        (
            _CODE,
            _PERSON,
            _INITIALS,
            Column("birth_date", "出生日期"),
            Column("sex", "性别"),
            _SITE_REQUIRED,
            _ZONE,
            _ROOM,
            _BED,
            Column("admitted_at", "入住时间"),
        ),
    ),
    "staff": ("员工", (_CODE, _PERSON, _INITIALS, Column("role", "岗位", True), Column("channels", "联系方式"))),
    "devices": (
        "设备",
        (
            _DEVICE,
            Column("model", "型号"),
            _KIND,
            _SITE,
            Column("quantities", "指标"),
            Column("origin", "来源"),
            Column("worn", "佩戴位置"),
        ),
    ),
    "bindings": (
        "绑定",
        (_DEVICE, Column("resident", "住民"), _SITE, _ZONE, _ROOM, _BED, Column("from", "开始时间"), Column("to", "结束时间")),
    ),
}

_WORDS = {
    "居家": "home", "日间照料": "daycare", "日间照料中心": "daycare", "机构": "institution", "养老院": "institution",
    "女": "female", "男": "male", "其他": "other", "护理员": "caregiver", "护士": "nurse", "护士长": "head_nurse", "医生": "clinician",
    "实时": "live", "模拟": "sim", "测试": "test",
    "腰部": "waist", "胸部": "chest", "手腕": "wrist", "手指": "finger", "手": "hand", "耳垂": "ear lobe", "脚": "foot",
}  # fmt: skip
_ORIGINS = {"live": Origin.LIVE, "sim": Origin.SIM, "test": Origin.TEST}


def _existing(tx: Tx, table: Mapping[str, Any], code: str, site: str | None = None) -> Any:
    """Return the record with this code (in the site with this code), or None."""
    site_id = None if site is None else tx.find(tx.view.sites, "site", site).id
    try:
        return tx.find(table, "code", code, site_id=site_id)
    except NotFoundError:
        return None


def _id(record: Any) -> str | None:
    return None if record is None else str(record.id)


def _word(value: str | None) -> str | None:
    return None if value is None else _WORDS.get(value, value.casefold())


def _several(value: str | None) -> list[str]:
    text = (value or "").replace("；", ";").replace("、", ";")
    return [part.strip() for part in text.split(";") if part.strip()]


def _outcome(tx: Tx, former: Any, before: int) -> str:
    if former is None:
        return "created"
    return "changed" if tx.emitted > before else "unchanged"


def _site(tx: Tx, row: Row) -> str:
    former, before = _existing(tx, tx.view.sites, row.cells["code"]), tx.emitted
    tz = row.get("tz") or (former.tz if former else "Asia/Shanghai")
    kind = _word(row.get("kind")) or (former.kind if former else "institution")
    organisation = former.organisation_id if former else None
    org.set_site(
        tx, name=row.cells["name"], tz=tz, kind=kind, code=row.cells["code"], organisation=organisation, site_id=_id(former)
    )  # fmt: skip
    return _outcome(tx, former, before)


def _zone(tx: Tx, row: Row) -> str:
    former, before = _existing(tx, tx.view.zones, row.cells["code"], row.cells["site"]), tx.emitted
    org.set_zone(tx, site=row.cells["site"], name=row.cells["name"], code=row.cells["code"], zone_id=_id(former))
    return _outcome(tx, former, before)


def _room(tx: Tx, row: Row) -> str:
    former, before = _existing(tx, tx.view.rooms, row.cells["code"], row.cells["site"]), tx.emitted
    org.set_room(
        tx, site=row.cells["site"], zone=row.get("zone"), name=row.cells["name"], code=row.cells["code"], room_id=_id(former)
    )  # fmt: skip
    return _outcome(tx, former, before)


def _bed(tx: Tx, row: Row) -> str:
    former, before = _existing(tx, tx.view.beds, row.cells["code"], row.cells["site"]), tx.emitted
    label = row.get("label") or row.cells["code"]
    org.set_bed(
        tx, site=row.cells["site"], zone=row.get("zone"), room=row.get("room"), label=label, code=row.cells["code"], bed_id=_id(former)
    )  # fmt: skip
    return _outcome(tx, former, before)


def _resident(tx: Tx, row: Row) -> str:
    former: Resident | None = _existing(tx, tx.view.residents, row.cells["code"])
    before, cells = tx.emitted, row.cells
    place = org.resolve_place(tx, site=cells["site"], zone=row.get("zone"), room=row.get("room"), bed=row.get("bed"))
    if former is None:
        at_ns = _time(tx, row, "admitted_at", place.site_id)
        residents.admit(
            tx, name=cells["name"], site=cells["site"], zone=row.get("zone"), room=row.get("room"), bed=row.get("bed"),
            initials=row.get("initials") or "", code=cells["code"], birth_date=row.get("birth_date"), sex=_word(row.get("sex")),
            at_ns=at_ns,
        )  # fmt: skip
        return "created"
    if place != former.place:
        residents.move(tx, former.id, site=cells["site"], zone=row.get("zone"), room=row.get("room"), bed=row.get("bed"))
    wanted = {"name": cells["name"], "initials": row.get("initials"), "birth_date": row.get("birth_date"), "sex": _word(row.get("sex"))}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None and value != getattr(former, name)}
    if changes:
        residents.correct(tx, former.id, **changes)
    return _outcome(tx, former, before)


def _staff(tx: Tx, row: Row) -> str:
    former, before = _existing(tx, tx.view.staff, row.cells["code"]), tx.emitted
    channels = dict(former.channels) if former else {}
    for part in _several(row.get("channels")):
        name, _, address = part.partition("=")
        channels[name.strip()] = address.strip()
    org.set_staff(
        tx, name=row.cells["name"], initials=row.get("initials") or (former.initials if former else ""), role=_word(row.get("role")) or "",
        code=row.cells["code"], channels=channels, user_id=former.user_id if former else None, staff_id=_id(former),
    )  # fmt: skip
    return _outcome(tx, former, before)


def _device(tx: Tx, row: Row) -> str:
    former: Device | None = tx.view.devices.get(row.cells["device"])
    before = tx.emitted
    quantities = _several(row.get("quantities"))
    for key in quantities:
        check.word("quantities", key, BY_KEY)
    origin = check.word("origin", _word(row.get("origin")) or "live", _ORIGINS)
    bindings.set_device(
        tx, row.cells["device"], model=row.get("model") or "", kind=row.get("kind") or "", site=row.get("site"), origin=_ORIGINS[origin],
        quantities=quantities, cadence_s=former.cadence_s if former else None, facts=former.facts if former else None,
        worn=_word(row.get("worn")),
    )  # fmt: skip
    return _outcome(tx, former, before)


def _binding(tx: Tx, row: Row) -> str:
    device, resident = row.cells["device"], row.get("resident")
    place = {name: row.get(name) for name in ("zone", "room", "bed")}
    site = row.get("site") if resident is None or any(place.values()) else None
    site_id = tx.find(tx.view.residents, "resident", resident).place.site_id if resident is not None else None
    if site_id is None and site is not None:
        site_id = tx.find(tx.view.sites, "site", site).id
    start, end = _time(tx, row, "from", site_id), _time(tx, row, "to", site_id)
    target = bindings.target(tx, resident, site, place["zone"], place["room"], place["bed"])
    for other in tx.view.bindings_of(device):
        begun = other.valid_from_ns == start if start is not None else other.valid_to_ns is None
        if (other.resident_id, other.place) == target and begun and other.valid_to_ns == end:
            return "unchanged"
    bindings.bind(
        tx, device, resident=resident, site=site, zone=place["zone"], room=place["room"], bed=place["bed"], from_ns=start, to_ns=end
    )  # fmt: skip
    return "created"


def _time(tx: Tx, row: Row, column: str, site_id: str | None) -> int | None:
    """Return a cell's time in ns, on the site's clock where it has no offset."""
    text = row.get(column)
    if text is None:
        return None
    return check.local_time_ns(column, text, "UTC" if site_id is None else tx.view.sites[site_id].tz)


TAKERS: Mapping[str, Callable[[Tx, Row], str]] = {
    "sites": _site,
    "zones": _zone,
    "rooms": _room,
    "beds": _bed,
    "residents": _resident,
    "staff": _staff,
    "devices": _device,
    "bindings": _binding,
}

# What makes two rows of a file the same.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "sites": ("code",), "zones": ("site", "code"), "rooms": ("site", "code"), "beds": ("site", "code"), "residents": ("code",),
    "staff": ("code",), "devices": ("device",), "bindings": ("device", "from"),
}  # fmt: skip
