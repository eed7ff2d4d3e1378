"""What the embedded broker says only in its log: publishers that it had to disconnect, with the cause."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import NS_PER_S, Clock
from gateway.ops import Ops

FORGET_S = 600  # a complaint without repetition for so long is over
REMEMBERED = 1_000  # refusals told apart
NAMED_LIMIT = 50  # subjects named per code: a flood of client ids must not become a flood of alerts
_LINE = re.compile(r'\[ERR\] (\S+) - mid:\d+ - "([^"]*)" - (.*)$')
_LOADED = "[INF] Reloaded server configuration"
_NOT_LOADED = re.compile(r"\[ERR\] Failed to reload server configuration: (.*)$")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_.:-]")
_TLS = re.compile(r"\[ERR\] (\S+) - mid:\d+ - TLS handshake error: (.*)$")
_TLS_CAUSES = (  # text -> why, in one word
    ("didn't provide a certificate", "no_certificate"),
    ("unsupported versions", "old_protocol"),
    ("protocol version not supported", "old_protocol"),
    ("expired", "expired"),
    ("failed to verify certificate", "foreign_authority"),
    ("first record does not look like a TLS handshake", "plain_text"),
)
# text in the log -> fault code; None = counted only (a refused password may be anybody's)
_CAUSES: tuple[tuple[str, str, str | None], ...] = (
    ("character not supported for MQTT topics", "topic_space", "topic.space"),
    ("maximum payload exceeded", "payload_too_large", "payload.too_large"),
    ("unacceptable protocol version", "protocol_version", "broker.protocol"),
    ("Publish Violation", "publish_denied", "device.topic_denied"),
    ("Subscription Violation", "subscribe_denied", None),
    ("authentication error", "auth_refused", None),
)
_REFUSALS = frozenset({"publish_denied", "subscribe_denied", "auth_refused", "protocol_version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Somebody whom the broker did not let in, or whose message or subscription it did not take."""

    what: str  # tls.<why> | publish_denied | subscribe_denied | auth_refused | protocol_version
    address: str
    client: str
    detail: str


class LogWatch:
    """Follows nats-server's log file over its rotation and turns complaints into faults that name the client."""

    def __init__(
        self, path: Path, clock: Clock, ops: Ops, *, every_s: float = 0.5, refused: Callable[[Refusal], None] | None = None
    ) -> None:
        self._path = path
        self._clock = clock
        self._ops = ops
        self._every_s = every_s
        self._refused = refused
        self._told_ns: dict[tuple[str, str, str], int] = {}
        self.loads = 0  # configurations taken over while it ran
        self.reload_error = ""
        self._inode = 0
        self._offset = 0
        self._rest = b""
        self._seen_ns: dict[tuple[str, str], int] = {}
        if path.exists():  # an earlier run's complaints are old
            status = path.stat()
            self._inode, self._offset = status.st_ino, status.st_size

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            self.poll()
            await self._clock.sleep(self._every_s)

    def poll(self) -> None:
        """Read what is new."""
        for line in self._new_lines():
            self._take(line)
        now_ns = self._clock.monotonic_ns()
        for key, at_ns in list(self._seen_ns.items()):
            if now_ns - at_ns > FORGET_S * NS_PER_S:
                del self._seen_ns[key]
                self._ops.clear(*key)

    def _new_lines(self) -> list[str]:
        if not self._path.exists():
            return []
        status = self._path.stat()
        if status.st_ino != self._inode or status.st_size < self._offset:
            self._inode, self._offset, self._rest = status.st_ino, 0, b""
        if status.st_size == self._offset:
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(1 << 20)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-4096:]
        return [line.decode("utf-8", "replace") for line in lines]

    def _take(self, line: str) -> None:
        match = _LINE.search(line)
        if match is None and (failed := _TLS.search(line)) is not None:
            why = next((word for text, word in _TLS_CAUSES if text in failed[2]), "other")
            self._ops.counters[f"broker.tls_refused.{why}"] += 1
            self._tell(f"tls.{why}", failed[1], "", failed[2])
            return
        if match is None:
            self._configured(line)
            if "insufficient resources" in line or "resource limits exceeded" in line or "no space left" in line:
                self._complain("broker.full", "embedded", {})
            return
        address, client, text = match.groups()
        for words, counter, code in _CAUSES:
            if words in text:
                self._ops.counters[f"broker.{counter}"] += 1
                if counter in _REFUSALS:
                    self._tell(counter, address, client, text)
                if code is not None:
                    subject = _NOT_NAME.sub("_", client)[:64] or address.rsplit(":", 1)[0]
                    self._complain(code, subject, {"address": address})
                return

    def _tell(self, what: str, address: str, client: str, detail: str) -> None:
        """Hand a refusal on, the same one once in FORGET_S, a bounded number of them."""
        host = address.rsplit(":", 1)[0]
        now_ns = self._clock.monotonic_ns()
        key = (what, host, client)
        known_ns = self._told_ns.get(key)
        if self._refused is None or (known_ns is not None and now_ns - known_ns < FORGET_S * NS_PER_S):
            return
        if known_ns is None and len(self._told_ns) >= REMEMBERED:
            del self._told_ns[next(iter(self._told_ns))]
        self._told_ns[key] = now_ns
        self._refused(Refusal(what=what, address=host, client=_NOT_NAME.sub("_", client)[:64], detail=_NOT_NAME.sub(" ", detail)[:120]))

    def _configured(self, line: str) -> None:
        if _LOADED in line:
            self.loads, self.reload_error = self.loads + 1, ""
        elif (refused := _NOT_LOADED.search(line)) is not None:
            self.reload_error = refused[1][:120]

    def _complain(self, code: str, subject: str, params: dict[str, str]) -> None:
        named = sum(1 for known, _ in self._seen_ns if known == code)
        if (code, subject) not in self._seen_ns and named >= NAMED_LIMIT:
            return
        self._seen_ns[code, subject] = self._clock.monotonic_ns()
        self._ops.fault(code, subject, **params)
