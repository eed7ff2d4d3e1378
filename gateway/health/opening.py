"""From the data folder to the states of devices."""

from __future__ import annotations

import asyncio

from gateway.core import Core
from gateway.health.runner import DeviceHealth
from gateway.health.unassigned import Unassigned
from gateway.hearing import Hearing
from gateway.journal import Journal
from gateway.store import StoreError


async def opened(core: Core, journal: Journal, hearing: Hearing) -> DeviceHealth | None:
    """The states of devices; None, and a fault, where their file cannot be used: alarms do not wait for it."""
    loose = Unassigned(core.registry, core.clock, core.ops)
    try:
        health = await asyncio.to_thread(DeviceHealth.open, core.data_dir, journal, core.writer, core.clock, core.ops, loose)
    except StoreError as error:
        core.ops.fault("health.unusable", "devices.sqlite", reason=str(error))
        return None
    health.hearing, health.rooms = hearing, core.config.ble.rooms
    return health
