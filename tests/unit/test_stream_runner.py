"""The runner on a real journal, event log and store: same findings through restarts, slow and failing sinks, foreign checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import apsw

from gateway import events as event_log
from gateway.clock import SystemClock
from gateway.events import EventRow, Events
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.store import Database, DiskFull, Writer, cursor
from gateway.stream.runner import COMPONENTS, FAULT, SINK_FAULT, Sink, StreamRunner
from gateway.vocabulary import Finding, Phase
from tests.support.ward import NS, T0_NS, Mark, R, Ward, block_of, said, series, ward


class House:
    """A data folder with its logs; `runner` makes a stream on it."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.ops = SystemClock(), Ops()
        self.writer = Writer(self.clock, self.ops)
        self.writer.start()
        self.store = Database.open(folder / "store.sqlite", self.writer, components=(event_log.COMPONENT,))
        self.stream = Database.open(folder / "stream.sqlite", self.writer, components=COMPONENTS)
        self.events = Events(self.store, self.clock)
        self.folder = folder
        self.heard: list[Finding] = []

    async def open(self) -> None:
        self.journal = await Journal.open(self.folder / "journal", self.writer, self.clock, self.ops)

    async def close(self) -> None:
        await self.journal.close()
        self.events.close()
        await self.stream.close()
        await self.store.close()
        self.writer.close()

    async def settle(self, made: Ward) -> None:
        """Write the ward's events that the log does not have yet."""
        for event in made.events[self.events.head :]:
            await self.store.write(partial(_append, event))

    async def tick(self, t_s: float) -> None:
        await self.journal.tick(T0_NS + round(t_s * NS), self.events.head)

    async def sink(self, found: Sequence[Finding]) -> None:
        self.heard.extend(found)

    def runner(self, checkpoint_s: float = 60.0, sink: Sink | None = None) -> StreamRunner:
        return StreamRunner(
            self.journal,
            self.events,
            self.stream,
            sink or self.sink,
            self.clock,
            self.ops,
            checkpoint_s=checkpoint_s,
        )


def _append(event: EventRow, conn: apsw.Connection) -> int:
    return event_log.append(conn, kind=event.kind, subject=event.subject, actor=event.actor, body=event.body, t_ns=event.t_ns)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    made = House(folder)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def running(runner: StreamRunner, upto: int) -> AsyncIterator[StreamRunner]:
    """Run until the offset `upto` has been taken, then the body, then stop."""
    task = asyncio.create_task(runner.run())
    try:
        await reach(runner, upto, task)
        yield runner
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def reach(runner: StreamRunner, upto: int, task: asyncio.Task[None] | None = None) -> None:
    for _ in range(2_000):
        if runner.engine.offset >= upto and not runner._midway:
            return
        if task is not None and task.done():
            await task
        await asyncio.sleep(0.002)
    raise TimeoutError(f"the stream stands at {runner.engine.offset}, wanted {upto}")


def vitals(found: Sequence[Finding]) -> list[str]:
    return said(f for f in found if not f.rule.startswith("call."))


async def test_findings_reach_the_sink_and_a_restart_says_nothing_twice(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w"))
        await made.tick(0)
        await made.journal.append(block_of(list(series("w", "spo2", [97.0, 88.0, 88.0], from_s=1, every_s=10))))
        async with running(made.runner(), made.journal.head - 1):
            pass
        assert not made.heard
        await made.tick(30)
        async with running(made.runner(), made.journal.head - 1) as runner:
            assert said(made.heard) == ["limit.spo2.low start"]
            last = runner.latest.last("w", "spo2")
            assert last is not None
            assert last.value == 88.0
        async with running(made.runner(), made.journal.head - 1) as runner:
            assert runner.latest.last("w", "spo2") == last
        assert len(made.heard) == 1
        assert not made.ops.faults()


async def test_silence_is_found_by_ticks_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w", quantities=("hr",), cadence_s={"hr": 5.0}))
        await made.tick(0)
        await made.journal.append(block_of([R(device="w", key="hr", value=70.0, t_s=1)]))
        await asyncio.gather(*(made.tick(second) for second in range(1, 40)))
        async with running(made.runner(), made.journal.head - 1):
            pass
        await asyncio.gather(*(made.tick(second) for second in range(40, 70)))
        async with running(made.runner(), made.journal.head - 1):
            pass
        assert said(made.heard) == ["nodata.device start"]
        assert made.heard[0].t_ns <= T0_NS + 62 * NS


async def test_the_sink_hears_again_what_no_checkpoint_has_with_the_same_ids(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w"))
        await made.tick(0)
        await made.journal.append(block_of([R(device="w", key="spo2", value=70.0, t_s=1)]))
        async with running(made.runner(), made.journal.head - 1) as runner:
            runner._midway = True  # as if killed: no checkpoint on the way out
        async with running(made.runner(), made.journal.head - 1):
            pass
        assert len(made.heard) == 2
        assert made.heard[0] == made.heard[1]


async def test_a_checkpoint_of_other_code_is_a_fault_and_a_replay(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w"))
        await made.tick(0)
        await made.journal.append(block_of([R(device="w", key="spo2", value=70.0, t_s=1)]))
        async with running(made.runner(), made.journal.head - 1):
            pass

        def spoil(conn: apsw.Connection) -> None:
            conn.execute("UPDATE checkpoint SET engine = ?", (b"of another version",))

        await made.stream.write(spoil)
        told: list[str] = []
        made.ops.listen(lambda fault: told.append(f"{fault.code} {fault.active}"))
        async with running(made.runner(), made.journal.head - 1) as runner:
            await asyncio.wait_for(runner.caught_up.wait(), 2)
        assert said(made.heard) == ["limit.spo2.low start"] * 2
        assert made.heard[0].id == made.heard[1].id
        assert told == [f"{FAULT} True", f"{FAULT} False"]


async def test_a_checkpoint_of_another_event_log_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w"))
        await made.tick(0)
        async with running(made.runner(), made.journal.head - 1):
            pass
        await made.stream.write(lambda conn: cursor.put(conn, "events", "another-lineage", 1))
        told: list[object] = []
        made.ops.listen(lambda fault: told.append(fault.params.get("reason")))
        async with running(made.runner(), made.journal.head - 1):
            pass
        assert told[0] == "belongs to other logs"


async def test_a_slow_engine_or_sink_does_not_hold_up_a_call(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w"))
        await made.tick(0)
        await made.journal.append(block_of([R(device="w", key="spo2", value=70.0, t_s=1)]))
        gate = asyncio.Event()

        async def sink(found: Sequence[Finding]) -> None:
            if found[0].rule.startswith("limit."):
                await gate.wait()
            made.heard.extend(found)

        task = asyncio.create_task(made.runner(sink=sink).run())
        await made.journal.append(
            block_of([R(device="w", key="call.sos", value=1.0, t_s=2, mark=int(Mark.STORED), received_s=5)]), priority=True
        )
        for _ in range(1_000):
            if made.heard:
                break
            await asyncio.sleep(0.002)
        assert said(made.heard) == ["call.sos start"]
        gate.set()
        for _ in range(1_000):
            if len(made.heard) == 3:
                break
            await asyncio.sleep(0.002)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        first, limit, again = made.heard
        assert limit.rule == "limit.spo2.low"
        assert again == first
        assert first.late_s == 3.0


async def test_a_full_disk_at_the_sink_is_a_fault_and_nothing_is_lost(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.settle(ward("w"))
        await made.tick(0)
        await made.journal.append(block_of([R(device="w", key="spo2", value=70.0, t_s=1)]))
        refusals = 2

        async def sink(found: Sequence[Finding]) -> None:
            nonlocal refusals
            if refusals:
                refusals -= 1
                raise DiskFull("no room")
            made.heard.extend(found)

        told: list[str] = []
        made.ops.listen(lambda fault: told.append(f"{fault.code} {fault.active}"))
        async with running(made.runner(sink=sink), made.journal.head - 1):
            pass
        assert said(made.heard) == ["limit.spo2.low start"]
        assert told == [f"{SINK_FAULT} True", f"{SINK_FAULT} False"]


async def test_bindings_after_the_fact_count_from_the_next_tick(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        home = Ward()
        home.site()
        home.resident("A")
        home.device("w")
        await made.settle(home)
        await made.tick(0)
        await made.journal.append(block_of([R(device="w", key="spo2", value=70.0, t_s=1)]))
        home.bind("w", "A", from_s=2)
        await made.settle(home)
        await made.tick(2)
        await made.journal.append(block_of([R(device="w", key="spo2", value=70.0, t_s=3)]))
        async with running(made.runner(), made.journal.head - 1):
            pass
        assert [(f.resident, f.phase) for f in made.heard] == [("A", Phase.START)]
