"""A device shows which one it is: the Immediate Alert service (1802) makes it blink or beep for a moment."""

from __future__ import annotations

from bleak import BleakClient

from gateway.collect.ble.air import Showing
from gateway.collect.ble.parts import Parts, within

ALERT_LEVEL = "00002a06-0000-1000-8000-00805f9b34fb"
IMMEDIATE_ALERT = "00001802-0000-1000-8000-00805f9b34fb"
HIGH, NONE = b"\x02", b"\x00"
SHOWS_S = 4.0


async def blink(parts: Parts, client: BleakClient, showing: Showing) -> None:
    """Ask it for some seconds, then stop it; says in `showing` how that went."""
    found = next((one for service in client.services if service.uuid == IMMEDIATE_ALERT for one in service.characteristics
                  if one.uuid == ALERT_LEVEL), None)  # fmt: skip
    if found is None:
        showing.state = "no_alert"
        return
    try:
        await within(parts.clock, client.write_gatt_char(found, HIGH, response=False), parts.timing.exchange_s)
        showing.state = "shown"
        await parts.clock.sleep(SHOWS_S)
        await within(parts.clock, client.write_gatt_char(found, NONE, response=False), parts.timing.exchange_s)
    except Exception as error:  # noqa: BLE001 - every stack has its own errors; whoever stands there is told that it did not work
        parts.ops.counters[f"ble.show.{type(error).__name__}"] += 1
        if showing.state != "shown":
            showing.state = "failed"
