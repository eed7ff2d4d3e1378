"""From the configuration to the door."""

from __future__ import annotations

from dataclasses import fields, replace

from gateway.clock import Clock
from gateway.collect.ble.book import Book
from gateway.collect.ble.collector import BleCollector
from gateway.collect.ble.parts import RegistryDoor, Timing
from gateway.collect.ble.radio import radio
from gateway.config import Ble, ConfigError
from gateway.ops import Ops
from gateway.store import Database


def door(settings: Ble, registry: RegistryDoor, store: Database, clock: Clock, ops: Ops) -> BleCollector:
    """The collector over the configured adapters; ConfigError for an option that there is not."""
    known = {field.name for field in fields(Timing)}
    for name, value in settings.options.items():
        if name not in known or not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise ConfigError(f"ble.options.{name}: not a span in seconds that the Bluetooth door knows ({', '.join(sorted(known))})")
    timing = replace(Timing(), **settings.options)
    bonds = store.path.parent / "ble-bonds.json"  # of Bumble's adapters; BlueZ keeps its own
    radios = [radio(settings.backend, spec, clock, links=settings.links, bonds=bonds) for spec in settings.adapters]
    return BleCollector(
        radios, registry, Book(store, clock), clock, ops, links=settings.links, strangers=settings.strangers, timing=timing
    )
