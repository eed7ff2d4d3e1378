"""The InfluxDB sink against a recording server with chosen errors: once after, nothing lost, poison found, place after the 204."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.codes import QUANTITIES
from devices.model import Quality
from gateway.clock import SystemClock
from gateway.config import ConfigError
from gateway.config import History as Settings
from gateway.histories import Histories
from gateway.history.base import Batch, HistoryRunner, SinkDown
from gateway.history.influx import InfluxSink, build
from gateway.history.influx.client import retry_after_s
from gateway.history.influx.lines import Unfit, head, line, of_block, tag
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.store import Writer
from tests.history.influx_server import Answer, Server, parse, recording
from tests.history.test_runner import placed, running
from tests.history.twin import feed, random_blocks, row_block, sink_at
from tests.support.blocks import START_NS

ODD = st.text(st.sampled_from('abc ,="\\\n\r\t\0é心#'), max_size=8)


# --- lines ------------------------------------------------------------------------------------------------------------


@given(device=st.one_of(ODD, st.text(max_size=20)), value=st.floats(), quality=st.integers(0, 65_535), mark=st.integers(0, 127))
@example(device="a\nhr,device=b value=1 1", value=1.0, quality=0, mark=0)
@example(device="a\\", value=1.0, quality=0, mark=0)
@example(device='a b,c=d"e', value=1.0, quality=0, mark=0)
@example(device="\ud800", value=1.0, quality=0, mark=0)
def test_what_is_in_a_name_comes_back_or_is_refused(device: str, value: float, quality: int, mark: int) -> None:
    try:
        text = line(head(device, 0, 1), value, quality, mark, START_NS)
    except Unfit:
        assert (
            math.isinf(value)
            or not device
            or any(ord(c) < 32 or c == "\\" or not c.isprintable() or 0xD800 <= ord(c) < 0xE000 for c in device)
        )
        return
    assert "\n" not in text
    assert len(text.splitlines()) == 1
    measurement, tags, fields, t_ns = parse(text)
    assert (measurement, tags, t_ns) == ("hr", (("device", device), ("origin", "sim")), START_NS)
    assert fields.get("value") == (None if math.isnan(value) else value)
    assert fields.get("quality", 0) == quality
    assert fields.get("mark", 0) == mark


def test_a_plain_name_is_left_as_it_is() -> None:
    assert tag("band-1_X") == "band-1_X"


def test_readings_of_one_moment_are_points_of_their_own() -> None:
    block = row_block(1, START_NS, "dev", "hr", [60.0, 61.0, 62.0], step_ms=0)
    assert [str(said).rsplit(" ", 1)[1] for _, said in of_block(block)] == [str(START_NS + i) for i in range(3)]


def test_retry_after() -> None:
    assert retry_after_s("120", 0) == 120
    assert retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 30 * 10**9) == 30
    assert retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 90 * 10**9) == 0
    assert [retry_after_s(text, 0) for text in (None, "", "soon")] == [None, None, None]


# --- the sink ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def sink_to(server: Server, folder: Path, **options: object) -> AsyncIterator[InfluxSink]:
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops, group_window_s=0.0)
    writer.start()
    sink = build({"url": server.url, "bucket": "ward", "token": "s3cret", "linger_s": 0.0, **options}, folder, writer, clock, ops)
    try:
        await sink.resume("journal-1", 1, 2**40)
        yield sink
    finally:
        await sink.close()
        writer.close()


def wanted(blocks: Iterable[StoredBlock], without: set[int] | None = None) -> set[tuple[str, str, int, str]]:
    """(measurement, device, ms, value) of what the server has to have."""
    found = set()
    for block in blocks:
        readings = block.readings
        assert readings is not None
        for i in range(len(readings)):
            if not readings.quality[i] & Quality.WAVE and block.first + i not in (without or set()):
                device, key = readings.devices[readings.device[i]], QUANTITIES[readings.quantity[i]].key
                found.add((key, device, int(readings.t_measured_ns[i]) // 10**6, repr(float(readings.value[i]))))
    return found


def had(server: Server) -> set[tuple[str, str, int, str]]:
    return {
        (measurement, dict(tags)["device"], t_ns // 10**6, repr(fields.get("value", math.nan)))
        for (measurement, tags, t_ns), fields in server.points.items()
    }


async def test_everything_arrives_compressed_and_with_the_token(tmp_path: Path, seed: int) -> None:
    blocks = random_blocks(random.Random(seed), 30)
    async with recording() as server, sink_to(server, tmp_path) as sink:
        result = await sink.write(Batch(blocks=tuple(blocks)))
        assert had(server) == wanted(blocks)
        assert server.gzipped == server.requests == 1
        assert server.authorization == "Token s3cret"
        assert sink.safe == blocks[-1].last
        assert result.accepted == server.writes
        await sink.write(Batch(blocks=tuple(blocks)))
        assert server.requests == 1  # all of it is settled


@pytest.mark.parametrize("answer", [Answer(503), Answer(429, (("Retry-After", "7"),)), Answer(500), Answer(401), Answer(404)])
async def test_later_is_no_loss(tmp_path: Path, answer: Answer) -> None:
    blocks = [row_block(1 + 10 * i, START_NS + i * 10**10, "dev", "hr", [float(i)] * 10) for i in range(3)]
    async with recording() as server:
        async with sink_to(server, tmp_path) as sink:
            server.answers = [answer]
            with pytest.raises(SinkDown) as caught:
                await sink.write(Batch(blocks=tuple(blocks)))
            assert caught.value.retry_after_s == (7 if answer.status == 429 else None)
            assert "s3cret" not in str(caught.value)
            assert sink.safe == 0
        async with sink_to(server, tmp_path) as sink:  # and the process was killed meanwhile
            assert sink.safe == 0
            await sink.write(Batch(blocks=tuple(blocks)))
            assert had(server) == wanted(blocks)


async def test_time_outs_after_storing_and_no_server_at_all(tmp_path: Path) -> None:
    blocks = [row_block(1, START_NS, "dev", "hr", [1.0, 2.0])]
    async with recording() as server, sink_to(server, tmp_path, timeout_s=0.3) as sink:
        for answer in (Answer(204, hang=True), Answer(500, keep=True)):
            server.answers = [answer]
            with pytest.raises(SinkDown):
                await sink.write(Batch(blocks=tuple(blocks)))
            assert len(server.points) == 2
            assert sink.safe == 0
        await sink.write(Batch(blocks=tuple(blocks)))
        assert had(server) == wanted(blocks)
    nobody = Server(url=server.url)
    async with sink_to(nobody, tmp_path) as sink:
        with pytest.raises(SinkDown):
            await sink.write(Batch(blocks=(row_block(3, START_NS, "dev", "hr", [3.0]),)))
        assert sink.safe == 2


async def test_poison_is_found_reported_and_the_rest_goes_on(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    blocks = [row_block(1 + 100 * i, START_NS + i * 10**11, f"dev {i}", "hr", [60.0 + k for k in range(100)]) for i in range(5)]
    bad = set(rng.sample(range(1, 501), 3))
    texts = {str(said) for block in blocks for offset, said in of_block(block) if offset in bad}
    async with recording() as server, sink_to(server, tmp_path) as sink:
        server.poison = texts.__contains__
        result = await sink.write(Batch(blocks=tuple(blocks)))
        assert {row.offset for row in result.rejected} == bad
        assert result.accepted == 497
        assert had(server) == wanted(blocks, without=bad)
        assert {letter.line for letter in await sink.letters()} == texts
        assert sink.safe == 500
        assert server.requests < 100
        assert [fault.code for fault in sink._ops.faults()] == ["history.rejected"]


async def test_a_name_that_cannot_be_said_is_rejected_without_asking(tmp_path: Path) -> None:
    blocks = [row_block(1, START_NS, "a\nb", "hr", [60.0]), row_block(2, START_NS, "dev", "hr", [61.0])]
    async with recording() as server, sink_to(server, tmp_path) as sink:
        result = await sink.write(Batch(blocks=tuple(blocks)))
        assert [row.offset for row in result.rejected] == [1]
        assert had(server) == wanted(blocks[1:])
        assert [letter.line for letter in await sink.letters()] == [""]


async def test_a_server_that_refuses_all_is_a_wrong_server(tmp_path: Path) -> None:
    blocks = [row_block(1, START_NS, "dev", "hr", [60.0] * 200)]
    async with recording() as server, sink_to(server, tmp_path) as sink:
        server.poison = lambda _: True
        with pytest.raises(SinkDown, match="refuses too many"):
            await sink.write(Batch(blocks=tuple(blocks)))
        assert sink.safe <= 51
        server.poison = lambda _: False
        await sink.write(Batch(blocks=tuple(blocks)))
        assert len(server.points) + len(await sink.letters()) == 200


@pytest.mark.timeout(20)
async def test_from_the_journal_through_every_trouble_once(tmp_path: Path, seed: int) -> None:
    """Errors of all kinds while readings come in, and the process is gone in the middle: each reading is there once."""
    rng = random.Random(seed)
    clock = SystemClock()
    async with recording() as server, placed(tmp_path, clock) as place:
        for _ in range(3):
            sink = build(
                {"url": server.url, "bucket": "b", "batch_lines": 40, "linger_s": 0.0, "timeout_s": 0.3},
                tmp_path,
                place.writer,
                clock,
                place.ops,
            )
            kinds = [
                Answer(503),
                Answer(429, (("Retry-After", "0"),)),
                Answer(500, keep=True),
                Answer(204, hang=True),
                Answer(204),
                Answer(204),
            ]
            server.answers = [rng.choice(kinds) for _ in range(6)]
            async with running(HistoryRunner(place.journal, sink, clock, place.ops)):
                for _ in range(rng.randint(5, 20)):
                    await place.say(rng.randint(1, 20))
                await clock.sleep(rng.uniform(0, 0.5))
            await sink.close()
        server.answers = []
        sink = build({"url": server.url, "bucket": "b", "linger_s": 0.0}, tmp_path, place.writer, clock, place.ops)
        async with running(HistoryRunner(place.journal, sink, clock, place.ops)):
            while sink.safe < place.journal.head - 1:
                await clock.sleep(0.01)
        await sink.close()
    assert sorted(fields["value"] for fields in server.points.values()) == list(range(place.value))


async def test_what_the_journal_dropped_comes_from_the_other_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.history.influx.sink.FILL_EVERY_S", 0.02)
    blocks = [row_block(1 + 100 * i, START_NS + i * 100 * 10**9, "dev", "hr", [float(100 * i + k) for k in range(100)]) for i in range(6)]
    blocks.append(row_block(601, START_NS + 250 * 10**9, "dev", "temp", [36.0 + k / 10 for k in range(10)]))
    async with recording() as server, sink_at(tmp_path / "history.sqlite") as kept:
        await feed(kept, blocks, random.Random(1))
        await kept.flush()
        async with sink_to(server, tmp_path) as sink:
            await sink.write(Batch(blocks=tuple(blocks[:2])))
        async with sink_to(server, tmp_path) as sink:
            sink._ops.fault("history.missed", "influx")
            filling = asyncio.create_task(sink.fill(kept.history))
            await sink.missed(201, 400)  # of the journal's blocks 2 and 3 nothing is left
            await sink.write(Batch(blocks=tuple(blocks[4:6])))
            server.answers = [Answer(503), Answer(204)]
            while sink._ops.faults():
                await sink._clock.sleep(0.01)
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
    values = [(measurement, fields["value"]) for (measurement, _, _), fields in server.points.items()]
    # the readings on the gap's edges are there from both sides at the same time, and so they are there once
    assert sorted(values) == sorted([("hr", float(value)) for value in range(600)] + [("temp", 36.0 + k / 10) for k in range(10)])


# --- configuration ----------------------------------------------------------------------------------------------------


async def test_a_wrong_table_is_named(tmp_path: Path) -> None:
    async with placed(tmp_path, SystemClock()) as place:
        for options, key in (({"url": "ftp://x", "bucket": "b"}, "url"), ({"url": "http://x", "bucket": "b", "tokn": "t"}, "tokn")):
            with pytest.raises(ConfigError, match=key):
                await Histories.open(Settings(enabled=False, influx=options), tmp_path, place.journal, place.writer, place.clock, place.ops)
