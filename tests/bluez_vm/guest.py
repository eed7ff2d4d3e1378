"""Runs inside the machine: the collecting half of a gateway on bleak and BlueZ, and what must reach the journal."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import termios
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.collect.ble.book import Book
from gateway.collect.ble.collector import BleCollector
from gateway.collect.ble.pairing import Step
from gateway.collect.ble.parts import Timing
from gateway.collect.ble.radio import radio
from gateway.readings import FrameRow
from gateway.registry import bindings, org
from gateway.vocabulary import SYSTEM
from tests.bluez_vm.names import DEVICES
from tests.support.intake_node import Node

DAEMON = "/usr/libexec/bluetooth/bluetoothd"
TIMING = Timing(connect_s=30, exchange_s=20, linger_s=3, burst_s=2, revisit_s=8, records_silence_s=20, landing_s=30, silence_s=60)
HEART_RATE, SPO2, GLUCOSE, PRESSURE = "gatt/180d/2a37", "gatt/1822/2a5f", "gatt/1808/2a18", "gatt/1810/2a35"


def say(words: str) -> None:
    """A line for the host's report."""
    print(f"vm| {words}", flush=True)


class Control:
    """The line to the simulated devices."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._fd)
        termios.tcflush(self._fd, termios.TCIOFLUSH)

    def ask(self, **command: Any) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        os.write(self._fd, json.dumps(command).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(self._fd, 4096)
        found = dict(json.loads(answer))
        if not found.get("ok"):
            raise RuntimeError(f"the simulator: {found}")
        return found


class Bluez:
    """The daemon, which scenarios may kill."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and power the adapter on."""
        nowhere = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(DAEMON, "-n", stdout=nowhere, stderr=nowhere)
        ends_s = time.monotonic() + 60
        while time.monotonic() < ends_s:
            done = await asyncio.to_thread(subprocess.run, ["bluetoothctl", "power", "on"], capture_output=True, timeout=30, check=False)
            if b"succeeded" in done.stdout:
                return
            await asyncio.sleep(0.5)
        raise RuntimeError("the adapter does not power on")

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


class Room:
    """What a scenario works with."""

    def __init__(self, control: Control, bluez: Bluez) -> None:
        self.control, self.bluez = control, bluez
        self.count = 0
        self.door: BleCollector

    @asynccontextmanager
    async def gateway(self, *devices: str) -> AsyncIterator[Node]:
        """A new gateway that knows these devices and no others."""
        self.count += 1
        node = await Node(Path(f"/tmp/gateway-{self.count}")).start()
        node.registry.do_sync(SYSTEM, org.set_site, name="S", site_id="S")
        for device in devices:
            node.registry.do_sync(SYSTEM, bindings.set_device, device, site="S", facts={"ble_address": DEVICES[device]})
        adapter = radio("bleak", "hci0", SystemClock(), links=8)
        door = BleCollector([adapter], node.registry, Book(node.store, node.clock), node.clock, node.ops, timing=TIMING, strangers=False)
        self.door = door
        intake = asyncio.ensure_future(node.intake.run([door]))
        try:
            yield node
        finally:
            intake.cancel()
            await asyncio.gather(intake, return_exceptions=True)
            await door.close()
            await node.stop()


def frames(node: Node, device: str, topic: str) -> list[FrameRow]:
    """What the journal holds of a device and characteristic."""
    blocks = node.journal.read_sync(1, 100_000)
    rows = [row for block in blocks if block.readings is not None for row in block.readings.frames]
    return [row for row in rows if row.device == device and row.topic == topic]


async def until(what: str, look: Callable[[], object], within_s: float = 90.0) -> float:
    """Wait for something to become true; says after how long."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < within_s:
        if look():
            return time.monotonic() - began_s
        await asyncio.sleep(0.2)
    raise AssertionError(f"not within {within_s:.0f} s: {what}")


async def streams(room: Room) -> str:
    """Heart rate with RR intervals, and an oximeter, at once; both come back after a lost link."""
    async with room.gateway("strap", "oximeter") as node:
        first = await until("beats", lambda: len(frames(node, "strap", HEART_RATE)) >= 5)
        await until("saturation", lambda: len(frames(node, "oximeter", SPO2)) >= 5)
        room.control.ask(do="drop", device="strap")
        held = len(frames(node, "strap", HEART_RATE))
        again = await until("beats after the loss", lambda: len(frames(node, "strap", HEART_RATE)) >= held + 3)
    return f"beats after {first:.1f} s, again {again:.1f} s after a lost link"


async def records(room: Room) -> str:
    """Forty stored records exactly once, then only the new one."""
    async with room.gateway("meter") as node:
        took = await until("40 records", lambda: len(frames(node, "meter", GLUCOSE)) >= 40)
        await until("a visit's end", lambda: not node.ops.faults())
        room.control.ask(do="measure", device="meter")
        await until("the new record", lambda: len(frames(node, "meter", GLUCOSE)) >= 41)
        await asyncio.sleep(3)
        held = sorted(row.payload for row in frames(node, "meter", GLUCOSE))
        told = room.control.ask(do="memory", device="meter")
        assert held == sorted(bytes.fromhex(text) for text in told["records"]), f"{len(held)} held"
        sent = told["sent"]
        assert sent[:40] == list(range(1, 41)), f"sent more than once: {sent}"
        assert set(sent[40:]) == {40, 41}, f"more than the new one and the last known one: {sent}"
    return f"40 records after {took:.1f} s, then the 41st alone"


async def cuff(room: Room) -> str:
    """A cuff that is on the air only after a measurement."""
    async with room.gateway("cuff") as node:
        room.control.ask(do="measure", device="cuff")
        room.control.ask(do="advertise", device="cuff", on=True)
        took = await until("the measurement", lambda: frames(node, "cuff", PRESSURE))
        room.control.ask(do="advertise", device="cuff", on=False)
    return f"indicated, confirmed and stored after {took:.1f} s"


async def daemon_restart(room: Room) -> str:
    """bluetoothd is killed and started again; this process goes on and so do the beats."""
    async with room.gateway("strap") as node:
        await until("beats", lambda: len(frames(node, "strap", HEART_RATE)) >= 3)
        await room.bluez.kill()
        await until("the loss is noticed", lambda: any(fault.code == "ble.adapter" for fault in node.ops.faults()), 60)
        held = len(frames(node, "strap", HEART_RATE))
        await room.bluez.start()
        took = await until("beats again", lambda: len(frames(node, "strap", HEART_RATE)) >= held + 3, 120)
        assert not any(fault.code == "ble.adapter" for fault in node.ops.faults())
    return f"streams {took:.1f} s after the daemon was back, process {os.getpid()} all along"


async def _pair(room: Room, device: str) -> str:
    """Refused at first, then paired with the help of a person, then back by itself, in a new gateway too."""
    room.control.ask(do="advertise", device=device, on=True)
    async with room.gateway(device) as node:
        desk = room.door.parts.pairings
        await until("somebody is asked to pair it", lambda: any(fault.code == "ble.bond" for fault in node.ops.faults()))
        assert not frames(node, device, GLUCOSE)
        pairing = desk.begin(device, DEVICES[device])
        if device == "showing":
            await until("a number is asked for", lambda: pairing.step is Step.PASSKEY or pairing.over, 120)
            assert not pairing.over, pairing.cause
            desk.type(device, int(room.control.ask(do="shown", device=device)["number"]))
        took = await until("the end", lambda: pairing.over, 180)
        assert pairing.step is Step.PAIRED, f"{pairing.step} {pairing.cause}"
        await until("its records", lambda: len(frames(node, device, GLUCOSE)) == 5)
    async with room.gateway(device) as node:
        room.control.ask(do="measure", device=device)
        again = await until("the bond holds", lambda: len(frames(node, device, GLUCOSE)) == 6)
        assert room.control.ask(do="shown", device=device)["number"] is None, "it was paired once more"
    room.control.ask(do="advertise", device=device, on=False)
    return f"paired in {took:.1f} s, back by itself in a new gateway after {again:.1f} s"


async def just_works(room: Room) -> str:
    """Pairing without a display, through our own agent."""
    return await _pair(room, "quiet")


async def passkey(room: Room) -> str:
    """Pairing with a number that the device shows and a person types."""
    return await _pair(room, "showing")


SCENARIOS: dict[str, Callable[[Room], Awaitable[str]]] = {
    function.__name__: function for function in (streams, records, cuff, just_works, passkey, daemon_restart)
}


async def run(names: list[str]) -> int:
    """Each scenario in turn; how many failed."""
    bluez = Bluez()
    await bluez.start()
    say("bluetoothd is up, the adapter is on")
    room, failed = Room(Control("/dev/ttyS2"), bluez), 0
    for name in names or list(SCENARIOS):
        try:
            seen = await SCENARIOS[name](room)
            say(f"passed  {name}: {seen}")
        except Exception as error:  # noqa: BLE001 - whatever went wrong is this scenario's result
            failed += 1
            say(f"FAILED  {name}: {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
