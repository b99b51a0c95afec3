import asyncio
from collections.abc import AsyncIterator

import pytest

from eventstore.checkpoint import Checkpoint, ForkRefused
from eventstore.errors import ReadModelMismatch, StreamDiverged
from servicekit import supervisor as module
from servicekit.metrics import Metrics
from servicekit.status import Status
from servicekit.supervisor import Supervisor
from tests.support.waiting import eventually


class Kept:
    """A supervisor with what it reports to."""

    def __init__(self) -> None:
        self.status = Status()
        self.metrics = Metrics("sample")
        self.supervisor = Supervisor(self.status, self.metrics)

    def failures(self, task: str) -> float:
        return self.metrics.registry.get_sample_value("task_failures_total", {"task": task}) or 0.0

    def up(self, task: str) -> float | None:
        return self.metrics.registry.get_sample_value("task_up", {"task": task})


@pytest.fixture
async def kept(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    monkeypatch.setattr(module, "PAUSE_SECONDS", (0.01,))
    monkeypatch.setattr(module, "WELL_SECONDS", 0.05)
    kept = Kept()
    yield kept
    await kept.supervisor.stop(5)


async def test_a_task_that_dies_is_counted_and_started_again_until_it_is_well(kept: Kept) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ConnectionError("a sentence with somebody's name")
        await asyncio.Event().wait()

    kept.supervisor.start("relay", run)
    await eventually(lambda: runs == 3)
    assert kept.failures("relay") == 2
    assert kept.up("relay") == 1
    await eventually(lambda: "relay" not in kept.status.degraded)
    assert not kept.status.not_ready


async def test_what_ails_a_task_is_told_without_its_message(kept: Kept) -> None:
    async def run() -> None:
        raise ConnectionError("a sentence with somebody's name")

    kept.supervisor.start("sender", run)
    await eventually(lambda: kept.status.degraded)
    assert kept.status.degraded["sender"] == "died (ConnectionError), started again"


@pytest.mark.parametrize(
    "error",
    [
        StreamDiverged("position 7 differs"),
        ForkRefused(Checkpoint("a/b", 2, bytes(32)), Checkpoint("a/b", 1, bytes(32)), "it is shorter"),
    ],
    ids=["diverged", "fork"],
)
async def test_a_role_that_must_not_go_on_stops_for_good(kept: Kept, error: Exception) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        raise error

    kept.supervisor.start("relay", run)
    await eventually(lambda: not kept.supervisor.runs("relay"))
    assert runs == 1
    assert kept.status.stopped == {"relay"}
    assert str(error) in kept.status.degraded["relay"]
    assert not kept.status.not_ready


async def test_read_models_of_another_version_end_readiness(kept: Kept) -> None:
    async def run() -> None:
        raise ReadModelMismatch("version 3, the code has 4")

    kept.supervisor.start("consumer:orders", run)
    await eventually(lambda: kept.status.not_ready)
    assert kept.status.not_ready == {"read_models": "version 3, the code has 4"}


async def test_stopping_cancels_every_task(kept: Kept) -> None:
    ended: list[str] = []

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    kept.supervisor.start("one", run)
    kept.supervisor.start("two", run)
    await asyncio.sleep(0)
    await kept.supervisor.stop(5)
    assert ended == ["ended", "ended"]
