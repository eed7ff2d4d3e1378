"""What every channel shares: the page, the outcome, settings, and how the folder is the registry of channels."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.vocabulary import Origin, Priority

PACKAGE = "gateway.notify"
NOT_CHANNELS = frozenset({"base", "outbox"})
LATE_S = 60.0  # from here on a page says how late it is


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

    timeout_s: float = Field(default=10, gt=0, le=120)
    rate_per_min: float = Field(default=60, gt=0)
    burst: int = Field(default=20, ge=1)
    reserve: int = Field(default=5, ge=0)  # messages of the burst that only high priority may use
    parallel: int = Field(default=4, ge=2, le=32)  # attempts at once, one of them kept for high priority
    lang: Literal["zh", "en"] = "zh"


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
    "gateway.stopped": ("系统无数据：报警已停止运行", "the alarm system has stopped"),
    "gateway.back": ("报警系统已恢复", "the alarm system is back"),
    "origin.1": ("模拟", "SIMULATED"),
    "origin.2": ("回放", "REPLAY"),
    "origin.3": ("导入", "IMPORTED"),
    "origin.4": ("测试", "TEST"),
}


def _word(key: str, lang: str) -> str:
    zh, en = _WORDS.get(key, (key, key))
    return zh if lang == "zh" else en


def render(page: Page, lang: str) -> tuple[str, str]:
    """(title, body) in words; the title stands alone on a locked screen."""
    mark = f"[{_word(f'origin.{int(page.origin)}', lang)}] " if page.origin is not Origin.LIVE else ""
    where = " ".join(part for part in (page.place, page.initials) if part)
    title = f"{mark}{_word(f'priority.{int(page.priority)}', lang)} {where} {_word(page.reason, lang)}".replace("  ", " ")
    lines = []
    if page.late_s >= LATE_S:
        minutes = int(page.late_s // 60)
        lines.append(f"迟到 {minutes} 分钟" if lang == "zh" else f"late by {minutes} min")
    if page.step > 0:
        lines.append(f"第 {page.step + 1} 次升级通知" if lang == "zh" else f"escalation step {page.step + 1}")
    if page.link:
        lines.append(page.link)
    return title.strip(), "\n".join(lines)
