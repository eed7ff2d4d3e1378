"""What a family sees in a real browser: calm words, the consent's scope in page and JSON, and an end within seconds."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.past import BED, NAME, WHO, raised
from tests.browser.screens import PHONE, WALL, Screens, foreign_words
from tests.browser.wards import Ward

pytestmark = [pytest.mark.browser, pytest.mark.timeout(150)]
# Words of wards and monitors that have no place on a family's screen, nor in what it is told.
LOUD = (
    "报警",
    "警报",
    "告警",
    "紧急",
    "危险",
    "异常",
    "上限",
    "下限",
    "alarm",
    "alert",
    "danger",
    "urgent",
    "limit",
    "critical",
    "abnormal",
)
NAMES = {NAME, BED, "安和养老院", "陈女士", "周医生", "梅护士"}
SEEN_ALL = {"summary", "vitals", "alerts", "looks"}
PICTURES = 7  # six that everybody has here, and the glucose of a sensor


def told(ward: Ward, login: str) -> Any:
    return ward.person(login).get(f"/family/{WHO}")


def loud(text: str) -> list[str]:
    return [word for word in LOUD if word in text.lower()]


def state(page: Page, word: str, within_s: float = 25) -> None:
    expect(page.locator("[data-state]")).to_have_attribute("data-state", word, timeout=within_s * 1000)


def test_check_27_calm_words_and_large_letters(past_screens: Screens) -> None:
    screen = past_screens.open("daughter", "/", PHONE, bypass_csp=True)
    page = screen.page
    expect(page.locator(".who")).to_have_text(NAME)
    state(page, "steady")
    expect(page.locator("[data-week]")).to_have_count(PICTURES)
    assert {"as_usual"} <= {row.get_attribute("data-compared") for row in page.locator("[data-week]").all()}
    assert loud(page.locator("body").inner_text()) == []
    document = told(past_screens.ward, "daughter")
    assert set(document["scope"]["classes"]) == SEEN_ALL
    del document["scope"]
    assert loud(json.dumps(document, ensure_ascii=False)) == []
    sizes = page.evaluate("sel => [...document.querySelectorAll(sel)].map(e => parseFloat(getComputedStyle(e).fontSize))", "main *")
    assert min(sizes) >= 18
    assert page.locator(".who").evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 30
    assert page.locator(".how").evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 30
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 60
    assert not screen.overflows()
    page.click("[data-act=looks]")
    expect(page.locator("[data-part=looks]")).to_contain_text("陈女士（家属）看了家属页面")


@pytest.mark.parametrize(("size", "lang"), [(PHONE, "zh"), (WALL, "zh"), (PHONE, "en"), (WALL, "en")])
def test_accessible_in_both_languages(past_screens: Screens, size: tuple[int, int], lang: str) -> None:
    screen = past_screens.open("daughter", f"/family?lang={lang}", size, lang, bypass_csp=True)
    expect(screen.page.locator("[data-week]")).to_have_count(PICTURES)
    assert screen.violations() == []
    if lang == "en":
        assert foreign_words(screen.page.locator("main").inner_text(), NAMES | {"中文"}) == set()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_days_of_the_week_stand_where_they_were(past_screens: Screens, lang: str) -> None:
    screen = past_screens.open("daughter", f"/family?lang={lang}", PHONE, lang, bypass_csp=True)
    expect(screen.page.locator("[data-week]")).to_have_count(PICTURES)
    week = told(past_screens.ward, "daughter")["week"][0]
    shown = screen.page.locator(f"[data-week={week['quantity']}] .days span").evaluate_all(
        "list => list.map(e => [parseFloat(e.style.left), e.textContent])"
    )
    zone, span = ZoneInfo("Asia/Shanghai"), week["to_ms"] - week["from_ms"]
    last = datetime.fromtimestamp(week["to_ms"] / 1000, zone)
    names = ("一二三四五六日", "周") if lang == "zh" else (("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "")
    for left, name in shown[:-1]:
        day = datetime.fromtimestamp((week["from_ms"] + left / 100 * span) / 1000, zone)
        assert abs(day.hour + day.minute / 60 - 12) < 0.2, (left, name)
        assert name == names[1] + names[0][day.weekday()]
    near = {names[1] + names[0][(last - timedelta(hours=hours)).weekday()] for hours in (0, 20)}
    assert shown[-1][1] in near
    assert len({name for _, name in shown}) == 7


def test_check_25_out_of_scope_is_neither_in_the_page_nor_in_the_answer(past_screens: Screens) -> None:
    past_screens.expected += ["404"]
    document = told(past_screens.ward, "cousin")
    assert document.keys() == {"t_ms", "tz", "resident", "scope", "desk", "state", "contact_ms", "missing"}
    page = past_screens.open("cousin", "/", PHONE).page
    state(page, "steady")
    assert page.locator("[data-part]").evaluate_all("list => list.map(e => e.dataset.part)") == ["desk", "scope"]
    for path in (f"/family/{'wang'}", f"/residents/{WHO}/looks", f"/residents/{'wang'}"):
        assert past_screens.ward.person("cousin").client.get(f"/api/v1{path}").status_code == 404
    empty = past_screens.open("kin", "/", PHONE, bypass_csp=True)
    expect(empty.page.locator("[data-state=empty]")).to_be_visible()
    assert empty.violations() == []


def test_how_care_handles_a_call_in_calm_words(past_screens: Screens) -> None:
    ward = past_screens.ward
    page = past_screens.open("daughter", "/", PHONE).page
    state(page, "steady")
    ward.call(WHO)
    state(page, "changed")
    carer = ward.person("mei")
    alert_id = raised(ward)
    carer.act(alert_id, "claim")
    state(page, "handled")
    assert loud(page.locator("body").inner_text()) == []
    carer.act(alert_id, "arrive")
    carer.act(alert_id, "resolve", outcome="helped")
    expect(page.locator("[data-part=handling]")).to_contain_text("已结束。已有人到场帮助。", timeout=25_000)
    assert loud(json.dumps({key: value for key, value in told(ward, "daughter").items() if key != "scope"})) == []


def test_check_26_a_lost_connection_is_said_and_a_withdrawal_empties_the_page_within_five_seconds(past_screens: Screens) -> None:
    past_screens.expected += ["404", "ERR_FAILED", "Failed to load"]
    ward = past_screens.ward
    page = past_screens.open("cousin", "/", PHONE).page
    state(page, "steady")
    page.route("**/api/v1/family/**", lambda route: route.abort())
    expect(page.locator("[data-lost]")).to_be_visible(timeout=40_000)
    page.unroute("**/api/v1/family/**")
    expect(page.locator("[data-lost]")).to_have_count(0, timeout=20_000)

    operator = ward.person("ops")
    rows = operator.get(f"/residents/{WHO}/consents")["consents"]
    (row,) = [row for row in rows if row["grantee_name"] == "表妹"]
    operator.client.post(f"/api/v1/consents/{row['id']}/withdraw").raise_for_status()
    begun = time.perf_counter()
    state(page, "ended", 5)
    assert time.perf_counter() - begun < 5
    expect(page.locator("main")).not_to_contain_text(NAME)
