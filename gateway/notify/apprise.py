"""Any Apprise URL (Bark, ntfy, WeCom, DingTalk, Feishu and the long tail); its built-in pause of 5.5 s between messages is switched off."""

from __future__ import annotations

import asyncio
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyType
from pydantic import SecretStr, field_validator

from gateway.notify.base import DELIVERED, ChannelSettings, Outcome, Page, Verdict, render
from gateway.vocabulary import Priority

# Apprise writes addresses (which hold tokens) and whole payloads to its log; what matters is in the outcome.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
logging.getLogger("urllib3").setLevel(logging.ERROR)

with warnings.catch_warnings():
    # Loads all its plug-ins now; one of them imports a module of the standard library that is on its way out.
    warnings.simplefilter("ignore", DeprecationWarning)
    Apprise.instantiate("json://localhost")

_TYPES = {Priority.HIGH: NotifyType.FAILURE, Priority.MEDIUM: NotifyType.WARNING}


class Settings(ChannelSettings):
    """An Apprise URL; a page's own address is an Apprise URL too."""

    url: SecretStr

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr) -> SecretStr:
        if _plugin(url.get_secret_value()) is None:
            raise ValueError("not an Apprise URL")
        return url


class AppriseChannel:
    """Sends in threads of its own; Apprise blocks."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._url = settings.url.get_secret_value()
        self._threads = ThreadPoolExecutor(max_workers=settings.parallel, thread_name_prefix="apprise")

    async def notify(self, page: Page) -> Outcome:
        """Send in a thread; Apprise does not tell a refusal from a failure, so that every failure is worth another try."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, page)

    async def close(self) -> None:
        """Let threads end by themselves; each has a timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, page: Page) -> Outcome:
        # One instance per message: an instance keeps the time of its last message, and is not made for threads.
        plugin = _plugin(page.address or self._url)
        if plugin is None:
            return Outcome(verdict=Verdict.REFUSED, reason="invalid_address")
        plugin.request_rate_per_sec = 0
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self.settings.timeout_s / 2
        title, body = render(page, self.settings.lang)
        kind = _TYPES.get(page.priority, NotifyType.INFO)
        sent = plugin.notify(body=body or title, title=title, notify_type=kind)
        return DELIVERED if sent else Outcome(verdict=Verdict.RETRY, reason="apprise_failed")


def _plugin(url: str) -> NotifyBase | None:
    plugin = Apprise.instantiate(url, asset=AppriseAsset(), suppress_exceptions=True)
    return plugin if isinstance(plugin, NotifyBase) else None


def build(name: str, settings: Settings) -> AppriseChannel:
    """A channel of this kind."""
    return AppriseChannel(name, settings)
