"""One Bluetooth device: its GATT server, what it measures on its person, its memory, and how its link misbehaves on command."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from bumble.att import ATT_Error
from bumble.core import AdvertisingData
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from firmware_sim.ble import racp, services, wire
from firmware_sim.ble.bonds import Bonds
from firmware_sim.ble.kinds import PENDING, RECORDS, SERVICES, services_of
from firmware_sim.ble.radio import Room
from firmware_sim.ble.slots import Slots
from firmware_sim.clock import DeviceClock, nap, world_ms
from firmware_sim.people import Person, Vitals

ADVERT_MS = 160.0
BATTERY_EVERY_S = 60.0
INDICATION_S = 10.0
DRAINED_PCT = 4
UTC_OFFSET_MS = 8 * 3600 * 1000  # health devices keep local time


class Peripheral:
    """A device of one of the kinds in kinds.py; what is to be set before the start says so."""

    def __init__(
        self, name: str, kind: str, room: Room, person: Person, *, address: str, clock: DeviceClock | None = None, pairing: str = ""
    ) -> None:
        if kind not in SERVICES:
            raise ValueError(f"unknown kind of Bluetooth device {kind!r}; known: {', '.join(SERVICES)}")
        self.name = name
        self.kind = kind
        self.person = person
        self.clock = clock or DeviceClock(offset_ms=UTC_OFFSET_MS)
        self.memory = racp.Memory()
        self.battery_pct = 90.0
        self.worn = True
        self.silent = False  # connected, but says nothing
        self.hushed = False  # the same for as long as an incident lasts
        self.drained = False  # battery all but empty for as long as an incident lasts
        self.advert_ms = ADVERT_MS
        self.on_air = True  # advertises while nobody is connected
        self.label = services.Label(model=f"sim-{kind}", serial=name)  # what it says of itself; set before the start
        self.shown_name = name  # as it advertises
        self.record_pause_s = 0.0  # between two records that are reported
        self.blinks = False  # has Immediate Alert, by which it can be told to blink; set before the start
        self.blinked: list[int] = []  # levels that it was told
        self.cut_every = 0  # the link is lost after each so many of them
        self._told = 0
        self.measure_every_s = 0.0  # a spot device of somebody who measures by the clock
        self.measure_due_s = 0.0
        self.sent: dict[int, list[tuple[int, bytes]]] = {}  # per characteristic: (world ms, bytes) that went out, the latest thousands
        self.connects = 0
        self.pending: list[bytes] = []  # measurements that no gateway has confirmed
        self._owners: dict[bytes, int] = {}  # whose slot they are of
        self.slots = Slots()  # codes of its users, if it has any; set before the start
        self.early = 0  # so many are told as soon as there is a link, before anybody listens
        self.air_s = 0.0  # on the air for so long after a measurement, else off it
        self.slow_s = 0.0  # until it answers a request
        self.has_context = True  # of a glucometer: whether it can tell the context at all; set before the start
        self.clock_uuid = 0x2A2B  # or 0x2A08, or 0 for a device that shows no clock; set before the start
        self.clock_settable = False  # set before the start
        self.session_start_ms = self.now_ms()  # of a sensor under the skin
        self._record_uuid, self._pending_uuid = RECORDS.get(kind, 0), PENDING.get(kind, 0)
        self._rng = random.Random(f"ble-{name}")
        self.address = address
        self.bonds = Bonds(pairing, self._rng)
        self._controller = room.controller(name)
        self._phase = 0.0  # since the last beat
        self._battery_due_s = 0.0
        self._jobs: set[asyncio.Task[None]] = set()
        self._serving = False
        self._sending = False
        self.characteristics: dict[int, services.Value] = {}
        self._radio = asyncio.Lock()
        self._radio_job: asyncio.Task[None] | None = None
        host = Host(self._controller, AsyncPipeSink(self._controller))
        self.device = Device(name=name, address=Address(address, Address.RANDOM_DEVICE_ADDRESS), host=host)

    # --- life

    async def start(self) -> None:
        """Power on and advertise."""
        self.device.add_services(services_of(self))
        uuids = b"".join(uuid.to_bytes(2, "little") for uuid in SERVICES[self.kind])
        self.device.advertising_data = bytes(AdvertisingData([
            (AdvertisingData.FLAGS, b"\x06"),
            (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, uuids),
            (AdvertisingData.SHORTENED_LOCAL_NAME, self.shown_name.encode()[:16]),
        ]))  # fmt: skip
        self.device.on("connection", self._connected)
        await self.device.power_on()
        self.bonds.fit(self.device)
        await self.advertise(self.on_air)

    async def advertise(self, on: bool) -> None:
        """Go on the air, or off it; a link that stands is kept."""
        self.on_air = on
        # A command that is cut off in the middle would leave its answer to the next one: never cancelled, never two at once.
        self._radio_job = asyncio.ensure_future(self._set_advertising())
        await asyncio.shield(self._radio_job)

    async def _set_advertising(self) -> None:
        async with self._radio:
            if self.on_air and not self.device.connections:
                await self.device.start_advertising(advertising_interval_min=self.advert_ms, advertising_interval_max=self.advert_ms)
            elif not self.on_air:
                await self.device.stop_advertising()

    def drop(self) -> int:
        """Lose the link as when somebody walks out of range."""
        return self._controller.lose_links()

    def refuse(self, times: int = 1) -> None:
        """Let the next connections fail to be established."""
        self._controller.refusals = times

    async def close(self) -> None:
        """Power off."""
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        if self._radio_job is not None:
            await self._radio_job
        self._controller.hang_up()
        await self.device.power_off()

    @property
    def connected(self) -> bool:
        """Whether a gateway is connected."""
        return bool(self.device.connections)

    def _connected(self, connection: Any) -> None:
        self.connects += 1
        connection.on("disconnection", self._disconnected)
        if self.early:
            self._run(self._tell_early(connection))
        elif self.kind in PENDING:
            self._run(self._send_pending(connection))

    def _disconnected(self, _reason: int) -> None:
        for job in list(self._jobs):
            job.cancel()
        self.slots.close()
        self._serving = False
        if self.on_air:
            self._run(self.advertise(True))

    def _run(self, work: Any) -> None:
        job: asyncio.Task[None] = asyncio.ensure_future(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    # --- for its services

    def now_ms(self) -> int:
        """What the device's clock shows, local time as if it were UTC."""
        shown = self.clock.read_ms(world_ms())
        return 0 if shown is None else shown

    def set_clock(self, payload: bytes) -> None:
        """Somebody sets its clock."""
        self.clock.offset_ms += wire.time_from(payload) - self.now_ms()

    async def on_user_control(self, connection: Any, request: bytes) -> None:
        """A request about its users."""
        if not self.subscribed(0x2A9F):
            raise ATT_Error(services.CCCD_MISSING)
        answer = self.slots.answer(bytes(request))
        self._run(self.device.indicate_subscriber(connection, self.characteristics[0x2A9F], answer))

    def subscribed(self, uuid: int) -> bool:
        """Whether the gateway listens to a characteristic."""
        handle = self.characteristics[uuid].handle
        return any(any(cccds.get(handle, b"\0")) for cccds in self.device.gatt_server.subscribers.values())

    # --- measurements

    async def step(self, vitals: Vitals, dt_s: float) -> None:
        """A second of life: beats and saturation go out to whoever listens."""
        self._battery_due_s -= dt_s
        self.battery_pct = max(1.0, self.battery_pct - 0.0001 * dt_s)
        if self.silent or self.hushed or not self.connected:
            return
        if 0x2A37 in self.characteristics:
            await self._notify(0x2A37, wire.heart_rate(round(vitals.hr_bpm), self._beats(vitals.hr_bpm, dt_s), worn=self.worn))
        if 0x2A5F in self.characteristics:
            await self._notify(0x2A5F, wire.plx_continuous(round(vitals.spo2_pct), round(vitals.hr_bpm)))
        if self._battery_due_s <= 0:
            self._battery_due_s = BATTERY_EVERY_S
            await self._notify(0x2A19, self.battery())

    def battery(self) -> bytes:
        """Its level in percent."""
        return bytes([DRAINED_PCT if self.drained else round(self.battery_pct)])

    def _beats(self, hr_bpm: float, dt_s: float) -> list[float]:
        """RR intervals in seconds of the beats that fell into this step."""
        self._phase += dt_s
        found: list[float] = []
        while len(found) < 9:
            rr_s = 60.0 / max(25.0, hr_bpm) * self._rng.gauss(1.0, 0.03)
            if self._phase < rr_s:
                return found
            self._phase -= rr_s
            found.append(rr_s)
        self._phase = 0.0
        return found

    def measure_glucose(self, vitals: Vitals, *, sequence: int | None = None, context: bool = False) -> racp.Record:
        """A drop of blood: one more record in the memory."""
        number = sequence if sequence is not None else (self.memory.records[-1].sequence + 1 if self.memory.records else 1)
        payload = wire.glucose(number, self.now_ms(), vitals.glucose_mmol_l, context=context)
        record = racp.Record(number, payload, wire.glucose_context(number, meal=1) if context else None)
        self.memory.records.append(record)
        return record

    def sense(self, minutes: int, mg_dl: int) -> racp.Record:
        """What a sensor under the skin found, so many minutes into its session."""
        record = racp.Record(minutes, wire.cgm(minutes, mg_dl))
        self.memory.records.append(record)
        return record

    async def observe(self, payload: bytes) -> None:
        """Say something in a format that is given from outside."""
        await self._notify(0x2B8B, payload)

    def weigh(self, kg: float, *, user: int | None = None, fat_pct: float = 24.0) -> bytes:
        """Somebody steps on the scale; kept until a gateway has confirmed it."""
        if self.kind == "body_scale":
            payload = wire.composition(fat_pct, self.now_ms(), kg=kg, ohm=520.0, user=user)
        else:
            payload = wire.weight(kg, self.now_ms(), user=user)
        return self.keep(payload, user)

    def take_temperature(self, cel: float) -> bytes:
        """A thermometer in somebody's ear."""
        return self.keep(wire.temperature(cel, self.now_ms()))

    def measure_spot(self, spo2_pct: int, pulse_bpm: int) -> racp.Record:
        """A finger in an oximeter that keeps what it has found."""
        record = racp.Record(len(self.memory.records), wire.plx_spot(spo2_pct, pulse_bpm, self.now_ms()))
        self.memory.records.append(record)
        return record

    def keep(self, payload: bytes, user: int | None = None) -> bytes:
        """Something measured that is told as soon as somebody listens, and forgotten once it is confirmed."""
        if user is not None:
            self._owners[payload] = user
        self.pending.append(payload)
        for connection in list(self.device.connections.values()):
            self._run(self._send_pending(connection))
        if self.air_s:
            self._airing = asyncio.ensure_future(self._air())
        return payload

    async def _air(self) -> None:
        """On the air for as long as such a device is after a measurement."""
        await self.advertise(True)
        await nap(self.air_s)
        await self.advertise(False)

    def restamp(self, stamp: bytes) -> racp.Record:
        """The newest record gets another time."""
        record = self.memory.records[-1]
        made = racp.Record(record.sequence, record.measurement[:3] + stamp + record.measurement[10:], record.context)
        self.memory.records[-1] = made
        return made

    def fill_memory(self, count: int, *, every_s: int = 3600) -> None:
        """So many records, the last of them just made."""
        now_ms = self.now_ms()
        first = self.memory.records[-1].sequence + 1 if self.memory.records else 1
        for index in range(count):
            number, at_ms = first + index, now_ms - (count - index) * every_s * 1000
            self.memory.records.append(racp.Record(number, wire.glucose(number, at_ms, round(self._rng.uniform(4.0, 12.0), 1))))

    def number_by_place(self) -> None:
        """Number the memory as some meters do: 0 is the newest record, and each new one moves all others on."""
        self.memory.records = [racp.Record(
            place, record.measurement[:1] + place.to_bytes(2, "little") + record.measurement[3:], record.context,
        ) for place, record in reversed(list(enumerate(reversed(self.memory.records))))]  # fmt: skip

    def measure_pressure(self, vitals: Vitals, *, timed: bool = True) -> bytes:
        """A measurement of the cuff, indicated as soon as a gateway listens and kept until it has confirmed it."""
        t_ms = self.now_ms() if timed else None
        payload = wire.blood_pressure(round(vitals.sbp_mmhg), round(vitals.dbp_mmhg), t_ms, pulse_bpm=round(vitals.hr_bpm))
        return self.keep(payload)

    def measure_by_itself(self, vitals: Vitals, dt_s: float) -> None:
        """Take a measurement each `measure_every_s`, as its owner would; 0 = only on command."""
        if self.measure_every_s <= 0 or self.hushed:
            return
        self.measure_due_s -= dt_s
        if self.measure_due_s <= 0:
            self.measure_due_s = self.measure_every_s
            if self.kind == "cuff":
                self.measure_pressure(vitals)
            else:
                self.measure_glucose(vitals)

    # --- sending

    async def _notify(self, uuid: int, payload: bytes) -> None:
        if not self.subscribed(uuid):
            return
        self._keep(uuid, payload)
        await self.device.notify_subscribers(self.characteristics[uuid], payload)

    def _keep(self, uuid: int, payload: bytes) -> None:
        rows = self.sent.setdefault(uuid, [])
        rows.append((world_ms(), payload))
        del rows[:-20_000]

    async def _send_pending(self, connection: Any) -> None:
        """Indicate what waits, oldest first; a measurement leaves the memory once it is confirmed."""
        if self._sending:
            return
        self._sending = True
        try:
            while self.pending:
                told = [one for one in self.pending if self.slots.may_see(self._owners.get(one))]
                if not told or not self.subscribed(self._pending_uuid):
                    await nap(0.02)
                    continue
                async with asyncio.timeout(INDICATION_S):
                    await self.device.indicate_subscriber(connection, self.characteristics[self._pending_uuid], told[0])
                self.pending.remove(told[0])
                self._keep(self._pending_uuid, told[0])
        except TimeoutError:
            return  # it waits for the next connection
        finally:
            self._sending = False

    async def _tell_early(self, connection: Any) -> None:
        """Its latest ones, to a gateway that does not listen yet, as a device does that remembers having been listened to."""
        for record in self.memory.records[-self.early :]:
            await self.device.notify_subscriber(connection, self.characteristics[self._record_uuid], record.measurement, force=True)
        for payload in self.pending[: self.early]:
            async with asyncio.timeout(INDICATION_S):
                await self.device.indicate_subscriber(connection, self.characteristics[self._pending_uuid], payload, force=True)
            self.pending.remove(payload)
        if self.kind in PENDING:
            await self._send_pending(connection)

    async def on_control(self, connection: Any, request: bytes) -> None:
        """A request to the record access control point."""
        if not self.subscribed(0x2A52) or not self.subscribed(self._record_uuid):
            raise ATT_Error(services.CCCD_MISSING)
        if self._serving and request[:1] != bytes([racp.ABORT]):
            raise ATT_Error(services.IN_PROGRESS)
        self._serving = True
        self._run(self._serve(connection, bytes(request)))

    async def _serve(self, connection: Any, request: bytes) -> None:
        async def send(record: racp.Record) -> None:
            await nap(self.record_pause_s)
            if self.kind == "spot_oximeter":
                await self.device.indicate_subscriber(connection, self.characteristics[self._record_uuid], record.measurement)
            else:
                await self._notify(self._record_uuid, record.measurement)
            if record.context is not None and self.has_context:
                await self._notify(0x2A34, record.context)
            self._told += 1
            if self.cut_every and self._told % self.cut_every == 0:
                self.drop()

        async def indicate(payload: bytes) -> None:
            self._serving = False
            async with asyncio.timeout(INDICATION_S):
                await self.device.indicate_subscriber(connection, self.characteristics[0x2A52], payload)

        try:
            await racp.serve(self.memory, request, send, indicate)
        except TimeoutError:
            self._serving = False
