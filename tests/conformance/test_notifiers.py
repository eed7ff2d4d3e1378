"""One suite over every channel in the folder: how answers map, that the key goes along, that logs hold nothing private."""

from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from gateway.notify.base import ChannelError, Notifier, Page, Verdict, channel_types, make, render
from gateway.vocabulary import Origin, Priority
from tests.support.providers import SECRET, SIDES
from tests.support.receivers import HttpReceiver

KINDS = tuple(SIDES)
PAGE = Page(
    key="a1.1.li",
    alert_id="a1",
    priority=Priority.HIGH,
    reason="call.sos",
    why="new",
    place="3-01",
    initials="WSH",
    link="https://anxin.example/m/alerts/a1",
    late_s=725.0,
    recipient="li",
    address="",
)


@dataclass
class Far:
    """The far side of a channel under test."""

    notifier: Notifier
    received: Callable[[], list[bytes]]


@asynccontextmanager
async def far_side(kind: str, answer: str) -> AsyncIterator[Far]:
    """A channel and a receiver that answers ok, refuse, fail, busy, hang, drip, or is not there."""
    side = SIDES[kind](answer)
    await side.start()
    port = side.port
    if answer == "absent":
        await side.close()
    notifier = make("under-test", {"type": kind, "timeout_s": 0.3, **side.table(port)})
    try:
        yield Far(notifier, side.heard)
    finally:
        await notifier.close()
        await side.close()


def test_every_channel_of_the_folder_is_under_test() -> None:
    assert set(channel_types()) == {*SIDES, "sip"}, "the telephone has a test of its own: tests/unit/test_sip.py"


def page_for(kind: str) -> Page:
    return replace(PAGE, address="+8613800000000") if kind.startswith("sms") else PAGE


ANSWERS = {
    "ok": Verdict.DELIVERED, "refuse": Verdict.REFUSED, "fail": Verdict.RETRY, "busy": Verdict.RETRY, "hang": Verdict.RETRY,
    "absent": Verdict.RETRY, "drip": Verdict.RETRY,
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_answers_map(kind: str, answer: str) -> None:
    verdict = ANSWERS[answer]
    if answer == "drip" and kind in ("apprise", "email", "mqtt"):
        return  # a trap for readers of HTTP answers; what blocks in a thread is bounded by the outbox
    if kind == "apprise" and verdict is Verdict.REFUSED:
        verdict = Verdict.RETRY  # Apprise does not tell a refusal from a failure
    async with far_side(kind, answer) as far:
        outcome = await far.notifier.notify(page_for(kind))
        assert outcome.verdict is verdict, outcome.reason
        assert len(far.received()) == (1 if answer in ("ok", "fail") and kind == "email" else int(answer == "ok"))
        if answer == "busy" and kind in ("dingtalk", "wecom", "feishu"):
            assert outcome.reason == "too_fast"


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_and_outcomes_hold_no_page_and_no_secret(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for answer in ("ok", "refuse", "fail", "hang", "absent"):
        async with far_side(kind, answer) as far:
            outcome = await far.notifier.notify(page_for(kind))
            assert not any(word in outcome.reason for word in (SECRET, "3-01", "WSH", "127.0.0.1"))
    for record in caplog.records:
        text = record.getMessage()
        assert not any(word in text for word in ("3-01", "WSH", SECRET, "call.sos")), record.name


@pytest.mark.parametrize("kind", KINDS)
async def test_message_says_place_initials_reason_and_lateness(kind: str) -> None:
    async with far_side(kind, "ok") as far:
        await far.notifier.notify(page_for(kind))
        text = _plain(kind, far.received()[0])
        for part in (
            "3-01",
            "WSH",
            "求助呼叫",
            "12" if kind.startswith("sms") else "迟到 12 分钟",
            *([] if kind == "mqtt" else [PAGE.link]),
        ):
            assert part in text, part


def _plain(kind: str, raw: bytes) -> str:
    if kind != "email":
        return json.dumps(json.loads(raw), ensure_ascii=False)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body()
    return f"{message['Subject']} {'' if body is None else body.get_content()}"


@pytest.mark.parametrize("kind", KINDS)
async def test_six_messages_need_no_pause_between_them(kind: str) -> None:
    async with far_side(kind, "ok") as far:
        for number in range(6):  # the test's own time limit is below the 5.5 s that Apprise would wait after each
            assert (await far.notifier.notify(replace(page_for(kind), key=f"k{number}"))).verdict is Verdict.DELIVERED
        assert len(far.received()) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_settings_name_the_key_and_never_the_secret(kind: str) -> None:
    with pytest.raises(ChannelError, match=r"channels\.mine\.nonsense") as caught:
        make("mine", {"type": kind, "nonsense": SECRET, "url": f"http://x/{SECRET}", "host": "x", "sender": "a@b", "password": SECRET})
    assert SECRET not in str(caught.value)


async def test_webhook_is_signed_and_carries_its_key() -> None:
    receiver = await HttpReceiver().start()
    notifier = make("hook", {"type": "webhook", "url": receiver.url, "secret": SECRET})
    await notifier.notify(PAGE)
    request = receiver.accepted[0]
    assert request.headers["idempotency-key"] == PAGE.key
    expected = "sha256=" + hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-anxin-signature"] == expected
    await notifier.close()
    await receiver.close()


async def test_webhook_passes_on_retry_after_and_follows_no_redirect() -> None:
    receiver = await HttpReceiver(then=429, headers={"Retry-After": "7"}).start()
    notifier = make("hook", {"type": "webhook", "url": receiver.url})
    assert (await notifier.notify(PAGE)).retry_after_s == 7
    receiver.then, receiver.headers = 302, {"Location": receiver.url}
    assert (await notifier.notify(PAGE)).verdict is Verdict.REFUSED
    assert (await notifier.notify(replace(PAGE, address="gopher://x"))).verdict is Verdict.REFUSED
    await notifier.close()
    await receiver.close()


async def test_email_has_the_same_message_id_for_the_same_key() -> None:
    async with far_side("email", "ok") as far:
        await far.notifier.notify(PAGE)
        await far.notifier.notify(PAGE)
        ids = {email.message_from_bytes(raw)["Message-ID"] for raw in far.received()}
        assert ids == {"<a1.1.li@example.org>"}
        refused = await far.notifier.notify(replace(PAGE, address="a@b\r\nBcc: everyone@example.org"))
        assert refused.verdict is Verdict.REFUSED


def test_words_in_both_languages_and_the_mark_of_a_drill() -> None:
    drill = replace(PAGE, origin=Origin.TEST, step=2)
    assert render(drill, "en") == (
        "[TEST] URGENT 3-01 WSH call for help",
        "late by 12 min\nescalation step 3\nhttps://anxin.example/m/alerts/a1",
    )
    assert render(drill, "zh")[0] == "[测试] 紧急 3-01 WSH 求助呼叫"
    assert Page.from_dict(json.loads(json.dumps(drill.to_dict()))) == drill
