"""The sentences of the screens: one JSON per language, shared with the TypeScript front end; quantities are named by their table.

A sentence has placeholders `{name}`: a number is shown with at most one decimal, a word is looked up as `name.<word>`
(`quantity.hr`; a digit at the end of the name counts only for the value, `{quantity2}`) and shown as it stands where there is no such
entry. The front end's i18n.ts does the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.query.labels import labels

LANGUAGES = ("zh", "en")
FOLDER = Path(__file__).resolve().parent.parent / "i18n"
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@cache
def words(lang: str) -> Mapping[str, str]:
    """All words of a language by key."""
    loaded: dict[str, str] = json.loads((FOLDER / f"{lang}.json").read_text(encoding="utf-8"))
    return {**labels(lang), **loaded}


def choose(accept_language: str, preferred: str | None = None) -> str:
    """The user's own setting, else the browser's first of ours, else Chinese."""
    if preferred in LANGUAGES:
        return preferred
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language[:200].split(",")):
        tag, _, rest = part.strip().partition(";")
        match = re.fullmatch(r"\s*q=(0(?:\.\d{1,3})?|1(?:\.0{1,3})?)", rest) if rest else None
        weight = float(match.group(1)) if match else (0.0 if rest else 1.0)
        primary = tag.lower().partition("-")[0]
        if primary in LANGUAGES and weight > 0:
            ranked.append((-weight, position, primary))
    return min(ranked)[2] if ranked else "zh"


class Phrasebook:
    """Sentences of one language, with the clock of one site."""

    def __init__(self, lang: str, tz: str = "Asia/Shanghai") -> None:
        self.lang = lang if lang in LANGUAGES else "zh"
        self.html_lang = "zh-CN" if self.lang == "zh" else "en"
        self._words = words(self.lang)
        self._zone = ZoneInfo(tz)

    def __call__(self, key: str, **params: Any) -> str:
        """The sentence of `key`; a key without words is shown as the code that it is."""
        template = self._words.get(key)
        if template is None:
            return self._words["unknown"].replace("{code}", key)
        return PLACEHOLDER.sub(lambda match: self._fill(match, params), template)

    def has(self, key: str) -> bool:
        """Whether there are words for the key."""
        return key in self._words

    def _fill(self, match: re.Match[str], params: Mapping[str, Any]) -> str:
        name = match.group(1)
        value = params.get(name)
        if value is None:
            return self._words["value.none"]
        if isinstance(value, float):
            return number(value)
        return self._words.get(f"{name.rstrip('23')}.{value}", str(value))

    def duration(self, seconds: float) -> str:
        """A span in the two largest units that matter."""
        whole = max(0, int(seconds))
        if whole < 60:
            return self("duration.s", s=whole)
        if whole < 3600:
            return self("duration.m_s", m=whole // 60, s=whole % 60)
        if whole < 86_400:
            return self("duration.h_m", h=whole // 3600, m=whole % 3600 // 60)
        return self("duration.d_h", d=whole // 86_400, h=whole % 86_400 // 3600)

    def ago(self, seconds: float) -> str:
        """How long ago, never negative: clocks of browser and server need not agree."""
        return self("age.ago", age=self.duration(seconds))

    def clock(self, t_ms: int, *, with_seconds: bool = False) -> str:
        """Time of day at the site, 24 hours."""
        local = datetime.fromtimestamp(t_ms / 1000, self._zone)
        return local.strftime("%H:%M:%S" if with_seconds else "%H:%M")

    def date_clock(self, t_ms: int) -> str:
        """Date and time at the site."""
        return datetime.fromtimestamp(t_ms / 1000, self._zone).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float) -> str:
    """At most one decimal, no trailing zero."""
    return f"{value:.1f}".removesuffix(".0")
