"""What each kind of device offers: its services, and by which characteristic it tells what it has measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bumble.gatt import Service

from firmware_sim.ble import services, wire

if TYPE_CHECKING:
    from firmware_sim.ble.peripheral import Peripheral

SERVICES = {"wearable": (0x180D, 0x1822), "oximeter": (0x1822,), "strap": (0x180D,), "glucometer": (0x1808,), "cuff": (0x1810,)}
SERVICES |= {"cgm": (0x181F,), "scale": (0x181D,), "health_sensor": (0x1840,), "thermometer": (0x1809,), "spot_oximeter": (0x1822,)}
SERVICES |= {"body_scale": (0x181B,)}
RECORDS = {"glucometer": 0x2A18, "cgm": 0x2AA7, "spot_oximeter": 0x2A5E}  # kinds with a memory and its control point
PENDING = {"cuff": 0x2A35, "scale": 0x2A9D, "body_scale": 0x2A9C, "thermometer": 0x2A1C}  # kinds that indicate what they have kept
# (service, feature characteristic, its value) of the latter
_INDICATED = {
    "cuff": (0x1810, 0x2A49, b"\x00\x00"), "scale": (0x181D, 0x2A9E, b"\x03\x00\x00\x00"),
    "body_scale": (0x181B, 0x2A9B, b"\x03\x00\x00\x00"),
    "thermometer": (0x1809, 0x2A1D, b"\x02"),
}  # fmt: skip


def services_of(device: Peripheral) -> list[Service]:
    """Everything that a device offers; called once, when it is switched on."""
    kind, own = device.kind, device.characteristics
    made = [services.device_information(device.label, lambda: device.slow_s)]
    own[0x2A19] = services.readable(0x2A19, device.battery, notify=True, pause=lambda: device.slow_s)
    made.append(services.service(0x180F, own[0x2A19]))
    if device.blinks:
        made.append(services.service(0x1802, services.written(0x2A06, lambda level: device.blinked.append(level[0]))))
    if kind in ("wearable", "strap"):
        own[0x2A37] = services.notified(0x2A37)
        made.append(services.service(0x180D, own[0x2A37], services.readable(0x2A38, b"\x02")))
    if kind in ("wearable", "oximeter"):
        own[0x2A5F] = services.notified(0x2A5F)
        made.append(services.service(0x1822, own[0x2A5F], services.readable(0x2A60, b"\x00\x00")))
    if kind in PENDING:
        uuid, feature, value = _INDICATED[kind]
        own[PENDING[kind]] = services.indicated(PENDING[kind])
        made.append(services.service(uuid, own[PENDING[kind]], services.readable(feature, value)))
    if kind == "health_sensor":
        own[0x2B8B] = services.notified(0x2B8B)
        made.append(services.service(0x1840, own[0x2B8B]))
    if kind in RECORDS:
        made.append(_memory(device))
    if device.slots.codes:
        own[0x2A9F] = services.control_point(0x2A9F, device.on_user_control)
        made.append(services.service(0x181C, services.readable(0x2A9A, device.slots.index), own[0x2A9F]))
    if device.clock_uuid == 0x2A2B and kind in {*RECORDS, *PENDING}:
        made.append(services.service(0x1805, _clock(device)))
    return made


def _memory(device: Peripheral) -> Service:
    """Records with their control point."""
    own = device.characteristics
    own[0x2A52] = services.control_point(0x2A52, device.on_control, device.bonds.permissions)
    if device.kind == "spot_oximeter":
        own[0x2A5E] = services.indicated(0x2A5E)
        return services.service(0x1822, own[0x2A5E], services.readable(0x2A60, b"\x0c\x00"), own[0x2A52])
    if device.kind == "cgm":
        own[0x2AA7] = services.notified(0x2AA7)
        return services.service(
            0x181F, own[0x2AA7], services.readable(0x2AA8, wire.cgm_feature()),
            services.readable(0x2AAA, lambda: wire.cgm_start(device.session_start_ms)),
            services.readable(0x2AAB, wire.checked(b"\x50\x01")), own[0x2A52],
        )  # fmt: skip
    own[0x2A18] = services.notified(0x2A18)
    listed = [own[0x2A18]]
    if device.has_context:
        own[0x2A34] = services.notified(0x2A34)
        listed.append(own[0x2A34])
    if device.clock_uuid == 0x2A08:
        listed.append(_clock(device))
    return services.service(0x1808, *listed, services.readable(0x2A51, b"\x21\x00"), own[0x2A52])


def _clock(device: Peripheral) -> services.Value:
    shown = wire.current_time if device.clock_uuid == 0x2A2B else wire.date_time
    write = device.set_clock if device.clock_settable else None
    return services.readable(device.clock_uuid, lambda: shown(device.now_ms()), write=write, pause=lambda: device.slow_s)
