"""Script-free pages: what they show, that a GET changes nothing, and that forms claim, arrive and resolve."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import ApiSettings
from gateway.clock import NS_PER_S
from gateway.registry import bindings
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM
from tests.support.fake_clock import FakeClock
from tests.support.house import PASSWORD, House, house


class Outline(HTMLParser):
    """Tags with their attributes and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def fields(page: str, action: str) -> dict[str, str]:
    """Hidden fields of the form that posts to `action`."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    if form is None:
        raise AssertionError(f"no form for {action}")
    return {row["name"]: row["value"] for row in Outline(form.group(0)).all("input") if row.get("type") == "hidden"}


async def form(client: httpx.AsyncClient, page: str, action: str, **more: str) -> httpx.Response:
    return await client.post(action, data={**fields(page, action), **more})


async def states(home: House) -> list[tuple[str, int]]:
    found = await home.db.read(home.desk.open_alerts)
    return [(view.state.value, view.version) for view in found]


async def test_from_the_link_in_a_message_to_the_end(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client(**{"Accept-Language": "zh-CN,zh;q=0.9"}) as client:
        alert = await home.call()
        link = f"/m/alerts/{alert.id}"
        answer = await client.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/m/login?next={link}")
        page = (await client.get(answer.headers["location"])).text
        answer = await form(client, page, "/m/login", user="carer", password=PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (303, link)
        page = (await client.get(link)).text
        assert "按下 SOS 求助" in page
        assert "还没有人前往" in page
        assert await states(home) == [("raised", 1)]  # looking changed nothing
        answer = await form(client, page, f"{link}/claim")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{link}?said=claim")
        answer = await client.get(answer.headers["location"])
        assert "您正在前往" in answer.text
        assert "refresh" not in answer.headers  # a note may be half typed
        assert await states(home) == [("claimed", 2)]
        answer = await form(client, answer.text, f"{link}/arrive")
        page = (await client.get(answer.headers["location"])).text
        answer = await form(client, page, f"{link}/resolve", outcome="helped", note="扶起 <b>已坐好</b>")
        assert answer.headers["location"] == "/m/alerts?said=resolve"
        page = (await client.get(answer.headers["location"])).text
        assert "目前没有人需要帮助" in page
        page = (await client.get(link)).text
        assert "已结束：已帮助" in page
        kinds = [row["kind"] for row in await home.db.read(lambda conn: home.desk.history(conn, alert.id))]
        assert kinds == ["raised", "claimed", "arrived", "resolved"]


async def test_claim_from_the_list_in_english(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as client:
            assert (await client.post("/api/v1/me/lang", json={"lang": "en"})).status_code == 200
            answer = await client.get("/m/alerts")
            assert answer.headers["refresh"] == "10; url=/m/alerts?auto=1"
            assert 'lang="en"' in answer.text
            assert not re.search("[\u4e00-\u9fff]", answer.text.replace("王淑华", ""))
            assert "refresh" not in (await client.get("/m/alerts?paused=1")).headers
            answer = await form(client, answer.text, f"/m/alerts/{alert.id}/claim")
            assert answer.status_code == 303
            assert await states(home) == [("claimed", 2)]


async def test_the_second_one_sees_who_was_first(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        link = f"/m/alerts/{alert.id}"
        async with home.signed_in("carer") as one, home.signed_in("carer2") as two:
            pages = [(await client.get(link)).text for client in (one, two)]
            await form(one, pages[0], f"{link}/claim")
            answer = await form(two, pages[1], f"{link}/claim")
            assert answer.headers["location"] == f"{link}?said=conflict"
            page = html.unescape((await two.get(answer.headers["location"])).text)
            assert "Carer 正在前往" in page
            assert "已有其他人处理" in page
            with pytest.raises(AssertionError, match="no form"):
                fields(page, f"{link}/arrive")


@pytest.mark.parametrize("token", ["", "0" * 32, "é", "x" * 4000])
async def test_a_form_that_is_not_of_this_session_changes_nothing(tmp_path: Path, token: str) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as client:
            answer = await client.post(f"/m/alerts/{alert.id}/claim", data={"form_token": token})
            assert answer.headers["location"] == f"/m/alerts/{alert.id}?said=form_expired"
            await client.post("/m/logout", data={"form_token": token})
            assert (await client.get("/api/v1/me")).status_code == 200
            answer = await client.post(f"/m/alerts/{alert.id}/claim", data={"form_token": token}, headers={"Origin": "https://evil.test"})
            assert answer.status_code == 403
        assert await states(home) == [("raised", 1)]


async def test_bad_forms_change_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        link = f"/m/alerts/{alert.id}"
        async with home.signed_in("carer") as client:
            page = (await client.get(link)).text
            token = fields(page, f"{link}/claim")["form_token"]
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            assert (await client.post(f"{link}/claim", content=b"a=1&a=2", headers=kind)).status_code == 400
            assert (await client.post(f"{link}/claim", content=b"%ff=%ff", headers=kind)).status_code == 400
            assert (await client.post(f"{link}/claim", content=b"&".join([b"a=1"] * 50), headers=kind)).status_code == 400
            assert (await client.post(f"{link}/silence", data={"form_token": token})).status_code == 404
            answer = await client.post(f"{link}/resolve", data={"form_token": token, "outcome": "lovely"})
            assert answer.headers["location"] == f"{link}?said=refused"
            answer = await client.post(f"{link}/resolve", data={"form_token": token, "outcome": "helped", "note": "x" * 501})
            assert answer.headers["location"] == f"{link}?said=refused"
        assert await states(home) == [("raised", 1)]


async def test_foreign_and_absent_alerts_look_the_same(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        foreign = await home.call("zhou")
        async with home.signed_in("carer") as client:
            pages = [await client.get(f"/m/alerts/{alert_id}") for alert_id in (foreign.id, "nothing", "a b", "%3Cscript%3E")]
            assert {page.status_code for page in pages} == {404}
            assert len({page.text for page in pages}) == 1
            assert "周文斌" not in (await client.get("/m/alerts")).text
        async with home.signed_in("son") as client:
            assert (await client.get("/m/alerts")).status_code == 403


async def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client() as client:
        for target in ("https://evil.test", "//evil.test", "/m/alerts/../../x", "/m/alerts\r\nx: y", "javascript:alert(1)"):
            page = (await client.get("/m/login", params={"next": target})).text
            assert fields(page, "/m/login")["target"] == "/m/alerts"
            answer = await client.post("/m/login", data={"user": "carer", "password": PASSWORD, "target": target})
            assert answer.headers["location"] == "/m/alerts"


async def test_a_refused_sign_in_says_nothing_back(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client() as client:
        answer = await client.post("/m/login", data={"user": "<img src=x>", "password": "nope"})
        assert answer.status_code == 401
        assert "用户名或密码不正确" in answer.text
        assert "img" not in answer.text
        assert "nope" not in answer.text


async def test_a_one_time_password_is_changed_on_the_plain_pages(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client() as client:
        _, first = await home.accounts.create(SYSTEM, login="new", name="New", role="caregiver", site_ids=("care",))
        await client.post("/m/login", data={"user": "new", "password": first})
        answer = await client.get("/m/alerts")
        assert answer.headers["location"] == "/m/password"
        page = (await client.get("/m/password")).text
        answer = await form(client, page, "/m/password", old="wrong", new=PASSWORD)
        assert (answer.status_code, "原密码不正确" in answer.text) == (422, True)
        answer = await form(client, page, "/m/password", old=first, new="short")
        assert (answer.status_code, "密码至少 8 个字符" in answer.text) == (422, True)
        answer = await form(client, page, "/m/password", old=first, new=PASSWORD)
        assert answer.headers["location"] == "/m/alerts?said=password"
        assert "密码已修改" in (await client.get(answer.headers["location"])).text


async def test_a_page_that_refreshes_itself_keeps_no_session_awake(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home, home.signed_in("doctor") as client:
        for _ in range(3):
            await clock.advance(600)
            assert (await client.get("/m/alerts")).status_code == 200
        for status in (200, 303):
            await clock.advance(600)
            assert (await client.get("/m/alerts?auto=1")).status_code == status


async def test_ages_are_honest(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        now_ns = home.clock.now_ns()
        await home.registry.do(*_bound_since(now_ns - 3600 * NS_PER_S))
        home.latest.put("band-wang", "hr", 81.0, now_ns - 4 * NS_PER_S)
        home.latest.put("band-wang", "spo2", 95.0, now_ns - 600 * NS_PER_S)
        home.latest.put("band-wang", "temp", None, now_ns - 30 * NS_PER_S)
        async with home.signed_in("carer") as client:
            page = Outline((await client.get(f"/m/alerts/{alert.id}")).text)
        rows = [row["data-state"] for row in page.all("tr") if "data-state" in row]
        assert rows == ["live", "lost", "no_value"]
        assert "81 次/分" in page.text
        assert "10 分 0 秒前 · 信号丢失" in page.text
        assert "无有效数值" in page.text


def _bound_since(t_ns: int) -> tuple[Any, ...]:
    def work(tx: Tx) -> None:
        bindings.correct_binding(tx, "band-wang", from_ns=t_ns, to_ns=None, reason="test", resident="wang")

    return SYSTEM, work


async def test_pages_are_accessible_by_their_marks(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as client, home.client() as nobody:
            await client.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            texts = [(await client.get(path)).text for path in ("/m/alerts", f"/m/alerts/{alert.id}", "/m/alerts/nothing")]
            texts += [(await nobody.get(path)).text for path in ("/m/login", "/")]
        for text in texts:
            page = Outline(text)
            assert page.all("html") == [{"lang": "zh-CN"}]
            assert len(page.all("h1")) == len(page.all("main")) == 1
            assert not page.all("script")
            assert "style=" not in text
            assert "user-scalable" not in text
            labels = {row["for"] for row in page.all("label")}
            typed = {row["id"] for row in page.all("input") if row.get("type") != "hidden"}
            assert labels == typed


async def test_the_root_serves_what_was_built(tmp_path: Path) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>built</title>", encoding="utf-8")
    (static / "assets" / "app-1a2b.js").write_text("1", encoding="utf-8")
    (static / ".source-hash").write_text("x", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    async with house(tmp_path, settings=ApiSettings(static_dir=static)) as home, home.client() as client:
        for path in ("/", "/wall", "/phone", "/login"):
            assert "built" in (await client.get(path)).text
        answer = await client.get("/assets/app-1a2b.js")
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        outside = ("/.source-hash", "/assets/../index.html.bak", "/assets/%2e%2e/%2e%2e/secret.txt", "/assets/%2fetc%2fpasswd")
        for path in (*outside, "/nothing.js"):
            assert (await client.get(path)).status_code == 404, path


async def test_the_root_says_that_nothing_was_built(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client(**{"Accept-Language": "en"}) as client:
        answer = await client.get("/")
        assert "not installed" in answer.text
        assert 'href="/m/alerts"' in answer.text
