"""A process with a desk and an outbox whose ladder is counted in seconds; told what to do on its standard input, killed at will."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

from gateway import events
from gateway.alerts import desk as desks
from gateway.alerts.policy import from_options
from gateway.clock import SystemClock
from gateway.notify import outbox
from gateway.notify.base import make
from gateway.ops import Ops
from gateway.registry.view import Place, RegistryView, Resident, RotaRow, Site, Staff
from gateway.store import Database, Writer
from gateway.vocabulary import Action, Actor, AlertConflict, AlertKind, Finding, Phase, Priority

LADDER = [0.4, 0.8, 1.2]  # then every 0.4 s; claimed: late arrival after 0.8 s, forgotten after 2.4 s


def house() -> RegistryView:
    """One site, one caregiver on duty around the clock, a thousand residents."""
    view = RegistryView()
    view.sites["s"] = Site(id="s", name="s", tz="UTC")
    view.staff["li"] = Staff(id="li", name="Li", initials="L", role="caregiver", user_id="u-li", channels={"hook": ""})
    view.rota["r"] = RotaRow(id="r", site_id="s", staff_id="li", role="caregiver", weekdays=tuple(range(7)), start="00:00", end="00:00")
    for n in range(1000):
        view.residents[f"r{n}"] = Resident(id=f"r{n}", name="x", initials="X", status="admitted", place=Place(site_id="s", label=f"{n}"))
    return view


def finding(n: int, now_ns: int) -> Finding:
    """Call number n, the same however often it is told."""
    return Finding(
        id=f"call-{n}",
        phase=Phase.START,
        rule="call.sos",
        rule_version=1,
        cause="call.sos",
        kind=AlertKind.CALL,
        priority=Priority.HIGH,
        resident=f"r{n}",
        device=None,
        onset_offset=n,
        onset_ns=now_ns,
        offset=n,
        t_ns=now_ns,
        latched=True,
    )


async def obey(db: Database, desk: desks.AlertDesk, clock: SystemClock, line: str) -> None:
    """call N | claim N: printed again when it is durable."""
    word, _, number = line.partition(" ")
    if word == "call":
        await desk.take([finding(int(number), clock.now_ns())])
    elif word == "claim":
        alerts = await db.read(desks.open_alerts)
        alert = next(one for one in alerts if one.resident_id == f"r{number}")
        try:
            await desk.act(Action.CLAIM, alert.id, Actor(id="u-li"))
            await desk.act(Action.ARRIVE, alert.id, Actor(id="u-li"))
        except AlertConflict as conflict:
            sys.stderr.write(f"{conflict.reason}\n")
            return
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(folder: Path, url: str) -> None:
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops)
    db = Database.open(folder / "store.sqlite", writer, (events.COMPONENT, desks.COMPONENT, outbox.COMPONENT))
    writer.start()
    notifier = make("hook", {"type": "webhook", "url": url, "rate_per_min": 100000, "burst": 10000})
    box = outbox.Outbox(db, clock, ops, {"hook": notifier})
    book = from_options({"ladder": {"call": LADDER}, "desk": [{"channel": "hook"}]})
    log = events.Events(db, clock)
    desk = desks.AlertDesk(db, log, SimpleNamespace(view=house()), clock, ops, book, channels=box.names, wake=box.wake)
    tasks = [asyncio.create_task(desk.run()), asyncio.create_task(box.run())]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await obey(db, desk, clock, line)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await notifier.close()
    log.close()
    await db.close()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
