"""The product as it runs: a seeded data folder, a real `anxin run` process on free ports, and what people and scripts see of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import apsw
import httpx

from gateway.control import ControlError, ask, socket_path
from gateway.journal import JournalReader
from tests.support.mqtt_wire import Publisher, free_port

T = TypeVar("T")
ANXIN = str(Path(sys.executable).parent / "anxin")
READY_S = 60.0  # until a start counts as failed; how fast it must be is the test's to say
API = "/api/v1"


def until(what: str, look: Callable[[], T | None], within_s: float = 10.0, every_s: float = 0.03) -> T:
    """The first answer that is true; an error of the far side while it is away counts as no answer yet."""
    ends_s = time.monotonic() + within_s
    last: object = None
    while True:
        try:
            last = found = look()
            if found:
                return found
        except (httpx.HTTPError, OSError, ControlError, ValueError) as error:
            last = error
        if time.monotonic() > ends_s:
            raise AssertionError(f"not within {within_s:.0f} s: {what}; last: {str(last)[:600]}")
        time.sleep(every_s)


def ladder(*delays_s: float, arrive_s: float = 600, resolve_s: float = 600, repeat_s: float = 600) -> dict[str, Any]:
    """A policy: caregiver at once, the nurse joins at each further rung; people who have claimed are left alone for long."""
    caregiver, nurse = {"kind": "role", "id": "caregiver"}, {"kind": "role", "id": "nurse"}
    steps = [{"delay_s": delay, "targets": [caregiver] if i == 0 else [caregiver, nurse]} for i, delay in enumerate((0.0, *delays_s))]
    return {
        "id": "test", "steps": steps, "arrive_s": arrive_s, "resolve_s": resolve_s, "repeat_s": repeat_s, "ack_timeout_s": 1200,
        "recheck_s": 600, "silence_max_s": 120, "flap_s": 2,
    }  # fmt: skip


def toml(tables: Mapping[str, Any], prefix: str = "") -> str:
    """Nested tables as TOML; JSON's spelling of plain values and lists is TOML's."""
    plain = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, Mapping)]
    parts = [f"[{prefix}]\n" + "\n".join(plain) if prefix else "\n".join(plain)]
    parts += [toml(value, f"{prefix}.{key}" if prefix else key) for key, value in tables.items() if isinstance(value, Mapping)]
    return "\n".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


@dataclass
class Gateway:
    """One data folder with its process, when it runs. Ports stay the same over restarts."""

    data: Path
    tokens: dict[str, str] = field(default_factory=dict)  # device -> token
    passwords: dict[str, str] = field(default_factory=dict)  # login -> password
    web_port: int = field(default_factory=free_port)
    mqtt_port: int = field(default_factory=free_port)
    env: dict[str, str] = field(default_factory=dict)
    command: Sequence[str] = ("run",)
    process: subprocess.Popen[bytes] | None = None
    ready_s: list[float] = field(default_factory=list)  # start to ready, of each start
    embedded: bool = True
    people: list[Person] = field(default_factory=list)  # signed in

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError("not running")
        return self.process.pid

    # --- the process -----------------------------------------------------------------------------------------------

    def start(self, within_s: float = READY_S) -> Gateway:
        """Start and wait until it answers and lets devices in."""
        began_s = time.monotonic()
        self.launch()
        until("the gateway answers", self.is_ready, within_s)
        self.ready_s.append(time.monotonic() - began_s)
        return self

    def launch(self) -> None:
        """Start without waiting."""
        args = [ANXIN, "--data", str(self.data), "--json", *self.command, "--port", str(self.web_port)]
        args += ["--mqtt-port", str(self.mqtt_port)]
        with (self.data.parent / "out.log").open("ab") as out, (self.data.parent / "err.log").open("ab") as err:
            self.process = subprocess.Popen(args, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=os.environ | self.env)

    def is_ready(self) -> bool:
        """Control socket and web answer, devices are let in; a process that has ended is an error."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"anxin ended with {self.process.returncode}: {self.log()[-2000:]}")
        ask(socket_path(self.data), "status", {})
        if not self.embedded and len(list((self.data / "run").glob("*.session.json"))) < 2:
            return False  # another broker lets devices in before anybody keeps what they send
        if self.embedded and "button-6" in self.tokens:
            Publisher(self.mqtt_port, "is-ready", "button-6", self.tokens["button-6"]).close()
        return httpx.get(f"{self.url}/m/login", timeout=5).status_code == 200

    def log(self) -> str:
        """What it said on its error stream, over all starts."""
        path = self.data.parent / "err.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def stop(self, number: int = signal.SIGTERM, within_s: float = 30.0) -> int:
        """Ask it to end; returns its exit code."""
        if self.process is None:
            raise RuntimeError("not running")
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def family(self) -> dict[int, str]:
        """All living processes that name this data folder on their command line: pid -> command line."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if f"{self.data}" in words:
                    found[int(path.parent.name)] = words.strip()
        return found

    def close(self) -> None:
        """End it and everything that it left behind (a watchdog outlives a killed gateway on purpose)."""
        for person in self.people:
            person.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
            self.kill()
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until("all its processes are gone", lambda: not self.family())

    # --- what is seen ----------------------------------------------------------------------------------------------

    def cli(self, *words: str, code: int | None = 0, lang: str = "en", data: Path | None = None) -> Any:
        """`anxin --json ...` as a script uses it; checks the exit code and returns the document."""
        done = self.shell("--json", "--lang", lang, *words, data=data)
        if code is not None and done.returncode != code:
            raise AssertionError(f"anxin {' '.join(words)}: exit code {done.returncode}, not {code}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout or done.stderr)

    def shell(self, *words: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`anxin ...` as a person uses it."""
        return subprocess.run(
            [ANXIN, "--data", str(data or self.data), *words], capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip

    def ask(self, command: str, **args: Any) -> Any:
        """The control socket, without the price of a process."""
        return ask(socket_path(self.data), command, args | {"lang": "en"})

    def faults(self) -> set[str]:
        """Codes of what is wrong now."""
        return {fault["code"] for fault in self.ask("status")["faults"]}

    def person(self, login: str) -> Person:
        """Signed in."""
        self.people.append(Person(self, login))
        return self.people[-1]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of store.sqlite, read beside the running process."""
        conn = apsw.Connection(str(self.data / "store.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            conn.set_busy_timeout(5000)
            return list(conn.execute(sql, values))
        finally:
            conn.close()

    def frames(self) -> Iterator[tuple[str, str | None, int | None]]:
        """(device, boot id, sequence) of every frame in the journal, from the files."""
        reader = JournalReader(self.data / "journal")
        offset = reader.extent()[0]
        while blocks := reader.blocks(offset, 500):
            for block in blocks:
                if block.readings is not None:
                    yield from ((frame.device, frame.boot_id, frame.seq) for frame in block.readings.frames)
            offset = blocks[-1].last + 1


class Person:
    """Somebody with a browser."""

    def __init__(self, gateway: Gateway, login: str) -> None:
        self.client = httpx.Client(base_url=gateway.url, headers={"Origin": gateway.url}, timeout=10)
        self._credentials = {"user": login, "password": gateway.passwords[login]}
        self.sign_in()

    def sign_in(self) -> None:
        self.client.post(f"{API}/session", json=self._credentials).raise_for_status()

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"{API}{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    def act(self, alert_id: str, action: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"{API}/alerts/{alert_id}/{action}", json=body)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()["alert"]
        return document

    def alerts(self, **wanted: Any) -> list[dict[str, Any]]:
        """Alerts of all states whose members are as wanted, newest first."""
        found = self.get("/alerts", state="all")["alerts"]
        return [alert for alert in found if all(alert.get(key) == value for key, value in wanted.items())]

    def close(self) -> None:
        self.client.close()
