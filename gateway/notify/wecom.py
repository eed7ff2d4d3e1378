"""WeCom (企业微信) group robot: a template card that opens the link. 20 messages a minute for each robot."""

from __future__ import annotations

import json

from pydantic import Field, SecretStr, field_validator

from gateway.notify.base import DELIVERED, Answer, ChannelSettings, Outcome, Page, Poster, Verdict, details, headline, http_outcome, word

TOO_FAST = 45009
FINAL = frozenset({93000, 93004, 93008, 40008, 40058, 44004, 45002, 40130})  # no such robot or not in its group; content not allowed


class Settings(ChannelSettings):
    """The robot's address with its key; a page's own address takes the place of `url`."""

    url: SecretStr
    rate_per_min: float = Field(default=20, gt=0)
    most_per_min: int | None = Field(default=20, ge=1, le=20)
    reserve: int = Field(default=6, ge=0)
    group: bool = True

    @field_validator("url")
    @classmethod
    def _robot(cls, url: SecretStr) -> SecretStr:
        if "key=" not in url.get_secret_value() or not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("the robot's address with key= is needed")
        return url


class WeCom:
    """Posts cards to the robot."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._url = settings.url.get_secret_value()
        self._poster = Poster(settings)

    async def notify(self, page: Page) -> Outcome:
        """Post; WeCom answers 200 and says in `errcode` what it thinks."""
        body = json.dumps(card(page, self.settings.lang), ensure_ascii=False).encode()
        answer = await self._poster.post(page.address or self._url, body, {"Content-Type": "application/json"})
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    async def close(self) -> None:
        """Close the connection pool."""
        await self._poster.close()


def card(page: Page, lang: str) -> dict[str, object]:
    """A text_notice card; plain text where there is no link, for a card must open something."""
    title, text = headline(page, lang), details(page, lang)
    if not page.link:
        return {"msgtype": "text", "text": {"content": "\n".join(part for part in (title, text) if part)}}
    notice: dict[str, object] = {
        "card_type": "text_notice",
        "main_title": {"title": title},
        "jump_list": [{"type": 1, "title": word("open", lang), "url": page.link}],
        "card_action": {"type": 1, "url": page.link},
    }
    if text:
        notice["sub_title_text"] = text
    return {"msgtype": "template_card", "template_card": notice}


def _outcome(answer: Answer) -> Outcome:
    by_status = http_outcome(answer.status, answer.retry_after)
    if by_status.verdict is not Verdict.DELIVERED:
        return by_status
    code = answer.fields().get("errcode")
    if code == 0:
        return DELIVERED
    if code == TOO_FAST:
        return Outcome(verdict=Verdict.RETRY, reason="too_fast", retry_after_s=60.0)
    return Outcome(
        verdict=Verdict.REFUSED if code in FINAL else Verdict.RETRY, reason=f"wecom_{code if isinstance(code, int) else 'unread'}"
    )


def build(name: str, settings: Settings) -> WeCom:
    """A channel of this kind."""
    return WeCom(name, settings)
