"""Residents, places, devices, bindings, limits and consents: what is allowed, what is refused, and what the view says after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.registry import ConflictError, NotFoundError, RegistryError, RegistryView, bindings, limits, org, residents
from gateway.registry.check import initials
from gateway.registry.consents import GRANTABLE
from gateway.registry.errors import MESSAGES
from gateway.registry.ids import uuid7
from gateway.vocabulary import Actor, Role
from tests.support.fake_clock import START_NS, FakeClock
from tests.support.registry_house import OPERATOR, House, house

S = 1_000_000_000
NURSE = Actor(id="U-nurse", name="Nurse", role=Role.CLINICIAN)


@pytest.fixture
def home(tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    with house(tmp_path, clock) as found:
        yield found


def step(home: House, seconds: int = 60) -> int:
    asyncio.run(home.clock.advance(seconds))
    return home.clock.now_ns()


def admit(home: House, name: str = "王淑华", bed: str | None = "3-01", **more: Any) -> str:
    return home.registry.do_sync(OPERATOR, residents.admit, name=name, site="S", bed=bed, **more).id


def device(home: House, name: str = "watch1") -> str:
    return home.registry.do_sync(OPERATOR, bindings.set_device, name, site="S", quantities=("hr",)).id


def refused(code: str, home: House, command: Any, /, *args: Any, **kwargs: Any) -> RegistryError:
    before = home.registry.view.copy()
    with pytest.raises(RegistryError) as caught:
        home.registry.do_sync(OPERATOR, command, *args, **kwargs)
    assert caught.value.code == code
    assert home.registry.view == before, "a refused command must leave nothing"
    return caught.value


def test_admit_fills_the_place_and_names_who_is_in_the_bed(home: House) -> None:
    first = admit(home)
    place = home.registry.view.residents[first].place
    assert (place.site_id, place.zone_id, place.room_id, place.bed_id, place.label) == ("site", "zone", "room", "bed1", "3-01")
    error = refused("bed.occupied", home, residents.admit, name="李桂兰", site="S", bed="3-01")
    assert "王淑华" in error.message("zh")
    assert "王淑华" in error.message("en")
    assert home.registry.view.occupant("bed1") == first


def test_move_frees_the_old_bed_and_keeps_where_one_was(home: House) -> None:
    first, t0 = admit(home), home.clock.now_ns()
    t1 = step(home)
    home.registry.do_sync(OPERATOR, residents.move, first, bed="3-02")
    view = home.registry.view
    assert view.occupant("bed1") is None
    assert view.occupant("bed2") == first
    before, after = view.stay_at(first, t1 - 1), view.stay_at(first, t1)
    assert before is not None
    assert after is not None
    assert (before.place.label, after.place.label) == ("3-01", "3-02")
    assert view.stay_at(first, t0 - 1) is None
    refused("time.before_last", home, residents.move, first, bed="3-03", at_ns=t0)
    refused("time.future", home, residents.move, first, bed="3-03", at_ns=t1 + S)


def test_away_keeps_the_bed_and_back_returns(home: House) -> None:
    first = admit(home)
    home.registry.do_sync(OPERATOR, residents.away, first)
    refused("bed.occupied", home, residents.admit, name="李桂兰", site="S", bed="3-01")
    home.registry.do_sync(OPERATOR, residents.back, first)
    assert home.registry.view.residents[first].status == "admitted"
    refused("resident.status", home, residents.back, first)


@pytest.mark.parametrize("command", [residents.discharge, residents.died])
def test_leaving_ends_bindings_and_frees_the_bed(home: House, command: Any) -> None:
    first, watch = admit(home), device(home)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    home.registry.do_sync(NURSE, residents.observe, first, consciousness="A", on_oxygen=True, spo2_scale=2)
    at = step(home)
    home.registry.do_sync(OPERATOR, command, first)
    view = home.registry.view
    assert view.occupant("bed1") is None
    assert view.resident_of(watch, at - 1) == first
    assert view.resident_of(watch, at) is None
    assert view.residents[first].on_oxygen is None
    refused("resident.not_present", home, residents.move, first, bed="3-02")
    refused("resident.not_present", home, bindings.bind, watch, resident=first)
    step(home)
    home.registry.do_sync(OPERATOR, residents.admit, name="王淑华", site="S", bed="3-03", resident_id=first)
    again = home.registry.view.residents[first]
    assert (again.status, again.spo2_scale, again.consciousness) == ("admitted", 2, None)


def test_a_discharge_entered_late_ends_bindings_when_it_happened(home: House) -> None:
    first, watch, second_watch = admit(home), device(home), device(home, "watch2")
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    left = step(home)
    step(home)
    home.registry.do_sync(OPERATOR, bindings.bind, second_watch, resident=first)
    began = home.clock.now_ns()
    step(home)
    home.registry.do_sync(OPERATOR, residents.discharge, first, at_ns=left)
    view = home.registry.view
    assert view.resident_of(watch, left) is None
    assert view.resident_of(watch, left - 1) == first
    assert view.resident_of(second_watch, began) is None, "a binding made after the person had left never was"


def test_merge_lets_history_limits_and_later_questions_follow(home: House) -> None:
    old, new, watch = admit(home), admit(home, "王淑华（重复）", "3-02"), device(home)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=old)
    home.registry.do_sync(NURSE, limits.set_limit, quantity="hr", resident=old, high=110, reason="atrial fibrillation")
    at = step(home)
    home.registry.do_sync(OPERATOR, residents.merge, old, new)
    view = home.registry.view
    assert view.resident_of(watch, at - 1) == new
    assert view.resident_of(watch, at + S) == new
    assert view.devices_of(new, at) == (watch,)
    assert view.occupant("bed1") is None
    limit = view.limit_for(new, "hr", at)
    assert limit is not None
    assert limit.high == 110
    assert view.limit_for(old, "hr", at) == limit
    refused("resident.status", home, residents.merge, old, new)
    refused("resident.status", home, residents.merge, new, old)
    refused("resident.same", home, residents.merge, new, new)
    place = view.place_of(watch, at - 1)
    assert place is not None
    assert place.label == "3-01"


def test_rebinding_ends_the_former_at_that_instant(home: House) -> None:
    first, second, watch = admit(home), admit(home, "李桂兰", "3-02"), device(home)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    t1 = step(home)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=second)
    view = home.registry.view
    assert (view.resident_of(watch, t1 - 1), view.resident_of(watch, t1)) == (first, second)
    step(home)
    refused("binding.same", home, bindings.bind, watch, resident=second)


def test_an_overlap_is_refused_and_says_with_what(home: House) -> None:
    first, second, watch = admit(home), admit(home, "李桂兰", "3-02"), device(home)
    t0 = home.clock.now_ns()
    t3 = step(home, 30)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first, from_ns=t0 + 10 * S, to_ns=t0 + 20 * S)
    error = refused("binding.overlap", home, bindings.bind, watch, resident=second, from_ns=t0 + 15 * S)
    assert "2026-01-01T00:00:10Z" in error.message("en")
    refused("binding.overlap", home, bindings.bind, watch, resident=second, from_ns=t0, to_ns=t0 + 11 * S)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=second, from_ns=t0, to_ns=t0 + 10 * S)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=second, from_ns=t0 + 20 * S)
    view = home.registry.view
    assert [view.resident_of(watch, t0 + s * S) for s in (0, 9, 10, 19, 20, 30)] == [second, second, first, first, second, second]
    refused("time.order", home, bindings.bind, watch, resident=first, from_ns=t3, to_ns=t3)
    refused("binding.target", home, bindings.bind, watch)


def test_a_correction_cuts_what_was_entered_and_both_times_are_kept(home: House) -> None:
    first, second, watch = admit(home), admit(home, "李桂兰", "3-02"), device(home)
    t0 = home.clock.now_ns()
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    entered = step(home, 100)
    step(home, 10)
    command: dict[str, Any] = {"resident": second, "from_ns": t0 + 20 * S, "to_ns": t0 + 40 * S}
    refused("text.empty", home, bindings.correct_binding, watch, reason=" ", **command)
    home.registry.do_sync(OPERATOR, bindings.correct_binding, watch, reason="wrong wrist", **command)
    view = home.registry.view
    assert [view.resident_of(watch, t0 + s * S) for s in (0, 19, 20, 39, 40, 99)] == [first, first, second, second, first, first]
    then = asyncio.run(home.registry.as_known_at(entered))
    assert [then.resident_of(watch, t0 + s * S) for s in (0, 20, 40)] == [first, first, first]
    home.registry.do_sync(OPERATOR, bindings.correct_binding, watch, reason="lay in a drawer", from_ns=t0, to_ns=t0 + 30 * S)
    view = home.registry.view
    assert [view.resident_of(watch, t0 + s * S) for s in (0, 29, 30, 40)] == [None, None, second, first]


def test_ending_a_binding_and_retiring_a_device(home: House) -> None:
    first, watch = admit(home), device(home)
    bound = home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    t1 = step(home)
    home.registry.do_sync(OPERATOR, bindings.end_binding, bound.id)
    assert home.registry.view.resident_of(watch, t1) is None
    refused("binding.ended", home, bindings.end_binding, bound.id)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    t2 = step(home)
    home.registry.do_sync(OPERATOR, bindings.retire_device, watch)
    assert home.registry.view.resident_of(watch, t2) is None
    refused("device.retired", home, bindings.bind, watch, resident=first)
    home.registry.do_sync(OPERATOR, bindings.activate_device, watch)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, bed="3-03")
    place = home.registry.view.place_of(watch, t2)
    assert place is not None
    assert (place.label, home.registry.view.resident_of(watch, t2)) == ("3-03", None)


def test_an_unknown_device_waits_in_the_inbox_once_and_leaves_it_when_bound(home: House) -> None:
    async def scenario() -> None:
        registry = home.registry
        seen = await registry.see("stranger", quantities=("spo2",))
        assert (seen.status, seen.first_seen_ns) == ("inbox", START_NS)
        head = home.events.head
        await registry.see("stranger")
        assert home.events.head == head
        assert [waiting.id for waiting in registry.inbox()] == ["stranger"]
        with pytest.raises(RegistryError, match="letters"):
            await registry.see("../etc/passwd")
        first = await registry.do(OPERATOR, residents.admit, name="王淑华", site="S")
        await registry.do(OPERATOR, bindings.bind, "stranger", resident=first.id)
        assert registry.view.devices["stranger"].status == "active"
        assert registry.inbox() == ()

    asyncio.run(scenario())


def test_limits_resident_over_site_over_installation_and_expiry(home: House) -> None:
    first = admit(home)
    do = home.registry.do_sync
    do(NURSE, limits.set_limit, quantity="hr", high=130, reason="house rule")
    do(NURSE, limits.set_limit, quantity="hr", site="S", high=125, reason="site rule")
    do(NURSE, limits.set_limit, quantity="hr", resident=first, high=120, reason="own")
    now = home.clock.now_ns()
    temporary = do(NURSE, limits.set_limit, quantity="hr", resident=first, high=140, reason="infection", expires_ns=now + 60 * S)

    def high(resident: str | None, at: int) -> float | None:
        limit = home.registry.view.limit_for(resident, "hr", at)
        return None if limit is None else limit.high

    assert [high(first, now), high(first, now + 60 * S), high(None, now)] == [140, 120, 130]
    assert (temporary.version, temporary.author) == (2, "U-nurse")
    lasting = do(NURSE, limits.set_limit, quantity="hr", resident=first, high=118, reason="again")
    assert (high(first, now), lasting.version) == (118, 3), "a new lasting limit replaces what lay over the old one"
    do(NURSE, limits.end_limit, lasting.id, reason="no longer")
    assert high(first, now) == 125
    assert do(NURSE, limits.set_limit, quantity="hr", resident=first, low=50, reason="low").version == 4
    refused("expiry.past", home, limits.set_limit, quantity="hr", high=120, reason="r", expires_ns=now)
    refused("limit.order", home, limits.set_limit, quantity="hr", low=100, high=60, reason="r")
    refused("limit.order", home, limits.set_limit, quantity="hr", low=50, low_extreme=60, reason="r")
    refused("limit.range", home, limits.set_limit, quantity="hr", high=5000, reason="r")
    refused("limit.empty", home, limits.set_limit, quantity="hr", reason="r")
    refused("number.invalid", home, limits.set_limit, quantity="hr", high=float("nan"), reason="r")
    refused("not.found", home, limits.set_limit, quantity="mood", high=1, reason="r")


def test_places_agree_and_codes_are_unique_where_they_must(home: House) -> None:
    do = home.registry.do_sync
    do(OPERATOR, org.set_site, name="日间照料", code="D", kind="daycare", site_id="day")
    do(OPERATOR, org.set_bed, site="D", label="3-01", code="3-01", bed_id="daybed")
    refused("code.several", home, residents.admit, name="李桂兰", bed="3-01")
    refused("place.mismatch", home, org.resolve_place, site="D", bed="bed1")
    refused("code.taken", home, org.set_bed, site="S", label="x", code="3-01")
    refused("tz.unknown", home, org.set_site, name="x", tz="Asia/Atlantis")
    refused("tz.unknown", home, org.set_site, name="x", tz="../../etc/passwd")
    refused("word.unknown", home, org.set_site, name="x", kind="castle")
    refused("text.empty", home, org.set_site, name="  ")
    refused("text.control", home, org.set_site, name="a\nb")
    refused("id.invalid", home, org.set_site, name="a", site_id="a/b")
    refused("date.future", home, residents.admit, name="x", site="S", birth_date="2031-01-01")
    refused("date.invalid", home, residents.admit, name="x", site="S", birth_date="1.5.1941")
    with pytest.raises(NotFoundError):
        do(OPERATOR, residents.admit, name="x", site="nowhere")


def test_a_bed_that_changes_zone_takes_its_resident_along(home: House) -> None:
    first = admit(home)
    do = home.registry.do_sync
    do(OPERATOR, org.set_zone, site="S", name="四区", code="Z4", zone_id="zone4")
    step(home)
    do(OPERATOR, org.set_room, site="S", zone="Z4", name="301", code="301", room_id="room")
    assert home.registry.view.residents[first].place.zone_id == "zone4"


def test_staff_and_rota(home: House) -> None:
    do = home.registry.do_sync
    person = do(OPERATOR, org.set_staff, name="李静", role="caregiver", code="P1", channels={"email": "li@example.org"})
    row: dict[str, Any] = {"site": "S", "zone": "Z", "staff": "P1", "role": "caregiver", "weekdays": (0, 1), "start": "22:00"}
    shift = do(OPERATOR, org.set_rota, end="06:00", **row)
    assert home.registry.view.rota[shift.id] == shift
    refused("rota.invalid", home, org.set_rota, end="25:00", **row)
    do(OPERATOR, org.retire_staff, "P1")
    assert home.registry.view.staff[person.id].status == "retired"
    do(OPERATOR, org.end_rota, shift.id)
    assert home.registry.view.rota == {}


def test_the_view_is_the_same_however_it_is_folded_and_copies_are_independent(home: House) -> None:
    first, second, watch = admit(home), admit(home, "李桂兰", "3-02"), device(home)
    middle = home.registry.view.copy()
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=first)
    frozen = home.registry.view
    snapshot = frozen.copy()
    step(home)
    home.registry.do_sync(OPERATOR, bindings.bind, watch, resident=second)
    home.registry.do_sync(OPERATOR, residents.merge, first, second)
    assert frozen == snapshot, "a view in somebody's hands does not change"
    incremental = home.registry.view
    rows = home.events.read_sync(0, limit=10_000)
    assert RegistryView.fold(rows) == incremental
    resumed = middle.copy()
    for row in rows[middle.offset :]:
        resumed.apply(row)
    assert resumed == incremental
    assert middle != incremental
    home.reopen()
    assert home.registry.view == incremental
    with pytest.raises(ValueError, match="never goes back"):
        resumed.apply(rows[0])


def test_history_is_append_only_and_told_per_subject(home: House) -> None:
    first = admit(home)
    home.registry.do_sync(OPERATOR, residents.correct, first, name="王淑花", code="R1")
    told = asyncio.run(home.registry.history(first))
    assert [(row.kind, row.body["name"]) for row in told] == [("resident.admitted", "王淑华"), ("resident.corrected", "王淑花")]
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        home.db.write_sync(lambda conn: conn.execute("UPDATE registry_row SET body = '{}'"))


def test_commands_that_race_for_a_bed_are_judged_in_the_transaction(home: House) -> None:
    async def scenario() -> None:
        tasks = [home.registry.do(OPERATOR, residents.admit, name=f"N{number}", site="S", bed="3-01") for number in range(8)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(1 for result in results if isinstance(result, ConflictError)) == 7
        assert len(home.registry.view.residents) == 1

    asyncio.run(scenario())


def test_every_message_has_both_languages_and_formats() -> None:
    words = "field limit allowed value bed occupant status device start end low high unit quantity reason columns names line policy"
    params = {word: word for word in words.split()}
    for code in MESSAGES:
        error = RegistryError(code, **params)
        assert error.message("zh") != error.message("en")


def test_small_ones() -> None:
    assert (initials("王淑华"), initials("John Smith")) == ("王*", "JS")
    keys = [uuid7(START_NS + number * 1000) for number in range(100)]
    assert keys == sorted(keys)
    assert all(key[14] == "7" and key[19] in "89ab" for key in keys)
    assert set(GRANTABLE) == {"summary", "vitals", "alerts", "location", "documents", "notes", "looks"}
