"""TLS as a house runs it: the web server and the embedded broker with a certificate; who comes in plain or trusts somebody else is out."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from gateway import main
from gateway.broker import Broker, BrokerOptions
from gateway.certificates import leaf
from gateway.clock import SystemClock
from gateway.collect.mqtt import MqttCollector, MqttOptions
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings
from gateway.vocabulary import SYSTEM
from gateway.web import Web, WebError, listen
from tests.support.house import PASSWORD, house
from tests.support.mqtt_wire import Publisher, free_port
from tests.support.running import toml

pytestmark = pytest.mark.timeout(30)


@dataclass(frozen=True)
class Papers:
    """A certificate with its key, and what clients trust."""

    certificate: Path
    key: Path
    right: ssl.SSLContext
    wrong: ssl.SSLContext  # trusts another authority


def issue(authority: trustme.CA, folder: Path, name: str, to: str) -> tuple[Path, Path]:
    made = authority.issue_cert(to)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    made.cert_chain_pems[0].write_to_path(str(certificate))
    made.private_key_pem.write_to_path(str(key))
    return certificate, key


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    authority, right, wrong = trustme.CA(), ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(right)
    trustme.CA().configure_trust(wrong)
    return Papers(*issue(authority, tmp_path, "server", "127.0.0.1"), right, wrong)


@asynccontextmanager
async def served(folder: Path, papers: Papers) -> AsyncIterator[int]:
    async with house(folder) as home:
        listener = listen("127.0.0.1", 0)
        web = Web(home.app, listener, certificate=papers.certificate, key=papers.key, before_stop=lambda: None)
        await web.start(SystemClock())
        try:
            yield listener.getsockname()[1]
        finally:
            await web.stop()
            listener.close()


async def test_the_web_server_speaks_https_only(tmp_path: Path, papers: Papers) -> None:
    async with served(tmp_path, papers) as port:
        url = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(verify=papers.right, base_url=url, headers={"Origin": url}) as client:
            answer = await client.post("/api/v1/session", json={"user": "carer", "password": PASSWORD})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-anxin_session=")
            assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
            assert (await client.get("/api/v1/me")).json()["id"] == "u-carer"
        async with httpx.AsyncClient(verify=papers.wrong) as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"{url}/m/login")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://127.0.0.1:{port}/m/login")
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
        async with httpx.AsyncClient(verify=old) as client:
            assert (await client.get(f"{url}/m/login")).status_code == 200  # 1.2 is the floor, not below


async def test_a_key_that_is_not_there_is_named(tmp_path: Path, papers: Papers) -> None:
    async with house(tmp_path) as home:
        listener = listen("127.0.0.1", 0)
        web = Web(home.app, listener, certificate=papers.certificate, key=tmp_path / "no.key", before_stop=lambda: None)
        with pytest.raises(WebError, match=r"\[web\] certificate and key"):
            await web.start(SystemClock())
        listener.close()


def configure(folder: Path, papers: Papers, port: int) -> None:
    folder.mkdir()
    pair = {"certificate": str(papers.certificate), "key": str(papers.key)}
    tables = {"web": {"port": 0, **pair}, "mqtt": {"port": port, **pair}, "watchdog": {"enabled": False}, "journal": {"ballast_mib": 1}}
    (folder / "anxin.toml").write_text(toml(tables))


@asynccontextmanager
async def gateway(folder: Path, papers: Papers) -> AsyncIterator[tuple[main.Gateway, int, str]]:
    """The whole gateway with both doors encrypted: port and token of a device."""
    port = free_port()
    configure(folder, papers, port)
    tokens: list[str] = []

    async def prepare(core: Core) -> None:
        await core.registry.do(SYSTEM, bindings.set_device, "band-1", quantities=("battery",))
        tokens.append(await core.tokens.issue(SYSTEM, "band-1"))

    async with main.running(folder, prepare=prepare) as (running, _):
        yield running, port, tokens[0]


async def connected(port: int, token: str, tls: ssl.SSLContext) -> Publisher:
    """Devices are let in once the gateway's own sessions stand."""
    for _ in range(200):
        try:
            return await asyncio.to_thread(Publisher, port, "band-1", "band-1", token, 5.0, tls)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
    raise AssertionError("not let in within ten seconds")


async def test_devices_come_in_through_the_encrypted_broker_only(tmp_path: Path, papers: Papers) -> None:
    async with gateway(tmp_path / "data", papers) as (running, port, token):
        assert running.url.startswith("https://")
        device = await connected(port, token, papers.right)
        body = {"v": 1, "device": "band-1", "boot_id": "b", "t": None, "quantity": "battery", "value": 60, "unit": "%"}
        messages = [("anxin/up/band-1", json.dumps({**body, "seq": seq}).encode()) for seq in range(20)]
        await asyncio.to_thread(device.publish_all, messages)
        device.close()
        stored: set[int | None] = set()
        for _ in range(200):
            blocks = [block.readings for block in running.journal.read_sync(1, 1000) if block.readings is not None]
            stored = {frame.seq for readings in blocks for frame in readings.frames}
            if len(stored) == 20:
                break
            await asyncio.sleep(0.05)
        assert stored == set(range(20))
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(Publisher, port, "band-1", "band-1", token, 5.0, papers.wrong)
        with pytest.raises((ConnectionError, TimeoutError)) as plain:
            await asyncio.to_thread(Publisher, port, "band-1", "band-1", token, 5.0)
        assert not isinstance(plain.value, ConnectionRefusedError), "its password was never looked at"
        assert not {"broker.unreachable", "broker.down"} & {fault.code for fault in running.core.ops.faults()}


# --- our own way to our own broker -----------------------------------------------------------------------------------


@pytest.fixture
def renewed(tmp_path: Path) -> tuple[Path, Path]:
    """What the house's certificate is replaced with."""
    (tmp_path / "new").mkdir()
    return issue(trustme.CA(), tmp_path / "new", "server", "anxin.example.org")


@asynccontextmanager
async def own_door(options: MqttOptions, ops: Ops) -> AsyncIterator[asyncio.Event]:
    stands = asyncio.Event()
    door = MqttCollector(options, SystemClock(), ops, subscribed=lambda _name: stands.set())

    async def drain() -> None:
        async for _ in door.batches():
            pass

    task = asyncio.create_task(drain())
    try:
        yield stands
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await door.close()


async def test_our_own_broker_is_known_by_its_certificate_whatever_name_that_has(
    tmp_path: Path, papers: Papers, renewed: tuple[Path, Path]
) -> None:
    """The certificate is for the house's name, we go to 127.0.0.1; a renewal on disk locks us out neither before nor after a restart."""
    certificate, key = issue(trustme.CA(), tmp_path, "house", "anxin.example.org")
    broker = Broker(tmp_path / "nats", BrokerOptions(port=free_port(), certificate=certificate, key=key), lambda: (), SystemClock(), Ops())
    await broker.start()
    own = broker.own_connection()
    options = MqttOptions(name="mqtt", filters=("anxin/up/+",), state_dir=tmp_path / "run", client_id="own", **own)
    try:
        async with own_door(options, Ops()) as stands:
            await asyncio.wait_for(stands.wait(), 10)
            stands.clear()
            for new, old in zip(renewed, (certificate, key), strict=True):
                shutil.copy(new, old)
            assert broker.pid is not None
            broker._process.kill()  # type: ignore[union-attr]
            await asyncio.wait_for(stands.wait(), 15)
        somebody = MqttOptions(
            name="mqtt", filters=("anxin/up/+",), state_dir=tmp_path / "run2", client_id="own2", **{**own, "pinned": papers.certificate}
        )
        ops = Ops()
        async with own_door(somebody, ops) as stands:
            for _ in range(100):
                if ops.faults():
                    break
                await asyncio.sleep(0.05)
            assert [(fault.code, "another certificate" in str(fault.params)) for fault in ops.faults()] == [("broker.unreachable", True)]
            assert not stands.is_set()
    finally:
        await broker.stop()


def test_a_file_without_a_certificate_is_refused(tmp_path: Path, papers: Papers) -> None:
    assert leaf(papers.certificate)
    with pytest.raises(ValueError, match="holds no certificate"):
        leaf(papers.key)
