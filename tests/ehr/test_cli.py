"""`anxin ehr status|send|deadletter` on a record in which one entry was refused: both languages, JSON, sent again after the repair."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from tests.ehr.proxy import proxied
from tests.ehr.rig import on_server, rig, two_hundred_vitals
from tests.ehr.support import server
from tests.ehr.test_gateway import opened

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server() as (base, _process):
        yield base


def said(data: Path, *words: str) -> str:
    """What the command prints; it ends well."""
    done = CliRunner().invoke(app, ["--data", str(data), *words], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


async def test_a_refused_entry_is_shown_and_goes_again(url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    await opened(data)
    with proxied(url) as (base, proxy):
        async with rig(data, base) as one:
            await one.put(two_hundred_vitals(count=4))
            proxy.plan = ["ok", "part:422"]
            assert await one.drain() == {"done": 3, "dead": 1}

        def look(lang: str, *words: str) -> str:
            return said(data, "--lang", lang, "ehr", *words)

        def data_of(*words: str) -> Any:
            return json.loads(said(data, "--json", "ehr", *words))

        counts = (await asyncio.to_thread(data_of, "status"))["targets"]["emr"]
        assert (counts["done"], counts["dead"]) == (3, 1)
        for lang, names in (("zh", ("去向", "完成", "拒收")), ("en", ("target", "done", "refused"))):
            printed = await asyncio.to_thread(look, lang, "status")
            assert all(name in printed for name in (*names, "emr", "3", "1")), printed
        [letter] = await asyncio.to_thread(data_of, "deadletter")
        assert (letter["target"], letter["state"], letter["kind"]) == ("emr", "dead", "reading")
        assert letter["outcome"]["resourceType"] == "OperationOutcome"
        for lang, names in (("zh", ("编号", "原因", "对方说明")), ("en", ("item", "reason", "their answer"))):
            printed = await asyncio.to_thread(look, lang, "deadletter")
            assert all(name in printed for name in (*names, "emr", letter["device"])), printed

        assert await asyncio.to_thread(data_of, "send") == {"again": 0}  # refused is not held
        assert "重新发送 1 条" in await asyncio.to_thread(look, "zh", "send", "--item", str(letter["item"]))
        assert "0 go again" in await asyncio.to_thread(look, "en", "send", "--dead")
        async with rig(data, base) as one:  # the server takes it now
            assert await one.drain() == {"done": 4}
        assert await asyncio.to_thread(data_of, "deadletter") == []
        assert "没有" in await asyncio.to_thread(look, "zh", "deadletter")
        assert "None." in await asyncio.to_thread(look, "en", "deadletter")
    assert len(on_server(url, "Observation")) == 4
