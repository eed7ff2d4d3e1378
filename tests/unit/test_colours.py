"""Contrast of the design system's colours, computed from tokens.css as WCAG 2.2 defines it, in both themes."""

from __future__ import annotations

import re

import pytest

from tests.support import ROOT

TOKENS = ROOT / "dashboards" / "web" / "src" / "ui" / "tokens.css"
SOURCES = ROOT / "dashboards" / "web" / "src"
TEXT, SHAPE = 4.5, 3.0  # least ratios: text; what has to be seen of a control, an edge, a line of a picture (1.4.11)
INKS = ("text", "soft")
GROUNDS = ("ground", "panel", "raised", "hatching")  # of the two stripes of a hatch, text has to be read on both
PAIRS = (
    *((ink, ground, TEXT) for ink in INKS for ground in GROUNDS),
    ("text", "field", TEXT), ("link", "ground", TEXT), ("link", "panel", TEXT), ("wrong", "ground", TEXT), ("wrong", "panel", TEXT),
    ("text", "high-wash", TEXT), ("soft", "high-wash", TEXT),
    *((f"on-{name}", name, TEXT) for name in ("act", "danger", "high", "medium", "low", "ok", "bad", "notice")),
    *((edge, ground, SHAPE) for edge in ("edge", "focus", "high-edge", "medium-edge", "low-edge", "calm-edge", "care-edge", "notice-edge")
      for ground in ("ground", "panel")),
    ("focus", "raised", SHAPE), ("edge", "raised", SHAPE), ("trace", "panel", SHAPE), ("trace", "band", SHAPE), ("trace-2", "panel", SHAPE),
    ("line-colour", "panel", SHAPE), ("band-edge", "panel", SHAPE),
)  # fmt: skip


def tokens(block: str) -> dict[str, str]:
    """Names and plain colours of one block of declarations."""
    return dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{3,8})\s*;", block))


def themes() -> dict[str, dict[str, str]]:
    css = TOKENS.read_text(encoding="utf-8")
    (light,) = re.findall(r"^:root \{(.*?)^\}", css, re.MULTILINE | re.DOTALL)
    (dark,) = re.findall(r'^  :root\[data-theme="dark"\] \{(.*?)^  \}', css, re.MULTILINE | re.DOTALL)
    return {"light": tokens(light), "dark": tokens(dark)}


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb, 0 to 1 (WCAG 2.2, relative luminance)."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Ratio of two colours, 1 to 21 (WCAG 2.2, contrast ratio)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_by_known_values() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.478, abs=0.001)  # the grey that just fails
    assert contrast("#767676", "#fff") == pytest.approx(4.542, abs=0.001)  # and the one that just passes


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_every_pair(theme: str) -> None:
    colours = themes()[theme]
    ratios = {(ink, ground): contrast(colours[ink], colours[ground]) for ink, ground, _ in PAIRS}
    assert {(ink, ground): round(ratios[ink, ground], 2) for ink, ground, least in PAIRS if ratios[ink, ground] < least} == {}


def test_both_themes_have_the_same_colours_and_all_that_are_used_exist() -> None:
    light, dark = themes().values()
    assert light.keys() == dark.keys()
    css = TOKENS.read_text(encoding="utf-8")
    known = set(re.findall(r"--([a-z0-9-]+):", css))
    for path in sorted([*SOURCES.rglob("*.css"), *SOURCES.rglob("*.tsx")]):
        text = path.read_text(encoding="utf-8")
        known_here = known | set(re.findall(r"--([a-z0-9-]+):", text))
        assert not sorted(set(re.findall(r"var\(--([a-z0-9-]+)\)", text)) - known_here), path.name
