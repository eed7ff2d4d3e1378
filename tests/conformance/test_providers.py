"""What goes out, compared with the providers' documented forms, and their quotas on a clock of the test's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.clock import NS_PER_S
from gateway.notify import dingtalk, feishu, sms_aliyun, sms_tencent
from gateway.notify.base import Bucket, ChannelSettings, Page, make, speech
from gateway.vocabulary import Origin, Priority
from tests.support.fake_clock import FakeClock
from tests.support.providers import SIDES, DingTalkRobot

LINK = "https://anxin.example/m/l/token"
PAGE = Page(
    key="a1.1.li", alert_id="a1", priority=Priority.HIGH, reason="call.sos", why="new", place="3-01", initials="WSH", link=LINK,
    late_s=60.0, address="",
)  # fmt: skip


async def sent(kind: str, page: Page) -> Any:
    """The one request that the provider got."""
    side = await SIDES[kind]("ok").start()
    notifier = make("c", {"type": kind, **side.table(side.port)})
    await notifier.notify(page)
    await notifier.close()
    await side.close()
    return side.accepted[0]


def test_alibaba_signature_is_that_of_the_published_example() -> None:
    parameters = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    moment = int(datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC).timestamp()) * NS_PER_S
    headers = sms_aliyun.signed_headers(
        key_id="YourAccessKeyId", secret="YourAccessKeySecret", host="ecs.cn-shanghai.aliyuncs.com", action="RunInstances",
        version="2014-05-26", parameters=parameters, t_ns=moment, nonce="3156853299f313e23d1673dc12e1703d",
    )  # fmt: skip
    assert headers["Authorization"].endswith("Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")


def test_tencent_signature_is_that_of_the_published_example() -> None:
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    proof = sms_tencent.authorization(
        secret_id="AKID" + "*" * 32, secret_key="*" * 32, host="cvm.tencentcloudapi.com", service="cvm", action="DescribeInstances",
        body=body, t_ns=1551113065 * NS_PER_S,
    )  # fmt: skip
    assert proof == (
        f"TC3-HMAC-SHA256 Credential=AKID{'*' * 32}/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host;x-tc-action, "
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )


async def test_dingtalk_action_card() -> None:
    request = await sent("dingtalk", PAGE)
    assert json.loads(request.body) == {
        "msgtype": "actionCard",
        "actionCard": {
            "title": "紧急 3-01 WSH 求助呼叫", "text": "### 紧急 3-01 WSH 求助呼叫\n\n迟到 1 分钟",
            "singleTitle": "查看并认领", "singleURL": LINK,
        },
    }  # fmt: skip
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert set(parse_qs(urlsplit(request.path).query)) == {"access_token", "timestamp", "sign"}


def test_markup_in_a_place_stays_text() -> None:
    card: Any = dingtalk.card(Page(**{**PAGE.to_dict(), "place": "[x](http://evil) **3**"}), "zh")
    assert card["actionCard"]["title"] == "紧急 xhttp://evil 3 WSH 求助呼叫"


async def test_feishu_interactive_card() -> None:
    body = json.loads((await sent("feishu", PAGE)).body)
    assert body.keys() == {"timestamp", "sign", "msg_type", "card"}
    assert body["timestamp"].isdigit()
    button = {"tag": "button", "text": {"tag": "plain_text", "content": "查看并认领"}, "type": "danger", "url": LINK}
    assert body["card"] == {
        "config": {"wide_screen_mode": True},
        "header": {"title": {"tag": "plain_text", "content": "紧急 3-01 WSH 求助呼叫"}, "template": "red"},
        "elements": [
            {"tag": "div", "text": {"tag": "plain_text", "content": "迟到 1 分钟"}},
            {"tag": "action", "actions": [button]},
        ],
    }


async def test_wecom_template_card() -> None:
    assert json.loads((await sent("wecom", PAGE)).body) == {
        "msgtype": "template_card",
        "template_card": {
            "card_type": "text_notice", "main_title": {"title": "紧急 3-01 WSH 求助呼叫"}, "sub_title_text": "迟到 1 分钟",
            "jump_list": [{"type": 1, "title": "查看并认领", "url": LINK}], "card_action": {"type": 1, "url": LINK},
        },
    }  # fmt: skip


async def test_text_messages_fill_their_registered_templates() -> None:
    page = Page(**{**PAGE.to_dict(), "address": "+8613800000000"})
    query = {name: values[0] for name, values in parse_qs(urlsplit((await sent("sms_aliyun", page)).path).query).items()}
    assert {name: query[name] for name in ("PhoneNumbers", "SignName", "TemplateCode", "OutId")} == {
        "PhoneNumbers": "+8613800000000", "SignName": "安心", "TemplateCode": "SMS_1", "OutId": PAGE.key,
    }  # fmt: skip
    assert json.loads(query["TemplateParam"]) == {"where": "3-01", "who": "WSH", "what": "求助呼叫", "late": "1", "url": LINK}
    request = await sent("sms_tencent", page)
    assert json.loads(request.body) == {
        "PhoneNumberSet": ["+8613800000000"], "SmsSdkAppId": "1400", "SignName": "安心", "TemplateId": "1",
        "TemplateParamSet": ["3-01", "WSH", "求助呼叫", "1", LINK], "SessionContext": PAGE.key,
    }  # fmt: skip
    assert (request.headers["x-tc-action"], request.headers["x-tc-version"]) == ("SendSms", "2021-01-11")


async def test_a_wrong_secret_and_a_wrong_clock_are_refused_and_told_apart_from_a_broken_line() -> None:
    for kind, wrong in (("dingtalk", "secret"), ("feishu", "secret")):
        side = await SIDES[kind]("ok").start()
        notifier = make("c", {"type": kind, **side.table(side.port), wrong: "other"})
        outcome = await notifier.notify(PAGE)
        assert (outcome.verdict.value, outcome.reason) == ("refused", {"dingtalk": "dingtalk_310000", "feishu": "feishu_19021"}[kind])
        slow: Any = {"dingtalk": dingtalk.DingTalk, "feishu": feishu.Feishu}[kind]
        module: Any = {"dingtalk": dingtalk, "feishu": feishu}[kind]
        clock = FakeClock()  # far from the provider's time
        late = slow("c", module.Settings(**side.table(side.port)), clock)
        assert (await late.notify(PAGE)).verdict.value == "refused"
        for one in (notifier, late):
            await one.close()
        await side.close()


@pytest.mark.parametrize("kind", ["dingtalk", "wecom", "feishu"])
async def test_the_quota_is_never_broken_and_high_priority_finds_its_reserve(kind: str) -> None:
    """Ten minutes of a storm that is five times too large: the provider counts, and blocks nobody."""
    settings = make("c", {"type": kind, **SIDES[kind]("ok").table(1)}).settings
    bucket = Bucket(settings, float(settings.burst), 0)
    now_s = 0.0
    side: Any = SIDES[kind]("ok")
    side.now = lambda: now_s
    sent_low = sent_high = refused = 0
    high_waits = []
    for tick in range(6000):
        now_s = tick / 10
        mono = int(now_s * NS_PER_S)
        if tick % 100 == 50:  # a call every 10 s
            high_waits.append(bucket.wait_s(Priority.HIGH, mono))
            if high_waits[-1] == 0.0:
                sent_high += 1
                refused += side.over()
        elif bucket.wait_s(Priority.MEDIUM, mono) == 0.0:
            sent_low += 1
            refused += side.over()
    assert refused == 0
    assert (sent_high, max(high_waits)) == (60, 0.0)
    assert sent_low >= (80 if kind != "feishu" else 500)


def test_without_the_window_a_bucket_alone_would_have_been_blocked() -> None:
    settings = ChannelSettings(rate_per_min=20, burst=20, reserve=0)
    bucket, robot, now_s = Bucket(settings, 20.0, 0), DingTalkRobot(now=lambda: now_s), 0.0
    over = False
    for tick in range(600):
        now_s = tick / 10
        over = over or (bucket.wait_s(Priority.HIGH, int(now_s * NS_PER_S)) == 0.0 and robot.over())
    assert over, "a full bucket and its refill are more than 20 in one minute"


def test_what_is_spoken_names_the_place_and_the_keys_and_no_diagnosis() -> None:
    assert speech(PAGE, "zh") == "安心报警。3 , 0 1，W S H。求助呼叫。接手请按一。已听到但不能前往请按二。"
    assert "test. 3 , 0 1. W S H. call for help. Press 1" in speech(Page(**{**PAGE.to_dict(), "origin": Origin.TEST}), "en")
