"""A fleet of MQTT devices: each with its own connection and credentials, driven by simulated people and incidents."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.clock import pause, steady_s, world_ms
from firmware_sim.devices import Device, Outgoing
from firmware_sim.faults import Link
from firmware_sim.incidents import KINDS, Incident, script
from firmware_sim.people import Person
from firmware_sim.truth import TruthLog

RESEND_AFTER_S = 20.0  # a message without the gateway's acknowledgement is sent again
IN_FLIGHT = 50  # messages per device on the way at once
CLOCK_ERROR_MS = -int(26.9 * 365.25 * 86_400_000)  # a device that thinks it is about the year 2000


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the devices connect to."""

    host: str = "127.0.0.1"
    port: int = 1883
    ca_file: str | None = None


@dataclass(slots=True)
class Wire:
    """One device's MQTT connection: sends, hears acknowledgements, sends again what was not acknowledged."""

    device: Device
    broker: Broker
    link: Link
    client: mqtt.Client = field(init=False)
    connected: bool = field(init=False, default=False)
    _sent_s: dict[int, float] = field(init=False, default_factory=dict)
    _acks: queue.Queue[tuple[str | None, int | None]] = field(init=False)

    def __post_init__(self) -> None:
        self._acks = queue.Queue(maxsize=10_000)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self.device.id, clean_session=True)
        if self.device.token:
            client.username_pw_set(self.device.id, self.device.token)
        if self.broker.ca_file:
            client.tls_set(ca_certs=self.broker.ca_file)
        client.reconnect_delay_set(1, 15)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self.client = client

    def start(self) -> None:
        """Connect in the background and keep trying."""
        self.client.connect_async(self.broker.host, self.broker.port, keepalive=20)
        self.client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self.connected = not reason.is_failure
        if self.connected:
            client.subscribe(f"anxin/ack/{self.device.id}", qos=1)

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _props: Any) -> None:
        self.connected = False

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload)
        if not self._acks.full():
            self._acks.put((body.get("boot_id"), body.get("seq")))

    def pump(self) -> None:
        """Take acknowledgements, then send what is new or overdue, oldest first."""
        while not self._acks.empty():
            boot_id, seq = self._acks.get()
            self.device.acknowledged(boot_id, seq)
            if seq is not None:
                self._sent_s.pop(seq, None)
        if not self.connected:
            self._sent_s.clear()
            return
        now_s = steady_s()
        for out in self._due(now_s):
            self._sent_s[out.seq] = now_s
            for copy in self.link.carry(out):
                self.client.publish(copy.topic, copy.body, qos=1)

    def _due(self, now_s: float) -> list[Outgoing]:
        budget = IN_FLIGHT - len(self._sent_s)
        log = self.device.log
        self._sent_s = {seq: at for seq, at in self._sent_s.items() if seq in log}
        due = [out for out in log.values() if now_s - self._sent_s.get(out.seq, -1e9) >= RESEND_AFTER_S]
        due.sort(key=lambda out: (not out.call, out.seq))
        return due[: max(budget, 5)]


@dataclass(slots=True)
class Resident:
    """A person and the devices on or near them."""

    person: Person
    devices: list[Device]

    def pick(self, *kinds: str) -> Device | None:
        """The first device of one of `kinds`."""
        return next((d for kind in kinds for d in self.devices if d.kind == kind), None)


class Fleet:
    """All residents of a plan; `run` steps the world four times a second until `stop` is set."""

    def __init__(self, plan: dict[str, Any], broker: Broker, *, truth: TruthLog, link_seed: int = 0,
                 drop: float = 0.0, duplicate: float = 0.0, reorder: float = 0.0,
                 relay: Callable[[str, str], None] | None = None) -> None:
        self.relay = relay  # hears of incidents of people who wear nothing here: (kind, person)
        seed = int(plan.get("seed", 1))
        self.truth = truth
        self.residents: dict[str, Resident] = {}
        self.wires: list[Wire] = []
        for index, row in enumerate(plan["people"]):
            person = Person(row["id"], seed * 1000 + index, utc_offset_h=float(row.get("utc_offset_h", 8.0)))
            devices = [Device(id=d["id"], kind=d["kind"], token=d.get("token", ""), seed=world_ms()) for d in row["devices"]]
            self.residents[person.id] = Resident(person, devices)
            for number, device in enumerate(devices):
                link = Link(link_seed * 7919 + index * 31 + number, drop=drop, duplicate=duplicate, reorder=reorder)
                self.wires.append(Wire(device, broker, link))
        self._script: Iterator[Incident] | None = None
        self._next: Incident | None = None
        self._running: list[Incident] = []
        self.commands: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=1000)

    def schedule(self, *, seed: int, every_s: float, delay_s: float) -> None:
        """Let incidents happen by themselves from `delay_s` on."""
        self._script = script(list(self.residents), seed=seed, start_s=world_ms() / 1000 + delay_s, every_s=every_s)
        self._next = next(self._script)

    def begin(self, kind: str, person: str) -> Incident:
        """Start an incident now."""
        if kind not in KINDS:
            raise ValueError(f"unknown incident {kind!r}; known: {', '.join(KINDS)}")
        if person not in self.residents:
            raise ValueError(f"unknown person {person!r}")
        incident = Incident(KINDS[kind], person, world_ms() / 1000)
        self._start(incident)
        return incident

    def _start(self, incident: Incident) -> None:
        resident, kind = self.residents[incident.person], incident.kind
        device = resident.pick("wearable")
        if device is None and self.relay is not None:
            self.relay(kind.name, incident.person)
        if kind.call is not None:
            device = resident.pick("pendant", "button", "wearable") if kind.call == "sos" else resident.pick("pendant", "wearable")
            if device is not None:
                device.call(kind.call, world_ms())
        elif device is not None:
            self._disturb_device(device, kind.device, active=True)
        self._running.append(incident)
        self.truth.add(incident, device.id if device else None)

    @staticmethod
    def _disturb_device(device: Device, what: str | None, *, active: bool) -> None:
        if what == "silent":
            device.silent = active
        elif what == "low_battery":
            device.battery_pct = 4.0 if active else 95.0
        elif what == "clock_wrong":
            device.clock.offset_ms = CLOCK_ERROR_MS if active else 0

    def _advance_incidents(self, t_s: float) -> None:
        while self._next is not None and self._script is not None and self._next.start_s <= t_s:
            self._start(self._next)
            self._next = next(self._script)
        for incident in [i for i in self._running if i.end_s <= t_s]:
            self._running.remove(incident)
            device = self.residents[incident.person].pick("wearable")
            if incident.kind.device and device is not None:
                self._disturb_device(device, incident.kind.device, active=False)
        for resident in self.residents.values():
            total: dict[str, float] = {}
            for incident in self._running:
                if incident.person == resident.person.id:
                    for name, value in incident.shift_at(t_s).items():
                        total[name] = total.get(name, 0.0) + value
            resident.person.disturb = total

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command: {"incident", "person"} or {"drop"|"duplicate"|"reorder": share} or {"stats": true}."""
        if "incident" in command:
            incident = self.begin(str(command["incident"]), str(command["person"]))
            return {"ok": True, "kind": incident.kind.name, "person": incident.person}
        for name in ("drop", "duplicate", "reorder"):
            if name in command:
                for wire in self.wires:
                    setattr(wire.link, name, float(command[name]))
        return {"ok": True} | self.stats()

    def stats(self) -> dict[str, Any]:
        """Counts over the fleet; `waiting` are messages that the gateway has not acknowledged."""
        return {
            "devices": len(self.wires), "connected": sum(w.connected for w in self.wires),
            "waiting": sum(len(w.device.log) for w in self.wires), "overwritten": sum(w.device.overwritten for w in self.wires),
            "dropped": sum(w.link.dropped for w in self.wires), "duplicated": sum(w.link.duplicated for w in self.wires),
            "reordered": sum(w.link.reordered for w in self.wires), "incidents": len(self.truth.labels),
        }

    def step(self) -> None:
        """Advance the world to now and send what is due."""
        t_ms = world_ms()
        self._advance_incidents(t_ms / 1000)
        for resident in self.residents.values():
            vitals = resident.person.at(t_ms / 1000)
            for device in resident.devices:
                device.observe(t_ms, vitals)
        for wire in self.wires:
            wire.pump()

    def run(self, stop: threading.Event) -> None:
        """Connect all devices and live until `stop`."""
        for wire in self.wires:
            wire.start()
        while not pause(0.25, stop):
            while not self.commands.empty():
                command = self.commands.get()
                command["reply"].put(self._answer(command["body"]))
            self.step()
        for wire in self.wires:
            wire.stop()

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.obey(body)
        except (ValueError, KeyError) as error:
            return {"ok": False, "error": str(error)}


def load_plan(path: Path) -> dict[str, Any]:
    """A plan: {"seed", "people": [{"id", "devices": [{"id", "kind", "token"}]}]}."""
    plan = json.loads(path.read_text(encoding="utf-8"))
    people = plan.get("people") if isinstance(plan, dict) else None
    if isinstance(people, list):
        return dict(plan)
    raise ValueError(f"{path}: not a fleet plan (needs a list named people)")
