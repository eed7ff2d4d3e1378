"""The page of the glucose profile on paper, by the consensus layout: figures, shares, the day's percentiles, each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from reportlab.lib.colors import HexColor

if TYPE_CHECKING:
    from dashboards.pages.paper import Sheet

LEFT, WIDTH = 42.0, 511.0
COLOURS = {  # from very low to very high
    "very_low": "#8b1a1a", "low": "#d1423f", "in_range": "#58a55c", "high": "#f1c232", "very_high": "#e07b00",
}  # fmt: skip
OUTER, INNER, MIDDLE, GOAL, SOFT, LINE = (HexColor(code) for code in ("#c7d5e6", "#86a8cf", "#173f73", "#2f7d3b", "#4d5a61", "#8a8678"))
TOP = 22.2  # mmol/L at which the picture ends
PROFILE_H, STRIP_H, DAYS = 190.0, 34.0, 14


def shares(bands: Mapping[str, float | None]) -> dict[str, float]:
    """The five parts of the bar in % that add up: `low` holds very low, `high` holds very high."""
    low, high = bands["low"] or 0.0, bands["high"] or 0.0
    very_low, very_high = bands["very_low"] or 0.0, bands["very_high"] or 0.0
    middle = bands["in_range"] or 0.0
    return {"very_low": very_low, "low": low - very_low, "in_range": middle, "high": high - very_high, "very_high": very_high}


def draw_glucose(sheet: Sheet, report: Mapping[str, Any]) -> None:
    """One page: what it rests on, the figures, the bar, the profile, the days."""
    say = sheet.say
    sheet.head(say("agp.title"))
    none = say("value.none")

    def figure(key: str, form: str) -> str:
        value = report[key]
        return none if value is None else form.format(value)

    said = [
        say("agp.days", n=round(report["days"], 1)), f"{say('agp.active')} {figure('active', '{:.0f} %')}",
        f"{say('agp.mean')} {figure('mean', '{:.1f}')} mmol/L", f"GMI {figure('gmi', '{:.1f} %')}",
        f"{say('agp.cv')} {figure('cv', '{:.1f} %')}",
        say(f"agp.goals.{report['goals']}"),
    ]  # fmt: skip
    sheet.text("   ".join(said), 9)
    if not report["enough"]:
        sheet.text(say("agp.not_enough"), 10, HexColor("#8f1020"))
    if not report["count"]:
        sheet.text(say("clinic.strip.none"), 9, SOFT)
        return
    _bar(sheet, report)
    _profile(sheet, report)
    _days(sheet, report["daily"][-DAYS:], report["edges"])


def _bar(sheet: Sheet, report: Mapping[str, Any]) -> None:
    x, top = LEFT, sheet.y + 8
    for name, share in shares(report["bands"]).items():
        sheet.canvas.setFillColor(HexColor(COLOURS[name]))
        sheet.canvas.rect(x, sheet.at(top + 16), WIDTH * share / 100, 16, stroke=0, fill=1)
        x += WIDTH * share / 100
    sheet.y = top + 20
    goals = {row["band"]: row for row in report["targets"]}
    for name, share in shares(report["bands"]).items():
        goal = goals.get(name)
        bound = ""
        if goal is not None:
            bound = f"  (> {goal['least']:g} %)" if goal["least"] is not None else f"  (< {goal['most']:g} %)"
        sheet.text(f"{sheet.say('agp.band.' + name)}: {share:.1f} %{bound}", 9)


def _profile(sheet: Sheet, report: Mapping[str, Any]) -> None:
    rows: Sequence[Sequence[float] | None] = report["profile"]["rows"]
    sheet.y += 12
    top = sheet.y
    step = WIDTH / len(rows)

    def y(value: float) -> float:
        return sheet.at(top + PROFILE_H * (1 - min(value, TOP) / TOP))

    canvas = sheet.canvas
    for low, high, colour in ((0, 4, OUTER), (1, 3, INNER)):
        canvas.setFillColor(colour)
        for number, row in enumerate(rows):
            if row is not None:
                canvas.rect(LEFT + number * step, y(row[low]), step + 0.2, y(row[high]) - y(row[low]), stroke=0, fill=1)
    canvas.setStrokeColor(MIDDLE)
    canvas.setLineWidth(1.4)
    for number, (one, other) in enumerate(pairwise(rows)):
        if one is not None and other is not None:
            canvas.line(LEFT + (number + 0.5) * step, y(one[2]), LEFT + (number + 1.5) * step, y(other[2]))
    canvas.setLineWidth(0.7)
    canvas.setStrokeColor(GOAL)
    for edge in (report["edges"]["low"], report["edges"]["high"]):
        canvas.line(LEFT, y(edge), LEFT + WIDTH, y(edge))
        sheet.put(LEFT - 20, sheet.at(y(edge)) + 3, f"{edge:g}", 7, SOFT)
    canvas.setStrokeColor(LINE)
    canvas.rect(LEFT, sheet.at(top + PROFILE_H), WIDTH, PROFILE_H, stroke=1, fill=0)
    for hour in range(0, 25, 3):
        sheet.put(LEFT + WIDTH * hour / 24 - 8, top + PROFILE_H + 10, f"{hour % 24:02d}:00", 7, SOFT)
    sheet.y = top + PROFILE_H + 16
    sheet.text(sheet.say("agp.percentiles"), 8, SOFT)


def _days(sheet: Sheet, days: Sequence[Mapping[str, Any]], edges: Mapping[str, float]) -> None:
    """Seven days side by side in each row."""
    width = WIDTH / 7
    canvas = sheet.canvas
    for first in range(0, len(days), 7):
        sheet.room(STRIP_H + 20)
        top = sheet.y + 14
        for number, day in enumerate(days[first : first + 7]):
            left = LEFT + number * width
            sheet.put(left + 2, top - 3, sheet.when(day["t_ms"], "%m-%d"), 7, SOFT)
            canvas.setStrokeColor(LINE)
            canvas.setLineWidth(0.4)
            canvas.rect(left, sheet.at(top + STRIP_H), width - 2, STRIP_H, stroke=1, fill=0)
            canvas.setStrokeColor(GOAL)
            for edge in (edges["low"], edges["high"]):
                height = sheet.at(top + STRIP_H * (1 - edge / TOP))
                canvas.line(left, height, left + width - 2, height)
            canvas.setFillColor(MIDDLE)
            for minute, value in zip(day["minute"], day["value"], strict=True):
                x = left + (width - 2) * minute / 1440
                canvas.circle(x, sheet.at(top + STRIP_H * (1 - min(value, TOP) / TOP)), 0.5, stroke=0, fill=1)
        sheet.y = top + STRIP_H
