"""The running gateway's control socket: one JSON request, one JSON answer, on a Unix socket that only its owner can open."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

LOG = logging.getLogger("anxin.control")
Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]
LINE_LIMIT = 16 * 1024 * 1024
ANSWER_WITHIN_S = 120.0


class ControlError(RuntimeError):
    """The running gateway refused, with its reason."""


class AlreadyRunning(RuntimeError):
    """Another process works on this data folder."""


class FolderLock:
    """Exclusive use of a data folder; freed by the kernel when the process dies."""

    def __init__(self, data_dir: Path) -> None:
        run = data_dir / "run"
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file: TextIO = (run / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            owner = self._file.read().strip()
            self._file.close()
            raise AlreadyRunning(f"{data_dir} is in use by process {owner or '?'}") from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give the folder back."""
        self._file.close()


def socket_path(data_dir: Path) -> Path:
    """Where the gateway of this data folder listens."""
    return data_dir / "run" / "control.sock"


async def serve(path: Path, handlers: Mapping[str, Handler]) -> asyncio.Server:
    """Answer requests {"command", "args"} until the server is closed."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - one call at the start

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_WITHIN_S)
            writer.write(json.dumps(await _answer(line, handlers)).encode() + b"\n")
            await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # the asker is gone or sent a line without end; nothing was asked that could be answered
        finally:
            writer.close()

    old = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(talk, str(path), limit=LINE_LIMIT)
    finally:
        os.umask(old)


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    try:
        request = json.loads(line)
        handler = handlers.get(request["command"])
        args = request["args"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return {"error": "not a request"}
    if handler is None:
        return {"error": "the running gateway is of another version: unknown command"}
    try:
        return {"ok": await handler(args)}
    except (ValueError, LookupError, RuntimeError, OSError) as error:
        return {"error": str(error) or type(error).__name__}
    except Exception as error:
        LOG.exception("control: %s failed", request["command"])
        return {"error": f"internal error ({type(error).__name__}); see the gateway's log"}


def ask(path: Path, command: str, args: Mapping[str, Any]) -> Any:
    """Ask the running gateway; ConnectionError or FileNotFoundError when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_WITHIN_S)
        client.connect(str(path))
        client.sendall(json.dumps({"command": command, "args": dict(args)}).encode() + b"\n")
        with client.makefile("rb") as reader:
            answer = json.loads(reader.readline(LINE_LIMIT) or b"{}")
    if "ok" in answer:
        return answer["ok"]
    raise ControlError(str(answer.get("error", "the gateway closed the connection")))
