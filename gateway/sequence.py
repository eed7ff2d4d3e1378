"""One device's run of sequence numbers since it booted: high-water mark and gaps, so that "missing" is a fact and not a guess."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum

MAX_GAPS = 2048  # intervals kept per run; older ones are given up: what then comes from there cannot be told apart
RECENT = 64  # digests kept per run, to tell a repetition from a number that was used twice
OFFSET_DRIFT = 0.0005  # how fast a known clock offset may grow again: a quartz is ten times better


class Standing(Enum):
    """What a sequence number is to a run."""

    NEW = "new"
    KNOWN = "known"  # the same message again
    REUSED = "reused"  # the number was given to another message just before: the device counts wrongly
    RESTARTED = "restarted"  # the device counts from the beginning again under the same boot id
    TOO_OLD = "too_old"  # below the gaps that are still kept: nobody can tell


@dataclass(slots=True)
class Run:
    """Numbers received of (device, boot): everything from `floor` to `high` except `gaps` (inclusive intervals, ascending).

    `first` is where counting for losses begins: 0 for a boot that happened under our eyes, else the first number that we saw.
    """

    device: str
    boot_id: str
    first: int = 0
    floor: int = 0
    high: int = -1
    gaps: list[tuple[int, int]] = field(default_factory=list)
    given_up: int = 0  # numbers missing below `floor`
    skipped: int = 0  # the same below `first`, and so no loss
    lost_before: int = 0  # missing in earlier epochs
    epoch: int = 0  # how often the device started to count again under the same boot id
    duplicates: int = 0
    first_ns: int = 0
    last_ns: int = 0
    t_device_ns: int | None = None  # the latest device time seen
    offset_ns: int | None = None  # received minus device time, the smallest seen of late: what is above is delay
    offset_at_ns: int = 0
    recent: dict[int, int] = field(default_factory=dict)  # seq -> digest, oldest first

    def standing(self, seq: int, digest: int, t_device_ns: int | None) -> Standing:
        """What this number would be, without taking it."""
        seen = self.recent.get(seq)
        if seen == digest:
            return Standing.KNOWN
        if seq > self.high or self._gap_at(seq) is not None:
            return Standing.NEW
        if seen is not None:
            return Standing.REUSED
        if t_device_ns is not None and self.t_device_ns is not None and t_device_ns > self.t_device_ns:
            return Standing.RESTARTED  # a repetition carries a device time that was seen before
        return Standing.TOO_OLD if seq < self.floor else Standing.KNOWN

    def take(self, seq: int, digest: int, t_received_ns: int, t_device_ns: int | None) -> None:
        """The message with this number is durable; taking it again changes nothing."""
        if seq > self.high:
            if seq > self.high + 1:
                self.gaps.append((self.high + 1, seq - 1))
                self._forget_oldest()
            self.high = seq
        else:
            self._fill(seq)
        self.recent[seq] = digest
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]
        self.first_ns = min(self.first_ns or t_received_ns, t_received_ns)
        self.last_ns = max(self.last_ns, t_received_ns)
        if t_device_ns is not None:
            self._learn_offset(t_received_ns, t_device_ns)

    def restart(self) -> None:
        """The device counts from the beginning again without saying so; what was missing until now stays missing."""
        self.lost_before = self.missing
        self.epoch += 1
        self.first = self.floor = self.given_up = self.skipped = 0
        self.high = -1
        self.gaps.clear()

    @property
    def trusted(self) -> bool:
        """Whether losses can be computed from the numbers."""
        return self.epoch == 0

    @property
    def missing(self) -> int:
        """Numbers never received, from `first` on."""
        kept = sum(high - max(low, self.first) + 1 for low, high in self.gaps if high >= self.first)
        return self.lost_before + self.given_up + kept

    @property
    def received(self) -> int:
        """Different numbers received in this epoch."""
        return self.high + 1 - self.given_up - self.skipped - sum(high - low + 1 for low, high in self.gaps)

    def _gap_at(self, seq: int) -> int | None:
        index = bisect_right(self.gaps, seq, key=lambda gap: gap[0]) - 1
        return index if index >= 0 and self.gaps[index][1] >= seq else None

    def _fill(self, seq: int) -> None:
        index = self._gap_at(seq)
        if index is None:
            return
        low, high = self.gaps[index]
        self.gaps[index : index + 1] = [part for part in ((low, seq - 1), (seq + 1, high)) if part[0] <= part[1]]
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        if len(self.gaps) <= MAX_GAPS:
            return
        low, high = self.gaps.pop(0)
        counted = max(0, high - max(low, self.first) + 1)
        self.given_up += counted
        self.skipped += high - low + 1 - counted
        self.floor = high + 1

    def _learn_offset(self, t_received_ns: int, t_device_ns: int) -> None:
        if self.t_device_ns is None or t_device_ns > self.t_device_ns:
            self.t_device_ns = t_device_ns
        own_ns = t_received_ns - t_device_ns
        if self.offset_ns is not None:
            known_ns = self.offset_ns + int(max(0, t_received_ns - self.offset_at_ns) * OFFSET_DRIFT)
            own_ns = min(own_ns, known_ns)
        self.offset_ns, self.offset_at_ns = own_ns, t_received_ns
