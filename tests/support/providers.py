"""Local servers that judge a request as the provider does: signature, time, quota and form, with the provider's own codes.

Written from the providers' descriptions and sharing no code with the senders.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from tests.support.receivers import DRIP, HANG, HttpReceiver, Request, SmtpReceiver

SECRET = "s3cr3t-t0k3n"
STATUSES = {"ok": 200, "refuse": 403, "fail": 500, "busy": 429, "hang": HANG, "absent": 200, "drip": DRIP}


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


@dataclass
class Robot(HttpReceiver):
    """A group robot: 200 with a code inside; `limit` messages in 60 s of its own clock, then blocked for `block_s`."""

    mood: str = "ok"
    limit: int = 20
    block_s: float = 600
    now: Callable[[], float] = time.time
    sent: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0
    ok: dict[str, Any] = field(default_factory=lambda: {"errcode": 0, "errmsg": "ok"})
    too_fast: dict[str, Any] = field(default_factory=dict)
    no: dict[str, Any] = field(default_factory=dict)

    def answer(self, request: Request) -> tuple[int, bytes]:
        if self.mood in ("fail", "hang", "drip"):
            return STATUSES[self.mood], b""
        fault = self.no if self.mood == "refuse" else self.judge(request)
        if fault is None:
            fault = self.too_fast if self.mood == "busy" or self.over() else None
        if fault is None:
            self.accepted.append(request)
        return 200, json.dumps(self.ok if fault is None else fault).encode()

    def over(self) -> bool:
        now = self.now()
        while self.sent and now - self.sent[0] > 60:
            self.sent.popleft()
        if now < self.blocked_until:
            return True
        self.sent.append(now)
        if len(self.sent) > self.limit:
            self.blocked_until = now + self.block_s
            return True
        return False

    def judge(self, request: Request) -> dict[str, Any] | None:
        raise NotImplementedError


class DingTalkRobot(Robot):
    """/robot/send?access_token=...&timestamp=ms&sign=...; errcode 310000 for a wrong signature, 130101 beyond 20 a minute."""

    def __init__(self, mood: str = "ok", now: Callable[[], float] = time.time) -> None:
        too_fast = {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}
        super().__init__(mood=mood, now=now, too_fast=too_fast, no={"errcode": 300005, "errmsg": "token is not exist"})

    def table(self, port: int) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{port}/robot/send?access_token=tok-{SECRET}", "secret": SECRET}

    def judge(self, request: Request) -> dict[str, Any] | None:
        query = parse_qs(urlsplit(request.path).query, strict_parsing=True)
        stamp = query["timestamp"][0]
        expected = base64.b64encode(mac(SECRET.encode(), (stamp + "\n" + SECRET).encode())).decode()
        if query["sign"] != [expected] or abs(int(stamp) / 1000 - self.now()) > 3600:
            return {"errcode": 310000, "errmsg": "sign not match"}
        body = json.loads(request.body)
        card = body["actionCard"] if body["msgtype"] == "actionCard" else None
        whole = body.keys() == {"msgtype", body["msgtype"]} and body["msgtype"] in ("actionCard", "markdown")
        if not whole or (card is not None and card.keys() != {"title", "text", "singleTitle", "singleURL"}):
            return {"errcode": 40035, "errmsg": "invalid parameter"}
        return None


class FeishuRobot(Robot):
    """/open-apis/bot/v2/hook/...; timestamp (seconds) and sign in the body; 19021 for a wrong one, 11232 beyond the quota."""

    def __init__(self, mood: str = "ok", now: Callable[[], float] = time.time) -> None:
        ok = {"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"}
        too_fast = {"code": 11232, "msg": "frequency limited psm"}
        super().__init__(mood=mood, now=now, limit=100, block_s=0, ok=ok, too_fast=too_fast, no={"code": 19001, "msg": "param invalid"})

    def table(self, port: int) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{port}/open-apis/bot/v2/hook/tok-{SECRET}", "secret": SECRET}

    def judge(self, request: Request) -> dict[str, Any] | None:
        body = json.loads(request.body)
        expected = base64.b64encode(mac((body["timestamp"] + "\n" + SECRET).encode(), b"")).decode()
        if body["sign"] != expected or abs(int(body["timestamp"]) - self.now()) > 3600:
            return {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}
        card = body.get("card", {})
        if body.get("msg_type") != "interactive" or not {"header", "elements"} <= card.keys() or not card["elements"]:
            return {"code": 9499, "msg": "Bad Request"}
        return None


class WeComRobot(Robot):
    """/cgi-bin/webhook/send?key=...; 93000 for an unknown key, 45009 beyond 20 a minute."""

    def __init__(self, mood: str = "ok", now: Callable[[], float] = time.time) -> None:
        too_fast = {"errcode": 45009, "errmsg": "api freq out of limit"}
        super().__init__(mood=mood, now=now, block_s=0, too_fast=too_fast, no={"errcode": 93000, "errmsg": "invalid webhook url"})

    def table(self, port: int) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{port}/cgi-bin/webhook/send?key={SECRET}"}

    def judge(self, request: Request) -> dict[str, Any] | None:
        if parse_qs(urlsplit(request.path).query) != {"key": [SECRET]}:
            return self.no
        body = json.loads(request.body)
        if body["msgtype"] == "template_card":
            card = body["template_card"]
            whole = card["card_type"] == "text_notice" and card["main_title"]["title"] and card["card_action"] == {
                "type": 1, "url": card["jump_list"][0]["url"],
            }  # fmt: skip
        else:
            whole = body["msgtype"] == "text" and len(body["text"]["content"].encode()) <= 2048
        return None if whole else {"errcode": 40058, "errmsg": "invalid parameter"}


@dataclass
class AliyunSms(HttpReceiver):
    """Dysmsapi: checks ACS3-HMAC-SHA256 over what arrived."""

    mood: str = "ok"

    def table(self, port: int) -> dict[str, Any]:
        return {
            "endpoint": f"http://127.0.0.1:{port}", "key_id": "id", "key_secret": SECRET, "sign_name": "安心", "template_code": "SMS_1",
            "variables": {"where": "place", "who": "initials", "what": "reason", "late": "late", "url": "link"},
        }  # fmt: skip

    def answer(self, request: Request) -> tuple[int, bytes]:
        if self.mood in ("hang", "drip"):
            return STATUSES[self.mood], b""
        code = {"refuse": "isv.SMS_TEMPLATE_ILLEGAL", "busy": "isv.BUSINESS_LIMIT_CONTROL", "fail": "ServiceUnavailable"}.get(self.mood)
        if code is None and not self.signed(request):
            code = "SignatureDoesNotMatch"
        if code is None:
            self.accepted.append(request)
        status = {None: 200, "ServiceUnavailable": 503, "SignatureDoesNotMatch": 400}.get(code, 200)
        return status, json.dumps({"Code": code or "OK", "Message": "", "RequestId": "r", "BizId": "b"}).encode()

    @staticmethod
    def signed(request: Request) -> bool:
        path, _, query = request.path.partition("?")
        scheme, _, rest = request.headers["authorization"].partition(" ")
        parts = dict(part.split("=", 1) for part in rest.split(","))
        names = parts["SignedHeaders"].split(";")
        enc = [f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(parse_qsl(query, keep_blank_values=True))]
        lines = ["POST", path, "&".join(enc), *(f"{name}:{request.headers[name]}" for name in names), "", parts["SignedHeaders"]]
        canonical = "\n".join([*lines, hashlib.sha256(request.body).hexdigest()])
        expected = mac(SECRET.encode(), f"{scheme}\n{hashlib.sha256(canonical.encode()).hexdigest()}".encode()).hex()
        needed = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
        return parts["Signature"] == expected and needed <= set(names) and request.headers["x-acs-action"] == "SendSms"

    def heard(self) -> list[bytes]:
        return [dict(parse_qsl(urlsplit(request.path).query))["TemplateParam"].encode() for request in self.accepted]


@dataclass
class TencentSms(HttpReceiver):
    """sms.tencentcloudapi.com: checks TC3-HMAC-SHA256 over what arrived."""

    mood: str = "ok"

    def table(self, port: int) -> dict[str, Any]:
        return {
            "endpoint": f"http://127.0.0.1:{port}", "secret_id": "id", "secret_key": SECRET, "app_id": "1400", "sign_name": "安心",
            "template_id": "1", "variables": ["place", "initials", "reason", "late", "link"],
        }  # fmt: skip

    def answer(self, request: Request) -> tuple[int, bytes]:
        if self.mood in ("hang", "drip", "fail"):
            return STATUSES[self.mood], b""
        code = {"refuse": "FailedOperation.TemplateUnapprovedOrNotExist", "busy": "LimitExceeded.PhoneNumberThirtySecondLimit"}.get(
            self.mood
        )
        if not self.signed(request):
            error = {"Code": "AuthFailure.SignatureFailure", "Message": ""}
            return 200, json.dumps({"Response": {"Error": error, "RequestId": "r"}}).encode()
        if code is None:
            self.accepted.append(request)
        return 200, json.dumps({"Response": {"SendStatusSet": [{"Code": code or "Ok", "Message": ""}], "RequestId": "r"}}).encode()

    @staticmethod
    def signed(request: Request) -> bool:
        scheme, _, rest = request.headers["authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        _, day, service, last = parts["Credential"].split("/")
        names = parts["SignedHeaders"]
        heads = "".join(f"{name}:{request.headers[name].strip().lower()}\n" for name in names.split(";"))
        canonical = f"POST\n/\n\n{heads}\n{names}\n{hashlib.sha256(request.body).hexdigest()}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{scheme}\n{request.headers['x-tc-timestamp']}\n{day}/{service}/{last}\n{digest}"
        expected = mac(mac(mac(mac(f"TC3{SECRET}".encode(), day.encode()), service.encode()), last.encode()), text.encode()).hex()
        fresh = abs(int(request.headers["x-tc-timestamp"]) - time.time()) < 300
        return parts["Signature"] == expected and fresh and (service, last) == ("sms", "tc3_request")

    def heard(self) -> list[bytes]:
        return [json.dumps(json.loads(request.body)["TemplateParamSet"], ensure_ascii=False).encode() for request in self.accepted]


@dataclass
class TinyBroker:
    """Just enough MQTT 5 for one publisher: CONNECT, PUBLISH at QoS 1 and their answers, byte by byte from the standard."""

    mood: str = "ok"
    published: list[tuple[str, bytes]] = field(default_factory=list)
    _server: asyncio.Server | None = None

    def table(self, _port: int) -> dict[str, Any]:
        text = '{"w": "$place", "i": "$initials", "r": "$reason", "late": "迟到 $late 分钟", "k": "$key"}'
        return {"host": "127.0.0.1", "port": _port, "topic": "siren/set", "payload": text, "username": "u", "password": SECRET}

    async def start(self) -> TinyBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0.01)

    def heard(self) -> list[bytes]:
        return [payload for _, payload in self.published]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind, body = await self._packet(reader)
                if self.mood == "hang" or kind == 14:
                    await reader.read()
                    return
                if kind == 1:
                    code = {"fail": 0x88, "busy": 0x97}.get(self.mood, 0)  # server unavailable, quota exceeded
                    writer.write(bytes([0x20, 3, 0, code, 0]))
                elif kind == 3:
                    self._publish(body, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _publish(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(body[:2], "big")
        topic, mid, rest = body[2 : 2 + length].decode(), body[2 + length : 4 + length], body[4 + length :]
        if self.mood == "refuse":
            writer.write(bytes([0x40, 4]) + mid + bytes([0x87, 0]))  # not authorized
            return
        self.published.append((topic, rest[1 + rest[0] :]))
        writer.write(bytes([0x40, 4]) + mid + bytes([0, 0]))

    @staticmethod
    async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        return first >> 4, await reader.readexactly(length)


@dataclass
class Hook(HttpReceiver):
    """Any HTTP receiver, for the webhook and for Apprise's json://."""

    scheme: str = "http"

    def table(self, port: int) -> dict[str, Any]:
        return {"url": f"{self.scheme}://127.0.0.1:{port}/{SECRET}"}


@dataclass
class Mail(SmtpReceiver):
    """A mail server."""

    def table(self, port: int) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": port, "security": "none", "sender": "anxin@example.org", "to": "li@example.org"}


_SMTP = {"refuse": {"RCPT": 550}, "fail": {"BODY": 451}, "busy": {"RCPT": 450}, "hang": {"MAIL": HANG}}

# Kind of channel -> a far side for it in one of the moods.
SIDES: dict[str, Callable[[str], Any]] = {
    "apprise": lambda mood: Hook(then=STATUSES[mood], scheme="json"),
    "webhook": lambda mood: Hook(then=STATUSES[mood]),
    "email": lambda mood: Mail(codes=_SMTP.get(mood, {})),
    "dingtalk": DingTalkRobot,
    "feishu": FeishuRobot,
    "wecom": WeComRobot,
    "sms_aliyun": lambda mood: AliyunSms(mood=mood),
    "sms_tencent": lambda mood: TencentSms(mood=mood),
    "mqtt": lambda mood: TinyBroker(mood=mood),
}
