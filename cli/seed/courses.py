"""The courses that an order can take, and how many orders of the plan take each."""

from typing import Literal

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
    "info_asked",
    "merged",
    "redispatched",
    "rescheduled",
    "not_reconfirmed",
    "reopened",
    "redone",
    "rework",
    "no_show",
    "no_show_disputed",
    "absent_served",
    "absent_cancelled",
    "absent_checked",
    "worried",
    "afterwards",
    "contest_rejected",
    "contest_upheld",
    "contest_corrected",
    "contest_voided",
    "contest_settled",
    "rating_disputed",
    "amended_up",
    "amended_down",
    "rating_dismissed",
    "follow_up_late",
    "complaint",
]
SMALL: dict[Course, int] = {
    "served": 8,
    "served_for_proxy": 5,
    "inquiry": 14,
    "declined_first": 4,
    "all_declined": 1,
    "opened_early": 1,
    "expired_first": 3,
    "withdrawn_first": 3,
    "lapsed_first": 2,
    "from_the_pool": 3,
    "led_by_leader": 2,
    "rated_by_phone": 2,
    "rated_badly": 1,
    "unrated": 3,
    "presumed": 4,
    "auto_closed": 2,
    "triaged_late": 1,
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
    "regular": 14,
    "info_asked": 1,
    "merged": 1,
    "redispatched": 1,
    "rescheduled": 2,
    "not_reconfirmed": 1,
    "reopened": 1,
    "redone": 1,
    "rework": 1,
    "no_show": 1,
    "no_show_disputed": 1,
    "absent_served": 1,
    "absent_cancelled": 1,
    "absent_checked": 1,
    "worried": 1,
    "afterwards": 2,
    "contest_rejected": 1,
    "contest_upheld": 1,
    "contest_corrected": 1,
    "contest_voided": 1,
    "contest_settled": 1,
    "rating_disputed": 1,
    "amended_up": 1,
    "amended_down": 1,
    "rating_dismissed": 1,
    "follow_up_late": 1,
    "complaint": 1,
}
"""120 orders: every transition of domain.md §4.1, of follow-ups, disputes and welfare checks, at least once."""
FULL: dict[Course, int] = {
    # 5,600 orders a year (enorth.com.cn, 2021), 30 % from inquiries; rates of domain.md §5.
    "served": 764,
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
    "not_started": 54,
    "unfulfilled": 201,
    "given_up_untried": 10,
    "given_up_asking": 10,
    "long_day": 40,
    "overlapping": 20,
    "over_at_once": 11,
    "regular": 84,
    "info_asked": 60,
    "merged": 112,
    "redispatched": 40,
    "rescheduled": 60,
    "not_reconfirmed": 12,
    "reopened": 24,
    "redone": 6,
    "rework": 6,
    "no_show": 78,
    "no_show_disputed": 6,
    "absent_served": 26,
    "absent_cancelled": 26,
    "absent_checked": 4,
    "worried": 1,
    "afterwards": 60,
    "contest_rejected": 6,
    "contest_upheld": 3,
    "contest_corrected": 4,
    "contest_voided": 3,
    "contest_settled": 5,
    "rating_disputed": 4,
    "amended_up": 24,
    "amended_down": 8,
    "rating_dismissed": 4,
    "follow_up_late": 6,
    "complaint": 6,
}
CANCELLED = frozenset[Course](
    {
        "cancelled_placed", "cancelled_verified", "cancelled_offered", "cancelled_open", "cancelled_accepted",
        "not_started", "absent_cancelled", "absent_checked",
    }
)  # fmt: skip
"""Called off in the end: by the resident's side, or by the dispatcher after a call."""
UNFULFILLED = frozenset[Course]({"unfulfilled", "given_up_untried", "given_up_asking", "contest_upheld"})
NEVER_COMPLETED = CANCELLED | UNFULFILLED | {"refused", "merged"}
NO_SHOW = frozenset[Course]({"no_show", "no_show_disputed"})
"""Whoever had accepted does not come, and somebody else does."""
ABSENT = frozenset[Course]({"absent_served", "absent_cancelled", "absent_checked"})
"""Nobody opens the door."""
CHECKED = frozenset[Course]({"absent_checked", "worried"})
"""Somebody looks after the resident: five in a year (domain.md §5)."""
UNRATED = NEVER_COMPLETED | {"unrated", "presumed"}
RATED_BADLY: tuple[Course, ...] = ("rated_badly", "rating_dismissed", "follow_up_late")
"""Low scores go to these, the lowest first, as far as there are such."""
RATED_WELL: dict[Course, frozenset[int]] = {
    "amended_up": frozenset({3, 4}),
    "amended_down": frozenset({3, 4, 5}),
    "contest_settled": frozenset({3, 4, 5}),
    "rating_disputed": frozenset({3, 4}),
    "complaint": frozenset({3, 4}),
    "redone": frozenset({3, 4}),
}
"""What these are rated at first: nothing that is looked into before they come to their point."""
ALWAYS_RATED = frozenset[Course]({"rated_by_phone", *RATED_BADLY, *RATED_WELL})
ALONE = frozenset[Course](
    {
        "from_the_pool", "not_started", "lapsed_first", "cancelled_accepted", "auto_closed", "over_at_once",
        "redispatched", "not_reconfirmed", "no_show", "no_show_disputed",
    }
)  # fmt: skip
"""One volunteer serves, and not at a home."""
WANTED = frozenset[Course](
    course
    for course, orders in SMALL.items()
    if orders == 1 and course not in (NEVER_COMPLETED | ABSENT | {"reopened"}) - {"contest_upheld"}
)
"""The small community lives these once: its days show what they are for only if somebody is found."""
LONG = frozenset[Course]({"contest_corrected", "contest_voided"})
"""Long enough that minutes can be taken away."""
