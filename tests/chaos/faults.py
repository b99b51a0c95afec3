"""The kinds of faults. Each takes what it needs for itself, strikes, mends what it broke, and says to whom it was done.

Which come in which order is thrown by the seed alone: a deck with every kind, shuffled, again and again.
"""

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import nats

from cli.place import SERVICES
from eventstore.log import RawEvent
from eventstore.publish import PublishFailed, Target, publish
from tests.chaos.ways import Way
from tests.chaos.world import World
from tests.faults.harness import copy_store, put_back, stop_whole, wake
from tests.faults.nemesis import deliver_everything_again
from tests.faults.subscriber import admin_arguments
from tests.support.waiting import eventually

STOPPED_SECONDS = 8.0
PARTED_SECONDS = (2.0, 6.0)
LOSING_SECONDS = (2.0, 5.0)
FULL_SECONDS = (2.0, 5.0)
AWAY_SECONDS = (0.0, 1.5)
PAUSE_SECONDS = (0.2, 1.5)
FORWARD_HOURS = (1, 5, 26, 80)
BACK_MINUTES = (10, 240)
LOOKED_SECONDS = 2.0
AGAIN = 40
"""Events published a second time."""

Fault = Callable[[World, random.Random], Awaitable[str | None]]
"""Answers to whom it was done; None when it came to nothing, such as losing answers that nobody gave."""


@dataclass(frozen=True)
class Kind:
    """One kind of fault. `needs`: the locks it takes; `service` stands for any one service."""

    name: str
    fault: Fault
    needs: Sequence[str]
    times: int = 1
    """How often it is in a deck."""


async def _for(dice: random.Random, seconds: tuple[float, float]) -> None:
    await asyncio.sleep(dice.uniform(*seconds))


def _kill(name: str) -> Fault:
    async def kill(world: World, dice: random.Random) -> str:
        await asyncio.to_thread(world.servers[name].kill)
        await _for(dice, AWAY_SECONDS)
        await world.revive(name)
        return name

    return kill


def _stop(name: str) -> Fault:
    async def stop(world: World, dice: random.Random) -> str | None:
        pid = world.servers[name].pid
        if pid is None:
            return None
        stopped = stop_whole(pid)
        try:
            await asyncio.sleep(STOPPED_SECONDS)
        finally:
            wake(stopped)
        return name

    return stop


def _part(which: str) -> Callable[[str], Fault]:
    def of(service: str) -> Fault:
        async def part(world: World, dice: random.Random) -> str:
            way: Way = getattr(world, which)[service]
            way.close()
            try:
                await _for(dice, PARTED_SECONDS)
            finally:
                cut = dice.random() < 0.5
                if cut:
                    way.cut()
                way.open()
            return f"{service}, {'then cut' if cut else 'then what was held back came through'}"

        return part

    return of


def _lose_answers(service: str) -> Fault:
    async def lose(world: World, dice: random.Random) -> str | None:
        way = world.to_service[service]
        before, way.lose_one_in = way.lost, 3
        try:
            await _for(dice, LOSING_SECONDS)
        finally:
            way.lose_one_in = 0
        return f"{service}, {way.lost - before} answers" if way.lost > before else None

    return lose


async def _lose_commits(world: World, dice: random.Random) -> str | None:
    assert world.commits is not None
    before, world.commits.one_in = len(world.commits.lost), 2
    try:
        await _for(dice, LOSING_SECONDS)
    finally:
        world.commits.one_in = 0
    lost = len(world.commits.lost) - before
    return f"{lost} commits" if lost else None


async def _wipe(world: World, dice: random.Random) -> str:
    await asyncio.to_thread(put_back, world.scene.nats, None)
    world.scene.stack.write_info()
    return "nats"


async def _roll_back(world: World, dice: random.Random) -> str:
    scene = world.scene
    copy, before = scene.stack.data / "nats-copy", await _recorded(world)
    await asyncio.to_thread(copy_store, scene.nats, copy)
    await _for(dice, LOSING_SECONDS)
    await asyncio.to_thread(put_back, scene.nats, copy)
    await asyncio.to_thread(shutil.rmtree, copy)
    scene.stack.write_info()
    after = await _recorded(world)
    most = "an unknown number of" if before is None or after is None else f"{after - before}"
    return f"by {most} events at most"


async def _recorded(world: World) -> int | None:
    """How many events there are; None when PostgreSQL, which may be failing as well, does not say."""
    try:
        async with asyncio.timeout(LOOKED_SECONDS):
            return sum((await world.scene.sizes()).values())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


async def _fill_nats(world: World, dice: random.Random) -> str:
    """After a full disk a stream takes nothing until its server was started again: the operator's handbook says so."""
    await asyncio.to_thread(world.disks["nats"].fill)
    try:
        await _for(dice, FULL_SECONDS)
        noticed = not await asyncio.to_thread(world.scene.nats.ready)
    finally:
        await asyncio.to_thread(world.disks["nats"].free)
    await asyncio.to_thread(world.scene.nats.kill)
    await world.revive("nats")
    return f"nats, which {'said so' if noticed else 'did not notice'}"


async def _fill_postgres(world: World, dice: random.Random) -> str:
    await asyncio.to_thread(world.disks["postgres"].fill)
    try:
        await _for(dice, FULL_SECONDS)
    finally:
        await asyncio.to_thread(world.disks["postgres"].free)
    how = "stayed" if world.scene.postgres.running else "ended"
    await world.revive("postgres")
    await eventually(lambda: _answers(world), 30, what="PostgreSQL after its disk was full")
    return f"postgres, which {how}"


async def _answers(world: World) -> bool:
    try:
        connection = await world.scene.superuser()
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def _publish_again(world: World, dice: random.Random) -> str:
    """A second relay, with all rights, that begins where it likes: at the fence, or without one."""
    service = dice.choice(SERVICES)
    connection = await world.scene.place.connect(service)
    try:
        size = await connection.fetchval(f"SELECT size FROM {service}.head")
        first = dice.randint(0, max(0, size - AGAIN))
        rows = await connection.fetch(
            f"""SELECT position, event_id, type, body, leaf_hash FROM {service}.events
                WHERE position > $1 ORDER BY position LIMIT $2""",
            first,
            dice.choice((5, AGAIN)),
        )
    finally:
        await connection.close()
    client = await nats.connect(**admin_arguments(world.scene))
    outcome = "taken for what it is"
    try:
        target = Target(client, world.scene.place.community, service)
        await publish(target, [RawEvent(*row) for row in rows])
    except PublishFailed as error:
        outcome = error.reason
    finally:
        await client.close()
    return f"{service} from {first}: {outcome}"


async def _deliver_again(world: World, dice: random.Random) -> str:
    await deliver_everything_again(world.scene)
    return "all that is heard"


async def _forward(world: World, dice: random.Random) -> str:
    hours = dice.choice(FORWARD_HOURS)
    world.jump(timedelta(hours=hours))
    return f"{hours} h"


async def _back(world: World, dice: random.Random) -> str:
    """Who runs stays where it is until time has caught up; who starts begins earlier than the others."""
    minutes = dice.randint(*BACK_MINUTES)
    world.jump(timedelta(minutes=-minutes))
    return f"{minutes} min"


def _kinds() -> Iterator[Kind]:
    for service in SERVICES:
        yield Kind(f"kill {service}", _kill(service), [service])
        yield Kind(f"stop {service}", _stop(service), [service])
        yield Kind(f"part {service} from postgres", _part("to_postgres")(service), [service])
        yield Kind(f"part {service} from nats", _part("to_nats")(service), [service])
        yield Kind(f"lose answers of {service}", _lose_answers(service), [service])
    yield Kind("kill postgres", _kill("postgres"), ["postgres"], 3)
    yield Kind("stop postgres", _stop("postgres"), ["postgres"])
    yield Kind("lose commits", _lose_commits, ["postgres"], 3)
    yield Kind("disk of postgres full", _fill_postgres, ["postgres"], 2)
    yield Kind("kill nats", _kill("nats"), ["nats"], 2)
    yield Kind("stop nats", _stop("nats"), ["nats"])
    yield Kind("wipe nats", _wipe, ["nats"], 2)
    yield Kind("roll nats back", _roll_back, ["nats"], 2)
    yield Kind("disk of nats full", _fill_nats, ["nats"], 2)
    yield Kind("publish again", _publish_again, ["nats", "postgres"], 2)
    yield Kind("deliver again", _deliver_again, ["nats", *SERVICES], 2)
    yield Kind("clock forward", _forward, ["clock"], 3)
    yield Kind("clock back", _back, ["clock"], 2)


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _kinds()}
NEED_DISKS = frozenset({"disk of postgres full", "disk of nats full"})


class Deck:
    """What comes next, by the seed alone."""

    def __init__(self, seed: int, possible: Sequence[Kind]) -> None:
        self._dice = random.Random(f"deck {seed}")
        self._possible = possible
        self._cards: list[Kind] = []

    def draw(self) -> tuple[Kind, random.Random]:
        """A kind of fault, and dice for what it leaves open."""
        if not self._cards:
            self._cards = [kind for kind in self._possible for _ in range(kind.times)]
            self._dice.shuffle(self._cards)
        return self._cards.pop(), random.Random(self._dice.random())


@contextlib.asynccontextmanager
async def _all_of(world: World, names: Sequence[str]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for name in sorted(names):
            await stack.enter_async_context(world.locks[name])
        yield


async def strike(world: World, kind: Kind, dice: random.Random) -> None:
    """One fault, begun and mended, noted, and counted unless it came to nothing."""
    async with _all_of(world, kind.needs):
        world.diary.note("strikes", kind=kind.name)
        begun = world.diary.seconds
        whom = await kind.fault(world, dice)
        seconds = round(world.diary.seconds - begun, 3)
        if whom is None:
            world.diary.note("in vain", kind=kind.name, seconds=seconds)
        else:
            world.diary.struck(kind.name, whom=whom, seconds=seconds)


async def nemesis(world: World, deck: Deck, done: asyncio.Event) -> None:
    """One fault after the other until `done`. Several of these strike at once."""
    while not done.is_set():
        kind, dice = deck.draw()
        await strike(world, kind, dice)
        await _for(dice, PAUSE_SECONDS)
