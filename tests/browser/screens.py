"""Screens of the browser tests: a signed-in page of a given size that notes console errors and requests that leave the origin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from tests.browser.wards import Ward
from tests.support import ROOT, missing, need

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
AXE = ROOT / "dashboards" / "web" / "node_modules" / "axe-core" / "axe.min.js"
BUILT = ROOT / "dashboards" / "static" / "index.html"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WALL, PHONE = (1920, 1080), (390, 844)
CHINESE = re.compile("[\u3400-\u9fff]+")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium of the system."""
    program = need("chromium")
    if not BUILT.exists():
        missing("the front end is not built (make web)")
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(program), headless=True, args=ARGUMENTS)
        yield found
        found.close()


@dataclass
class Screen:
    """A page and what went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def note(self, kind: str, text: str) -> None:
        """A message on the console."""
        if kind == "error":
            self.errors.append(text)

    def alert(self, place: str, state: str | None = None) -> Locator:
        """The card of a place, in a given state."""
        mark = "" if state is None else f'[data-state="{state}"]'
        return self.page.locator(f"[data-alert]{mark}").filter(has=self.page.get_by_role("heading", name=re.compile(re.escape(place))))

    def order(self) -> list[str]:
        """Places and names of the queue from top to bottom."""
        return [text.strip() for text in self.page.locator("[data-alert] h2").all_inner_texts()]

    def press(self, place: str, action: str) -> None:
        """A button of the card of a place, as soon as it may be pressed."""
        self.alert(place).locator(f"[data-act={action}]").click(timeout=6000)

    def violations(self) -> list[tuple[str, str]]:
        """What axe complains about: (rule, first element)."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", TAGS)
        return [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in found["violations"]]

    def overflows(self) -> bool:
        """Whether one has to scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@dataclass
class Screens:
    """Makes screens on a ward and closes them; what a test does not name as expected must not have happened on any."""

    browser: Browser
    ward: Ward
    expected: list[str] = field(default_factory=list)  # parts of console errors that belong to the test
    made: list[Screen] = field(default_factory=list)

    def open(self, login: str | None, path: str, size: tuple[int, int] = WALL, lang: str = "zh", **options: Any) -> Screen:
        """A page for a person; axe needs the policy out of its way, so `bypass_csp` is the tests' choice."""
        settings: dict[str, Any] = {"viewport": {"width": size[0], "height": size[1]}, "locale": "zh-CN" if lang == "zh" else "en-GB"}
        context = self.browser.new_context(**settings | {"has_touch": size[0] < 800} | options)
        if login is not None:
            self.sign_in(context, login)
        screen = self.watch(context.new_page())
        screen.page.goto(self.ward.url + path)
        return screen

    def sign_in(self, context: BrowserContext, login: str) -> None:
        """A session; hashing a password costs a second, so the first one of a person is kept."""
        if login in self.ward.cookies:
            context.add_cookies(self.ward.cookies[login])
            return
        body = {"user": login, "password": self.ward.gateway.passwords[login]}
        answer = context.request.post(f"{self.ward.url}/api/v1/session", data=body, headers={"Origin": self.ward.url})
        if answer.status != 200:
            raise RuntimeError(f"sign-in of {login} answered {answer.status}")
        self.ward.cookies[login] = context.cookies()

    def watch(self, page: Page) -> Screen:
        screen = Screen(page)
        page.on("console", lambda message: screen.note(message.type, f"{message.text} {message.location['url']}"))
        page.on("pageerror", lambda error: screen.errors.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(self.ward.url) else screen.foreign.append(request.url))
        self.made.append(screen)
        return screen

    def close(self) -> None:
        """Close all and complain."""
        for screen in self.made:
            screen.page.context.close()
        errors = [text for screen in self.made for text in screen.errors if not any(part in text for part in self.expected)]
        foreign = [url for screen in self.made for url in screen.foreign]
        self.made.clear()
        if errors or foreign:
            raise AssertionError(f"console errors: {errors}; requests that left the origin: {foreign}")


def resolve_all(ward: Ward) -> None:
    """End whatever is open, so that the next test begins in peace."""
    people = {person.get("/me")["id"]: person for person in (ward.person("mei"), ward.person("nan"))}
    anybody = next(iter(people.values()))
    for alert in anybody.get("/alerts")["alerts"]:
        person = people.get(alert["claimed_by"], anybody)
        if alert["state"] == "cleared":
            person.act(alert["id"], "seen")
        else:
            person.act(alert["id"], "resolve", outcome="test")


def foreign_words(text: str, names: set[str]) -> set[str]:
    """Chinese words of a page that are no names."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "")
    return set(CHINESE.findall(text))
