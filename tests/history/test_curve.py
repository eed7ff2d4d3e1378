"""The history as people read it: whose readings they are, who may look, points or envelopes, gaps."""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.events import EventRow
from gateway.query.past import spans_of
from gateway.registry import bindings
from gateway.registry.records import Binding
from gateway.registry.view import RegistryView
from gateway.vocabulary import SYSTEM
from tests.history.twin import feed, row_block, sink_at
from tests.support.fake_clock import FakeClock
from tests.support.house import house

S = 10**9
edges = st.integers(0, 40)


@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["wang", "liu", None]), edges, st.none() | edges), max_size=8),
    window=st.tuples(edges, edges).map(sorted),
)
def test_each_moment_of_a_device_is_whose_the_registry_says(rows: list[tuple[str, str | None, int, int | None]], window: list[int]) -> None:
    view = RegistryView()
    for number, (device, resident, begin, end) in enumerate(rows):
        binding = Binding(
            id=f"b{number}", device_id=device, resident_id=resident, place=None, valid_from_ns=begin * 10**6,
            valid_to_ns=None if end is None else end * 10**6,
        )  # fmt: skip
        view.apply(EventRow(offset=number + 1, t_ns=0, kind="binding.set", subject=binding.id, actor="x", body=asdict(binding)))
    owners: dict[tuple[str, int], list[str]] = {}
    for resident in ("wang", "liu"):
        spans = spans_of(view, resident, *window)
        assert all(window[0] <= span.from_ms < span.to_ms <= window[1] for span in spans)
        for span in spans:
            for t_ms in range(span.from_ms, span.to_ms):
                owners.setdefault((span.device, t_ms), []).append(resident)
    for device in "ab":
        for t_ms in range(*window):
            owner = view.resident_of(device, t_ms * 10**6)
            assert owners.get((device, t_ms), []) == ([] if owner is None else [owner])


async def test_a_curve_is_the_persons_own_with_its_gaps(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path / "house", clock=clock) as home, sink_at(tmp_path / "history.sqlite") as sink:
        home.past = sink.history
        begin_ns = clock.now_ns() // S * S + S
        await clock.advance(120)
        await home.registry.do(SYSTEM, bindings.bind, "band-wang", resident="liu", from_ns=begin_ns + 60 * S)
        first = row_block(1, begin_ns, "band-wang", "hr", [60.0 + i for i in range(100)])
        await feed(sink, [first, row_block(101, begin_ns, "band-liu", "hr", [90.0])], random.Random(1))
        async with home.signed_in("carer") as client:
            wang = (await client.get("/api/v1/residents/wang/history")).json()
            assert (wang["quantity"], wang["unit"], wang["bucket_ms"], wang["kept"]) == ("hr", "/min", 0, True)
            (line,) = wang["lines"]
            assert line["value"] == [60.0 + i for i in range(60)]
            assert line["t_ms"] == [begin_ns // 10**6 + 1000 * i for i in range(60)]
            assert line["device_id"] == "band-wang"
            liu = (await client.get("/api/v1/residents/liu/history", params={"quantity": "hr"})).json()
            values = [value for line in liu["lines"] for value in line["value"]]
            assert sorted(values) == [90.0, *[120.0 + i for i in range(40)]]
            few = (await client.get("/api/v1/residents/wang/history", params={"points": 10})).json()
            assert few["bucket_ms"] > 0
            assert sum(sum(line["n"]) for line in few["lines"]) == 60
            assert max(value for line in few["lines"] for value in line["high"] if value is not None) == 119.0
        actions = [(row.action, row.resident) for row in await home.audit_rows()]
        assert ("read.history", "wang") in actions


async def test_a_gap_is_listed_and_nothing_is_drawn_over_it(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path / "house", clock=clock) as home, sink_at(tmp_path / "history.sqlite") as sink:
        home.past = sink.history
        begin_ns = clock.now_ns() // S * S + S
        await clock.advance(1000)
        blocks = [
            row_block(1, begin_ns, "band-wang", "hr", [70.0] * 100),
            row_block(101, begin_ns + 600 * S, "band-wang", "hr", [71.0] * 100),
        ]
        await feed(sink, blocks, random.Random(1))
        await sink.flush()
        async with home.signed_in("doctor") as client:
            window = {"from_ms": begin_ns // 10**6, "to_ms": begin_ns // 10**6 + 700_000}
            (line,) = (await client.get("/api/v1/residents/wang/history", params=window)).json()["lines"]
            assert line["gaps_ms"] == [[begin_ns // 10**6 + 99_000, begin_ns // 10**6 + 600_000]]
            assert len(line["value"]) == 200
            (line,) = (await client.get("/api/v1/residents/wang/history", params={**window, "points": 50})).json()["lines"]
            assert [None if n else 0 for n in line["n"]] == [0 if value is None else None for value in line["mean"]]
            assert any(high - low > 400_000 for low, high in line["gaps_ms"])


@pytest.mark.parametrize(
    ("who", "resident", "status"),
    [
        ("son", "wang", 200),
        ("son", "liu", 404),
        ("carer", "zhou", 404),
        ("operator", "wang", 403),
        ("admin", "wang", 403),
        ("nobody", "wang", 401),
    ],
)
async def test_who_may_look(tmp_path: Path, who: str, resident: str, status: int) -> None:
    async with house(tmp_path / "house") as home, sink_at(tmp_path / "history.sqlite") as sink:
        home.past = sink.history
        await feed(sink, [row_block(1, home.clock.now_ns(), "band-wang", "hr", [60.0])], random.Random(1))
        async with home.signed_in(who) as client:
            answer = await client.get(f"/api/v1/residents/{resident}/history")
            assert answer.status_code == status
            if status == 200:
                assert "band-wang" not in answer.text  # family: no devices
                assert len(answer.json()["lines"]) == 1
            for odd in ({"quantity": "call.sos"}, {"quantity": "nothing"}):
                assert (await client.get(f"/api/v1/residents/{resident}/history", params=odd)).status_code == (
                    404 if status == 200 else status
                )
            if status == 200:
                for bad in ({"points": 1}, {"from_ms": "x"}, {"quantity": "A'--"}):
                    assert (await client.get(f"/api/v1/residents/{resident}/history", params=bad)).status_code == 422
