"""The unit, and signs of life that follow the progress of the alarm loop."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import systemd
from tests.support.fake_clock import NS_PER_S, FakeClock


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the socket."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(path))
        made.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        yield made


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(100).decode())
        except BlockingIOError:
            return found


async def test_ready_and_alive_as_long_as_the_alarm_loop_gets_on(manager: socket.socket) -> None:
    clock = FakeClock()
    progress: list[int | None] = [None]
    task = asyncio.create_task(systemd.signs_of_life(lambda: progress[0], clock))
    await clock.advance(3)
    assert heard(manager) == [], "not ready before the first turn"
    progress[0] = clock.monotonic_ns()
    await clock.advance(0.3)
    assert heard(manager) == ["READY=1", "WATCHDOG=1"]
    for _ in range(6):
        progress[0] = clock.monotonic_ns()
        await clock.advance(5)
    assert heard(manager) == ["WATCHDOG=1"] * 6
    await clock.advance(60)
    assert len(heard(manager)) <= 2, "the loop stands: systemd hears nothing and starts anew"
    progress[0] = clock.monotonic_ns() - 1 * NS_PER_S
    await clock.advance(5)
    assert heard(manager) == ["WATCHDOG=1"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_an_abstract_socket_and_nobody_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not systemd.tell("READY=1")
    assert not systemd.watched()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not systemd.tell("READY=1")
    name = f"anxin-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert systemd.tell("READY=1")
        assert made.recv(100) == b"READY=1"


def test_the_unit_names_what_it_needs_and_refuses_what_would_break_it() -> None:
    text = systemd.unit(Path("/opt/anxin/bin/anxin"), Path("/var/lib/anxin"))
    assert "ExecStart=/opt/anxin/bin/anxin --data /var/lib/anxin run\n" in text
    assert f"WatchdogSec={systemd.WATCHDOG_S}\n" in text
    assert "DynamicUser=yes\nStateDirectory=anxin\n" in text
    assert "ProtectHome=yes" in text
    own = systemd.unit(Path("/home/li/anxin/bin/anxin"), Path("/home/li/data"), "li")
    assert "User=li\nReadWritePaths=/home/li/data\n" in own
    assert "ProtectHome=read-only" in own
    for command in ("anxin", "/opt/a b/anxin", "/opt/$x/anxin"):
        with pytest.raises(ValueError, match="absolute path"):
            systemd.unit(Path(command), Path("/var/lib/anxin"))


@pytest.mark.timeout(20)
def test_exposure_as_systemd_itself_judges_it(tmp_path: Path) -> None:
    unit = tmp_path / "anxin.service"
    unit.write_text(systemd.unit(Path("/opt/anxin/bin/anxin"), Path("/var/lib/anxin")))
    try:
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", str(unit)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return  # a machine without systemd
    line = next((line for line in done.stdout.splitlines() if "Overall exposure" in line), None)
    if line is not None:
        assert float(line.rpartition(": ")[2].split()[0]) <= 2.0
