"""The watchdog as a real process beside a process that makes progress, stands still, or is dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.alerts.progress import Progress
from gateway.watchdog import BACK, DISK_BACK, DISK_LOW, STOPPED, Disk, Watch, channels

MAIN = """
import sys, time
from pathlib import Path
from gateway.alerts.progress import Progress
progress = Progress(Path(sys.argv[1]))
for count in range(1, 10**9):
    progress.beat(count)
    time.sleep(0.05)
"""


class Receiver:
    """Collects the bodies of posts; answers 500 the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.bodies: list[dict[str, str]] = []
        self.keys: list[str] = []
        self.failures = failures
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.keys.append(self.headers["Idempotency-Key"])
                receiver.failures -= 1
                failing = receiver.failures >= 0
                if not failing:
                    receiver.bodies.append(body)
                self.send_response(500 if failing else 204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def reasons(self) -> list[str]:
        return [body["reason"] for body in self.bodies]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def wait_for(what: object, seconds: float) -> float:
    """Seconds until the callable says True."""
    start = time.monotonic()
    while not what():  # type: ignore[operator]
        if time.monotonic() - start > seconds:
            raise TimeoutError
        time.sleep(0.02)
    return time.monotonic() - start


def start(module_or_code: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *module_or_code], stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    process.kill()
    return process.communicate()[0]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("fate", ["stopped", "killed"])
def test_watchdog_speaks_within_its_limit_and_once_when_it_is_back(tmp_path: Path, receiver: Receiver, fate: str) -> None:
    progress = tmp_path / "progress"
    main = start(["-c", MAIN, str(progress)])
    dog = start(["-m", "gateway.watchdog", "--progress", str(progress), "--limit-s", "1", "--channel", f"webhook={receiver.url}"])
    try:
        wait_for(lambda: progress.with_name("progress.watchdog").exists(), 10)
        time.sleep(1.2)
        assert receiver.bodies == [], "silent while there is progress"
        os.kill(main.pid, signal.SIGSTOP if fate == "stopped" else signal.SIGKILL)
        assert wait_for(lambda: receiver.reasons() == [STOPPED], 5) < 3
        time.sleep(1.2)
        assert receiver.reasons() == [STOPPED], "once"
        if fate == "stopped":
            os.kill(main.pid, signal.SIGCONT)
        else:
            end(main)
            main = start(["-c", MAIN, str(progress)])
        wait_for(lambda: receiver.reasons() == [STOPPED, BACK], 10)
    finally:
        end(main)
        said = end(dog)
    assert len(said.splitlines()) == 2
    assert "the alarm system has stopped" in said


@pytest.mark.timeout(30)
def test_watchdog_tries_again_with_the_same_key_and_its_successor_knows(tmp_path: Path) -> None:
    receiver = Receiver(failures=1)
    progress = tmp_path / "progress"
    args = ["-m", "gateway.watchdog", "--progress", str(progress), "--limit-s", "0.5", "--channel", f"webhook={receiver.url}"]
    first = start(args)
    try:
        wait_for(lambda: receiver.reasons() == [STOPPED], 10)
        assert len(set(receiver.keys)) == 1
        second = start(args)
        try:
            assert first.wait(10) == 0, "relieved by its successor"
            counter = Progress(progress)
            counter.beat(1)
            time.sleep(0.3)
            counter.beat(2)
            wait_for(lambda: receiver.reasons() == [STOPPED, BACK], 10)
            counter.close()
        finally:
            end(second)
    finally:
        end(first)
        receiver.close()


@pytest.mark.timeout(30)
def test_a_disk_that_is_nearly_full_is_said_while_the_loop_gets_on(tmp_path: Path, receiver: Receiver) -> None:
    progress = tmp_path / "progress"
    main = start(["-c", MAIN, str(progress)])
    args = ["-m", "gateway.watchdog", "--progress", str(progress), "--limit-s", "1", "--channel", f"webhook={receiver.url}"]
    dog = start([*args, "--disk-low-mib", "1e12"])
    try:
        wait_for(lambda: receiver.reasons() == [DISK_LOW], 10)
        time.sleep(0.5)
        assert receiver.reasons() == [DISK_LOW], "once"
    finally:
        end(main)
        end(dog)


def test_disk_speaks_once_each_way_with_room_between() -> None:
    disk = Disk(low_bytes=100)
    assert [disk.see(free) for free in (1000, 100, 99, 50, 0, 150, 199, 200, 150, 99)] == [
        None, None, DISK_LOW, None, None, None, None, DISK_BACK, None, DISK_LOW,
    ]  # fmt: skip


@pytest.mark.timeout(30)
def test_the_heartbeat_stops_with_the_progress(tmp_path: Path) -> None:
    """What watches on the other side alarms because nobody asks any more."""
    asked: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(time.monotonic())
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    (tmp_path / "url").write_text(f"http://127.0.0.1:{server.server_port}/ping/secret\n")
    progress = tmp_path / "progress"
    main = start(["-c", MAIN, str(progress)])
    args = ["--progress", str(progress), "--limit-s", "1", "--heartbeat-file", str(tmp_path / "url"), "--heartbeat-s", "0.3"]
    dog = start(["-m", "gateway.watchdog", *args])
    try:
        wait_for(lambda: len(asked) >= 3, 10)
        main.kill()
        time.sleep(1.5)
        count = len(asked)
        time.sleep(0.7)
        assert len(asked) == count
    finally:
        end(main)
        assert "secret" not in end(dog)
        server.shutdown()
        thread.join()
        server.server_close()


def test_watch_compares_change_by_its_own_clock() -> None:
    watch = Watch(limit_ns=10, changed_ns=0)
    assert [watch.see(count, t) for count, t in [("1", 1), ("1", 10), ("1", 11), ("1", 50), ("2", 51), ("2", 60), ("2", 61)]] == [
        None,
        None,
        STOPPED,
        None,
        BACK,
        None,
        STOPPED,
    ]


def test_watch_speaks_when_the_file_never_appears() -> None:
    watch = Watch(limit_ns=10, changed_ns=0)
    assert watch.see(None, 9) is None
    assert watch.see(None, 10) == STOPPED


def test_channels_from_a_file_and_clear_errors(tmp_path: Path) -> None:
    file = tmp_path / "channels.json"
    file.write_text(json.dumps({"own": {"type": "webhook", "url": "http://127.0.0.1:9/secret-token"}}))
    assert [one.name for one in channels(["webhook=http://127.0.0.1:9/"], file)] == ["watchdog-0", "own"]
    with pytest.raises(ValueError, match="TYPE=URL"):
        channels(["nonsense"], None)
    with pytest.raises(ValueError, match="one of apprise, "):
        channels(["pigeon=x"], None)
