"""Devices get their secrets for a one-time code, come in with a certificate and to their own topics only, and lose all of it at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import backup, main, office, office_devices
from gateway.authority import Authority, CertificateError, days_left, read
from gateway.certwatch import CertificateWatch
from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, enrolment
from gateway.vocabulary import SYSTEM
from tests.support.fake_clock import FakeClock
from tests.support.mqtt_wire import Publisher, free_port, mosquitto
from tests.support.pki import Keys, foreign, old, refused, subscribe, without
from tests.support.running import toml

pytestmark = pytest.mark.timeout(60)


class House:
    """A running gateway of the given settings with two devices, and how devices speak to it."""

    def __init__(self, folder: Path, port: int, running: main.Gateway) -> None:
        self.core, self.port, self.running, self.folder = running.core, port, running, folder
        self.ca = self.core.authority.ca_file
        self.http = httpx.AsyncClient(base_url=running.url, verify=ssl.create_default_context(cafile=str(self.ca)))

    async def code(self, device: str) -> str:
        return str((await office_devices.enrol(self.core, {"device": device, "valid_s": 900}))["code"])

    async def enrol(self, device: str, code: str, csr: str | None = None) -> httpx.Response:
        body = None if csr is None else {"csr": csr}
        return await self.http.post(f"/api/v1/enrol/{device}", json=body, headers={"Authorization": f"Bearer {code}"})

    async def enrolled(self, device: str) -> tuple[Keys, str]:
        code = await self.code(device)
        keys = Keys(self.folder / code, device)
        answer = (await self.enrol(device, code, keys.csr)).json()
        keys.certificate.write_text(answer["certificate"])
        return keys, answer["token"]

    async def connected(self, keys: Keys, name: str) -> Publisher:
        """Let in as soon as the broker knows the certificate."""
        ends = time.monotonic() + 15
        while True:
            try:
                return await asyncio.to_thread(Publisher, self.port, name, "", "", 5.0, keys.context(self.ca))
            except (ConnectionError, ssl.SSLError):
                assert time.monotonic() < ends, "not let in within 15 s"
                await asyncio.sleep(0.1)

    async def audit(self, action: str) -> list[Any]:
        rows = await self.core.store.read(lambda conn: self.core.audit.rows(conn, limit=500))
        return [row for row in rows if row.action == action]


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    data, port = folder / "data", free_port()
    data.mkdir()
    authority = Authority(data / "certs", SystemClock())
    assert authority.make()
    authority.server(["127.0.0.1", "anxin.lan"])
    pair = {"certificate": "certs/server.pem", "key": "certs/server.key"}
    tables = {
        "web": {"port": 0, **pair}, "mqtt": {"port": port, "client_certificates": True, **pair}, "watchdog": {"enabled": False},
        "journal": {"ballast_mib": 1},
    }  # fmt: skip
    (data / "anxin.toml").write_text(toml(tables))

    async def prepare(core: Core) -> None:
        for device in ("band-1", "Band_2"):
            await core.registry.do(SYSTEM, bindings.set_device, device, quantities=("battery",))

    async with main.running(data, prepare=prepare) as (running, _):
        made = House(folder, port, running)
        try:
            yield made
        finally:
            await made.http.aclose()


async def until(true: Callable[[], Any], limit_s: float = 10.0) -> None:
    ends = time.monotonic() + limit_s
    while True:
        found = true()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < ends, "did not happen in time"
        await asyncio.sleep(0.05)


def body(device: str, seq: int) -> bytes:
    return json.dumps(
        {"v": 1, "device": device, "boot_id": "b", "t": None, "quantity": "battery", "value": 60, "unit": "%", "seq": seq}
    ).encode()


async def test_a_certificate_opens_its_own_topics_and_nothing_else_and_every_refusal_is_in_the_audit(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        keys, _token = await home.enrolled("band-1")
        device = await home.connected(keys, "band-1")
        await asyncio.to_thread(device.publish_all, [("anxin/up/band-1", body("band-1", seq)) for seq in range(5)])
        await until(lambda: home.core.ops.counters["intake.stored"] == 5)
        assert subscribe(device.sock, "anxin/ack/band-1") == 1
        assert subscribe(device.sock, "anxin/ack/Band_2") == 0x80
        device.send("anxin/up/Band_2", body("Band_2", 0), 0)
        assert await asyncio.to_thread(refused, home.port, without(home.ca), "x1")
        assert await asyncio.to_thread(refused, home.port, foreign(home.ca, tmp_path / "foreign", "band-1"), "x2")
        assert await asyncio.to_thread(refused, home.port, old(keys.context(home.ca)), "x3")
        wanted = ("publish_denied", "subscribe_denied", "tls.no_certificate", "tls.foreign_authority", "tls.old_protocol")
        for what in wanted:
            await until(lambda what=what: home.audit(f"broker.{what}"))  # type: ignore[misc]
        assert (await home.audit("broker.publish_denied"))[0].actor == "band-1"
        assert home.core.ops.counters["intake.stored"] == 5
        device.close()
        assert not {"broker.unreachable", "broker.down", "broker.reload"} & {fault.code for fault in home.core.ops.faults()}


async def test_a_revocation_ends_the_live_session_at_once_and_leaves_others_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        one, token = await home.enrolled("band-1")
        two, _ = await home.enrolled("Band_2")
        first, second = await home.connected(one, "band-1"), await home.connected(two, "Band_2")
        assert home.core.tokens.verify("band-1", token)
        done = await office_devices.revoke(home.core, {"device": "band-1"})
        assert done["taken"] == 2
        first.sock.settimeout(5)
        began = time.monotonic()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await asyncio.to_thread(first._exactly, 1)
        assert time.monotonic() - began < 4.5
        first.sock.close()
        assert not home.core.tokens.verify("band-1", token)
        assert await asyncio.to_thread(refused, home.port, one.context(home.ca), "band-1")
        await asyncio.to_thread(second.publish_all, [("anxin/up/Band_2", body("Band_2", 0))])
        again, _ = await home.enrolled("band-1")  # the same name comes back with a new certificate, and the old one does not
        (await home.connected(again, "band-1")).close()
        assert await asyncio.to_thread(refused, home.port, one.context(home.ca), "band-1")
        second.close()


async def test_a_code_is_for_one_use_for_one_device_for_a_time_and_guessing_is_slow(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        code = await home.code("band-1")
        assert (await home.enrol("Band_2", code)).status_code == 401
        answer = await home.enrol("band-1", code.lower().replace("-", " "))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        given = answer.json()
        assert given["ca"] == home.ca.read_text()
        assert given["topics"]["publish"][0] == "anxin/up/band-1"
        assert "certificate" not in given
        bearer = {"Authorization": f"Bearer {given['token']}"}
        posted = await home.http.post("/api/v1/ingest/band-1", content=body("band-1", 0), headers=bearer)
        assert posted.status_code == 200
        assert (await home.enrol("band-1", code)).json()["code"] == "device.code"
        late = await home.code("band-1")
        await home.core.store.write(lambda conn: conn.execute("UPDATE device_code SET expires_ns = 1"))
        assert (await home.enrol("band-1", late)).status_code == 401
        assert (await home.enrol("nobody", late)).json() == (await home.enrol("Band_2", "AAAAA-AAAAA")).json(), "no name is told"
        answers = [await home.enrol("band-1", f"AAAAA-AAAA{number}") for number in range(6)]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        right = await home.code("band-1")
        assert (await home.enrol("band-1", right)).status_code == 429, "the right one has to wait as well"
        assert len(await home.audit("device.enrolled")) == 1
        assert len(await home.audit("device.enrol")) >= 8
        with pytest.raises(ValueError, match="a code lives"):
            await office_devices.enrol(home.core, {"device": "band-1", "valid_s": 1})


async def test_a_request_that_is_none_costs_no_code_and_a_certificate_is_renewed_with_the_token(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        code = await home.code("band-1")
        for bad in ("", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "\u5b89"):
            assert (await home.enrol("band-1", code, bad)).json()["code"] == "csr.invalid"
        keys = Keys(tmp_path / "device", "band-1")
        answer = await home.enrol("band-1", code, keys.csr)
        assert answer.status_code == 200
        keys.certificate.write_text(answer.json()["certificate"])
        assert read(keys.certificate).subject.rfc4514_string() == "CN=band-1", "not the name in the request"
        renewed = Keys(tmp_path / "renewed", "band-1")
        path, token = "/api/v1/enrol/band-1/certificate", answer.json()["token"]
        refusal = await home.http.post(path, json={"csr": renewed.csr}, headers={"Authorization": "Bearer no"})
        assert refusal.status_code == 401
        done = await home.http.post(path, json={"csr": renewed.csr}, headers={"Authorization": f"Bearer {token}"})
        renewed.certificate.write_text(done.json()["certificate"])
        for each in (renewed, keys):
            (await home.connected(each, "band-1")).close()
        now_ns = home.core.clock.now_ns()
        rows = await home.core.store.read(lambda conn: enrolment.live_certificates(conn, now_ns))
        assert [row.device_id for row in rows] == ["band-1", "band-1"]
        later = await home.core.store.read(lambda conn: enrolment.live_certificates(conn, now_ns + 731 * 86_400 * 10**9))
        assert later == []


async def test_a_renewed_server_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        keys, _ = await home.enrolled("band-1")
        (await home.connected(keys, "band-1")).close()
        before = read(home.core.authority.folder / "server.pem").serial_number
        home.core.authority.renew_server()
        wanted = read(home.core.authority.folder / "server.pem").serial_number
        assert wanted != before
        assert home.running.broker is not None
        home.running.broker.refresh()

        def shown() -> bool:
            pem = ssl.get_server_certificate(("127.0.0.1", home.port))
            (tmp_path / "shown.pem").write_text(pem)
            return read(tmp_path / "shown.pem").serial_number == wanted

        await until(lambda: asyncio.to_thread(shown))


def test_what_ends_soon_is_said_and_what_was_renewed_is_taken_over(tmp_path: Path) -> None:
    clock, ops = FakeClock(), Ops()
    authority = Authority(tmp_path, clock)
    authority.make()
    certificate, _ = authority.server(["house.lan"], days=40)
    taken: list[str] = []
    files = {"web": certificate, "ca": authority.ca_file}
    watch = CertificateWatch(files, {"web": lambda: taken.append("web")}, clock, ops)
    watch.look()
    assert (ops.faults(), taken) == ((), [])
    late = FakeClock(clock.now_ns() + 20 * 86_400 * 10**9)
    watch = CertificateWatch(files, {"web": lambda: taken.append("web")}, late, ops)
    watch.look()
    assert [(fault.code, fault.subject, fault.params) for fault in ops.faults()] == [("certificate.ends", "web", {"days": 20})]
    Authority(tmp_path, late).renew_server()
    watch.look()
    assert (ops.faults(), taken) == ((), ["web"])
    assert days_left(certificate, late.now_ns()) == 397
    certificate.write_text("rubbish")
    watch.look()
    assert [fault.code for fault in ops.faults()] == ["certificate.unreadable"]


def test_the_root_is_renewed_with_its_key_and_names_are_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path, SystemClock())
    with pytest.raises(CertificateError, match="certs init"):
        authority.server(["a.lan"])
    authority.make()
    assert not authority.make()
    former = read(authority.ca_file)
    certificate, key = authority.server(["a.lan", "192.168.1.5", "fe80::1"])
    authority.renew_root()
    now = read(authority.ca_file)
    assert now.serial_number != former.serial_number
    assert now.public_key() == former.public_key()
    read(certificate).verify_directly_issued_by(now)
    assert key.stat().st_mode & 0o077 == 0
    for bad in ("a b", "安心", "*"):
        with pytest.raises(CertificateError, match="neither a host name nor an address"):
            authority.server([bad])
    with pytest.raises(CertificateError, match="at least one"):
        authority.server([])


async def test_a_backup_holds_the_root_and_a_restore_brings_it_back_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    core = Core.open(data, SystemClock(), Ops())
    try:
        core.authority.make()
        core.authority.server(["a.lan"])
        done = await office.perform(core, "backup", {"folder": str(tmp_path / "copies")})
    finally:
        core.close()
    backup.restore(Path(done["archive"]), tmp_path / "new")
    again = Authority(tmp_path / "new" / "certs", SystemClock())
    assert again.exists
    assert read(again.ca_file) == read(data / "certs" / "ca.pem")
    again.renew_server()
    assert (again.folder / "ca.key").stat().st_mode & 0o077 == 0


ACL = "pattern write anxin/up/%u\npattern write anxin/call/%u\npattern read anxin/ack/%u\nuser hub\ntopic readwrite #\n"


async def test_mosquitto_with_the_same_certificates_refuses_the_same(tmp_path: Path) -> None:
    authority, ops = Authority(tmp_path / "certs", SystemClock()), Ops()
    authority.make()
    certificate, key = authority.server(["127.0.0.1"])
    keys = {name: Keys(tmp_path / "device", name) for name in ("band-1", "lost", "hub")}
    serials = {}
    for name, each in keys.items():
        issued = authority.device(name, each.csr.encode())
        each.certificate.write_text(issued.certificate_pem)
        serials[name] = issued.serial
    crl = authority.write_revocations([(serials["lost"], SystemClock().now_ns())])
    acl, log = tmp_path / "acl", tmp_path / "mosquitto.log"
    acl.write_text(ACL)
    acl.chmod(0o644)
    port = free_port()
    extra = (
        f"listener {port} 127.0.0.1\ncafile {authority.ca_file}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
        f"use_identity_as_username true\nallow_anonymous false\nacl_file {acl}\ncrlfile {crl}\ntls_version tlsv1.2\n"
        f"log_dest file {log}\n"
    )
    with mosquitto(tmp_path / "mosquitto", extra, port=port, log_types=("all",)):
        hub = Publisher(port, "hub", tls=keys["hub"].context(authority.ca_file))
        assert subscribe(hub.sock, "anxin/up/+") == 1
        device = Publisher(port, "band-1", tls=keys["band-1"].context(authority.ca_file))
        with contextlib.suppress(ConnectionError):  # 2.0.11 acknowledges what it drops (or ends the connection)
            device.publish_all([("anxin/up/other", b"x")])
        device.sock.close()
        device = Publisher(port, "band-1", tls=keys["band-1"].context(authority.ca_file))
        device.publish_all([("anxin/up/band-1", b"mine")])
        hub.sock.settimeout(5)
        got = hub.sock.recv(4096)
        assert b"anxin/up/band-1" in got
        assert b"other" not in got
        subscribe(device.sock, "anxin/ack/other")  # granted, and nothing is delivered
        hub.publish_all([("anxin/ack/other", b"secret")])
        device.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            device.sock.recv(1)
        ca, band = authority.ca_file, keys["band-1"]
        for context in (without(ca), foreign(ca, tmp_path / "foreign", "band-1"), old(band.context(ca)), keys["lost"].context(ca)):
            assert refused(port, context, "x")
        for sock in (hub, device):
            sock.close()
    said = log.read_text()
    for words in ("peer did not return a certificate", "certificate verify failed", "unsupported protocol", "Denied PUBLISH from band-1"):
        assert words in said, words
    assert ops.faults() == ()
