"""BlueZ's daemon as the door sees it, played by a name on a bus of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dbus_fast.aio import MessageBus

from gateway.clock import SystemClock
from gateway.collect.ble.bluez import NAME
from gateway.collect.ble.radio import radio
from tests.support import need
from tests.support.ble_town import address, gateway_of, until

pytestmark = pytest.mark.timeout(30)

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"""


@asynccontextmanager
async def bus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A message bus that stands in for the system's."""
    config, socket = folder / "bus.conf", folder / "bus"
    config.write_text(CONFIG.format(path=socket))
    daemon = await asyncio.create_subprocess_exec(str(need("dbus-daemon")), f"--config-file={config}", "--nofork")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={socket}")
    try:
        await until("the bus listens", socket.exists)
        yield f"unix:path={socket}"
    finally:
        daemon.terminate()
        await daemon.wait()


async def daemon_on(at: str) -> MessageBus:
    """Something that owns the daemon's name."""
    connection = await MessageBus(bus_address=at).connect()
    await connection.request_name(NAME)
    return connection


async def test_a_daemon_that_dies_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bus(tmp_path, monkeypatch) as at:
        for _ in range(2):
            daemon = await daemon_on(at)
            gone = asyncio.ensure_future(radio("bleak", "hci0", SystemClock(), links=8).gone())
            await asyncio.sleep(0.3)
            assert not gone.done()
            daemon.disconnect()
            await asyncio.wait_for(gone, 3)


async def test_without_a_bus_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    gone = asyncio.ensure_future(radio("bleak", "hci0", SystemClock(), links=8).gone())
    await asyncio.sleep(0.2)
    assert not gone.done()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)


async def test_an_adapter_that_is_not_there_is_one_line_and_one_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    async with gateway_of(tmp_path / "data", [radio("bleak", "hci0", SystemClock(), links=8)], {"strap": address(1)}) as (node, door):
        await until("missed", node.ops.faults)
        await asyncio.sleep(1)
        assert [(fault.code, fault.subject) for fault in node.ops.faults()] == [("ble.adapter", "hci0")]
        assert door.links() == {"hci0": 0}
    assert len([record for record in caplog.records if record.name.startswith("anxin")]) == 1
