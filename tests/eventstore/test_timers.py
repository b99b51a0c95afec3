import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.command import Refused
from eventstore import timers
from eventstore.clock import DirectedClock, direct
from eventstore.errors import LogUnavailable, VersionConflict
from eventstore.executor import Plan
from eventstore.model import Call, Committed, Metadata
from eventstore.timers import DueCommand, Timer
from tests.support.waiting import eventually

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass
class Deadlines:
    """A list of deadlines and an executor that records or refuses, so that the timer alone is seen. The real ones are
    in tests/servicekit/test_process.py."""

    due_at: dict[str, datetime]
    answers: dict[str, Exception | bool] = field(default_factory=dict)
    """Key → what to raise, or whether the answer is a replayed one."""
    calls: list[str] = field(default_factory=list)
    asked: list[tuple[datetime, int]] = field(default_factory=list)
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    async def due(self, now: datetime, limit: int) -> Sequence[DueCommand]:
        self.asked.append((now, limit))
        return [DueCommand(key, self.build) for key, at in self.due_at.items() if at <= now][:limit]

    async def build(self) -> Plan:
        return Plan([])

    async def execute(self, build: object, metadata: Metadata, call: Call | None = None) -> Committed:
        assert call is not None
        assert (metadata.actor, call.scope) == ("system", "timer")
        self.calls.append(call.key)
        answer = self.answers.get(call.key, False)
        if isinstance(answer, Exception):
            raise answer
        if not answer:
            del self.due_at[call.key]
        return Committed(1, 1, (), replayed=answer)

    def timer(self, clock: DirectedClock, limit: int = 10) -> Timer:
        return Timer(self, clock, self.due, lambda key, outcome: self.outcomes.append((key, outcome)), limit)


@pytest.fixture
def clock_file(tmp_path: Path) -> Path:
    direct(tmp_path / "clock", START, speed=0)
    return tmp_path / "clock"


async def test_what_is_due_in_business_time_is_fired_once(clock_file: Path) -> None:
    deadlines = Deadlines({"offer:1": START, "offer:2": START + timedelta(hours=1)})
    timer = deadlines.timer(DirectedClock(clock_file))
    assert await timer.fire_due() == 1
    assert await timer.fire_due() == 0
    assert deadlines.calls == ["offer:1"]
    direct(clock_file, START + timedelta(hours=1), speed=0)
    assert await eventually(timer.fire_due) == 1
    assert deadlines.calls == ["offer:1", "offer:2"]
    assert deadlines.outcomes == [("offer:1", "fired"), ("offer:2", "fired")]


async def test_a_refused_or_repeated_deadline_holds_nobody_up_and_is_asked_ever_more_rarely(clock_file: Path) -> None:
    deadlines = Deadlines(
        {"offer:1": START, "offer:2": START, "offer:3": START, "offer:4": START},
        {"offer:1": Refused("already_accepted"), "offer:2": True, "offer:3": VersionConflict("order-1", 1, 2)},
    )
    timer = deadlines.timer(DirectedClock(clock_file))
    assert await timer.fire_due() == 1
    assert [outcome for _, outcome in deadlines.outcomes] == [
        "refused:already_accepted",
        "repeated",
        "refused:busy",
        "fired",
    ]
    assert await timer.fire_due() == 0
    assert deadlines.calls == ["offer:1", "offer:2", "offer:3", "offer:4"]


async def test_a_refused_deadline_is_tried_again(clock_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "_RETRY_SECONDS", (0.01,))
    deadlines = Deadlines({"offer:1": START}, {"offer:1": Refused("too_early")})
    timer = deadlines.timer(DirectedClock(clock_file))
    await timer.fire_due()
    deadlines.answers.clear()
    assert await eventually(timer.fire_due) == 1


async def test_a_log_that_is_away_ends_the_task_for_its_supervisor(clock_file: Path) -> None:
    deadlines = Deadlines({"offer:1": START}, {"offer:1": LogUnavailable("away")})
    with pytest.raises(LogUnavailable):
        await deadlines.timer(DirectedClock(clock_file)).run()


async def test_a_full_page_is_followed_by_the_next_at_once(clock_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "INTERVAL_SECONDS", 3_600)
    deadlines = Deadlines({f"offer:{number}": START for number in range(7)})
    running = asyncio.create_task(deadlines.timer(DirectedClock(clock_file), limit=2).run())
    try:
        await eventually(lambda: len(deadlines.calls) == 7)
    finally:
        running.cancel()
    assert {limit for _, limit in deadlines.asked} == {2}
