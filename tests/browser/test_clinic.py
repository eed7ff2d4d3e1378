"""The clinic's pages in a real browser: a day of seconds, aligned strips, one crosshair, gaps, events, scores, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.past import BED, NAME, WHO, raised
from tests.browser.screens import PHONE, WALL, Screen, Screens, foreign_words
from tests.browser.wards import LONG_BED, LONG_NAME, PEOPLE, RESIDENTS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(150)]
PAGE = f"/clinic?resident={WHO}"
NAMES = {NAME, BED, LONG_NAME, LONG_BED, "中文"} | {name for _, name, _ in (*RESIDENTS, *PEOPLE)}


def drawn(screen: Screen, strips: int = 7) -> Page:
    expect(screen.page.locator(".strip canvas")).to_have_count(strips, timeout=20_000)
    expect(screen.page.locator("[data-draw-ms]")).not_to_have_attribute("data-draw-ms", "")
    return screen.page


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = page.evaluate(
        "s => [...document.querySelectorAll(s)].map(e => { const r = e.getBoundingClientRect();"
        " return {left: r.left, right: r.right, top: r.top, bottom: r.bottom} })",
        selector,
    )
    return found


def test_check_28_a_day_of_seconds_is_drawn_within_a_second_and_one_crosshair_moves_all(past_screens: Screens) -> None:
    past_screens.ward.person("doctor").get(f"/clinic/{WHO}")  # the month's usual is known from here on
    screen = past_screens.open("doctor", PAGE, WALL, timezone_id="America/New_York")
    page = drawn(screen)
    assert float(page.locator("[data-draw-ms]").get_attribute("data-draw-ms") or "nan") < 1000
    plots = boxes(page, ".u-over")
    assert len(plots) == 7
    for quantity in ("hr", "pulse", "spo2", "resp"):
        expect(page.locator(f"[data-strip={quantity}]")).to_have_attribute("data-kind", "raw")
        expect(page.locator(f"[data-strip={quantity}] [data-gaps]")).to_contain_text("没有信号")
    assert page.locator(".plot[role=img]").evaluate_all("list => list.every(e => e.ariaLabel.length > 20)")

    page.mouse.move(plots[0]["left"] + 300, (plots[0]["top"] + plots[0]["bottom"]) / 2)
    expect(page.locator("[data-value=hr] b")).not_to_have_text("—")
    for quantity in ("pulse", "spo2", "resp", "temp"):
        expect(page.locator(f"[data-value={quantity}] b")).not_to_have_text("—")
    assert len({round(box["left"]) for box in boxes(page, ".u-cursor-x")}) == 1
    at_ms = int(page.locator("[data-readout]").get_attribute("data-readout") or 0)
    here = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    expect(page.locator("[data-readout] label")).to_contain_text(f"{here:%H:%M}")

    slider = page.get_by_role("slider")  # the same without a mouse
    slider.focus()
    before = page.locator("[data-readout]").get_attribute("data-readout")
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    assert page.locator("[data-readout]").get_attribute("data-readout") != before
    assert len({round(box["left"]) for box in boxes(page, ".u-cursor-x")}) == 1


def test_check_29_the_boxes_of_all_strips_share_both_edges(past_screens: Screens) -> None:
    for size in (WALL, PHONE):
        page = drawn(past_screens.open("doctor", PAGE, size))
        plots = boxes(page, ".u-over")
        assert len({(round(box["left"], 1), round(box["right"], 1)) for box in plots}) == 1, size


# What stands on the axis of hours: the texts are painted, so the strip is made to paint once more while we listen.
LABELS = """() => new Promise(done => {
  const said = [], real = CanvasRenderingContext2D.prototype.fillText, strip = document.querySelector("[data-strip=hr]");
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { said.push(text); return real.call(this, text, ...rest); };
  strip.style.width = "90%";
  setTimeout(() => {
    CanvasRenderingContext2D.prototype.fillText = real;
    strip.style.width = "";
    done([...new Set(said.filter(text => text.includes(":")))]);
  }, 700);
})"""


def test_check_35_hours_are_the_sites_own_and_go_to_24(past_screens: Screens) -> None:
    """A browser on the other side of the world, in a zone that changes its clocks, shows the site's hours."""
    page = drawn(past_screens.open("doctor", PAGE, WALL, timezone_id="America/New_York", locale="en-US"))
    words = page.evaluate(LABELS)
    assert sorted(words) == [f"{hour:02d}:00" for hour in range(0, 24, 3)]
    box = boxes(page, ".u-over")[0]
    page.mouse.move(box["left"] + 500, (box["top"] + box["bottom"]) / 2)
    expect(page.locator("[data-readout]")).not_to_have_attribute("data-readout", "")
    at_ms = int(page.locator("[data-readout]").get_attribute("data-readout") or 0)
    here = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    expect(page.locator("[data-readout] label")).to_contain_text(f"{here:%H:%M}")


# Of the column of a strip's canvas at each share of its plot: the share of pixels that are the grey of a gap, and that are the trace.
COLUMNS = """([quantity, shares]) => {
  const strip = document.querySelector(`[data-strip=${quantity}]`);
  const canvas = strip.querySelector("canvas"), plot = strip.querySelector(".u-over").getBoundingClientRect();
  const at = canvas.getBoundingClientRect(), ratio = canvas.width / at.width;
  const near = (p, i, c) => Math.abs(p[i] - c[0]) + Math.abs(p[i + 1] - c[1]) + Math.abs(p[i + 2] - c[2]) < 40;
  return shares.map(share => {
    const x = Math.round((plot.left - at.left + share * plot.width) * ratio);
    const height = Math.floor(plot.height * ratio);
    const p = canvas.getContext("2d").getImageData(x, Math.ceil((plot.top - at.top) * ratio), 1, height).data;
    let grey = 0, trace = 0;
    for (let i = 0; i < p.length; i += 4) { grey += near(p, i, [0xd3, 0xd0, 0xc8]); trace += near(p, i, [0x14, 0x42, 0x5e]); }
    return {grey: grey / height, trace: trace / height};
  });
}"""


def test_gaps_are_grey_and_no_line_crosses_them(past_screens: Screens) -> None:
    page = drawn(past_screens.open("doctor", PAGE, WALL))
    page.wait_for_timeout(300)  # the canvas is painted in a frame of its own
    told = past_screens.ward.person("doctor").get(f"/clinic/{WHO}")
    begin, width = told["from_ms"], told["to_ms"] - told["from_ms"]
    for quantity in ("hr", "spo2", "resp"):
        strip = next(one for one in told["strips"] if one["quantity"] == quantity)
        within = [one for one in strip["gaps"] if one["from_ms"] > begin + 3_600_000 and one["to_ms"] < told["to_ms"] - 3_600_000]
        gap = max(within, key=lambda one: one["to_ms"] - one["from_ms"])
        assert gap["to_ms"] - gap["from_ms"] > 1_800_000
        span, middle = (gap["to_ms"] - gap["from_ms"]) / width, (gap["from_ms"] + gap["to_ms"]) / 2
        centre = (middle - begin) / width
        steps = [step / 20 for step in range(-8, 9)]
        inside = page.evaluate(COLUMNS, [quantity, [centre + span * step for step in steps]])
        beside = page.evaluate(COLUMNS, [quantity, [centre + span * (step + sign) for step in steps for sign in (-1.2, 1.2)]])
        assert all(column["trace"] == 0 for column in inside), (quantity, inside)
        # A line of the grid may stand in a column; of horizontal ones each column has a few pixels.
        assert sum(column["grey"] > 0.8 for column in inside) >= len(inside) - 2, (quantity, inside)
        assert all(column["grey"] < 0.4 for column in beside), (quantity, beside)
        assert sum(column["trace"] > 0 for column in beside) >= len(beside) - 2, (quantity, beside)


def test_weeks_and_months_are_envelopes_and_bars_say_that_they_are_partial(past_screens: Screens) -> None:
    page = drawn(past_screens.open("doctor", PAGE, WALL))
    for span, bars in (("7d", 42), ("30d", 150)):
        page.click(f"[data-range='{span}']")
        expect(page.locator("[data-strip=hr]")).to_have_attribute("data-kind", "envelope", timeout=20_000)
        expect(page.locator("[data-strip=sbp]")).to_have_attribute("data-kind", "points")
        expect(page.locator(f"[data-range='{span}']")).to_have_attribute("aria-pressed", "true")
        page.wait_for_function("n => document.querySelectorAll('[data-bar]').length >= n", arg=bars, timeout=20_000)
        assert page.locator("[data-bar][data-partial=false]").count() == 0
    page.go_back()
    expect(page.locator("[data-range='7d']")).to_have_attribute("aria-pressed", "true")


def test_check_30_labels_of_events_and_of_who_came_do_not_overlap(past_screens: Screens) -> None:
    ward = past_screens.ward
    carer = ward.person("mei")
    for _ in range(4):
        ward.call(WHO)
        alert_id = raised(ward)
        carer.act(alert_id, "arrive")
        carer.act(alert_id, "resolve", outcome="helped")
    page = drawn(past_screens.open("doctor", PAGE, WALL))
    expect(page.locator("[data-part=events]")).to_contain_text("梅护士 到场")
    labels = boxes(page, "[data-event]")
    assert len(labels) >= 2
    for one, other in combinations(labels, 2):
        assert (
            one["right"] <= other["left"] or other["right"] <= one["left"] or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]
        )
    page.locator("summary").click()
    expect(page.locator("[data-part=events] tr").first).to_contain_text("梅护士 到场")


def test_the_list_begins_with_the_change_names_partial_scores_and_opens_a_resident(past_screens: Screens) -> None:
    screen = past_screens.open("doctor", "/", WALL)
    page = screen.page
    page.wait_for_selector("[data-patient]")
    row = page.locator("[data-patient=wang]")
    expect(row.locator("[data-news2]")).to_have_attribute("data-partial", "true")
    expect(row).to_contain_text("缺：")
    expect(page.locator("[data-patient=mute] [data-news2]")).to_have_text("无法评分")
    page.locator(f"[data-patient={WHO}] a").click()
    drawn(screen)
    expect(page.locator("h2.patient")).to_contain_text(NAME)


def test_empty_forbidden_and_stale_are_said(past_screens: Screens) -> None:
    past_screens.expected += ["404", "ERR_FAILED", "Failed to load"]
    page = past_screens.open("doctor", "/clinic?resident=mute", WALL).page
    expect(page.locator("[data-strip] [data-empty]")).to_have_count(4, timeout=20_000)
    page = past_screens.open("doctor", "/clinic?resident=nobody", WALL).page
    expect(page.locator("[data-page-state=forbidden]")).to_be_visible()
    page = past_screens.open("mei", "/clinic", WALL).page
    expect(page.locator("[data-nowhere]")).to_have_attribute("data-nowhere", "error.not_your_page")
    page = past_screens.open("doctor", "/login", WALL).page
    page.clock.install()
    page.goto(past_screens.ward.url + "/clinic")
    page.wait_for_selector("[data-patient]")
    page.route("**/api/v1/clinic*", lambda route: route.abort())
    page.clock.fast_forward(200_000)
    expect(page.locator("[data-page-state=old]")).to_be_visible(timeout=10_000)


@pytest.mark.parametrize(("size", "lang"), [(PHONE, "zh"), (WALL, "zh"), (PHONE, "en"), (WALL, "en")])
def test_accessible_in_both_languages(past_screens: Screens, size: tuple[int, int], lang: str) -> None:
    screen = past_screens.open("doctor", f"/clinic?lang={lang}", size, lang, bypass_csp=True)
    screen.page.wait_for_selector("[data-patient]")
    assert screen.violations() == []
    assert not screen.overflows()
    screen.page.goto(f"{past_screens.ward.url}{PAGE}&lang={lang}")
    drawn(screen)
    assert screen.violations() == []
    assert not screen.overflows()
    if lang == "en":
        assert foreign_words(screen.page.locator("main").inner_text(), NAMES) == set()
