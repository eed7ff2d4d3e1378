"""Who is on duty: windows over midnight, nights on which clocks change, validity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry import rota
from gateway.registry.rota import RotaError
from gateway.registry.view import Override, RotaRow, Site, Staff

NS = 1_000_000_000
QUARTER = timedelta(minutes=15)


@dataclass
class House:
    sites: dict[str, Site] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)
    rota: dict[str, RotaRow] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)

    def add(self, who: str, start: str, end: str, *, zone: str | None = None, days: tuple[int, ...] = tuple(range(7)), **more: str) -> None:
        self.staff[who] = Staff(id=who, name=who, initials=who[:1], role="caregiver")
        n = len(self.rota)
        row = RotaRow(id=f"r{n}", site_id="s", staff_id=who, role="caregiver", weekdays=days, start=start, end=end, zone_id=zone, **more)
        rota.check(row)
        self.rota[row.id] = row

    def on(self, t: datetime, zone: str | None = None) -> tuple[str, ...]:
        return rota.on_duty(self, "s", zone, "caregiver", int(t.timestamp()) * NS)


def house(tz: str = "Asia/Shanghai") -> House:
    return House(sites={"s": Site(id="s", name="s", tz=tz)})


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_window_over_midnight() -> None:
    home = house("UTC")
    home.add("night", "22:00", "06:00")
    found = {hour: bool(home.on(utc(2026, 1, 5, hour, 30))) for hour in range(24)}
    assert [hour for hour, on in found.items() if on] == [0, 1, 2, 3, 4, 5, 22, 23]
    assert home.on(utc(2026, 1, 5, 22, 0)) == ("night",)
    assert home.on(utc(2026, 1, 5, 6, 0)) == ()


def test_weekday_is_that_of_the_start() -> None:
    home = house("UTC")
    home.add("friday", "22:00", "06:00", days=(4,))
    assert home.on(utc(2026, 1, 10, 3)) == ("friday",)  # Saturday morning
    assert home.on(utc(2026, 1, 9, 3)) == ()  # Friday morning


def test_zone_role_and_retirement() -> None:
    home = house("UTC")
    home.add("east", "00:00", "00:00", zone="east")
    home.add("all", "00:00", "00:00")
    noon = utc(2026, 1, 5, 12)
    assert home.on(noon, "east") == ("all", "east")
    assert home.on(noon, "west") == ("all",)
    assert home.on(noon) == ("all", "east")
    assert rota.on_duty(home, "s", None, "nurse", int(noon.timestamp()) * NS) == ()
    home.staff["all"] = Staff(id="all", name="all", initials="a", role="caregiver", status="retired")
    assert home.on(noon, "west") == ()


def test_validity_by_local_date_of_the_start() -> None:
    home = house()
    home.add("temp", "20:00", "04:00", valid_from="2026-01-05", valid_to="2026-01-05")
    assert home.on(utc(2026, 1, 5, 13)) == ("temp",)  # 21:00 in Shanghai
    assert home.on(utc(2026, 1, 5, 19, 59)) == ("temp",)  # 03:59 on the 6th
    assert home.on(utc(2026, 1, 6, 13)) == ()


@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "America/Sao_Paulo"])
@pytest.mark.parametrize("edges", [("06:00", "22:00"), ("02:30", "02:00"), ("00:00", "12:00"), ("03:00", "23:45")])
def test_two_shifts_leave_no_gap_and_no_overlap_all_year(tz: str, edges: tuple[str, str]) -> None:
    home = house(tz)
    home.add("a", edges[0], edges[1])
    home.add("b", edges[1], edges[0])
    for month, day in ((3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31)):  # the week-ends of 2026 on which clocks change
        t = utc(2026, month, day)
        while t < utc(2026, month, day) + timedelta(days=3):
            assert len(home.on(t)) == 1, t
            t += QUARTER


@given(st.integers(0, 23), st.integers(0, 59), st.integers(1, 1439), st.integers(0, 365 * 96))
def test_a_shift_and_the_rest_of_the_day_cover_every_moment_once(hour: int, minute: int, length: int, quarter: int) -> None:
    end = (hour * 60 + minute + length) % 1440
    start_text, end_text = f"{hour:02d}:{minute:02d}", f"{end // 60:02d}:{end % 60:02d}"
    home = house("Europe/Berlin")
    home.add("a", start_text, end_text)
    home.add("b", end_text, start_text)
    assert len(home.on(utc(2026, 1, 1) + quarter * QUARTER)) == 1


def test_next_change_is_the_next_edge() -> None:
    home = house("UTC")
    home.add("night", "22:00", "06:00", days=(0,))
    edges: list[datetime] = []
    t: int | None = int(utc(2026, 1, 5).timestamp()) * NS
    while t is not None and len(edges) < 3:
        t = rota.next_change_ns(home, "s", t)
        edges.append(datetime.fromtimestamp((t or 0) / NS, UTC))
    assert edges == [utc(2026, 1, 5, 22), utc(2026, 1, 6, 6), utc(2026, 1, 12, 22)]
    assert rota.next_change_ns(house("UTC"), "s", 0) is None


@pytest.mark.parametrize(
    ("field_name", "row"),
    [
        ("start", {"start": "25:00"}),
        ("end", {"end": "soon"}),
        ("weekdays", {"weekdays": ()}),
        ("weekdays", {"weekdays": (7,)}),
        ("valid_from", {"valid_from": "yesterday"}),
    ],
)
def test_bad_rows_are_named(field_name: str, row: dict[str, object]) -> None:
    fields = {"id": "r", "site_id": "s", "staff_id": "a", "role": "x", "weekdays": (0,), "start": "08:00", "end": "16:00", **row}
    with pytest.raises(RotaError, match=field_name):
        rota.check(RotaRow(**fields))  # type: ignore[arg-type]


def test_unknown_time_zone_is_an_error_that_says_so() -> None:
    with pytest.raises(RotaError, match="tz"):
        house("Mars/Olympus").on(utc(2026, 1, 1)) or rota.zone("Mars/Olympus")
