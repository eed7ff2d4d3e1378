"""Our own pairing agent at BlueZ's daemon: without one, pairing fails there; it answers only for the device that somebody is pairing now.

org.bluez.Agent1 with the capability KeyboardDisplay: Just Works needs no answer of a person, a passkey is typed by one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError

from gateway.collect.ble.bluez import NAME
from gateway.collect.ble.pairing import PairingDesk

PATH = "/anxin/agent"
INTERFACE = "org.bluez.Agent1"
MANAGER = "org.bluez.AgentManager1"
CAPABILITY = "KeyboardDisplay"
REJECTED = "org.bluez.Error.Rejected"
UNASKED = ("Release", "Cancel", "DisplayPasskey", "DisplayPinCode")  # news that need no decision


def address_of(path: str) -> str:
    """The address in an object path: /org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF."""
    return path.rpartition("/dev_")[2].replace("_", ":").upper()


class Agent:
    """Registered while an adapter is open."""

    def __init__(self, desk: PairingDesk) -> None:
        self._desk = desk
        self._bus: MessageBus | None = None
        self._answers: set[asyncio.Future[None]] = set()

    async def open(self) -> bool:
        """Register at the daemon as its default agent; False where there is none (the first scan tells why)."""
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            await bus.connect()
            bus.add_message_handler(self._heard)
            for member, signature, body in (("RegisterAgent", "os", [PATH, CAPABILITY]), ("RequestDefaultAgent", "o", [PATH])):
                reply = await bus.call(
                    Message(destination=NAME, path="/org/bluez", interface=MANAGER, member=member, signature=signature, body=body)
                )
                if reply.message_type is MessageType.ERROR:
                    bus.disconnect()
                    return False
        except (OSError, EOFError, ValueError, AuthError, DBusError):
            bus.disconnect()
            return False
        self._bus = bus
        return True

    async def close(self) -> None:
        """Leave the bus; the daemon forgets the agent with it."""
        bus, self._bus = self._bus, None
        for answer in list(self._answers):
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        if bus is not None:
            bus.disconnect()

    def _heard(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.interface != INTERFACE or message.path != PATH:
            return None
        if message.member in UNASKED:
            return Message.new_method_return(message)
        address = address_of(str(message.body[0])) if message.body else ""
        if self._desk.expects(address) is None:
            return Message.new_error(message, REJECTED, "nobody is pairing this device")
        if message.member in ("RequestAuthorization", "RequestConfirmation"):
            return Message.new_method_return(message)  # Just Works: the person has asked for this device by name
        if message.member == "RequestPasskey":
            answer = asyncio.ensure_future(self._passkey(message, address))
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)
            return True
        return Message.new_error(message, REJECTED, "not done here")

    async def _passkey(self, message: Message, address: str) -> None:
        number = await self._desk.ask(address)
        bus: Any = self._bus
        if bus is None:
            return
        if number is None:
            await bus.send(Message.new_error(message, REJECTED, "no passkey was typed"))
        else:
            await bus.send(Message.new_method_return(message, "u", [number]))
