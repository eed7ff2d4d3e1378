"""Makes the pictures of the README from the real demo: `python -m tests.browser.pictures` writes dashboards/pictures/*.png.

The demo runs for some minutes first, so that the lines have a past; then a person falls, another one has called and somebody is going.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser

from firmware_sim.control import ask
from tests.browser.screens import PHONE, WALL, chromium
from tests.support import ROOT
from tests.support.mqtt_wire import free_port
from tests.support.running import ANXIN, until

FOLDER = ROOT / "dashboards" / "pictures"
LIMIT_BYTES = 400_000
WARM_S = 600.0
SILENT_S = 75.0  # until a silent device is an alert
FALLEN, CALLED, BREATHLESS, SILENT = "R18", "R03", "R12", "R20"
QUIET = ["--every-s", "1000000", "--first-s", "1000000"]  # what happens, happens because we say so


class Demo:
    """The running demo: its links, its simulator, its caregivers."""

    def __init__(self, data: Path) -> None:
        command = [ANXIN, "--data", str(data), "--json", "demo", "--port", str(free_port()), "--mqtt-port", str(free_port()), *QUIET]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if self.process.stdout is None:
            raise RuntimeError("the demo has no output")
        links = json.loads(self.process.stdout.readline())
        self.url: str = links["url"]
        self.passwords = {user["login"]: user["password"] for user in links["users"]}
        self._control = data / "demo" / "sim.sock"

    def happens(self, incident: str, person: str) -> None:
        ask(self._control, {"incident": incident, "person": person})

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def shot(browser: Browser, demo: Demo, who: str, path: str, name: str, press: str = "") -> None:
    """One picture of a page, signed in as `who`, after pressing a button."""
    size, scale = (WALL, 1) if path == "/wall" else (PHONE, 2)
    lang = name.rpartition("-")[2]
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, device_scale_factor=scale, locale="zh-CN" if lang == "zh" else "en-GB"
    )
    body = {"user": who, "password": demo.passwords[who]}
    context.request.post(f"{demo.url}/api/v1/session", data=body, headers={"Origin": demo.url})
    page = context.new_page()
    page.goto(f"{demo.url}{path}?lang={lang}")
    page.locator("[data-alert]").first.wait_for(timeout=10_000)
    if page.locator("[data-sound=off]").count() > 0:
        page.locator("[data-sound=off]").click()
    if press:
        page.locator(press).first.click()
        page.locator(".tabs button").last.click()  # one's own
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(2500)
    target = FOLDER / f"{name}.png"
    page.screenshot(path=str(target))
    context.close()
    if target.stat().st_size > LIMIT_BYTES:
        raise SystemExit(f"{target.name} has {target.stat().st_size} bytes, more than {LIMIT_BYTES}")
    print(f"{target.relative_to(ROOT)}  {target.stat().st_size // 1000} kB")


def story(demo: Demo, warm_s: float) -> None:
    """What has happened by the time of the pictures."""
    time.sleep(warm_s)
    demo.happens("device_silent", SILENT)
    time.sleep(SILENT_S)
    demo.happens("hypoxia", BREATHLESS)
    demo.happens("sos", CALLED)
    time.sleep(20)


def main(warm_s: float) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="anxin-") as folder, chromium() as browser:
        demo = Demo(Path(folder))
        try:
            until("the simulator answers", lambda: ask(Path(folder) / "demo" / "sim.sock", {"stats": True}), 20)
            story(demo, warm_s)
            shot(browser, demo, "zhao", "/phone", "phone-en", "[data-act=claim]")
            demo.happens("fall", FALLEN)
            time.sleep(4)
            for lang in ("zh", "en"):
                shot(browser, demo, "li", "/wall", f"wall-{lang}")
            shot(browser, demo, "li", "/phone", "phone-zh")
        finally:
            demo.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else WARM_S)
