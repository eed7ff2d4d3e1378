"""Cases of detectors as a person would tell them: one text file each in tests/cases/detect_<module>/.

    rule limit.low                     which detector of the module
    set low=90 t_on_s=15               settings of the series, by name
    0 96                               a value at a time (s; or 5m, 2h, 3d)
    10..40/1 85                        the same value again and again: from..to/step
    0..2h/5m 72~3                      going up and down by 3 around 72;  72!3 = without any order
    50 -                               a reading without a value;  LO, HI = the sensor's own codes
    60..70/1 97 fault=not_worn         with what the device says of itself;  part=1, doubtful
    tick 0..100/1                      time passes
    expect 25 start                    said at 25 s (or within 20..30): start, update or end, all that is said; no line = silent
    verdict 24 OK                      what it answers to the last reading up to then

What happens at the same time happens in the order of the file. `#` begins a remark.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

from analytics.detect.base import FAULTS, Verdict, find
from tests.support import ROOT
from tests.support.detecting import Beat, Drive, Reading, Step

CASES = ROOT / "tests" / "cases"
START_S = 1_735_689_600.0  # 2025-01-01 00:00 UTC: cases count from a midnight
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
GOLDEN_RAD = 2.399963  # never the same twice, and no chance in it


class BadCase(ValueError):
    """A line that cannot be read."""


@dataclass
class Story:
    """One file."""

    path: Path
    rule: str = ""
    settings: dict[str, float] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    expected: list[tuple[float, float, str]] = field(default_factory=list)  # from, to, word
    verdicts: list[tuple[float, Verdict]] = field(default_factory=list)

    def run(self) -> Drive:
        """The detector after the whole story."""
        detector = next((one for one in find() if one.rule == self.rule), None)
        if detector is None:
            raise BadCase(f"{self.path}: no such rule: {self.rule}")
        made = Drive(detector, 1)
        for name, value in self.settings.items():
            if name not in detector.params:
                raise BadCase(f"{self.path}: {self.rule} has no setting {name}; it has {', '.join(sorted(detector.params))}")
            made.params[name][:] = value
        return made.run([self.steps])

    def fits(self, said: list[tuple[float, str]]) -> bool:
        """Whether that is what the file expects."""
        return len(said) == len(self.expected) and all(
            first <= t_s <= last and word == wanted for (t_s, word), (first, last, wanted) in zip(said, self.expected, strict=True)
        )

    def said(self, made: Drive) -> list[tuple[float, str]]:
        """What it said, as (s, word)."""
        at_s = {step.key: step.t_s - START_S for step in self.steps}
        return [(at_s[key], word) for key, _, word, _ in made.heard()]


def stories(module: str) -> list[Path]:
    """The case files of a detector's module."""
    return sorted((CASES / f"detect_{module}").glob("*.txt"))


def read(path: Path) -> Story:
    """Read a file; raises BadCase with the line."""
    story, events = Story(path), list[tuple[float, int, dict[str, object]]]()
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = raw.partition("#")[0].split()
        if not words:
            continue
        try:
            _line(story, events, number, words)
        except (ValueError, KeyError, IndexError) as error:
            raise BadCase(f"{path}:{number}: {raw.strip()!r}: {error}") from error
    for key, (t_s, _, what) in enumerate(sorted(events, key=lambda event: event[:2]), 1):
        kind = Beat if what.pop("kind") == "tick" else Reading
        story.steps.append(kind(t_s=START_S + t_s, key=key, **what))  # type: ignore[arg-type]
    return story


def _line(story: Story, events: list[tuple[float, int, dict[str, object]]], number: int, words: list[str]) -> None:
    head, rest = words[0], words[1:]
    if head == "rule":
        story.rule = rest[0]
    elif head == "set":
        story.settings |= {name: float(value) for name, _, value in (word.partition("=") for word in rest)}
    elif head == "expect":
        if rest[1] not in ("start", "update", "end"):
            raise ValueError("start, update or end")
        first, _, last = rest[0].partition("..")
        story.expected.append((_seconds(first), _seconds(last or first), rest[1]))
    elif head == "verdict":
        story.verdicts.append((_seconds(rest[0]), Verdict[rest[1]]))
    elif head == "tick":
        events += [(t_s, number, {"kind": "tick"}) for t_s in _times(rest[0])]
    else:
        for at, t_s in enumerate(_times(head)):
            events.append((t_s, number, {"kind": "reading", "row": 0} | _value(rest[0], at) | _extra(rest[1:])))


def _seconds(text: str) -> float:
    return float(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else float(text)


def _times(text: str) -> list[float]:
    span, _, step = text.partition("/")
    first, _, last = span.partition("..")
    if not last:
        return [_seconds(first)]
    from_s, to_s, step_s = _seconds(first), _seconds(last), _seconds(step)
    return [from_s + step_s * at for at in range(int((to_s - from_s) / step_s + 1e-9) + 1)]


def _value(text: str, at: int) -> dict[str, object]:
    if text == "-":
        return {"value": math.nan, "usable": False}
    if text in ("LO", "HI"):
        return {"value": math.nan, "beyond": -1 if text == "LO" else 1}
    if "!" in text:
        level, _, spread = text.partition("!")
        return {"value": float(level) + float(spread) * _disorder(at)}
    level, _, sway = text.partition("~")
    return {"value": float(level) + (float(sway) * math.sin(GOLDEN_RAD * at) if sway else 0.0)}


def _disorder(at: int) -> float:
    """Between -1 and 1, the same at each run."""
    return int.from_bytes(hashlib.sha256(str(at).encode()).digest()[:4], "big") / 2**31 - 1


def _extra(words: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name == "fault":
            found["fault"] = FAULTS.index(value)
        elif name == "part":
            found["part"] = int(value)
        elif name == "doubtful":
            found["doubtful"] = True
        else:
            raise ValueError(f"unknown word {word}")
    return found
