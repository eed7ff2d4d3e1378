"""A process of its own that watches the alarm loop's progress and speaks through channels of its own when it stops, and when it is back.

    python -m gateway.watchdog --progress FILE --limit-s 20 --channel webhook=URL --channel apprise=URL

It needs nothing of the main process but the file: it speaks when that process is stopped, dead, or alive without getting on, and when
the disk is nearly full. As long as there is progress it asks the heartbeat address, so that its own silence alarms somewhere else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.notify.base import ChannelError, Notifier, Outcome, Page, Verdict, make, render
from gateway.vocabulary import Priority

STOPPED, BACK = "gateway.stopped", "gateway.back"
DISK_LOW, DISK_BACK = "gateway.disk_low", "gateway.disk_back"
FIRST_RETRY_S = 1.0
RETRY_CAP_S = 30.0


@dataclass(slots=True)
class Watch:
    """Says when the count stopped changing for `limit_ns`, and when it changes again; each once."""

    limit_ns: int
    changed_ns: int  # monotonic
    count: str | None = None
    stopped: bool = False

    def see(self, count: str | None, mono_ns: int) -> str | None:
        """Take a look at the file's content (None = no file)."""
        if count is not None and count != self.count:
            first = self.count is None
            self.count, self.changed_ns = count, mono_ns
            # What the file holds at the first look is no progress yet.
            if self.stopped and not first:
                self.stopped = False
                return BACK
            return None
        if not self.stopped and mono_ns - self.changed_ns >= self.limit_ns:
            self.stopped = True
            return STOPPED
        return None


@dataclass(slots=True)
class Disk:
    """Says when the data folder's disk is nearly full, and when there is twice that room again; each once."""

    low_bytes: int
    low: bool = False

    def see(self, free_bytes: int) -> str | None:
        """Take a look at the free room."""
        if not self.low and free_bytes < self.low_bytes:
            self.low = True
            return DISK_LOW
        if self.low and free_bytes >= 2 * self.low_bytes:
            self.low = False
            return DISK_BACK
        return None


@dataclass(slots=True)
class Heartbeat:
    """Asks an address from time to time; what watches there alarms when nobody asks any more."""

    url: str
    every_s: float
    timeout_s: float = 10.0
    due_ns: int = 0
    failed: bool = False

    async def beat(self, clock: Clock) -> None:
        """One GET if it is due; a failure is said once."""
        if clock.monotonic_ns() < self.due_ns:
            return
        self.due_ns = clock.monotonic_ns() + round(self.every_s * NS_PER_S)
        try:
            async with httpx.AsyncClient(timeout=self.timeout_s, follow_redirects=False, trust_env=False) as client:
                answer = await client.get(self.url)
                failed = answer.status_code >= 300
        except (httpx.HTTPError, httpx.InvalidURL):
            failed = True
        if failed and not self.failed:
            sys.stderr.write("watchdog: the heartbeat address does not answer\n")
        self.failed = failed


@dataclass(slots=True)
class Mouth:
    """One channel with the one message that it still has to deliver."""

    notifier: Notifier
    page: Page | None = None
    due_ns: int = 0
    tries: int = 0

    def say(self, page: Page, mono_ns: int) -> None:
        """The newest message takes the place of one not yet delivered."""
        self.page, self.due_ns, self.tries = page, mono_ns, 0

    async def speak(self, clock: Clock) -> None:
        """One attempt, if one is due; failures are tried again, ever more rarely, as long as the message is true."""
        page = self.page
        if page is None or clock.monotonic_ns() < self.due_ns:
            return
        outcome = await self._attempt(page, clock)
        if self.page is not page:
            return
        if outcome.verdict is Verdict.DELIVERED:
            self.page = None
            return
        delay_s = min(RETRY_CAP_S, FIRST_RETRY_S * 2.0 ** min(self.tries, 10))
        self.tries += 1
        self.due_ns = clock.monotonic_ns() + round(delay_s * NS_PER_S)

    async def _attempt(self, page: Page, clock: Clock) -> Outcome:
        sending = asyncio.ensure_future(self.notifier.notify(page))
        timer = asyncio.ensure_future(clock.sleep(self.notifier.settings.timeout_s))
        await asyncio.wait({sending, timer}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        if not sending.done():
            sending.cancel()
        await asyncio.gather(sending, timer, return_exceptions=True)
        if sending.cancelled() or sending.exception() is not None:
            return Outcome(verdict=Verdict.RETRY, reason="failed")
        return sending.result()


@dataclass(slots=True)
class Post:
    """This watchdog's entry beside the progress file: the newest process watches, and knows whether its forerunner had spoken."""

    path: Path
    pid: int = field(default_factory=os.getpid)

    def take(self) -> bool:
        """Take over; True if the forerunner had said "stopped" and not yet "back"."""
        try:
            stopped = self.path.read_text(encoding="ascii").endswith(" stopped")
        except FileNotFoundError:
            stopped = False
        self.write(stopped)
        return stopped

    def write(self, stopped: bool) -> None:
        """Show pid and state."""
        self.path.write_text(f"{self.pid} {'stopped' if stopped else 'ok'}", encoding="ascii")

    def relieved(self) -> bool:
        """Whether another watchdog has taken over."""
        try:
            return not self.path.read_text(encoding="ascii").startswith(f"{self.pid} ")
        except FileNotFoundError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What is watched: the progress file, for how long it may stand still, the room on its disk, and the heartbeat."""

    progress: Path
    limit_s: float
    disk_low_bytes: int = 0
    heartbeat: Heartbeat | None = None


class Guard:
    """The watchdog at work."""

    def __init__(self, duty: Duty, notifiers: Sequence[Notifier], clock: Clock, say: Callable[[str], None]) -> None:
        self._duty, self._clock, self._say = duty, clock, say
        self._post = Post(duty.progress.with_name(duty.progress.name + ".watchdog"))
        self._disk = Disk(duty.disk_low_bytes)
        # One message each for progress and disk: neither takes the other's place.
        self._mouths = {kind: [Mouth(notifier) for notifier in notifiers] for kind in ("progress", "disk")}
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._run, self._number = clock.now_ns(), 0

    async def watch(self) -> None:
        """Watch until another watchdog takes over."""
        duty, clock = self._duty, self._clock
        state = Watch(limit_ns=round(duty.limit_s * NS_PER_S), changed_ns=clock.monotonic_ns(), stopped=self._post.take())
        while not self._post.relieved():
            news = state.see(_read(duty.progress), clock.monotonic_ns())
            if news is not None:
                self._tell("progress", news)
                _note(self._post, state.stopped)
            if duty.disk_low_bytes and (news := self._disk.see(_free(duty.progress.parent))) is not None:
                self._tell("disk", news)
            for kind, mouths in self._mouths.items():
                for i, mouth in enumerate(mouths):
                    self._start((kind, i), mouth.speak(clock))
            if duty.heartbeat is not None and not state.stopped and state.count is not None:
                self._start(("heartbeat", 0), duty.heartbeat.beat(clock))
            await clock.sleep(min(1.0, duty.limit_s / 10))

    def _start(self, key: tuple[str, int], work: Coroutine[None, None, None]) -> None:
        """One at a time of each."""
        task = self._tasks.get(key)
        if task is None or task.done():
            self._tasks[key] = asyncio.create_task(work)
        else:
            work.close()

    def _tell(self, kind: str, news: str) -> None:
        self._number += 1
        now_ns = self._clock.now_ns()
        key = f"watchdog.{self._run}.{self._number}"
        page = Page(key=key, alert_id="", priority=Priority.HIGH, reason=news, why=news, raised_ns=now_ns)
        self._say(render(page, "zh")[0] + " / " + render(page, "en")[0])
        for mouth in self._mouths[kind]:
            mouth.say(page, self._clock.monotonic_ns())


def _free(folder: Path) -> int:
    """Bytes that are free on the folder's disk; a folder that is gone has none."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _note(post: Post, stopped: bool) -> None:
    try:
        post.write(stopped)
    except OSError as error:  # a full disk: what matters is to speak
        sys.stderr.write(f"watchdog: {post.path.name} not written: {error.strerror}\n")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def channels(pairs: Sequence[str], file: Path | None) -> list[Notifier]:
    """Channels of TYPE=URL pairs and of a JSON file {name: {"type": ..., settings}}, which keeps secrets out of the process list."""
    tables: dict[str, dict[str, object]] = {}
    for number, pair in enumerate(pairs):
        kind, separator, url = pair.partition("=")
        if not separator:
            raise ChannelError("--channel: TYPE=URL, such as webhook=https://...")
        tables[f"watchdog-{number}"] = {"type": kind, "url": url}
    if file is not None:
        tables.update(json.loads(file.read_text(encoding="utf-8")))
    return [make(name, table) for name, table in tables.items()]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until replaced or terminated; exit code 2 on a usage error."""
    parser = argparse.ArgumentParser(prog="anxin-watchdog", description="Speaks when the alarm loop stops.")
    parser.add_argument("--progress", type=Path, required=True)
    parser.add_argument("--limit-s", type=float, default=20.0)
    parser.add_argument("--channel", action="append", default=[], metavar="TYPE=URL")
    parser.add_argument("--channels-file", type=Path, default=None)
    parser.add_argument("--disk-low-mib", type=float, default=0.0, help="speak when less room than this is left beside the progress file")
    parser.add_argument("--heartbeat-file", type=Path, default=None, help="file with the address to ask while there is progress")
    parser.add_argument("--heartbeat-s", type=float, default=20.0)
    args = parser.parse_args(argv)
    if args.limit_s <= 0:
        parser.error("--limit-s: more than 0")
    try:
        notifiers = channels(args.channel, args.channels_file)
        url = "" if args.heartbeat_file is None else args.heartbeat_file.read_text(encoding="utf-8").strip()
    except (ChannelError, OSError, ValueError) as error:
        parser.error(str(error))
    duty = Duty(
        progress=args.progress,
        limit_s=args.limit_s,
        disk_low_bytes=round(args.disk_low_mib * 1024 * 1024),
        heartbeat=Heartbeat(url, args.heartbeat_s) if url else None,
    )
    asyncio.run(Guard(duty, notifiers, SystemClock(), _say).watch())
    return 0


if __name__ == "__main__":
    sys.exit(main())
