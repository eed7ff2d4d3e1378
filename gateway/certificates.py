"""TLS with a server that is our own: known by its very certificate, whatever name, signer and dates that has."""

from __future__ import annotations

import os
import ssl
from pathlib import Path


def private_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that others cannot read (unless `mode` says so), whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def leaf(path: Path) -> bytes:
    """The first certificate of a PEM file, as DER."""
    text = path.read_text(encoding="ascii")
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    if begin < 0 or end < begin:
        raise ValueError(f"{path} holds no certificate")
    return ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])


def unchecked(certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client's context for those who compare the server's certificate themselves before they say anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
