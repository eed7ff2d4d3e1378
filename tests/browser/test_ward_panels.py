"""What stands beside the queue: the card for 120, hand-over, residents, calls, pages of a large ward, order by risk, words of why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Route, expect

from tests.browser.screens import PHONE, WALL, Screen, Screens, foreign_words, resolve_all
from tests.browser.test_looks import NAMES, complaints
from tests.browser.wards import Ward
from tests.support.running import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]
HOME = {"address": "Xianxia 350-12-601", "door_code": "0731#", "medical": "hypertension; allergic to penicillin"}


@pytest.fixture(autouse=True)
def in_peace(live_ward: Ward) -> Iterator[None]:
    yield
    for who in list(live_ward.feeder.temp):
        live_ward.cool(who)
    resolve_all(live_ward)


def at(screen: Screen, view: str) -> Screen:
    """The screen at one of its views."""
    screen.page.evaluate("view => { location.hash = `#/${view}` }", view)
    return screen


def open_alert(ward: Ward, who: str) -> str:
    """The id of a resident's alert."""
    rows = until("the alert is there", lambda: [a for a in ward.person("mei").get("/alerts")["alerts"] if a["resident_id"] == who])
    return str(rows[0]["id"])


def test_on_the_way_the_card_says_where_and_what_and_120_is_two_taps(screens: Screens, live_ward: Ward) -> None:
    ops = live_ward.person("ops").client
    ops.put("/api/v1/residents/wang/home", json=HOME).raise_for_status()
    son = {"contact_id": "son-wang", "resident": "wang", "name": "Wang Jun", "kind": "family", "relation": "son", "phone": "13800000000"}
    ops.post("/api/v1/contacts", json=son).raise_for_status()
    live_ward.call("wang", "fall")
    phone = screens.open("nan", "/phone?lang=en", PHONE, "en")
    phone.alert("3-01", "raised").wait_for(timeout=6000)
    phone.press("3-01", "claim")
    card = phone.alert("3-01", "claimed")
    for fact in ("address", "door_code", "medical"):
        expect(card.locator(f"[data-fact='dispatch.{fact}']")).to_contain_text(HOME[fact], timeout=5000)
    expect(card.locator(".trend")).to_contain_text("Last 30 minutes")
    assert [box["height"] >= 59.5 for button in card.locator(".buttons > *").all() if (box := button.bounding_box()) is not None]
    card.locator("[data-open='120']").click()
    sheet = phone.page.locator("[data-dispatch]")
    dial = sheet.locator("[data-dial]")
    expect(dial).to_have_attribute("href", "tel:120")
    box = dial.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < PHONE[1] - 68  # in sight, above the tabs, without scrolling
    expect(sheet).to_contain_text("Wang Jun · son")
    expect(sheet.locator("a[href='tel:13800000000']")).to_be_visible()
    sheet.locator("[data-sent=family]").click()
    expect(phone.page.locator("[data-step=dispatched]")).to_contain_text("the family", timeout=5000)
    phone.page.get_by_label("Note").fill("conscious, pain in the hip")
    phone.page.get_by_role("button", name="Write down").click()
    expect(phone.page.locator("[data-step=noted]")).to_contain_text("conscious, pain in the hip", timeout=5000)
    names = NAMES | {"梅护士", "南护工"}
    assert foreign_words(phone.page.locator("main").inner_text(), names) == set()


def test_a_shift_is_handed_over_seen_at_once_and_taken_with_its_claims(screens: Screens, live_ward: Ward) -> None:
    for who in ("wang", "li"):
        live_ward.call(who)
    nan = live_ward.person("nan")
    nan.act(open_alert(live_ward, "wang"), "claim")
    giver, taker = at(screens.open("nan", "/wall"), "handover"), at(screens.open("mei", "/phone", PHONE), "handover")
    view = giver.page.locator("[data-view=handover]")
    expect(view.locator("[data-item]").first).to_be_visible(timeout=6000)
    expect(view).to_contain_text("我在处理 1")
    expect(view).to_contain_text("对方还没有接班也可以离开")
    expect(taker.page.locator("[data-give]")).to_be_visible(timeout=6000)
    view.locator("[name=receiver]").select_option(label="梅护士 · 当班")
    view.locator("[name=note]").fill("BP at 22:00")
    view.locator("[data-do=give]").click()
    waiting = taker.page.locator("[data-waiting]")
    expect(waiting).to_contain_text("南护工", timeout=6000)
    expect(waiting).to_contain_text("BP at 22:00")
    expect(view.locator("[data-handover]").first).to_contain_text("还没有接班", timeout=5000)
    waiting.locator("[data-do=accept]").click()
    expect(view.locator("[data-handover]").first).to_contain_text("梅护士", timeout=6000)
    expect(giver.alert("3-01", "claimed")).to_contain_text("梅护士 正在前往", timeout=5000)
    expect(taker.page.locator("[data-tab=mine] b")).to_have_text("1", timeout=5000)
    # On paper: the sheet alone, nothing of the queue.
    giver.page.emulate_media(media="print")
    assert giver.page.locator(".queue").is_hidden()
    assert view.locator("[data-item]").first.is_visible()
    assert giver.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"


def test_my_residents_their_values_with_ages_and_one_of_them_whole(screens: Screens, live_ward: Ward) -> None:
    live_ward.call("li")
    phone = screens.open("mei", "/phone", PHONE)
    phone.page.locator("[data-tab=people]").click()
    row = phone.page.locator("[data-person=li]")
    expect(row.locator("[data-vital=hr]")).to_contain_text("前", timeout=8000)
    expect(row).to_contain_text("紧急")
    expect(phone.page.locator("[data-person=mute] [data-risk=unknown]")).to_have_text("风险不明", timeout=5000)
    expect(phone.page.locator("[data-calling]")).to_contain_text("3-02")  # what calls stays in sight
    phone.page.get_by_label("查找").fill("李")
    expect(phone.page.locator("[data-person]")).to_have_count(1)
    row.locator("a").click()
    view = phone.page.locator("[data-view=resident]")
    expect(view).to_contain_text("腕表或手环", timeout=6000)
    expect(view).to_contain_text("使用机构的默认限值")
    expect(view.locator("[data-vital=spo2]")).to_contain_text("96")
    view.locator("input[type=datetime-local]").fill(datetime.now(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%dT%H:%M"))
    view.get_by_role("button", name="查看").click()
    expect(view.locator("[data-minute]")).to_contain_text("按下 SOS 求助", timeout=6000)
    expect(view.locator("[data-minute] [data-told=false]").first).to_contain_text("没有通知")


def test_the_list_of_calls_says_who_answered_and_how_it_ended(screens: Screens, live_ward: Ward) -> None:
    live_ward.call("liu")
    mei, alert = live_ward.person("mei"), open_alert(live_ward, "liu")
    mei.act(alert, "claim")
    mei.act(alert, "dispatch", reason="responder")
    mei.act(alert, "arrive")
    mei.act(alert, "resolve", outcome="helped", note="back in bed")
    wall = at(screens.open("nan", "/wall"), "calls")
    row = wall.page.locator(f"[data-call='{alert}']")
    expect(row).to_contain_text("梅护士 在", timeout=6000)
    expect(row).to_contain_text("已结束：已帮助 · back in bed")
    expect(row.locator("[data-said]")).to_contain_text("社区应急人员")
    expect(wall.page.locator("[data-call-figures=care]")).to_contain_text("60 秒内应答")
    assert wall.page.locator(".queue").is_visible()  # beside whatever one looks at


def large(document: dict[str, Any]) -> None:
    """Three zones of 60 beds; the resident of 3-01 lives in the last one."""
    first = next(bed for bed in document["beds"] if bed["bed_id"] == "bed-wang")
    document["zones"] = [{"id": f"z{n}", "name": f"{n} 区"} for n in range(1, 4)]
    document["beds"] = [
        first | {"bed_id": f"b{z}-{n}", "label": f"{z}-{n:02d}", "zone_id": f"z{z}", "resident": None, "vitals": {}, "spark": {}}
        for z in range(1, 4)
        for n in range(60)
    ]
    document["beds"][-1] = first | {"zone_id": "z3"}


def rewritten(screen: Screen, pattern: str, change: Any) -> None:
    def answer(route: Route) -> None:
        document = route.fetch().json()
        change(document)
        route.fulfill(body=json.dumps(document), content_type="application/json")

    screen.page.context.route(pattern, answer)


def test_a_large_ward_has_pages_and_the_zone_that_calls_comes_to_the_front(screens: Screens, live_ward: Ward) -> None:
    screen = screens.open(None, "/login")
    screens.sign_in(screen.page.context, "mei")
    rewritten(screen, "**/api/v1/wall?*", large)
    page = screen.page
    page.goto(f"{live_ward.url}/wall")
    expect(page.locator("[data-page]")).to_have_count(3, timeout=8000)  # 60 and 60 do not go on one page of 108
    assert page.locator("[data-page='0']").get_attribute("aria-pressed") == "true"
    live_ward.call("wang")
    expect(page.locator("[data-page='2']")).to_have_attribute("aria-pressed", "true", timeout=6000)
    expect(page.locator("[data-page='2'] [data-waiting='1']")).to_have_text("1 人需要帮助")
    last = page.locator("[data-bed=bed-wang]")
    expect(last).to_contain_text("紧急")
    box = last.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= WALL[1]
    page.locator("[data-page='0']").click()
    page.wait_for_timeout(1200)
    assert page.locator("[data-page='0']").get_attribute("aria-pressed") == "true"  # whoever turns a page is not turned back


def test_order_by_risk_puts_the_serious_first_and_the_unknown_before_the_well(screens: Screens, live_ward: Ward) -> None:
    screen = screens.open(None, "/login")
    screens.sign_in(screen.page.context, "mei")
    well = {"total": 0, "single3": False, "partial": False}

    def change(document: dict[str, Any]) -> None:
        document["risks"] = {
            "wang": well, "li": well | {"total": 8}, "zhang": well | {"total": 2, "partial": True},
            "liu": well | {"total": 3, "single3": True}, "chen": well | {"total": 1}, "long": well | {"partial": True},
        }  # fmt: skip

    rewritten(screen, "**/api/v1/wall/risk?*", change)
    screen.page.goto(f"{live_ward.url}/wall")
    screen.page.locator("[data-sort=risk]").click(timeout=8000)
    order = ["bed-li", "bed-liu", "bed-zhang", "bed-mute", "bed-long", "bed-chen", "bed-wang", "bed-empty"]
    expect(screen.page.locator("[data-bed=bed-li] [data-risk='8']")).to_have_text("NEWS2 8", timeout=5000)
    assert screen.page.locator("[data-bed]").evaluate_all("list => list.map(e => e.dataset.bed)") == order
    assert screen.page.locator("[data-bed=bed-zhang] .risk").inner_text() == "NEWS2 ≥2"
    assert screen.page.locator("[data-bed=bed-long] .risk").inner_text() == "风险不明"
    screen.page.reload()
    screen.page.locator("[data-sort=risk][aria-pressed=true]").wait_for(timeout=6000)
    screen.page.locator("[data-sort=bed]").click()


@pytest.mark.parametrize(("size", "path", "lang"), [(WALL, "/wall", "zh"), (PHONE, "/phone", "en")])
def test_panels_are_accessible_and_large_enough(screens: Screens, live_ward: Ward, size: tuple[int, int], path: str, lang: str) -> None:
    live_ward.heat("liu")
    live_ward.call("wang")
    alert = open_alert(live_ward, "wang")
    live_ward.person("mei").act(alert, "claim")
    screen = screens.open("mei", f"{path}?lang={lang}", size, lang, bypass_csp=True)
    screen.page.locator("[data-alert]").first.wait_for(timeout=6000)
    found = {}
    for view in ("handover", "people", "resident/wang", "calls", f"alert/{alert}"):
        at(screen, view)
        screen.page.locator(".beside :is(.card, .people-rows li)").first.wait_for(timeout=6000)
        screen.page.wait_for_timeout(300)
        found[view] = complaints(screen, 60 if size == PHONE else 44, lang)
    at(screen, "")
    silence = screen.alert("3-04").locator("[data-silence=ask]")
    if silence.count() == 0:  # a short card on the wall: on its sheet
        at(screen, f"alert/{open_alert(live_ward, 'liu')}")
        silence = screen.page.locator(".sheet [data-silence=ask]")
    silence.click(timeout=6000)
    screen.page.locator("[data-silence-dialog]").wait_for()
    found["silence"] = complaints(screen, 60 if size == PHONE else 44, lang)
    assert found == {view: [] for view in found}
