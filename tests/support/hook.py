"""A web hook that records what it was sent: a thread of the test's own process, so that it outlives every gateway."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

HANG = 0  # a status that is never sent
HANG_LIMIT_S = 60.0


@dataclass(frozen=True)
class Hit:
    """One request: when (monotonic seconds), what, and how it was answered."""

    at_s: float
    key: str
    body: dict[str, Any]
    status: int

    @property
    def delivered(self) -> bool:
        return 200 <= self.status < 300


class Server(ThreadingHTTPServer):
    """A sender that was killed in the middle of a request is what these tests are about, not an error of the hook."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class Hook:
    """Answers each POST with `status`; HANG keeps the sender waiting until `heal` or `close`."""

    status: int = 204
    hits: list[Hit] = field(default_factory=list)
    _healed: threading.Event = field(default_factory=threading.Event)
    _server: Server | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status = hook.take(self.headers.get("Idempotency-Key", ""), raw)
                if status == HANG:
                    hook._healed.wait(HANG_LIMIT_S)
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing on the test's output."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._healed.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)
            self._server.server_close()

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("not started")
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def take(self, key: str, raw: bytes) -> int:
        status = self.status
        self.hits.append(Hit(time.monotonic(), key, json.loads(raw), status))
        return status

    def fail(self, status: int) -> None:
        """Answer with this from now on."""
        self._healed.clear()
        self.status = status

    def heal(self) -> None:
        """Take everything again; who was kept waiting is cut off."""
        self.status = 204
        self._healed.set()

    def pages(self, alert_id: str | None = None, *, delivered: bool = True) -> list[Hit]:
        """Hits in their order, of one alert or of all."""
        return [hit for hit in list(self.hits) if (alert_id is None or hit.body["alert_id"] == alert_id) and hit.delivered >= delivered]

    def told(self, alert_id: str) -> list[Hit]:
        """Delivered pages of an alert, each key once."""
        return list({hit.key: hit for hit in reversed(self.pages(alert_id))}.values())[::-1]

    def keys(self, alert_id: str | None = None) -> list[str]:
        """Keys of delivered pages in the order of their first delivery, each once: what people were told."""
        return list(dict.fromkeys(hit.key for hit in self.pages(alert_id)))
