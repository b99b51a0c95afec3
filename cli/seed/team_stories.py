"""队伍: begun by a volunteer, joined, registered, led; one is given up again, one sleeps."""

from collections.abc import Coroutine
from typing import Any

from cli.seed.community import Community, Helper
from cli.seed.days import Days
from cli.seed.plan import WITH_STORIES, regular_helpers
from cli.seed.stories import Story, last_day
from contracts.command import Role
from servicekit.reference import reference

MEMBERS = 5
TEAMS_SMALL = 4
PATROL = "green-patrol-team"
"""The team of those who patrol every day; it comes first."""


def codes(community: Community) -> list[str]:
    """The teams that there are: all 18 of the community's list in a full year."""
    listed = sorted(reference().team_codes - {PATROL})
    return [PATROL, *listed][: TEAMS_SMALL if community.scale == "small" else None]


def members_of(community: Community, number: int) -> tuple[Helper, ...]:
    """Who is in a team, its leader first. The regular helpers are all in the first one, and lead none."""
    regular = regular_helpers(community)
    others = [
        helper for helper in community.helpers[WITH_STORIES:] if helper not in regular and helper.person.age >= 18
    ]
    chosen = tuple(others[number * MEMBERS : (number + 1) * MEMBERS])
    return (*chosen, *regular) if number == 0 else chosen


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Every team a life of its own."""
    return [found(days, code, number) for number, code in enumerate(codes(days.town.community))]


async def found(days: Days, code: str, number: int) -> None:
    """发起, 加入, 任命队长, 登记; of the last team somebody leaves, and then it is dissolved."""
    story, town = Story.of(days, f"team-{code}"), days.town
    leader, *others = members_of(town.community, number)
    station, team = story.staff(Role.STATION_MANAGER), f"/v1/teams/{code}"
    await days.at(0, 7, number % 30)
    await story.ask("/v1/teams", {"team_code": code, "founder_id": story.id(leader)}, town.volunteer(leader))
    for helper in others:
        await story.ask(f"{team}/join", {"volunteer_id": story.id(helper)}, town.volunteer(helper))
    await story.ask(f"{team}/leader", {"leader_id": story.id(leader)}, station)
    await story.ask(f"{team}/register", {}, station)
    name = next(one.name for one in reference().teams if one.code == code)
    story.tell(f"队伍  {name}登记了，{len(others) + 1} 名队员，有了队长")
    if number == len(codes(town.community)) - 1:
        await _give_up(days, story, team, others)


async def _give_up(days: Days, story: Story, team: str, others: list[Helper]) -> None:
    gone = others[-1]
    await days.at(last_day(days) + 7, 10)
    await story.ask(f"{team}/leave", {"volunteer_id": story.id(gone)}, days.town.volunteer(gone))
    await days.at(last_day(days) + 9, 10)
    await story.ask(f"{team}/dissolve", {"reason_code": "members_wish"}, story.staff(Role.STATION_MANAGER))
    story.tell("队伍  一支队伍散了，队员们去了别的队")
