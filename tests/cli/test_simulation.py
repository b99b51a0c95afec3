"""Many lives on one clock: time jumps to the next moment that somebody waits for, and never while anybody acts."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from cli.seed.simulation import Simulation
from tests.support.waiting import PATIENCE_SECONDS

START = datetime(2026, 11, 10, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """Hears where time is moved to, and lets others run meanwhile."""

    def __init__(self) -> None:
        self.moves: list[datetime] = []

    async def move(self, moment: datetime) -> None:
        await asyncio.sleep(0)
        self.moves.append(moment)


def simulated(grain: timedelta = timedelta(0)) -> tuple[Simulation, Clock]:
    clock = Clock()
    return Simulation(START, clock.move, grain), clock


async def test_time_jumps_from_moment_to_moment_in_order():
    simulation, clock = simulated()
    lived = []

    async def life(name, *hours):
        for hour in hours:
            await simulation.until(START + hour * HOUR)
            assert simulation.now == START + hour * HOUR
            lived.append((hour, name))

    told: list[datetime] = []
    await simulation.run([life("a", 1, 4), life("b", 2, 3), life("c", 3)], told.append)
    assert lived == [(1, "a"), (2, "b"), (3, "c"), (3, "b"), (4, "a")]
    assert clock.moves == told == [START + hour * HOUR for hour in (1, 2, 3, 4)]


async def test_time_stands_still_while_anybody_acts():
    simulation, clock = simulated()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        await simulation.until(START + HOUR)
        begun.set()
        await go_on.wait()
        assert clock.moves == [START + HOUR]

    async def waiting():
        await simulation.until(START + 2 * HOUR)

    run = asyncio.create_task(simulation.run([slow(), waiting()], lambda _: None))
    await begun.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert simulation.now == START + HOUR
    go_on.set()
    await run
    assert simulation.now == START + 2 * HOUR


async def test_moments_within_the_grain_are_lived_together_at_the_latest_of_them():
    simulation, clock = simulated(grain=timedelta(minutes=15))
    woken = []

    async def life(minutes):
        await simulation.until(START + timedelta(minutes=minutes))
        woken.append((minutes, simulation.now - START))

    await simulation.run([life(minutes) for minutes in (10, 25, 26, 60)], lambda _: None)
    assert clock.moves == [START + timedelta(minutes=minutes) for minutes in (25, 26, 60)]
    assert woken == [(minutes, timedelta(minutes=at)) for minutes, at in ((10, 25), (25, 25), (26, 26), (60, 60))]


async def test_nothing_later_is_lived_together_with_a_moment_that_is_meant_exactly():
    simulation, clock = simulated(grain=timedelta(minutes=15))

    async def life(minutes, exact):
        await simulation.until(START + timedelta(minutes=minutes), exact=exact)

    lives = [life(10, exact=False), life(12, exact=True), life(14, exact=False), life(40, exact=False)]
    await simulation.run(lives, lambda _: None)
    assert clock.moves == [START + timedelta(minutes=minutes) for minutes in (12, 14, 40)]


async def test_a_moment_that_has_passed_is_not_waited_for():
    simulation, clock = simulated()

    async def life():
        await simulation.until(START - HOUR)
        await simulation.until(START)

    await simulation.run([life()], lambda _: None)
    assert clock.moves == []
    assert simulation.now == START


async def test_the_first_failure_ends_everything_and_is_told():
    simulation, _ = simulated()
    ended = []

    async def fails():
        await simulation.until(START + HOUR)
        raise ValueError("not as planned")

    async def waits():
        try:
            await simulation.until(START + 9 * HOUR)
        finally:
            ended.append("waits")

    with pytest.raises(ValueError, match="not as planned"):
        await simulation.run([waits(), fails()], lambda _: None)
    assert ended == ["waits"]
    assert simulation.now == START + HOUR


async def test_no_lives_are_over_at_once():
    simulation, clock = simulated()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await simulation.run([], lambda _: None)
    assert clock.moves == []
