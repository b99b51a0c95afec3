"""补录 and 抽查: a leader's papers of a morning, of which one is not true; and the month's random calls."""

from collections.abc import Coroutine
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cli.seed.community import Person
from cli.seed.days import Days
from cli.seed.stories import Story, last_day, rounds
from cli.seed.team_stories import members_of
from contracts.command import Role

APART_DAYS = 60
TEAM = 1
"""The second team; its members patrol before work, which nobody orders."""
BEGINS_HOURS = 6
MINUTES = 60
CALLS_FOR_DAYS = 40
"""Calls go on for so long after the last day of orders: the last month's sample is drawn on the first of the next."""


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """The entries by hand, now and then; the calls, every week."""
    return [*(enter(days, number) for number in rounds(days)), call_back(days)]


async def enter(days: Days, number: int) -> None:
    """The leader writes down a morning of each member, and the same recipient says of all but one that it was so.

    Many entries within a minute are flagged: an auditor looks at every one of them anyway, for they are made by hand.
    """
    story = Story.of(days, f"entries-{number}")
    day = 5 if days.town.community.scale == "small" else 30 + number * APART_DAYS
    leader, *members = members_of(days.town.community, TEAM)
    recipient = _recipient(days, number)
    await days.at(day, 11)
    claims = [
        await _entered(days, story, leader_of=leader, volunteer=one, recipient=recipient, day=day) for one in members
    ]
    claims.append(await _entered(days, story, leader_of=leader, volunteer=members[0], recipient=recipient, day=day - 1))
    story.tell(f"补录  队长照着签到纸补了 {len(claims)} 条，等对方确认、等人复核")
    await story.pause(hours=3)
    auditor = story.staff(Role.HOURS_AUDITOR)
    for claim_id in claims[:-1]:
        await story.ask(f"/v1/hours/{claim_id}/confirm", {}, days.town.resident(recipient))
        await story.ask(f"/v1/hours/{claim_id}/approve", {}, auditor)
    await story.ask(f"/v1/hours/{claims[-1]}/reject", {"reason_code": "not_served"}, auditor)
    story.tell("补录  复核了，有一条对不上，不予认定")


async def _entered(days: Days, story: Story, *, leader_of: Any, volunteer: Any, recipient: Person, day: int) -> str:
    begins = days.midnight + timedelta(days=day, hours=BEGINS_HOURS)
    paper = f"{story.id(volunteer)} {day}"
    body = {
        "volunteer_id": story.id(volunteer),
        "beneficiary_id": story.id(recipient),
        "item_code": "corridor-clearing",
        "project_code": "hazard-removal",
        "started_at": begins.isoformat(),
        "finished_at": (begins + timedelta(minutes=MINUTES)).isoformat(),
        "attachment_sha256": sha256(paper.encode()).hexdigest(),
    }
    claim_id: str = (await story.ask("/v1/hours", body, story.leader(leader_of)))["claim_id"]
    return claim_id


async def call_back(days: Days) -> None:
    """The supervisor calls whoever was drawn; the first who does not remember opens a correction, which upholds it."""
    story, doubted = Story.of(days, "sample"), False
    supervisor, auditor = story.staff(Role.SUPERVISOR), story.staff(Role.HOURS_AUDITOR)
    for day in range(3, last_day(days) + CALLS_FOR_DAYS, 4):
        await days.at(day, 14, 10)
        drawn = await story.read("/v1/hours", supervisor, sampled="true")
        for claim in (one for one in drawn["claims"] if one["state"] == "LOGGED"):
            path, result = f"/v1/hours/{claim['claim_id']}", "confirmed" if doubted else "not_confirmed"
            said = await story.ask(f"{path}/sample", {"result": result}, supervisor)
            if not doubted:
                doubted = True
                await story.pause(days=1)
                upheld = {"delta": 0, "reason_code": "upheld", "explanation": "本人想起来了，确实做过。"}
                await story.ask(f"{path}/adjust", {"correction_id": said["correction_id"], **upheld}, auditor)
        if drawn["claims"]:
            story.tell(f"抽查  给 {len(drawn['claims'])} 位居民打了电话")


def _recipient(days: Days, number: int) -> Person:
    """Who sees the team every morning."""
    residents = days.town.community.residents
    return residents[(7 + number) % len(residents)]
