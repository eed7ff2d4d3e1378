"""All Bluetooth devices of a plan: rooms, people, a second of life at a time, and the commands that tests and the demo give."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_sim.ble.peripheral import ADVERT_MS, Peripheral
from firmware_sim.ble.radio import Room, random_address
from firmware_sim.clock import nap, steady_s, world_ms
from firmware_sim.incidents import KINDS, Incident
from firmware_sim.people import Person, Vitals

STEP_S = 1.0


class BleWard:
    """Rooms with their peripherals; `run` lives until it is cancelled."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.rooms: dict[str, Room] = {}
        self.people: dict[str, Person] = {}
        self.devices: dict[str, Peripheral] = {}
        self.ports: dict[str, int] = {}
        self.step_s = float(plan.get("step_s", STEP_S))
        self._advert_ms = float(plan.get("advert_ms", ADVERT_MS))
        self._running: list[Incident] = []
        seed = int(plan.get("seed", 1))
        rng = random.Random(f"ble-{seed}")
        for row in plan["rooms"]:
            room = self.rooms[row["name"]] = Room(row["name"])
            for device in row["devices"]:
                self._device(room, device, seed, rng)

    def _device(self, room: Room, row: dict[str, Any], seed: int, rng: random.Random) -> None:
        name = row.get("person", row["id"])
        if name not in self.people:
            self.people[name] = Person(name, int(row.get("seed", seed * 1000 + len(self.people))))
        address = row.get("address") or random_address(rng)
        more = {"address": address, "pairing": row.get("pairing", "")}
        made = self.devices[row["id"]] = Peripheral(row["id"], row["kind"], room, self.people[name], **more)
        made.advert_ms = self._advert_ms
        made.on_air = bool(row.get("on_air", True))
        made.blinks = bool(row.get("blinks", False))
        made.measure_every_s = float(row.get("measure_every_s", 0.0))
        made.measure_due_s = rng.uniform(5.0, 60.0)
        made.record_pause_s = float(row.get("record_pause_s", 0.0))
        if row.get("records"):
            made.fill_memory(int(row["records"]))

    async def start(self, host: str | None = None, port: int = 0) -> None:
        """Power everything on; with a host, offer a dongle of each room through HCI over TCP, on rising ports if one is given."""
        for device in self.devices.values():
            await device.start()
        for index, (name, room) in enumerate(self.rooms.items()):
            if host is not None:
                self.ports[name] = await room.listen(host, port + index if port else 0)

    async def close(self) -> None:
        """Power off."""
        for device in self.devices.values():
            await device.close()
        for room in self.rooms.values():
            await room.close()

    async def run(self) -> None:
        """Step the world for ever."""
        due_s = last_s = steady_s()
        while True:
            due_s = max(due_s + self.step_s, steady_s() - self.step_s)
            await nap(due_s - steady_s())
            now_s = steady_s()
            await self.step(now_s - last_s)
            last_s = now_s

    async def step(self, dt_s: float = STEP_S) -> None:
        """One step of everybody."""
        t_s = world_ms() / 1000
        self._running = [incident for incident in self._running if incident.end_s > t_s]
        for person in self.people.values():
            person.disturb = self._disturbance(person.id, t_s)
        for device in self.devices.values():
            device.hushed = self._happens(device, "silent")
            device.drained = self._happens(device, "low_battery")
        vitals = {name: person.at(t_s) for name, person in self.people.items()}
        for device in list(self.devices.values()):
            device.measure_by_itself(vitals[device.person.id], dt_s)
            await device.step(vitals[device.person.id], dt_s)

    def _happens(self, device: Peripheral, what: str) -> bool:
        return any(incident.kind.device == what and incident.person == device.person.id for incident in self._running)

    def _disturbance(self, person: str, t_s: float) -> dict[str, float]:
        total: dict[str, float] = {}
        for incident in self._running:
            if incident.person == person:
                for name, value in incident.shift_at(t_s).items():
                    total[name] = total.get(name, 0.0) + value
        return total

    def vitals(self, device: Peripheral) -> Vitals:
        """Of the device's person, now."""
        return device.person.at(world_ms() / 1000)

    # --- commands

    async def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command: {"do": <name>, ...}; {"incident", "person"} and {"stats"} are the fleet's."""
        if "incident" in command:
            kind, person = str(command["incident"]), str(command["person"])
            if kind not in KINDS or person not in self.people:
                raise ValueError("unknown incident or person")
            self._running.append(Incident(KINDS[kind], person, world_ms() / 1000))
            return {"ok": True, "kind": kind, "person": person}
        if "do" not in command:
            return {"ok": True} | self.stats()
        handler = _COMMANDS.get(str(command["do"]))
        if handler is None:
            raise ValueError(f"unknown command {command['do']!r}")
        found = handler(self, command)
        reply: dict[str, Any] = (await found) if asyncio.iscoroutine(found) else found
        return {"ok": True} | reply

    def stats(self) -> dict[str, Any]:
        """Counts over the ward."""
        devices = self.devices.values()
        return {
            "rooms": len(self.rooms), "devices": len(devices), "connected": sum(device.connected for device in devices),
            "connects": sum(device.connects for device in devices), "sent": sum(len(rows) for d in devices for rows in d.sent.values()),
        }  # fmt: skip

    def _drop(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"lost": self.devices[command["device"]].drop()}

    def _refuse(self, command: dict[str, Any]) -> dict[str, Any]:
        self.devices[command["device"]].refuse(int(command.get("times", 1)))
        return {}

    async def _advertise(self, command: dict[str, Any]) -> dict[str, Any]:
        await self.devices[command["device"]].advertise(bool(command["on"]))
        return {}

    def _unplug(self, command: dict[str, Any]) -> dict[str, Any]:
        self.rooms[command["room"]].unplug()
        return {}

    def _measure(self, command: dict[str, Any]) -> dict[str, Any]:
        device = self.devices[command["device"]]
        for _ in range(int(command.get("count", 1))):
            if device.kind == "cuff":
                device.measure_pressure(self.vitals(device))
            else:
                device.measure_glucose(self.vitals(device), context=bool(command.get("context")))
        return {}

    def _memory(self, command: dict[str, Any]) -> dict[str, Any]:
        device = self.devices[command["device"]]
        return {
            "records": [record.measurement.hex() for record in device.memory.records],
            "requests": [request.hex() for request in device.memory.requests], "sent": list(device.memory.sent),
        }  # fmt: skip

    def _shown(self, command: dict[str, Any]) -> dict[str, Any]:
        display = self.devices[command["device"]].bonds.display
        number, display.shown = display.shown, None
        return {"number": number}

    async def _forget(self, command: dict[str, Any]) -> dict[str, Any]:
        device = self.devices[command["device"]]
        await device.bonds.forget(device.device)
        return {}

    def _blinked(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"levels": list(self.devices[command["device"]].blinked)}

    def _sent(self, command: dict[str, Any]) -> dict[str, Any]:
        rows = self.devices[command["device"]].sent
        return {"sent": {f"{uuid:04x}": [[t_ms, payload.hex()] for t_ms, payload in kept] for uuid, kept in rows.items()}}


_COMMANDS: dict[str, Callable[[BleWard, dict[str, Any]], Any]] = {
    "drop": BleWard._drop, "refuse": BleWard._refuse, "advertise": BleWard._advertise, "unplug": BleWard._unplug,
    "measure": BleWard._measure, "memory": BleWard._memory, "sent": BleWard._sent, "shown": BleWard._shown,
    "blinked": BleWard._blinked, "forget": BleWard._forget,
}  # fmt: skip


def load_plan(path: Path) -> dict[str, Any]:
    """A plan: {"seed", "rooms": [{"name", "devices": [{"id", "kind", "address", "person"}]}]}."""
    plan = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(plan, dict) and isinstance(plan.get("rooms"), list):
        return dict(plan)
    raise ValueError(f"{path}: not a plan of Bluetooth devices (needs a list named rooms)")


async def answer(ward: BleWard, path: Path) -> asyncio.AbstractServer:
    """Serve commands on a Unix socket: one JSON object per line in, one out."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    body = json.loads(line)
                    reply = await ward.obey(body) if isinstance(body, dict) else {"ok": False, "error": "one JSON object per line"}
                except (ValueError, KeyError) as error:
                    reply = {"ok": False, "error": str(error)}
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    await asyncio.to_thread(path.unlink, missing_ok=True)
    server = await asyncio.start_unix_server(talk, str(path))
    await asyncio.to_thread(path.chmod, 0o600)
    return server


async def serve(plan: dict[str, Any], host: str, port: int, control: Path | None, ready: Callable[[dict[str, str]], None]) -> None:
    """Run a plan until cancelled; `ready` hears where each room's dongle is."""
    ward = BleWard(plan)
    await ward.start(host, port)
    server = None if control is None else await answer(ward, control)
    try:
        ready({name: f"tcp-client:{host}:{ward.ports[name]}" for name in ward.rooms})
        await ward.run()
    finally:
        if server is not None:
            server.close()
        await ward.close()
