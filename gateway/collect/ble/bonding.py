"""Keys for one device, exchanged while somebody stands beside it; what a failed exchange means, in a code word."""

from __future__ import annotations

from bleak import BleakClient
from bleak.exc import BleakDBusError, BleakGATTProtocolError

from devices import deviations
from gateway.collect.ble import facts
from gateway.collect.ble.pairing import Pairing, Step
from gateway.collect.ble.parts import Parts, within

# ATT: insufficient authentication, authorization, key size, encryption.
_UNPROTECTED = frozenset({0x05, 0x08, 0x0C, 0x0F})
_REFUSED = frozenset(
    {"AuthenticationFailed", "AuthenticationCanceled", "AuthenticationRejected", "AuthenticationTimeout", "NotAuthorized", "NotPaired"}
)
BOND, KEPT, SESSION = "ble_bond", "reuse", "session"


def wants_bond(error: BaseException | None) -> bool:
    """Whether the device refuses because the link is not protected by keys that both sides know."""
    if isinstance(error, BleakGATTProtocolError):
        return int(error.code) in _UNPROTECTED
    return isinstance(error, BleakDBusError) and str(error.dbus_error).rpartition(".")[2] in _REFUSED


async def exchange(parts: Parts, client: BleakClient, pairing: Pairing) -> bool:
    """Pair, then end the link: the next one, which the device comes for by itself, proves the bond. Says whether it got so far."""
    desk = parts.pairings
    desk.move(pairing, Step.PAIRING)
    cause = ""
    try:
        await within(parts.clock, client.pair(), parts.timing.pair_s)
    except TimeoutError:
        cause = "no_answer"
    except Exception as error:  # noqa: BLE001 - every stack has its own errors; the person is told which kind it was
        cause = "refused" if wants_bond(error) else "link_lost"
        parts.ops.counters[f"ble.pair.{type(error).__name__}"] += 1
    if cause:
        desk.end(pairing, Step.FAILED, cause)
        await forget(parts, client)
        return False
    await facts.remember(parts, pairing.device, {BOND: SESSION if per_session(parts, pairing.device) else KEPT})
    parts.ops.clear("ble.bond", pairing.device)
    desk.move(pairing, Step.PROVING)
    return True


async def forget(parts: Parts, client: BleakClient) -> None:
    """Drop the bond on our side."""
    try:
        await within(parts.clock, client.unpair(), parts.timing.exchange_s)
    except Exception as error:  # noqa: BLE001 - there was none, or the stack has gone
        parts.ops.counters[f"ble.unpair.{type(error).__name__}"] += 1


def per_session(parts: Parts, device: str) -> bool:
    """Whether the device forgets its keys, so that they are exchanged on each connection."""
    row = parts.registry.view.devices.get(device)
    return row is not None and deviations.known(row.facts, row.model).get(BOND) == SESSION


async def for_now(parts: Parts, client: BleakClient) -> None:
    """Exchange keys before anything is asked; a device that will not is served as it is, and says itself what it wants protected."""
    try:
        await within(parts.clock, client.pair(), parts.timing.pair_s)
    except Exception as error:  # noqa: BLE001 - every stack has its own errors
        parts.ops.counters[f"ble.pair.{type(error).__name__}"] += 1


def bonded(parts: Parts, device: str) -> bool:
    """Whether a bond with this device is meant to exist."""
    row = parts.registry.view.devices.get(device)
    return row is not None and row.facts.get(BOND) == KEPT


async def refused(parts: Parts, client: BleakClient, device: str) -> None:
    """A session that the device wanted protected: a stale bond is dropped, and somebody is asked to pair it (again)."""
    pairing = parts.pairings.proves(device)
    if pairing is not None:
        parts.pairings.end(pairing, Step.FAILED, "not_proved")
    if bonded(parts, device):
        await forget(parts, client)
        await facts.remember(parts, device, {BOND: "lost"})
    parts.ops.fault("ble.bond", device)


def proved(parts: Parts, device: str) -> None:
    """A session of it went well."""
    pairing = parts.pairings.proves(device)
    if pairing is not None:
        parts.pairings.end(pairing, Step.PAIRED)
    parts.ops.clear("ble.bond", device)
