import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eventstore.clock import ClockUnreadable, DirectedClock, RealClock, direct, open_clock
from tests.support.waiting import eventually

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_the_real_clock_is_aware_and_never_goes_back() -> None:
    clock = open_clock(None)
    assert isinstance(clock, RealClock)
    first, second = clock.now(), clock.now()
    assert first.tzinfo is UTC
    assert second >= first


def test_a_clock_that_stands_still_says_the_moment_it_was_given(tmp_path: Path) -> None:
    direct(tmp_path / "clock", START, speed=0)
    clock = DirectedClock(tmp_path / "clock")
    assert clock.now() == clock.now() == START


async def test_a_fast_clock_runs_ahead_of_real_time(tmp_path: Path) -> None:
    direct(tmp_path / "clock", START, speed=86_400)
    clock = DirectedClock(tmp_path / "clock")
    assert await eventually(lambda: clock.now() >= START + timedelta(hours=6))


async def test_a_new_direction_is_followed_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    direct(path, START, speed=0)
    clock = DirectedClock(path)
    assert clock.now() == START
    direct(path, START + timedelta(days=3), speed=0)
    assert await eventually(lambda: clock.now() == START + timedelta(days=3))


async def test_business_time_never_goes_back_within_a_process(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    direct(path, START, speed=0)
    clock, witness = DirectedClock(path), DirectedClock(path)
    assert clock.now() == START
    direct(path, START - timedelta(days=1), speed=0)
    fresh = DirectedClock(path)
    assert fresh.now() == START - timedelta(days=1)
    direct(path, START + timedelta(hours=1), speed=0)
    await eventually(lambda: witness.now() == START + timedelta(hours=1))
    assert clock.now() >= START


async def test_a_file_that_goes_or_breaks_leaves_time_as_it_was_directed(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    direct(path, START, speed=1_000_000)
    clock = DirectedClock(path)
    path.write_text("{")
    before = clock.now()
    assert await eventually(lambda: clock.now() > before)
    path.unlink()
    before = clock.now()
    assert await eventually(lambda: clock.now() > before)
    direct(path, before + timedelta(days=400), speed=0)
    assert await eventually(lambda: clock.now() == before + timedelta(days=400))


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        json.dumps({"business": "2026-03-02T08:00:00", "real": START.isoformat(), "speed": 1}),
        json.dumps({"business": START.isoformat(), "real": START.isoformat(), "speed": -1}),
        json.dumps({"business": START.isoformat(), "real": START.isoformat(), "speed": "fast"}),
    ],
)
def test_a_clock_cannot_be_opened_on_a_file_that_directs_nothing(tmp_path: Path, document: str) -> None:
    (tmp_path / "clock").write_text(document)
    with pytest.raises(ClockUnreadable):
        open_clock(tmp_path / "clock")


def test_a_missing_file_is_no_clock(tmp_path: Path) -> None:
    with pytest.raises(ClockUnreadable):
        DirectedClock(tmp_path / "clock")


@pytest.mark.parametrize(
    ("business", "speed"),
    [(START.replace(tzinfo=None), 1.0), (START, -1.0), (START, 1e9)],
    ids=["naive", "back", "fast"],
)
def test_a_direction_without_sense_is_refused(tmp_path: Path, business: datetime, speed: float) -> None:
    with pytest.raises(ValueError, match="zone"):
        direct(tmp_path / "clock", business, speed)
    assert not (tmp_path / "clock").exists()
