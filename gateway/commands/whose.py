"""Whose a measurement is: assigned, taken back, slots, check-in by staff, badges; checked against what the person may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.access import FieldClass
from gateway.commands.registry import must_device, must_resident
from gateway.query.asker import Asker, Missing
from gateway.query.shape import plain
from gateway.registry import attribution, badges
from gateway.registry.badges import Badges
from gateway.registry.tx import Tx
from gateway.registry.view import RegistryView

NS_PER_MS = 1_000_000


class WhoseCommands:
    """Commands by which people say whose something is; `run` is the registry's own transaction."""

    def __init__(self, run: Callable[..., Awaitable[Any]], badges: Badges | None) -> None:
        self._run, self._badges = run, badges

    async def assign(self, asker: Asker, device: str, t_ms: int, resident: str | None, reason: str) -> dict[str, Any]:
        """The readings of a device at one millisecond are this resident's; both the old and the new person have to be in reach."""

        def work(tx: Tx) -> Any:
            _must(asker, tx.view, device, t_ms, resident, tx.now_ns)
            return attribution.assign(tx, device, t_ms, resident, reason=reason or "assigned")

        return await self._do(asker, work)

    async def undo(self, asker: Asker, assigned: str) -> dict[str, Any]:
        """They are whose they were before."""

        def work(tx: Tx) -> Any:
            row = tx.view.assigned.get(assigned)
            if row is None:
                raise Missing
            _must(asker, tx.view, row.device_id, row.t_ms, row.former_id, tx.now_ns)
            return attribution.undo(tx, assigned)

        return await self._do(asker, work)

    async def set_slot(self, asker: Asker, device: str, user: int, resident: str | None) -> dict[str, Any]:
        """A user slot is this resident's from now on."""

        def work(tx: Tx) -> Any:
            must_device(asker, tx.view, device, tx.now_ns)
            if resident is not None:
                must_resident(asker, tx.view, resident, FieldClass.DEVICE)
            return attribution.set_slot(tx, device, user, resident)

        return await self._do(asker, work)

    async def check_in(self, asker: Asker, kiosk: str, resident: str, devices: tuple[str, ...], span_s: float) -> dict[str, Any]:
        """A member of staff says who measures now."""

        def work(tx: Tx) -> Any:
            must_device(asker, tx.view, kiosk, tx.now_ns)
            must_resident(asker, tx.view, resident, FieldClass.DEVICE)
            return attribution.check_in(tx, kiosk, resident, how="staff", span_s=span_s, devices=devices)

        return await self._do(asker, work)

    async def give_badge(self, asker: Asker, resident: str, kind: str, card: str | None) -> dict[str, Any]:
        """A card is entered, or a QR code or PIN is made and shown this once."""
        keep = self._there()

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, resident, FieldClass.DEVICE)
            return keep.give(tx, resident, kind, card)

        badge, secret = await self._run(asker.actor, work)
        return {"badge": plain(badge), "secret": secret}

    async def revoke_badge(self, asker: Asker, badge_id: str) -> dict[str, Any]:
        """It opens nothing any more."""

        def work(tx: Tx) -> Any:
            row = badges.find(tx.conn, badge_id)
            if row is None:
                raise Missing
            must_resident(asker, tx.view, row.resident_id, FieldClass.DEVICE)
            return badges.revoke(tx, badge_id)

        return {"badge": await self._do(asker, work)}

    def _there(self) -> Badges:
        if self._badges is None:
            raise Missing
        return self._badges

    async def _do(self, asker: Asker, work: Callable[[Tx], Any]) -> dict[str, Any]:
        shown: dict[str, Any] = plain(await self._run(asker.actor, work))
        return shown


def _must(asker: Asker, view: RegistryView, device: str, t_ms: int, resident: str | None, now_ns: int) -> None:
    must_device(asker, view, device, now_ns)
    for owner in (view.resident_of(device, t_ms * NS_PER_MS + NS_PER_MS - 1), resident):
        if owner is not None:
            must_resident(asker, view, owner, FieldClass.DEVICE)
