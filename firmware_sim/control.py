"""The simulator's control socket: one JSON object per line in, one per line out, on a Unix socket of the plan's folder."""

from __future__ import annotations

import json
import queue
import socket
import threading
from pathlib import Path
from typing import Any

from firmware_sim.fleet import Fleet


def serve(fleet: Fleet, path: Path, stop: threading.Event) -> threading.Thread:
    """Answer commands on `path` until `stop`; one client at a time is enough."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    path.chmod(0o600)
    server.listen(4)
    server.settimeout(0.5)

    def loop() -> None:
        while not stop.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(5)
                _talk(fleet, client)
        server.close()
        path.unlink(missing_ok=True)

    thread = threading.Thread(target=loop, name="sim-control", daemon=True)
    thread.start()
    return thread


def _talk(fleet: Fleet, client: socket.socket) -> None:
    reader = client.makefile("rb")
    for line in reader:
        try:
            body = json.loads(line)
        except json.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            client.sendall(b'{"ok": false, "error": "one JSON object per line"}\n')
            continue
        reply: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=1)
        fleet.commands.put({"body": body, "reply": reply}, timeout=5)
        try:
            answer = reply.get(timeout=5)
        except queue.Empty:
            answer = {"ok": False, "error": "the simulator does not answer"}
        client.sendall(json.dumps(answer).encode() + b"\n")


def ask(path: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Send one command to a running simulator."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(8)
        client.connect(str(path))
        client.sendall(json.dumps(body).encode() + b"\n")
        answer = json.loads(client.makefile("rb").readline())
    if not isinstance(answer, dict):
        raise TypeError("the simulator sent no object")
    return answer
