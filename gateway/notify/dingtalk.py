"""DingTalk group robot: a signed ActionCard with one button. 20 messages a minute; beyond that it is blocked for ten minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator

from gateway.clock import Clock, SystemClock
from gateway.notify.base import (
    DELIVERED,
    Answer,
    ChannelSettings,
    Outcome,
    Page,
    Poster,
    Verdict,
    bare,
    details,
    headline,
    http_outcome,
    word,
)

TOO_FAST = frozenset({130101, 130102, 410100})
BLOCKED_S = 60.0  # asks again this often while blocked
# Signature, keyword or address list; token, robot or group gone; content not allowed.
FINAL = frozenset({310000, 300001, 300005, 400101, 400102, 400013, 400014, 400015, 400016, 400017, 430101, 430102, 430103, 430104})


class Settings(ChannelSettings):
    """The robot's address with its access_token, and the secret of its signature; a page's own address takes the place of `url`."""

    url: SecretStr
    secret: SecretStr | None = None
    rate_per_min: float = Field(default=20, gt=0)
    most_per_min: int | None = Field(default=20, ge=1, le=20)
    reserve: int = Field(default=6, ge=0)
    group: bool = True

    @field_validator("url")
    @classmethod
    def _robot(cls, url: SecretStr) -> SecretStr:
        if "access_token=" not in url.get_secret_value() or not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("the robot's address with access_token= is needed")
        return url


def sign(secret: str, timestamp_ms: int) -> str:
    """Base64 of HMAC-SHA256(key = secret, message = timestamp, line feed, secret); percent-encoded in the query."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class DingTalk:
    """Posts cards to the robot."""

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._url = settings.url.get_secret_value()
        self._secret = settings.secret.get_secret_value() if settings.secret else ""
        self._clock = clock or SystemClock()
        self._poster = Poster(settings)

    async def notify(self, page: Page) -> Outcome:
        """Post; DingTalk answers 200 and says in `errcode` what it thinks."""
        body = json.dumps(card(page, self.settings.lang), ensure_ascii=False).encode()
        answer = await self._poster.post(self._signed(page.address or self._url), body, {"Content-Type": "application/json; charset=utf-8"})
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    def _signed(self, url: str) -> str:
        if not self._secret:
            return url
        now_ms = self._clock.now_ns() // 1_000_000
        return f"{url}&timestamp={now_ms}&sign={quote(sign(self._secret, now_ms), safe='')}"

    async def close(self) -> None:
        """Close the connection pool."""
        await self._poster.close()


def card(page: Page, lang: str) -> dict[str, object]:
    """The message: an ActionCard with one button, or Markdown where there is no link."""
    title = bare(headline(page, lang))
    text = "\n\n".join([f"### {title}", *bare(details(page, lang)).splitlines()])
    if not page.link:
        return {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
    return {
        "msgtype": "actionCard",
        "actionCard": {"title": title, "text": text, "singleTitle": word("open", lang), "singleURL": page.link},
    }


def _outcome(answer: Answer) -> Outcome:
    by_status = http_outcome(answer.status, answer.retry_after)
    if by_status.verdict is not Verdict.DELIVERED:
        return by_status
    code = answer.fields().get("errcode")
    if code == 0:
        return DELIVERED
    if code in TOO_FAST:
        return Outcome(verdict=Verdict.RETRY, reason="too_fast", retry_after_s=BLOCKED_S)
    return Outcome(
        verdict=Verdict.REFUSED if code in FINAL else Verdict.RETRY, reason=f"dingtalk_{code if isinstance(code, int) else 'unread'}"
    )


def build(name: str, settings: Settings) -> DingTalk:
    """A channel of this kind."""
    return DingTalk(name, settings)
