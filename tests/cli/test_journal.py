"""Days that were interrupted: what was answered is not asked again, and a lost answer is asked for by the same key."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from cli.client import Answer, ProblemError
from cli.seed.errors import JournalUnreadable
from cli.seed.journal import Journal
from tests.support.servers import temporary_directory

PLAN = {"scale": "small", "midnight": "2026-10-01T00:00:00+08:00"}
NOW = datetime(2026, 10, 1, 8, 30, tzinfo=UTC)


class Service:
    """Answers each key once, and remembers which keys it was given."""

    def __init__(self):
        self.keys: list[str] = []

    async def place(self, key):
        self.keys.append(key)
        return Answer(200, {"order_id": f"order of {key}", "positions": {}, "event_ids": ["e"]}, {"orders": 7})

    async def refuse(self, key):
        self.keys.append(key)
        raise ProblemError(409, {"reason_code": "too_late"}, "accept")


@pytest.fixture
def file():
    with temporary_directory() as directory:
        yield directory / "journal"


@pytest.fixture
def service():
    return Service()


async def live(journal, service):
    """A life of three steps; what they came to."""
    steps = journal.steps("order-1")
    placed = await steps.take("place", NOW, service.place)
    with pytest.raises(ProblemError) as problem:
        await steps.take("accept", NOW + timedelta(hours=1), service.refuse)
    rated = await steps.take("rate", NOW + timedelta(hours=2), service.place)
    return placed, problem.value.reason_code, rated


async def test_a_kept_answer_is_the_same_as_the_first_one_and_nothing_is_done_again(file, service):
    with closing(Journal(file, PLAN)) as journal:
        first = await live(journal, service)
    assert first == ({"order_id": "order of demo:order-1:1"}, "too_late", {"order_id": "order of demo:order-1:3"})

    with closing(Journal(file, PLAN)) as again:
        assert again.resumed
        assert again.positions == {"orders": 7}
        assert again.last_moment == NOW + timedelta(hours=2)
        assert await live(again, service) == first
    assert service.keys == ["demo:order-1:1", "demo:order-1:2", "demo:order-1:3"]


async def test_a_step_whose_answer_was_cut_off_is_asked_for_again_by_the_same_key(file, service):
    with closing(Journal(file, PLAN)) as journal:
        await live(journal, service)
    file.write_bytes(file.read_bytes()[:-3])

    with closing(Journal(file, PLAN)) as again:
        assert again.last_moment == NOW + timedelta(hours=1)
        await live(again, service)
    assert service.keys[3:] == ["demo:order-1:3"]

    with closing(Journal(file, PLAN)) as once_more:
        await live(once_more, service)
    assert len(service.keys) == 4, "the line that was cut off was written whole"


@pytest.mark.parametrize("status", [401, 503])
async def test_what_only_the_moment_forbade_is_tried_again_the_next_time(file, service, status):
    async def not_now(_key):
        raise ProblemError(status, {"reason_code": "not_now"}, "place")

    with closing(Journal(file, PLAN)) as journal, pytest.raises(ProblemError):
        await journal.steps("order-1").take("place", NOW, not_now)
    with closing(Journal(file, PLAN)) as again:
        assert await again.steps("order-1").take("place", NOW, service.place)
    assert service.keys == ["demo:order-1:1"]


async def test_lives_keep_their_steps_apart(file, service):
    with closing(Journal(file, PLAN)) as journal:
        for life in ("a", "b"):
            await journal.steps(life).take("place", NOW, service.place)
    assert service.keys == ["demo:a:1", "demo:b:1"]


async def test_a_life_that_would_take_another_step_than_it_took_is_stopped(file, service):
    with closing(Journal(file, PLAN)) as journal:
        await live(journal, service)
    with closing(Journal(file, PLAN)) as journal:
        steps = journal.steps("order-1")
        with pytest.raises(JournalUnreadable, match="step 1: 'place' was done then and 'cancel' would be now"):
            await steps.take("cancel", NOW, service.place)


def test_another_plan_is_refused(file):
    Journal(file, PLAN).close()
    with pytest.raises(JournalUnreadable, match="the days that were begun here are others"):
        Journal(file, {**PLAN, "scale": "full"})


def test_a_spoilt_line_is_named(file):
    Journal(file, PLAN).close()
    with file.open("a") as journal:
        journal.write('{"life": "order-1"}\n')
    with pytest.raises(JournalUnreadable, match="line 2: not what was written there"):
        Journal(file, PLAN)


def test_without_a_journal_nothing_was_begun(file):
    assert Journal.plan_of(file) is None
    Journal(file, PLAN).close()
    assert Journal.plan_of(file) == PLAN
    with closing(Journal(file, PLAN)) as journal:
        assert not journal.resumed
