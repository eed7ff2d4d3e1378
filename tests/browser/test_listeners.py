"""The house by https under its own authority, and a listener of the family's own beside it, by name, in a real browser."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, expect, sync_playwright

from gateway.control import ask, socket_path
from tests.browser.screens import ARGUMENTS, PHONE, WALL
from tests.browser.wards import CADENCE, Feeder, Ward, seed
from tests.support import need
from tests.support.mqtt_wire import free_port
from tests.support.running import Gateway, ladder, toml

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]
HOUSE, FAMILY = "ward.lan", "family.lan"


class Secure(Gateway):
    """A gateway that speaks https only."""

    def is_ready(self) -> bool:
        ask(socket_path(self.data), "status", {})
        return httpx.get(f"https://127.0.0.1:{self.web_port}/m/login", verify=self.trust(), timeout=5).status_code == 200

    def trust(self) -> ssl.SSLContext:
        """A client that trusts this house's authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.data / "certs" / "ca.pem"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ward, int]]:
    gateway, family_port = Secure(tmp_path_factory.mktemp("tls") / "data"), free_port()
    gateway.data.mkdir(mode=0o700)
    gateway.cli("certs", "init", "--host", HOUSE, "--host", FAMILY, "--host", "127.0.0.1")
    pair = {"certificate": "certs/server.pem", "key": "certs/server.key"}
    family = {"port": family_port, "public_url": f"https://{FAMILY}:{family_port}", **pair}
    tables = {
        "web": {**pair, "public_url": f"https://{HOUSE}:{gateway.web_port}", "family": family},
        "journal": {"ballast_mib": 2}, "watchdog": {"enabled": False}, "alerts": {"options": {"call": ladder(300)}},
    }  # fmt: skip
    (gateway.data / "anxin.toml").write_text(toml(tables), encoding="utf-8")
    seed(gateway, CADENCE)
    try:
        gateway.start()
        with Feeder(gateway) as feeder:
            yield Ward(gateway, feeder), family_port
    finally:
        gateway.close()


@pytest.fixture(scope="module")
def by_name(house: tuple[Ward, int]) -> Iterator[Browser]:
    """A browser that finds the house by name and takes this server's key for good; that the authority's word is good, httpx checks."""
    leaf = x509.load_pem_x509_certificate((house[0].gateway.data / "certs" / "server.pem").read_bytes())
    pin = base64.b64encode(hashlib.sha256(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())
    more = ["--host-resolver-rules=MAP *.lan 127.0.0.1", f"--ignore-certificate-errors-spki-list={pin.decode()}"]
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(need("chromium")), headless=True, args=[*ARGUMENTS, *more])
        yield found
        found.close()


def test_the_wall_over_https_is_live_and_claims(house: tuple[Ward, int], by_name: Browser) -> None:
    ward, _ = house
    url = f"https://{HOUSE}:{ward.gateway.web_port}"
    page = by_name.new_context(viewport={"width": WALL[0], "height": WALL[1]}, locale="zh-CN").new_page()
    page.goto(f"{url}/login")
    assert page.evaluate("isSecureContext") is True
    page.locator("[name=user]").fill("mei")
    page.locator("[name=password]").fill(ward.gateway.passwords["mei"])
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/wall", timeout=10_000)
    assert {cookie["name"] for cookie in page.context.cookies()} == {"__Host-anxin_session"}
    expect(page.locator("[data-connection=live]")).to_be_visible(timeout=10_000)
    ward.call("wang")
    page.locator("[data-alert] [data-act=claim]").first.click(timeout=10_000)
    expect(page.locator('[data-alert][data-state="claimed"].mine')).to_be_visible(timeout=6000)
    page.context.close()


def test_a_browser_without_the_authority_is_warned(house: tuple[Ward, int]) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"https://127.0.0.1:{house[0].gateway.web_port}/m/login", timeout=5)


def test_the_familys_listener_is_for_family_only(house: tuple[Ward, int], by_name: Browser) -> None:
    ward, port = house
    url = f"https://{FAMILY}:{port}"
    page = by_name.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, locale="zh-CN").new_page()
    page.goto(f"{url}/login")
    for login, lands in (("mei", None), ("root", None), ("kin", "**/family")):
        page.locator("[name=user]").fill(login)
        page.locator("[name=password]").fill(ward.gateway.passwords[login])
        page.locator("button[type=submit]").click()
        if lands is None:
            expect(page.locator("[role=alert]")).to_be_visible(timeout=10_000)
        else:
            page.wait_for_url(lands, timeout=10_000)
    page.context.close()
    trust = ward.gateway.trust() if isinstance(ward.gateway, Secure) else None
    assert trust is not None
    device = httpx.post(f"https://127.0.0.1:{port}/api/v1/ingest/band-wang", verify=trust, timeout=5, json={})
    assert device.status_code == 404, "no device comes in where the internet looks"
