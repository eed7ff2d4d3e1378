"""TLS with a server that is our own: known by its very certificate, whatever name, signer and dates that has."""

from __future__ import annotations

import ssl
from pathlib import Path


def leaf(path: Path) -> bytes:
    """The first certificate of a PEM file, as DER."""
    text = path.read_text(encoding="ascii")
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    if begin < 0 or end < begin:
        raise ValueError(f"{path} holds no certificate")
    return ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])


def unchecked() -> ssl.SSLContext:
    """A client's context for those who compare the certificate themselves before they say anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
