"""Screens while the server is frozen, killed or restarted and while a device is silent: they say so, and recover without a reload."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.screens import PHONE, Screen, Screens
from tests.browser.wards import Ward, running_ward

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]
SILENT_S = 7.0  # twice the cadence of one second, and the grace of five
NORMAL = "[data-vital-state=live]"


@pytest.fixture(scope="module")
def ward() -> Iterator[Ward]:
    """A ward of its own: it is frozen and killed here."""
    with running_ward(cadence_s={"hr": 1.0, "spo2": 1.0}) as made:
        yield made


@pytest.fixture
def screens(chrome: Browser, ward: Ward) -> Iterator[Screens]:
    made = Screens(chrome, ward)
    yield made
    made.close()


def never_reloaded(screen: Screen) -> None:
    screen.page.evaluate("window.stillTheSame = true")


def is_the_same(screen: Screen) -> bool:
    return bool(screen.page.evaluate("window.stillTheSame === true"))


def test_check_06_a_frozen_server_is_shown_and_comes_back(screens: Screens, ward: Ward) -> None:
    screen = screens.open("mei", "/wall")
    page = screen.page
    page.locator(f"[data-bed=bed-wang] {NORMAL}").first.wait_for(timeout=8000)
    never_reloaded(screen)
    os.kill(ward.gateway.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    try:
        page.locator("[data-connection=lost]").wait_for(timeout=7000)
        print(f"frozen server shown after {time.monotonic() - began_s:.1f} s")
        expect(page.locator(".lost-banner")).to_contain_text("连接中断，数据可能已过时")
        assert page.locator(NORMAL).count() == 0
        assert page.locator(".tile:not(.hatched)").count() == 0
        assert page.locator("[data-calm=calm]").count() == 0  # nobody knows whether all is calm
        expect(page.locator("[data-calm=unknown]")).to_be_visible()
    finally:
        os.kill(ward.gateway.pid, signal.SIGCONT)
    page.locator("[data-connection=live]").wait_for(timeout=15_000)
    page.locator(f"[data-bed=bed-wang] {NORMAL}").first.wait_for(timeout=15_000)
    expect(page.locator("[data-calm=calm]")).to_be_visible()
    assert is_the_same(screen)


def test_check_08_a_killed_server_comes_back_with_the_same_queue(screens: Screens, ward: Ward) -> None:
    screens.expected.append("ERR_")  # what Chromium notes of a server that is away
    for who in ("li", "zhang"):
        ward.call(who)
    wall, phone = screens.open("mei", "/wall"), screens.open("nan", "/phone", PHONE)
    for screen in (wall, phone):
        expect(screen.page.locator("[data-alert]")).to_have_count(2, timeout=6000)
        never_reloaded(screen)
    wall.press("3-02", "claim")
    wall.alert("3-02", "claimed").wait_for(timeout=3000)
    before = wall.order()
    ward.gateway.kill()
    # A press meanwhile says what is the matter instead of waiting in silence.
    phone.press("3-03", "claim")
    expect(phone.page.locator(".said")).to_contain_text("连不上服务器", timeout=16_000)
    ward.gateway.start()
    for screen in (wall, phone):
        screen.page.locator("[data-connection=live]").wait_for(timeout=15_000)
        screen.alert("3-02", "claimed").wait_for(timeout=6000)
        assert screen.order() == before
        assert is_the_same(screen)
    ward.call("wang")
    for screen in (wall, phone):
        screen.alert("3-01", "raised").wait_for(timeout=6000)
        assert len(set(screen.order())) == len(screen.order()) == 3
    assert phone.alert("3-02").inner_text().count("梅护士 正在前往") == 1


def test_check_10_a_silent_device_shows_no_old_number_as_a_number_of_now(screens: Screens, ward: Ward) -> None:
    page = screens.open("mei", "/wall").page
    tile = page.locator("[data-bed=bed-liu]")
    expect(tile).to_have_attribute("data-state", "live", timeout=8000)
    ward.feeder.silent.add("liu")
    began_s = time.monotonic()
    expect(tile).to_have_attribute("data-state", "stale", timeout=(SILENT_S + 6) * 1000)
    print(f"silent device shown after {time.monotonic() - began_s:.1f} s")
    assert tile.locator(f"[data-vital=hr]{NORMAL}").count() == 0
    assert tile.locator("[data-vital=hr] s.value").count() == 1  # struck through
    expect(tile.locator("[data-vital=hr]")).to_contain_text("已过时")
    expect(tile.locator("footer")).to_contain_text("数据延迟")
    # A device that has never said anything has no number at all.
    mute = page.locator("[data-bed=bed-mute]")
    expect(mute).to_have_attribute("data-state", "lost")
    assert [text.strip() for text in mute.locator(".numbers .value").all_inner_texts()] == ["—", "—"]
    # The neighbours go on.
    page.locator(f"[data-bed=bed-chen] {NORMAL}").first.wait_for(timeout=8000)


def test_check_09_twelve_tabs_are_more_than_a_browser_has_connections(screens: Screens, ward: Ward) -> None:
    first = screens.open("mei", "/phone", PHONE)
    pages = [first.page]
    for _ in range(11):
        screen = screens.watch(first.page.context.new_page())
        screen.page.goto(f"{ward.url}/phone")
        pages.append(screen.page)
    assert len(pages) == 12
    for page in pages:
        page.locator("[data-connection=live]").wait_for(timeout=5000)
    ward.call("chen")
    for page in pages:
        page.locator("[data-alert] h2", has_text="3-05").wait_for(timeout=6000)


def test_an_alarm_loop_that_stands_still_is_said_while_the_server_answers(chrome: Browser) -> None:
    """The second half of a frozen server: pages, streams and vital signs go on, only alarms do not."""
    with running_ward() as own:
        screens = Screens(chrome, own)
        page = screens.open("mei", "/wall").page
        page.locator("[data-connection=live]").wait_for(timeout=8000)
        assert page.locator(".faults li").count() == 0
        os.kill(own.gateway.pid, signal.SIGUSR1)
        began_s = time.monotonic()
        page.locator(".faults li", has_text="报警循环已停摆").wait_for(timeout=30_000)
        took_s = time.monotonic() - began_s
        print(f"stalled alarm loop shown after {took_s:.1f} s")
        assert took_s <= 15
        assert page.locator("[data-connection=live]").count() > 0
        screens.close()
