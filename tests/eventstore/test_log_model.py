"""Any sequence of batches leaves the log, the keys, the steps and the read model as a fifty-line reference has them."""

import asyncio
import itertools

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.envelope import decode
from eventstore.errors import EngineError, VersionConflict
from eventstore.log import Log
from eventstore.merkle import leaf_hash, root_hash
from eventstore.model import Append, Call, Step, StreamAppend
from tests.eventstore.log_reference import ReferenceLog
from tests.support.logs import BY_TEST, Tallies, declined, migrated, number_of

# 66 breaks a constraint at once, the same number above 100 on two streams breaks a deferred one.
numbers = st.lists(st.sampled_from([1, 2, 3, 66, 101, 102]), max_size=3)
parts = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), numbers), max_size=3)
calls = st.none() | st.tuples(st.sampled_from("abc"), st.sampled_from([b"1", b"2"]))
steps = st.none() | st.tuples(st.sampled_from(["volunteers", "ledger"]), st.integers(-1, 1), st.integers(1, 5))
appends = st.tuples(parts, calls, steps)
batches = st.lists(st.lists(appends, min_size=1, max_size=6), min_size=1, max_size=4)
# Of appends that commit together a deferred constraint asks only at the end: it is left to those that come in turn.
undeferred = st.tuples(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(-1, 1), st.lists(st.sampled_from([1, 2, 3, 66]), max_size=3)),
        max_size=3,
    ),
    calls,
    steps,
)


examples = itertools.count(1)


def built(reference: ReferenceLog, example: int, description) -> Append:
    """An append that mostly expects what is there, and is off by one now and then."""
    of_parts, of_call, of_step = description
    versions: dict[str, int] = {}
    streams = []
    for number, off, waves in of_parts:
        name = f"order-{example}-{number}"
        expected = versions.get(name, max(reference.versions.get(name, 0) + off, 0))
        streams.append(
            StreamAppend(name, expected, [declined(wave if wave <= 100 else wave + 2 * example) for wave in waves])
        )
        versions[name] = expected + len(waves)
    step = None
    if of_step is not None:
        source, off, forward = of_step
        expected = max(reference.heard.get(source, 0) + off, 0)
        step = Step(source, expected, expected + forward)
    call = Call("tester/Do", f"{example}-{of_call[0]}", of_call[1]) if of_call is not None else None
    return Append(streams, BY_TEST, call, step)


@pytest.fixture(scope="module")
def loop():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def log(postgres_server, loop):
    database = postgres_server.create_database()
    models = [Tallies()]

    async def open_log():
        return await Log.open(await migrated(database, read_models=models), models)

    log = loop.run(open_log())
    yield log
    loop.run(log.close())
    postgres_server.drop_database(database.name)


@pytest.fixture(scope="module")
def reference():
    return ReferenceLog()


async def outcome_of(log, append):
    try:
        return await log.append(append)
    except EngineError as error:
        return error


def same(outcome, reference, append):
    """Let the reference do the append that the log did, and compare the answers."""
    expected = answer_of(reference, append)
    if not isinstance(expected, EngineError):
        assert not isinstance(outcome, EngineError), outcome
        assert (outcome.first_position, outcome.last_position) == expected
        return
    assert type(outcome) is type(expected), (outcome, expected)
    # Which of several wrong streams is named is the log's choice.
    if not isinstance(expected, VersionConflict):
        assert str(outcome).startswith(str(expected)), (outcome, expected)


def answer_of(reference, append):
    try:
        return reference.append(append)
    except EngineError as error:
        return error


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=batches)
def test_the_log_does_what_the_reference_does(log, loop, reference, batches):
    """One append after another, in each batch the next only after the answer to the last."""
    example = next(examples)
    for batch in batches:
        for description in batch:
            append = built(reference, example, description)
            same(loop.run(outcome_of(log, append)), reference, append)
    loop.run(compare(log, reference))


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=st.lists(st.lists(undeferred, min_size=1, max_size=6), min_size=1, max_size=4))
def test_appends_of_one_batch_succeed_or_fail_as_if_one_after_another(log, loop, reference, batches):
    """What was answered together can be put into an order in which the reference gives the same answers: the log's."""
    example = next(examples)
    for batch in batches:
        all_together(log, loop, reference, example, batch)
    loop.run(compare(log, reference))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(crowd=st.lists(undeferred, min_size=40, max_size=80))
def test_a_crowd_fills_two_batches_at_once_with_the_same_result(log, loop, reference, crowd):
    """Half of a crowd is written while the other half is numbered after it: also when the first half fails in parts."""
    all_together(log, loop, reference, next(examples), crowd)
    loop.run(compare(log, reference))


def all_together(log, loop, reference, example, descriptions):
    appends = [built(reference, example, description) for description in descriptions]

    async def together():
        return await asyncio.gather(*(outcome_of(log, append) for append in appends))

    outcomes = list(zip(loop.run(together()), appends, strict=True))
    recorded = [(o, append) for o, append in outcomes if not isinstance(o, EngineError) and not o.replayed]
    for outcome, append in sorted(recorded, key=lambda pair: (pair[0].first_position, pair[0].last_position)):
        if outcome.event_ids:
            same(outcome, reference, append)
        else:
            follow(outcome, reference, append)
    for outcome, append in outcomes:
        if not isinstance(outcome, EngineError) and outcome.replayed:
            same(outcome, reference, append)


def follow(outcome, reference, append):
    """An append without events: only its key and step can be compared."""
    step = append.step
    if step is not None:
        # Several of them share a position; steps only go forward.
        reference.heard[step.source] = max(reference.heard.get(step.source, 0), step.position)
    if append.call is not None:
        reference.answers[append.call.scope, append.call.key] = (
            append.call.body,
            outcome.first_position,
            outcome.last_position,
        )


async def compare(log, reference):
    raw = [event async for event in everything(log)]
    assert [event.position for event in raw] == list(range(1, len(reference.events) + 1))
    recorded = [decode(event.body) for event in raw]
    assert [(r.stream, r.version, number_of(r.event)) for r in recorded] == reference.events
    assert all(
        r.position == event.position and r.event_id == event.event_id for r, event in zip(recorded, raw, strict=True)
    )
    assert all(event.leaf_hash == leaf_hash(event.body) for event in raw)
    head = await log.head()
    assert (head.size, head.root) == (len(raw), root_hash([event.leaf_hash for event in raw]))
    for source in ("volunteers", "ledger"):
        assert await log.heard(source) == reference.heard.get(source, 0)
    async with log.queries() as connection:
        rows = (await connection.execute(sa.select(Tallies.tallies))).all()
    assert {row.stream: row.numbers for row in rows} == reference.tallies
    assert all(row.events == len(row.numbers) and row.last_number == row.numbers[-1] for row in rows)


async def everything(log):
    after = 0
    while found := await log.read_raw(after, 1000):
        for event in found:
            yield event
        after = found[-1].position
