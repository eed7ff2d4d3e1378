"""Device Information Service (0x180A): what the device is, as facts; it holds no readings."""

from __future__ import annotations

from devices.medfloat import Reader
from devices.model import DecodeError

_TEXTS = {
    "2a29": "manufacturer",
    "2a24": "model",
    "2a25": "serial",
    "2a27": "hardware",
    "2a26": "firmware",
    "2a28": "software",
}
FACT_CHANNELS = (*(f"gatt/180a/{uuid}" for uuid in _TEXTS), "gatt/180a/2a23", "gatt/180a/2a2a", "gatt/180a/2a50")
_VENDOR_LISTS = {1: "bluetooth", 2: "usb"}


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """One characteristic -> one fact."""
    uuid = topic.rpartition("/")[2]
    if uuid in _TEXTS:
        return {_TEXTS[uuid]: _text(payload, _TEXTS[uuid])}
    reader = Reader(payload)
    if uuid == "2a2a":  # an opaque list of certifications; kept for who must prove them
        return {"regulatory": reader.take(reader.left or 1, "regulatory certification").hex()}
    if uuid == "2a23":  # sent from the low end: 5 bytes of the maker's number, 3 of the maker
        system_id = reader.take(8, "system id")[::-1].hex()
        reader.end()
        return {"system_id": system_id}
    source, vendor, product, version = (reader.uint(size, "pnp id") for size in (1, 2, 2, 2))
    reader.end()
    if source not in _VENDOR_LISTS:
        raise DecodeError("pnp id: reserved vendor source")
    return {"pnp_id": f"{_VENDOR_LISTS[source]}:{vendor:04x}:{product:04x}:{version:04x}"}


def _text(payload: bytes, name: str) -> str:
    """UTF-8 without the padding that some devices send (NUL, spaces)."""
    data = Reader(payload).rest()
    try:
        text = data.partition(b"\0")[0].decode().strip()
    except UnicodeDecodeError:
        raise DecodeError(f"{name}: not UTF-8") from None
    if not text.isprintable():
        raise DecodeError(f"{name}: not printable")
    return text
