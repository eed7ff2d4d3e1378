"""A proxy before the third party's server that fails as it is told: the n-th request takes the n-th word of the plan."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Words: "ok", a status like "503", "429:2" (Retry-After), "drop" (no connection left), "stored" (passed on,
    no answer comes back), "part:422" (the bundle's first entry fails so, the others are passed on), "raw:..." (this is the answer)."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.plan: list[str] = []
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.on_stored: Callable[[], None] = lambda: None
        self.lock = threading.Lock()

    def next(self, body: bytes) -> str:
        with self.lock:
            word = self.plan.pop(0) if self.plan else "ok"
            self.seen.append(word)
            self.bodies.append(body)
            return word

    def part(self, status: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The first entry fails with this status and is not passed on; the others are."""
        bundle = json.loads(body)
        bundle["entry"] = bundle["entry"][1:]
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
        _, content = self.pass_on("POST", path, json.dumps(bundle).encode())
        answer = json.loads(content)
        answer["entry"] = [{"response": {"status": status, "outcome": outcome}}, *answer.get("entry", [])]
        return 200, json.dumps(answer).encode()

    def pass_on(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/fhir+json"}
        request = urllib.request.Request(self.base + path, data=body or None, method=method, headers=headers)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextmanager
def proxied(base: str) -> Iterator[tuple[str, Proxy]]:
    """The proxy's base URL and the proxy."""
    proxy = Proxy(base.removesuffix("/fhir"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            word = proxy.next(body)
            code, _, more = word.partition(":")
            if word == "drop":
                self.close_connection = True
                self.connection.close()
                return
            if code.isdecimal():
                self.send_response(int(code))
                if more:
                    self.send_header("Retry-After", more)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if code == "raw":
                status, content = 200, more.encode()
            elif code == "part":
                status, content = proxy.part(more, self.path, body)
            else:
                status, content = proxy.pass_on(self.command, self.path, body)
            if word == "stored":
                proxy.on_stored()
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET = do_PUT = handle_one  # noqa: N815 - names that the base class looks for

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            """A client that is gone is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}/fhir", proxy
        finally:
            httpd.shutdown()
            thread.join()
