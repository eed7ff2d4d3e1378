"""Both languages have the same words, with the same placeholders, for every code that the gateway can emit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from dashboards.build_hook import GENERATED, write_words
from dashboards.pages.words import FOLDER, LANGUAGES, PLACEHOLDER, Phrasebook, choose, words
from devices.codes import QUANTITIES
from gateway.registry.errors import MESSAGES
from gateway.vocabulary import Action, AlertKind, AlertState, Origin, Outcome, Priority, Role
from tests.support import ROOT

LITERAL = re.compile(r"""["'](finding\.[a-z0-9_.]+[a-z0-9_])["']""")
FAULT = re.compile(r"""\.fault\(\s*["']([a-z_.]+)["']""")
PREFIXES = re.compile(r"""f["'](finding\.[a-z_.]*)\{""")


def sources(*packages: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for package in packages for path in sorted((ROOT / package).rglob("*.py")))


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    zh, en = words("zh"), words("en")
    assert zh.keys() == en.keys()
    for key in zh:
        assert set(PLACEHOLDER.findall(zh[key])) == set(PLACEHOLDER.findall(en[key])), key
    assert not [key for key, text in en.items() if re.search("[\u4e00-\u9fff]", text)]


def test_every_word_of_the_vocabulary_has_words() -> None:
    wanted = [f"priority.{item.name.lower()}" for item in Priority] + [f"origin.{item.name.lower()}" for item in Origin]
    for prefix, enumeration in (("kind", AlertKind), ("state", AlertState), ("standing", AlertState), ("outcome", Outcome),
                                ("action", Action), ("role", Role)):  # fmt: skip
        wanted += [f"{prefix}.{item.value}" for item in enumeration]
    wanted += [f"quantity.{row.key}" for row in QUANTITIES] + [f"unit.{row.ucum}" for row in QUANTITIES]
    wanted += [f"vital.{state}" for state in ("live", "stale", "lost", "no_value", "warming")]
    wanted += [f"error.registry.{code}" for code in MESSAGES if not code.startswith("csv.") and code != "not.found"]
    assert not [key for key in wanted if key not in words("zh")]


def test_every_quantity_is_called_as_in_the_table_and_nowhere_else(tmp_path: Path) -> None:
    web = tmp_path / "dashboards" / "web"
    web.mkdir(parents=True)
    (tmp_path / "devices").mkdir()
    shutil.copy(ROOT / "devices" / "codes.py", tmp_path / "devices")
    shutil.copytree(FOLDER, tmp_path / "dashboards" / "i18n")
    write_words(web)

    def read(lang: str, part: str) -> dict[str, str]:
        found: dict[str, str] = json.loads((web / GENERATED.format(lang=lang, part=part)).read_text(encoding="utf-8"))
        return found

    parts = {lang: (read(lang, "core"), read(lang, "rest")) for lang in LANGUAGES}
    for row in QUANTITIES:
        key = f"quantity.{row.key}"
        assert (words("zh")[key], words("en")[key]) == (parts["zh"][0][key], parts["en"][0][key]) == (row.zh, row.en)
        assert parts["en"][0][f"unit.{row.ucum}"] == words("en")[f"unit.{row.ucum}"]
    for lang, (core, rest) in parts.items():
        by_hand = json.loads((FOLDER / f"{lang}.json").read_text(encoding="utf-8"))
        assert not [key for key in by_hand if key.startswith("quantity.")], "the names of quantities stand in devices/codes.py"
        assert not core.keys() & rest.keys()
        assert by_hand.items() <= (core | rest).items()  # the parts hold everything


def test_every_code_in_the_sources_has_words() -> None:
    text = sources("gateway", "analytics")
    codes = set(LITERAL.findall(text)) | {f"fault.{code}" for code in FAULT.findall(text)}
    assert len(codes) > 10
    assert not sorted(code for code in codes if code not in words("zh"))
    for prefix in PREFIXES.findall(text):
        assert any(key.startswith(prefix) for key in words("zh")), prefix


def test_every_problem_code_has_words() -> None:
    text = sources("gateway/api", "gateway/commands", "gateway/query")
    makers = r"(?:Problem\(\d+|Refusal\(Kind\.\w+|Unavailable\(|problem_response\(\d+|BadJson\(|return \d+)"
    codes = set(re.findall(makers + r""",?\s*["']([a-z_.]+)["']""", text))
    codes |= {f"alert.{word}" for word in re.findall(r"""NotAllowed\(["'](\w+)["']\)""", sources("gateway/alerts"))}
    assert len(codes) > 20
    assert not sorted(code for code in codes if f"error.{code}" not in words("zh"))


def test_every_transition_and_reason_has_words() -> None:
    text = sources("gateway/alerts")
    kinds = set(re.findall(r"""Transition\(\s*kind=["']([a-z_]+)["']""", text)) | set(re.findall(r"""_said\(["']([a-z_]+)["']""", text))
    kinds |= {"raised", "repeated", "worsened", "reraised", "announced_again"}
    assert len(kinds) > 15
    assert not sorted(kind for kind in kinds if f"transition.{kind}" not in words("zh"))


@pytest.mark.parametrize(
    ("accept", "preferred", "lang"),
    [
        ("", None, "zh"), ("en", None, "en"), ("en-GB,en;q=0.9", None, "en"), ("zh-TW,en;q=0.5", None, "zh"),
        ("fr,en;q=0.3,zh;q=0.2", None, "en"),
        ("fr", None, "zh"), ("en;q=0", None, "zh"), ("en;q=x", None, "zh"), ("en", "zh", "zh"), ("zh", "en", "en"), ("en", "xx", "en"),
        ("zh;q=0.5,en;q=0.8", None, "en"), (",,;;q=,en", None, "en"),
    ],
)  # fmt: skip
def test_language(accept: str, preferred: str | None, lang: str) -> None:
    assert choose(accept, preferred) == lang


def test_sentences() -> None:
    zh, en = Phrasebook("zh"), Phrasebook("en")
    params = {"quantity": "spo2", "value": 84.26, "unit": "%", "limit": 90.0}
    assert zh("finding.limit.low", **params) == "血氧饱和度 84.3 %，低于 90"
    assert en("finding.limit.low", **params) == "Oxygen saturation 84.3 %, below 90"
    assert zh("finding.limit.low") == "— — —，低于 —"
    assert zh("finding.of.tomorrow") == "（finding.of.tomorrow）"
    spans = {-5: "0 秒", 59.9: "59 秒", 60: "1 分 0 秒", 3599: "59 分 59 秒", 3600: "1 小时 0 分", 90_000: "1 天 1 小时"}
    assert {span: zh.duration(span) for span in spans} == spans
    assert zh.clock(1_767_225_600_000) == "08:00"  # 2026-01-01T00:00Z in Shanghai
