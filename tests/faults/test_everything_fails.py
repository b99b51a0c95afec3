"""The crash matrix: everything is killed, stopped, wiped or cut off; afterwards nothing is lost and nothing doubled.

The dice are thrown by FAULT_SEED and the test's name; a failure tells its seed.
"""

import asyncio
import signal
import sys

import pytest

from cli.place import SERVICES
from tests.faults.failpoints import POINTS, Order, arm
from tests.faults.harness import Speaker, start_all
from tests.faults.load import live_a_day
from tests.faults.nemesis import (
    TrappedServer,
    anything_at_random,
    comers_to,
    deliver_everything_again,
    die_while_filling,
    keep_store,
    lose_store,
    second_processes,
    server_dies_at,
    services_die_at,
    stop_for,
    while_living,
    with_traps,
)
from tests.faults.proof import everything_holds
from tests.faults.subscriber import outsider, saw_everything
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

WRITING = (
    "writer: before the append",
    "writer: head locked, not committed",
    "writer: all written, not committed",
    "writer: committed, nobody answered",
    "http: committed, not answered",
    "signer: before the head is written",
    "signer: head written",
)
CARRYING = (
    "relay: before a publish",
    "relay: published",
    "relay: durables noted",
    "consumer: fetched",
    "consumer: decided",
    "consumer: committed",
    "consumer: acknowledged",
)
BY_ITSELF = (
    "timer: before it fires",
    "timer: fired",
    "sender: attempt recorded",
    "sender: handed over, not recorded",
)
FILLING = (
    "relay: stream made",
    "relay: half a batch sent",
    "relay: durable made",
    "relay: durables made again",
)
"""What is done only when NATS has lost its store."""


def test_every_point_is_tried():
    tried = {*WRITING, *CARRYING, *BY_ITSELF, *FILLING}
    assert tried == set(POINTS)


@pytest.mark.parametrize("number", [1, 2])
async def test_anything_fails_at_any_moment(scene, number):
    async def nemesis() -> None:
        happened = await anything_at_random(scene, 8)
        sys.stdout.write(f"seed {scene.seed}: {', '.join(happened)}\n")

    await while_living(scene, nemesis)


@pytest.mark.parametrize("points", [WRITING, CARRYING, BY_ITSELF], ids=["writing", "carrying", "by itself"])
async def test_every_service_dies_at_every_step(scene, points):
    met: set[tuple[str, str]] = set()

    async def nemesis() -> None:
        met.update(await services_die_at(scene, points))

    await while_living(scene, nemesis)
    expected = {(service, point) for point in points for service in comers_to(point)}
    assert met == expected, f"seed {scene.seed}: not met {expected - met}"


@pytest.mark.parametrize("points", [WRITING, CARRYING, BY_ITSELF], ids=["writing", "carrying", "by itself"])
@pytest.mark.parametrize("victim", ["postgres", "nats"])
async def test_the_servers_die_at_every_step(scene, victim, points):
    met: set[str] = set()

    async def nemesis() -> None:
        met.update(await server_dies_at(scene, getattr(scene, victim), points))

    await while_living(scene, nemesis)
    assert met == set(points), f"seed {scene.seed}: nobody came to {set(points) - met}"


@pytest.mark.parametrize("victim", ["service", "postgres", "nats"])
async def test_a_wiped_store_is_filled_again_while_whatever_fills_it_dies(scene, victim):
    met: set[str] = set()

    async def nemesis() -> None:
        for point in FILLING:
            if await die_while_filling(scene, None if victim == "service" else getattr(scene, victim), point):
                met.add(point)

    async with outsider(scene) as somebody:
        await while_living(scene, nemesis)
        await saw_everything(somebody, await scene.sizes())
    assert met == set(FILLING), f"seed {scene.seed}: nobody came to {set(FILLING) - met}"


async def test_a_store_rolled_back_is_filled_up_while_people_go_on(scene):
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
        for service in SERVICES:
            await eventually(lambda: _degraded(client, service), what=f"{service} to say so")  # noqa: B023
        before = await scene.sizes()
        living = asyncio.create_task(live_a_day(scene))
        await eventually(lambda: _recorded(scene, before["orders"] + 6), 60, what="orders without NATS")
        await asyncio.to_thread(scene.nats.start)
        await living
    await everything_holds(scene)


async def _degraded(client: Speaker, service: str) -> bool:
    return bool((await client.health_of(client.urls[service]))["status"] == "degraded")


async def _recorded(scene, size: int):
    return (await scene.sizes())["orders"] >= size


async def test_two_processes_of_every_service_and_either_is_killed(scene):
    async def nemesis() -> None:
        await second_processes(scene)
        for _ in range(4):
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
    "ledger": "writer: all written, not committed",
    "notify": "consumer: decided",
    "volunteers": "relay: before a publish",
}


async def test_processes_stopped_for_good_are_succeeded_and_harmless_when_they_wake(scene):
    """Each stops where it holds something: the head's lock, a batch heard, the relay's place."""
    stopped = await with_traps(scene)

    async def stop(name: str, server: TrappedServer) -> None:
        arm(server.trap, Order(STOPPED_AT[name], 2, signal.SIGSTOP))
        await eventually(lambda: server.stopped, 60, what=f"{name} to stop")
        # Whoever asks it now gets no answer, and asks the other; nobody asks it anew.
        scene.hidden.add(server.url)

    async def nemesis() -> None:
        # The first ones have all roles, then the others are there.
        await second_processes(scene)
        await asyncio.gather(*(stop(name, server) for name, server in stopped.items()))

    try:
        await while_living(scene, nemesis)
        assert all(server.stopped for server in stopped.values())
        for server in stopped.values():
            server.resume()
        scene.hidden.clear()
        await while_living(scene, _nothing)
    finally:
        for server in stopped.values():
            server.trap.unlink(missing_ok=True)
            server.resume()
        await asyncio.to_thread(scene.drop_replicas)


async def _nothing() -> None:
    """No more harm."""


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
