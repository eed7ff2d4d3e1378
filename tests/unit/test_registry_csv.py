"""CSV import: every error by line and column, nothing written before all is right, encodings, formulas."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gateway.registry import RegistryError, csv_import
from gateway.registry.csv_import import apply_sync, dry_run, file_key, template
from gateway.registry.csv_rows import FILES
from gateway.registry.csv_table import ROW_LIMIT, SIZE_LIMIT, read_table, safe_cell, write_table
from tests.support.fake_clock import FakeClock
from tests.support.registry_house import OPERATOR, House, house

S = 1_000_000_000

GOOD = {
    "sites.csv": "code,name,tz,kind\nS,安和养老院,Asia/Shanghai,institution\nD,春晖,,日间照料\n",
    "zones.csv": "site,code,name\nS,Z3,三区\n",
    "rooms.csv": "site,zone,code,name\nS,Z3,301,301室\n",
    "beds.csv": "site,room,code\nS,301,3-01\nS,301,3-02\n",
    "住民.csv": "编号,姓名,站点,床位,性别,出生日期,入住时间\nR1,王淑华,S,3-01,女,1941-05-17,2025-12-01 09:00\nR2,李桂兰,S,3-02,女,,\n",
    "staff.csv": 'code;name;role;channels\nP1;李静;护理员;"email=li@example.org;sms=+8613800000000"\n',
    "devices.csv": "device,model,site,quantities\nwatch1,W1,S,hr;spo2\nwatch2,W1,S,hr、spo2\n",
    "bindings.csv": "device,resident,from\nwatch1,R1,2025-12-02 10:00\nwatch2,R2,\n",
}


@pytest.fixture
def home(tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    with house(tmp_path, clock, furnished=False) as found:
        yield found


def encoded(files: dict[str, str], encoding: str = "utf-8") -> dict[str, bytes]:
    return {name: text.encode(encoding) for name, text in files.items()}


def errors(home: House, **files: str) -> list[tuple[str, int, str, str]]:
    report = dry_run(home.registry, OPERATOR, encoded({f"{name}.csv": text for name, text in files.items()}))
    return [(error.file, error.line, error.column, error.error.code) for error in report.errors]


def test_where_a_device_is_worn_is_entered_and_stays(home: House) -> None:
    """The fall detector judges waist and chest only."""
    belts = {"sites.csv": GOOD["sites.csv"], "devices.csv": "device,站点,佩戴位置\nbelt1,S,腰部\nband1,S,wrist\n"}
    apply_sync(home.registry, OPERATOR, encoded(belts))
    devices = home.registry.view.devices
    assert [devices[name].facts["body_location"] for name in ("belt1", "band1")] == ["waist", "wrist"]
    apply_sync(home.registry, OPERATOR, encoded({"devices.csv": "device,model,site,worn\nbelt1,B2,S,\nband1,B2,S,chest\n"}))
    devices = home.registry.view.devices
    assert [devices[name].facts["body_location"] for name in ("belt1", "band1")] == ["waist", "chest"]
    assert devices["belt1"].model == "B2"
    assert errors(home, devices="device,site,worn\nbelt1,S,head\n") == [("devices.csv", 2, "worn", "word.unknown")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_whole_house_is_imported_and_again_changes_nothing(home: House, encoding: str) -> None:
    report = apply_sync(home.registry, OPERATOR, encoded(GOOD, encoding))
    assert report.errors == []
    assert report.written
    view = home.registry.view
    people = {person.code: person for person in view.residents.values()}
    assert (people["R1"].place.label, people["R1"].sex, people["R1"].birth_date) == ("3-01", "female", "1941-05-17")
    assert [stay.from_ns for stay in view.stays_of(people["R1"].id)] == [1_764_550_800 * S], "09:00 in Shanghai is 01:00 UTC"
    start = 1_764_640_800 * S  # 2025-12-02T02:00:00Z
    assert view.resident_of("watch1", start) == people["R1"].id
    assert view.resident_of("watch1", start - 1) is None
    assert view.devices["watch2"].quantities == ("hr", "spo2")
    (person,) = view.staff.values()
    assert (person.role, person.channels["sms"]) == ("caregiver", "+8613800000000")
    assert {site.kind for site in view.sites.values()} == {"institution", "daycare"}
    head = home.events.head
    again = apply_sync(home.registry, OPERATOR, encoded(GOOD, encoding))
    assert again.errors == []
    assert home.events.head == head
    assert all(counts.created == counts.changed == 0 for counts in again.counts.values())


def test_a_row_whose_code_exists_changes_the_record(home: House) -> None:
    apply_sync(home.registry, OPERATOR, encoded(GOOD))
    report = apply_sync(
        home.registry,
        OPERATOR,
        encoded({"residents.csv": "code,name,site,bed\nR2,李桂蓝,S,3-02\nR1,王淑华,S,\n", "zones.csv": "site,code,name\nS,Z3,三楼\n"}),
    )
    assert report.errors == []
    assert (report.counts["residents"].changed, report.counts["zones"].changed) == (2, 1)
    people = {person.code: person for person in home.registry.view.residents.values()}
    assert (people["R2"].name, people["R1"].place.bed_id) == ("李桂蓝", None)


def test_a_rehearsal_reports_every_row_and_writes_nothing(home: House) -> None:
    files = dict(GOOD)
    files["sites.csv"] += "X,,Asia/Shanghai,\nY,Wai,Asia/Atlantis,\nS,noch eins,,\nW,Weh,,castle\n"
    files["住民.csv"] += "R3,张志强,S,3-01,,,\nR4,刘秀英,S,9-99,,,\nR5,陈国栋,S,,,31.12.1940,\nR6,杨玉珍,S,,,,2031-01-01 00:00\n"
    files["devices.csv"] += "a b,W1,,\nwatch9,W1,,mood\n"
    files["bindings.csv"] += "ghost,R1,\nwatch1,R2,2025-12-01 00:00\nwatch2,,\n"
    report = dry_run(home.registry, OPERATOR, encoded(files))
    found = {(error.file, error.line): (error.column, error.error.code) for error in report.errors}
    assert found == {
        ("sites.csv", 4): ("name", "text.empty"),
        ("sites.csv", 5): ("tz", "tz.unknown"),
        ("sites.csv", 6): ("", "csv.duplicate"),
        ("sites.csv", 7): ("kind", "word.unknown"),
        ("住民.csv", 4): ("床位", "bed.occupied"),
        ("住民.csv", 5): ("床位", "not.found"),
        ("住民.csv", 6): ("出生日期", "date.invalid"),
        ("住民.csv", 7): ("入住时间", "time.future"),
        ("devices.csv", 4): ("device", "id.invalid"),
        ("devices.csv", 5): ("quantities", "word.unknown"),
        ("bindings.csv", 4): ("device", "not.found"),
        ("bindings.csv", 5): ("device", "binding.overlap"),
        ("bindings.csv", 6): ("", "csv.duplicate"),
    }
    occupied = next(error for error in report.errors if error.error.code == "bed.occupied")
    assert "王淑华" in occupied.message("zh")
    assert "出生日期" in next(error for error in report.errors if error.error.code == "date.invalid").message("zh")
    assert home.events.head == 0
    assert not report.written
    refused = apply_sync(home.registry, OPERATOR, encoded(files))
    assert len(refused.errors) == len(report.errors)
    assert home.events.head == 0, "one bad row, and nothing is written"


def test_what_is_wrong_with_a_file_as_a_whole(home: House) -> None:
    assert errors(home, sites="name\nx\n") == [("sites.csv", 1, "", "csv.header")]
    assert errors(home, sites="") == [("sites.csv", 1, "", "csv.header")]
    assert errors(home, sites="code,name,colour\nS,x,red\n") == [("sites.csv", 1, "", "csv.unknown_column")]
    assert errors(home, sites="code,编号,name\nS,S,x\n") == [("sites.csv", 1, "", "csv.double_column")]
    assert errors(home, users="a\n") == [("users.csv", 0, "", "csv.unknown_file")]
    assert errors(home, sites="code,name\nS,x\n", 站点="编号,名称\nT,y\n") == [("站点.csv", 0, "", "csv.double_file")]
    assert errors(home, sites='code,name\nS,x\nT,"y\n') == [("sites.csv", 3, "", "csv.format")]
    assert errors(home, sites="code,name\nS,x,more\n") == [("sites.csv", 2, "", "csv.format")]
    for content in ("code,name\nS,x\n".encode("utf-16"), b"code,name\nS,\xff\xff\n"):
        report = dry_run(home.registry, OPERATOR, {"sites.csv": content})
        assert [(error.line, error.error.code) for error in report.errors] == [(0, "csv.encoding")]
    report = dry_run(home.registry, OPERATOR, {"sites.csv": b"x" * (SIZE_LIMIT + 1)})
    assert report.errors[0].error.code == "csv.size"
    with pytest.raises(RegistryError, match="larger"):
        read_table(b"code,name\n" + b"a,b\n" * (ROW_LIMIT + 1), FILES["sites"][1])


def test_headers_are_forgiving_and_lines_are_counted_as_editors_do(home: House) -> None:
    text = '\ufeff编号* ;名称;时区\n\nS;"两\n行";\n\nT;好;Asia/Shanghai\nU;;\n'
    found = dry_run(home.registry, OPERATOR, {"站点.csv": text.encode()})
    assert [(error.line, error.error.code) for error in found.errors] == [(3, "text.control"), (7, "text.empty")]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)"])
def test_formulas_are_refused_on_the_way_in_and_disarmed_on_the_way_out(home: House, cell: str) -> None:
    content = write_table(("code", "name"), [("S", cell)])
    assert f"'{cell}".replace('"', '""') in content.decode("utf-8-sig")
    found = errors(home, sites=f'code,name\nS,"{cell}"\n')
    assert found == [("sites.csv", 2, "name", "csv.formula")]
    table = read_table(content, FILES["sites"][1])
    assert table.rows[0].cells["name"] == cell, "what we wrote ourselves comes back as it was"
    assert safe_cell("王") == "王"


def test_what_changed_between_rehearsal_and_import_is_judged_again(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_import, "dry_run", lambda *_: csv_import.Report())  # it was right a moment ago
    files = {**GOOD, "bindings.csv": "device,resident\nwatch1,R1\nghost,R2\n"}
    report = asyncio.run(csv_import.apply(home.registry, OPERATOR, encoded(files)))
    assert [(error.file, error.line, error.error.code) for error in report.errors] == [("bindings.csv", 3, "not.found")]
    assert not report.written
    assert home.events.head == 0


def test_names_and_templates() -> None:
    assert [file_key(name) for name in ("Residents.csv", "住民.CSV", "a/b/beds.csv", "x.csv")] == ["residents", "residents", "beds", None]
    for key in FILES:
        assert len(set(template(key, "zh"))) == len(template(key, "en"))


@given(content=st.binary(max_size=300) | st.text(alphabet='code,name\n";=\r\t\0王', max_size=200).map(str.encode))
@settings(max_examples=300)
def test_any_bytes_give_rows_or_a_named_error(content: bytes) -> None:
    try:
        table = read_table(content, FILES["sites"][1])
    except RegistryError as error:
        event(error.code)
        return
    assert all(row.line >= 2 for row in table.rows)
