"""Script-free pages in headless Chromium: they claim with JavaScript off, pass axe, and say by themselves that they have grown old."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.api.app import ApiSettings
from tests.support import ROOT, missing, need
from tests.support.house import PASSWORD, House
from tests.support.sse import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]
AXE = ROOT / "dashboards" / "web" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Ward:
    """A furnished house that is served from a thread with a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = folder
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _run(self) -> None:
        self.loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.home = House(self._folder, settings=ApiSettings(http_lan=True, static_dir=self._folder / "none"))
        self.home.furnish()
        async with serving(self.home) as url:
            self.url = url
            self._ready.set()
            await self._end.wait()
        self.home.close()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(20):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    def call(self, who: str) -> str:
        return asyncio.run_coroutine_threadsafe(self.home.call(who), self.loop).result(10).id


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = need("chromium")
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(chromium), headless=True, args=arguments)
        yield found
        found.close()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with Ward(tmp_path_factory.mktemp("ward")) as made:
        yield made


def sign_in(page: Any, ward: Ward, who: str, target: str = "") -> None:
    page.goto(f"{ward.url}{target or '/m/alerts'}")
    page.fill("#user", who)
    page.fill("#password", PASSWORD)
    page.click("main button[type=submit]")


def test_claims_with_javascript_off(browser: Any, ward: Ward) -> None:
    alert = ward.call("wang")
    context = browser.new_context(java_script_enabled=False, locale="zh-CN", viewport={"width": 390, "height": 844})
    page = context.new_page()
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith(ward.url) else None)
    sign_in(page, ward, "carer", f"/m/alerts/{alert}")
    page.get_by_role("button", name="我去").click()
    assert page.locator(f'[data-alert="{alert}"]').get_attribute("data-state") == "claimed"
    box = page.get_by_role("button", name="我到了").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 60
    page.get_by_role("button", name="我到了").click()
    page.get_by_label("备注").fill("已坐好")
    page.get_by_role("button", name="已帮助").click()
    assert page.locator("#said").inner_text() == "已记录：已结束。"
    assert foreign == []
    context.close()


@pytest.mark.parametrize(("lang", "width"), [("zh", 1920), ("zh", 390), ("en", 390)])
def test_axe_finds_nothing(browser: Any, ward: Ward, lang: str, width: int) -> None:
    if not AXE.exists():
        missing("axe-core is not installed (npm ci in dashboards/web)")
    axe = AXE.read_text(encoding="utf-8")
    alert = ward.call("liu")
    # The pages allow no script, so axe needs the policy out of its way.
    context = browser.new_context(bypass_csp=True, locale="zh-CN" if lang == "zh" else "en-GB", viewport={"width": width, "height": 844})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    checked = []
    for path in ("/", "/m/login", "/m/alerts?paused=1", f"/m/alerts/{alert}", "/m/password"):
        if path == "/m/alerts?paused=1":
            sign_in(page, ward, "carer")
            page.request.post(f"{ward.url}/api/v1/me/lang", data={"lang": lang}, headers={"Origin": ward.url})
        page.goto(ward.url + path)
        page.evaluate(axe)
        found = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", TAGS)
        checked.append((path, [(violation["id"], violation["nodes"][0]["html"]) for violation in found["violations"]]))
        page.set_viewport_size({"width": 320, "height": 640})  # 400 % zoom
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
        page.set_viewport_size({"width": width, "height": 844})
    assert checked == [(path, []) for path, _ in checked]
    assert errors == []
    context.close()


def test_a_page_that_is_not_refreshed_says_that_it_has_grown_old(browser: Any, ward: Ward) -> None:
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    sign_in(page, ward, "carer2")
    page.goto(f"{ward.url}/m/alerts?paused=1")
    note = page.get_by_text("页面没有按时更新")
    assert not note.is_visible()
    session = context.new_cdp_session(page)  # twenty seconds of the animation's own time in one
    session.send("Animation.enable")
    session.send("Animation.setPlaybackRate", {"playbackRate": 20})
    note.wait_for(state="visible", timeout=15_000)
    page.reload()
    assert not note.is_visible()
    context.close()
