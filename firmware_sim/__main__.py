"""Command line of the simulator: `python -m firmware_sim fleet|ble|routine|trigger|link|stats`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from firmware_sim.control import ask, serve
from firmware_sim.fleet import Broker, Fleet, load_plan
from firmware_sim.incidents import KINDS
from firmware_sim.routine import homes, write
from firmware_sim.truth import TruthLog


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="anxin sim", description="Simulated residents and MQTT devices at the gateway's real doors.")
    commands = parser.add_subparsers(dest="command", required=True)
    fleet = commands.add_parser("fleet", help="run the devices of a plan until interrupted")
    fleet.add_argument("--plan", type=Path, required=True, help="JSON plan: people and their devices with tokens")
    fleet.add_argument("--host", default="127.0.0.1")
    fleet.add_argument("--port", type=int, default=1883)
    fleet.add_argument("--ca-file")
    fleet.add_argument("--truth", type=Path, help="append truth labels to this file (NDJSON)")
    fleet.add_argument("--every-s", type=float, default=60.0, help="mean time between incidents; 0 = none by themselves")
    fleet.add_argument("--delay-s", type=float, default=25.0, help="first incident after this time")
    fleet.add_argument("--seed", type=int, default=1)
    fleet.add_argument("--ble-control", type=Path, help="Unix socket of the Bluetooth simulator, which is told of its people's incidents")
    fleet.add_argument("--with-parent", action="store_true", help="stop when standard input closes, that is when the starter is gone")
    for share in ("drop", "duplicate", "reorder"):
        fleet.add_argument(f"--{share}", type=float, default=0.0, help=f"share of messages to {share}")
    ble = commands.add_parser("ble", help="run the Bluetooth devices of a plan, each room's radio offered through HCI, until interrupted")
    ble.add_argument("--plan", type=Path, required=True, help="JSON plan: rooms and their devices")
    ble.add_argument("--listen", default="127.0.0.1:0", help="host:port of the first room; port 0 = any free ones (printed as JSON)")
    ble.add_argument("--with-parent", action="store_true", help="stop when standard input closes, that is when the starter is gone")
    routine = commands.add_parser("routine", help="write months of daily life in flats with sensors as a recording for `anxin replay`")
    routine.add_argument("--out", type=Path, required=True, help="CSV of readings")
    routine.add_argument("--truth", type=Path, help="labels of what happened (NDJSON)")
    routine.add_argument("--people", type=int, default=4)
    routine.add_argument("--days", type=int, default=60)
    routine.add_argument("--seed", type=int, default=1)
    routine.add_argument("--start-s", type=float, default=1_767_196_800.0, help="a local midnight in UTC seconds")
    trigger = commands.add_parser("trigger", help="start an incident in a running fleet")
    trigger.add_argument("incident", choices=sorted(KINDS))
    trigger.add_argument("--person", required=True)
    link = commands.add_parser("link", help="change the faults of a running fleet's links")
    for share in ("drop", "duplicate", "reorder"):
        link.add_argument(f"--{share}", type=float)
    commands.add_parser("stats", help="counts of a running fleet")
    for sub in (fleet, ble, trigger, link, commands.choices["stats"]):
        sub.add_argument("--control", type=Path, required=sub not in (fleet, ble), help="Unix socket of the running simulator")
    return parser


def _until_eof(stop: Callable[[], object]) -> None:
    # Not through sys.stdin: a thread that holds its lock when the interpreter ends is a fatal error.
    while os.read(0, 4096):
        pass
    stop()


def _run_fleet(options: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    fleet = Fleet(
        load_plan(options.plan), Broker(options.host, options.port, options.ca_file), truth=TruthLog(options.truth),
        link_seed=options.seed, drop=options.drop, duplicate=options.duplicate, reorder=options.reorder,
        relay=None if options.ble_control is None else functools.partial(_relay, options.ble_control),
    )
    if options.with_parent:
        threading.Thread(target=_until_eof, args=(stop.set,), daemon=True).start()
    if options.every_s > 0:
        fleet.schedule(seed=options.seed, every_s=options.every_s, delay_s=options.delay_s)
    if options.control is not None:
        serve(fleet, options.control, stop)
    fleet.run(stop)
    print(json.dumps(fleet.stats()))
    return 0


def _relay(path: Path, kind: str, person: str) -> None:
    """Tell the Bluetooth simulator, without waiting for it."""

    def tell() -> None:
        try:
            ask(path, {"incident": kind, "person": person})
        except (OSError, ValueError, TypeError) as error:
            print(f"anxin sim: the Bluetooth simulator did not hear of an incident: {error}", file=sys.stderr)

    threading.Thread(target=tell, daemon=True).start()


def _say_rooms(rooms: dict[str, str]) -> None:
    print(json.dumps({"ready": True, "rooms": rooms}), flush=True)


def _run_ble(options: argparse.Namespace) -> int:
    from firmware_sim.ble.ward import load_plan as load_rooms  # Bumble takes its time to load
    from firmware_sim.ble.ward import serve as serve_rooms

    host, _, port = options.listen.rpartition(":")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        work = asyncio.ensure_future(serve_rooms(load_rooms(options.plan), host, int(port), options.control, _say_rooms))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, work.cancel)
        if options.with_parent:
            threading.Thread(target=_until_eof, args=(lambda: loop.call_soon_threadsafe(work.cancel),), daemon=True).start()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    asyncio.run(run())
    return 0


def _write_routine(options: argparse.Namespace) -> int:
    lives = homes(options.people, options.days, start_s=options.start_s, seed=options.seed)
    print(json.dumps({"readings": write(lives, options.out, options.truth), "people": len(lives), "days": options.days}))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when done, 1 when the running fleet refused, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "fleet":
            return _run_fleet(options)
        if options.command == "ble":
            return _run_ble(options)
        if options.command == "routine":
            return _write_routine(options)
        if options.command == "trigger":
            body: dict[str, object] = {"incident": options.incident, "person": options.person}
        elif options.command == "link":
            body = {k: v for k in ("drop", "duplicate", "reorder") if (v := getattr(options, k)) is not None}
        else:
            body = {"stats": True}
        answer = ask(options.control, body)
    except (OSError, ValueError, TypeError) as error:
        print(f"anxin sim: {error}", file=sys.stderr)
        return 2
    print(json.dumps(answer))
    return 0 if answer.get("ok") else 1


if __name__ == "__main__":
    sys.exit(main())
