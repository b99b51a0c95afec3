"""The plan of orders: who asks for what, when, and how it goes. Deterministic, like the people themselves."""

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any, Literal

from cli.seed.community import SEED, Community, Helper, Person, Scale
from contracts.command import Channel
from servicekit.reference import reference

Course = Literal[
    "served",
    "served_for_proxy",
    "inquiry",
    "declined_first",
    "all_declined",
    "opened_early",
    "expired_first",
    "withdrawn_first",
    "lapsed_first",
    "from_the_pool",
    "led_by_leader",
    "rated_by_phone",
    "rated_badly",
    "unrated",
    "presumed",
    "auto_closed",
    "triaged_late",
    "escalated_by_hand",
    "refused",
    "cancelled_placed",
    "cancelled_verified",
    "cancelled_offered",
    "cancelled_open",
    "cancelled_accepted",
    "not_started",
    "unfulfilled",
    "given_up_untried",
    "given_up_asking",
    "long_day",
    "overlapping",
    "over_at_once",
    "regular",
]
SMALL: dict[Course, int] = {
    "served": 14,
    "served_for_proxy": 8,
    "inquiry": 20,
    "declined_first": 6,
    "all_declined": 1,
    "opened_early": 1,
    "expired_first": 4,
    "withdrawn_first": 4,
    "lapsed_first": 2,
    "from_the_pool": 4,
    "led_by_leader": 3,
    "rated_by_phone": 2,
    "rated_badly": 2,
    "unrated": 6,
    "presumed": 6,
    "auto_closed": 3,
    "triaged_late": 2,
    "escalated_by_hand": 1,
    "refused": 3,
    "cancelled_placed": 1,
    "cancelled_verified": 1,
    "cancelled_offered": 1,
    "cancelled_open": 1,
    "cancelled_accepted": 1,
    "not_started": 1,
    "unfulfilled": 2,
    "given_up_untried": 1,
    "given_up_asking": 1,
    "long_day": 2,
    "overlapping": 2,
    "over_at_once": 1,
    "regular": 13,
}
"""120 orders: every transition of domain.md §4.1 that is built, at least once."""
FULL: dict[Course, int] = {
    # 5,600 orders a year (enorth.com.cn, 2021), 30 % from inquiries; rates of domain.md §5. What is merged there is not
    # built yet and lies with the served ones; so do no-shows, with the cancelled ones.
    "served": 1_331,
    "served_for_proxy": 700,
    "inquiry": 1_680,
    "declined_first": 300,
    "all_declined": 24,
    "opened_early": 24,
    "expired_first": 120,
    "withdrawn_first": 80,
    "lapsed_first": 24,
    "from_the_pool": 60,
    "led_by_leader": 100,
    "rated_by_phone": 60,
    "rated_badly": 80,
    "unrated": 60,
    "presumed": 80,
    "auto_closed": 20,
    "triaged_late": 24,
    "escalated_by_hand": 12,
    "refused": 168,
    "cancelled_placed": 60,
    "cancelled_verified": 50,
    "cancelled_offered": 40,
    "cancelled_open": 16,
    "cancelled_accepted": 30,
    "not_started": 84,
    "unfulfilled": 204,
    "given_up_untried": 10,
    "given_up_asking": 10,
    "long_day": 40,
    "overlapping": 20,
    "over_at_once": 11,
    "regular": 78,
}
DAYS: dict[Scale, int] = {"small": 9, "full": 365}
RATED_OF_100 = 62
"""Of the services that were completed (domain.md §5)."""
SCORES_OF_100 = {5: 70, 4: 20, 3: 6, 2: 3, 1: 1}
PHONE_OR_PROXY_OF_100 = 55
"""Of the orders that residents place (domain.md §5)."""
MORNING, EVENING = 8 * 60 + 30, 16 * 60
EARLY = 8 * 60
WINDOW_SLACK_MINUTES = 30
NEVER_COMPLETED = frozenset(
    {
        "refused", "cancelled_placed", "cancelled_verified", "cancelled_offered", "cancelled_open",
        "cancelled_accepted", "not_started", "unfulfilled", "given_up_untried", "given_up_asking",
    }
)  # fmt: skip
UNRATED = NEVER_COMPLETED | {"unrated", "presumed"}
PAIRED: dict[Course, tuple[tuple[int, int], tuple[int, int]]] = {
    # From and until which minute of the day the two are wanted. Nine hours together; one begins as the other ends.
    "long_day": ((7 * 60 + 30, 12 * 60 + 10), (12 * 60 + 30, 17 * 60 + 10)),
    "overlapping": ((9 * 60, 10 * 60 + 30), (10 * 60 + 30, 12 * 60)),
}
"""Two orders on one day for which one volunteer is asked by name."""
REGULAR_DAYS = 13
"""Days on which a regular helper serves for eight hours: more than the 100 hours of the first star (domain.md §4.4)."""
REGULAR_MINUTES = 478
"""What is served of each; above 480 on one day an auditor is asked."""
REGULAR_APART_DAYS = 55
"""One regular helper begins so long after the other."""
WITH_STORIES = 3
"""Of the helpers, so many first ones are suspended, move away and the like when the orders are over."""
BY_NAME = frozenset({*PAIRED, "regular"})
"""Courses in which the dispatcher asks one volunteer by name."""
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
    courses = [course for course, count in counts.items() if course not in BY_NAME for _ in range(count)]
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
    proxies = {principal.person_key: proxy for principal, proxy in community.proxies}
    if course == "served_for_proxy":
        resident = random.choice([principal for principal, _ in community.proxies])
    else:
        resident = random.choice(community.residents)
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
        window_end=start + timedelta(minutes=item.minutes + WINDOW_SLACK_MINUTES),
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


def _with_scores(random: Random, orders: list[PlannedOrder]) -> list[PlannedOrder]:
    """62 of 100 completed services are rated, with exactly the design's share of each score."""
    completed = sum(order.course not in NEVER_COMPLETED for order in orders)
    always = [order for order in orders if order.number == 0 or order.course in {"rated_by_phone", "rated_badly"}]
    maybe = [order for order in orders if order not in always and order.course not in UNRATED]
    rated = always + random.sample(maybe, completed * RATED_OF_100 // 100 - len(always))
    scores = [score for score, share in SCORES_OF_100.items() for _ in range(round(len(rated) * share / 100))]
    scores = sorted(scores + [5] * (len(rated) - len(scores)))[: len(rated)]
    given: dict[int, int] = {0: scores.pop()}
    # Low scores go to those who are to be rated badly, as far as there are such.
    for order in rated:
        if order.course == "rated_badly":
            given[order.number] = scores.pop(0)
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
    if course in {"from_the_pool", "not_started", "lapsed_first", "cancelled_accepted", "auto_closed", "over_at_once"}:
        return [item for item in plain if item.slots == 1 and not item.home_visit]
    return plain


def fingerprint(community: Community) -> str:
    """What the whole plan comes to: equal plans have equal ones, whichever process made them."""
    return sha256(repr((community, plan(community))).encode()).hexdigest()
