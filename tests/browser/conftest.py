"""One Chromium per module and one real gateway for all gentle tests; every screen is checked for errors when its test ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.past import past_ward
from tests.browser.screens import Screens, chromium
from tests.browser.wards import Ward, running_ward


@pytest.fixture(scope="module")  # not session: the playwright loop must be gone before the next asynchronous test
def chrome() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def live_ward() -> Iterator[Ward]:
    """A gateway that nobody freezes or kills; every test that opens alerts ends them."""
    with running_ward() as made:
        yield made


@pytest.fixture
def screens(chrome: Browser, live_ward: Ward) -> Iterator[Screens]:
    made = Screens(chrome, live_ward)
    yield made
    made.close()


@pytest.fixture(scope="session")
def ward_with_past() -> Iterator[Ward]:
    """A gateway whose history holds a month of one resident."""
    with past_ward() as made:
        yield made


@pytest.fixture
def past_screens(chrome: Browser, ward_with_past: Ward) -> Iterator[Screens]:
    made = Screens(chrome, ward_with_past)
    yield made
    made.close()
