"""The parts of the clinic's page beside the strips, in a real browser: glucose, pressures, limits, notes, paper, the health record."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from tests.browser.past import NAME, WHO, past_ward
from tests.browser.screens import WALL, Screens
from tests.browser.wards import SITE, Ward
from tests.support.button import now_ms
from tests.support.running import API

pytestmark = [pytest.mark.browser, pytest.mark.timeout(150)]


@pytest.fixture(scope="module")
def minutes() -> Iterator[Ward]:
    """A month of one resident whose last day is told by minutes: that is soon sent."""
    with past_ward(step_ms=60_000) as made:
        yield made


@pytest.fixture
def past_screens(chrome: Browser, minutes: Ward) -> Iterator[Screens]:
    made = Screens(chrome, minutes)
    yield made
    made.close()


def opened(screens: Screens, view: str, who: str = WHO, **options: Any) -> Page:
    page = screens.open("doctor", f"/clinic?resident={who}&view={view}", WALL, **options).page
    expect(page.locator(f"[data-tab={view}]")).to_have_attribute("aria-selected", "true", timeout=20_000)
    return page


def numbers(text: str | None) -> list[float]:
    return [float(part) if part else float("nan") for part in (text or "").split(",")]


def test_check_31_the_bands_of_the_profile_are_the_percentiles_of_the_readings(past_screens: Screens) -> None:
    page = opened(past_screens, "glucose")
    agp = page.locator("[data-agp]")
    expect(agp).to_have_attribute("data-agp", "5,25,50,75,95", timeout=20_000)
    assert page.locator("[data-agp] [data-band]").evaluate_all("list => list.map(e => e.dataset.band)") == ["5-95", "25-75"]
    begin_ms = now_ms() - 14 * 86_400_000
    curve = past_screens.ward.person("doctor").get(f"/residents/{WHO}/history", quantity="glucose_cgm", points=100_000, from_ms=begin_ms)
    (line,) = curve["lines"]
    t_ms, value = np.array(line["t_ms"]), np.array(line["value"], np.float64)
    slot = (t_ms // 60_000 + 8 * 60) % 1440 // 15  # Shanghai
    for index, percentile in enumerate((5, 25, 50, 75, 95)):
        shown = numbers(page.locator(f"[data-percentile='{percentile}']").get_attribute("data-values"))
        assert len(shown) == 96
        for at in range(0, 96, 7):
            near = np.isin(slot, [(at - 1) % 96, at, (at + 1) % 96])
            assert shown[at] == pytest.approx(float(np.percentile(value[near], percentile)), abs=0.12), (index, at)
    parts = page.locator(".agp-bar rect").evaluate_all("list => list.map(e => Number(e.dataset.share))")
    assert sum(parts) == pytest.approx(100, abs=0.01)
    below = float((value < 3.9).mean() * 100)
    assert parts[0] + parts[1] == pytest.approx(below, abs=0.6)
    expect(page.locator("[data-not-enough]")).to_have_count(0)
    assert page.locator("[data-day]").count() >= 14
    expect(page.locator("[data-goals=older]")).to_have_attribute("aria-pressed", "true")


def test_too_little_glucose_is_said_plainly(past_screens: Screens) -> None:
    def thin(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        route.fulfill(json={**body, "enough": False, "days": 3.2, "active": 41.0})

    page = past_screens.open("doctor", "/login", WALL).page
    page.route("**/glucose?*", thin)
    page.goto(f"{past_screens.ward.url}/clinic?resident={WHO}&view=glucose")
    expect(page.locator("[data-not-enough]")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-part=agp]")).to_contain_text("无法判断")


def pdf_text(data: bytes) -> str:
    """What a reader of the PDF can select, without blanks: where they stand depends on the layout."""
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))  # some characters come as the radicals that they are made of


def test_check_32_paper_says_who_when_and_how_much_was_measured(past_screens: Screens) -> None:
    page = opened(past_screens, "curves")
    expect(page.locator(".strip canvas")).to_have_count(7, timeout=20_000)
    text = pdf_text(page.pdf(format="A4"))
    assert NAME in text
    assert re.search(r"时段:.*?\d{1,2}:\d{2}–.*?\d{1,2}:\d{2}", text)
    assert re.search(r"数据完整率\d+(\.\d)?%", text)
    page.emulate_media(media="print")
    paper = page.locator(".letterhead")
    expect(paper).to_be_visible()
    expect(paper).to_contain_text(NAME)
    expect(paper).to_contain_text(re.compile(r"时段: .*\d{1,2}:\d{2} – .*\d{1,2}:\d{2}"))
    expect(paper).to_contain_text(re.compile(r"数据完整率 \d+(\.\d)? %"))
    expect(paper).to_contain_text("安心 0.")
    assert page.locator("[data-print], [role=tab], .frame-head").evaluate_all("list => list.every(e => e.offsetParent === null)")


def test_the_server_makes_the_same_paper_with_chinese_words(past_screens: Screens) -> None:
    page = opened(past_screens, "pressure")
    link = page.get_by_role("link", name="PDF 报告")
    href = link.get_attribute("href") or ""
    answer = page.request.get(past_screens.ward.url + href)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    body = answer.body()
    assert len(PdfReader(io.BytesIO(body)).pages) >= 2, "the glucose profile has a page of its own"
    text = pdf_text(body)
    for word in (NAME, "数据完整率", "动态血糖图谱", "报警限", "NEWS2", "安心0."):
        assert word in text, word
    refused = past_screens.ward.person("mei").client.get(f"{past_screens.ward.url}{href}")
    assert refused.status_code == 403


def test_pressures_are_judged_only_where_they_are_enough(past_screens: Screens) -> None:
    page = opened(past_screens, "pressure")
    expect(page.locator("[data-part=pressure]")).to_have_attribute("data-rule", "ambulatory", timeout=20_000)
    assert set(page.locator("[data-judged]").evaluate_all("list => list.map(e => e.dataset.judged)")) == {"unknown"}
    expect(page.locator("[data-part=pressure]")).to_contain_text("无法判断，还差")
    page.click("[data-range='7d']")
    expect(page.locator("[data-part=pressure]")).to_have_attribute("data-rule", "home", timeout=20_000)
    expect(page.locator("[data-row=home] [data-judged]")).to_have_attribute("data-judged", "false")


def test_limits_are_tried_and_then_set_with_a_reason_and_an_end(past_screens: Screens) -> None:
    page = opened(past_screens, "limits", "wang")  # whose wearable sends now: what comes late never raises an alarm, nor does it here
    page.locator("[data-edit=hr]").click()
    expect(page.get_by_role("button", name="保存报警限")).to_be_disabled()
    page.locator("[data-field=high] input").fill("70")
    page.locator("[data-field=duration_s] input").fill("0")
    page.locator("[data-try]").click()
    tried = page.locator("[data-tried]")
    expect(tried).to_be_visible(timeout=60_000)
    assert int(tried.get_attribute("data-tried") or 0) > 0
    expect(tried).to_contain_text("现在的限值 0 次")
    page.locator("[data-field=reason] textarea").fill("心衰随访")
    page.locator("[data-field=expires] input").fill("2099-12-31")
    page.get_by_role("button", name="保存报警限").click()
    own = page.locator("[data-row=hr] [data-limit]")
    expect(own).to_contain_text("心衰随访")
    expect(own).to_contain_text("有效至")
    expect(page.locator("[data-row=hr]")).to_contain_text("70")
    own.locator("[data-end]").click()
    page.locator("dialog[open] textarea").fill("恢复默认")
    page.locator("dialog[open]").get_by_role("button", name="取消", exact=True).first.click()
    expect(page.locator("[data-row=hr] [data-limit]")).to_have_count(0)


def test_notes_stand_in_the_line_and_are_taken_back(past_screens: Screens) -> None:
    page = opened(past_screens, "notes")
    page.locator("select[name=kind]").select_option("medication")
    page.locator("textarea[name=text]").fill("美托洛尔 25 mg 每日 2 次")
    page.get_by_role("button", name="写入").click()
    expect(page.locator("[data-note]").first).to_contain_text("美托洛尔")
    expect(page.locator("[data-facts]")).to_contain_text("美托洛尔")
    page.locator("[data-withdraw]").first.click()
    page.locator("dialog[open] textarea").fill("已停药")
    page.locator("dialog[open]").get_by_role("button", name="撤回", exact=True).click()
    expect(page.locator("[data-note]").first).to_have_attribute("data-withdrawn", "true")
    expect(page.locator("[data-facts]")).to_have_attribute("data-facts", "0")


def test_two_weeks_side_by_side(past_screens: Screens) -> None:
    page = opened(past_screens, "compare")
    expect(page.locator("[data-part=compare] [data-row=hr]")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-row=hr] [data-compared]")).to_have_attribute("data-compared", "true")
    assert page.locator("[data-row=hr] svg path.now").get_attribute("d")


@pytest.mark.slow
@pytest.mark.parametrize("view", ["glucose", "pressure", "compare", "limits", "notes"])
def test_every_part_is_accessible(past_screens: Screens, view: str) -> None:
    page = opened(past_screens, view, bypass_csp=True)
    expect(page.locator(f"[data-part={'agp' if view == 'glucose' else view}]")).to_be_visible(timeout=20_000)
    screen = past_screens.made[-1]
    assert screen.violations() == []
    assert not screen.overflows()


def test_check_33_the_link_to_the_health_record_answers_with_a_bundle(screens: Screens) -> None:
    ward = screens.ward
    if "dr" not in ward.gateway.passwords:
        account = {"login": "dr", "name": "郑医生", "role": "clinician", "sites": [SITE]}
        made = ward.person("root").client.post(f"{API}/users", json=account)
        first, chosen = made.raise_for_status().json()["one_time_password"], "correct horse 42 battery"
        ward.gateway.passwords["dr"] = first
        ward.person("dr").client.post(f"{API}/me/password", json={"old": first, "new": chosen}).raise_for_status()
        ward.gateway.passwords["dr"] = chosen
    body = {"v": 1, "device": "band-li", "boot_id": "fhir", "seq": 1, "t": now_ms(), "readings": [
        {"quantity": "sbp", "value": 131, "unit": "mm[Hg]"}, {"quantity": "dbp", "value": 78, "unit": "mm[Hg]"},
    ]}  # fmt: skip
    headers = {"Authorization": f"Bearer {ward.gateway.tokens['band-li']}"}
    httpx.post(f"{ward.url}{API}/ingest/band-li", json=body, headers=headers).raise_for_status()
    page = screens.open("dr", "/clinic?resident=li", WALL).page
    href = page.get_by_role("link", name="FHIR 资源").get_attribute("href", timeout=20_000) or ""
    bundle: dict[str, Any] = {}
    for _ in range(60):
        answer = page.request.get(ward.url + re.sub(r"date=lt[^&]*&?", "", href))
        assert (answer.status, answer.headers["content-type"]) == (200, "application/fhir+json")
        bundle = json.load(io.BytesIO(answer.body()))
        if bundle["entry"]:
            break
        page.wait_for_timeout(250)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    panel = next(entry["resource"] for entry in bundle["entry"] if len(entry["resource"].get("component", [])) == 2)
    assert panel["subject"] == {"reference": "Patient/li"}
    assert sorted(part["valueQuantity"]["value"] for part in panel["component"]) == [78, 131]
    assert page.request.get(f"{ward.url}/fhir/Patient/li").json()["resourceType"] == "Patient"
    assert page.request.get(f"{ward.url}/fhir/Observation?patient=nobody").status == 404
