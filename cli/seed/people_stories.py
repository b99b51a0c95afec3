"""People beside the orders: who moves, who is kept apart, who offers help and may not, a child, papers and courses."""

from collections.abc import Coroutine
from datetime import date, timedelta
from random import Random
from typing import Any

from cli.output import SHANGHAI
from cli.seed.community import SEED, Person
from cli.seed.days import Days
from cli.seed.names import draw_name, draw_phone
from cli.seed.plan import WITH_STORIES
from cli.seed.stories import Story, last_day, rounds
from contracts.command import Role
from servicekit.reference import reference

CHILD_YEARS = 12
"""Old enough to help, too young to say so alone (domain.md §2, Minors)."""
APART_DAYS = 60


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Once, or every two months of a full year; in the small community when its orders are over."""
    return [live(days, number) for number in rounds(days)]


async def live(days: Days, number: int) -> None:
    """One round of what happens to people."""
    small = days.town.community.scale == "small"
    day = last_day(days) + 6 if small else 20 + number * APART_DAYS
    story = Story.of(days, f"people-{number}")
    await days.at(day, 9, 15)
    await _move(days, story, number)
    await _keep_apart(days, story, number)
    await _not_accepted(days, story, number)
    await _child(days, story, number)
    await _papers(days, story, number)


async def _move(days: Days, story: Story, number: int) -> None:
    """搬家: to another entrance of the community."""
    person = _neighbour(days, number)
    entrance = sorted(set(reference().entrances) - {person.entrance_id})[number]
    path = f"/v1/persons/{story.id(person)}/move"
    await story.ask(path, {"entrance_id": entrance, "new_household": True}, days.town.resident(person))
    story.tell(f"搬家  {person.name[0]}家搬到了另一个楼门")


async def _keep_apart(days: Days, story: Story, number: int) -> None:
    """两人不再派到一起; after a talk it is taken back. Another one stands."""
    person, helper = _neighbour(days, number + 10), days.town.community.helpers[WITH_STORIES + 40 + number]
    own = days.town.resident(person)
    block = {"person_id": story.id(person), "other_id": story.id(helper), "reason": "上回说话不太愉快。"}
    blocked = await story.ask("/v1/blocks", block, own)
    other = days.town.community.helpers[WITH_STORIES + 50 + number]
    await story.ask("/v1/blocks", {**block, "other_id": story.id(other)}, own)
    await story.pause(days=3)
    await story.ask(f"/v1/blocks/{blocked['block_id']}/end", {}, own)


async def _not_accepted(days: Days, story: Story, number: int) -> None:
    """不予通过: somebody offers to help and cannot show who they are."""
    person = _neighbour(days, number + 20)
    who = story.id(person)
    await story.ask("/v1/volunteers", {"person_id": who, "consent_form": "written"}, days.town.resident(person))
    reject = {"reason_code": "not_the_person"}
    await story.ask(f"/v1/volunteers/{who}/reject", reject, story.staff(Role.STATION_MANAGER))
    story.tell("不予通过  证件对不上，请带证件再来")


async def _child(days: Days, story: Story, number: int) -> None:
    """监护人同意: a child wants to help, and a parent agrees (条例 §6; 个人信息保护法 §31)."""
    station = story.staff(Role.STATION_MANAGER)
    parent = next(one for one in _neighbours(days, number) if 30 <= one.age <= 60)
    born = date(story.now.year - CHILD_YEARS, 3, 12)
    random = Random(f"{SEED}:child-{number}")  # noqa: S311 - the same child every time is the point
    body = {
        "name": draw_name(random),
        "phone": draw_phone(random),
        "birth_date": born.isoformat(),
        "household_id": str(parent.household_id),
        "entrance_id": parent.entrance_id,
        "consents": ["personal_data", "contact"],
        "consent_form": "written",
        "guardian_id": story.id(parent),
    }
    child = (await story.ask("/v1/persons", body, station))["person_id"]
    related = {"person_a_id": story.id(parent), "person_b_id": child, "kind": "parent"}
    await story.ask("/v1/relations", related, station)
    offer = {"person_id": child, "consent_form": "written", "guardian_id": story.id(parent)}
    await story.ask("/v1/volunteers", offer, station)
    await story.ask(f"/v1/volunteers/{child}/verify-identity", {}, station)
    story.tell("小小志愿者  家长签了字，跟着一起服务")


async def _papers(days: Days, story: Story, number: int) -> None:
    """培训 and 资质: a course, and a licence whose last day passes."""
    helper = days.town.community.helpers[WITH_STORIES + 30 + number]
    station, today = story.staff(Role.STATION_MANAGER), story.now.astimezone(SHANGHAI).date()
    path = f"/v1/volunteers/{story.id(helper)}"
    training = {"training": "safety", "completed_on": (today - timedelta(days=1)).isoformat()}
    await story.ask(f"{path}/trainings", training, story.staff(Role.SOCIAL_WORKER))
    licence = {"licence": "electrician", "expires_on": (today + timedelta(days=5)).isoformat()}
    await story.ask(f"{path}/licences", licence, station)
    story.tell("培训  一位志愿者上完了安全课；电工证快到期了")


def _neighbours(days: Days, number: int) -> list[Person]:
    """Residents from the end of the list, to whom nothing else is to happen."""
    residents = days.town.community.residents
    return [residents[-2 - (number + step) % (len(residents) - 3)] for step in range(len(residents) - 3)]


def _neighbour(days: Days, number: int) -> Person:
    return _neighbours(days, number)[0]
