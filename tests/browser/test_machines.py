"""Pages of installers and operators on a house with a simulated Bluetooth room: the wizard from the air to the label, moving, undo."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.screens import PHONE, WALL, Screen, Screens
from tests.browser.workshop import BOUND, CUFF, METER, Workshop, workshop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
SOON_MS = 20_000


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop() as made:
        yield made


@pytest.fixture
def desk(chrome: Browser, shop: Workshop) -> Iterator[Screens]:
    made = Screens(chrome, shop)
    yield made
    made.close()


def at_step(page: Page, step: int) -> None:
    expect(page.locator(f"[data-page=pair][data-step='{step}']")).to_be_visible(timeout=SOON_MS)


def find(page: Page, address: str) -> None:
    """Steps 1 and 2: the device is on the list, and it is the one in the hand."""
    row = page.locator(f"[data-address='{address}']")
    row.locator("[data-choose]").click(timeout=SOON_MS)
    at_step(page, 2)


def give(page: Page, resident: str, worn: str | None = None) -> None:
    """The form of step 3, or of the dialog."""
    page.locator(f"[data-resident={resident}] input").check(timeout=SOON_MS)
    if worn is not None:
        page.locator("[name=worn]").select_option(worn)
    page.locator("[name=agreed]").check()


def whose(shop: Workshop, device: str) -> str | None:
    rows = {row["id"]: row for row in shop.person("chief").get("/devices")["devices"]}
    binding = rows[device]["binding"]
    return None if binding is None else str(binding["resident_id"])


def eventually(look: object, wanted: object) -> None:
    ends_s = time.monotonic() + SOON_MS / 1000
    while (found := look()) != wanted:  # type: ignore[operator]
        assert time.monotonic() < ends_s, found
        time.sleep(0.1)


def test_check_36_a_cuff_goes_from_the_air_to_the_label(desk: Screens, shop: Workshop) -> None:
    screen = desk.open("chief", "/pair", PHONE)
    page = screen.page
    # 1: strongest first, with name, kind and whose it is
    row = page.locator(f"[data-address='{CUFF}']")
    expect(row).to_contain_text("血压计", timeout=SOON_MS)
    expect(page.locator(f"[data-address='{BOUND}']")).to_contain_text("王淑华", timeout=SOON_MS)
    find(page, CUFF)
    # 2: it blinks
    page.locator("[data-blink]").click()
    expect(page.locator("[data-blink-state=shown]")).to_be_visible(timeout=SOON_MS)
    assert 2 in shop.tell(do="blinked", device="cuff-new")["levels"]
    page.locator("[data-this]").click()
    # 3: whose; taken back once, and given again
    give(page, "li", "wrist")
    page.locator("[data-card=owner] button[type=submit]").click()
    expect(page.locator("[data-assigned]")).to_contain_text("李桂兰", timeout=SOON_MS)
    device = page.locator(".about").get_attribute("data-device") or ""
    assert whose(shop, device) == "li"
    page.locator("[data-card=owner] [data-undo]").click()
    give(page, "zhang", "wrist")
    assert whose(shop, device) is None
    page.locator("[data-card=owner] button[type=submit]").click()
    page.locator("[data-assigned] ~ p [data-next]").click(timeout=SOON_MS)
    # 4: keys, and a first reading that can be right
    page.locator("[data-pair]").click(timeout=SOON_MS)
    expect(page.locator("[data-pairing=paired]")).to_be_visible(timeout=SOON_MS)
    next_step = page.locator("[data-card=first] [data-next]")
    expect(next_step).to_be_disabled()
    shop.tell(do="measure", device="cuff-new")
    expect(page.locator("[data-reading=sbp][data-plausible=true]")).to_contain_text("mmHg", timeout=SOON_MS)
    next_step.click()
    # 5: a spot of the walk
    page.locator("[data-spot=bed] [data-measure]").click(timeout=SOON_MS)
    expect(page.locator("[data-spot=bed][data-dbm^='-']")).to_be_visible(timeout=SOON_MS)
    page.locator("[data-card=walk] [data-next]").click()
    # 6: the label, a drawing of our own
    image = page.locator("[data-card=label] img")
    expect(image).to_be_visible(timeout=SOON_MS)
    assert image.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") > 0
    assert whose(shop, device) == "zhang"
    facts = shop.person("chief").get(f"/devices/{device}/detail")["device"]["facts"]
    assert facts["body_location"] == "wrist"
    assert facts["walk_dbm"].startswith("床边: -")
    # undo of everything: the keys and the binding
    page.locator("[data-undo-all]").click()
    at_step(page, 1)
    eventually(lambda: whose(shop, device), None)


def test_check_36_a_device_that_is_somebodys_is_moved_by_who_saw_it_and_comes_back(desk: Screens, shop: Workshop) -> None:
    page = desk.open("chief", "/devices?device=cuff-old", WALL).page
    page.locator("[data-move]").click(timeout=SOON_MS)
    expect(page.locator("dialog [data-moves]")).to_contain_text("王淑华")
    give(page, "li")
    page.locator("dialog button[type=submit]").click()
    expect(page.locator("dialog [data-moves]")).to_have_count(0, timeout=SOON_MS)
    eventually(lambda: whose(shop, "cuff-old"), "li")
    page.locator(".notice button").first.click()  # undo
    eventually(lambda: whose(shop, "cuff-old"), "wang")


def test_check_36_the_wizard_asks_before_it_takes_a_device_from_somebody(desk: Screens, shop: Workshop) -> None:
    page = desk.open("chief", "/pair", WALL).page
    find(page, BOUND)
    page.locator("[data-this]").click()
    expect(page.locator("[data-moves]")).to_contain_text("王淑华", timeout=SOON_MS)
    assert whose(shop, "cuff-old") == "wang"


def test_a_meter_shows_a_number_that_is_typed(desk: Screens, shop: Workshop) -> None:
    page = desk.open("chief", "/pair", PHONE).page
    find(page, METER)
    page.locator("[data-this]").click()
    give(page, "wang")
    page.locator("[data-card=owner] button[type=submit]").click()
    page.locator("[data-assigned] ~ p [data-next]").click(timeout=SOON_MS)
    page.locator("[data-pair]").click(timeout=SOON_MS)
    expect(page.locator("[data-pairing=passkey]")).to_be_visible(timeout=SOON_MS)
    number = shop.tell(do="shown", device="meter-new")["number"]
    page.locator("[name=passkey]").fill(f"{number:06d}")
    page.locator("[data-pairing] form button").click()
    expect(page.locator("[data-pairing=paired]")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("[data-reading=glucose]")).to_be_visible(timeout=SOON_MS)


def test_the_inbox_gives_and_takes_back(desk: Screens, shop: Workshop) -> None:
    page = desk.open("chief", "/inbox", PHONE).page
    card = page.locator("[data-page=inbox] [data-device]").first
    card.wait_for(timeout=SOON_MS)
    device = card.get_attribute("data-device") or ""
    card.locator("[data-give]").click()
    give(page, "li")
    page.locator("dialog button[type=submit]").click()
    expect(page.locator(f"[data-page=inbox] [data-device='{device}']")).to_have_count(0, timeout=SOON_MS)
    page.locator(".notice button").first.click()
    expect(page.locator(f"[data-page=inbox] [data-device='{device}']")).to_be_visible(timeout=SOON_MS)


def test_a_backup_is_made_and_listed_with_the_way_back(desk: Screens, shop: Workshop) -> None:
    page = desk.open("root", "/backups", WALL).page
    page.locator("[data-back-up]").click(timeout=SOON_MS)
    expect(page.locator("[data-made]")).to_be_visible(timeout=SOON_MS)
    name = page.locator("[data-made]").get_attribute("data-made") or ""
    expect(page.locator(f"[data-row='{name}']")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("[data-card=restore] .command").first).to_contain_text(f"restore {shop.gateway.data}/backups/{name}")
    assert (shop.gateway.data / "backups" / name).exists()


def test_devices_filters_what_needs_a_visit_and_hides_what_is_the_residents(desk: Screens, shop: Workshop) -> None:
    page = desk.open("chief", "/devices?need=never_heard", WALL).page
    rows = page.locator("[data-page=devices] [data-row]")
    expect(page.locator("[data-row=band-li]")).to_be_visible(timeout=SOON_MS)
    assert [row.get_attribute("data-row") for row in rows.all()] == ["band-li"]
    page.locator("[data-row=band-li] a").click()
    expect(page.locator("[data-page=device]")).to_be_visible(timeout=SOON_MS)
    assert "0011223344556677" not in page.content()


def states(screen: Screen) -> list[str]:
    return [element.get_attribute("data-page-state") or "" for element in screen.page.locator("[data-page-state]").all()]


def test_who_may_not_is_told_so(desk: Screens) -> None:
    desk.expected += ["404", "403"]
    screen = desk.open("mei", "/devices")
    expect(screen.page.locator("[data-nowhere]")).to_be_visible(timeout=SOON_MS)
    screen = desk.open("root", "/pair")
    expect(screen.page.locator("[data-nowhere]")).to_be_visible(timeout=SOON_MS)


PAGES = ("/house", "/devices", "/devices?device=cuff-old", "/pair", "/inbox", "/deadletters", "/backups")


@pytest.mark.slow  # the pages without a room of devices are measured in every look with all the others
@pytest.mark.parametrize(("size", "lang"), [(WALL, "en"), (PHONE, "zh")])
def test_check_18_axe_finds_nothing_on_the_installers_pages(desk: Screens, size: tuple[int, int], lang: str) -> None:
    for path in PAGES:
        screen = desk.open("chief", f"{path}{'&' if '?' in path else '?'}lang={lang}", size, lang, bypass_csp=True)
        screen.page.locator("[data-page]").wait_for(timeout=SOON_MS)
        expect(screen.page.locator("[data-page-state=loading]")).to_have_count(0, timeout=SOON_MS)
        assert screen.violations() == [], path
        assert not screen.overflows(), path
