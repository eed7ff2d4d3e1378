"""systemd: the unit of the service, and its watchdog fed by the progress of the alarm loop (sd_notify, a datagram to a socket)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from gateway.clock import NS_PER_S, Clock

WATCHDOG_S = 30  # systemd kills and starts anew what shows no progress for so long
FRESH_S = 10.0  # progress of the alarm loop that is older than this does not count
_UNIT = """[Unit]
Description=Anxin monitoring gateway
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} --data {data} run
Restart=always
RestartSec=1
TimeoutStopSec=20
WatchdogSec={watchdog}
LimitNOFILE=65536
OOMScoreAdjust=-500
{identity}
UMask=0077
{home}
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProcSubset=pid
PrivateUsers=yes
RemoveIPC=yes

[Install]
WantedBy=multi-user.target
"""


def unit(command: Path, data: Path, user: str = "") -> str:
    """The unit file: of a dynamic user with its state below /var/lib/anxin, or of `user` with the data folder given."""
    for path in (command, data):
        if not path.is_absolute() or any(char.isspace() or char in '%"\\$' for char in str(path)):
            raise ValueError(f"{path}: a unit needs an absolute path without spaces, quotes, % and $")
    identity = "\n".join([f"User={user}", f"ReadWritePaths={data}"]) if user else "DynamicUser=yes\nStateDirectory=anxin"
    inside_home = any(str(path).startswith(("/home/", "/root/")) for path in (command, data))
    home = "ProtectHome=read-only" if inside_home else "ProtectHome=yes"
    return _UNIT.format(command=command, data=data, watchdog=WATCHDOG_S, identity=identity, home=home)


def tell(state: str) -> bool:
    """Tell systemd ("READY=1", "WATCHDOG=1"); False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.sendall(state.encode())
        except OSError:
            return False
    return True


def watched() -> bool:
    """Whether systemd waits for signs of life of this process."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


async def signs_of_life(progress_ns: Callable[[], int | None], clock: Clock) -> None:
    """READY, then a sign of life a few times per limit, as long as the alarm loop gets on; `progress_ns` is when it last did."""
    span_us = os.environ.get("WATCHDOG_USEC", "")
    every_s = (int(span_us) / 1e6 if span_us.isdigit() else WATCHDOG_S) / 6
    ready = False
    while True:
        at_ns = progress_ns()
        if at_ns is not None and clock.monotonic_ns() - at_ns < min(FRESH_S, 2 * every_s) * NS_PER_S:
            if not ready:
                ready = tell("READY=1")
            tell("WATCHDOG=1")
        await clock.sleep(every_s if ready else 0.2)
