"""The registry: a view that stands at the committed head, and one door for commands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from gateway.audit import Audit
from gateway.clock import Clock
from gateway.events import EventRow, Events
from gateway.registry import bindings
from gateway.registry.tx import Tx, history, rows_after
from gateway.registry.view import Device, RegistryView
from gateway.store import Database, Lane
from gateway.vocabulary import SYSTEM, Actor, Origin

P = ParamSpec("P")
T = TypeVar("T")


class Registry:
    """Who is where with which device. Registry events are written through `do` only, so that every reader sees the same fold."""

    def __init__(self, db: Database, events: Events, clock: Clock, audit: Audit | None = None) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._audit = audit
        self._lock = threading.Lock()
        self._conn = db.open_reader()  # of our own, as the view must not wait behind long reads
        self._view = RegistryView()
        self._catch_up(events.head)

    def close(self) -> None:
        """Close the connection; before the database."""
        with self._lock:
            self._conn.close()

    @property
    def view(self) -> RegistryView:
        """The registry as of the last commit; a later commit makes a new view, this one stays as it is."""
        if self._events.head > self._view.offset:
            self._catch_up(self._events.head)
        return self._view

    async def do(self, actor: Actor, command: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a command (`residents.admit`, `bindings.bind` ...) as `actor`, all or nothing; `view` shows it when this returns."""
        return await self._commit(self._unit(actor, lambda tx: command(tx, *args, **kwargs)), Lane.NOW)

    def do_sync(self, actor: Actor, command: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the same from a command line or a test."""
        offset, result = self._db.write_sync(self._unit(actor, lambda tx: command(tx, *args, **kwargs)), lane=Lane.NOW)
        self._catch_up(offset)
        return result

    async def see(self, device_id: str, *, origin: Origin = Origin.LIVE, site: str | None = None, quantities: Sequence[str] = ()) -> Device:
        """Return what is known of a device that spoke; an unknown one goes into the inbox. Costs nothing for a known one."""
        known = self.view.devices.get(device_id)
        if known is not None:
            return known
        t_ns = self._clock.now_ns()

        def command(tx: Tx) -> Device:
            return bindings.see_device(tx, device_id, t_ns=t_ns, origin=origin, site=site, quantities=quantities)

        return await self._commit(self._unit(SYSTEM, command), Lane.GROUP)  # strangers never take the lane of calls

    def inbox(self) -> tuple[Device, ...]:
        """Devices that spoke before anybody entered them, longest waiting first."""
        waiting = [device for device in self.view.devices.values() if device.status == "inbox"]
        return tuple(sorted(waiting, key=lambda device: (device.first_seen_ns or 0, device.id)))

    async def history(self, subject: str, limit: int = 1000) -> list[EventRow]:
        """Every recorded version of one thing (resident, device, binding ... id), oldest first."""
        return await self._db.read(lambda conn: history(conn, subject, limit))

    async def as_known_at(self, recorded_ns: int) -> RegistryView:
        """Return the view of what had been recorded by then: the other time axis of the bindings."""
        return await self._db.read(lambda conn: _recorded_by(conn, recorded_ns))

    def rehearse(self, actor: Actor, command: Callable[[Tx], T]) -> T:
        """Run a command on a copy of the present view; nothing is written, and the writer is not kept from its work."""
        return command(Tx(None, self.view.copy(), self._clock.now_ns(), actor))

    async def _commit(self, unit: Callable[[apsw.Connection], tuple[int, T]], lane: Lane) -> T:
        offset, result = await self._db.write(unit, lane=lane)
        self._catch_up(offset)
        return result

    def _unit(self, actor: Actor, command: Callable[[Tx], T]) -> Callable[[apsw.Connection], tuple[int, T]]:
        def unit(conn: apsw.Connection) -> tuple[int, T]:
            tx = self._tx(conn, actor)
            result = command(tx)
            return tx.view.offset, result

        return unit

    def _tx(self, conn: apsw.Connection, actor: Actor) -> Tx:
        """Judge by the committed view plus what the same commit has written already (`conn` sees it, the view does not yet)."""
        with self._lock:
            view = self._view.copy()
        for event in rows_after(conn, view.offset):
            view.apply(event)
        return Tx(conn, view, self._clock.now_ns(), actor, self._audit)

    def _catch_up(self, head: int) -> None:
        """Fold what is committed up to `head` into a new view; readers of the former one are not disturbed."""
        with self._lock:
            if head <= self._view.offset:
                return
            rows = list(rows_after(self._conn, self._view.offset, head))
            if rows:
                view = self._view.copy()
                for event in rows:
                    view.apply(event)
                view.offset = head
                self._view = view
            else:
                self._view.offset = head


def _recorded_by(conn: apsw.Connection, recorded_ns: int) -> RegistryView:
    return RegistryView.fold(event for event in rows_after(conn, 0) if event.t_ns <= recorded_ns)
