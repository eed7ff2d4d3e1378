"""A process of its own that watches the alarm loop's progress and speaks through channels of its own when it stops, and when it is back.

    python -m gateway.watchdog --progress FILE --limit-s 20 --channel webhook=URL --channel apprise=URL

It needs nothing of the main process but the file: it speaks when that process is stopped, dead, or alive without getting on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.clock import NS_PER_S, Clock, SystemClock
from gateway.notify.base import ChannelError, Notifier, Outcome, Page, Verdict, make, render
from gateway.vocabulary import Priority

STOPPED, BACK = "gateway.stopped", "gateway.back"
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


async def watch(progress: Path, limit_s: float, notifiers: Sequence[Notifier], clock: Clock, say: Callable[[str], None]) -> None:
    """Watch until another watchdog takes over."""
    post = Post(progress.with_name(progress.name + ".watchdog"))
    state = Watch(limit_ns=round(limit_s * NS_PER_S), changed_ns=clock.monotonic_ns(), stopped=post.take())
    mouths = [Mouth(notifier) for notifier in notifiers]
    speaking: list[asyncio.Task[None] | None] = [None] * len(mouths)
    run, number = clock.now_ns(), 0
    while not post.relieved():
        news = state.see(_read(progress), clock.monotonic_ns())
        if news is not None:
            number += 1
            page = Page(
                key=f"watchdog.{run}.{number}", alert_id="", priority=Priority.HIGH, reason=news, why=news, raised_ns=clock.now_ns()
            )
            say(render(page, "zh")[0] + " / " + render(page, "en")[0])
            _note(post, state.stopped)
            for mouth in mouths:
                mouth.say(page, clock.monotonic_ns())
        for i, mouth in enumerate(mouths):
            task = speaking[i]
            if task is None or task.done():
                speaking[i] = asyncio.create_task(mouth.speak(clock))
        await clock.sleep(min(1.0, limit_s / 10))


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
    args = parser.parse_args(argv)
    if args.limit_s <= 0:
        parser.error("--limit-s: more than 0")
    try:
        notifiers = channels(args.channel, args.channels_file)
    except (ChannelError, OSError, ValueError) as error:
        parser.error(str(error))
    asyncio.run(watch(args.progress, args.limit_s, notifiers, SystemClock(), _say))
    return 0


if __name__ == "__main__":
    sys.exit(main())
