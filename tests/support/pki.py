"""A device's side of certificates: key and signing request, contexts of every kind of stranger; and raw subscriptions."""

from __future__ import annotations

import socket
import ssl
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.authority import Authority
from gateway.clock import SystemClock
from tests.support.mqtt_wire import connect_packet


@dataclass
class Keys:
    """A device's private key with its request, and later its certificate."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.certificate = self.folder / f"{self.name}.key", self.folder / f"{self.name}.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.key.write_bytes(key.private_bytes(encoding, kind, serialization.NoEncryption()))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody-else")])  # of the request only the key counts
        self.csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256()).public_bytes(encoding).decode()

    def context(self, ca: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(self.certificate, self.key)
        return context


def without(ca: Path) -> ssl.SSLContext:
    """Trusts the house, shows nothing."""
    return ssl.create_default_context(cafile=str(ca))


def foreign(ca: Path, folder: Path, name: str) -> ssl.SSLContext:
    """Shows a certificate with the right name from another house."""
    other = Authority(folder / "other", SystemClock())
    other.make()
    keys = Keys(folder, name)
    keys.certificate.write_text(other.device(name, keys.csr.encode()).certificate_pem)
    return keys.context(ca)


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same, but nothing newer than TLS 1.1."""
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def refused(port: int, context: ssl.SSLContext, client_id: str) -> bool:
    """Whether nobody with this context is let in (TLS 1.3 tells a client of a missing certificate only when it reads)."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                sock.sendall(connect_packet(client_id))
                return sock.recv(4) != b"\x20\x02\x00\x00"
        except (ssl.SSLError, ConnectionError):
            return True


def subscribe(sock: socket.socket, topic: str) -> int:
    """The broker's answer to a subscription: 0x80 is no, 0 to 2 the granted QoS."""
    body = struct.pack(">HH", 1, len(topic)) + topic.encode() + b"\x01"
    sock.sendall(bytes([0x82, len(body)]) + body)
    while True:  # messages may come before the answer
        kind, length = _exactly(sock, 2)
        rest = _exactly(sock, length)
        if kind == 0x90:
            return rest[2]


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionResetError("closed by the broker")
        data += part
    return data
