"""Users of a shared scale or cuff: it tells a person's measurements only to who knows the code of the person's slot (User Data, 0x181C).

The fact `ble_users` holds "slot:code" pairs with spaces between, as staff read them off the device or its leaflet; "new" has a slot made
with a code of ours, and is replaced by what the device answers. Consent is given on each connection, before anything that is slow. A code
that the device refuses is a fault by the device's name; what is measured in other slots goes on.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable

from devices.gatt import user_data
from gateway.collect.ble import facts
from gateway.collect.ble.parts import Parts, within

TOPIC = "gatt/181c/2a9f"
FACT, NEW = "ble_users", "new"
PAIR = re.compile(r"(\d{1,3}):(\d{1,4})")
MAX_SLOT, MOST, CODES = 254, 16, 10_000

Write = Callable[[bytes], Awaitable[None]]


class Users:
    """The user control point of one connected device."""

    def __init__(self, parts: Parts, device: str, write: Write) -> None:
        self._parts = parts
        self._device = device
        self._write = write
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)

    def answer(self, payload: bytes) -> None:
        """An indication of the control point."""
        if not self._answers.full():
            self._answers.put_nowait(payload)

    async def consent(self, text: str) -> None:
        """Ask for the measurements of everybody whose code is known."""
        if text == NEW:
            text = await self._register()
        refused = 0
        for slot, code in pairs_of(text):
            said = await self._ask(user_data.consent(slot, code))
            refused += said.get("user_consent") != "consent success"
        if refused:
            self._parts.ops.fault("ble.consent", self._device, refused=refused)
        elif text:
            self._parts.ops.clear("ble.consent", self._device)

    async def _register(self) -> str:
        code = secrets.randbelow(CODES)
        said = await self._ask(user_data.register(code))
        if "user_index" not in said:
            self._parts.ops.fault("ble.consent", self._device)
            return ""
        text = f"{said['user_index']}:{code:04d}"
        await facts.remember(self._parts, self._device, {FACT: text})
        return text

    async def _ask(self, request: bytes) -> dict[str, str]:
        while not self._answers.empty():
            self._answers.get_nowait()
        exchange_s = self._parts.timing.exchange_s
        await within(self._parts.clock, self._write(request), exchange_s)
        return facts.described(TOPIC, await within(self._parts.clock, self._answers.get(), exchange_s))


def pairs_of(text: str) -> list[tuple[int, int]]:
    """(slot, code) of each pair; what is none is passed over."""
    found = [(int(pair[1]), int(pair[2])) for word in text.split()[:MOST] if (pair := PAIR.fullmatch(word))]
    return [(slot, code) for slot, code in found if slot <= MAX_SLOT]
