"""One adapter: scan all the time, connect on an advert, one attempt at a time, as many links as it holds; up again by itself."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from functools import partial

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from devices.adverts import bthome
from gateway.clock import NS_PER_S, wait_for_event
from gateway.collect.ble import adverts, bonding, facts, showing
from gateway.collect.ble.air import Showing
from gateway.collect.ble.pairing import Pairing, Step
from gateway.collect.ble.parts import Item, Parts, within
from gateway.collect.ble.radio import Radio
from gateway.collect.ble.session import Session
from gateway.registry.errors import RegistryError
from gateway.store import StoreError
from gateway.vocabulary import SYSTEM

LOG = logging.getLogger("anxin.ble")
HEALTH = frozenset(f"0000{short}-0000-1000-8000-00805f9b34fb" for short in "180d 1822 1808 1809 1810 181b 181d 181f 1840".split())
STREAMING = frozenset(f"0000{short}-0000-1000-8000-00805f9b34fb" for short in ("180d",))
TARGETS = 500  # addresses that are remembered; strangers change theirs as they please
KEPT_FREE = 1  # links that streaming devices leave to those that come for a moment


@dataclass(slots=True)
class Target:
    """An address that may be connected to."""

    address: str
    device: str
    known: bool  # in the registry by this address
    advert: BLEDevice
    streams: bool
    heard_ns: int = 0
    not_before_ns: int = 0
    visited_ns: int | None = None
    failures: int = 0


def stranger_id(address: str) -> str:
    """The id under which a device that nobody entered comes into the inbox."""
    return "ble-" + "".join(char for char in address.lower() if char.isalnum())


class Hub:
    """Runs one adapter until it is cancelled."""

    def __init__(self, radio: Radio, parts: Parts, *, links: int) -> None:
        self.name = radio.name
        self.sessions: dict[str, asyncio.Task[None]] = {}
        self._radio = radio
        self._parts = parts
        self._links = links
        self._targets: dict[str, Target] = {}
        self._waiting: dict[str, None] = {}  # addresses, in the order in which they were heard
        self._found = asyncio.Event()
        self._heard_ns = 0
        self._streaming: set[str] = set()  # devices whose link is kept
        self._addresses: tuple[int, dict[str, str]] = (-1, {})  # as of an offset of the events
        self._down_said = False
        self._why = ""

    async def run(self) -> None:
        """Open, work, and open again after a loss: one line when it goes, one when it is back."""
        parts, failures = self._parts, 0
        while True:
            cause, self._why = "", "gateway stopped"
            began_ns = parts.clock.monotonic_ns()
            try:
                await self._radio.open(parts.pairings)
                cause = await self._live()
            except asyncio.CancelledError:
                await self._close()
                raise
            except Exception as error:  # noqa: BLE001 - every stack has its own errors; whichever it is, the adapter is opened anew
                cause = type(error).__name__
            self._why = "adapter lost"
            await self._close(ended=True)
            steady = parts.clock.monotonic_ns() - began_ns > parts.timing.steady_s * NS_PER_S
            failures = 1 if steady else failures + 1
            if not self._down_said:
                self._down_said = True
                LOG.warning("bluetooth: adapter %s is not there (%s)", self.name, cause)
                parts.ops.fault("ble.adapter", self.name, cause=cause)
            await parts.clock.sleep(self._backoff_s(failures))

    def _is_up(self) -> None:
        if self._down_said:
            self._down_said = False
            LOG.warning("bluetooth: adapter %s is back", self.name)
            self._parts.ops.clear("ble.adapter", self.name)

    def _backoff_s(self, failures: int) -> float:
        timing = self._parts.timing
        return float(min(timing.backoff_cap_s, timing.backoff_first_s * 2 ** min(failures - 1, 12)) * random.uniform(0.8, 1.2))

    async def _close(self, *, ended: bool = False) -> None:
        if ended and self.sessions:  # with their adapter the links have ended, and sessions know it
            timer = asyncio.ensure_future(self._parts.clock.sleep(self._parts.timing.exchange_s))
            every = asyncio.gather(*self.sessions.values(), return_exceptions=True)
            await asyncio.wait((every, timer), return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
        for task in list(self.sessions.values()):
            task.cancel()
        await asyncio.gather(*self.sessions.values(), return_exceptions=True)
        self.sessions.clear()
        self._waiting.clear()
        try:
            await within(self._parts.clock, self._radio.close(), self._parts.timing.connect_s)
        except Exception as error:  # noqa: BLE001 - what cannot be closed is left behind
            self._parts.ops.counters[f"ble.close.{type(error).__name__}"] += 1

    # --- scan and connect, in turns

    async def _live(self) -> str:
        """Until the adapter is gone; says why."""
        gone = asyncio.ensure_future(self._radio.gone())
        try:
            while not gone.done():
                target = await self._scan(gone)
                if target is not None and not gone.done():
                    await self._connect(target)
            return "lost"
        finally:
            gone.cancel()

    async def _scan(self, gone: asyncio.Future[None]) -> Target | None:
        """Scan until somebody is to be connected to; None when the scan is to be made anew. The scan is stopped before connecting."""
        parts, timing = self._parts, self._parts.timing
        scanner: BleakScanner = self._radio.scanner(self._heard)
        await within(parts.clock, scanner.start(), timing.exchange_s)
        self._is_up()
        self._heard_ns = parts.clock.monotonic_ns()
        try:
            while not gone.done():
                target = self._next()
                if target is not None:
                    return target
                self._found.clear()
                await wait_for_event(parts.clock, self._found, timing.tick_s)
                if (parts.clock.monotonic_ns() - self._heard_ns) / NS_PER_S > timing.scan_silence_s:
                    parts.ops.counters["ble.scan.silent"] += 1
                    return None
            return None
        finally:
            if not gone.done():
                await within(parts.clock, scanner.stop(), timing.exchange_s)

    def _heard(self, device: BLEDevice, advert: AdvertisementData) -> None:
        """One advert."""
        now_ns = self._parts.clock.monotonic_ns()
        self._heard_ns = now_ns
        self._parts.air.heard(self.name, device, advert)
        if (entered := self._known_addresses().get(device.address.upper())) is not None:
            self._parts.hearing.note(entered, self.name, advert.rssi, self._parts.clock.now_ns())
        if self._took_advert(device.address.upper(), advert):
            return
        target = self._target(device, advert)
        if target is None:
            return
        timing = self._parts.timing
        quiet_s = (now_ns - target.heard_ns) / NS_PER_S
        target.heard_ns, target.advert = now_ns, device
        if self._is_to_pair(target) or self._parts.air.holds(target.address):
            return
        if target.device in self._parts.busy or now_ns < target.not_before_ns:
            return
        if target.visited_ns is not None and quiet_s < timing.burst_s and (now_ns - target.visited_ns) / NS_PER_S < timing.revisit_s:
            return  # still the same burst of adverts
        self._waiting[target.address] = None
        self._found.set()

    def _took_advert(self, address: str, advert: AdvertisementData) -> bool:
        """What a device says without a link; of strangers nothing counts, for anybody can advertise."""
        said = adverts.said(advert)
        device = self._known_addresses().get(address) if said else None
        for topic, payload in said if device is not None else ():
            if device is None or not self._parts.once.is_new(device, topic, payload, self._parts.clock.monotonic_ns()):
                continue
            frame = adverts.frame_of(device, topic, payload, self._parts.clock.now_ns())
            if bthome.may_call(payload):
                self._parts.calls.put(frame)
            else:
                self._parts.tray.put(Item(frame))
        return bool(said) and self._parts.pairings.wants(address) is None

    def _is_to_pair(self, target: Target) -> bool:
        """A device that somebody is pairing, or that is to show itself, comes first; a session of it makes room."""
        pairings, air = self._parts.pairings, self._parts.air
        wanted = pairings.wants(target.address) or pairings.proves(target.device) or air.shows(target.address)
        if wanted is None:
            return False
        if target.device not in self._parts.busy:
            target.not_before_ns = 0
            self._waiting[target.address] = None
            self._found.set()
        return True

    def _target(self, device: BLEDevice, advert: AdvertisementData) -> Target | None:
        address = device.address.upper()
        entered = self._known_addresses().get(address)
        target = self._targets.get(address)
        if target is not None and (entered or stranger_id(address)) == target.device:
            return target
        services = set(advert.service_uuids)
        if entered is None and not (self._parts.strangers and services & HEALTH):
            return None
        if len(self._targets) >= TARGETS:
            idle = min((t for t in self._targets.values() if t.address not in self.sessions), key=lambda t: t.heard_ns, default=None)
            if idle is None:
                return None
            del self._targets[idle.address]
        streams = bool(services & STREAMING)
        target = Target(address, entered or stranger_id(address), entered is not None, device, streams)
        self._targets[address] = target
        return target

    def _known_addresses(self) -> dict[str, str]:
        """Address -> device, of the registry as it stands."""
        view = self._parts.registry.view
        if self._addresses[0] != view.offset:
            rows = [row for row in view.devices.values() if "ble_address" in row.facts and row.status != "retired"]
            # Who was a stranger and has been entered since has two rows: the one that a person made comes last and counts.
            rows.sort(key=lambda row: row.id != stranger_id(row.facts["ble_address"]))
            self._addresses = (view.offset, {row.facts["ble_address"].upper(): row.id for row in rows})
        return self._addresses[1]

    def _next(self) -> Target | None:
        """Whoever has waited longest among those that there is a link for; the registry's own devices first."""
        now_ns = self._parts.clock.monotonic_ns()
        for only_known in (True, False):
            for address in list(self._waiting):
                target = self._targets.get(address)
                if target is None or target.device in self._parts.busy or now_ns < target.not_before_ns:
                    del self._waiting[address]
                elif (target.known or not only_known) and self._has_room(target):
                    del self._waiting[address]
                    return target
        return None

    def _has_room(self, target: Target) -> bool:
        free = self._links - len(self.sessions)
        if free > (KEPT_FREE if target.streams and self._links > KEPT_FREE else 0):
            self._parts.ops.clear("ble.links", self.name)
            return True
        if target.streams:
            self._parts.ops.fault("ble.links", self.name, links=self._links)
        return False

    async def _connect(self, target: Target) -> None:
        """One attempt; whatever becomes of it, the next one is free to go."""
        parts, timing = self._parts, self._parts.timing
        ended = asyncio.Event()
        client = self._radio.client(target.advert, ended.set, timing.connect_s)
        parts.busy.add(target.device)
        pairing, shown = parts.pairings.wants(target.address), parts.air.shows(target.address)
        if pairing is not None:
            parts.pairings.move(pairing, Step.CONNECTING)
        try:
            await within(parts.clock, client.connect(), timing.connect_s + timing.exchange_s)
        except Exception as error:  # noqa: BLE001 - every stack has its own errors; the device is tried again later
            parts.ops.counters[f"ble.connect.{type(error).__name__}"] += 1
            if bonding.wants_bond(error):
                await bonding.refused(parts, client, target.device)
            await self._give_up(client)
            self._failed(target)
            if pairing is not None:
                parts.pairings.move(pairing, Step.WAITING)
            return
        except asyncio.CancelledError:
            parts.busy.discard(target.device)
            raise
        if pairing is not None:
            work = self._pair(target, client, pairing)
        else:
            work = self._serve(target, client, ended) if shown is None else self._show(client, shown)
        task = asyncio.ensure_future(work)
        self.sessions[target.address] = task
        task.add_done_callback(partial(self._session_over, target))

    async def _pair(self, target: Target, client: BleakClient, pairing: Pairing) -> None:
        """Exchange keys and hang up."""
        try:
            if not await bonding.exchange(self._parts, client, pairing):
                target.visited_ns = self._parts.clock.monotonic_ns()
        finally:
            await self._give_up(client)

    async def _show(self, client: BleakClient, shown: Showing) -> None:
        """Let it blink or beep, and hang up."""
        try:
            await showing.blink(self._parts, client, shown)
        finally:
            await self._give_up(client)

    async def forget(self, address: str) -> bool:
        """Drop the keys of a device on this adapter; False where it was never heard of."""
        target = self._targets.get(address)
        if target is not None:
            await bonding.forget(self._parts, self._radio.client(target.advert, lambda: None, self._parts.timing.connect_s))
        return target is not None

    async def _give_up(self, client: BleakClient) -> None:
        try:
            await within(self._parts.clock, client.disconnect(), self._parts.timing.exchange_s)
        except Exception as error:  # noqa: BLE001 - it was never connected
            self._parts.ops.counters[f"ble.disconnect.{type(error).__name__}"] += 1

    def _failed(self, target: Target) -> None:
        target.failures += 1
        target.not_before_ns = self._parts.clock.monotonic_ns() + int(self._backoff_s(target.failures) * NS_PER_S)
        self._parts.busy.discard(target.device)

    async def _serve(self, target: Target, client: BleakClient, ended: asyncio.Event) -> None:
        """The session, and what its end means for the next one."""
        parts = self._parts
        began_ns = parts.clock.monotonic_ns()
        session = Session(parts, client, target.device, ended, self.name, lambda: self._why)
        cause, per_session = "stopped", False
        try:
            await self._introduce(target)
            await facts.remember(parts, target.device, {"ble_name": target.advert.name} if target.advert.name else {})
            per_session = bonding.per_session(parts, target.device)
            if per_session:
                await bonding.for_now(parts, client)
            cause = await session.run()
        finally:
            if per_session:
                await bonding.forget(parts, client)
            target.streams = session.streams or target.streams
            now_ns = parts.clock.monotonic_ns()
            if parts.pairings.was_turned_away(target.address) or cause == "not paired":
                cause = "not paired"
                await bonding.refused(parts, client, target.device)
            elif cause in ("done", "link lost") and (session.values > 0 or cause == "done"):
                bonding.proved(parts, target.device)
            good = cause in ("done", "link lost") and session.values > 0
            target.visited_ns = now_ns if cause == "done" else None
            target.heard_ns = now_ns
            if good or now_ns - began_ns > parts.timing.steady_s * NS_PER_S:
                target.failures = 0
                parts.busy.discard(target.device)
                parts.ops.clear("ble.session", target.device)
            else:
                self._failed(target)
            parts.ops.counters[f"ble.ended.{cause.replace(' ', '_')}"] += 1

    def _session_over(self, target: Target, task: asyncio.Task[None]) -> None:
        self.sessions.pop(target.address, None)
        self._parts.ops.clear("ble.links", self.name)  # there is one now; whoever misses one says so again
        self._parts.busy.discard(target.device)
        self._found.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(target)
            self._parts.ops.fault("ble.session", target.device, error=type(error).__name__)

    async def _introduce(self, target: Target) -> None:
        """A device that nobody entered goes into the inbox with its address."""
        parts = self._parts
        if target.known:
            return
        try:
            row = await parts.registry.see(target.device)
            if row.facts.get("ble_address") != target.address:
                from gateway.registry.bindings import note_facts

                await parts.registry.do(SYSTEM, note_facts, target.device, {"ble_address": target.address})
            parts.ops.clear("inbox.refused", "inbox")
        except (RegistryError, StoreError) as error:
            parts.ops.fault("inbox.refused", "inbox", error=type(error).__name__)
