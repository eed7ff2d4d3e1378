"""The house's own certificate authority: a root of ten years, certificates for our servers and, by their own request, for devices.

Everything is P-256. A device's key never leaves it: it sends a signing request. The name by which the embedded broker knows a certificate
is made of its serial number (`mqtt_name`), so that a later certificate of the same device is another user and one can be revoked alone;
the common name is the device, which is what other brokers look at.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.certificates import private_file
from gateway.clock import NS_PER_S, Clock

CA_DAYS = 3650
SERVER_DAYS = 397  # what browsers take
DEVICE_DAYS = 730
BACKDATED = timedelta(hours=1)  # devices' clocks are late
MIN_RSA_BITS = 2048
MAX_REQUEST_BYTES = 16 * 1024


class CertificateError(ValueError):
    """A certificate cannot be made or read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate for a device; `serial` in hexadecimal is how it is listed and revoked."""

    certificate_pem: str
    serial: str
    not_after_ns: int


def mqtt_name(serial: str) -> str:
    """The name in a certificate by which the embedded broker knows it."""
    return f"{serial}.client.anxin"


class Authority:
    """The certificates folder of one data folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        self.ca_file, self._key_file = folder / "ca.pem", folder / "ca.key"

    @property
    def exists(self) -> bool:
        """Whether there is a root."""
        return self.ca_file.exists() and self._key_file.exists()

    def make(self) -> bool:
        """Make the root unless there is one; says whether it was made."""
        if self.exists:
            return False
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        self._write_root(key)
        private_file(self._key_file, _pem(key))
        return True

    def renew_root(self) -> None:
        """The same root with a new life: what it signed stays valid, and so does the trust of those who know its key."""
        self._write_root(self._root_key())

    def server(self, hosts: Sequence[str], name: str = "server", days: int = SERVER_DAYS) -> tuple[Path, Path]:
        """A certificate and key for our own servers under these host names and addresses; written as <name>.pem and <name>.key."""
        if not hosts:
            raise CertificateError("name at least one host name or address under which devices and browsers reach this machine")
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [_host(host) for host in hosts]
        builder = self._builder(hosts[0], key.public_key(), days).add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = self._sign(builder, ExtendedKeyUsageOID.SERVER_AUTH)
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        private_file(paths[1], _pem(key))
        private_file(paths[0], _text(certificate), mode=0o644)
        return paths

    def renew_server(self, name: str = "server") -> tuple[Path, Path]:
        """A new certificate and key for the names of the present one."""
        present = read(self.folder / f"{name}.pem")
        alternatives = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return self.server([str(each.value) for each in alternatives], name)

    def device(self, device: str, request_pem: bytes, days: int = DEVICE_DAYS) -> Issued:
        """Sign a device's request; nothing of it but the key is taken over."""
        try:
            request = x509.load_pem_x509_csr(request_pem)
            sound = len(request_pem) <= MAX_REQUEST_BYTES and request.is_signature_valid
            public = request.public_key()
        except (ValueError, TypeError, InvalidSignature) as error:
            raise CertificateError("csr: not a signing request (PEM, PKCS #10)") from error
        strong = isinstance(public, ec.EllipticCurvePublicKey) or (isinstance(public, rsa.RSAPublicKey) and public.key_size >= MIN_RSA_BITS)
        if not sound or not strong:
            raise CertificateError(f"csr: {'its signature is not its own' if not sound else 'needs an elliptic-curve key or RSA 2048'}")
        return self._client(device, public, days)  # type: ignore[arg-type]

    def own_client(self, folder: Path) -> tuple[Path, Path, str]:
        """A certificate with key for the gateway itself at its own broker, made anew: (certificate, key, serial)."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = self._client("anxin-gateway", key.public_key(), SERVER_DAYS)
        paths = folder / "internal.pem", folder / "internal.key"
        private_file(paths[1], _pem(key))
        private_file(paths[0], issued.certificate_pem)
        return (*paths, issued.serial)

    def write_revocations(self, serials: Sequence[tuple[str, int]], days: int = 30) -> Path:
        """The list of revoked certificates (serial, when) as crl.pem, for brokers that read one."""
        now = self._now()
        builder = x509.CertificateRevocationListBuilder().issuer_name(read(self.ca_file).subject)
        builder = builder.last_update(now - BACKDATED).next_update(now + timedelta(days=days))
        for serial, revoked_ns in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(_when(revoked_ns)).build()
            builder = builder.add_revoked_certificate(entry)
        path = self.folder / "crl.pem"
        private_file(path, builder.sign(self._root_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), mode=0o644)
        return path

    def _client(self, name: str, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, days: int) -> Issued:
        serial = secrets.randbits(120) | 1 << 120
        alternative = x509.SubjectAlternativeName([x509.DNSName(mqtt_name(f"{serial:x}"))])
        builder = self._builder(name, public, days, serial).add_extension(alternative, critical=False)
        certificate = self._sign(builder, ExtendedKeyUsageOID.CLIENT_AUTH)
        until_ns = int(certificate.not_valid_after_utc.timestamp()) * NS_PER_S
        return Issued(certificate_pem=_text(certificate), serial=f"{serial:x}", not_after_ns=until_ns)

    def _builder(
        self, name: str, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, days: int, serial: int | None = None
    ) -> x509.CertificateBuilder:
        now = self._now()
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        builder = builder.public_key(public).serial_number(serial or x509.random_serial_number())
        return builder.not_valid_before(now - BACKDATED).not_valid_after(now + timedelta(days=days))

    def _sign(self, builder: x509.CertificateBuilder, usage: x509.ObjectIdentifier) -> x509.Certificate:
        key, root = self._root_key(), read(self.ca_file)
        builder = builder.issuer_name(root.subject).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())

    def _write_root(self, key: ec.EllipticCurvePrivateKey) -> None:
        common = f"Anxin house {x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]}"  # two houses differ
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = self._builder(common, key.public_key(), CA_DAYS).issuer_name(name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        private_file(self.ca_file, _text(builder.sign(key, hashes.SHA256())), mode=0o644)

    def _root_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise CertificateError(f"{self._key_file} cannot be read: run `anxin certs init`, or bring it back from a backup") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CertificateError(f"{self._key_file} is not a key that was made here")
        return key

    def _now(self) -> datetime:
        return _when(self._clock.now_ns())


def read(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        raise CertificateError(f"{path}: no certificate can be read") from error


def days_left(path: Path, now_ns: int) -> int:
    """Whole days until a certificate ends; negative when it has ended."""
    return int((read(path).not_valid_after_utc - _when(now_ns)) / timedelta(days=1))


def _when(t_ns: int) -> datetime:
    return datetime.fromtimestamp(t_ns // NS_PER_S, UTC)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not host.isascii() or not host.replace("-", "").replace(".", "").isalnum():
            raise CertificateError(f"{host[:64]}: neither a host name nor an address") from None
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
