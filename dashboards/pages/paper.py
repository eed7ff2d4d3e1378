"""The clinic's report on A4 as PDF: letterhead, who and when, completeness, strips, scores, pressures, glucose, the limits that hold.

Drawn with reportlab; Chinese needs no file of fonts (a CID font that every reader has). Positions are in points from the top left.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from dashboards.pages.paper_glucose import draw_glucose
from dashboards.pages.words import Phrasebook

FONT = "STSong-Light"
WIDE, HIGH = A4
MARGIN, FOOT = 42.0, 54.0
INK, SOFT, BAND, VOID, NIGHT, LINE = (HexColor(code) for code in ("#14202a", "#4d5a61", "#bfe3c8", "#d3d0c8", "#eceff4", "#8a8678"))
TRACE, SECOND, SPREAD = HexColor("#14425e"), HexColor("#8a4a00"), HexColor("#a9bdcb")
LEVELS = ((7, HexColor("#b3001b")), (5, HexColor("#d9a400")), (0, HexColor("#4f8fb3")))
STRIP_H = 62.0
HOUR_MS = 3_600_000


class Sheet:
    """A page under way: where the next line goes, and a new page when there is no room."""

    def __init__(self, canvas: Canvas, say: Phrasebook, document: Mapping[str, Any]) -> None:
        self.canvas, self.say, self.document = canvas, say, document
        self.zone = ZoneInfo(str(document["tz"]))
        self.number = 1
        self.y = MARGIN

    def at(self, y: float) -> float:
        """A height from the top as reportlab counts it, from the bottom."""
        return HIGH - y

    def room(self, height: float) -> None:
        """Turn the page where less than this is left."""
        if self.y + height > HIGH - FOOT:
            self.turn()

    def turn(self) -> None:
        """Next page."""
        self.foot()
        self.canvas.showPage()
        self.number += 1
        self.y = MARGIN
        who = self.document["resident"]
        self.text(f"{who['name']}  {who['place']}  {self.period()}", 9, SOFT)

    def foot(self) -> None:
        """Who printed it, with which version, and what this is not."""
        by = self.say("paper.foot", name=self.document["printed_by"], at=self.when(self.document["t_ms"]), version=self.document["version"])
        self.put(MARGIN, HIGH - FOOT + 18, by, 8, SOFT)
        self.put(MARGIN, HIGH - FOOT + 30, self.say("app.not_a_medical_alarm"), 8, SOFT)
        self.right(HIGH - FOOT + 18, self.say("paper.page", n=self.number), 8, SOFT)

    def put(self, x: float, y: float, text: str, size: float, colour: Any = INK) -> None:
        """One line of text whose base line is at y."""
        self.canvas.setFillColor(colour)
        self.canvas.setFont(FONT, size)
        self.canvas.drawString(x, self.at(y), text)

    def right(self, y: float, text: str, size: float, colour: Any = INK) -> None:
        """The same, against the right margin."""
        self.canvas.setFillColor(colour)
        self.canvas.setFont(FONT, size)
        self.canvas.drawRightString(WIDE - MARGIN, self.at(y), text)

    def text(self, text: str, size: float = 10, colour: Any = INK) -> None:
        """Text over the width of the page, broken where it must be."""
        for line in wrapped(text, size, WIDE - 2 * MARGIN):
            self.room(size * 1.5)
            self.y += size * 1.35
            self.put(MARGIN, self.y, line, size, colour)

    def head(self, text: str) -> None:
        """A heading."""
        self.room(60)
        self.y += 22
        self.put(MARGIN, self.y, text, 12)
        self.canvas.setStrokeColor(LINE)
        self.canvas.line(MARGIN, self.at(self.y + 4), WIDE - MARGIN, self.at(self.y + 4))
        self.y += 6

    def table(self, widths: Sequence[float], rows: Sequence[Sequence[str]], size: float = 9) -> None:
        """Rows of cells; the first is the head. A cell that is too long is cut with a mark."""
        for number, row in enumerate(rows):
            self.room(size * 1.6)
            self.y += size * 1.55
            x = MARGIN
            for width, cell in zip(widths, row, strict=True):
                self.put(x, self.y, fitted(cell, size, width - 6), size, SOFT if number == 0 else INK)
                x += width

    def when(self, t_ms: int, form: str = "%Y-%m-%d %H:%M") -> str:
        """A time on the site's clock, 24 hours."""
        return datetime.fromtimestamp(t_ms / 1000, self.zone).strftime(form)

    def period(self) -> str:
        """From when to when."""
        return f"{self.when(self.document['from_ms'])} - {self.when(self.document['to_ms'])}"


def wrapped(text: str, size: float, width: float) -> Iterator[str]:
    """Lines that fit, broken between characters: Chinese has no blanks to wait for."""
    line = ""
    for char in text:
        if char == "\n" or pdfmetrics.stringWidth(line + char, FONT, size) > width:
            yield line
            line = "" if char == "\n" else char
        else:
            line += char
    yield line


def fitted(text: str, size: float, width: float) -> str:
    """Text that fits into a width."""
    if pdfmetrics.stringWidth(text, FONT, size) <= width:
        return text
    while text and pdfmetrics.stringWidth(text + "…", FONT, size) > width:
        text = text[:-1]
    return text + "…"


def draw(document: Mapping[str, Any], lang: str) -> bytes:
    """The report as PDF; `document` is what `query.visit.paper` gathered."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, pageCompression=1)
    say = Phrasebook(lang, str(document["tz"]))
    canvas.setTitle(say("paper.title"))
    canvas.setAuthor("Anxin")
    sheet = Sheet(canvas, say, document)
    _letterhead(sheet)
    for group in _groups(document["strips"]):
        _strip(sheet, group)
    _scores(sheet)
    _pressures(sheet)
    if document["glucose"] is not None:
        sheet.turn()
        draw_glucose(sheet, document["glucose"])
    _limits(sheet)
    _events(sheet)
    sheet.foot()
    canvas.save()
    return target.getvalue()


def _letterhead(sheet: Sheet) -> None:
    document, say = sheet.document, sheet.say
    head, who = document["letterhead"], document["resident"]
    sheet.put(MARGIN, sheet.y + 10, " · ".join(part for part in (head["organisation"], head["site"]) if part), 11, SOFT)
    sheet.right(sheet.y + 10, say("paper.title"), 11, SOFT)
    sheet.y += 34
    years = "" if who["age"] is None else say("clinic.years", n=who["age"])
    sex = "" if who["sex"] is None else say(f"sex.{who['sex']}")
    sheet.put(MARGIN, sheet.y, "  ".join(part for part in (who["name"], years, sex, who["place"]) if part), 17)
    sheet.y += 8
    covered = document["covered"]
    share = say("value.none") if covered is None else f"{100 * covered:.1f} %"
    sheet.text(f"{say('paper.period')}: {sheet.period()}   {say('paper.covered')}: {share}", 10)
    for fact in document["facts"]:
        day = sheet.when(fact["t_ms"], "%Y-%m-%d")
        sheet.text(f"{say('note.kind.' + fact['kind'])}: {fact['text']} ({fact['author_name']}, {day})", 10)
    sheet.text(say("clinic.usual"), 8, SOFT)


# --- strips -------------------------------------------------------------------------------------------------------------


def _groups(strips: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Both pressures are one strip."""
    diastolic = [strip for strip in strips if strip["quantity"] == "dbp"]
    for strip in strips:
        if strip["quantity"] == "sbp":
            yield [strip, *diastolic]
        elif strip["quantity"] != "dbp":
            yield [strip]


def _strip(sheet: Sheet, group: Sequence[Mapping[str, Any]]) -> None:
    sheet.room(STRIP_H + 30)
    say, first = sheet.say, group[0]
    name = say("clinic.bp") if len(group) > 1 else say(f"quantity.{first['quantity']}")
    sheet.y += 14
    said = [name, say(f"unit.{first['unit']}")]
    if first["covered"] is not None:
        said.append(say("clinic.covered", n=round(100 * first["covered"], 1)))
    for strip in group:
        if strip["summary"] is not None:
            known = {key: strip["summary"][key] for key in ("last", "median", "low", "high")}
            said.append(say("clinic.strip.summary", unit="", **known))
    sheet.put(MARGIN, sheet.y, fitted("  ".join(said), 9, WIDE - 2 * MARGIN), 9)
    sheet.y += 4
    lines = [list(_points(strip, int(sheet.document["from_ms"]))) for strip in group]
    edges = [edge for strip in group for pair in strip["usual"] if pair for edge in pair]
    values = [value for line in lines for point in line for value in point[1:] if value is not None]
    if not values:
        sheet.y += 14
        sheet.put(MARGIN + 30, sheet.y, say("clinic.strip.none"), 9, SOFT)
        return
    low, high = min([*values, *edges]), max([*values, *edges])
    plot = _Plot(sheet, low - 0.05 * (high - low) - 0.1, high + 0.05 * (high - low) + 0.1)
    plot.ground(first)
    for line, colour in zip(lines, (TRACE, SECOND), strict=False):
        plot.line(line, colour, dots=first["kind"] == "points", raw=bool(first["raw"]))
    sheet.y += STRIP_H + 12


def _points(strip: Mapping[str, Any], from_ms: int) -> Iterator[tuple[int, float | None, float | None, float | None]]:
    """(time, mean, low, high) of a strip's whole numbers."""
    scale, at = 10 ** strip["decimals"], from_ms
    lows, highs = strip.get("low", strip["mean"]), strip.get("high", strip["mean"])
    for step, mean, low, high in zip(strip["dt_ms"], strip["mean"], lows, highs, strict=True):
        at += step
        yield at, *(None if value is None else value / scale for value in (mean, low, high))


class _Plot:
    """The box of a strip."""

    def __init__(self, sheet: Sheet, low: float, high: float) -> None:
        self.sheet, self.low, self.high = sheet, low, high
        self.begin, self.end = int(sheet.document["from_ms"]), int(sheet.document["to_ms"])
        self.top = sheet.y + 2

    def x(self, t_ms: float) -> float:
        """Place of a time."""
        share = (t_ms - self.begin) / (self.end - self.begin)
        return MARGIN + 30 + min(max(share, 0.0), 1.0) * (WIDE - 2 * MARGIN - 30)

    def y(self, value: float) -> float:
        """Height of a value, from the bottom of the page."""
        return self.sheet.at(self.top + STRIP_H * (1 - (value - self.low) / (self.high - self.low)))

    def box(self, from_ms: float, to_ms: float, low: float, high: float, colour: Any) -> None:
        """A filled part of the ground."""
        self.sheet.canvas.setFillColor(colour)
        x, y = self.x(from_ms), self.y(low)
        self.sheet.canvas.rect(x, y, max(0.4, self.x(to_ms) - x), self.y(high) - y, stroke=0, fill=1)

    def ground(self, strip: Mapping[str, Any]) -> None:
        """Nights, the own usual by hour, what is missing, the frame and its numbers."""
        canvas, sheet = self.sheet.canvas, self.sheet
        for hour_ms in range(self.begin // HOUR_MS * HOUR_MS, self.end, HOUR_MS):
            begin, end = max(hour_ms, self.begin), min(hour_ms + HOUR_MS, self.end)
            hour = datetime.fromtimestamp(hour_ms / 1000, sheet.zone).hour
            if hour >= 22 or hour < 6:
                self.box(begin, end, self.low, self.high, NIGHT)
            usual = strip["usual"][hour]
            if usual is not None:
                self.box(begin, end, max(usual[0], self.low), min(usual[1], self.high), BAND)
        for gap in strip["gaps"]:
            self.box(gap["from_ms"], gap["to_ms"], self.low, self.high, VOID)
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.4)
        canvas.rect(MARGIN + 30, sheet.at(self.top + STRIP_H), WIDE - 2 * MARGIN - 30, STRIP_H, stroke=1, fill=0)
        for value in (self.low, self.high):
            sheet.put(MARGIN, HIGH - self.y(value) + (3 if value == self.low else 8), f"{value:.0f}", 7, SOFT)
        for step in range(7):
            t_ms = self.begin + step * (self.end - self.begin) // 6
            form = "%H:%M" if self.end - self.begin <= 25 * HOUR_MS else "%m-%d"
            sheet.put(min(self.x(t_ms) - 8, WIDE - MARGIN - 22), self.top + STRIP_H + 9, sheet.when(t_ms, form), 7, SOFT)

    def line(self, points: Sequence[tuple[int, float | None, float | None, float | None]], colour: Any, *, dots: bool, raw: bool) -> None:
        """Readings as dots, or means with the spread behind them; nothing is drawn over what is missing."""
        canvas = self.sheet.canvas
        if dots:
            canvas.setFillColor(colour)
            for t_ms, mean, _, _ in points:
                if mean is not None:
                    canvas.circle(self.x(t_ms), self.y(mean), 1.6, stroke=0, fill=1)
            return
        canvas.setLineWidth(0.5)
        if not raw:
            canvas.setStrokeColor(SPREAD)
            for t_ms, _, low, high in points:
                if low is not None and high is not None:
                    canvas.line(self.x(t_ms), self.y(low), self.x(t_ms), self.y(high) + 0.3)
        canvas.setStrokeColor(colour)
        path, before = canvas.beginPath(), None
        width = (self.end - self.begin) / 100
        for t_ms, mean, _, _ in points:
            if mean is not None:
                joins = before is not None and t_ms - before <= width
                (path.lineTo if joins else path.moveTo)(self.x(t_ms), self.y(mean))
                before = t_ms
            else:
                before = None
        canvas.drawPath(path, stroke=1, fill=0)


# --- scores, pressures, limits, events ----------------------------------------------------------------------------------


def _scores(sheet: Sheet) -> None:
    bars, say = sheet.document["news2_trend"], sheet.say
    sheet.room(STRIP_H + 70)
    sheet.head(say("clinic.trend"))
    if not bars:
        sheet.text(say("clinic.trend.none"), 9, SOFT)
        return
    plot = _Plot(sheet, 0.0, float(max(8, *(bar["total"] for bar in bars))))
    plot.ground({"usual": [None] * 24, "gaps": []})
    for bar in bars:
        colour = next(shade for least, shade in LEVELS if bar["total"] >= least)
        begin, end = plot.x(bar["t_ms"]) + 0.6, plot.x(bar["until_ms"]) - 0.6
        sheet.canvas.setFillColor(colour)
        sheet.canvas.setStrokeColor(colour)
        # a partial score is an empty bar: what is missing could only add to it
        height = plot.y(bar["total"]) - plot.y(0) + 1
        sheet.canvas.rect(begin, plot.y(0), max(0.5, end - begin), height, stroke=1, fill=0 if bar["partial"] else 1)
    sheet.y += STRIP_H + 12
    sheet.text(say("paper.partial"), 8, SOFT)
    sheet.text(say("clinic.credit"), 8, SOFT)


def _pressures(sheet: Sheet) -> None:
    found, say = sheet.document["pressure"], sheet.say
    if not found["tried"]:
        return
    sheet.head(say("clinic.bp"))
    rows = [[say("bp.part"), say("bp.count"), say("bp.mean"), say("bp.threshold"), say("bp.judged")]]
    for name, part in found["parts"].items():
        mean = say("value.none") if part["sbp"] is None else f"{part['sbp']:.0f}/{part['dbp']:.0f}"
        judged = say("bp.cannot_tell", n=part["missing"]) if part["high"] is None else say("bp.high" if part["high"] else "bp.not_high")
        rows.append([say(f"bp.part.{name}"), f"{part['count']} / {part['needs']}", mean, "{}/{}".format(*part["threshold"]), judged])
    sheet.table((80, 80, 80, 80, 190), rows)
    sheet.text(say(f"bp.rule.{found['rule']}"), 8, SOFT)


def _limits(sheet: Sheet) -> None:
    rows, say = sheet.document["limits"], sheet.say
    if not rows:
        return
    sheet.head(say("limits.title"))
    none = say("value.none")
    table = [[say("limits.quantity"), say("limits.low"), say("limits.high"), say("limits.source")]]
    table += [
        [
            f"{say('quantity.' + row['quantity'])} ({say('unit.' + row['unit'])})",
            none if row["low"] is None else f"{row['low']:g}",
            none if row["high"] is None else f"{row['high']:g}",
            say(f"limits.source.{row['source']}"),
        ]
        for row in rows
    ]
    sheet.table((200, 80, 80, 150), table)


def _events(sheet: Sheet) -> None:
    events, say = sheet.document["events"], sheet.say
    sheet.head(say("clinic.events"))
    if not events:
        sheet.text(say("clinic.events.none"), 9, SOFT)
        return
    rows = [[say("clinic.at"), say("clinic.events.alerts"), say("clinic.events.people")]]
    for event in events[-60:]:
        came = say("clinic.nobody") if event["arrived_ms"] is None else say("clinic.came", name=event["claimed_name"] or "")
        rows.append([sheet.when(event["t_ms"], "%m-%d %H:%M"), say(event["code"], **event["params"]), came])
    sheet.table((80, 290, 140), rows)
