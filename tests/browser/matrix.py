"""Every page of the table in pages.ts, in both languages, both sizes and three looks: what is measured there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooLate

from dashboards.pages.words import words
from tests.browser.screens import AXE, CHINESE, PHONE, TAGS, WALL, Screen, Screens
from tests.support import ROOT

TABLE = ROOT / "dashboards" / "web" / "src" / "pages.ts"
REVIEWED = Path(__file__).with_name("contrast_reviewed.json")  # page -> kinds of elements whose contrast axe cannot tell
PERSON = {"caregiver": "mei", "clinician": "doc", "family": "niece", "operator": "chief", "admin": "root"}
SIGNED_OUT = ("/login", "/terminal")
# What a page shows by its address only: without one of these an important part of it would never be looked at.
DEEPER = {"/clinic": ("?resident=wang",), "/residents": ("?id=wang",), "/consents": ("?resident=wang",)}
# What the browser itself writes when the server says no, where that is the right answer in this ward.
EXPECTED = {"/pair": "409 (Conflict)"}  # it has no Bluetooth
LANGS, SIZES, LOOKS = ("zh", "en"), (WALL, PHONE), ("normal", "elder", "dark")
QUERY = {"normal": "theme=light&elder=0", "elder": "elder=1", "dark": "theme=dark&elder=0"}
LEAST_FONT_PX, LEAST_ELDER_FONT_PX = 11.5, 18.0
PATIENCE_MS = 20_000
LOADING = [words(lang)["ui.loading"] for lang in LANGS]


@dataclass(frozen=True, slots=True)
class Case:
    """One page as one person sees it in one look."""

    path: str
    login: str | None
    lang: str
    size: tuple[int, int]
    look: str

    def __str__(self) -> str:
        return f"{self.path} {self.login or 'signed out'} {self.lang} {self.size[0]} {self.look}"

    @property
    def url(self) -> str:
        joint = "&" if "?" in self.path else "?"
        return f"{self.path}{joint}lang={self.lang}&{QUERY[self.look]}"

    @property
    def least_px(self) -> int:
        """The least width and height of what is pressed."""
        return 60 if self.look == "elder" or self.size == PHONE else 44


@dataclass
class Found:
    """What was measured of one case; all but `unknown` has to be empty."""

    wrong: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)  # kinds of elements whose contrast axe cannot compute


def pages() -> list[tuple[str, list[str]]]:
    """(address, logins who may open it) of every page of the table, with the deeper ones, and those before the sign-in."""
    text = TABLE.read_text(encoding="utf-8")
    rows = re.findall(r'^\s*\{ path: "(/[a-z_/-]+)".*?roles: \[([^\]]*)\]', text, re.MULTILINE)
    if len(rows) != text.count('path: "/') or not rows:
        raise AssertionError("a row of pages.ts is not written as the others are")
    found: list[tuple[str, list[str]]] = [(path, []) for path in SIGNED_OUT]
    for path, roles in rows:
        logins = [PERSON[role] for role in re.findall(r"[a-z]+", roles) if role in PERSON]
        if not logins:
            raise AssertionError(f"nobody of the tests may open {path}")
        found += [(path + more, logins) for more in ("", *DEEPER.get(path, ()))]
    return found


def pairwise() -> list[Case]:
    """For each page three cases, so that it is seen in each look, language and size; all pairs of these occur."""
    cases = []
    for number, (path, logins) in enumerate(pages()):
        for turn, look in enumerate(LOOKS):
            lang, size = LANGS[(number + turn) % 2], SIZES[(number // 2 + turn) % 2]
            cases.append(Case(path, logins[turn % len(logins)] if logins else None, lang, size, look))
    return cases


def full() -> list[Case]:
    """Everything: each page as each of its people, in every language, size and look."""
    return [
        Case(path, login, lang, size, look)
        for path, logins in pages()
        for login in (*logins,) or (None,)
        for lang, size, look in product(LANGS, SIZES, LOOKS)
    ]


_MEASURE = """([least, leastFont]) => {
  const wrong = [];
  const seen = e => e.getClientRects().length > 0 && e.getBoundingClientRect().width > 0 && getComputedStyle(e).visibility !== 'hidden';
  const kind = e => e.tagName.toLowerCase() + [...e.classList].map(c => '.' + c).join('');
  const name = e => `${kind(e)} "${(e.textContent || e.name || '').trim().slice(0, 24)}"`;
  const pressed = 'button, a.button, select, textarea, summary, [role=button], [role=tab], input:not([type=hidden])';
  for (const e of document.querySelectorAll(pressed)) {
    const box = (['checkbox', 'radio'].includes(e.type) ? e.closest('label') ?? e : e).getBoundingClientRect();
    const size = Math.min(box.width, box.height);
    if (seen(e) && size < least - .5) wrong.push(`small: ${name(e)} ${Math.round(box.width)}x${Math.round(box.height)}`);
  }
  const small = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !seen(e) || e.closest('svg, .only-read, script, noscript, option')) continue;
    const size = parseFloat(getComputedStyle(e).fontSize);
    if (size < leastFont) small.set(kind(e), size);
  }
  for (const [kind, size] of small) wrong.push(`letters of ${size.toFixed(1)} px: ${kind}`);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) wrong.push('sideways');
  const moving = document.getAnimations().filter(a => a.playState === 'running').length;
  if (moving) wrong.push(`${moving} things move`);
  return wrong;
}"""
# After a key was pressed the browser shows the focus wherever a script puts it: the outline is there, and nothing lies over the element.
_FOCUS = """() => {
  const wrong = [];
  const all = [...document.querySelectorAll('a[href], button:not(:disabled), select, input, textarea, summary, [tabindex="0"]')];
  for (const e of all.slice(0, 60)) {
    const r = e.getBoundingClientRect();
    if (r.width === 0 || e.classList.contains('skip')) continue;
    e.focus();
    if (document.activeElement !== e) continue;
    const style = getComputedStyle(e);
    const name = `${e.tagName.toLowerCase()}${[...e.classList].map(c => '.' + c).join('')} "${e.textContent.trim().slice(0, 20)}"`;
    if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) wrong.push(`focus not seen: ${name}`);
    const b = e.getBoundingClientRect();
    if (b.height > innerHeight || b.width > innerWidth) continue;
    const at = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
    if (at && at !== e && !e.contains(at) && !at.contains(e)) wrong.push(`focus covered: ${name} by ${at.tagName}.${at.className}`);
  }
  document.activeElement?.blur();
  return wrong;
}"""
_TEXT = """() => {
  const copy = document.body.cloneNode(true);
  for (const e of copy.querySelectorAll('[lang^=zh], script, noscript')) e.remove();
  const said = [...document.querySelectorAll('[aria-label], [title], [placeholder]')].filter(e => !e.closest('[lang^=zh][data-lang]'))
    .flatMap(e => [e.getAttribute('aria-label'), e.title, e.placeholder]);
  return [copy.textContent, ...said].filter(Boolean).join(' \\n ');
}"""


def _axe(page: Page) -> tuple[list[str], set[str]]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    told = page.evaluate(
        """tags => { const cut = e => { // by the edge of something that scrolls sideways
          for (; e; e = e.parentElement) if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible') return true;
          return false;
        }; return axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations', 'incomplete']}).then(r => ({
          wrong: r.violations.map(v => `axe ${v.id}: ${v.nodes[0].html.slice(0, 160)}`),
          unknown: r.incomplete.filter(v => v.id === 'color-contrast').flatMap(v => v.nodes)
            .map(n => [document.querySelector(n.target[0]), n.any[0]?.data?.messageKey]).filter(([e]) => e)
            .filter(([e, why]) => !(why === 'elmPartiallyObscured' && cut(e)))
            .map(([e]) => e.tagName.toLowerCase() + [...e.classList].map(c => '.' + c).join('')),
        })); }""",
        TAGS,
    )
    return told["wrong"], set(told["unknown"])


def measure(screen: Screen, case: Case, names: Sequence[str]) -> Found:
    """Everything that can be said of a page without knowing what it is for."""
    page = screen.page
    if page.viewport_size != {"width": case.size[0], "height": case.size[1]}:
        page.set_viewport_size({"width": case.size[0], "height": case.size[1]})
    begun = len(screen.errors), len(screen.foreign)
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + case.url)
    if not settled(page):
        return Found([f"never ready: {page.locator('body').inner_text()[:160]!r}"])
    wrong, unknown = _axe(page)
    found = Found(wrong, unknown)
    font = LEAST_ELDER_FONT_PX if case.look == "elder" else LEAST_FONT_PX
    found.wrong += page.evaluate(_MEASURE, [case.least_px, font])
    page.keyboard.press("Tab")
    found.wrong += page.evaluate(_FOCUS)
    html = page.locator("html").get_attribute("lang")
    if html != ("zh-CN" if case.lang == "zh" else "en"):
        found.wrong.append(f"html lang {html}")
    if case.lang == "en":
        found.wrong += [f"Chinese: {word}" for word in sorted(chinese(page.evaluate(_TEXT), names))]
    page.set_viewport_size({"width": 320, "height": 640})  # 400 % zoom
    if not _fits(page):
        found.wrong.append("sideways at 320 px")
    page.set_viewport_size({"width": case.size[0], "height": case.size[1]})
    right = EXPECTED.get(case.path)
    found.wrong += [f"console: {text}" for text in screen.errors[begun[0] :] if right is None or right not in text]
    found.wrong += [f"foreign: {url}" for url in screen.foreign[begun[1] :]]
    return found


def _fits(page: Page) -> bool:
    """Whether there is nothing to scroll sideways, once what draws by its width has drawn again."""
    try:
        page.wait_for_function("document.documentElement.scrollWidth <= document.documentElement.clientWidth", timeout=2000)
    except TooLate:
        return False
    return True


def settled(page: Page) -> bool:
    """Whether the page comes to have a heading and waits for nothing."""
    ready = """words => document.querySelector('h1') && ![...document.querySelectorAll('[role=status]')]
          .some(e => words.includes(e.textContent.trim()) && !e.closest('[data-card=page-states]'))"""
    try:
        page.wait_for_function(ready, arg=LOADING, timeout=PATIENCE_MS)
    except TooLate:
        return False
    page.wait_for_timeout(120)
    return True


def chinese(text: str, names: Sequence[str]) -> set[str]:
    """Chinese words that are nobody's and no place's name."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "")
    return set(CHINESE.findall(text))


def run(screens: Screens, cases: Sequence[Case], names: Sequence[str]) -> Iterator[tuple[Case, Found]]:
    """The cases one after another; one window for each person."""
    windows: dict[str | None, Screen] = {}
    for case in cases:
        if case.login not in windows:
            first = "/styleguide" if case.login else "/login"
            windows[case.login] = screens.open(case.login, first, bypass_csp=True, reduced_motion="reduce")
        yield case, measure(windows[case.login], case, names)


def reviewed() -> dict[str, list[str]]:
    """What somebody has looked at."""
    found: dict[str, list[str]] = json.loads(REVIEWED.read_text(encoding="utf-8"))
    return found


def table(results: Sequence[tuple[Case, Found]]) -> str:
    """A small report: one line for each page."""
    rows: dict[str, list[Found]] = {}
    for case, found in results:
        rows.setdefault(case.path, []).append(found)
    lines = ["page                            cases  complaints  contrast for eyes"]
    lines += [
        f"{path:<30} {len(all_):>6} {sum(len(f.wrong) for f in all_):>11} {len(set().union(*(f.unknown for f in all_))):>18}"
        for path, all_ in rows.items()
    ]
    return "\n".join(lines)


def unreviewed(results: Sequence[tuple[Case, Found]]) -> dict[str, list[str]]:
    """Kinds of elements that are not in the file, by page."""
    known: dict[str, list[str]] = reviewed()
    found: dict[str, set[str]] = {}
    for case, told in results:
        fresh = told.unknown - set(known.get(case.path.partition("?")[0], ())) - set(known["everywhere"])
        if fresh:
            found.setdefault(case.path, set()).update(fresh)
    return {path: sorted(kinds) for path, kinds in found.items()}


def complaints(results: Sequence[tuple[Case, Found]]) -> dict[str, list[str]]:
    """What is wrong, by case."""
    return {str(case): found.wrong for case, found in results if found.wrong}


__all__: list[Any] = ["Case", "Found", "complaints", "full", "pages", "pairwise", "run", "table", "unreviewed"]
