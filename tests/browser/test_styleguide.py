"""The design system as it is drawn: sizes, colours, letters, states, and how its parts behave."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screens import PHONE, WALL, Screens
from tests.unit.test_colours import TEXT, contrast, themes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]


def drawn(screens: Screens, login: str = "mei", query: str = "", size: tuple[int, int] = WALL, **more: Any) -> Page:
    page = screens.open(login, f"/styleguide?{query}", size, **more).page
    page.locator("[data-card=page-states]").wait_for()
    return page


def boxes(page: Page, selector: str) -> list[float]:
    """The smaller side of each, in px."""
    found = [element.bounding_box() for element in page.locator(selector).all()]
    return [min(box["width"], box["height"]) for box in found if box is not None]


def hexed(rgb: str) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", rgb)[:3])


def full(colour: str) -> str:
    return colour if len(colour) == 7 else "#" + "".join(digit * 2 for digit in colour[1:])


@pytest.mark.parametrize(("query", "size", "least"), [("elder=0", WALL, 44), ("elder=1", WALL, 60), ("elder=0", PHONE, 60)])
def test_check_20_what_is_pressed_is_large_enough(screens: Screens, query: str, size: tuple[int, int], least: float) -> None:
    page = drawn(screens, query=query, size=size)
    fields = "[data-card=forms] :is(input[type=text], select, label.check)"
    for selector in ("[data-card=buttons] :is(button, a.button)", "[role=tab]", fields):
        found = boxes(page, selector)
        assert found
        assert min(found) >= least, (selector, found)
    assert page.locator("[data-field=name] input").evaluate("e => getComputedStyle(e).fontSize") == page.locator("body").evaluate(
        "e => getComputedStyle(e).fontSize"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_table_and_can_be_read(screens: Screens, theme: str) -> None:
    page = drawn(screens, query=f"theme={theme}")
    colours = themes()[theme]
    pairs = page.locator("[data-ink]").evaluate_all(
        "list => list.map(e => [e.dataset.ink, e.dataset.ground, getComputedStyle(e).color, getComputedStyle(e).backgroundColor])"
    )
    assert len(pairs) >= 15
    for ink, ground, colour, background in pairs:
        assert (hexed(colour), hexed(background)) == (full(colours[ink]), full(colours[ground]))
        assert contrast(hexed(colour), hexed(background)) >= TEXT
    marks = {mark.get_attribute("data-priority-mark"): mark for mark in page.locator("[data-priority-mark]").all()}
    for name in ("high", "medium", "low"):
        assert hexed(marks[name].evaluate("e => getComputedStyle(e).backgroundColor")) == full(colours[name])


def test_letters_of_the_large_version(screens: Screens) -> None:
    sizes: dict[str, dict[str, float]] = {}
    for look, query in (("normal", "elder=0"), ("large", "elder=1")):
        page = drawn(screens, query=query)
        rows = page.locator("[data-size]").evaluate_all("list => list.map(e => [e.dataset.size, parseFloat(getComputedStyle(e).fontSize)])")
        sizes[look] = dict(rows)
    assert (sizes["normal"]["body"], sizes["normal"]["fine"]) == (16, 14)
    assert min(sizes["large"].values()) >= 18
    assert sizes["large"]["head1"] >= 30
    ratio = "e => parseFloat(getComputedStyle(e).lineHeight) / parseFloat(getComputedStyle(e).fontSize)"
    leading = page.locator("[data-size=body]").evaluate(ratio)
    assert leading >= 1.5


def test_check_23_priorities_and_states_are_told_by_word_and_shape(screens: Screens) -> None:
    page = drawn(screens)
    words = {mark.get_attribute("data-priority-mark"): mark.inner_text() for mark in page.locator("[data-priority-mark]").all()}
    assert len({re.sub("[^■·]", "", text) for name, text in words.items() if name != "technical"}) == 4
    assert len({re.sub("[■· \n]", "", text) for text in words.values()}) == 5
    marks = page.locator("[data-card=states] > .row > [data-state-mark]").evaluate_all(
        "list => list.map(e => [e.dataset.stateMark, e.innerText.trim(), e.querySelector('svg').innerHTML])"
    )
    assert [state for state, _, _ in marks] == ["live", "stale", "lost", "no_value", "none", "warming"]
    for at in (1, 2):
        assert len({mark[at] for mark in marks}) == 6
        assert all(mark[at] for mark in marks)
    looks = page.locator("[data-tone]").evaluate_all(
        "list => Object.fromEntries(list.map(e => [e.dataset.tone, [getComputedStyle(e).borderStyle,"
        " getComputedStyle(e).backgroundImage !== 'none', getComputedStyle(e.querySelector('.big')).textDecorationLine]]))"
    )
    assert (looks["live"], looks["technical"][0], looks["none"][0]) == (["solid", False, "none"], "dashed", "dotted")
    assert looks["lost"] == looks["stale"] == ["solid", True, "line-through"]  # never an old number in normal style


def test_check_24_nothing_moves_when_asked(screens: Screens) -> None:
    assert drawn(screens).evaluate("document.getAnimations().length") > 0
    assert drawn(screens, reduced_motion="reduce").evaluate("document.getAnimations().length") == 0


def test_check_21_a_table_is_cards_on_a_phone(screens: Screens) -> None:
    screen = screens.open("mei", "/styleguide", (320, 640))
    page = screen.page
    row = page.locator("[data-row=cuff-2]")
    row.wait_for()
    assert not screen.overflows()
    assert row.evaluate("e => getComputedStyle(e).display") == "block"
    assert row.locator("td[data-head=位置]").evaluate("e => getComputedStyle(e, '::before').content") == '"位置"'
    assert page.get_by_role("table", name="表格").get_by_role("row").count() == 4  # still a table to a screen reader
    page.get_by_role("button", name="电池还能用几天").click()
    assert page.locator("[data-row]").evaluate_all("list => list.map(e => e.dataset.row)") == ["cuff-2", "band-1", "button-3"]


def test_dialogs_forms_tabs_and_undo(screens: Screens) -> None:
    page = drawn(screens)
    page.get_by_role("button", name="移除设备").click()
    dialog = page.get_by_role("dialog", name="移除设备")
    dialog.get_by_role("button", name="移除", exact=True).click()
    expect(dialog.get_by_label("原因").last).to_have_attribute("aria-invalid", "true")
    expect(dialog).to_contain_text("请写明原因。")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.open") == "confirm"  # the focus is back where it came from
    page.get_by_role("button", name="移除设备").click()
    dialog.get_by_role("button", name="正在检查设备").click()
    dialog.get_by_role("button", name="移除", exact=True).click()
    expect(dialog).to_have_count(0)

    page.get_by_role("button", name="保存", exact=True).click()
    field = page.locator("[data-field=name] input")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    field.fill("王秀英")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("已保存。")
    page.get_by_role("button", name="撤销", exact=True).click()
    expect(field).to_have_value("")
    expect(page.locator(".notice")).to_have_count(0)

    page.get_by_role("tab", name="表格").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="名称和内容")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("band-1")


def test_check_22_the_first_tab_leads_past_the_header(screens: Screens) -> None:
    page = drawn(screens)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_paper_is_light(screens: Screens) -> None:
    page = drawn(screens, query="theme=dark")
    page.emulate_media(media="print")
    ground, ink = page.evaluate("[getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color]")
    assert (hexed(ground), hexed(ink)) == ("#ffffff", themes()["light"]["text"])
    assert not page.locator(".frame-head [data-sign-out]").is_visible()


def test_the_large_version_goes_with_the_person_and_the_theme_with_the_screen(screens: Screens) -> None:
    page = drawn(screens, "nan")
    switch = page.get_by_role("button", name="长辈版")
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    with page.expect_response("**/api/v1/me/elder"):
        switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="浅色").click()
    other = drawn(screens, "nan")  # a screen where nothing was chosen
    assert (other.locator("html").get_attribute("data-elder"), other.locator("html").get_attribute("data-theme")) == ("", "dark")
    with other.expect_response("**/api/v1/me/elder"):
        other.get_by_role("button", name="长辈版").click()
    page.reload()
    page.locator("[data-card=page-states]").wait_for()
    assert (page.locator("html").get_attribute("data-elder"), page.locator("html").get_attribute("data-theme")) == ("", "light")
    family = drawn(screens, "kin")
    assert (family.locator("html").get_attribute("data-elder"), family.locator("html").get_attribute("data-theme")) == ("", "light")
    signed_out = screens.open(None, "/login").page
    signed_out.get_by_role("button", name="长辈版").click()
    assert signed_out.locator("html").get_attribute("data-elder") == ""
