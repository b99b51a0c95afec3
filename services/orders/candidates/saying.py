"""What a reason for or against a candidate says to people, in Chinese and in English (个人信息保护法 §24)."""

import re
from collections.abc import Mapping

SENTENCES: Mapping[str, tuple[str, str]] = {
    # for
    "same_entrance": ("住同一个楼门。", "Lives at the same entrance."),
    "same_grid": ("住同一个网格。", "Lives in the same grid."),
    "skill_level_{n}": ("手艺核实为{n}级。", "The skill was verified at level {n}."),
    "skill_level_0": ("手艺自己申报，还没有核实。", "The skill is declared and not verified yet."),
    "licence:{code}": ("有这一单要的证照。", "Holds the licence: {code}."),
    "trained": ("参加过上门安全培训。", "Completed the safety training."),
    "team_mate": ("和已接单的人同队。", "Is in a team with somebody who serves already."),
    "served_here_before": ("以前为这位居民服务过。", "Served this resident before."),
    "never_served": ("还没有服务过，轮到了。", "Has not served yet, and it is their turn."),
    "idle_{n}_days": ("已经{n}天没有服务。", "Last served {n} days ago."),
    # against
    "asked_{n}_times_lately": ("近来已经派过{n}次单，先问别人。", "Was asked {n} times lately; others come first."),
    "load_{n}_this_week": ("这一周已有{n}次服务。", "Has {n} services in that week."),
    "declared_relation": ("和居民有登记的亲友关系。", "Has a declared relation to the resident."),
    "outside_stated_hours": ("不在本人说的可服务时间里。", "The window is outside their stated hours."),
    # gates
    "volunteer_not_active": ("现在不是可服务状态。", "Is not ACTIVE."),
    "own_order": ("是本人的单。", "Is the resident of this order."),
    "same_household": ("和居民是一家人。", "Lives in the resident's household."),
    "kept_apart": ("有一方登记了互不安排。", "One side does not want to meet the other."),
    "licence_needed": ("没有服务结束时有效的证照。", "Has no licence that holds when the service ends."),
    "skill_needed": ("没有申报这门手艺。", "Did not declare the skill."),
    "training_needed": ("没有参加上门安全培训。", "Did not complete the safety training."),
    "insurance_needed": ("没有当天有效的保险。", "Has no insurance that holds on that day."),
    "accompanied_only": ("是孩子，要有大人一起。", "Is a child and serves beside a grown-up only."),
    "time_overlap": ("这个时间已有安排。", "Has promised this time already."),
    "asked_before": ("这一单已经问过。", "Was asked for this order before."),
    "offers_today_reached": ("今天派给本人的单已到上限。", "Was offered as many orders today as the cap allows."),
    "self_dispatch": ("派单员不能派给自己。", "Is the dispatcher."),
}
"""Code → Chinese, English. `{n}` stands for a number in the code, `{code}` for another code."""


def _pattern(code: str) -> re.Pattern[str]:
    """`idle_{n}_days` matches `idle_12_days`."""
    n, other = re.escape("{n}"), re.escape("{code}")
    return re.compile(re.escape(code).replace(n, r"(?P<n>\d+)").replace(other, r"(?P<code>[a-z0-9_:.\-]+)"))


_PATTERNS = [
    (_pattern(code), sentences) for code, sentences in sorted(SENTENCES.items(), key=lambda pair: "{" in pair[0])
]


def said(code: str) -> tuple[str, str]:
    """A reason in Chinese and English. Raises KeyError for a code that has no sentence."""
    for pattern, sentences in _PATTERNS:
        if found := pattern.fullmatch(code):
            chinese, english = (sentence.format(**found.groupdict()) for sentence in sentences)
            return chinese, english
    raise KeyError(code)
