"""BlueZ's daemon on the system bus: bleak does not notice when it dies, its links then stand for ever and its scans hear nothing."""

from __future__ import annotations

import asyncio

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError

NAME = "org.bluez"
_RULE = f"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'"


async def left() -> None:
    """Return when the daemon (or the bus itself) goes away; never where there is no bus, which the first scan will tell."""
    gone = asyncio.Event()

    def heard(message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[:1] == [NAME] and message.body[1]:
            gone.set()  # somebody had it: gone, or replaced by another, which knows nothing of our links

    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        await bus.connect()
        bus.add_message_handler(heard)
        reply = await bus.call(Message(
            destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus", member="AddMatch",
            signature="s", body=[_RULE],
        ))  # fmt: skip
        if reply.message_type is MessageType.ERROR:
            await asyncio.Event().wait()
        ended = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        named = asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait((ended, named), return_when=asyncio.FIRST_COMPLETED)
        finally:
            named.cancel()
            ended.cancel()
            await asyncio.gather(ended, named, return_exceptions=True)
    except (OSError, EOFError, ValueError, AuthError, DBusError):
        await asyncio.Event().wait()
    finally:
        bus.disconnect()
