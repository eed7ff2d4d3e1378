"""What every channel shares: the page, the outcome, settings, one way to post, and how the folder is the registry of channels."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import pkgutil
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.clock import NS_PER_S
from gateway.vocabulary import Origin, Priority

# The client writes whole addresses (which may hold tokens) to its log.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

PACKAGE = "gateway.notify"
NOT_CHANNELS = frozenset({"base", "outbox"})
LATE_S = 60.0  # from here on a page says how late it is
WINDOW_NS = 61 * NS_PER_S  # a provider's minute, with a second for the way there
ANSWER_LIMIT = 64 * 1024  # bytes of an answer that are read


class ChannelError(ValueError):
    """A channel that cannot be set up; the text names the key and never a secret."""


class Verdict(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"  # this channel will never take this page


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Verdict with its reason as a machine word ("http_500", "timeout"): no address, no secret, no health data."""

    verdict: Verdict
    reason: str = ""
    retry_after_s: float | None = None
    claimed: bool = False  # whoever was reached took the alert over, by a key of the telephone
    works: bool = False  # with RETRY: the channel is in order, the person did not answer


DELIVERED = Outcome(verdict=Verdict.DELIVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A message to one person: place, initials, reason and a link; no diagnosis, no value. The same key twice is the same message."""

    key: str
    alert_id: str
    priority: Priority
    reason: str  # "call.sos", "resident.check", "device.check", "gateway.check"
    why: str  # why it goes out now: "new", "unclaimed", "called_again"
    place: str = ""
    initials: str = ""
    link: str = ""
    late_s: float = 0.0
    origin: Origin = Origin.LIVE
    step: int = 0
    raised_ns: int = 0
    recipient: str = ""
    address: str = ""  # on the channel that sends it; empty = the channel's own

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Page:
        """Inverse of to_dict."""
        return cls(**{**raw, "priority": Priority(raw["priority"]), "origin": Origin(raw["origin"])})


class Notifier(Protocol):
    """A channel. It sends one page and says what became of it; it never retries, sleeps or loops by itself."""

    name: str
    settings: ChannelSettings

    async def notify(self, page: Page) -> Outcome:
        """Send; network errors are outcomes, not exceptions."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


class ChannelSettings(BaseModel):
    """Common settings; each channel adds its own in its own file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    timeout_s: float = Field(default=10, gt=0, le=240)
    rate_per_min: float = Field(default=60, gt=0)
    burst: int = Field(default=20, ge=1)
    reserve: int = Field(default=5, ge=0)  # messages of the burst that only high priority may use
    most_per_min: int | None = Field(default=None, ge=1)  # a provider's hard limit for any 60 s; beyond it some block for minutes
    parallel: int = Field(default=4, ge=2, le=32)  # attempts at once, one of them kept for high priority
    group: bool = False  # several people read this channel: the link in a message asks who is claiming
    lang: Literal["zh", "en"] = "zh"


@dataclass(slots=True)
class Bucket:
    """Tokens of one channel, and what it sent in the last minute; the last `reserve` of both are for high priority."""

    settings: ChannelSettings
    tokens: float
    mono_ns: int
    sent_ns: deque[int] = field(default_factory=deque)  # at most `most_per_min` long

    def wait_s(self, priority: Priority, mono_ns: int) -> float:
        """Seconds until a message of this priority may go; takes its place if that is now."""
        rate_s = self.settings.rate_per_min / 60.0
        self.tokens = min(float(self.settings.burst), self.tokens + (mono_ns - self.mono_ns) / NS_PER_S * rate_s)
        self.mono_ns = mono_ns
        floor = 0.0 if priority >= Priority.HIGH else float(min(self.settings.reserve, self.settings.burst - 1))
        missing = floor + 1.0 - self.tokens
        wait_s = max(0.0 if missing <= 1e-9 else missing / rate_s, self._window_s(priority, mono_ns))
        if wait_s == 0.0:
            self.tokens -= 1.0
            if self.settings.most_per_min is not None:
                self.sent_ns.append(mono_ns)
        return wait_s

    def _window_s(self, priority: Priority, mono_ns: int) -> float:
        """Seconds until one more fits into the provider's minute."""
        most = self.settings.most_per_min
        if most is None:
            return 0.0
        while self.sent_ns and mono_ns - self.sent_ns[0] >= WINDOW_NS:
            self.sent_ns.popleft()
        allowed = most if priority >= Priority.HIGH else most - min(self.settings.reserve, most - 1)
        over = len(self.sent_ns) - allowed
        return 0.0 if over < 0 else (self.sent_ns[over] + WINDOW_NS - mono_ns) / NS_PER_S

    def remember(self, count: int, mono_ns: int) -> None:
        """What an earlier run sent within the last minute."""
        self.tokens = max(0.0, self.tokens - count)
        if self.settings.most_per_min is not None:
            self.sent_ns.extend([mono_ns] * min(count, self.settings.most_per_min))


def channel_types() -> tuple[str, ...]:
    """Kinds of channel: the files of this folder."""
    here = str(Path(__file__).parent)
    return tuple(sorted(m.name for m in pkgutil.iter_modules([here]) if m.name not in NOT_CHANNELS))


def make(name: str, raw: Mapping[str, Any]) -> Notifier:
    """A channel from its configuration table: {"type": file name, ...its settings}."""
    fields = dict(raw)
    kind = fields.pop("type", None)
    if kind not in channel_types():
        raise ChannelError(f"channels.{name}.type: one of {', '.join(channel_types())}")
    module = importlib.import_module(f"{PACKAGE}.{kind}")
    try:
        settings = module.Settings.model_validate(fields)
        notifier: Notifier = module.build(name, settings)
    except ValidationError as error:
        lines = "; ".join(f"channels.{name}.{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False))
        raise ChannelError(lines) from None  # the cause would carry the secret
    return notifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from an HTTP provider."""

    status: int
    retry_after: str | None
    body: bytes

    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Poster:
    """Posts within the channel's time, reads a bounded answer and follows no redirect; errors of the network are outcomes."""

    def __init__(self, settings: ChannelSettings) -> None:
        self._timeout_s = settings.timeout_s
        # trust_env off: a proxy of the environment would see the pages.
        self._client = httpx.AsyncClient(
            timeout=settings.timeout_s, limits=httpx.Limits(max_connections=settings.parallel), follow_redirects=False, trust_env=False
        )

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer | Outcome:
        """The answer, or why there is none."""
        try:
            # The client's own limit is per byte: a server that drips would hold us for ever.
            return await asyncio.wait_for(self._post(url, content, headers), self._timeout_s)
        except (httpx.TimeoutException, TimeoutError):
            return Outcome(verdict=Verdict.RETRY, reason="timeout")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Outcome(verdict=Verdict.REFUSED, reason="invalid_address")
        except httpx.HTTPError as error:
            return Outcome(verdict=Verdict.RETRY, reason=f"transport_{type(error).__name__}")

    async def _post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        async with self._client.stream("POST", url, content=content, headers=dict(headers)) as response:
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > ANSWER_LIMIT:
                    break
            return Answer(status=response.status_code, retry_after=response.headers.get("Retry-After"), body=body[:ANSWER_LIMIT])

    async def close(self) -> None:
        """Close the connection pool."""
        await self._client.aclose()


def http_outcome(status: int, retry_after: str | None = None) -> Outcome:
    """How an HTTP status maps: 2xx delivered; 408, 425, 429 and 5xx again later; the rest is refused."""
    if 200 <= status < 300:
        return DELIVERED
    if status in (408, 425, 429) or status >= 500:
        seconds = float(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else None
        return Outcome(verdict=Verdict.RETRY, reason=f"http_{status}", retry_after_s=None if seconds is None else min(seconds, 600.0))
    return Outcome(verdict=Verdict.REFUSED, reason=f"http_{status}")


_WORDS: dict[str, tuple[str, str]] = {
    "priority.3": ("紧急", "URGENT"),
    "priority.2": ("尽快", "SOON"),
    "priority.1": ("留意", "NOTE"),
    "priority.0": ("提示", "INFO"),
    "call.sos": ("求助呼叫", "call for help"),
    "call.fall": ("跌倒呼叫", "fall call"),
    "call.pull_cord": ("拉绳呼叫", "pull cord"),
    "call.assist": ("请求协助", "asks for assistance"),
    "resident.check": ("请查看住户", "please check on the resident"),
    "device.check": ("请查看设备", "please check the device"),
    "gateway.check": ("系统需要检查", "the system needs attention"),
    "emergency.call": ("请拨打 120，地址见链接", "please call 120; the address is behind the link"),
    "digest.morning": ("夜间留待处理的提醒", "alerts that waited overnight"),
    "gateway.stopped": ("系统无数据：报警已停止运行", "the alarm system has stopped"),
    "gateway.disk_low": ("磁盘将满：报警系统很快无法保存", "the disk is nearly full: soon nothing can be saved"),
    "gateway.disk_back": ("磁盘空间已恢复", "there is room on the disk again"),
    "gateway.back": ("报警系统已恢复", "the alarm system is back"),
    "test.weekly": ("例行试警，无需处理", "weekly test of the alarm, nothing to do"),
    "open": ("查看并认领", "View and claim"),
    "origin.1": ("模拟", "SIMULATED"),
    "origin.2": ("回放", "REPLAY"),
    "origin.3": ("导入", "IMPORTED"),
    "origin.4": ("测试", "TEST"),
}


def _word(key: str, lang: str) -> str:
    zh, en = _WORDS.get(key, (key, key))
    return zh if lang == "zh" else en


def headline(page: Page, lang: str) -> str:
    """One line that stands alone on a locked screen: mark, priority, place, initials, reason."""
    mark = f"[{_word(f'origin.{int(page.origin)}', lang)}] " if page.origin is not Origin.LIVE else ""
    where = " ".join(part for part in (page.place, page.initials) if part)
    title = f"{mark}{_word(f'priority.{int(page.priority)}', lang)} {where} {_word(page.reason, lang)}"
    return " ".join(title.split())


def details(page: Page, lang: str) -> str:
    """Lateness and escalation step, if there are any; a line each."""
    lines = []
    if page.late_s >= LATE_S:
        minutes = int(page.late_s // 60)
        lines.append(f"迟到 {minutes} 分钟" if lang == "zh" else f"late by {minutes} min")
    if page.step > 0:
        lines.append(f"第 {page.step + 1} 次升级通知" if lang == "zh" else f"escalation step {page.step + 1}")
    return "\n".join(lines)


def render(page: Page, lang: str) -> tuple[str, str]:
    """(title, body) in words; the body ends with the link."""
    return headline(page, lang), "\n".join(part for part in (details(page, lang), page.link) if part)


def word(key: str, lang: str) -> str:
    """A word of the messages ("open", a reason, a priority) in zh or en."""
    return _word(key, lang)


def template_words(page: Page, lang: str) -> dict[str, str]:
    """The words that a registered template may take: place, initials, reason, priority, late (minutes), link."""
    return {
        "place": page.place,
        "initials": page.initials,
        "reason": _word(page.reason, lang),
        "priority": _word(f"priority.{int(page.priority)}", lang),
        "late": str(int(page.late_s // 60)),
        "link": page.link,
    }


def speech(page: Page, lang: str) -> str:
    """The page as it is spoken on the telephone, with the keys to press."""
    place = " ".join(char if char.isalnum() else "," for char in page.place)
    spelled = " ".join(page.initials)
    if lang == "zh":
        mark = f"{_word(f'origin.{int(page.origin)}', 'zh')}。" if page.origin is not Origin.LIVE else ""
        return f"安心报警。{mark}{place}，{spelled}。{_word(page.reason, 'zh')}。接手请按一。已听到但不能前往请按二。"
    mark = f"{_word(f'origin.{int(page.origin)}', 'en').lower()}. " if page.origin is not Origin.LIVE else ""
    keys = "Press 1 to take it over. Press 2 if you heard it but cannot come."
    return f"Anxin alarm. {mark}{place}. {spelled}. {_word(page.reason, 'en')}. {keys}"


def bare(text: str) -> str:
    """Text for a channel that reads Markdown: what would be markup is taken out."""
    return "".join(char for char in text if char not in "<>[]()*_`#!|\\~")
