"""A phone call by SIP: Debian's baresip dials, espeak-ng speaks, and a key of the telephone claims the alert. Needs both programs.

One baresip process per call, with a folder of its own, driven over its JSON control connection (ctrl_tcp, netstrings).
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import tempfile
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, SecretStr, field_validator

from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.notify.base import DELIVERED, ChannelSettings, Outcome, Page, Verdict, speech
from gateway.processes import end

RATE_HZ = 8000
START_S = 8.0  # for baresip to open its control connection, or to register
CLAIM_KEY, HEARD_KEY = "1", "2"
WRONG_NUMBER = frozenset({404, 410, 484, 604})
_VOICES = {"zh": "cmn", "en": "en"}
_TARGET = re.compile(r"sips?:[A-Za-z0-9+*#._-]{1,64}@[A-Za-z0-9.:\[\]-]{1,255}")
_NUMBER = re.compile(r"[+*#0-9]{2,32}")
_MODULES = (Path("/usr/lib/baresip/modules"), Path("/usr/local/lib/baresip/modules"))


class Settings(ChannelSettings):
    """An account at a telephone system; `register` where it wants to know us first. A page's address is a number or a sip: address."""

    account: str = Field(pattern=r"^[A-Za-z0-9+._-]{1,64}@[A-Za-z0-9.:-]{1,255}$")  # user@host[:port]
    password: SecretStr | None = None
    login: str = ""  # where it differs from the account's user
    register_: bool = Field(default=False, alias="register")
    listen: str = Field(default="0.0.0.0", pattern=r"^[0-9.]{7,15}$")  # noqa: S104 - where the telephone system answers to
    ring_s: float = Field(default=30, gt=0, le=90)
    talk_s: float = Field(default=60, gt=0, le=90)
    timeout_s: float = Field(default=120, gt=0, le=240)
    rate_per_min: float = Field(default=10, gt=0)
    to: str = ""  # who is called where a page has no address

    @field_validator("password")
    @classmethod
    def _one_line(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None and any(char in password.get_secret_value() for char in '\r\n">;'):
            raise ValueError("may not hold line ends, quotes, > or ;")
        return password


class Unspoken(RuntimeError):
    """The call cannot be made here; `args[0]` is a machine word."""


class Sip:
    """Calls one person at a time and listens for a key."""

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._sip = settings
        self._clock = clock or SystemClock()

    async def notify(self, page: Page) -> Outcome:
        """Call; 1 claims, 2 says that it was heard; an answer without a key may be an answering machine and is no delivery."""
        target = self._target(page.address or self._sip.to)
        if target is None:
            return Outcome(verdict=Verdict.REFUSED, reason="invalid_address")
        with tempfile.TemporaryDirectory(prefix="anxin-sip-") as folder:
            try:
                spoken = await self._speak(page, Path(folder))
                async with self._phone(Path(folder), spoken) as phone:
                    return await self._call(phone, target)
            except Unspoken as error:
                return Outcome(verdict=Verdict.RETRY, reason=str(error))
            except (OSError, EOFError, ValueError) as error:
                return Outcome(verdict=Verdict.RETRY, reason=f"transport_{type(error).__name__}")

    async def close(self) -> None:
        """Nothing is kept between calls."""

    def _target(self, address: str) -> str | None:
        if _TARGET.fullmatch(address):
            return address
        if _NUMBER.fullmatch(address):
            return f"sip:{address}@{self._sip.account.partition('@')[2]}"
        return None

    async def _speak(self, page: Page, folder: Path) -> Path:
        """The sentence as 8 kHz speech, repeated for as long as the call may last."""
        program = shutil.which("espeak-ng")
        if program is None:
            raise Unspoken("no_espeak_ng")
        lang = self.settings.lang
        raw, ready = folder / "once.wav", folder / "speech.wav"
        text = speech(page, lang)
        process = await asyncio.create_subprocess_exec(
            program, "-v", _VOICES[lang], "-s", "150", "-w", str(raw), "--", text,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            if await asyncio.wait_for(process.wait(), START_S) != 0:
                raise Unspoken("not_spoken")
        except TimeoutError:
            raise Unspoken("not_spoken") from None
        finally:
            await end(process)
        await asyncio.to_thread(telephone_quality, raw, ready, self._sip.talk_s)
        return ready

    @asynccontextmanager
    async def _phone(self, folder: Path, spoken: Path) -> AsyncIterator[Phone]:
        program = shutil.which("baresip")
        modules = _modules()
        if program is None or modules is None:
            raise Unspoken("no_baresip")
        with _held_port() as control:
            self._configure(folder, spoken, modules, control)
        process = await asyncio.create_subprocess_exec(
            program, "-f", str(folder),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            phone = await Phone.connect(control, process, self._clock)
            try:
                yield phone
            finally:
                phone.close()
        finally:
            await end(process)

    def _configure(self, folder: Path, spoken: Path, modules: Path, control: int) -> None:
        sip = self._sip
        lines = [
            "poll_method epoll",
            f"sip_listen {sip.listen}:{_free_port(sip.listen)}",
            "audio_player none",
            f"audio_source aufile,{spoken}",
            "audio_alert none",
            f"module_path {modules}",
            *(f"module {name}.so" for name in ("g711", "aufile")),
            *(f"module_tmp {name}.so" for name in ("uuid", "account")),
            *(f"module_app {name}.so" for name in ("menu", "ctrl_tcp")),
            f"ctrl_tcp_listen 127.0.0.1:{control}",
        ]
        (folder / "config").write_text("\n".join(lines) + "\n", encoding="ascii")
        secret = "" if sip.password is None else f';auth_pass="{sip.password.get_secret_value()}"'
        login = f";auth_user={sip.login}" if sip.login else ""
        registers = ";regint=300" if sip.register_ else ";regint=0"
        (folder / "accounts").write_text(f"<sip:{sip.account}>{login}{secret}{registers}\n", encoding="utf-8")
        (folder / "accounts").chmod(0o600)
        (folder / "contacts").write_text("", encoding="ascii")

    async def _call(self, phone: Phone, target: str) -> Outcome:
        if self._sip.register_ and not await phone.hears("REGISTER_OK", "REGISTER_FAIL", within_s=START_S):
            return Outcome(verdict=Verdict.RETRY, reason="not_registered")
        await phone.command("dial", target)
        event = await phone.next("CALL_ESTABLISHED", "CALL_CLOSED", within_s=self._sip.ring_s)
        if event is None:
            await phone.command("hangup")
            return Outcome(verdict=Verdict.RETRY, reason="no_answer", works=True)
        if event["type"] == "CALL_CLOSED":
            return _not_answered(str(event.get("param", "")))
        ends_ns = self._clock.monotonic_ns() + int(self._sip.talk_s * NS_PER_S)
        while (left_s := (ends_ns - self._clock.monotonic_ns()) / NS_PER_S) > 0:
            event = await phone.next("CALL_DTMF_START", "CALL_CLOSED", within_s=left_s)
            if event is None or event["type"] == "CALL_CLOSED":
                break
            if event.get("param") in (CLAIM_KEY, HEARD_KEY):
                await phone.command("hangup")
                return Outcome(verdict=Verdict.DELIVERED, claimed=True) if event["param"] == CLAIM_KEY else DELIVERED
        await phone.command("hangup")
        return Outcome(verdict=Verdict.RETRY, reason="not_confirmed", works=True)


def _not_answered(said: str) -> Outcome:
    """A call that ended before it began: "486 Busy Here", "Connection refused", ..."""
    found = re.match(r"(\d{3}) ", said + " ")
    code = int(found[1]) if found else 0
    if code in WRONG_NUMBER:
        return Outcome(verdict=Verdict.REFUSED, reason=f"sip_{code}")
    # Busy, declined, not there for the moment: the telephone system works.
    return Outcome(verdict=Verdict.RETRY, reason=f"sip_{code}", works=code in (408, 480, 486, 487, 600, 603))


class Phone:
    """baresip's control connection: commands out, events in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: Clock) -> None:
        self._reader, self._writer, self._clock = reader, writer, clock

    @classmethod
    async def connect(cls, port: int, process: asyncio.subprocess.Process, clock: Clock) -> Phone:
        """Wait until baresip listens; raises Unspoken."""
        until_ns = clock.monotonic_ns() + int(START_S * NS_PER_S)
        while clock.monotonic_ns() < until_ns and process.returncode is None:
            try:
                return cls(*await asyncio.open_connection("127.0.0.1", port), clock)
            except OSError:
                await clock.sleep(0.05)
        raise Unspoken("baresip_not_started")

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def command(self, name: str, params: str = "") -> None:
        """Send one."""
        body = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._writer.write(b"%d:%s," % (len(body), body))
        await self._writer.drain()

    async def hears(self, good: str, bad: str, *, within_s: float) -> bool:
        """Whether `good` comes before `bad` and in time."""
        event = await self.next(good, bad, within_s=within_s)
        return event is not None and event["type"] == good

    async def next(self, *types: str, within_s: float) -> dict[str, Any] | None:
        """The next event of these types, or None in time."""
        until_ns = self._clock.monotonic_ns() + int(within_s * NS_PER_S)
        while (left_s := (until_ns - self._clock.monotonic_ns()) / NS_PER_S) > 0:
            try:
                event = await asyncio.wait_for(self._read(), left_s)
            except TimeoutError:
                return None
            if event.get("type") in types:
                return event
        return None

    async def _read(self) -> dict[str, Any]:
        length = int((await self._reader.readuntil(b":"))[:-1])
        body = await self._reader.readexactly(length + 1)
        found = json.loads(body[:-1])
        return found if isinstance(found, dict) else {}


def telephone_quality(source: Path, target: Path, least_s: float) -> None:
    """Bring mono 16-bit speech to 8 kHz and repeat it with pauses of 1.5 s until `least_s` is full."""
    with wave.open(str(source), "rb") as read:
        rate = read.getframerate()
        samples = np.frombuffer(read.readframes(read.getnframes()), dtype="<i2").astype(np.float64)
    if samples.size == 0:
        raise Unspoken("not_spoken")
    width = max(1, round(rate / RATE_HZ))
    smooth = np.convolve(samples, np.ones(width) / width, "same")  # what lies above 4 kHz would fold back
    count = int(samples.size * RATE_HZ / rate)
    once = np.interp(np.arange(count) * (rate / RATE_HZ), np.arange(samples.size), smooth).astype("<i2")
    said = np.concatenate([once, np.zeros(RATE_HZ * 3 // 2, dtype="<i2")])
    times = max(1, int(np.ceil(least_s * RATE_HZ / said.size)))
    with wave.open(str(target), "wb") as write:
        write.setnchannels(1)
        write.setsampwidth(2)
        write.setframerate(RATE_HZ)
        write.writeframes(np.tile(said, times).tobytes())


def _modules() -> Path | None:
    return next((path for path in _MODULES if path.is_dir()), None)


@contextmanager
def _held_port() -> Iterator[int]:
    """A free port of this machine, held while others are looked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


def _free_port(host: str) -> int:
    """A port that is free now, with the next one free too: baresip takes both."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as second:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
            try:
                second.bind((host, port + 1))
            except OSError:
                continue
            return port
    raise Unspoken("no_port")


def build(name: str, settings: Settings) -> Sip:
    """A channel of this kind."""
    return Sip(name, settings)
