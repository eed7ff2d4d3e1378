"""The demo as a process: the gateway, the simulated ward beside it, and what is printed for each role."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import demo, demo_ward
from gateway.config import Ble, Web
from gateway.core import Core
from gateway.main import Gateway, StartError, running
from gateway.office import OPERATOR
from gateway.processes import end, stop_signal, until

BLUETOOTH_WITHIN_S = 30.0
SOCKET_PATH_BYTES = 104  # of the shortest kind of system


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLinks:
    """What the demo prints: the address, and one account per role with its one-time password."""

    url: str
    users: tuple[dict[str, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"url": self.url, "users": list(self.users)}


async def run_demo(
    data_dir: Path,
    *,
    web_port: int | None,
    mqtt_port: int | None,
    every_s: float,
    first_s: float,
    lan: bool,
    on_ready: Callable[[DemoLinks], None],
) -> None:
    """Run the gateway with the simulated ward until SIGINT or SIGTERM; everything that was started ends with it."""
    stop = stop_signal()
    web = Web(host="0.0.0.0" if lan else "127.0.0.1", port=8080 if web_port is None else web_port, http_lan=True)  # noqa: S104
    async with (
        _bluetooth(data_dir) as ble,
        running(data_dir, web_port=web_port, mqtt_port=mqtt_port, web=web, ble=ble, prepare=_furnish) as (gateway, ended),
    ):
        links = await _accounts(gateway)
        async with _simulator(gateway, every_s=every_s, first_s=first_s):
            on_ready(links)
            await until(stop, ended)


def _plan(core: Core) -> Path:
    return core.data_dir / "demo" / "fleet.json"


async def _furnish(core: Core) -> None:
    """Before the doors open: the ward in the registry, the devices' tokens, the simulator's plan."""
    await core.registry.do(OPERATOR, demo.seed)
    await core.registry.do(OPERATOR, demo.pair)
    if not demo.plan_is_current(_plan(core)):
        tokens = {device: await core.tokens.issue(OPERATOR, device) for device in demo.device_ids()}
        await asyncio.to_thread(demo.write_plan, _plan(core), tokens)


async def _accounts(gateway: Gateway) -> DemoLinks:
    core, rows = gateway.core, []
    for login, name, role, staff in demo_ward.USERS:
        password = await demo.fresh_password(core.accounts, core.registry.view, login=login, name=name, role=role, staff=staff)
        if role == "family":
            await core.registry.do(OPERATOR, demo.consent, login)
        rows.append({"role": role, "login": login, "password": password, "page": f"{gateway.url}/"})
    return DemoLinks(url=gateway.url, users=tuple(rows))


@asynccontextmanager
async def _bluetooth(data_dir: Path) -> AsyncIterator[Ble]:
    """The Bluetooth half of the ward, a process of its own; each room's radio is reached through HCI."""
    folder = data_dir / "demo"
    await asyncio.to_thread(demo.write_ble_plan, folder / "ble.json")
    control = folder / "ble.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "firmware_sim",
        "ble",
        "--plan",
        str(folder / "ble.json"),
        *(("--control", str(control)) if len(os.fsencode(control)) < SOCKET_PATH_BYTES else ()),
        "--with-parent",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Ble(backend="bumble", adapters=tuple(await _rooms(process)))
    finally:
        await end(process)


async def _rooms(process: asyncio.subprocess.Process) -> list[str]:
    if process.stdout is None:
        raise StartError("the Bluetooth simulator has no output")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), BLUETOOTH_WITHIN_S)
        return list(json.loads(line)["rooms"].values())
    except (TimeoutError, ValueError, KeyError) as error:
        raise StartError("the Bluetooth simulator did not start: see its words above, or run `python -m firmware_sim ble`") from error


@asynccontextmanager
async def _simulator(gateway: Gateway, *, every_s: float, first_s: float) -> AsyncIterator[None]:
    folder = gateway.core.data_dir / "demo"
    mqtt = gateway.core.config.mqtt
    host, port = (gateway.broker.host, gateway.broker.port) if gateway.broker is not None else (mqtt.host, mqtt.port)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "firmware_sim",
        "fleet",
        "--plan",
        str(folder / "fleet.json"),
        "--host",
        host,
        "--port",
        str(port),
        "--truth",
        str(folder / "truth.ndjson"),
        "--control",
        str(folder / "sim.sock"),
        "--ble-control",
        str(folder / "ble.sock"),
        "--every-s",
        str(every_s),
        "--delay-s",
        str(first_s),
        "--with-parent",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        await end(process)
