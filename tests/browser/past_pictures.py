"""Makes the pictures of family and clinic: `python -m tests.browser.past_pictures` writes dashboards/pictures/{family,clinic}-*.png."""

from __future__ import annotations

from tests.browser.past import WHO, past_ward, raised
from tests.browser.pictures import FOLDER, LIMIT_BYTES
from tests.browser.screens import PHONE, Screens, chromium

WIDE = (1600, 1620)
STEP_MS = 10_000


def main() -> None:
    """A call that somebody answered, then both pages in both languages."""
    FOLDER.mkdir(exist_ok=True)
    with past_ward(step_ms=STEP_MS) as ward, chromium() as browser:
        carer = ward.person("mei")
        ward.call(WHO)
        alert_id = raised(ward)
        for action, more in (("arrive", {}), ("resolve", {"outcome": "helped"})):
            carer.act(alert_id, action, **more)
        screens = Screens(browser, ward)
        for lang in ("zh", "en"):
            for login, path, wanted, size in (
                ("daughter", "/family", "[data-week]", PHONE),
                ("doctor", f"/clinic?resident={WHO}", ".strip canvas", WIDE),
            ):
                name = path.strip("/").partition("?")[0]
                join = "&" if "?" in path else "?"
                page = screens.open(login, f"{path}{join}lang={lang}", size, lang).page
                page.wait_for_selector(wanted)
                page.wait_for_timeout(2500)
                target = FOLDER / f"{name}-{lang}.png"
                page.screenshot(path=str(target))
                if target.stat().st_size > LIMIT_BYTES:
                    raise SystemExit(f"{target.name} has {target.stat().st_size} bytes, more than {LIMIT_BYTES}")
                print(f"{target.name}  {target.stat().st_size // 1000} kB")
        screens.close()


if __name__ == "__main__":
    main()
