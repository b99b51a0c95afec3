"""An order whose course the small community lives once: its search goes on for days, any other gives way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from cli.seed.community import generate
from cli.seed.order_life import PUT_OFF_DAYS, SEARCH_PAUSE, OrderLife
from cli.seed.plan import plan

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
NOBODY = {"state": "OPEN", "due_for": "nothing", "asked": [], "free": 1, "serving": []}


@cache
def _any_plan():
    return plan(generate("small"))[0]


class Searching(OrderLife):
    """A search with the services' answers said beforehand: how it stands, and until when nobody can come."""

    def __init__(self, course, free_from):
        self.planned = replace(_any_plan(), course=course)
        self.window_start, self.window_end = NOON, NOON + timedelta(hours=2)
        self.free_from, self.moved = free_from, []
        self.moment = NOON - SEARCH_PAUSE / 2
        self._put_off_days = 0

    @property
    def now(self):
        return self.moment

    @property
    def dispatcher(self):
        return None

    async def look(self):
        return NOBODY if self.moment < self.free_from else {**NOBODY, "state": "ACCEPTED", "serving": [str(ANYBODY)]}

    async def candidates(self):
        return []

    async def pause(self, minutes, *, exact=False):
        assert not exact
        self.moment += timedelta(minutes=minutes)

    async def may(self, step, actor, body=None, **more):
        assert (step, actor, more) == ("reschedule", None, {})
        self.moved.append(datetime.fromisoformat(body["window_start"]))
        return body

    def tell(self, words):
        assert "改期" in words


ANYBODY = "01980000-0000-7000-8000-000000000001"


async def test_a_search_that_is_wanted_goes_on_the_next_day():
    life = Searching("rating_dismissed", free_from=NOON + timedelta(hours=20))
    assert [str(one) for one in await life.staff_it()] == [ANYBODY]
    assert life.moved == [NOON + timedelta(days=1)]


async def test_it_is_given_up_after_some_days():
    life = Searching("rating_dismissed", free_from=NOON + timedelta(days=90))
    assert await life.staff_it() == []
    assert life.moved == [NOON + timedelta(days=day + 1) for day in range(PUT_OFF_DAYS)]


@pytest.mark.parametrize("course", ["served", "unfulfilled", "reopened", "absent_cancelled"])
async def test_any_other_order_gives_way_to_its_window(course):
    life = Searching(course, free_from=NOON + timedelta(hours=20))
    assert await life.staff_it() == []
    assert life.moved == []
