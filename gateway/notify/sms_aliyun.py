"""Text messages by Alibaba Cloud (SendSms of Dysmsapi 2017-05-25), signed by "V3 request body and signature" (ACS3-HMAC-SHA256)."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import Field, SecretStr

from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.notify.base import DELIVERED, Answer, ChannelSettings, Outcome, Page, Poster, Verdict, http_outcome, template_words

ACTION, VERSION = "SendSms", "2017-05-25"
# What passes by itself: limits per number and minute, the operator, the provider, our clock.
_PASSING = ("isv.BUSINESS_LIMIT_CONTROL", "isp.", "Throttling", "ServiceUnavailable", "InternalError", "InvalidTimeStamp")


class Settings(ChannelSettings):
    """Keys, the registered signature and template, and which of our words go into which variable of the template."""

    key_id: str
    key_secret: SecretStr
    sign_name: str
    template_code: str
    variables: dict[str, str] = Field(default_factory=lambda: {"place": "place", "reason": "reason"})  # variable -> word
    endpoint: str = "https://dysmsapi.aliyuncs.com"


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Sorted, and percent-encoded by RFC 3986."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(parameters.items()))


def signed_headers(
    *, key_id: str, secret: str, host: str, action: str, version: str, parameters: Mapping[str, str], t_ns: int, nonce: str
) -> dict[str, str]:
    """Headers of an RPC-style POST with an empty body; the parameters go into the query as canonical_query writes them."""
    hashed = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": hashed,
        "x-acs-date": datetime.fromtimestamp(t_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n{canonical_query(parameters)}\n{lines}\n{names}\n{hashed}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {**headers, "Authorization": f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={names},Signature={signature}"}


class AliyunSms:
    """One message to one number."""

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._sms = settings
        self._clock = clock or SystemClock()
        self._poster = Poster(settings)

    async def notify(self, page: Page) -> Outcome:
        """Send; the provider says in `Code` what it thinks, with any status."""
        if not page.address:
            return Outcome(verdict=Verdict.REFUSED, reason="no_address")
        words = template_words(page, self.settings.lang)
        parameters = {
            "PhoneNumbers": page.address,
            "SignName": self._sms.sign_name,
            "TemplateCode": self._sms.template_code,
            "TemplateParam": json.dumps({name: words.get(key, "") for name, key in self._sms.variables.items()}, ensure_ascii=False),
            "OutId": page.key,
        }
        headers = signed_headers(
            key_id=self._sms.key_id,
            secret=self._sms.key_secret.get_secret_value(),
            host=self._sms.endpoint.partition("://")[2],
            action=ACTION,
            version=VERSION,
            parameters=parameters,
            t_ns=self._clock.now_ns(),
            nonce=secrets.token_hex(16),
        )
        answer = await self._poster.post(f"{self._sms.endpoint}/?{canonical_query(parameters)}", b"", headers)
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    async def close(self) -> None:
        """Close the connection pool."""
        await self._poster.close()


def _outcome(answer: Answer) -> Outcome:
    code = answer.fields().get("Code")
    if not isinstance(code, str):
        by_status = http_outcome(answer.status, answer.retry_after)
        return Outcome(verdict=Verdict.RETRY, reason="sms_unread") if by_status.verdict is Verdict.DELIVERED else by_status
    if code == "OK" and 200 <= answer.status < 300:
        return DELIVERED
    reason = "sms_" + "".join(char for char in code if char.isalnum() or char in "._")[:60]
    return Outcome(verdict=Verdict.RETRY if code.startswith(_PASSING) or answer.status >= 500 else Verdict.REFUSED, reason=reason)


def build(name: str, settings: Settings) -> AliyunSms:
    """A channel of this kind."""
    return AliyunSms(name, settings)
