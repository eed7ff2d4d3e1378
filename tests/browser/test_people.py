"""The walks of those who run the house, in a real browser; whoever changes the ward puts it back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.screens import PHONE, Screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]
NAME = "临时住户"


def fill(page: Page | Locator, name: str, value: str) -> None:
    page.locator(f"[data-field={name}]").locator("input, textarea, select").first.fill(value)


def choose(page: Page | Locator, name: str, value: str | None = None, label: str | None = None) -> None:
    page.locator(f"[data-field={name}] select").select_option(value=value, label=label)


def resident(screens: Screens, name: str) -> dict[str, Any]:
    rows = screens.ward.person("ops").get("/house/residents")["residents"]
    return next(row for row in rows if row["name"] == name and row["status"] != "discharged")


def staff_of(screens: Screens) -> list[str]:
    return [row["name"] for row in screens.ward.person("chief").get("/house/staff")["staff"]]


def test_admit_move_leave_return_and_discharge(screens: Screens) -> None:
    page = screens.open("ops", "/residents?lang=zh", PHONE).page
    page.click("[data-do=admit]")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator('[data-bed-free="3-01"]')).to_have_count(0)  # somebody's
    fill(dialog, "name", NAME)
    fill(dialog, "birth_date", "1941-05-17")
    dialog.get_by_role("button", name="办理入住").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name=NAME).click()
    sheet = page.get_by_role("dialog")
    sheet.locator("[data-do=move]").click()
    sheet.locator('[data-bed-free="2-01"]').click()
    sheet.locator("form").get_by_role("button", name="换床").click()
    expect(sheet.locator(".facts").first).to_contain_text("2-01")
    sheet.locator("[data-do=away]").click()
    fill(sheet, "back", "2030-01-02T15:00")
    sheet.get_by_role("button", name="住院").click()
    sheet.locator("form").get_by_role("button", name="登记外出").click()
    expect(sheet.locator("[data-person]")).to_have_attribute("data-status", "away")
    # 15:00 on the clock of the house, wherever the browser is.
    assert resident(screens, NAME)["back_ms"] == 1_893_567_600_000
    expect(sheet.locator("[data-step=away]")).to_contain_text("住院")
    sheet.locator("[data-do=back]").click()
    expect(sheet.locator("[data-person]")).to_have_attribute("data-status", "admitted")
    sheet.locator("[data-do=discharge]").click()
    sure = page.get_by_role("dialog").last
    sure.get_by_role("button", name="回家居住").click()
    sure.get_by_role("button", name="办理离院").click()
    expect(sheet.locator("[data-person]")).to_have_attribute("data-status", "discharged")
    beds = {bed["label"]: bed["taken"] for bed in screens.ward.person("ops").get("/house/beds")["beds"]}
    assert (beds["2-01"], beds["3-01"]) == (False, True)


def test_who_is_not_back_in_time_is_said(screens: Screens) -> None:
    rows = [dict(row) for row in screens.ward.person("ops").get("/house/residents")["residents"]]
    rows[0] |= {"status": "away", "overdue": True, "back_ms": 1_700_000_000_000}
    page = screens.open(None, "/login").page
    screens.sign_in(page.context, "ops")
    page.route("**/api/v1/house/residents", lambda route: route.fulfill(json={"t_ms": 0, "residents": rows}))
    page.goto(screens.ward.url + "/residents?lang=en")
    expect(page.locator("[data-late='1']")).to_contain_text(rows[0]["name"])
    page.get_by_role("tab", name="Away 1").click()
    expect(page.locator("[data-pill=bad]")).to_contain_text("not back")


def test_tables_are_rehearsed_and_nothing_is_written_before_all_rows_can_be(screens: Screens) -> None:
    page = screens.open("chief", "/residents?lang=zh").page
    page.click("[data-do=import]")
    dialog = page.get_by_role("dialog")
    bad = "站点,编号,床号\r\n没有,X1,9-01\r\n".encode("gb18030")  # as spreadsheets here write it
    dialog.locator("input[type=file]").set_input_files([FilePayload(name="床位.csv", mimeType="text/csv", buffer=bad)])
    expect(dialog.locator("[data-import=errors]")).to_contain_text("第 2 行")
    expect(dialog.locator("[data-do=write]")).to_be_disabled()
    staff = "姓名,编号,岗位\r\n表格员工,T-9,cleaner\r\n".encode()
    dialog.locator("input[type=file]").set_input_files([FilePayload(name="员工.csv", mimeType="text/csv", buffer=staff)])
    expect(dialog.locator("[data-import=ok]")).to_contain_text("员工：新增 1")
    assert "表格员工" not in staff_of(screens)
    dialog.locator("[data-do=write]").click()
    expect(dialog.locator("[data-import=written]")).to_be_visible()
    assert "表格员工" in staff_of(screens)


def test_a_gap_of_the_rota_is_said_in_red_words_until_somebody_fills_it(screens: Screens) -> None:
    page = screens.open("chief", "/staff?lang=zh").page
    gaps = page.locator(".gaps")
    expect(gaps).to_contain_text("没有护士值班")
    red = gaps.locator("li").first.evaluate("e => getComputedStyle(e).color").removeprefix("rgb(").split(",")
    assert int(red[0]) > 120 > int(red[1])
    expect(page.locator("[data-gap=nurse]")).to_have_count(7)
    page.get_by_role("tab", name="班次").click()
    page.click("[data-do=shift]")
    dialog = page.get_by_role("dialog")
    choose(dialog, "staff", "P-nan")
    choose(dialog, "role", "nurse")
    fill(dialog, "start", "00:00")
    fill(dialog, "end", "12:00")
    dialog.get_by_role("button", name="添加班次").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("tab", name="一周值班").click()
    expect(page.locator("[data-gap=nurse]").first).to_have_text(re.compile("12:00–24:00 没有人值班"))
    expect(page.locator('[data-card="week-nurse"]')).to_contain_text("00:00–12:00 南护工")
    page.get_by_role("tab", name="班次").click()
    row = page.locator("[data-row]").filter(has_text="00:00–12:00")
    row.locator("[data-end]").click()
    expect(row).to_have_count(0)


def test_a_policy_with_a_hole_is_refused_in_words_and_an_earlier_version_comes_back(screens: Screens) -> None:
    page = screens.open("ops", "/policies?lang=zh").page
    try:
        page.click("[data-copy=low]")
        dialog = page.get_by_role("dialog")
        dialog.locator('[data-step="0"] [data-target="role:caregiver"]').click()
        dialog.locator('[data-step="0"] [data-target="role:nurse"]').click()
        dialog.get_by_label("某一步找不到人时呼叫护理站").uncheck()
        dialog.get_by_role("button", name="检查并保存").click()
        report = dialog.locator("[data-report=refused]")
        expect(report).to_contain_text("排班里没有“护士”")
        expect(report.locator("[data-holes=dead]")).to_contain_text(re.compile(r"第 1 步，安和养老院，.* 至 .*：没有人"))
        assert screens.ward.person("ops").get("/policies")["policies"] == []
        for step in dialog.locator("[data-step]").all():
            for target in ("role:nurse", "role:caregiver"):
                button = step.locator(f'[data-target="{target}"]')
                if button.get_attribute("aria-pressed") == "true":
                    button.click()
            if step.locator('[data-target="desk:"]').get_attribute("aria-pressed") != "true":
                step.locator('[data-target="desk:"]').click()
        dialog.get_by_role("button", name="检查并保存").click()
        expect(dialog).to_have_count(0)
        page.click("[data-edit=own-low]")
        page.get_by_role("dialog").locator("summary").click()
        fill(page.get_by_role("dialog"), "repeat_s", "7200")
        page.get_by_role("dialog").get_by_role("button", name="检查并保存").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.click("[data-past=own-low]")
        past = page.get_by_role("dialog")
        expect(past.locator("[data-version='2']")).to_contain_text("运维员")
        past.locator("[data-again='1']").click()
        expect(past).to_have_count(0)
        own = screens.ward.person("ops").get("/policies")["policies"]
        assert [(row["version"], row["repeat_s"] == 7200) for row in own] == [(3, False)]
    finally:
        screens.ward.person("ops").client.post("/api/v1/policies/own-low/end")


def test_a_consent_is_given_printed_and_withdrawn(screens: Screens) -> None:
    page = screens.open("ops", "/consents?resident=wang&lang=zh").page
    page.click("[data-do=give]")
    dialog = page.get_by_role("dialog")
    choose(dialog, "grantee", label="王先生 (kin)")
    dialog.locator("[data-class=vitals]").click()
    fill(dialog, "until", "2030-01-01")
    fill(dialog, "giver", "王淑华")
    dialog.get_by_role("button", name="登记授权").click()
    expect(dialog).to_have_count(0)
    live = page.locator("[data-row]").filter(has=page.locator("[data-standing=live]"))
    expect(live).to_contain_text("王先生")
    page.emulate_media(media="print")
    expect(page.locator("[data-do=give]")).to_be_hidden()
    expect(page.locator("[data-card=consents] footer")).to_contain_text("运维员")
    page.emulate_media(media="screen")
    assert screens.ward.person("kin").get("/family/wang")["resident"]["name"] == "王淑华"
    live.locator("[data-withdraw]").click()
    sure = page.get_by_role("dialog")
    sure.get_by_role("button", name="住民要求").click()
    sure.get_by_role("button", name="撤回").click()
    expect(page.locator("[data-standing=withdrawn]").first).to_be_visible()
    expect(live).to_have_count(0)
    assert screens.ward.person("kin").client.get("/api/v1/family/wang").status_code == 404


def test_the_audit_is_filtered_and_its_chain_is_whole(screens: Screens) -> None:
    for who in ("li", "wang"):
        screens.ward.person("mei").get(f"/residents/{who}")
    mei = screens.ward.person("mei").get("/me")["id"]
    page = screens.open("root", "/audit?lang=zh").page
    choose(page, "actor", mei)
    choose(page, "kind", "read")
    fill(page, "resident", "wang")
    page.get_by_role("button", name="查询").click()
    rows = page.locator("[data-row]")
    expect(rows.first).to_contain_text("查看住民")
    # What stood there before the question is gone once its answer is here; looks at a wall with this person on it belong to it.
    expect(rows.filter(has_not_text="梅护士")).to_have_count(0)
    expect(rows.filter(has_text="查看住民").filter(has_not_text="wang")).to_have_count(0)
    expect(rows.filter(has_text="查看住民").first).to_contain_text("wang")
    assert "kind=read" in (page.get_by_role("link", name="下载表格").get_attribute("href") or "")
    page.click("[data-do=verify]")
    expect(page.locator("[data-chain=whole]")).to_be_visible()
    assert "王淑华" not in page.locator("main").inner_text(), "who reads the audit need not know who it is"


def test_an_account_gets_a_password_that_is_shown_once(screens: Screens) -> None:
    page = screens.open("root", "/users?lang=zh").page
    page.click("[data-do=user]")
    dialog = page.get_by_role("dialog")
    fill(dialog, "login", "inspect")
    fill(dialog, "name", "督查员")
    choose(dialog, "role", "supervisor")
    dialog.get_by_role("button", name="添加账户").click()
    secret = page.locator("[data-once=inspect] code")
    screens.ward.gateway.passwords["inspect"] = secret.inner_text()
    page.get_by_role("button", name="我已记下").click()
    expect(secret).to_have_count(0)
    page.click("[data-close-account=inspect]")
    sure = page.get_by_role("dialog")
    sure.get_by_role("button", name="离职").click()
    sure.get_by_role("button", name="停用").click()
    expect(page.locator('[data-row="inspect"]')).to_contain_text("已停用")


def test_figures_of_fewer_than_ten_people_are_withheld_and_say_so(screens: Screens) -> None:
    page = screens.open("root", "/supervision?lang=zh").page
    expect(page.locator("[data-row]").first).to_be_visible()
    first = page.locator("[data-row]").first
    expect(first.locator("[data-withheld]").first).to_have_text("少于 10 人")
    assert first.locator("[data-withheld]").count() == 9
    expect(page.locator("[data-card=total]")).to_contain_text("8 格不显示，也不计入")
    text = page.request.get(f"{screens.ward.url}/api/v1/supervision.csv").text()
    assert text.count("withheld") == 9  # eight cells, and how many there are
    share = {"of": 10, "n": 5, "share": 0.5}
    call = {"calls": 40, "answered": 39, "share": 0.975, "goal": 0.975, "met": True}
    found = screens.ward.person("root").get("/supervision")
    found["cells"][0] |= {
        "suppressed": False, "resident_days": 77.0, "alarms": 12, "of_residents": 11, "per_resident_day": 0.143, "claim_p50_s": 34.0,
        "within_60_s": call, "within_180_s": {**call, "share": 0.975, "goal": 0.99, "met": False}, "false": share, "reraised": share,
        "coverage": share, "wearing": None, "wearing_withheld": True, "by_rule": None,
    }  # fmt: skip
    page.route("**/api/v1/supervision?**", lambda route: route.fulfill(json=found))
    page.reload()
    told = page.locator("[data-row]").first
    expect(told).to_contain_text("97.5 % 达标")
    expect(told).to_contain_text("未达 99 %")
    assert told.locator("[data-withheld]").count() == 2, "wearing of nine people, and rules that would tell one from the other"
