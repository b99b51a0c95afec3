"""The plan of orders: who asks for what, when, and how it goes. Deterministic, like the people themselves."""

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any

from cli.seed.community import SEED, Community, Helper, Person, Scale
from cli.seed.courses import (
    ABSENT,
    ALONE,
    ALWAYS_RATED,
    FULL,
    LONG,
    NEVER_COMPLETED,
    NO_SHOW,
    RATED_BADLY,
    RATED_WELL,
    SMALL,
    UNRATED,
    Course,
)
from contracts.command import Channel
from servicekit.reference import reference

DAYS: dict[Scale, int] = {"small": 9, "full": 365}
RATED_OF_100 = 62
"""Of the services that were completed (domain.md §5)."""
SCORES_OF_100 = {5: 70, 4: 20, 3: 6, 2: 3, 1: 1}
PHONE_OR_PROXY_OF_100 = 55
"""Of the orders that residents place (domain.md §5)."""
MORNING, EVENING = 8 * 60 + 30, 16 * 60
EARLY = 8 * 60
WINDOW_SLACK_MINUTES = 30
LATE_SLACK_MINUTES = 120
"""Where somebody else has to be found once the window runs."""
AGAIN_AFTER_DAYS: dict[Scale, int] = {"small": 8, "full": 14}
"""So long after an order it is done again: by then it is closed, a week after it was rated."""
AGAIN_PLACED = timedelta(hours=16, minutes=30)
DUPLICATE_AFTER_MINUTES = (90, 240)
"""How much later somebody of the household asks for the same once more."""
PAIRED: dict[Course, tuple[tuple[int, int], tuple[int, int]]] = {
    # From and until which minute of the day the two are wanted. Nine hours together; one begins as the other ends.
    "long_day": ((7 * 60 + 30, 12 * 60 + 10), (12 * 60 + 30, 17 * 60 + 10)),
    "overlapping": ((9 * 60, 10 * 60 + 30), (10 * 60 + 30, 12 * 60)),
}
"""Two orders on one day for which one volunteer is asked by name."""
REGULAR_DAYS = 14
"""Days on which a regular helper serves for eight hours: more than the 100 hours of the first star (domain.md §4.4)."""
REGULAR_MINUTES = 478
"""What is served of each; above 480 on one day an auditor is asked."""
REGULAR_APART_DAYS = 55
"""One regular helper begins so long after the other."""
WITH_STORIES = 3
"""Of the helpers, so many first ones are suspended, move away and the like when the orders are over."""
BY_NAME = frozenset({*PAIRED, "regular"})
"""Courses in which the dispatcher asks one volunteer by name."""
PLANNED_APART = BY_NAME | {"merged", "redone", "rework"}
"""Courses of orders that are planned with regard to others."""
LONG_MINUTES = 45
FOR_ANYBODY = ("green-patrol", "waste-sorting-guide")
"""Services that take no skill and one volunteer."""


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One order as it is meant to go. Times are counted from midnight of the first day, Asia/Shanghai."""

    number: int
    course: Course
    resident: Person
    proxy: Person | None
    item_code: str
    placed: timedelta
    window_start: timedelta
    window_end: timedelta
    score: int | None
    """None: nobody rates it."""
    note: str
    channel: Channel
    helper: Helper | None = None
    """Whom the dispatcher asks by name."""

    @property
    def minutes(self) -> timedelta:
        """How long the service is expected to take."""
        return timedelta(minutes=reference().items[self.item_code].minutes)


NOTES = ("周三上午方便", "楼下等就行", "麻烦轻一点敲门", "带一把剪刀", "电梯在修，走楼梯", "家里有小狗，不咬人")


def plan(community: Community) -> tuple[PlannedOrder, ...]:
    """Every order of the community's days, in the order of their beginnings."""
    scale = community.scale
    random = Random(f"{SEED}:{scale}:orders")  # noqa: S311 - the same orders every time is the point
    counts = SMALL if scale == "small" else FULL
    courses = [course for course, count in counts.items() if course not in PLANNED_APART for _ in range(count)]
    random.shuffle(courses)
    courses.remove("served")
    # The first order of the first morning is the one that is told in full.
    orders = [_wangs(community)]
    orders += [_order(random, community, number, course) for number, course in enumerate(courses, 1)]
    for course in PAIRED:
        for _ in range(counts[course] // 2):
            orders += _pair(random, community, len(orders), course)
    for which, helper in enumerate(regular_helpers(community)):
        orders += _regular(random, community, len(orders), helper, which * REGULAR_APART_DAYS)
    for _ in range(counts["rework"]):
        orders += _done_again(random, community, len(orders))
    orders += _duplicates(random, orders, counts["merged"])
    orders = _with_channels(random, _with_scores(random, orders))
    return tuple(sorted(orders, key=lambda order: (order.placed, order.number)))


def _wangs(community: Community) -> PlannedOrder:
    start = timedelta(days=1, hours=9)
    return PlannedOrder(
        number=0,
        course="served",
        resident=community.residents[0],
        proxy=None,
        item_code="haircut",
        placed=timedelta(hours=8, minutes=30),
        window_start=start,
        window_end=start + timedelta(hours=1),
        score=5,
        note="腿脚不好，想理个发",
        channel=Channel.PHONE,
    )


def _order(random: Random, community: Community, number: int, course: Course) -> PlannedOrder:
    item = random.choice(_items(course))
    slack = LATE_SLACK_MINUTES if course in NO_SHOW else WINDOW_SLACK_MINUTES
    proxies = {principal.person_key: proxy for principal, proxy in community.proxies}
    if course == "served_for_proxy":
        resident = random.choice([principal for principal, _ in community.proxies])
    else:
        resident = random.choice(_residents(community, course))
    day = random.randrange(DAYS[community.scale])
    placed = timedelta(days=day, minutes=random.randint(MORNING, EVENING))
    ahead = 2 if course in {"expired_first", "triaged_late", "lapsed_first"} else 1
    start = timedelta(days=day + ahead, minutes=15 * random.randint(36, 60))
    return PlannedOrder(
        number=number,
        course=course,
        resident=resident,
        proxy=proxies.get(resident.person_key) if course == "served_for_proxy" else None,
        item_code=item.code,
        placed=placed,
        window_start=start,
        window_end=start + timedelta(minutes=item.minutes + slack),
        score=None,
        note=random.choice(NOTES),
        channel=Channel.WEB,
    )


def _pair(random: Random, community: Community, number: int, course: Course) -> list[PlannedOrder]:
    """Placed before anybody else is up, so that the volunteer is still free."""
    day = random.randrange(DAYS[community.scale])
    regular = regular_helpers(community)
    helper = random.choice([one for one in community.helpers if one not in regular])
    return [
        PlannedOrder(
            number=number + which,
            course=course,
            resident=random.choice(community.residents),
            proxy=None,
            item_code=random.choice(FOR_ANYBODY),
            placed=timedelta(days=day, minutes=EARLY),
            window_start=timedelta(days=day + 2, minutes=from_minute),
            window_end=timedelta(days=day + 2, minutes=until_minute),
            score=None,
            note=random.choice(NOTES),
            channel=Channel.WEB,
            helper=helper,
        )
        for which, (from_minute, until_minute) in enumerate(PAIRED[course])
    ]


def regular_helpers(community: Community) -> tuple[Helper, ...]:
    """Those who come day after day: free on every weekday, and nobody to whom something else is to happen."""
    free = [helper for helper in community.helpers[WITH_STORIES:] if len(helper.weekdays) == 7]
    counts = SMALL if community.scale == "small" else FULL
    return tuple(free[: counts["regular"] // REGULAR_DAYS])


def _regular(random: Random, community: Community, number: int, helper: Helper, first_day: int) -> list[PlannedOrder]:
    """A patrol a day, two placed each morning before anybody else is up: nobody is asked more than twice a day."""
    start = timedelta(hours=8, minutes=30)
    return [
        PlannedOrder(
            number=number + which,
            course="regular",
            resident=random.choice(community.residents),
            proxy=None,
            item_code="green-patrol",
            placed=timedelta(days=first_day + which // 2, minutes=EARLY),
            window_start=timedelta(days=first_day + 2 + which) + start,
            window_end=timedelta(days=first_day + 2 + which, minutes=REGULAR_MINUTES + 2 * WINDOW_SLACK_MINUTES)
            + start,
            score=None,
            note=random.choice(NOTES),
            channel=Channel.WEB,
            helper=helper,
        )
        for which in range(REGULAR_DAYS)
    ]


def _residents(community: Community, course: Course) -> list[Person]:
    """Whoever is looked after lives alone, where a grid worker is near; whoever is only called does not."""
    if course == "absent_checked":
        grids = {one.scope_id for one in community.staff if one.scope == "grid"}
        alone = [person for person in community.residents if person.lives_alone]
        return [person for person in alone if person.grid_id in grids] or alone
    if course in ABSENT:
        return [person for person in community.residents if not person.lives_alone]
    return list(community.residents)


def _done_again(random: Random, community: Community, number: int) -> list[PlannedOrder]:
    """A service in the first hours of a window, and the same once more when that order is closed."""
    after = AGAIN_AFTER_DAYS[community.scale]
    day = random.randrange(DAYS[community.scale] - after)
    item_code = random.choice(FOR_ANYBODY)
    start = timedelta(days=day + 1, hours=9)
    end = start + timedelta(minutes=reference().items[item_code].minutes + WINDOW_SLACK_MINUTES)
    first = PlannedOrder(
        number=number,
        course="redone",
        resident=random.choice(community.residents),
        proxy=None,
        item_code=item_code,
        placed=timedelta(days=day, minutes=MORNING),
        window_start=start,
        window_end=end,
        score=None,
        note=random.choice(NOTES),
        channel=Channel.WEB,
    )
    later = timedelta(days=after)
    again = replace(
        first,
        number=number + 1,
        course="rework",
        placed=timedelta(days=day + after) + AGAIN_PLACED,
        window_start=start + later,
        window_end=end + later,
    )
    return [first, again]


def _duplicates(random: Random, orders: list[PlannedOrder], count: int) -> list[PlannedOrder]:
    """The same household asks for the same a few hours later, while the first order is still to be served."""
    served = [order for order in orders if order.course == "served" and order.number != 0]
    return [
        replace(
            first,
            number=len(orders) + which,
            course="merged",
            placed=first.placed + timedelta(minutes=random.randint(*DUPLICATE_AFTER_MINUTES)),
            note=random.choice(NOTES),
        )
        for which, first in enumerate(random.sample(served, count))
    ]


def _with_scores(random: Random, orders: list[PlannedOrder]) -> list[PlannedOrder]:
    """62 of 100 completed services are rated, with exactly the design's share of each score."""
    completed = sum(order.course not in NEVER_COMPLETED for order in orders)
    always = [order for order in orders if order.number == 0 or order.course in ALWAYS_RATED]
    maybe = [order for order in orders if order not in always and order.course not in UNRATED]
    rated = always + random.sample(maybe, completed * RATED_OF_100 // 100 - len(always))
    scores = [score for score, share in SCORES_OF_100.items() for _ in range(round(len(rated) * share / 100))]
    scores = sorted(scores + [5] * (len(rated) - len(scores)))[: len(rated)]
    given: dict[int, int] = {0: scores.pop()}
    for course in RATED_BADLY:
        given |= {order.number: scores.pop(0) for order in rated if order.course == course}
    for order in rated:
        if order.course in RATED_WELL:
            wanted = RATED_WELL[order.course]
            given[order.number] = scores.pop(random.choice([at for at, score in enumerate(scores) if score in wanted]))
    random.shuffle(scores)
    given |= {order.number: scores.pop() for order in rated if order.number not in given}
    return [replace(order, score=given.get(order.number)) for order in orders]


def _with_channels(random: Random, orders: list[PlannedOrder]) -> list[PlannedOrder]:
    """55 of 100 residents' orders come by phone or through a proxy."""
    own = [order for order in orders if order.course != "inquiry"]
    by_phone = len(own) * PHONE_OR_PROXY_OF_100 // 100 - sum(order.proxy is not None for order in own)
    alone = [order for order in own if order.proxy is None and order.number != 0]
    phoned = {order.number for order in random.sample(alone, by_phone - 1)} | {0}
    return [replace(order, channel=Channel.PHONE) if order.number in phoned else order for order in orders]


def _items(course: Course) -> list[Any]:
    """What volunteers without a licence can do; refused orders ask for what is no volunteer work."""
    catalogue = reference().catalogue
    if course == "refused":
        return [item for item in catalogue if item.referral]
    plain = [item for item in catalogue if item.licence is None and not item.referral and not item.guardian_present]
    if course in ALONE:
        return [item for item in plain if item.slots == 1 and not item.home_visit]
    if course in ABSENT:
        return [item for item in plain if item.slots == 1 and item.home_visit]
    if course in LONG:
        return [item for item in plain if item.minutes >= LONG_MINUTES]
    return plain


def fingerprint(community: Community) -> str:
    """What the whole plan comes to: equal plans have equal ones, whichever process made them."""
    return sha256(repr((community, plan(community))).encode()).hexdigest()
