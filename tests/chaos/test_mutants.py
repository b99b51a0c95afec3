"""Each planted mistake is found in a running system by the checker that is there for it, and right code by none."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from itertools import count

import pytest

from cli.place import SERVICES
from cli.stack import Stack
from eventstore.clock import DirectedClock, direct
from eventstore.tasks import end
from tests.chaos.clients import Client
from tests.chaos.judge import Verdict, judge
from tests.chaos.mutants import EFFECTS_DECIDED, HEARD_NOT_DONE, HEARERS, MUTANTS
from tests.chaos.world import SPEED, end_of
from tests.faults.harness import FIRST_MORNING, Scene, start_all
from tests.faults.nemesis import (
    TrappedServer,
    deliver_everything_again,
    keep_store,
    lose_store,
    server_dies_at,
    services_die_at,
)
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SEED = 20190117
CLIENTS = 3
GROWN = 20
"""Events of orders that are awaited before and after the fault."""
STUCK_SECONDS = 25.0
"""A mistake may leave something waiting for ever: so long rest is waited for."""


@contextlib.asynccontextmanager
async def lived_in(*program: str) -> AsyncIterator[Scene]:
    """The whole system with a few people, its services run as this program; business time runs."""
    with contextlib.ExitStack() as ends:
        stack = Stack(ends.enter_context(temporary_directory()), mode="demo", durable=False)
        direct(stack.clock_file, FIRST_MORNING, 0)
        stack.claim()
        await asyncio.to_thread(stack.prepare)
        ends.callback(end_of, stack, {})
        for name in SERVICES:
            server = TrappedServer(name, stack.data / "logs" / name, stack.environment(), stack.data / "traps")
            server.program = program
            stack.services[name] = server
        await asyncio.to_thread(start_all, list(stack.services.values()))
        stack.write_info()
        scene = Scene(stack, SEED)
        ends.callback(scene.journal.close)
        await scene.settle()
        direct(stack.clock_file, FIRST_MORNING, SPEED)
        yield scene


@contextlib.asynccontextmanager
async def clients_of(scene: Scene) -> AsyncIterator[None]:
    """Some who ask, until the end of this; what was under way then stays unknown."""
    numbers = count(1)

    async def one(number: int) -> None:
        async with scene.speaker() as speaker:
            await Client(scene, speaker, random.Random(f"{SEED} {number}"), numbers).live(asyncio.Event())

    tasks = [asyncio.create_task(one(number)) for number in range(CLIENTS)]
    try:
        yield
    finally:
        await end(tasks)


async def _grown(scene: Scene, seconds: float = 120.0) -> None:
    before = await scene.sizes()

    async def more() -> bool:
        return (await scene.sizes())["orders"] >= before["orders"] + GROWN

    await eventually(more, seconds, every=0.2, what="orders")


async def _strike(scene: Scene, fault: str, point: str) -> None:
    match fault:
        case "postgres dies":
            met = await server_dies_at(scene, scene.postgres, [point] * 3)
            assert met == {point}
        case "services die":
            names = HEARERS if point in {EFFECTS_DECIDED, HEARD_NOT_DONE} else SERVICES
            met_by = await services_die_at(scene, [point], names=names)
            assert {name for name, _ in met_by} == set(names), met_by
        case "nats forgets":
            copy = await keep_store(scene)
            await _grown(scene)
            await lose_store(scene, copy)
        case "all comes again":
            await deliver_everything_again(scene)
        case _:
            raise AssertionError(f"no fault is called {fault}")


async def _judged(scene: Scene, seconds: float) -> Verdict:
    await scene.let_be(DirectedClock(scene.stack.clock_file).now())
    return await judge(scene, None, seconds)


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_mistake_is_found_by_the_checker_that_is_there_for_it(name):
    mutant = MUTANTS[name]
    async with lived_in("tests.chaos.mutated", name) as scene:
        async with clients_of(scene):
            await _grown(scene)
            await _strike(scene, mutant.fault, mutant.point)
            with contextlib.suppress(AssertionError):
                await _grown(scene, STUCK_SECONDS)
        verdict = await _judged(scene, STUCK_SECONDS)
    said = [one for check in mutant.caught_by for one in verdict.wrong.get(check, ())]
    assert any(isinstance(one, mutant.sign) for one in said), verdict.wrong


async def test_without_a_mistake_the_same_faults_leave_nothing_wrong():
    async with lived_in("tests.chaos.mutated", "nothing") as scene:
        async with clients_of(scene):
            await _grown(scene)
            for fault, point in dict.fromkeys((one.fault, one.point) for one in MUTANTS.values()):
                if point != HEARD_NOT_DONE:  # only its mistake comes there, just after the other point
                    await _strike(scene, fault, point)
            await _grown(scene)
        verdict = await _judged(scene, 180.0)
    assert not verdict.problems, "\n".join(verdict.problems)
