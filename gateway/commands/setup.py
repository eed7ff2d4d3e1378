"""Setting devices up, moving them and taking errors back, for those who may change devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, TypeVar

import segno

from gateway.access import Action, FieldClass
from gateway.clock import Clock
from gateway.collect.ble.air import kind_of
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_device, must_resident, must_site
from gateway.pairings import ADDRESS, PairingRefused
from gateway.query import Asker, Missing, Query
from gateway.query.asker import device_scope, may
from gateway.query.looks import Looks
from gateway.query.shape import NS_PER_MS, plain
from gateway.registry import moves
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.registry.view import RegistryView
from gateway.setups import QUANTITIES, Setups

Fields = Mapping[str, Any]
T = TypeVar("T")
LABEL_SCALE = 4


def stranger_id(address: str) -> str:
    """The id of a device that nobody has named: what the Bluetooth door calls it too."""
    return "ble-" + "".join(char for char in address.lower() if char.isalnum())


class SetupCommands:
    """Allowed for the person, then given to registry and Bluetooth door; `run` is the registry's own transaction."""

    def __init__(self, run: Callable[..., Any], setups: Setups, registry: Registry, query: Query, looks: Looks, clock: Clock) -> None:
        self._run = run
        self._setups = setups
        self._registry = registry
        self._query = query
        self._looks = looks
        self._clock = clock

    # --- on the air

    def search(self, asker: Asker) -> dict[str, Any]:
        """Begin a search."""
        return self._shown(asker, self._do(self._setups.search))

    def found(self, asker: Asker) -> dict[str, Any]:
        """What it has found so far."""
        return self._shown(asker, self._do(self._setups.found))

    def stop(self) -> None:
        """End it."""
        self._do(self._setups.stop)

    def show(self, asker: Asker, address: str) -> dict[str, Any]:
        """Let a device blink or beep."""
        self._must_address(asker, address)
        return self._do(lambda: self._setups.show(address))

    def showing(self, asker: Asker, address: str) -> dict[str, Any]:
        """How that went."""
        self._must_address(asker, address)
        return self._do(lambda: self._setups.showing(address))

    async def enter(self, asker: Asker, address: str, *, model: str, site: str | None) -> dict[str, Any]:
        """A device that was found is entered, or what is known of it is completed; its first readings may be seen from now on."""
        if site is not None:
            must_site(asker, self._registry.view, site, FieldClass.DEVICE)
        device_id = self._must_address(asker, address) or stranger_id(address)
        heard = self._do(lambda: self._setups.at(address))
        kind = "" if heard is None else kind_of(heard.services)

        def work(tx: Tx) -> Any:
            if device_id in tx.view.devices:
                must_device(asker, tx.view, device_id, tx.now_ns)
            if site is not None:
                must_site(asker, tx.view, site, FieldClass.DEVICE)
            return moves.enter(
                tx, device_id, address=address, kind=kind, model=model, quantities=QUANTITIES.get(kind, ()), site=site
            )  # fmt: skip

        row = await self._run(asker.actor, work)
        self._setups.begin(asker.actor, row.id)
        return {"id": row.id, "kind": row.kind, "model": row.model, "quantities": list(row.quantities), "status": row.status}

    # --- whose

    async def assign(self, asker: Asker, device_id: str, fields: Fields) -> dict[str, Any]:
        """Give a device to a resident or place; one that is somebody's goes only where `moves` names the binding that ends."""
        resident, place = fields.get("resident_id"), dict(fields.get("place") or {})
        target = {"resident": resident, **{name: place.get(f"{name}_id") for name in ("site", "zone", "room", "bed")}}
        from_ms = fields.get("from_ms")

        def work(tx: Tx) -> Any:
            must_device(asker, tx.view, device_id, tx.now_ns)
            if resident is not None:
                must_resident(asker, tx.view, resident, FieldClass.DEVICE)
            if place:
                must_site(asker, tx.view, place.get("site_id"), FieldClass.DEVICE)
            present = tx.view.binding_at(device_id, tx.now_ns)
            if present is not None and present.id != fields.get("moves"):
                raise Refusal(Kind.CONFLICT, "device.elsewhere", current=_whose(asker, tx.view, present))
            return moves.assign(
                tx, device_id, target, from_ns=None if from_ms is None else from_ms * NS_PER_MS, worn=fields.get("worn"),
                agreed=bool(fields.get("agreed")),
            )  # fmt: skip

        made, former = await self._run(asker.actor, work)
        view = self._registry.view
        return {"binding": plain(made), "former": None if former is None else _whose(asker, view, former)}

    async def undo(self, asker: Asker, binding_id: str) -> dict[str, Any]:
        """Take a binding back; whoever had the device before has it again."""

        def work(tx: Tx) -> Any:
            binding = tx.view.bindings.get(binding_id)
            if binding is None:
                raise Missing
            must_device(asker, tx.view, binding.device_id, tx.now_ns)
            if binding.resident_id is not None:
                must_resident(asker, tx.view, binding.resident_id, FieldClass.DEVICE)
            return moves.undo(tx, binding_id)

        again = await self._run(asker.actor, work)
        return {"undone": binding_id, "again": None if again is None else _whose(asker, self._registry.view, again)}

    # --- the device itself

    async def first(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """What a device has sent since this person set it up; the look is a row of the audit."""
        view, now_ns = self._registry.view, self._clock.now_ns()
        must_device(asker, view, device_id, now_ns)
        since_ns = self._setups.since_ns(asker.actor, device_id)
        if since_ns is None:
            raise Refusal(Kind.CONFLICT, "setup.not_begun")
        await self._looks.looked(asker, "first_readings", device_id, resident=view.resident_of(device_id, now_ns))
        return {"since_ms": since_ns // NS_PER_MS, "readings": self._query.machines.values_since(device_id, since_ns)}

    async def walk(self, asker: Asker, device_id: str, what: str, spots: list[tuple[str, int | None]]) -> dict[str, Any]:
        """Begin, look, keep or end a walk with a device."""
        address = self._address(asker, device_id)
        if what == "begin":
            return self._do(lambda: self._setups.walk(address))
        if what == "look":
            return self._do(lambda: self._setups.signal(address))
        self._do(lambda: self._setups.end_walk(address))
        if what == "keep":
            await self._setups.keep_walk(asker.actor, device_id, spots)
        return self._do(lambda: self._setups.signal(address))

    async def drop_keys(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """Undo a pairing: the keys are forgotten on our side."""
        must_device(asker, self._registry.view, device_id, self._clock.now_ns())
        try:
            return {"dropped": await self._setups.drop_keys(asker.actor, device_id)}
        except PairingRefused as error:
            raise Refusal(Kind.CONFLICT, error.code) from error

    def label(self, asker: Asker, device_id: str, url: str) -> bytes:
        """The QR code for the device's label, SVG: it leads to the device's page."""
        must_device(asker, self._registry.view, device_id, self._clock.now_ns())
        code = segno.make(f"{url}/devices?device={device_id}", error="m", micro=False)
        out = BytesIO()
        code.save(out, kind="svg", xmldecl=False, nl=False, scale=LABEL_SCALE, border=4, dark="#000", light="#fff")
        return out.getvalue()

    # --- may they

    def _address(self, asker: Asker, device_id: str) -> str:
        must_device(asker, self._registry.view, device_id, self._clock.now_ns())
        address = self._registry.view.devices[device_id].facts.get("ble_address", "")
        if not ADDRESS.fullmatch(address.upper()):
            raise Refusal(Kind.CONFLICT, "pairing.no_address")
        return str(address)

    def _must_address(self, asker: Asker, address: str) -> str | None:
        """The device of an address, which the person must be allowed to change; None = nobody's."""
        view = self._registry.view
        for row in view.devices.values():
            if row.status != "retired" and row.facts.get("ble_address", "").upper() == address.upper():
                must_device(asker, view, row.id, self._clock.now_ns())
                return row.id
        return None

    def _shown(self, asker: Asker, document: dict[str, Any]) -> dict[str, Any]:
        """A device out of the person's reach is heard like any other and not named; one in reach says whose it is."""
        view, now_ns = self._registry.view, self._clock.now_ns()
        for row in document["heard"]:
            device_id = row["device_id"]
            if device_id is None:
                continue
            if not may(asker, Action.READ, device_scope(view, device_id, now_ns), FieldClass.DEVICE):
                row |= {"device_id": None, "status": "foreign", "model": "", "name": ""}
                continue
            binding = view.binding_at(device_id, now_ns)
            row["binding"] = None if binding is None else _whose(asker, view, binding)
        return document

    @staticmethod
    def _do(work: Callable[[], T]) -> T:
        try:
            return work()
        except PairingRefused as error:
            raise Refusal(Kind.CONFLICT, error.code) from error


def _whose(asker: Asker, view: RegistryView, binding: Any) -> dict[str, Any]:
    """A binding with the name of whose it is, where the person may know it."""
    resident = None if binding.resident_id is None else view.residents.get(view.canonical(binding.resident_id))
    document: dict[str, Any] = {"id": binding.id, "from_ms": binding.valid_from_ns // NS_PER_MS, "resident": None, "place": ""}
    if resident is not None and may(asker, Action.READ, device_scope(view, binding.device_id, binding.valid_from_ns), FieldClass.DEVICE):
        document["resident"] = {"id": resident.id, "name": resident.name}
        document["place"] = resident.place.label
    elif binding.place is not None:
        document["place"] = binding.place.label
    return document
