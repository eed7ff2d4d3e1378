"""A store with the registry in a temporary folder, and a small house in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import audit, events
from gateway.events import Events
from gateway.ops import Ops
from gateway.registry import Registry, accounts, credentials, factors, org, tx
from gateway.store import Database, Writer
from gateway.vocabulary import Actor, Role
from tests.support.fake_clock import FakeClock

OPERATOR = Actor(id="U-op", name="Operator", role=Role.OPERATOR)
COMPONENTS = (events.COMPONENT, tx.COMPONENT, credentials.COMPONENT, accounts.COMPONENT, factors.COMPONENT, audit.COMPONENT)


class House:
    """Everything that a registry test needs; `reopen` is a restart."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.folder = folder
        self.clock = clock
        self.open()

    def open(self) -> None:
        self.writer = Writer(self.clock, Ops())
        self.writer.start()
        self.db = Database.open(self.folder / "store.sqlite", self.writer, COMPONENTS)
        self.events = Events(self.db, self.clock)
        self.audit = audit.Audit.open(self.folder / "audit.key", self.folder / "audit.checkpoints", self.clock)
        self.registry = Registry(self.db, self.events, self.clock, self.audit)

    def close(self) -> None:
        self.registry.close()
        self.events.close()
        self.db.close_sync()
        self.writer.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    def furnish(self) -> None:
        """One site with a zone, a room and three beds; codes S, Z, 301, 3-01 ... 3-03."""
        do = self.registry.do_sync
        do(OPERATOR, org.set_site, name="安和养老院", code="S", site_id="site")
        do(OPERATOR, org.set_zone, site="S", name="三区", code="Z", zone_id="zone")
        do(OPERATOR, org.set_room, site="S", zone="Z", name="301", code="301", room_id="room")
        for number in (1, 2, 3):
            do(OPERATOR, org.set_bed, site="S", room="301", label=f"3-0{number}", code=f"3-0{number}", bed_id=f"bed{number}")


@contextmanager
def house(folder: Path, clock: FakeClock, *, furnished: bool = True) -> Iterator[House]:
    """Open a house; closed at the end."""
    found = House(folder, clock)
    try:
        if furnished:
            found.furnish()
        yield found
    finally:
        found.close()
