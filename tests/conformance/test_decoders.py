"""One suite over every format that the catalogue finds (payloads and Bluetooth profiles), and over every case folder."""

from __future__ import annotations

import math
import os
import random
import re
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from devices import adverts, catalog, gatt, payloads
from devices.catalog import Channel, FactChannel
from devices.model import Call, DecodeError, DeviceFacts, Item, Message, Quality, Sample, Series, Wave
from devices.strict import MAX_BYTES
from tests.support.decoders import CASES, Case, case_folders, cases, inputs, judge

FACTS = DeviceFacts(device="dev-7")
FORMATS = sorted({channel.format for channel in catalog.channels()})
FACT_FORMATS = sorted({channel.format for channel in catalog.fact_channels()})
ALL_CASES = [(name, case) for name in FORMATS for case in cases(name) if not case.of_facts]
ALL_FACT_CASES = [(name, case) for name in FACT_FORMATS for case in cases(name) if case.of_facts]
BINARY = ("gatt_", "advert_")
FUZZ_COUNT = int(os.environ.get("ANXIN_FUZZ_COUNT", "10000"))


def readings_of(format_name: str) -> list[Case]:
    """The cases of a format that hold readings."""
    return [case for case in cases(format_name) if not case.of_facts]


def decodes(case_topic: str, payload: bytes, device: DeviceFacts = FACTS) -> Message | None:
    """The message, judged, or None if it was refused; anything else than a DecodeError is a failure."""
    try:
        message = catalog.decode(case_topic, payload, device)
    except DecodeError as error:
        _judge_refusal(error)
        return None
    judge(message, catalog.channel_of(case_topic), case_topic)
    return message


def describes(topic: str, payload: bytes) -> dict[str, str] | None:
    """The facts, judged, or None if they were refused."""
    try:
        found = catalog.facts(topic, payload)
    except DecodeError as error:
        _judge_refusal(error)
        return None
    for key, text in found.items():
        assert re.fullmatch(r"[a-z][a-z_]*", key)
        assert type(text) is str
        assert text.isprintable()
        assert len(text) <= 1024
    return found


def _judge_refusal(refusal: DecodeError) -> None:
    text = str(refusal)
    assert text
    assert len(text) < 200
    assert text.isprintable()
    assert refusal.__cause__ is None
    assert refusal.__suppress_context__ or refusal.__context__ is None, "the context would carry the payload into a log"


def _ms(t_ns: int | None) -> Fraction | None:
    return None if t_ns is None else Fraction(t_ns, 1_000_000)


def _flags(names: list[str]) -> Quality:
    quality = Quality.GOOD
    for name in names:
        quality |= Quality[name]
    return quality


def _same_array(got: array[float], wanted: list[float]) -> None:
    assert list(got) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def _check_item(got: Item, wanted: dict[str, Any]) -> None:
    match got:
        case Sample():
            assert got.quantity == wanted["sample"]
            if wanted["value"] is None:
                assert math.isnan(got.value)
            else:
                assert got.value == pytest.approx(wanted["value"], rel=1e-12)
            assert got.quality == _flags(wanted.get("quality", []))
            assert _ms(got.t_device_ns) == wanted["t_ms"]
        case Series():
            assert got.quantity == wanted["series"]
            _same_array(got.values, wanted["values"])
            assert (None if got.t_device_ns is None else [_ms(t_ns) for t_ns in got.t_device_ns]) == wanted["t_ms"]
        case Wave():
            assert (got.quantity, got.rate_hz, _ms(got.t_device_ns)) == (wanted["wave"], wanted["rate_hz"], wanted["t_ms"])
            _same_array(got.values, wanted["values"])
        case Call():
            assert (got.call.value, _ms(got.t_device_ns)) == (wanted["call"], wanted["t_ms"])
    assert got.stored == wanted.get("stored", False)


@pytest.mark.parametrize(("format_name", "case"), ALL_CASES, ids=[f"{name}/{case.name}" for name, case in ALL_CASES])
def test_case(format_name: str, case: Case) -> None:
    assert catalog.channel_of(case.topic).format == format_name
    if case.error is not None:
        with pytest.raises(DecodeError) as caught:
            catalog.decode(case.topic, case.payload, case.device)
        assert str(caught.value) == case.error
        assert decodes(case.topic, case.payload, case.device) is None
        return
    message = decodes(case.topic, case.payload, case.device)
    assert message is not None, "refused"
    wanted = case.expected.get("message", {})
    assert (message.device, message.boot_id, message.seq) == (wanted.get("device"), wanted.get("boot_id"), wanted.get("seq"))
    assert (_ms(message.t_device_ns), message.test, message.relative) == (
        wanted.get("t_ms"), wanted.get("test", False), wanted.get("relative", False),
    )  # fmt: skip
    record = bytes.fromhex(wanted["record_hex"]) if "record_hex" in wanted else case.payload[: wanted.get("record", 0)]
    assert (message.record, message.user) == (record or None, wanted.get("user"))
    assert len(message.items) == len(case.expected["items"])
    for got, item in zip(message.items, case.expected["items"], strict=True):
        _check_item(got, item)
    assert repr(catalog.decode(case.topic, case.payload, case.device)) == repr(message), "a decoder keeps no state"


@pytest.mark.parametrize(("format_name", "case"), ALL_FACT_CASES, ids=[f"{name}/{case.name}" for name, case in ALL_FACT_CASES])
def test_fact_case(format_name: str, case: Case) -> None:
    if case.error is None:
        assert describes(case.topic, case.payload) == case.expected["facts"]
    else:
        with pytest.raises(DecodeError) as caught:
            catalog.facts(case.topic, case.payload)
        assert str(caught.value) == case.error
    with pytest.raises(DecodeError, match="holds facts of the device, no readings"):
        catalog.decode(case.topic, case.payload, FACTS)


def test_every_format_has_cases_and_every_case_a_format() -> None:
    assert FORMATS
    assert FACT_FORMATS
    for name, pool in [(name, ALL_CASES) for name in FORMATS] + [(name, ALL_FACT_CASES) for name in FACT_FORMATS]:
        kinds = {case.error is None for owner, case in pool if owner == name}
        assert kinds == {True, False}, f"{name}: good and bad vectors are missing in {CASES / name}"
    modules = {path.stem for path in Path(payloads.__file__ or "").parent.glob("*.py")}
    modules |= {f"gatt_{path.stem}" for path in Path(gatt.__file__ or "").parent.glob("*.py")}
    modules |= {f"advert_{path.stem}" for path in Path(adverts.__file__ or "").parent.glob("*.py")}
    folders = {path.name for path in case_folders()}
    assert folders & modules == {*FORMATS, *FACT_FORMATS}
    assert not {name for name in folders - modules if name.startswith(BINARY)}


@pytest.mark.parametrize("name", FORMATS)
def test_every_truncation_is_refused(name: str) -> None:
    """But for the `cuts` of a case: a list of readings without a count, cut between two of them, is a shorter list."""
    for case in readings_of(name):
        if case.error is not None:
            continue
        whole = case.payload if name.startswith(BINARY) else case.payload.rstrip()
        for length in range(len(whole)):
            refused = decodes(case.topic, whole[:length], case.device) is None
            assert refused != (length in case.expected.get("cuts", ())), f"{case.name} cut to {length} bytes"


@pytest.mark.timeout(30 + FUZZ_COUNT // 2000)
@pytest.mark.parametrize("name", FORMATS)
def test_random_and_mutated_inputs(name: str, seed: int) -> None:
    rng = random.Random(f"{seed}-{name}")
    topics = sorted({case.topic for case in readings_of(name)})
    vectors = tuple(case.payload for case in readings_of(name) if case.payload for _ in range(5 if case.error is None else 1))
    accepted = 0
    for payload in inputs(rng, vectors, FUZZ_COUNT):
        accepted += decodes(rng.choice(topics), payload) is not None
    print(f"{name}: {FUZZ_COUNT} inputs, {accepted} accepted")
    assert 0 < accepted < FUZZ_COUNT, "wounds must both heal and kill, or the fuzz tests nothing"


@pytest.mark.timeout(30 + FUZZ_COUNT // 2000)
@pytest.mark.parametrize("name", FACT_FORMATS)
def test_random_and_mutated_facts(name: str, seed: int) -> None:
    rng = random.Random(f"{seed}-{name}")
    found = [case for case in cases(name) if case.of_facts]
    for case in found:
        for length in range(len(case.payload)):
            describes(case.topic, case.payload[:length])  # a shorter text is a text too
    vectors = tuple(case.payload for case in found if case.payload)
    topics = sorted({case.topic for case in found})
    accepted = sum(describes(rng.choice(topics), payload) is not None for payload in inputs(rng, vectors, FUZZ_COUNT))
    assert 0 < accepted < FUZZ_COUNT


@pytest.mark.parametrize("channel", catalog.fact_channels(), ids=lambda channel: channel.pattern)
def test_oversized_facts(channel: FactChannel) -> None:
    topic = channel.pattern.replace("{service}", "1808")
    assert describes(topic, b"0" * 513) is None
    describes(topic, b"")


@pytest.mark.parametrize("channel", catalog.channels(), ids=lambda channel: channel.pattern)
def test_oversized_and_empty(channel: Channel) -> None:
    topic = channel.pattern.replace("{device}", "dev-7")
    assert decodes(topic, b"") is None
    for first in (b"{", b"[", b" ", b"\xa1", b"\x81"):
        assert decodes(topic, first + b" " * MAX_BYTES) is None
    for bomb in (b"[" * 100_000, b'{"v":' * 40_000, b"\x81" * 200_000, b"\xa1\x61\x61" * 60_000, b"\xbf\x61\x61" * 60_000):
        assert decodes(topic, bomb) is None


BAD_TOPICS = [*"/ x anxin anxin/up anxin/up/ anxin/up/a/b anxin/up/é x/up/a".split(), "", "anxin/up/a b", "anxin/up/" + "a" * 65]
BAD_TOPICS += ["gatt", "gatt/180d", "gatt/180d/2a37/", "gatt/180d/2A37", "gatt/1810/2a37", "gatt/180a/2a29", "gatt/{service}/2a08"]


@pytest.mark.parametrize("topic", BAD_TOPICS)
def test_unknown_topics(topic: str) -> None:
    assert decodes(topic, b"{}") is None


def test_topics_of_characteristics() -> None:
    assert catalog.gatt_topic("0000180D-0000-1000-8000-00805F9B34FB", "2A37") == "gatt/180d/2a37"
    own = "00001026-0002-11e2-9e96-0800200c9a66"
    assert catalog.gatt_topic("0000180d-0000-1000-8000-00805f9b34fb", own) == f"gatt/180d/{own}"
    assert describes(f"gatt/180d/{own}", b"\0") is None
    assert describes("gatt/180d/2a37", b"\0\x48") is None


def test_channels_are_distinct_and_subscribable() -> None:
    filters = [channel.mqtt_filter for channel in catalog.channels() if not channel.format.startswith(BINARY)]
    assert len(set(filters)) == len(filters)
    assert all("#" not in text and "{" not in text for text in filters)
    assert {channel.pattern for channel in catalog.channels() if channel.calls} == {"anxin/call/{device}"}


def test_every_cbor_tag_is_refused() -> None:
    head = bytes.fromhex("a1 61 76".replace(" ", ""))
    for tag in (*range(24), *range(24, 256), *range(256, 65536, 7), 55799, 43000, 2**32, 2**63):
        size = 1 if tag < 256 else 2 if tag < 65536 else 8
        encoded = bytes([0xC0 | tag]) if tag < 24 else bytes([{1: 0xD8, 2: 0xD9, 8: 0xDB}[size]]) + tag.to_bytes(size, "big")
        for content in (b"\x01", b"\x80", b"\x60", b"\x82\x01\x01"):
            with pytest.raises(DecodeError, match=r"CBOR tag|not CBOR|cut off"):
                catalog.decode("anxin/up/dev-7", head + encoded + content, FACTS)
