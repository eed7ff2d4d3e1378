"""A real call: baresip on our side, a second baresip as the telephone that rings, answers and presses a key."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from gateway.notify.base import Outcome, Page, Verdict, make
from gateway.notify.sip import RATE_HZ, Unspoken, telephone_quality
from gateway.processes import end
from gateway.vocabulary import Priority
from tests.support import need
from tests.support.mqtt_wire import free_port

PAGE = Page(
    key="a1.1.li",
    alert_id="a1",
    priority=Priority.HIGH,
    reason="call.sos",
    why="new",
    place="3-01",
    initials="W",
    recipient="li",
    address="",
)
MODULES = "/usr/lib/baresip/modules"


class Telephone:
    """The far end: a baresip with its own control connection."""

    def __init__(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = f"sip:li@127.0.0.1:{port}"
        self._reader, self._writer = reader, writer

    async def do(self, command: str, params: str = "") -> None:
        body = json.dumps({"command": command, "params": params}).encode()
        self._writer.write(b"%d:%s," % (len(body), body))
        await self._writer.drain()

    async def hears(self, kind: str) -> None:
        while True:
            length = int((await self._reader.readuntil(b":"))[:-1])
            if json.loads((await self._reader.readexactly(length + 1))[:-1]).get("type") == kind:
                return


def ports() -> tuple[int, int]:
    """A port for SIP, whose next one baresip takes too, and one for control."""
    first, second, third = free_port(), free_port(), free_port()
    return first, third if second == first + 1 else second


def furnish(folder: Path, port: int, control: int, answers: str) -> None:
    folder.mkdir()
    silence = folder / "silence.wav"
    with wave.open(str(silence), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(bytes(RATE_HZ * 2 * 30))
    lines = ["poll_method epoll", f"sip_listen 127.0.0.1:{port}", f"audio_source aufile,{silence}", "audio_alert none"]
    lines += [f"module_path {MODULES}", "module g711.so", "module aufile.so", "module_tmp uuid.so", "module_tmp account.so"]
    lines += ["module_app menu.so", "module_app ctrl_tcp.so", f"ctrl_tcp_listen 127.0.0.1:{control}"]
    (folder / "config").write_text("\n".join(lines) + "\n")
    (folder / "accounts").write_text(f"<sip:li@127.0.0.1:{port}>;regint=0;answermode={answers}\n")
    (folder / "contacts").write_text("")


@asynccontextmanager
async def telephone(folder: Path, answers: str = "manual") -> AsyncIterator[Telephone]:
    need("baresip")
    port, control = ports()
    await asyncio.to_thread(furnish, folder, port, control, answers)
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec("baresip", "-f", str(folder), stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(8):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", control)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield Telephone(port, reader, writer)
        writer.close()
    finally:
        await end(process)


async def call(phone: Telephone, **settings: float) -> Outcome:
    need("espeak-ng")
    notifier = make("sip", {"type": "sip", "account": "anxin@127.0.0.1", "listen": "127.0.0.1", **settings})
    return await notifier.notify(Page(**{**PAGE.to_dict(), "address": phone.address}))


@pytest.mark.timeout(40)
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("1", Outcome(verdict=Verdict.DELIVERED, claimed=True)),
        ("2", Outcome(verdict=Verdict.DELIVERED)),
        ("", Outcome(verdict=Verdict.RETRY, reason="not_confirmed", works=True)),
    ],
    ids=["claims", "heard", "answering_machine"],
)
async def test_a_call_is_answered_and_a_key_decides(tmp_path: Path, key: str, expected: Outcome) -> None:
    async with telephone(tmp_path / "phone") as phone:
        calling = asyncio.create_task(call(phone, talk_s=20 if key else 1.5))
        async with asyncio.timeout(25):
            await phone.hears("CALL_INCOMING")
            await phone.do("accept")
            await phone.hears("CALL_RTPESTAB")  # our side is speaking
            if key:
                await phone.do("sndcode", key)
            assert await calling == expected


@pytest.mark.timeout(40)
async def test_a_call_that_is_declined_or_not_answered_is_tried_again_and_a_wrong_number_is_not(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone:
        calling = asyncio.create_task(call(phone))
        await phone.hears("CALL_INCOMING")
        await phone.do("hangup")
        declined = await calling
        assert (declined.verdict, declined.works) == (Verdict.RETRY, True)
        assert await call(phone, ring_s=0.5) == Outcome(verdict=Verdict.RETRY, reason="no_answer", works=True)
        phone.address = phone.address.replace("li@", "nobody@")
        assert await call(phone, ring_s=5) == Outcome(verdict=Verdict.REFUSED, reason="sip_404")


async def test_an_address_that_is_none_is_refused_and_reaches_no_command_line() -> None:
    notifier = make("sip", {"type": "sip", "account": "anxin@127.0.0.1"})
    for address in ("", "13800000000;rm", "sip:a@b\n/quit", "-v"):
        outcome = await notifier.notify(Page(**{**PAGE.to_dict(), "address": address}))
        assert outcome == Outcome(verdict=Verdict.REFUSED, reason="invalid_address")


async def test_without_the_programs_the_reason_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    notifier = make("sip", {"type": "sip", "account": "anxin@127.0.0.1"})
    outcome = await notifier.notify(Page(**{**PAGE.to_dict(), "address": "110"}))
    assert outcome == Outcome(verdict=Verdict.RETRY, reason="no_espeak_ng")


def test_speech_is_brought_to_the_telephone_and_repeated(tmp_path: Path) -> None:
    rate = 22050
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(tone.tobytes())
    telephone_quality(tmp_path / "a.wav", tmp_path / "b.wav", 6.0)
    with wave.open(str(tmp_path / "b.wav"), "rb") as read:
        assert (read.getframerate(), read.getnframes()) == (RATE_HZ, 3 * (RATE_HZ + RATE_HZ * 3 // 2))
        samples = np.frombuffer(read.readframes(RATE_HZ), dtype="<i2")
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440, "one second: the bin is the frequency"
    with wave.open(str(tmp_path / "empty.wav"), "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
    with pytest.raises(Unspoken):
        telephone_quality(tmp_path / "empty.wav", tmp_path / "c.wav", 1.0)
