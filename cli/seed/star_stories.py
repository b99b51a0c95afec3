"""星级 and 平台服务记录: hours that somebody proposes, everybody sees, somebody doubts; papers, and what ends them."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from cli.client import ProblemError
from cli.output import SHANGHAI
from cli.seed.community import Helper
from cli.seed.days import Days
from cli.seed.plan import REGULAR_APART_DAYS, REGULAR_DAYS, regular_helpers
from cli.seed.stories import Story
from cli.seed.team_stories import members_of
from contracts.command import Role

DOUBTED_EVERY = 3
"""Of the stars, so many to one that somebody objects to."""
PATIENCE_DAYS = 12
"""So long it is waited for the hours to be there."""
SHORTER_MINUTES = 30


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """One for everybody who comes every day."""
    return [honour(days, helper, number) for number, helper in enumerate(regular_helpers(days.town.community))]


async def honour(days: Days, helper: Helper, number: int) -> None:
    """申报, 公示, 异议, 认定; a paper of the hours; and for every other one a correction, with what follows from it."""
    story = Story.of(days, f"star-{number}")
    first = number * REGULAR_APART_DAYS
    await days.at(first + 2 + REGULAR_DAYS, 9, 30)
    star = f"/v1/volunteers/{story.id(helper)}/stars/1"
    if not await _reached(story, helper):
        story.tell("星级  这一位的时长还不够")
        return
    await story.ask(f"{star}/nominate", {}, story.leader(members_of(days.town.community, 0)[0]))
    await story.pause(hours=2)
    await story.ask(f"{star}/publicize", {}, story.staff(Role.STATION_MANAGER))
    story.tell(f"星级  公示{helper.person.name[0]}师傅的一百小时")
    await story.pause(days=1)
    if number % DOUBTED_EVERY == 0:
        await _object(days, story, helper, star)
    await _until_due(story, helper)
    await story.ask(f"{star}/award", {}, story.staff(Role.STATION_MANAGER))
    story.tell(f"星级  认定{helper.person.name[0]}师傅为一星级志愿者")
    await _papers(days, story, helper, corrected=number % 2 == 0)


async def _reached(story: Story, helper: Helper) -> bool:
    """The threshold is noticed by the service itself, once the last hours are credited."""
    for _ in range(PATIENCE_DAYS):
        if await _star(story, helper) is not None:
            return True
        await story.pause(days=1)
    return False


async def _star(story: Story, helper: Helper) -> dict[str, Any] | None:
    found = await story.read(f"/v1/volunteers/{story.id(helper)}/stars", story.staff(Role.STATION_MANAGER))
    star: dict[str, Any] | None = next((one for one in found["stars"] if one["level"] == 1), None)
    return star


async def _until_due(story: Story, helper: Helper) -> None:
    """The five working days of the publicity."""
    found = await _star(story, helper)
    assert found is not None
    due_at = datetime.fromisoformat(found["due_at"])
    await story.days.simulation.until(due_at + timedelta(hours=1))


async def _object(days: Days, story: Story, helper: Helper, star: str) -> None:
    """Somebody doubts it; it is looked into, and shown again from the start."""
    doubter = next(one for one in days.town.community.residents if one.household_id != helper.person.household_id)
    objection = {"reason_code": "minutes_doubtful", "explanation": "天天见他在巡逻，可真有一百个小时吗？"}
    await story.ask(f"{star}/object", objection, days.town.resident(doubter))
    story.tell("星级  有人提了异议，先核实")
    await story.pause(days=1)
    await story.ask(f"{star}/publicize", {}, story.staff(Role.STATION_MANAGER))
    story.tell("星级  核实过了，重新公示")


async def _papers(days: Days, story: Story, helper: Helper, *, corrected: bool) -> None:
    """A 平台服务记录; one corrected claim ends it, and a new one says what holds; a mistaken one is taken back."""
    await story.pause(hours=3)
    record = await _issue(days, story, helper)
    await _print(story, record["record_id"])
    if not corrected:
        return
    await story.pause(days=1)
    claims = await _credited(story, helper)
    await _correct(story, helper, claims[0], "adjust", {"delta": -SHORTER_MINUTES, "reason_code": "interval_wrong"})
    for claim_id in claims[1:]:
        await _correct(story, helper, claim_id, "void", {"reason_code": "not_served"})
    story.tell("更正时长  少巡了半小时，有两天没有去；公开说明，账本冲正，旧的服务记录作废")
    await story.pause(days=1)
    again = await _issue(days, story, helper)
    await story.pause(days=1)
    revoke = f"/v1/service-records/{again['record_id']}/revoke"
    await story.ask(revoke, {"reason_code": "asked_for"}, story.staff(Role.STATION_MANAGER))


async def _issue(days: Days, story: Story, helper: Helper) -> Any:
    body = {
        "volunteer_id": story.id(helper),
        "period_from": days.midnight.date().isoformat(),
        "period_until": story.now.astimezone(SHANGHAI).date().isoformat(),
    }
    issued = await story.ask("/v1/service-records", body, story.staff(Role.STATION_MANAGER))
    story.tell(f"服务记录  开具了 {issued['record_no']}，凭验证码可查")
    return issued


async def _print(story: Story, record_id: str) -> None:
    async def do(_key: str) -> int:
        path = f"/v1/service-records/{record_id}/pdf"
        pdf = await story.days.town.client.paper("volunteers", path, actor=story.staff(Role.STATION_MANAGER))
        assert pdf.startswith(b"%PDF-")
        return len(pdf)

    await story.steps.take("print", story.now, do)


async def _credited(story: Story, helper: Helper) -> list[str]:
    """Three of the helper's long services, those of the first days."""
    found = await story.read(f"/v1/volunteers/{story.id(helper)}/hours", story.staff(Role.STATION_MANAGER))
    logged = [one for one in found["claims"] if one["state"] == "LOGGED" and one["minutes"] > 400]
    return [one["claim_id"] for one in sorted(logged, key=lambda one: str(one["started_at"]))[:3]]


async def _correct(story: Story, helper: Helper, claim_id: str, answer: str, body: dict[str, Any]) -> None:
    """The volunteer asks, the auditor answers: two persons, and words for everybody."""
    path = f"/v1/hours/{claim_id}"
    doubt = {"cause": "minutes_wrong", "explanation": "我自己记错了时间，请改过来。"}
    asked = await story.ask(f"{path}/corrections", doubt, story.days.town.volunteer(helper))
    await story.pause(hours=4)
    body = {"correction_id": asked["correction_id"], "explanation": "本人说明记错了，按巡逻本更正。", **body}
    auditor = story.staff(Role.HOURS_AUDITOR)
    for _ in range(PATIENCE_DAYS):
        try:
            await story.ask(f"{path}/{answer}", body, auditor)
        except ProblemError as problem:
            if problem.reason_code != "not_posted_yet":
                raise
            await story.pause(hours=1)
        else:
            return
    raise AssertionError(f"{claim_id} was never posted")
