"""Puts the alarm path together: channels, outbox, links, desk, progress, and the watchdog's process beside it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import apsw

from gateway.alerts import policy
from gateway.alerts.desk import AlertDesk
from gateway.alerts.progress import Progress
from gateway.commands.links import actor_of
from gateway.core import Core
from gateway.links import Links
from gateway.notify.base import Page, make
from gateway.notify.outbox import Outbox
from gateway.processes import end, write_private
from gateway.store import StoreError
from gateway.vocabulary import Action, AlertConflict, AlertNotFound


def alarm_path(core: Core, stack: AsyncExitStack, url: str) -> tuple[Outbox, AlertDesk]:
    """The outbox with its channels, and the desk; `url` is what links in messages start with."""
    notifiers = {}
    for name, raw in core.config.channels.items():
        notifiers[name] = make(name, raw)
        stack.push_async_callback(notifiers[name].close)
    outbox = Outbox(core.store, core.clock, core.ops, notifiers)
    links = Links.open(core.data_dir / "keys" / "link.key", core.store, core.clock, url, core.config.alerts.link_hours)
    outbox.link_of = links.link_of
    progress = Progress(core.data_dir / "run" / "progress")
    stack.callback(progress.close)
    desk = AlertDesk(
        core.store,
        core.events,
        core.registry,
        core.clock,
        core.ops,
        policy.from_options(core.config.alerts.options),
        channels=outbox.names,
        public_url=url,
        wake=outbox.wake,
        progress=progress,
    )

    async def claimed(page: Page) -> None:
        await _claim(core, desk, page)

    outbox.on_claim = claimed
    return outbox, desk


async def _claim(core: Core, desk: AlertDesk, page: Page) -> None:
    """Somebody pressed the key on the telephone; whoever was first stays the owner."""
    actor = actor_of(core.registry.view, page.recipient)
    if actor is None or not page.alert_id:
        return

    def audited(conn: apsw.Connection) -> None:
        core.audit.append(conn, actor=actor.id, action="alert.claim", subject=page.alert_id, purpose="care", detail={"by": "telephone"})

    try:
        await desk.act(Action.CLAIM, page.alert_id, actor, also=audited)
    except (AlertConflict, AlertNotFound):
        core.ops.counters["alerts.telephone_late"] += 1
    except StoreError:
        core.ops.counters["alerts.telephone_lost"] += 1  # the ladder goes on


async def watchdog(core: Core, stack: AsyncExitStack) -> None:
    """Start the second process, with channels of its own."""
    settings, run = core.config.watchdog, core.data_dir / "run"
    pairs = (("webhook", settings.webhook_url), ("apprise", settings.apprise_url))
    tables: dict[str, Any] = {kind: {"type": kind, "url": url} for kind, url in pairs if url}
    write_private(run / "watchdog.json", json.dumps({**tables, **settings.channels}))
    heartbeat = settings.heartbeat_url.get_secret_value() if settings.heartbeat_url is not None else ""
    write_private(run / "watchdog.url", heartbeat)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.watchdog",
        "--progress",
        str(run / "progress"),
        "--limit-s",
        str(settings.limit_s),
        "--channels-file",
        str(run / "watchdog.json"),
        "--disk-low-mib",
        str(settings.disk_low_mib),
        "--heartbeat-file",
        str(run / "watchdog.url"),
        "--heartbeat-s",
        str(settings.heartbeat_s),
        start_new_session=True,
    )
    stack.push_async_callback(end, process)
