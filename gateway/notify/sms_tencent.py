"""Text messages by Tencent Cloud (SendSms of 2021-01-11), signed by "Signature method v3" (TC3-HMAC-SHA256)."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from pydantic import Field, SecretStr

from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.notify.base import DELIVERED, Answer, ChannelSettings, Outcome, Page, Poster, Verdict, http_outcome, template_words

SERVICE, ACTION, VERSION = "sms", "SendSms", "2021-01-11"
SIGNED_HEADERS = "content-type;host;x-tc-action"
CONTENT_TYPE = "application/json; charset=utf-8"
_PASSING = ("LimitExceeded", "RequestLimitExceeded", "InternalError", "ResourceUnavailable", "AuthFailure.SignatureExpire")


class Settings(ChannelSettings):
    """Keys, application, the registered signature and template, and our words in the order of the template's variables."""

    secret_id: str
    secret_key: SecretStr
    app_id: str
    sign_name: str
    template_id: str
    variables: tuple[str, ...] = ("place", "reason")
    region: str = "ap-guangzhou"
    endpoint: str = Field(default="https://sms.tencentcloudapi.com")


def authorization(*, secret_id: str, secret_key: str, host: str, service: str, action: str, body: bytes, t_ns: int) -> str:
    """The Authorization header of a JSON POST to /."""
    second = t_ns // NS_PER_S
    day = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d")
    lines = f"content-type:{CONTENT_TYPE}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    request = f"POST\n/\n\n{lines}\n{SIGNED_HEADERS}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{service}/tc3_request"
    text = f"TC3-HMAC-SHA256\n{second}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for part in (day, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"


class TencentSms:
    """One message to one number."""

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._sms = settings
        self._clock = clock or SystemClock()
        self._poster = Poster(settings)

    async def notify(self, page: Page) -> Outcome:
        """Send; the provider says in the body what it thinks, with status 200."""
        if not page.address:
            return Outcome(verdict=Verdict.REFUSED, reason="no_address")
        words = template_words(page, self.settings.lang)
        fields = {
            "PhoneNumberSet": [page.address],
            "SmsSdkAppId": self._sms.app_id,
            "SignName": self._sms.sign_name,
            "TemplateId": self._sms.template_id,
            "TemplateParamSet": [words.get(name, "") for name in self._sms.variables],
            "SessionContext": page.key,
        }
        body = json.dumps(fields, ensure_ascii=False).encode()
        host, now_ns = self._sms.endpoint.partition("://")[2], self._clock.now_ns()
        proof = authorization(
            secret_id=self._sms.secret_id,
            secret_key=self._sms.secret_key.get_secret_value(),
            host=host,
            service=SERVICE,
            action=ACTION,
            body=body,
            t_ns=now_ns,
        )
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Host": host,
            "Authorization": proof,
            "X-TC-Action": ACTION,
            "X-TC-Version": VERSION,
            "X-TC-Timestamp": str(now_ns // NS_PER_S),
            "X-TC-Region": self._sms.region,
        }
        answer = await self._poster.post(f"{self._sms.endpoint}/", body, headers)
        return answer if isinstance(answer, Outcome) else _outcome(answer)

    async def close(self) -> None:
        """Close the connection pool."""
        await self._poster.close()


def _outcome(answer: Answer) -> Outcome:
    code = _code(answer)
    if code is None:
        by_status = http_outcome(answer.status, answer.retry_after)
        return Outcome(verdict=Verdict.RETRY, reason="sms_unread") if by_status.verdict is Verdict.DELIVERED else by_status
    if code == "Ok":
        return DELIVERED
    reason = "sms_" + "".join(char for char in code if char.isalnum() or char in "._")[:60]
    return Outcome(verdict=Verdict.RETRY if code.startswith(_PASSING) else Verdict.REFUSED, reason=reason)


def _code(answer: Answer) -> str | None:
    """The code of the request, or of the one number in it."""
    response = answer.fields().get("Response")
    if not isinstance(response, dict):
        return None
    error, numbers = response.get("Error"), response.get("SendStatusSet")
    found = error if isinstance(error, dict) else numbers[0] if isinstance(numbers, list) and numbers else None
    code = found.get("Code") if isinstance(found, dict) else None
    return code if isinstance(code, str) else None


def build(name: str, settings: Settings) -> TencentSms:
    """A channel of this kind."""
    return TencentSms(name, settings)
