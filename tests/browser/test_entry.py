"""Signing in as people do it: with gloves on a phone of the house, with an authenticator, and a wall that only shows."""

from __future__ import annotations

import re

import pyotp
import pytest
from playwright.sync_api import Page, expect

from gateway.clock import NS_PER_S, SystemClock
from tests.browser.screens import PHONE, WALL, Screen, Screens, resolve_all
from tests.browser.test_looks import small

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]
PIN = "480293"


def code_for(screens: Screens, kind: str, name: str) -> str:
    """The operator adds a terminal on the page and reads its code from the screen."""
    page = screens.open("ops", "/terminals").page
    page.locator("[name=kind]").select_option(kind)
    page.locator("[name=name]").fill(name)
    page.locator("button[type=submit]").click()
    shown = page.locator("[data-code]")
    expect(shown).to_contain_text("/terminal", timeout=6000)
    return str(shown.get_attribute("data-code"))


def become(screens: Screens, code: str, size: tuple[int, int]) -> Screen:
    screen = screens.open(None, "/terminal", size)
    screen.page.locator("[name=code]").fill(f"{code[:4]} {code[4:].lower()}")
    screen.page.locator("button[type=submit]").click()
    return screen


def revoke(screens: Screens, name: str) -> None:
    page = screens.open("ops", "/terminals").page
    page.on("dialog", lambda dialog: dialog.accept())
    row = page.locator("[data-terminal]").filter(has_text=name)
    row.locator("button").click()
    expect(row.locator("button")).to_have_count(0, timeout=6000)


def pressed(page: Page, digits: str) -> None:
    for digit in digits:
        page.locator(f"[data-key='{digit}']").tap()


def test_a_caregiver_signs_in_with_gloves_on_a_phone_of_the_house(screens: Screens) -> None:
    screens.expected += ["401"]
    account = screens.open("mei", "/account", PHONE)
    form = account.page.locator("[data-pin] form")
    form.locator("[name=password]").fill(screens.ward.gateway.passwords["mei"])
    form.locator("[name=pin]").fill(PIN)
    form.locator("button").click()
    expect(account.page.locator("[data-pin] [role=status]")).to_be_visible(timeout=6000)
    phone = become(screens, code_for(screens, "phone", "三楼手机"), PHONE)
    phone.page.get_by_role("link", name="去登录").click()
    phone.page.locator("[data-key='1']").wait_for(timeout=6000)  # one person with a PIN: straight to the pad
    assert small(phone.page, 60) == []
    pressed(phone.page, "111111")
    phone.page.locator("[data-key=go]").tap()
    expect(phone.page.locator("[role=alert]")).to_contain_text("PIN")
    pressed(phone.page, PIN[:3] + "9")
    phone.page.locator("[data-key=delete]").tap()
    pressed(phone.page, PIN[3:])
    phone.page.locator("[data-key=go]").tap()
    phone.page.wait_for_url("**/phone", timeout=6000)
    expect(phone.page.locator("body")).to_contain_text("梅护士", timeout=6000)
    revoke(screens, "三楼手机")
    phone.page.goto(f"{screens.ward.url}/phone")
    phone.page.wait_for_url(re.compile("/login"), timeout=6000)
    expect(phone.page.locator("[name=password]")).to_be_visible()


def test_a_display_shows_and_offers_nothing_to_press(screens: Screens) -> None:
    screens.expected += ["401", "403"]
    screens.ward.call("wang")
    display = become(screens, code_for(screens, "display", "大屏"), WALL)
    display.page.wait_for_url("**/wall", timeout=6000)
    display.page.locator("[data-alert]").first.wait_for(timeout=6000)
    assert display.page.locator("[data-act], [data-silence], [data-outcome]").count() == 0
    assert display.page.locator("[data-bed]").count() > 0
    revoke(screens, "大屏")
    display.page.wait_for_url(re.compile("/login"), timeout=15_000)  # the stream ends by itself
    resolve_all(screens.ward)


def test_a_second_factor_is_set_up_and_then_asked_for(screens: Screens) -> None:
    screens.expected += ["401", "422"]
    password = screens.ward.gateway.passwords["guard"]
    page = screens.open("guard", "/account", PHONE).page
    form = page.locator("[data-factor] form")
    form.locator("[name=password]").fill(password)
    form.locator("button").click()
    drawing = page.locator("img.qr")
    drawing.wait_for(timeout=6000)
    assert drawing.evaluate("e => e.naturalWidth") > 0
    secret = page.locator("code").inner_text().replace(" ", "")
    clock = SystemClock()
    page.locator("[name=code]").fill(pyotp.TOTP(secret).at(clock.now_ns() // NS_PER_S))
    page.locator("[data-factor] form button").click()
    expect(page.locator("[data-factor=on]")).to_be_visible(timeout=6000)
    screen = screens.open(None, "/login", PHONE)
    screen.page.locator("[name=user]").fill("guard")
    screen.page.locator("[name=password]").fill(password)
    screen.page.locator("button[type=submit]").click()
    expect(screen.page.locator("[role=status]")).to_contain_text("身份验证器", timeout=6000)
    expect(screen.page.locator("[name=code]")).to_be_focused()
    # The code of the running half minute is used up; that of the next one is within what clocks may be off.
    screen.page.locator("[name=code]").fill(pyotp.TOTP(secret).at(clock.now_ns() // NS_PER_S + 30))
    screen.page.locator("button[type=submit]").click()
    screen.page.wait_for_url(re.compile("/house"), timeout=6000)


@pytest.mark.parametrize("path", ["/login", "/terminal", "/account", "/terminals"])
def test_these_pages_are_clean(screens: Screens, path: str) -> None:
    who = None if path in ("/login", "/terminal") else "ops"
    for size, lang in ((WALL, "zh"), (PHONE, "en")):
        screen = screens.open(who, f"{path}?lang={lang}", size, lang, bypass_csp=True)
        screen.page.locator("h1").wait_for(timeout=6000)
        screen.page.wait_for_load_state("networkidle")
        assert screen.violations() == []
        assert small(screen.page, 60 if size == PHONE else 44) == []
        assert not screen.overflows()
