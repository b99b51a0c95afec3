"""From commands to a commit: decided on what is recorded, recorded once, tried again when somebody was faster."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.command import SYSTEM, Command, Refused
from contracts.event import Event
from contracts.ids import uuid7
from eventstore.aggregate import Aggregate, category_of
from eventstore.errors import KeyReused, VersionConflict
from eventstore.executor import RETRIES_MAX, Executor, Plan
from eventstore.model import Append, Call, StreamAppend, VaultChange
from tests.support.logs import BY_TEST, Tallies, declined, migrated, number_of, one, opened, stream

AT: Any = "2026-03-05T09:30:00Z"
METADATA = BY_TEST


class Count(Command):
    """Record the next number, or refuse above a limit."""

    name: str
    limit: int = 3
    number: int | None = None

    @property
    def stream(self) -> str:
        return self.name


class Stay(Command):
    """Record nothing."""

    name: str

    @property
    def stream(self) -> str:
        return self.name


@dataclass(frozen=True)
class Counted:
    numbers: tuple[int, ...] = ()


def decide(command: Count | Stay, state: Counted) -> list[Event]:
    if isinstance(command, Stay):
        return []
    if len(state.numbers) >= command.limit:
        raise Refused("too_many", counted=len(state.numbers))
    return [declined(command.number or len(state.numbers) + 1)]


def evolve(state: Counted, event: Event) -> Counted:
    return Counted((*state.numbers, number_of(event)))


AGGREGATE = Aggregate("order", Counted, decide, evolve, (Count, Stay))


def count(name, limit=3, number=None):
    return Count(by=SYSTEM, at=AT, name=name, limit=limit, number=number)


def planned(*commands, **rest):
    async def build():
        return Plan(commands, **rest)

    return build


def call(key, body=b"{}"):
    return Call("tester/Count", key, body)


async def test_a_command_is_decided_on_what_is_recorded(database):
    async with opened(await migrated(database)) as log:
        name = stream()
        executor = Executor(log, [AGGREGATE])
        for number in (1, 2, 3):
            committed = await executor.execute(planned(count(name)), METADATA)
            assert committed.last_position == number
        with pytest.raises(Refused, match=r"too_many \(counted=3\)"):
            await executor.execute(planned(count(name)), METADATA)
        assert await executor.state(name) == (3, Counted((1, 2, 3)))
        assert await Executor(log, [AGGREGATE]).state(name) == (3, Counted((1, 2, 3)))
        assert await executor.state(stream()) == (0, Counted())


async def test_a_refusal_records_nothing_and_leaves_the_key_free(database):
    async with opened(await migrated(database)) as log:
        name = stream()
        executor = Executor(log, [AGGREGATE])
        with pytest.raises(Refused):
            await executor.execute(planned(count(name), count(name, limit=1)), METADATA, call("k"))
        assert (await log.head()).size == 0
        assert await executor.state(name) == (0, Counted())
        committed = await executor.execute(planned(count(name)), METADATA, call("k"))
        assert (committed.first_position, committed.replayed) == (1, False)


async def test_commands_of_one_plan_see_each_other_and_commit_together(database):
    async with opened(await migrated(database)) as log:
        a, b = stream(), stream()
        executor = Executor(log, [AGGREGATE])
        committed = await executor.execute(planned(count(a), count(b), count(a)), METADATA)
        assert (committed.first_position, committed.last_position) == (1, 3)
        assert [(r.stream, r.version, number_of(r.event)) for r in await log.read()] == [
            (a, 1, 1),
            (b, 1, 1),
            (a, 2, 2),
        ]


async def test_a_repeated_key_is_answered_before_anything_is_built(database):
    async with opened(await migrated(database)) as log:
        name, order_id = stream(), str(uuid7())
        executor = Executor(log, [AGGREGATE])
        first = await executor.execute(planned(count(name), answer={"order_id": order_id}), METADATA, call("k"))
        assert first.answer == {"order_id": order_id}

        async def never():
            raise AssertionError("built again")

        again = await executor.execute(never, METADATA, call("k"))
        assert again.replayed
        assert (again.first_position, again.event_ids, again.answer) == (1, first.event_ids, first.answer)
        with pytest.raises(KeyReused):
            await executor.execute(never, METADATA, call("k", b"other"))


async def test_a_repeat_that_comes_too_early_waits_for_the_first_one(database):
    """Decided meanwhile, it would be refused, and the first one be recorded all the same."""
    async with opened(await migrated(database)) as log:
        executor, name = Executor(log, [AGGREGATE]), stream()
        begun, on_its_way = asyncio.Event(), asyncio.Event()

        async def slowly():
            begun.set()
            await on_its_way.wait()
            return Plan([count(name)])

        async def too_late():
            raise Refused("window_over")

        first = asyncio.create_task(executor.execute(slowly, METADATA, call("k")))
        await begun.wait()
        repeats = [asyncio.create_task(executor.execute(too_late, METADATA, call("k"))) for _ in range(3)]
        done, _ = await asyncio.wait(repeats, timeout=0.2)
        assert not done
        on_its_way.set()
        assert {(await repeat).event_ids for repeat in repeats} == {(await first).event_ids}
        with pytest.raises(Refused):
            await executor.execute(too_late, METADATA, call("another"))


async def test_a_command_that_changes_nothing_is_answered_and_its_key_kept(database):
    async with opened(await migrated(database)) as log:
        executor = Executor(log, [AGGREGATE])
        stay = Stay(by=SYSTEM, at=AT, name=stream())
        nothing = await executor.execute(planned(stay, answer={"n": 1}), METADATA)
        assert (nothing.first_position, nothing.last_position, nothing.answer) == (1, 0, {"n": 1})
        await executor.execute(planned(stay, answer={"n": 2}), METADATA, call("k"))
        assert (await executor.execute(planned(stay), METADATA, call("k"))).answer == {"n": 2}
        assert (await log.head()).size == 0


async def test_who_was_slower_decides_again(database):
    """Ten processes' worth of executors on one stream: each number is recorded once, and the limit holds."""
    config = await migrated(database)
    async with opened(config) as log, opened(config) as replica:
        name = stream()
        executors = [Executor(at, [AGGREGATE]) for at in (log, replica) for _ in range(4)]
        outcomes = await asyncio.gather(
            *(executor.execute(planned(count(name, limit=5)), METADATA) for executor in executors),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 3
        assert [number_of(r.event) for r in await log.read_stream(name)] == [1, 2, 3, 4, 5]


async def test_trying_again_ends(database):
    """When somebody else always records in between, the conflict is told after as many tries as promised."""
    async with opened(await migrated(database)) as log:
        name = stream()
        executor = Executor(log, [AGGREGATE])
        built = 0

        class Racing(Executor):
            async def states(self, streams):
                nonlocal built
                found = await super().states(streams)
                await log.append(one(name, found[name].version, 9))
                built += 1
                return found

        with pytest.raises(VersionConflict):
            await Racing(log, [AGGREGATE]).execute(planned(count(name, limit=99)), METADATA)
        assert built == RETRIES_MAX + 1
        assert (await executor.state(name))[0] == built


async def test_a_plan_is_made_anew_when_what_it_read_has_moved(database):
    async with opened(await migrated(database)) as log:
        name, beside = stream(), stream()
        executor, other = Executor(log, [AGGREGATE]), Executor(log, [AGGREGATE])
        read: list[int] = []

        async def build():
            """One beside it for each that is there: read here, and decided later."""
            version, state = await executor.state(name)
            read.append(version)
            if len(read) == 1:
                await other.execute(planned(count(name)), METADATA)
            return Plan([count(name), *(count(beside) for _ in state.numbers)])

        await executor.execute(build, METADATA)
        assert read == [0, 1]
        assert await other.state(name) == (2, Counted((1, 2)))
        assert await other.state(beside) == (1, Counted((1,)))


async def test_what_a_plan_read_holds_when_it_is_recorded_though_no_command_is_for_it(database):
    async with opened(await migrated(database)) as log:
        asked, wanted = stream(), stream()
        other = Executor(log, [AGGREGATE])
        read: list[int] = []

        class LateMover(Executor):
            """Somebody else moves what was read, once everything is decided."""

            async def append(self, append, streams):
                if len(read) == 2:
                    await other.execute(planned(count(asked)), METADATA)
                return await super().append(append, streams)

        executor = LateMover(log, [AGGREGATE])

        async def build():
            """Nothing for `asked`, as it has nothing yet; else one of it as well. Two tasks look."""
            looks = await asyncio.gather(executor.state(asked), executor.state(wanted))
            read.extend(version for version, _ in looks)
            return Plan([count(wanted), *(count(asked) for _ in looks[0][1].numbers)])

        await executor.execute(build, METADATA)
        assert read == [0, 0, 1, 0]
        assert await other.state(asked) == (2, Counted((1, 2)))
        assert await other.state(wanted) == (1, Counted((1,)))


async def test_what_was_read_before_the_plan_binds_nothing(database):
    async with opened(await migrated(database)) as log:
        asked, wanted = stream(), stream()
        executor, other = Executor(log, [AGGREGATE]), Executor(log, [AGGREGATE])
        plans = 0
        await executor.state(asked)

        async def build():
            nonlocal plans
            plans += 1
            await other.execute(planned(count(asked)), METADATA)
            return Plan([count(wanted)])

        await executor.execute(build, METADATA)
        assert plans == 1


async def test_a_plan_that_reads_what_never_stands_still_is_given_up(database):
    async with opened(await migrated(database)) as log:
        name, wanted = stream(), stream()
        executor, other, plans = Executor(log, [AGGREGATE]), Executor(log, [AGGREGATE]), 0

        async def build():
            nonlocal plans
            plans += 1
            await executor.state(name)
            await other.execute(planned(count(name, limit=99)), METADATA)
            return Plan([count(wanted)])

        with pytest.raises(VersionConflict):
            await executor.execute(build, METADATA)
        assert plans == RETRIES_MAX + 1
        assert (await other.state(wanted))[0] == 0


async def test_a_version_insisted_on_is_not_tried_again(database):
    async with opened(await migrated(database)) as log:
        name = stream()
        executor = Executor(log, [AGGREGATE])
        await executor.execute(planned(count(name)), METADATA)
        with pytest.raises(VersionConflict) as stale:
            await executor.execute(planned(count(name), expected_versions={name: 0}), METADATA)
        assert (stale.value.expected, stale.value.actual) == (0, 1)
        await executor.execute(planned(count(name), expected_versions={name: 1}), METADATA)
        with pytest.raises(ValueError, match="insisted"):
            await executor.execute(planned(count(name), expected_versions={stream(): 1}), METADATA)


async def test_a_constraint_becomes_a_refusal_with_its_reason(database):
    models = [Tallies()]
    async with opened(await migrated(database, read_models=models), models) as log:
        executor = Executor(log, [AGGREGATE], {"one_of_each": "number_taken"})
        await executor.execute(planned(count(stream(), number=101)), METADATA)
        name = stream()
        with pytest.raises(Refused, match="number_taken"):
            await executor.execute(planned(count(name, number=101)), METADATA)
        assert await executor.state(name) == (0, Counted())


async def test_vault_changes_go_with_the_plan(database):
    async with opened(await migrated(database)) as log:
        change = VaultChange(
            "INSERT INTO orders.vault_keys (person_id, purpose, wrapped) VALUES ($1, 'contact', 'k')", (uuid7(),)
        )
        executor = Executor(log, [AGGREGATE])
        await executor.execute(planned(count(stream()), vault=[change]), METADATA)
        assert await log.pool.fetchval("SELECT count(*) FROM orders.vault_keys") == 1


async def test_the_cache_follows_what_others_record(database):
    config = await migrated(database)
    async with opened(config) as log, opened(config) as replica:
        name = stream()
        executor = Executor(log, [AGGREGATE])
        await executor.execute(planned(count(name)), METADATA)
        await replica.append(Append([StreamAppend(name, 1, [declined(7)])], METADATA))
        assert await executor.state(name) == (2, Counted((1, 7)))


def test_categories():
    assert category_of(f"order-{uuid7()}") == "order"
    assert category_of(f"service-item-{uuid7()}") == "service-item"
    assert category_of("order-1") == "order"


def test_mistakes_in_the_assembly_are_found_at_once():
    log: Any = None
    with pytest.raises(ValueError, match="two aggregates"):
        Executor(log, [AGGREGATE, AGGREGATE])
    other = Aggregate("visit", Counted, decide, evolve, (Count,))
    with pytest.raises(ValueError, match="Count belongs to two"):
        Executor(log, [AGGREGATE, other])
    with pytest.raises(TypeError, match="no aggregate declares"):
        Executor(log, []).aggregate_of(count("order-1"))
