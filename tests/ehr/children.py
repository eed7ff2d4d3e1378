"""Processes to be killed: forked from a server that has everything imported, so that a start costs next to nothing."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

from gateway.clock import SystemClock
from gateway.ehr.base.outbox import Address
from gateway.ehr.base.references import ReferenceOptions
from gateway.ehr.feed.runner import Feed, FeedOptions
from gateway.ehr.targets.folder import FolderTarget
from gateway.store import cursor
from tests.ehr.rig import Rig, rig
from tests.ehr.test_feed import house

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.ehr.children"])


def send_for_ever(folder: str, url: str) -> None:
    """A sender over an outbox that is there."""

    async def main() -> None:
        async with rig(Path(folder), url) as one:
            await one.sender.run()

    asyncio.run(main())


def whole_way(folder: str, ready: Event) -> None:
    """Feed and sender over a journal that is there, until everything is out."""
    asyncio.run(_whole_way(Path(folder), ready))


async def _whole_way(folder: Path, ready: Event) -> None:
    async with house(folder) as one:
        valid = await one.db.read(lambda conn: FolderTarget.load(conn, "folder"))
        target = FolderTarget("folder", folder / "out", valid, SystemClock())
        target.batch = 7  # many small sends: many places to be killed at
        made = Rig(one.db, target, SystemClock(), one.ops, ReferenceOptions(create_patients=True))

        async def told(_offset: int) -> list[dict[str, str]]:
            return []

        addresses, options = [Address(name="folder", real=False)], FeedOptions(flush_s=0.0)
        feed = Feed(one.journal, one.events, one.db, addresses, told, SystemClock(), one.ops, options)
        ready.set()
        tasks = [asyncio.ensure_future(work) for work in (feed.run(), made.sender.run())]
        while True:
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    task.result()
            pending = await one.db.read(lambda conn: conn.execute("SELECT count(*) FROM delivery WHERE state <> 'done'").get)
            due = await one.db.read(lambda conn: conn.execute("SELECT count(*) FROM item WHERE due_ns IS NOT NULL").get)
            at = await one.db.read(lambda conn: cursor.get(conn, "journal"))
            if not pending and not due and at is not None and at[1] == one.journal.head - 1:
                break
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
