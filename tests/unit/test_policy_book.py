"""Policies that people set: what is wrong with one is found for every hour of the week, before it is saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.alerts.book import check, parse, problems, with_own
from gateway.alerts.policy import PolicyBook, PolicyError
from gateway.registry.view import Group, Override, RotaRow, Site, Staff, Zone
from gateway.vocabulary import AlertKind, Priority

NS = 1_000_000_000
HOUR = 3600 * NS
MONDAY_NS = 1_767_571_200 * NS  # 2026-01-05 00:00 UTC
DAYS = (0, 1, 2, 3, 4, 5, 6)
SPANS = {"arrive_s": 60, "resolve_s": 300, "repeat_s": 30, "ack_timeout_s": 600, "recheck_s": 300, "silence_max_s": 120}


@dataclass
class House:
    sites: dict[str, Site] = field(default_factory=lambda: {"s": Site(id="s", name="s", tz="UTC")})
    zones: dict[str, Zone] = field(default_factory=lambda: {"z": Zone(id="z", site_id="s", name="z")})
    staff: dict[str, Staff] = field(default_factory=dict)
    rota: dict[str, RotaRow] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def shift(self, who: str, start: str, end: str, role: str = "caregiver", zone: str | None = None) -> None:
        self.staff[who] = Staff(id=who, name=who, initials=who[:1], role=role)
        self.rota[who] = RotaRow(id=who, site_id="s", staff_id=who, role=role, weekdays=DAYS, start=start, end=end, zone_id=zone)


def policy(*targets: dict[str, str], **more: Any) -> dict[str, Any]:
    steps = [{"delay_s": 10 * n, "targets": [target]} for n, target in enumerate(targets)]
    return {"id": "p", "lane": "call", "site_id": "s", "steps": steps, "fallback_to_desk": False, **SPANS, **more}


CARER = {"kind": "role", "id": "caregiver"}
DESK = {"kind": "desk"}


def hours(holes: Any) -> list[tuple[int, float, float]]:
    return [(hole.step, (hole.from_ns - MONDAY_NS) / HOUR, (hole.until_ns - MONDAY_NS) / HOUR) for hole in holes]


def test_every_hour_of_the_week_in_which_a_step_reaches_nobody_is_found() -> None:
    home = House()
    home.shift("li", "06:00", "22:00")
    found = check(parse(policy(CARER)), home, (), MONDAY_NS)
    nights = [(0, 22.0 + 24 * day, min(30.0 + 24 * day, 168.0)) for day in range(7)]
    assert not found.ok
    assert hours(found.dead_ends) == [(0, 0.0, 6.0), *nights]


def test_a_desk_or_a_second_target_fills_the_hole_which_is_still_shown() -> None:
    home = House()
    home.shift("li", "06:00", "22:00")
    raw = policy(CARER)
    raw["steps"][0]["targets"].append(DESK)
    found = check(parse(raw), home, (), MONDAY_NS)
    assert found.ok
    assert hours(found.holes)[0] == (0, 0.0, 6.0)
    assert {hole.target for hole in found.holes} == {"role:caregiver"}
    fallback = check(parse(policy(CARER, fallback_to_desk=True)), home, (), MONDAY_NS)
    assert (fallback.ok, len(fallback.dead_ends), len(fallback.holes)) == (True, 0, 8)


def test_hours_and_exceptions_count() -> None:
    home = House()
    home.shift("li", "06:00", "22:00")
    by_day = {"start": "08:00", "end": "20:00", "weekdays": [0, 1, 2, 3, 4]}
    assert check(parse(policy(CARER, hours=by_day)), home, (), MONDAY_NS).ok
    home.overrides["o"] = Override(
        id="o", site_id="s", staff_id="li", kind="absent", from_ns=MONDAY_NS + 10 * HOUR, until_ns=MONDAY_NS + 12 * HOUR
    )
    assert hours(check(parse(policy(CARER, hours=by_day)), home, (), MONDAY_NS).dead_ends) == [(0, 10.0, 12.0)]
    home.shift("chen", "00:00", "00:00", role="nurse")
    home.overrides["x"] = Override(
        id="x", site_id="s", staff_id="chen", kind="extra", role="caregiver", from_ns=MONDAY_NS + 9 * HOUR, until_ns=MONDAY_NS + 11 * HOUR
    )
    assert hours(check(parse(policy(CARER, hours=by_day)), home, (), MONDAY_NS).dead_ends) == [(0, 11.0, 12.0)]


def test_a_zone_is_looked_at_by_itself() -> None:
    home = House()
    home.shift("li", "00:00", "00:00", zone="other")
    assert check(parse(policy(CARER)), home, (), MONDAY_NS).ok
    assert hours(check(parse(policy(CARER, zone_id="z")), home, (), MONDAY_NS).dead_ends) == [(0, 0.0, 168.0)]


def test_summer_time_leaves_no_hole_between_two_shifts() -> None:
    home = House(sites={"s": Site(id="s", name="s", tz="Europe/Berlin")})
    home.shift("a", "22:00", "02:30")
    home.shift("b", "02:30", "22:00")
    for day in (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)):
        assert check(parse(policy(CARER)), home, (), int(day.timestamp()) * NS).ok


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (policy({"kind": "role", "id": "cook"}, DESK), "role cook is not known"),
        (policy({"kind": "staff", "id": "nobody"}, DESK), "staff nobody is not known"),
        (policy({"kind": "group", "id": "g"}, DESK), "group g is not known"),
        (policy({"kind": "contact", "id": "friend"}, DESK), "contact friend is not known"),
        (policy(DESK, site_id="t"), "site_id: t is not known"),
        (policy(DESK, zone_id="far"), "zone_id: far is not a zone"),
        (policy(DESK, {"kind": "contact", "id": "family"}), "only people outside the house"),
    ],
)
def test_what_is_not_known_is_named(raw: dict[str, Any], text: str) -> None:
    found = check(parse(raw), House(), (), MONDAY_NS)
    assert not found.ok
    assert any(text in error for error in found.errors), found.errors


def test_a_channel_that_is_not_configured_is_named() -> None:
    raw = policy(DESK)
    raw["steps"][0]["channels"] = ["pigeon"]
    assert check(parse(raw), House(), ("mail",), MONDAY_NS).errors == ("steps.0.channels: pigeon is not configured",)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"lane": None}, "lane"), ({"steps": []}, "steps"), ({"extra": 1}, "extra"), ({"silence_max_s": 7200}, "silence_max_s"),
        ({"hours": {"start": "22:00", "end": "22:00"}}, "hours"), ({"hours": {"start": "25:00", "end": "22:00"}}, r"hours\.start"),
        ({"site_id": None, "zone_id": "z"}, "zone_id"), ({"steps": [{"delay_s": 5, "targets": [DESK]}]}, "the first at 0 s"),
        ({"confirm_s": 3600}, "confirm_s"),
    ],
)  # fmt: skip
def test_errors_name_the_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(PolicyError, match=key):
        parse({**policy(DESK), **change})


def test_the_nearest_policy_holds() -> None:
    changes: dict[str, dict[str, Any]] = {
        "all": {"site_id": None}, "site": {}, "zone": {"zone_id": "z"}, "night": {"hours": {"start": "22:00", "end": "06:00"}},
        "broken": {"steps": []},
    }  # fmt: skip
    rows = {name: {**policy(DESK), "id": name, **change} for name, change in changes.items()}
    book = with_own(PolicyBook(), rows)
    assert problems(rows).keys() == {"broken"}

    def of(site: str | None, zone: str | None = None, hour: int = 12, kind: AlertKind = AlertKind.CALL) -> str:
        return book.choose(kind, Priority.HIGH, site, zone, tz="UTC", t_ns=MONDAY_NS + hour * HOUR).id

    assert [of(None), of("t"), of("s"), of("s", "z"), of("s", "y")] == ["all", "all", "site", "zone", "site"]
    assert [of("s", hour=21), of("s", hour=22), of("s", hour=29), of("s", hour=30), of("s", "z", 23)] == [
        "site", "night", "night", "site", "zone",
    ]  # fmt: skip
    assert of("s", kind=AlertKind.PHYSIOLOGICAL) == "high"
