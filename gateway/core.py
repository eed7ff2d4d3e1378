"""The state of one data folder opened for work: store, events, registry, audit, accounts; for the gateway and for commands without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway import audit as audit_log
from gateway import deadletter, events, links, notes, outages, pins, standing_tests
from gateway.alerts import records
from gateway.audit import Audit
from gateway.authority import Authority
from gateway.care import documents, invitations, letters, visits
from gateway.care.documents import Shelf
from gateway.clock import Clock
from gateway.collect.ble import book as ble_book
from gateway.config import Config, load
from gateway.control import FolderLock
from gateway.events import Events
from gateway.notify import outbox
from gateway.ops import Ops
from gateway.registry import accounts, badges, credentials, enrolment, factors, terminals, tx
from gateway.registry.accounts import Accounts
from gateway.registry.badges import Badges
from gateway.registry.credentials import DeviceTokens
from gateway.registry.registry import Registry
from gateway.store import Database, Writer

MIB = 1024 * 1024
COMPONENTS = (
    events.COMPONENT,
    tx.COMPONENT,
    accounts.COMPONENT,
    credentials.COMPONENT,
    enrolment.COMPONENT,
    records.COMPONENT,
    outbox.COMPONENT,
    audit_log.COMPONENT,
    deadletter.COMPONENT,
    ble_book.COMPONENT,
    links.COMPONENT,
    pins.COMPONENT,
    factors.COMPONENT,
    terminals.COMPONENT,
    standing_tests.COMPONENT,
    notes.COMPONENT,
    outages.COMPONENT,
    badges.COMPONENT,
    letters.COMPONENT,
    visits.COMPONENT,
    documents.COMPONENT,
    invitations.COMPONENT,
)


@dataclass(slots=True, kw_only=True)
class Core:
    """Everything that stands in store.sqlite, with the folder's lock held."""

    data_dir: Path
    config: Config
    clock: Clock
    ops: Ops
    lock: FolderLock
    writer: Writer
    store: Database
    events: Events
    audit: Audit
    registry: Registry
    accounts: Accounts
    tokens: DeviceTokens
    authority: Authority
    badges: Badges
    shelf: Shelf

    @classmethod
    def open(cls, data_dir: Path, clock: Clock, ops: Ops) -> Core:
        """Lock the folder, open or create the store; raises AlreadyRunning, ConfigError or StoreError with what to do."""
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = load(data_dir)
        lock = FolderLock(data_dir)
        try:
            writer = Writer(clock, ops)
            writer.start()
            ballast_bytes = config.journal.ballast_mib * MIB
            store = Database.open(data_dir / "store.sqlite", writer, components=COMPONENTS, ballast_bytes=ballast_bytes)
        except BaseException:
            lock.release()
            raise
        (data_dir / "keys").mkdir(mode=0o700, exist_ok=True)
        log = Events(store, clock)
        trail = Audit.open(data_dir / "keys" / "audit.key", data_dir / "audit-checkpoints.ndjson", clock)
        registry = Registry(store, log, clock, trail)
        return cls(
            data_dir=data_dir,
            config=config,
            clock=clock,
            ops=ops,
            lock=lock,
            writer=writer,
            store=store,
            events=log,
            audit=trail,
            registry=registry,
            accounts=Accounts(registry, store, clock),
            tokens=DeviceTokens(registry, store),
            authority=Authority(data_dir / "certs", clock),
            badges=Badges.open(data_dir / "keys" / "badges.key"),
            shelf=Shelf(data_dir / documents.FOLDER),
        )

    def close(self) -> None:
        """Close what `open` opened, in reverse."""
        self.accounts.close()
        self.registry.close()
        self.events.close()
        self.store.close_sync()
        self.writer.close()
        self.lock.release()
