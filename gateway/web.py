"""The web server: uvicorn inside our own loop, without signal handlers of its own, stopped within seconds although streams are open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from gateway.clock import Clock


class WebError(RuntimeError):
    """The web server cannot listen; the text names the port and the remedy."""


class _Server(uvicorn.Server):
    """The gateway's composition root handles signals, not the web server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class Web:
    """One listening server."""

    def __init__(
        self, app: Any, listener: socket.socket, *, certificate: Path | None, key: Path | None, before_stop: Callable[[], None]
    ) -> None:
        self._before_stop = before_stop
        self._socket = listener
        self._pair = None if certificate is None or key is None else (certificate, key)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
            date_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            proxy_headers=False,
            timeout_keep_alive=20,
            h11_max_incomplete_event_size=64 * 1024,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self, clock: Clock) -> None:
        """Serve; returns when requests are answered."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="web")
        while not self._server.started:
            if self._task.done():
                try:
                    await self._task
                except OSError as error:  # of the port there is none: it listens already
                    raise WebError(f"[web] certificate and key in anxin.toml: {error.strerror or error}") from error
                raise WebError("the web server ended while it started")
            await clock.sleep(0.01)

    def renew(self) -> None:
        """Show the certificate as its file is now to all who come from now on."""
        context = self._server.config.ssl
        if context is not None and self._pair is not None:
            context.load_cert_chain(*self._pair)

    async def wait(self) -> None:
        """Return when the server has ended."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """End open streams, answer what was asked, close."""
        self._before_stop()
        self._server.should_exit = True
        if self._task is not None:
            await self._task


def listen(host: str, port: int, setting: str = "--port or [web] port") -> socket.socket:
    """A listening socket; port 0 = any free one. `setting` is named if it cannot listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise WebError(
            f"web port {port} on {host}: {error.strerror}; choose another one with {setting} in anxin.toml"
        ) from error
    listener.setblocking(False)
    return listener
