"""How the screens look and speak: accessibility, sizes, languages, keyboard, states of a value, a full ward, roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.screens import PHONE, WALL, Screen, Screens, foreign_words, resolve_all
from tests.browser.wards import PEOPLE, RESIDENTS, Ward
from tests.support.running import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]
NAMES = {name for _, name, _ in RESIDENTS} | {bed for _, _, bed in RESIDENTS} | {name for _, name, _ in PEOPLE} | {
    "安和养老院", "二区", "三区", "中文", "新来的", "没有受伤", "坐在床边"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def busy_ward(live_ward: Ward) -> Iterator[None]:
    """Alerts of every kind and state that a screen can show."""
    mei = live_ward.person("mei")
    for who, kind in (("wang", "fall"), ("long", "sos"), ("chen", "pull_cord"), ("li", "sos"), ("zhang", "sos")):
        live_ward.call(who, kind)
    live_ward.heat("liu")
    until("all alerts are there", lambda: {"li", "zhang", "liu"} <= {one["resident_id"] for one in mei.get("/alerts")["alerts"]}, 20)
    of = {alert["resident_id"]: alert["id"] for alert in mei.get("/alerts")["alerts"]}
    mei.act(of["li"], "claim")
    mei.act(of["zhang"], "arrive")
    live_ward.person("nan").act(of["li"], "support")
    yield
    live_ward.cool("liu")
    resolve_all(live_ward)


def ready(screen: Screen) -> Screen:
    screen.page.locator("[data-alert]").first.wait_for(timeout=6000)
    return screen


def small(page: Page, least: int) -> list[str]:
    """Buttons and fields that are smaller than `least` either way."""
    found = page.evaluate(
        """least => [...document.querySelectorAll("button, a.button, select, input")]
          .map(e => [e.textContent.slice(0, 30), e.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0 && Math.min(box.width, box.height) < least - 0.5)
          .map(([text, box]) => `${text} ${box.width}x${box.height}`)""",
        least,
    )
    return [str(text) for text in found]


def complaints(screen: Screen, least: int, lang: str) -> list[Any]:
    """What is wrong with a page: axe, sizes, sideways scrolling at 400 % zoom, words of the other language."""
    assert screen.page.locator("html").get_attribute("lang") == ("zh-CN" if lang == "zh" else "en")
    found: list[Any] = [*screen.violations(), *small(screen.page, least)]
    size = screen.page.viewport_size
    screen.page.set_viewport_size({"width": 320, "height": 640})
    if screen.overflows():
        found.append("sideways at 320 px")
    if size is not None:
        screen.page.set_viewport_size(size)
    return found if lang == "zh" else [*found, *foreign_words(screen.page.locator("body").inner_text(), NAMES)]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_sizes_and_language(screens: Screens, lang: str) -> None:
    screen = screens.open(None, f"/login?lang={lang}", PHONE, lang, bypass_csp=True)
    page, found = screen.page, {}
    page.locator("h1").wait_for()
    found["login at 390"] = complaints(screen, 60, lang)
    page.set_viewport_size({"width": WALL[0], "height": WALL[1]})
    found["login at 1920"] = complaints(screen, 60, lang)
    screens.sign_in(page.context, "mei")
    for size, path, least in ((WALL, "/wall", 44), (PHONE, "/phone", 60)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"{screens.ward.url}{path}?lang={lang}")
        ready(screen)
        page.locator("[data-connection=live]").wait_for(timeout=5000)
        found[f"{path} at {size[0]}"] = complaints(screen, least, lang)
    page.goto(f"{screens.ward.url}/wall?lang={lang}")  # at 390
    ready(screen)
    found["/wall at 390"] = complaints(screen, 44, lang)
    assert found == {where: [] for where in found}


def test_the_language_switch_speaks_everywhere_at_once(screens: Screens) -> None:
    wall = ready(screens.open("nan", "/wall"))
    wall.page.locator("[data-menu]").click()
    wall.page.locator("[data-lang=en]").click()
    expect(wall.page.locator("html")).to_have_attribute("lang", "en")
    assert foreign_words(wall.page.locator("body").inner_text(), NAMES) == set()
    wall.page.reload()
    ready(wall)
    assert wall.page.locator("html").get_attribute("lang") == "en"
    wall.page.locator("[data-menu]").click()
    wall.page.locator("[data-lang=zh]").click()
    expect(wall.page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_check_22_by_keyboard_alone(screens: Screens) -> None:
    screen = ready(screens.open("nan", "/wall"))
    page = screen.page
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.dataset.act") == "claim":
            break
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth")
    assert focused == "solid3px"
    place = page.evaluate("document.activeElement.closest('article').querySelector('h2').textContent").split()[0]
    assert page.evaluate(  # not hidden under the header
        "(b => document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2) === document.activeElement)"
        "(document.activeElement.getBoundingClientRect())"
    )
    page.keyboard.press("Enter")
    screen.alert(place, "claimed").wait_for(timeout=3000)
    page.wait_for_timeout(100)
    assert page.evaluate("document.activeElement.dataset.state") == "claimed"  # goes on from the same card
    screen.press(place, "release")
    screen.alert(place, "raised").wait_for(timeout=3000)


def test_priorities_are_told_without_colour_and_motion_can_be_off(screens: Screens) -> None:
    page = ready(screens.open("mei", "/wall", reduced_motion="reduce")).page
    words = {card.get_attribute("data-priority"): card.inner_text() for card in page.locator("[data-alert][data-kind=call]").all()}
    assert "■■■" in words["high"]
    assert "紧急" in words["high"]
    assert "尽快" in page.locator("[data-priority=medium]").first.inner_text()
    assert page.evaluate("document.getAnimations().length") == 0


def change_wall(page: Page, change: Any) -> None:
    """Answer /wall with what `change` makes of the real answer, and keep the stream from correcting it."""

    def answer(route: Route) -> None:
        document = route.fetch().json()
        change(document)
        route.fulfill(body=json.dumps(document), content_type="application/json")

    page.context.route("**/api/v1/wall?*", answer)


def test_every_state_of_a_value(screens: Screens) -> None:
    screen = screens.open(None, "/login")
    page = screen.page
    page.add_init_script("delete window.SharedWorker; window.EventSource = class { addEventListener() {} close() {} };")
    screens.sign_in(page.context, "mei")

    def change(document: dict[str, Any]) -> None:
        states = ["stale", "lost", "no_value", "warming", "live"]
        then_ms = document["t_ms"] - 600_000
        nobody = {"id": "x", "name": "甲", "initials": "J", "status": "admitted"}
        for bed, state in zip(document["beds"], states, strict=False):
            value = None if state in ("no_value", "warming") else 77
            monitoring = {"live": "live", "lost": "lost"}.get(state, "stale")
            bed |= {"resident": bed["resident"] or nobody, "monitoring": monitoring, "monitoring_since_ms": then_ms}
            bed |= {"vitals": {"hr": {"value": value, "unit": "/min", "t_ms": then_ms, "state": state}}}
            bed |= {"spark": {"hr": [70, None, 71, 72, None, 73]}}
        for bed in document["beds"][len(states) :]:
            bed["vitals"] = {}

    change_wall(page, change)
    page.goto(f"{screens.ward.url}/wall")
    page.locator(".tile").first.wait_for(timeout=6000)
    words = {"stale": "已过时", "lost": "信号丢失", "no_value": "无有效数值", "warming": "等待首个数值"}
    for state, word in words.items():
        figure = page.locator(f"[data-vital-state={state}]")
        expect(figure).to_contain_text(word)
        assert figure.locator("span.value").all_inner_texts() in ([], ["—"])  # no plain number
        style = figure.locator(".value").evaluate("e => [getComputedStyle(e).fontWeight, getComputedStyle(e).fontSize]")
        assert style == ["400", "16px"]
    live = page.locator("[data-vital-state=live] .value")
    assert live.evaluate("e => [getComputedStyle(e).fontWeight, parseFloat(getComputedStyle(e).fontSize) > 25]") == ["700", True]
    expect(page.locator("[data-state=lost] footer").first).to_have_text("信号丢失 10 分 0 秒")
    path = page.locator(".tile .spark path").first.get_attribute("d")
    assert path is not None
    assert path.count("M") == 3  # two gaps: three strokes


def test_a_hundred_beds_fit(screens: Screens) -> None:
    screen = screens.open(None, "/login")
    screens.sign_in(screen.page.context, "mei")

    def change(document: dict[str, Any]) -> None:
        first = next(bed for bed in document["beds"] if bed["bed_id"] == "bed-wang")
        document["beds"] += [first | {"bed_id": f"more-{number}", "label": f"9-{number:02d}"} for number in range(92)]

    change_wall(screen.page, change)
    screen.page.goto(f"{screens.ward.url}/wall")
    ready(screen)
    expect(screen.page.locator("[data-bed]")).to_have_count(100)
    last = screen.page.locator("[data-bed]").last.bounding_box()
    assert last is not None
    assert (last["x"] + last["width"] <= WALL[0], last["y"] + last["height"] <= WALL[1]) == (True, True)
    assert not screen.overflows()


def test_roles_one_time_passwords_and_wrong_ones(screens: Screens) -> None:
    screens.expected += ["401", "422"]
    for login, words in (("kin", "目前没有对您开放的内容"), ("ops", "台设备在用"), ("root", "没有需要处理的事")):
        screen = screens.open(login, "/", PHONE, bypass_csp=True)
        expect(screen.page.locator("main")).to_contain_text(words)
        if login == "ops":
            expect(screen.page.locator("main")).to_contain_text("14 台设备在用")
            assert screen.violations() == []
        assert small(screen.page, 60) == []
    screen.page.locator("[data-menu]").click()
    screen.page.locator("[data-sign-out]").click()
    screen.page.wait_for_url("**/login")
    del screens.ward.cookies["root"]

    page = screens.open(None, "/login", PHONE).page
    for secret in ("nonsense 12345", screens.ward.gateway.passwords["fresh"]):
        page.fill("[name=user]", "fresh")
        page.fill("[name=password]", secret)
        page.click("[type=submit]")
        if secret.startswith("nonsense"):
            expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    expect(page.locator("h1")).to_have_text("设置新密码")
    for again, new in (("something else 42", "a quiet lamp 77"), ("short", "short"), ("a quiet lamp 77", "a quiet lamp 77")):
        for field, text in (("old", screens.ward.gateway.passwords["fresh"]), ("new", new), ("again", again)):
            page.fill(f"[name={field}]", text)
        page.click("[type=submit]")
        if again != "a quiet lamp 77":
            expect(page.get_by_role("alert")).to_contain_text("两次输入" if new != again else "密码至少")
    page.locator("[data-alert]").first.wait_for(timeout=6000)  # signed in as oneself: the queue
