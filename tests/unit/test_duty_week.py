"""A week of duty in one go against asking for every moment, with exceptions, zones, and the nights on which clocks change."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.clock import NS_PER_S
from gateway.registry import duty_week, rota
from gateway.registry.view import Override, RegistryView, RotaRow, Site, Staff, Zone

HOUR = 3600 * NS_PER_S


def random_house(seed: int, tz: str, from_ns: int) -> RegistryView:
    rng, view = random.Random(seed), RegistryView()
    view.sites["s"] = Site(id="s", name="S", tz=tz)
    for zone in ("a", "b"):
        view.zones[zone] = Zone(id=zone, site_id="s", name=zone)
    for n in range(5):
        view.staff[f"p{n}"] = Staff(id=f"p{n}", name=f"P{n}", initials="P", role="nurse", status="retired" if n == 4 else "active")
    times = ("00:00", "01:30", "02:30", "06:00", "14:00", "22:00")
    for n in range(rng.randrange(1, 7)):
        days = tuple(sorted(rng.sample(range(7), rng.randrange(1, 8))))
        view.rota[f"r{n}"] = RotaRow(
            id=f"r{n}", site_id="s", staff_id=f"p{rng.randrange(5)}", role=rng.choice(("nurse", "caregiver")), weekdays=days,
            start=rng.choice(times), end=rng.choice(times), zone_id=rng.choice((None, "a", "b")),
        )  # fmt: skip
    for n in range(rng.randrange(4)):
        kind, start = rng.choice(("absent", "extra", "swap")), from_ns + rng.randrange(-40, 200) * HOUR
        view.overrides[f"o{n}"] = Override(
            id=f"o{n}", site_id="s", staff_id=f"p{n}", kind=kind, from_ns=start, until_ns=start + rng.randrange(1, 60) * HOUR,
            role="nurse" if kind == "extra" else "", for_staff_id="p3" if kind == "swap" else None,
        )  # fmt: skip
    return view


@pytest.mark.parametrize("seed", range(30))
def test_every_moment_of_the_week_is_as_if_asked_for_it(seed: int) -> None:
    tz = ("Asia/Shanghai", "Europe/Berlin")[seed % 2]
    # In Berlin the last Sundays of October and March 2026 have 25 and 23 hours.
    t_ns = round(datetime(2026, 10 if seed % 4 == 1 else 3, 24, tzinfo=UTC).timestamp()) * NS_PER_S
    days = duty_week.days(tz, t_ns)
    view, rng = random_house(seed, tz, days[0]), random.Random(seed)
    for zone in (None, "a", "b"):
        found = duty_week.stretches(view, "s", zone, days[0], days[-1])
        assert [found[0].from_ns, *(row.until_ns for row in found)] == [*(row.from_ns for row in found), days[-1]]
        edges = [row.from_ns + shift for row in found for shift in (0, -1) if days[0] <= row.from_ns + shift]
        gaps = duty_week.gaps(found, ("nurse", "caregiver"), zone)
        for at in [*edges, *(rng.randrange(days[0], days[-1]) for _ in range(40))]:
            now = tuple(sorted(set(rota.serving(view, "s", zone, at))))
            assert next(row for row in found if row.from_ns <= at < row.until_ns).serving == now
            for role in ("nurse", "caregiver"):
                in_gap = any(gap.role == role and gap.from_ns <= at < gap.until_ns for gap in gaps)
                assert in_gap == (not rota.on_duty(view, "s", zone, role, at))


@pytest.mark.parametrize(("day", "hours"), [("2026-10-22", 169), ("2026-03-26", 167), ("2026-11-25", 168)])
def test_a_week_begins_on_monday_at_local_midnight(day: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    t_ns = round(datetime.fromisoformat(day).replace(tzinfo=zone).timestamp()) * NS_PER_S
    days = duty_week.days("Europe/Berlin", t_ns)
    assert days[-1] - days[0] == hours * HOUR
    local = [datetime.fromtimestamp(at / NS_PER_S, zone) for at in days]
    assert (local[0].weekday(), {moment.hour for moment in local}) == (0, {0})
    assert local[7].date() - local[0].date() == timedelta(days=7)
