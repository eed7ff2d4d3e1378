"""Feishu (Lark) group robot: a signed interactive card with one button. 100 messages a minute and 5 a second at most."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from pydantic import Field, SecretStr, field_validator

from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.notify.base import DELIVERED, Answer, ChannelSettings, Outcome, Page, Poster, Verdict, details, headline, http_outcome, word
from gateway.vocabulary import Priority

FINAL = frozenset({19001, 19002, 19021, 19022, 19024})  # malformed, no robot, signature or time, address list, keyword
TOO_FAST = frozenset({9499, 11232})
_COLOURS = {Priority.HIGH: "red", Priority.MEDIUM: "orange", Priority.LOW: "blue", Priority.INFO: "grey"}
_BUTTONS = {Priority.HIGH: "danger", Priority.MEDIUM: "primary"}


class Settings(ChannelSettings):
    """The robot's address and the secret of its signature; a page's own address takes the place of `url`."""

    url: SecretStr
    secret: SecretStr | None = None
    rate_per_min: float = Field(default=100, gt=0)
    most_per_min: int | None = Field(default=100, ge=1, le=100)
    burst: int = Field(default=5, ge=1, le=5)
    reserve: int = Field(default=2, ge=0)
    group: bool = True

    @field_validator("url")
    @classmethod
    def _robot(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("the robot's address is needed")
        return url


def sign(secret: str, timestamp_s: int) -> str:
    """Base64 of HMAC-SHA256(key = timestamp, line feed, secret; empty message); stands in the body beside the timestamp."""
    return base64.b64encode(hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


class Feishu:
    """Posts cards to the robot."""

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._url = settings.url.get_secret_value()
        self._secret = settings.secret.get_secret_value() if settings.secret else ""
        self._clock = clock or SystemClock()
        self._poster = Poster(settings)

    async def notify(self, page: Page) -> Outcome:
        """Post; Feishu says in `code` what it thinks."""
        message = {**self._proof(), "msg_type": "interactive", "card": card(page, self.settings.lang)}
        body = json.dumps(message, ensure_ascii=False).encode()
        answer = await self._poster.post(page.address or self._url, body, {"Content-Type": "application/json"})
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    def _proof(self) -> dict[str, str]:
        if not self._secret:
            return {}
        second = self._clock.now_ns() // NS_PER_S
        return {"timestamp": str(second), "sign": sign(self._secret, second)}

    async def close(self) -> None:
        """Close the connection pool."""
        await self._poster.close()


def card(page: Page, lang: str) -> dict[str, object]:
    """The card: a headline in the colour of the priority, what is to be said beside it, and the button."""
    elements: list[dict[str, object]] = []
    if text := details(page, lang):
        elements.append({"tag": "div", "text": {"tag": "plain_text", "content": text}})
    if page.link:
        label = {"tag": "plain_text", "content": word("open", lang)}
        button = {"tag": "button", "text": label, "type": _BUTTONS.get(page.priority, "default"), "url": page.link}
        elements.append({"tag": "action", "actions": [button]})
    title = {"tag": "plain_text", "content": headline(page, lang)}
    return {
        "config": {"wide_screen_mode": True},
        "header": {"title": title, "template": _COLOURS[page.priority]},
        "elements": elements or [{"tag": "div", "text": title}],
    }


def _outcome(answer: Answer) -> Outcome:
    fields = answer.fields()
    code = fields.get("code", fields.get("StatusCode"))
    if code in TOO_FAST:
        return Outcome(verdict=Verdict.RETRY, reason="too_fast")
    if code in FINAL:
        return Outcome(verdict=Verdict.REFUSED, reason=f"feishu_{code}")
    by_status = http_outcome(answer.status, answer.retry_after)
    if by_status.verdict is not Verdict.DELIVERED:
        return by_status
    return DELIVERED if code == 0 else Outcome(verdict=Verdict.RETRY, reason=f"feishu_{code if isinstance(code, int) else 'unread'}")


def build(name: str, settings: Settings) -> Feishu:
    """A channel of this kind."""
    return Feishu(name, settings)
