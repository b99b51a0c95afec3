"""`chaoyangli subscribers` killed between any two of its steps: done again, it puts all right, and no right is left."""

import asyncio
import contextlib
import contextvars
import functools
import itertools
import json
from collections.abc import Awaitable
from typing import Any

import pytest
from nats.js.errors import NotFoundError
from nats.js.manager import JetStreamManager

from cli import subscribing
from cli.nats_users import subscribers_of
from cli.starts import EVERYWHERE, CannotSubscribe
from cli.story import NothingFound
from eventstore import streams
from eventstore.nats_api import api_prefix
from servicekit.subscribers import Registry
from tests.cli.outside import as_subscriber, may_enter
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)
STEPS: tuple[tuple[Any, str], ...] = (
    (Registry, "write"),
    (Registry, "remove"),
    (subscribing, "reload"),
    (streams, "forget_durable"),
    (JetStreamManager, "add_consumer"),
    (JetStreamManager, "delete_consumer"),
)
"""Whatever a command changes: a file, the server's configuration, PostgreSQL, JetStream."""
BOTH = ["orders.OfferExpired", "orders.OfferDeclined"]
PAUSED = "volunteers.VolunteerPaused"
ALL = {EVERYWHERE: 1}

_left: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar("steps left to the command", default=None)


class Killed(BaseException):
    """The end of a process: nothing of it goes on, and nothing catches it."""


@pytest.fixture(autouse=True)
def steps_are_counted(monkeypatch):
    def counted(step):
        def count() -> None:
            # The relays of the same process have none to count.
            if (left := _left.get()) is not None:
                if not left[0]:
                    raise Killed
                left[0] -= 1

        @functools.wraps(step)
        async def waited_for(*arguments, **options):
            count()
            return await step(*arguments, **options)

        @functools.wraps(step)
        def done(*arguments, **options):
            count()
            return step(*arguments, **options)

        return waited_for if asyncio.iscoroutinefunction(step) else done

    for owner, name in STEPS:
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


async def killed_after(steps: int, command: Awaitable[Any]) -> bool:
    """Let a command take so many steps; whether it was killed then, and did not come to its end."""
    token = _left.set([steps])
    try:
        await command
    except Killed:
        return True
    finally:
        _left.reset(token)
    return False


async def asked_about(client, service: str, durable: str):
    return await subscribing.answered(
        lambda: streams.context(client, api_prefix("chaoyangli")).consumer_info(service.upper(), durable)
    )


async def known(community, name: str, service: str) -> set[str]:
    """Where this subscriber's durable is known: `there`, on the stream; `noted`, to be made again after a loss."""
    durable = f"{name}-subscriber"
    connection = await community.place.connect(service, "app")
    query = f"SELECT count(*) FROM {service}.relay_durables WHERE durable = $1"
    found = {"noted"} if await connection.fetchval(query, durable) else set()
    await connection.close()
    async with subscribing.connected(community.place) as client:
        with contextlib.suppress(NotFoundError):
            await asked_about(client, service, durable)
            found.add("there")
    return found


async def given_out(community, name: str, service: str) -> tuple[list[str], int]:
    """What a durable gives, and how many messages of it wait."""
    async with subscribing.connected(community.place) as client:
        info = await asked_about(client, service, f"{name}-subscriber")
    filters = info.config.filter_subjects or [info.config.filter_subject]
    return sorted(subject.rpartition(".")[2] for subject in filters), info.num_pending


def may_ask_about(community, name: str) -> set[str]:
    """The streams that NATS, as it is configured now, lets this subscriber ask for messages."""
    subscriber = subscribers_of(community.place.secrets_dir).read(name)
    assert subscriber is not None
    users = json.loads(community.server.config_file.read_text())["accounts"]["SUBSCRIBERS"]["users"]
    allowed = next(user["permissions"]["publish"]["allow"] for user in users if user["nkey"] == subscriber.nkey)
    return {subject.split(".")[-2] for subject in allowed if "MSG.NEXT" in subject}


@pytest.mark.parametrize("plain", [False, True], ids=["said again", "with nothing said"])
async def test_what_a_change_takes_away_is_gone_when_it_is_done_again(community, plain):
    await community.say("x", "d", "x")
    less = ["orders.OfferExpired"]
    # Before its first step, which writes the file, a change that says nothing knows of none.
    for steps in itertools.count(int(plain)):
        name = f"city-{steps}"
        given = await subscribing.add(community.place, name, [*BOTH, PAUSED], ALL)
        killed = await killed_after(steps, subscribing.change(community.place, name, less, {}))
        changed = await subscribing.change(community.place, name, [] if plain else less, {})
        assert (changed.subscriber.events, changed.subscriber.nkey) == (tuple(less), given.subscriber.nkey)
        assert await given_out(community, name, "orders") == (["OfferExpired"], 2)
        assert may_ask_about(community, name) == {"ORDERS"}
        assert await known(community, name, "volunteers") == set(), f"killed after {steps} steps"
        if not killed:
            break
    assert steps >= 8
    for one in range(int(plain), steps + 1):
        assert await known(community, f"city-{one}", "volunteers") == set(), "nobody made it again"
    with pytest.raises(CannotSubscribe, match="no place on volunteers: say --from volunteers="):
        await subscribing.change(community.place, "city-2", [*less, PAUSED], {})


async def test_what_a_change_gives_and_moves_is_there_when_it_is_done_again(community):
    await community.say("x", "d", "x", "x")
    change = functools.partial(
        subscribing.change, patterns=["orders.OfferExpired", PAUSED], start={"orders": 3, "volunteers": 2}
    )
    for steps in itertools.count():
        name = f"city-{steps}"
        await subscribing.add(community.place, name, BOTH, ALL)
        killed = await killed_after(steps, change(community.place, name))
        changed = await change(community.place, name)
        assert dict(changed.first) == {"orders": 3, "volunteers": 2}
        assert await given_out(community, name, "orders") == (["OfferExpired"], 2)
        assert await given_out(community, name, "volunteers") == (["VolunteerPaused"], 2)
        assert may_ask_about(community, name) == {"ORDERS", "VOLUNTEERS"}
        if not killed:
            break
    assert steps >= 6


async def test_one_who_was_removed_is_gone_when_it_is_done_again(community):
    await community.say("x")
    for steps in itertools.count():
        name = f"city-{steps}"
        given = await subscribing.add(community.place, name, [*BOTH, PAUSED], ALL)
        killed = await killed_after(steps, subscribing.remove(community.place, name))
        try:
            await subscribing.remove(community.place, name)
            done = True
        except NothingFound:
            done = False
        assert done or await known(community, name, "orders") | await known(community, name, "volunteers") == set()
        await eventually(functools.partial(cut_off, community, given.seed))
        if not killed:
            break
    assert steps >= 6
    for one in range(steps + 1):
        for service in ("orders", "volunteers"):
            assert await known(community, f"city-{one}", service) == set()
    assert subscribers_of(community.place.secrets_dir).read_all() == []


async def cut_off(community, seed: str) -> bool:
    return not await may_enter(community.server, seed)


async def test_one_whose_addition_was_killed_is_made_as_if_it_never_was(community):
    """Or it is said that they are there, as their credentials were not written: then they are removed first."""
    await community.say("x", "d", "x", "x")
    for steps in itertools.count():
        name = f"city-{steps}"
        killed = await killed_after(steps, subscribing.add(community.place, name, [*BOTH, PAUSED], ALL))
        anew = functools.partial(subscribing.add, community.place, name, ["orders.OfferExpired"], {"orders": 3})
        if subscribers_of(community.place.secrets_dir).read(name) is not None:
            with pytest.raises(CannotSubscribe, match="remove it first"):
                await anew()
            await subscribing.remove(community.place, name)
        given = await anew()
        async with as_subscriber(community.server, given) as heard:
            assert await heard(2) == [(3, "OfferExpired"), (4, "OfferExpired")]
        assert await known(community, name, "volunteers") == set()
        if not killed:
            break
    assert steps >= 6
