"""Changes of the registry, checked against what the person may, inside the transaction that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gateway.access import Action, FieldClass, Scope, scope_of, site_scope
from gateway.commands.refusal import Kind, Refusal
from gateway.query.asker import Asker, Forbidden, Missing, device_scope, may
from gateway.query.shape import NS_PER_MS, plain
from gateway.registry import bindings, consents, limits, org, residents
from gateway.registry.tx import Tx
from gateway.registry.view import RegistryView

T = TypeVar("T")
Fields = Mapping[str, Any]


def _ns(value_ms: int | None) -> int | None:
    return None if value_ms is None else value_ms * NS_PER_MS


def must(asker: Asker, scope: Scope | None, field_class: FieldClass, *, seen_by: FieldClass) -> None:
    """Allow a write: Missing where the person may not even know of it, Forbidden where only this is refused."""
    if may(asker, Action.WRITE, scope, field_class):
        return
    raise Forbidden if may(asker, Action.READ, scope, seen_by) else Missing


def must_site(asker: Asker, view: RegistryView, site_id: str | None, field_class: FieldClass = FieldClass.REGISTRY) -> None:
    """Allow a write about a site, or about the installation where there is none."""
    if site_id is None:
        must(asker, None, field_class, seen_by=FieldClass.SYSTEM)
        return
    if site_id not in view.sites:
        raise Missing
    must(asker, site_scope(site_id), field_class, seen_by=FieldClass.REGISTRY)


def must_resident(asker: Asker, view: RegistryView, resident_id: str, field_class: FieldClass) -> Scope:
    """Allow a write about a resident."""
    scope = scope_of(view, resident_id)
    if scope is None:
        raise Missing
    must(asker, scope, field_class, seen_by=FieldClass.IDENTITY)
    return scope


def must_device(asker: Asker, view: RegistryView, device_id: str, now_ns: int) -> None:
    """Allow a write about a device as it is bound now."""
    if device_id not in view.devices:
        raise Missing
    scope = device_scope(view, device_id, now_ns)
    # A device of nowhere may be taken by whoever may bind at all; where it goes is checked by its own scope.
    if scope is not None:
        must(asker, scope, FieldClass.DEVICE, seen_by=FieldClass.DEVICE)


def _same_site(asker: Asker, view: RegistryView, former: Any) -> None:
    """An id that stands for something of a foreign site is not there for this person."""
    if former is not None:
        must_site(asker, view, former.site_id)


_PLACE = frozenset({"site", "zone", "room", "bed"})
_STEP_FIELDS = {
    "move": _PLACE | {"at_ns"},
    "away": frozenset({"at_ns", "back_ns", "reason"}),
    "back": frozenset({"at_ns"}),
    "discharge": frozenset({"at_ns", "reason"}),
    "died": frozenset({"at_ns"}),
}


class RegistryCommands:
    """Commands by which people change the registry; `run` is the registry's own transaction."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run_tx = run

    async def _run(self, asker: Asker, work: Callable[[Tx], T]) -> Any:
        return plain(await self._run_tx(asker.actor, work))

    # --- devices ---------------------------------------------------------------------------------------------------

    async def bind(
        self, asker: Asker, *, device_id: str, resident_id: str | None, place: Fields | None, from_ms: int | None
    ) -> dict[str, Any]:
        """Bind a device to a resident or a place."""

        def work(tx: Tx) -> Any:
            must_device(asker, tx.view, device_id, tx.now_ns)
            if resident_id is not None:
                must_resident(asker, tx.view, resident_id, FieldClass.DEVICE)
            where = dict(place or {})
            if where:
                must_site(asker, tx.view, where.get("site_id"), FieldClass.DEVICE)
            return bindings.bind(
                tx, device_id, resident=resident_id, site=where.get("site_id"), zone=where.get("zone_id"), room=where.get("room_id"),
                bed=where.get("bed_id"), from_ns=_ns(from_ms),
            )  # fmt: skip

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def end_binding(self, asker: Asker, binding_id: str, *, at_ms: int | None) -> dict[str, Any]:
        """End a binding."""

        def work(tx: Tx) -> Any:
            binding = tx.view.bindings.get(binding_id)
            if binding is None:
                raise Missing
            if binding.resident_id is not None:
                must_resident(asker, tx.view, binding.resident_id, FieldClass.DEVICE)
            elif binding.place is not None:
                must_site(asker, tx.view, binding.place.site_id, FieldClass.DEVICE)
            return bindings.end_binding(tx, binding_id, at_ns=_ns(at_ms))

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def set_device(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Enter a device or replace what is known of it."""

        def work(tx: Tx) -> Any:
            if fields["device_id"] in tx.view.devices:
                must_device(asker, tx.view, fields["device_id"], tx.now_ns)
            must_site(asker, tx.view, fields.get("site"), FieldClass.DEVICE)
            return bindings.set_device(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def retire_device(self, asker: Asker, device_id: str, *, reason: str) -> dict[str, Any]:
        """Take a device out of service."""

        def work(tx: Tx) -> Any:
            must_device(asker, tx.view, device_id, tx.now_ns)
            return bindings.retire_device(tx, device_id, reason=reason)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    # --- places, staff, rota ---------------------------------------------------------------------------------------

    async def set_place(self, asker: Asker, kind: str, fields: Fields) -> dict[str, Any]:
        """Create or replace a site, zone, room or bed."""

        def work(tx: Tx) -> Any:
            view = tx.view
            if kind == "site":
                known = fields.get("site_id") in view.sites
                must_site(asker, view, fields["site_id"] if known else None)
                return org.set_site(tx, **fields)
            must_site(asker, view, fields["site"])
            tables: dict[str, tuple[Mapping[str, Any], Callable[..., Any]]] = {
                "zone": (view.zones, org.set_zone), "room": (view.rooms, org.set_room), "bed": (view.beds, org.set_bed),
            }  # fmt: skip
            table, command = tables[kind]
            _same_site(asker, view, table.get(str(fields.get(f"{kind}_id"))))
            return command(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def set_staff(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Create or replace a member of staff."""

        def work(tx: Tx) -> Any:
            must_site(asker, tx.view, None, FieldClass.STAFF)
            return org.set_staff(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def set_rota(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Create or replace a weekly shift."""

        def work(tx: Tx) -> Any:
            must_site(asker, tx.view, fields["site"], FieldClass.STAFF)
            former = tx.view.rota.get(str(fields.get("rota_id")))
            if former is not None:
                must_site(asker, tx.view, former.site_id, FieldClass.STAFF)
            return org.set_rota(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def end_rota(self, asker: Asker, rota_id: str) -> None:
        """Remove a weekly shift from now on."""

        def work(tx: Tx) -> None:
            former = tx.view.rota.get(rota_id)
            if former is None:
                raise Missing
            must_site(asker, tx.view, former.site_id, FieldClass.STAFF)
            org.end_rota(tx, rota_id)

        await self._run(asker, work)

    # --- residents -------------------------------------------------------------------------------------------------

    async def admit(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Admit a resident to a site of the person's reach."""

        def work(tx: Tx) -> Any:
            must_site(asker, tx.view, fields["site"], FieldClass.IDENTITY)
            former = tx.view.residents.get(str(fields.get("resident_id")))
            if former is not None:
                must_resident(asker, tx.view, former.id, FieldClass.IDENTITY)
            return residents.admit(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def resident_step(self, asker: Asker, resident_id: str, step: str, fields: Fields) -> dict[str, Any]:
        """Move, away, back, discharge or died."""
        steps: dict[str, Callable[..., Any]] = {
            "move": residents.move,
            "away": residents.away,
            "back": residents.back,
            "discharge": residents.discharge,
            "died": residents.died,
        }
        if not fields.keys() <= _STEP_FIELDS[step]:
            raise Refusal(Kind.INVALID, "resident.step_fields")

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, resident_id, FieldClass.IDENTITY)
            if fields.get("site") is not None:
                must_site(asker, tx.view, fields["site"], FieldClass.IDENTITY)
            result = steps[step](tx, resident_id, **fields)
            must_site(asker, tx.view, result.place.site_id, FieldClass.IDENTITY)  # a bed may lie in a foreign site
            return result

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def merge(self, asker: Asker, resident_id: str, *, into: str, reason: str) -> dict[str, Any]:
        """Make two records of one person one; both have to be in reach."""

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, resident_id, FieldClass.IDENTITY)
            must_resident(asker, tx.view, into, FieldClass.IDENTITY)
            return residents.merge(tx, resident_id, into, reason=reason)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def observe(self, asker: Asker, resident_id: str, fields: Fields) -> dict[str, Any]:
        """Enter consciousness, oxygen or the NEWS2 scale; the scale is the clinician's."""

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, resident_id, FieldClass.CARE)
            if "spo2_scale" in fields:
                must_resident(asker, tx.view, resident_id, FieldClass.LIMITS)
            return residents.observe(tx, resident_id, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def set_limit(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Set limits of a quantity for a resident, a site or the installation."""

        def work(tx: Tx) -> Any:
            if fields.get("resident") is not None:
                must_resident(asker, tx.view, fields["resident"], FieldClass.LIMITS)
            else:
                must_site(asker, tx.view, fields.get("site"), FieldClass.LIMITS)
            return limits.set_limit(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def end_limit(self, asker: Asker, limit_id: str, *, reason: str) -> None:
        """End a limit before it expires."""

        def work(tx: Tx) -> None:
            former = tx.view.limits.get(limit_id)
            if former is None:
                raise Missing
            if former.resident_id is not None:
                must_resident(asker, tx.view, former.resident_id, FieldClass.LIMITS)
            else:
                must_site(asker, tx.view, former.site_id, FieldClass.LIMITS)
            limits.end_limit(tx, limit_id, reason=reason)

        await self._run(asker, work)

    async def set_consent(self, asker: Asker, fields: Fields) -> dict[str, Any]:
        """Record what a resident lets one family member see."""

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, fields["resident"], FieldClass.CONSENT)
            return consents.set_consent(tx, **fields)

        result: dict[str, Any] = await self._run(asker, work)
        return result

    async def withdraw_consent(self, asker: Asker, consent_id: str) -> dict[str, Any]:
        """Withdraw a consent; open streams that lived on it end within seconds."""

        def work(tx: Tx) -> Any:
            former = tx.view.consents.get(consent_id)
            if former is None:
                raise Missing
            must_resident(asker, tx.view, former.resident_id, FieldClass.CONSENT)
            return consents.withdraw_consent(tx, consent_id)

        result: dict[str, Any] = await self._run(asker, work)
        return result
