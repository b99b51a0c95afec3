"""The crash matrix: everything is killed, stopped, wiped or cut off; afterwards nothing is lost and nothing doubled.

The dice are thrown by FAULT_SEED and the test's name; a failure tells its seed.
"""

import asyncio
import signal
import sys

import pytest

from cli.place import SERVICES
from tests.faults.harness import start_all
from tests.faults.load import live_a_day
from tests.faults.nemesis import (
    DoomedServer,
    anything_at_random,
    deliver_everything_again,
    die_at_every,
    keep_store,
    lose_store,
    second_processes,
    stop_for,
    while_living,
)
from tests.faults.proof import everything_holds
from tests.faults.subscriber import outsider, saw_everything
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

WRITING = (
    "writer: before the append",
    "writer: head locked, not committed",
    "writer: committed, nobody answered",
    "http: committed, not answered",
    "signer: before the head is written",
    "signer: head written",
)
CARRYING = (
    "relay: before a publish",
    "relay: published",
    "consumer: fetched",
    "consumer: decided",
    "consumer: committed",
    "consumer: acknowledged",
)
FILLING = ("relay: stream made", "relay: half a batch sent", "relay: durable made")


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_anything_fails_at_any_moment(scene, number):
    async def nemesis() -> None:
        happened = await anything_at_random(scene, 8)
        sys.stdout.write(f"seed {scene.seed}: {', '.join(happened)}\n")

    await while_living(scene, nemesis)


@pytest.mark.parametrize("points", [WRITING, CARRYING], ids=["writing", "carrying"])
async def test_every_service_dies_at_every_step(scene, points):
    met: set[str] = set()

    async def nemesis() -> None:
        met.update(await die_at_every(scene, points))

    await while_living(scene, nemesis)
    assert met == set(points), f"seed {scene.seed}: nobody came to {set(points) - met}"


async def test_a_wiped_store_is_filled_again_by_relays_that_die_over_it(scene):
    met: set[str] = set()

    async def nemesis() -> None:
        for point in FILLING:
            wiped = asyncio.create_task(lose_store(scene, None))
            met.update(await die_at_every(scene, [point], most=1))
            await wiped

    async with outsider(scene) as somebody:
        await while_living(scene, nemesis)
        await saw_everything(somebody, await scene.sizes())
    assert met == set(FILLING), f"seed {scene.seed}: nobody came to {set(FILLING) - met}"


async def test_a_store_rolled_back_is_filled_up(scene):
    async def nemesis() -> None:
        for _ in range(2):
            copy = await keep_store(scene)
            await _grown(scene)
            await lose_store(scene, copy)

    async with outsider(scene) as somebody:
        await while_living(scene, nemesis)
        await saw_everything(somebody, await scene.sizes())


async def _grown(scene) -> None:
    """Return when there is something to forget."""
    before = await scene.sizes()

    async def more() -> bool:
        sizes = await scene.sizes()
        return all(sizes[service] >= before[service] + 5 for service in ("orders", "notify"))

    await eventually(more, 60)


async def test_services_start_and_take_orders_while_nats_is_away(scene):
    for server in scene.processes():
        await asyncio.to_thread(server.stop)
    await asyncio.to_thread(scene.nats.kill)
    await asyncio.to_thread(start_all, scene.processes())
    async with scene.speaker() as client:
        health = [await client.health(service) for service in SERVICES]
        assert [one["status"] for one in health] == ["degraded"] * 4, health
        before = await scene.sizes()
        living = asyncio.create_task(live_a_day(scene))
        await eventually(lambda: _recorded(scene, before["orders"] + 6), 60, what="orders without NATS")
        await asyncio.to_thread(scene.nats.start)
        await living
    await everything_holds(scene)


async def _recorded(scene, size: int):
    return (await scene.sizes())["orders"] >= size


async def test_two_processes_of_every_service_and_either_is_killed(scene):
    async def nemesis() -> None:
        await second_processes(scene)
        for _ in range(6):
            await asyncio.sleep(scene.dice.uniform(0.2, 1.5))
            victim = scene.dice.choice(scene.processes())
            await asyncio.to_thread(victim.kill)
            await asyncio.sleep(scene.dice.uniform(0.2, 1.5))
            await asyncio.to_thread(victim.start)

    try:
        await while_living(scene, nemesis)
    finally:
        await asyncio.to_thread(scene.drop_replicas)


STOPPED_AT = {
    "orders": "writer: head locked, not committed",
    "ledger": "writer: head locked, not committed",
    "notify": "consumer: decided",
    "volunteers": "relay: before a publish",
}


async def test_processes_stopped_for_good_are_succeeded_and_harmless_when_they_wake(scene):
    """Each stops where it holds something: the head's lock, a batch heard, the relay's place."""
    first = dict(scene.stack.services)
    stopped = {name: DoomedServer(server, STOPPED_AT[name], 2, signal.SIGSTOP) for name, server in first.items()}

    async def nemesis() -> None:
        for name, server in stopped.items():
            await asyncio.to_thread(first[name].kill)
            scene.stack.services[name] = server
            await asyncio.to_thread(server.start)
        # The first ones take all roles, then the others are there.
        await eventually(lambda: all(server.struck or server.ready() for server in stopped.values()), 60)
        await second_processes(scene)
        await eventually(lambda: all(server.struck for server in stopped.values()), 60, what="all to stop")
        scene.hidden.update(server.url for server in stopped.values())

    try:
        await while_living(scene, nemesis)
        for server in stopped.values():
            server.resume()
        scene.hidden.clear()
        await while_living(scene, lambda: asyncio.sleep(0))
    finally:
        for name, server in stopped.items():
            await asyncio.to_thread(server.kill)
            scene.stack.services[name] = first[name]
        await asyncio.to_thread(scene.drop_replicas)
        await asyncio.to_thread(start_all, scene.processes())


async def test_everything_is_delivered_again(scene):
    before = await scene.duplicates()

    async def nemesis() -> None:
        await deliver_everything_again(scene)
        await asyncio.sleep(scene.dice.uniform(0.5, 2.0))
        await deliver_everything_again(scene)

    await while_living(scene, nemesis)
    heard = await scene.duplicates()
    assert all(heard[service] > before[service] for service in SERVICES), (before, heard)


async def test_postgresql_stops_for_eight_seconds(scene):
    await while_living(scene, lambda: stop_for(scene.postgres, 8.0))
