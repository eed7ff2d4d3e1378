"""Plain MQTT 3.1.1 for tests and benchmarks: a publisher that keeps its own list, and Mosquitto on a port of its own."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support import need
from tests.workers import ports

_PORTS = ports()


def free_port() -> int:
    return next(_PORTS)


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, digit = divmod(n, 128)
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def connect_packet(client_id: str, username: str = "", password: str = "", keepalive: int = 60) -> bytes:
    flags = 0x02 | (0xC0 if username else 0)
    body = _text("MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive) + _text(client_id)
    if username:
        body += _text(username) + _text(password)
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: str, payload: bytes, packet_id: int, *, retain: bool = False, dup: bool = False) -> bytes:
    body = _text(topic) + struct.pack(">H", packet_id) + payload
    return bytes([0x32 | (1 if retain else 0) | (8 if dup else 0)]) + _length(len(body)) + body


class Publisher:
    """Publishes QoS 1 with a window and remembers which of its messages were PUBACKed."""

    def __init__(
        self, port: int, client_id: str, username: str = "", password: str = "", timeout_s: float = 5.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls is not None:
                self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
            self.sock.sendall(connect_packet(client_id, username, password))
            answer = self._exactly(4)
            if answer[0] != 0x20 or answer[3] != 0:
                raise ConnectionRefusedError(f"CONNACK {answer.hex()}")
        except BaseException:
            self.sock.close()
            raise
        self.waiting: dict[int, int] = {}  # packet id -> index of the caller's message
        self.acked: list[int] = []
        self._next_id = 0
        self._buffer = b""

    def _exactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise ConnectionResetError("closed by the broker")
            data += part
        return data

    def send(self, topic: str, payload: bytes, index: int, *, retain: bool = False) -> None:
        self.sock.sendall(self.packet(topic, payload, index, retain=retain))

    def packet(self, topic: str, payload: bytes, index: int, *, retain: bool = False) -> bytes:
        self._next_id = self._next_id % 65_535 + 1
        self.waiting[self._next_id] = index
        return publish_packet(topic, payload, self._next_id, retain=retain)

    def take_acks(self, wait_s: float = 0.0) -> None:
        ready, _, _ = select.select([self.sock], [], [], wait_s)
        if not ready:
            return
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError("closed by the broker")
        self._buffer += data
        while len(self._buffer) >= 4:
            if self._buffer[0] != 0x40:
                raise ConnectionError(f"unexpected packet {self._buffer[0]:#x}")
            (packet_id,) = struct.unpack(">H", self._buffer[2:4])
            self._buffer = self._buffer[4:]
            self.acked.append(self.waiting.pop(packet_id))

    def publish_all(self, messages: Sequence[tuple[str, bytes]], window: int = 500, limit_s: float = 60.0) -> None:
        """Publish all and wait for every PUBACK."""
        ends = time.monotonic() + limit_s
        at = 0
        while at < len(messages) or self.waiting:
            room = min(window - len(self.waiting), len(messages) - at)
            if room > 0:
                self.sock.sendall(b"".join(self.packet(*messages[at + i], at + i) for i in range(room)))
                at += room
            self.take_acks(1.0)
            if time.monotonic() > ends:
                raise TimeoutError(f"{len(self.waiting)} of {len(messages)} messages were not acknowledged")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(b"\xe0\x00")
        self.sock.close()


class Mosquitto:
    """Mosquitto with the settings that keep messages (platform notes: its defaults drop them)."""

    def __init__(self, folder: Path, port: int | None = None, extra: str = "", log_types: Sequence[str] = ("none",)) -> None:
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # it drops its rights when root starts it
        self._config = folder / "mosquitto.conf"
        listener = extra if "listener" in extra else f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{extra}"
        self._config.write_text(
            f"{listener}\nset_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 4000\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\nuser root\n"
            + "".join(f"log_type {kind}\n" for kind in log_types)
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([str(need("mosquitto")), "-c", str(self._config)])
        wait_for_port(self.port)

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError("not running")
        return self.process.pid

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(5)


@contextlib.contextmanager
def mosquitto(folder: Path, extra: str = "", port: int | None = None, log_types: Sequence[str] = ("none",)) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, port, extra, log_types)
    try:
        yield broker
    finally:
        broker.kill()


def wait_for_port(port: int, limit_s: float = 10.0) -> None:
    ends = time.monotonic() + limit_s
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")
