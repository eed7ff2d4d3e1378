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


# --- exceptions ------------------------------------------------------------------------------------------------------


def except_(home: House, kind: str, who: str, from_: datetime, until: datetime, **more: str) -> None:
    row = Override(
        id=f"o{len(home.overrides)}", site_id="s", staff_id=who, kind=kind, from_ns=int(from_.timestamp()) * NS,
        until_ns=int(until.timestamp()) * NS, **more,
    )  # fmt: skip
    home.overrides[row.id] = row


def test_absent_extra_and_swap_to_the_minute() -> None:
    home = house("UTC")
    home.add("li", "06:00", "18:00")
    home.add("chen", "18:00", "06:00")
    except_(home, "absent", "li", utc(2026, 1, 5, 8), utc(2026, 1, 5, 10))
    except_(home, "extra", "chen", utc(2026, 1, 5, 9), utc(2026, 1, 5, 11), role="caregiver")
    except_(home, "swap", "li", utc(2026, 1, 5, 20), utc(2026, 1, 5, 22), for_staff_id="chen")
    wanted = {
        "07:59": ("li",), "08:00": (), "08:59": (), "09:00": ("chen",), "10:00": ("chen", "li"), "11:00": ("li",), "19:59": ("chen",),
        "20:00": ("li",), "21:59": ("li",), "22:00": ("chen",),
    }  # fmt: skip
    found = {text: home.on(utc(2026, 1, 5, *(int(part) for part in text.split(":")))) for text in wanted}
    assert found == wanted


def test_a_substitute_who_is_absent_serves_nobody_and_a_retired_one_neither() -> None:
    home = house("UTC")
    home.add("li", "00:00", "00:00")
    home.add("chen", "06:00", "06:01")
    noon, later = utc(2026, 1, 5, 12), utc(2026, 1, 5, 13)
    except_(home, "swap", "chen", noon, later, for_staff_id="li")
    assert home.on(noon) == ("chen",)
    except_(home, "absent", "chen", noon, later)
    assert home.on(noon) == ()
    home.overrides.popitem()
    home.staff["chen"] = Staff(id="chen", name="chen", initials="c", role="caregiver", status="retired")
    assert home.on(noon) == ()


def test_an_exception_of_another_site_or_zone_changes_nothing_here() -> None:
    home = house("UTC")
    home.add("li", "00:00", "00:00", zone="a")
    noon, later = utc(2026, 1, 5, 12), utc(2026, 1, 5, 13)
    home.staff["chen"] = Staff(id="chen", name="chen", initials="c", role="caregiver")
    except_(home, "extra", "chen", noon, later, role="caregiver", zone_id="b")
    assert (home.on(noon, "a"), home.on(noon, "b"), home.on(noon)) == (("li",), ("chen",), ("chen", "li"))
    home.overrides["far"] = Override(id="far", site_id="t", staff_id="li", kind="absent", from_ns=0, until_ns=2**62)
    assert home.on(noon, "a") == ("li",)


def test_exceptions_are_changes_of_duty() -> None:
    home = house("UTC")
    home.add("li", "00:00", "00:00")
    from_, until = utc(2026, 1, 5, 8, 7), utc(2026, 1, 5, 8, 9)
    except_(home, "absent", "li", from_, until)
    edges = []
    t_ns: int | None = int(utc(2026, 1, 5).timestamp()) * NS
    for _ in range(3):
        assert t_ns is not None
        t_ns = rota.next_change_ns(home, "s", t_ns)
        edges.append(t_ns)
    assert edges == [int(moment.timestamp()) * NS for moment in (from_, until, utc(2026, 1, 6))]


SPAN = st.tuples(st.integers(0, 95), st.integers(1, 96))
EXCEPTION = st.tuples(st.sampled_from(["absent", "extra", "swap"]), st.sampled_from("ab"), SPAN)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 95), st.integers(0, 95)), max_size=3), st.lists(EXCEPTION, max_size=3))
def test_equals_the_slow_twin_at_every_quarter(
    shifts: list[tuple[str, int, int]], exceptions: list[tuple[str, str, tuple[int, int]]]
) -> None:
    """A day in UTC as a list of who stands where, quarter by quarter."""
    home = house("UTC")
    for who in "ab":
        home.staff[who] = Staff(id=who, name=who, initials=who, role="caregiver")
    midnight = utc(2026, 1, 6)
    for who, start, end in shifts:
        home.add(who, *(f"{q // 4:02d}:{q % 4 * 15:02d}" for q in (start, end)))
    for kind, who, (start, length) in exceptions:
        more = {"extra": {"role": "caregiver"}, "swap": {"for_staff_id": "b" if who == "a" else "a"}}.get(kind, {})
        except_(home, kind, who, midnight + start * QUARTER, midnight + (start + length) * QUARTER, **more)
    for quarter in range(96):
        serving = set()
        in_force = [(kind, who) for kind, who, (start, length) in exceptions if start <= quarter < start + length]
        instead = {("b" if who == "a" else "a"): who for kind, who in in_force if kind == "swap"}
        for who, start, end in shifts:
            inside = start <= quarter < end if start < end else (quarter >= start or quarter < end)
            if inside:
                serving.add(instead.get(who, who))
        serving |= {who for kind, who in in_force if kind == "extra"}
        serving -= {who for kind, who in in_force if kind == "absent"}
        assert home.on(midnight + quarter * QUARTER) == tuple(sorted(serving)), quarter


def test_daily_windows() -> None:
    noon, night = (int(utc(2026, 1, 5, hour).timestamp()) * NS for hour in (4, 15))  # 12:00 and 23:00 in Shanghai
    assert rota.window_at("22:00", "07:00", "Asia/Shanghai", noon) is None
    inside = rota.window_at("22:00", "07:00", "Asia/Shanghai", night)
    assert inside == tuple(int(utc(2026, 1, 5, hour).timestamp()) * NS for hour in (14, 23))
    assert rota.last_window("22:00", "07:00", "Asia/Shanghai", noon)[1] == int(utc(2026, 1, 4, 23).timestamp()) * NS
    assert rota.next_edge("22:00", "07:00", "Asia/Shanghai", noon) == inside[0]
    with pytest.raises(RotaError):
        rota.check_window("22:00", "22:00")
