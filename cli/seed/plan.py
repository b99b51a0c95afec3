"""The plan of orders: who asks for what, when, and how it goes. Deterministic, like the people themselves."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Literal

from cli.seed.community import SEED, Community, Person, Scale
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
]
SMALL: dict[Course, int] = {
    "served": 32,
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
}
"""120 orders: every transition of domain.md §4.1 that is built, at least once."""
FULL: dict[Course, int] = {
    # 5,600 orders a year (enorth.com.cn, 2021), 30 % from inquiries; rates of domain.md §5. What is merged there is not
    # built yet and lies with the served ones.
    "served": 1_468,
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
    "rated_badly": 40,
    "unrated": 60,
    "presumed": 80,
    "auto_closed": 20,
    "triaged_late": 24,
    "escalated_by_hand": 12,
    "refused": 168,
    "cancelled_placed": 80,
    "cancelled_verified": 70,
    "cancelled_offered": 50,
    "cancelled_open": 20,
    "cancelled_accepted": 60,
    "not_started": 52,
    "unfulfilled": 204,
    "given_up_untried": 10,
    "given_up_asking": 10,
}
DAYS: dict[Scale, int] = {"small": 9, "full": 365}
RATED_OF_100 = 62
SCORES = (5,) * 70 + (4,) * 20 + (3,) * 6 + (2,) * 3 + (1,)
MORNING, EVENING = 8 * 60 + 30, 16 * 60
WINDOW_SLACK_MINUTES = 30


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


NOTES = ("周三上午方便", "楼下等就行", "麻烦轻一点敲门", "带一把剪刀", "电梯在修，走楼梯", "家里有小狗，不咬人")


def plan(community: Community) -> tuple[PlannedOrder, ...]:
    """Every order of the community's days, in the order of their beginnings."""
    scale = community.scale
    random = Random(f"{SEED}:{scale}:orders")  # noqa: S311 - the same orders every time is the point
    counts = SMALL if scale == "small" else FULL
    courses = [course for course, count in counts.items() for _ in range(count)]
    random.shuffle(courses)
    courses.remove("served")
    # The first order of the first morning is the one that is told in full.
    orders = [_wangs(community)]
    orders += [_order(random, community, number, course) for number, course in enumerate(courses, 1)]
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
    rated = course in {"rated_badly", "rated_by_phone"} or random.randrange(100) < RATED_OF_100
    if course in {"unrated", "presumed"}:
        rated = False
    return PlannedOrder(
        number=number,
        course=course,
        resident=resident,
        proxy=proxies.get(resident.person_key) if course == "served_for_proxy" else None,
        item_code=item.code,
        placed=placed,
        window_start=start,
        window_end=start + timedelta(minutes=item.minutes + WINDOW_SLACK_MINUTES),
        score=(random.choice((1, 2)) if course == "rated_badly" else random.choice(SCORES)) if rated else None,
        note=random.choice(NOTES),
    )


def _items(course: Course) -> list[Any]:
    """What volunteers without a licence can do; refused orders ask for what is no volunteer work."""
    catalogue = reference().catalogue
    if course == "refused":
        return [item for item in catalogue if item.referral]
    plain = [item for item in catalogue if item.licence is None and not item.referral and not item.guardian_present]
    if course in {"from_the_pool", "not_started", "lapsed_first", "cancelled_accepted", "auto_closed"}:
        return [item for item in plain if item.slots == 1 and not item.home_visit]
    return plain
