"""Webhook: the page as JSON by POST, with an Idempotency-Key and, if a secret is set, an HMAC-SHA256 signature of the body."""

from __future__ import annotations

import hashlib
import hmac
import json

from pydantic import SecretStr, field_validator

from gateway.notify.base import ChannelSettings, Outcome, Page, Poster, http_outcome, render

SIGNATURE_HEADER = "X-Anxin-Signature"


class Settings(ChannelSettings):
    """Where to post; a page's own address, if it has one, takes the place of `url`."""

    url: SecretStr  # often holds a token
    secret: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _http(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("http:// or https:// is needed")
        return url


class Webhook:
    """Posts pages; one pooled client."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._url = settings.url.get_secret_value()
        self._secret = settings.secret.get_secret_value().encode() if settings.secret else None
        self._poster = Poster(settings)

    async def notify(self, page: Page) -> Outcome:
        """POST; any transport error is worth another try."""
        title, text = render(page, self.settings.lang)
        fields = {k: v for k, v in page.to_dict().items() if k != "address"}
        body = json.dumps({"v": 1, "title": title, "text": text, **fields}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": page.key}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        answer = await self._poster.post(page.address or self._url, body, headers)
        return answer if isinstance(answer, Outcome) else http_outcome(answer.status, answer.retry_after)

    async def close(self) -> None:
        """Close the connection pool."""
        await self._poster.close()


def build(name: str, settings: Settings) -> Webhook:
    """A channel of this kind."""
    return Webhook(name, settings)
