"""The AsyncAPI document is true: its examples decode, its schemas and the decoder agree, its lists are the code's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from devices.catalog import channels, decode
from devices.checks import SERIES_KEYS, SINGLE_KEYS, WAVE_KEYS
from devices.codes import BY_KEY
from devices.model import CallKind, DecodeError, DeviceFacts
from devices.payloads import envelope
from gateway.asyncapi import SOURCE, document
from gateway.cli.app import app

DOCUMENT: dict[str, Any] = yaml.safe_load(document())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
FORMS = ("single", "readings", "series", "wave", "call")
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def resolved(node: Any) -> Any:
    """Follow a reference within the document."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value fits a JSON Schema, for the keywords that the document uses; another keyword is an error."""
    schema = resolved(schema)
    checks: dict[str, Callable[[Any], bool]] = {
        "title": lambda _: True,
        "description": lambda _: True,
        "type": lambda kind: isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool)),
        "const": lambda wanted: value == wanted,
        "enum": lambda words: value in words,
        "pattern": lambda pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
        "minLength": lambda size: not isinstance(value, str) or len(value) >= size,
        "minimum": lambda low: not isinstance(value, int | float) or value >= low,
        "maximum": lambda high: not isinstance(value, int | float) or value <= high,
        "exclusiveMinimum": lambda low: not isinstance(value, int | float) or value > low,
        "oneOf": lambda options: sum(fits(option, value) for option in options) == 1,
        "required": lambda keys: not isinstance(value, dict) or set(keys) <= set(value),
        "properties": lambda inner: not isinstance(value, dict) or all(fits(inner[key], value[key]) for key in value if key in inner),
        "additionalProperties": lambda _: not isinstance(value, dict) or set(value) <= set(schema["properties"]),
        "items": lambda inner: not isinstance(value, list) or all(fits(inner, entry) for entry in value),
        "minItems": lambda size: not isinstance(value, list) or len(value) >= size,
        "maxItems": lambda size: not isinstance(value, list) or len(value) <= size,
    }
    if "additionalProperties" in schema:
        assert schema["additionalProperties"] is False
    return all(checks[keyword](wanted) for keyword, wanted in schema.items())


def by_schema(body: Any) -> bool:
    """Whether exactly one form of the envelope fits."""
    return sum(fits(SCHEMAS[form], body) for form in FORMS) == 1


def by_decoder(body: Any) -> bool:
    """Whether the decoder takes it."""
    try:
        decode("anxin/up/dev-7", json.dumps(body).encode(), DeviceFacts(device="dev-7"))
    except DecodeError:
        return False
    return True


HEAD: dict[str, Any] = {"v": 1, "device": "dev-7", "boot_id": "b1", "seq": 0, "t": 1_700_000_000_000}
ONE: dict[str, Any] = HEAD | {"quantity": "hr", "value": 72, "unit": "/min"}
READING = {"quantity": "hr", "value": 72, "unit": "/min"}
SERIES = {"quantity": "hr", "unit": "/min", "value": [72, 73.5], "t": [1, 2]}
STEPPED = {"quantity": "hr", "unit": "/min", "value": [72, 73.5], "t0": 1, "dt_ms": 1000}
WAVE = {"quantity": "ecg", "unit": "mV", "rate_hz": 250, "value": [0.5, 1]}


def without(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


TABLE: list[tuple[Any, bool]] = [
    (ONE, True),
    (ONE | {"t": None}, True),
    (ONE | {"stored": True, "test": False}, True),
    (ONE | {"value": None, "quality": ["motion", "not_worn"]}, True),
    (ONE | {"quality": []}, True),
    (ONE | {"boot_id": "x" * 64, "seq": 2**63 - 1}, True),
    (HEAD | {"readings": [READING] * 200}, True),
    (HEAD | {"readings": [READING | {"t": 5, "quality": ["lead_off"]}, READING | {"t": None}]}, True),
    (HEAD | {"series": [SERIES, STEPPED]}, True),
    (HEAD | {"wave": WAVE}, True),
    (HEAD | {"call": {"kind": "cancel"}}, True),
    *((without(ONE, key), False) for key in ONE),
    *((HEAD | {"series": [without(SERIES, key)]}, False) for key in SERIES),
    *((HEAD | {"series": [without(STEPPED, key)]}, False) for key in STEPPED),
    *((HEAD | {"wave": without(WAVE, key)}, False) for key in WAVE),
    *((HEAD | {"readings": [without(READING, key)]}, False) for key in READING),
    *((ONE | {key: True}, False) for key in ONE),
    *((ONE | {key: {}}, False) for key in ONE),
    *((ONE | {key: []}, False) for key in ONE),
    # what the schemas leave to the decoder, as the document says: units of a quantity, the reason for null
    *((ONE | {key: "\u4e00"}, False) for key in ONE if key != "unit"),
    *((ONE | {key: None}, False) for key in ONE if key not in {"t", "value"}),
    (ONE | {"v": 2}, False),
    (ONE | {"seq": -1}, False),
    (ONE | {"seq": 2**63}, False),
    (ONE | {"seq": 0.5}, False),
    (ONE | {"t": 9_223_372_036_855}, False),
    (ONE | {"boot_id": ""}, False),
    (ONE | {"boot_id": "x" * 65}, False),
    (ONE | {"boot_id": "a b"}, False),
    (ONE | {"unit": ""}, False),
    (ONE | {"quality": ["fine"]}, False),
    (ONE | {"quality": "motion"}, False),
    (ONE | {"stored": 1}, False),
    (ONE | {"test": None}, False),
    (ONE | {"note": "x"}, False),
    (ONE | {"quantity": "news2"}, False),
    (ONE | {"quantity": "ecg", "unit": "mV"}, False),
    (ONE | {"call": {"kind": "sos"}}, False),
    (HEAD, False),
    (HEAD | {"readings": []}, False),
    (HEAD | {"readings": [READING] * 201}, False),
    (HEAD | {"readings": [READING | {"stored": True}]}, False),
    (HEAD | {"readings": READING}, False),
    (HEAD | {"series": []}, False),
    (HEAD | {"series": [SERIES | {"t0": 1}]}, False),
    (HEAD | {"series": [SERIES | {"value": [72, None]}]}, False),
    (HEAD | {"series": [SERIES | {"value": [72, True]}]}, False),
    (HEAD | {"series": [SERIES | {"value": []}]}, False),
    (HEAD | {"series": [SERIES | {"t": [1, 2.5]}]}, False),
    (HEAD | {"series": [STEPPED | {"dt_ms": 0}]}, False),
    (HEAD | {"series": [STEPPED | {"quantity": "call.sos", "unit": "1"}]}, False),
    (HEAD | {"wave": WAVE | {"rate_hz": 0}}, False),
    (HEAD | {"wave": WAVE | {"quantity": "hr", "unit": "/min"}}, False),
    (HEAD | {"wave": WAVE | {"value": [0] * 20_001}}, False),
    (HEAD | {"call": {"kind": "help"}}, False),
    (HEAD | {"call": {}}, False),
    (HEAD | {"call": "sos"}, False),
    (HEAD | {"call": {"kind": "sos", "by": "x"}}, False),
    ([ONE], False),
]


@pytest.mark.parametrize("number", range(len(TABLE)))
def test_schema_and_decoder_agree(number: int) -> None:
    body, good = TABLE[number]
    assert (by_schema(body), by_decoder(body)) == (good, good), body


EXAMPLES = [(name, example) for name, message in MESSAGES.items() for example in message["examples"]]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}: {example['name']}" for name, example in EXAMPLES])
def test_examples(name: str, example: dict[str, Any]) -> None:
    body = example["payload"]
    assert fits(MESSAGES[name]["payload"], body)
    payload = json.dumps(body).encode()
    for channel in DOCUMENT["channels"].values():
        if channel["address"].startswith("anxin/ack/") or name not in channel["messages"]:
            continue
        device = body["device"] if isinstance(body, dict) else "mat-5"
        decode(channel["address"].replace("{device}", device), payload, DeviceFacts(device=device))


def test_channels_are_those_of_the_catalogue() -> None:
    documented = {entry["address"] for entry in DOCUMENT["channels"].values() if not entry["address"].startswith("anxin/ack/")}
    assert documented == {channel.pattern for channel in channels() if channel.format in {"envelope", "senml"}}


def test_the_command_prints_the_document_with_every_list_filled_in() -> None:
    printed = CliRunner().invoke(app, ["asyncapi"])
    assert printed.exit_code == 0
    assert yaml.safe_load(printed.stdout) == DOCUMENT
    assert SOURCE.read_text(encoding="utf-8").count("[$") == 3  # no list is kept by hand
    assert "[$" not in printed.stdout


def test_lists_are_those_of_the_code() -> None:
    in_order = list(BY_KEY)
    for schema, keys in (("quantity", SINGLE_KEYS), ("seriesQuantity", SERIES_KEYS), ("waveQuantity", WAVE_KEYS)):
        assert SCHEMAS[schema]["enum"] == [key for key in in_order if key in keys]
    assert SCHEMAS["quality"]["items"]["enum"] == list(envelope._QUALITY)
    assert SCHEMAS["call"]["properties"]["call"]["properties"]["kind"]["enum"] == [kind.value for kind in CallKind]


def test_every_reference_leads_somewhere() -> None:
    todo: list[Any] = [DOCUMENT]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            assert "$ref" not in node or resolved(node) is not None
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
