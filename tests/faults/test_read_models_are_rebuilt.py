"""Read models folded from nothing equal the live ones, row by row: while people go on, and after the whole demo."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.commands.proof import replay_all
from cli.place import SERVICES
from eventstore.replay.comparing import tables_of
from servicekit.migrate import definition_of
from tests.faults.nemesis import while_living
from tests.support.servers import temporary_directory

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SELDOM = {
    "orders": set(),
    "volunteers": {"ledger_hours_refusals"},
    "ledger": {"refusals"},
    "notify": {"webhooks"},
}
"""Tables that the demo leaves empty: no entry is refused there, so nobody hears of one; nothing is sent outside."""


async def test_read_models_are_compared_and_exchanged_while_people_go_on(scene):
    before = await scene.sizes()
    positions: dict[str, int] = {}

    async def nemesis() -> None:
        for swap in (False, True, False):
            for report in await replay_all(scene.place, SERVICES, lambda *_: None, swap=swap):
                assert report.ok, report
                assert report.compared or report.swapped
                assert not [table for table in report.tables if table.equal is False], report.tables
                positions[report.service] = report.position

    await while_living(scene, nemesis)
    after = await scene.sizes()
    # They did go on meanwhile: what was compared last was neither the beginning nor the end.
    went_on = [service for service in SERVICES if before[service] < positions[service] < after[service]]
    assert went_on, (before, positions, after)


@pytest.fixture
def demo():
    """The whole small demo, lived and stopped; its last words."""
    with temporary_directory() as directory:
        words = ["demo", "--once", "--data", str(directory / "demo"), "--json"]
        done = subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3_000:]
        yield directory / "demo", json.loads(done.stdout)


def _cli(data: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "cli", *words, "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr[-3_000:]}"
    return json.loads(done.stdout)


async def test_after_the_whole_demo_every_table_is_rebuilt_the_same(demo):
    data, said = demo
    assert said["verified"]
    replayed = await asyncio.to_thread(_cli, data, "replay")
    assert replayed["ok"]
    for service, report in replayed["services"].items():
        assert report["compared"], report
        rows = {table["name"]: (table["rows"], table["live_rows"], table["equal"]) for table in report["tables"]}
        assert set(rows) == {table.name for _, table in tables_of(definition_of(service).read_models)}
        assert all(equal and there == live for there, live, equal in rows.values()), rows
        empty = {name for name, (there, _, _) in rows.items() if not there}
        assert empty <= SELDOM[service], f"{service} proves nothing about {empty - SELDOM[service]}"
    assert (await asyncio.to_thread(_cli, data, "verify"))["ok"]
