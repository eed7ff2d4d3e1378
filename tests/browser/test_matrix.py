"""Every page in every look: checks 18-22, 24, 34, 37 and 38, whichever pages there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.matrix import LANGS, LOOKS, SIZES, Case, Found, complaints, full, pages, pairwise, run, table, unreviewed
from tests.browser.screens import Screens
from tests.browser.wards import PEOPLE, RESIDENTS, Ward, running_ward

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
NAMES = [name for _, name, _ in RESIDENTS] + [bed for _, _, bed in RESIDENTS] + [name for _, name, _ in PEOPLE] + [
    "新来的", "安管理", "安和养老院", "二区", "三区", "中文"]  # fmt: skip


@pytest.fixture(scope="module")
def busy_ward() -> Iterator[Ward]:
    """A ward of its own with alerts of every state: the matrix takes its time, and others need not wait for it."""
    with running_ward() as ward:
        mei = ward.person("mei")
        for who, kind in (("wang", "fall"), ("long", "sos"), ("chen", "pull_cord"), ("li", "sos"), ("zhang", "sos")):
            ward.call(who, kind)
        ward.heat("liu")
        of = {alert["resident_id"]: alert["id"] for alert in mei.get("/alerts")["alerts"]}
        mei.act(of["li"], "claim")
        mei.act(of["zhang"], "arrive")
        yield ward


@pytest.fixture
def views(chrome: Browser, busy_ward: Ward) -> Iterator[Screens]:
    made = Screens(chrome, busy_ward)
    yield made
    made.expected += [""]  # what went wrong was told with its page
    made.close()


def judged(results: list[tuple[Case, Found]]) -> None:
    assert complaints(results) == {}
    assert unreviewed(results) == {}, "axe cannot tell the contrast here: look, then add the kind to contrast_reviewed.json"


def test_pairs_are_complete() -> None:
    cases = pairwise()
    for path, _ in pages():
        mine = [case for case in cases if case.path == path]
        assert ({c.look for c in mine}, {c.lang for c in mine}, {c.size for c in mine}) == (set(LOOKS), set(LANGS), set(SIZES))
    assert len({(case.lang, case.size, case.look) for case in cases}) == 12


def test_check_18_19_20_21_22_24_34_37_38_pairwise(views: Screens) -> None:
    judged(list(run(views, pairwise(), NAMES)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_check_18_19_20_21_22_24_34_37_38_everything(views: Screens, capsys: pytest.CaptureFixture[str]) -> None:
    results = list(run(views, full(), NAMES))
    with capsys.disabled():
        print(f"\n{table(results)}")
    judged(results)
