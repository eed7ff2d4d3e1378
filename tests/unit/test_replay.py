"""Recordings: what is read and refused, the same findings every time, killed or not, and the cost of each rule."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.collect.replay import BASE_DAY_NS, ReplayCollector, SourceError, load
from gateway.frames import Fate, Verdict
from gateway.replay import ReplayError, Report, main, run_replay
from tests.support import ROOT, need

HEAD = "device,resident,quantity,unit,t,value\n"


def recording(folder: Path, *, hours: int = 30, seed: int = 7) -> Path:
    """Three invented residents at one reading a minute and quantity, with a desaturation, a fever and a silence."""
    rng = random.Random(seed)
    rows = []
    start_ms = 1_700_000_000_000
    for at in range(hours * 60):
        for person in range(3):
            if person == 2 and 300 < at < 400:
                continue
            spo2 = 84 if person == 0 and 200 <= at < 215 else 96
            temp = 101.5 if person == 1 and 500 <= at < 700 else 98.2
            t_ms = start_ms + at * 60_000 + rng.randrange(20_000)
            for key, unit, value in (("hr", "bpm", 72 + rng.gauss(0, 3)), ("spo2", "%", spo2), ("temp", "degF", temp)):
                rows.append(f"w{person},r{person},{key},{unit},{t_ms},{value:.1f}")
    path = folder / "recording.csv"
    path.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("replay"), hours=14)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, bytes]:
    out = tmp_path_factory.mktemp("whole") / "findings.ndjson"
    report = run_replay(str(source), out=out)
    return report, out.read_bytes()


def test_the_report_names_each_rule_with_the_naive_one_beside_it(whole: tuple[Report, bytes]) -> None:
    report, found = whole
    costs = {row.rule: row for row in report.rules}
    assert report.residents == 3
    assert report.readings == 3 * 14 * 60 * 3 - 99 * 3
    assert report.resident_days == pytest.approx(3 * 14 / 24, abs=0.01)
    assert costs["limit.spo2.low"].alarms == costs["limit.spo2.low"].naive == 1
    assert costs["limit.temp.high"].alarms == 1
    assert costs["nodata.device"].alarms == 1
    assert costs["nodata.device"].naive is None
    assert costs["limit.spo2.low"].per_resident_day == pytest.approx(1 / 1.75, abs=0.01)
    lines = [json.loads(line) for line in found.splitlines()]
    assert len(lines) == report.findings
    assert {line["origin"] for line in lines} == {2}
    assert "limit.spo2.low" in report.text()
    assert json.loads(json.dumps(report.as_json()))["findings"] == report.findings


@pytest.mark.timeout(60)
def test_twice_is_byte_identical_and_any_split_is_the_same(source: Path, whole: tuple[Report, bytes], tmp_path: Path) -> None:
    for block_rows in (2_000, 2):
        out = tmp_path / f"{block_rows}.ndjson"
        report = run_replay(str(source), out=out, block_rows=block_rows)
        assert out.read_bytes() == whole[1]
        assert report.findings_sha256 == whole[0].findings_sha256


class Stop(Exception):
    """Ends a replay in its middle."""


def test_stopped_anywhere_and_resumed_is_the_same(source: Path, whole: tuple[Report, bytes], tmp_path: Path) -> None:
    out, state = tmp_path / "f.ndjson", tmp_path / "state"
    stops = iter([500, 2_500, 2_600, 6_000])

    for stop_at in stops:

        def progress(done: int, total: int, stop_at: int = stop_at) -> None:
            if done >= stop_at:
                raise Stop

        with pytest.raises(Stop):
            run_replay(str(source), out=out, state=state, save_readings=400, progress=progress)
        assert state.exists()
    report = run_replay(str(source), out=out, state=state, save_readings=400)
    assert report.resumed
    assert out.read_bytes() == whole[1]
    assert report.findings_sha256 == whole[0].findings_sha256
    assert report.rules == whole[0].rules
    assert not state.exists()


def test_a_state_of_something_else_is_refused(source: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_bytes(b"nonsense")
    with pytest.raises(ReplayError, match="delete it"):
        run_replay(str(source), state=state)


@pytest.mark.crash
@pytest.mark.timeout(60)
def test_a_killed_process_goes_on_where_its_state_says(source: Path, whole: tuple[Report, bytes], tmp_path: Path) -> None:
    out, state = tmp_path / "f.ndjson", tmp_path / "state"
    command = [
        sys.executable,
        "-m",
        "gateway.replay",
        str(source),
        "--out",
        str(out),
        "--state",
        str(state),
        "--save-readings",
        "300",
        "--json",
    ]
    for kill in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        before = state.stat().st_mtime_ns if state.exists() else None
        try:
            while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
                time.sleep(0.005)
            time.sleep(0.05 * kill)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL, "the replay ended before it could be killed"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, env=os.environ)
    report = json.loads(done.stdout)
    assert report["resumed"]
    assert out.read_bytes() == whole[1]
    assert report["findings_sha256"] == whole[0].findings_sha256


# --- what a recording must be ----------------------------------------------------------------------------------------------


def test_unusable_rows_are_counted_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text(
        HEAD
        + "w,r,hr,bpm,1700000000000,72\n"
        + "w,r,hr,bpm,2023-11-14T22:14:20+00:00,73\n"
        + "w,r,hr,bpm,1700000000000,74\n"  # second value at the same time
        + "w,r,hr,furlong,1700000060000,72\n"
        + "w,r,hr,,1700000060000,72\n"
        + "w,r,hr,bpm,1700000060000,7200\n"
        + "w,r,hr,bpm,1700000060000,nan\n"
        + "w,r,hr,bpm,yesterday,72\n"
        + "w,r,hr,bpm,2023-11-14T22:14:20,72\n"  # no offset
        + "w,r,hr,bpm,99999999999999999999,72\n"
        + "w,r,mood,1,1700000060000,1\n"
        + "w,,hr,bpm,1700000060000,72\n"
        + "w,r,hr\n",
        encoding="utf-8",
    )
    loaded = load(str(path), tmp_path)
    assert len(loaded) == 2
    assert sum(loaded.skipped.values()) == 11
    assert loaded.skipped["time"] == 3
    assert loaded.skipped["hr: out of range"] == 1
    assert loaded.skipped["unknown quantity 'mood'"] == 1
    assert BASE_DAY_NS <= loaded.t_ns[0] < BASE_DAY_NS + 86_400 * 10**9
    assert loaded.t_ns[0] // 10**9 % 86_400 == 1_700_000_000 % 86_400  # the hour of the day stays


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "header"),
        ("", "header"),
        (HEAD, "no usable value"),
        (HEAD + 'w,r,"hr', "not readable"),
        (HEAD + "w,r,hr,x,1,1\n", "no usable"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=words):
        load(str(path), tmp_path)


def test_a_device_of_two_residents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text(HEAD + "w,a,hr,bpm,1700000000000,72\nw,b,hr,bpm,1700000001000,72\n", encoding="utf-8")
    with pytest.raises(SourceError, match="two residents"):
        load(str(path), tmp_path)


def test_an_unknown_source_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANXIN_DATA", str(tmp_path))
    assert main(["nonsense"]) == 2
    assert "mimic3_demo" in capsys.readouterr().err
    assert main(["mimic3_demo"]) == 2
    assert "ANXIN_DATA" in capsys.readouterr().err


async def test_the_collector_offers_refused_frames_again(source: Path, tmp_path: Path) -> None:
    loaded = load(str(source), tmp_path)
    collector = ReplayCollector(loaded, SystemClock())
    seen: list[int] = []
    refuse = True
    async for frames, ack in collector.batches():
        bodies = [json.loads(frame.payload) for frame in frames]
        assert all(frame.topic == f"anxin/up/{body['device']}" for frame, body in zip(frames, bodies, strict=True))
        verdicts = [Verdict(fate=Fate.REFUSED if refuse and body["seq"] == 3 else Fate.STORED) for body in bodies]
        refuse = False
        seen += [body["seq"] for body, verdict in zip(bodies, verdicts, strict=True) if verdict.fate is Fate.STORED]
        await ack(verdicts)
        await asyncio.sleep(0)
        if len(seen) >= 1_000:
            break
    assert sorted(seen) == list(range(1_000))


# --- real recorded vitals --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(90)
def test_real_vitals_twice_in_any_split(tmp_path: Path) -> None:
    data_dir = need("mimic3_demo").parent
    first, second = tmp_path / "1.ndjson", tmp_path / "2.ndjson"
    report = run_replay("mimic3_demo", out=first, data_dir=data_dir, max_residents=12)
    again = run_replay("mimic3_demo", out=second, data_dir=data_dir, max_residents=12, block_rows=5)
    assert first.read_bytes() == second.read_bytes()
    assert report.findings_sha256 == again.findings_sha256
    assert report.residents == 12
    costs = {row.rule: row for row in report.rules}
    assert costs["news2.high"].naive is not None
    assert costs["news2.high"].alarms < 0.5 * costs["news2.high"].naive
    assert costs["limit.sbp.low"].naive is not None
    assert costs["limit.sbp.low"].alarms < costs["limit.sbp.low"].naive
    assert report.skipped["marked as an error by the source"] == 38
