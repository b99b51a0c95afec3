"""收支公示: a month and ten days, drafted and published by two; a late gift, the correction; a draft that waits."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cli.output import SHANGHAI
from cli.seed.aid_stories import first_day
from cli.seed.days import Days
from cli.seed.stories import Story
from contracts.command import Role

WAITED_DAYS, TOLD_DAYS = 3, 10
"""How long after the month was closed it is told, and of how many days for the time being."""
EXPLANATION = "有一笔银行转账当天没有登记，隔天补记，这份数字因此少了一百五十元。"


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Once."""
    return [tell_everybody(days)]


@dataclass(frozen=True, slots=True)
class Publisher:
    """The clerk and the supervisor, and how they are asked."""

    story: Story

    async def ask(self, path: str, body: Any, role: Role) -> Any:
        """One command to the ledger, as a step."""
        story = self.story
        return await story.days.send(story.steps, "ledger", f"/v1{path}", body, story.staff(role))

    async def both(self, path: str, words: Any) -> None:
        """The clerk drafts, the supervisor reads and publishes."""
        drafted = await self.ask(path, words, Role.FUND_CLERK)
        await self.story.pause(hours=2)
        await self.ask(path, {"statement_sha256": drafted["statement_sha256"]}, Role.SUPERVISOR)


async def tell_everybody(days: Days) -> None:
    """The closed month; then the days since, which are found wanting and corrected."""
    await days.at(first_day(days) + WAITED_DAYS, 15, 10)
    publisher = Publisher(Story.of(days, "statements"))
    today = publisher.story.now.astimezone(SHANGHAI).date()
    month = (publisher.story.now.astimezone(SHANGHAI) - timedelta(days=WAITED_DAYS)).replace(day=1)
    period = (month - timedelta(days=1)).strftime("%Y-%m")
    await publisher.both(f"/statements/{period}/publish", {})
    publisher.story.tell(f"公示  {period} 的收支，一人起草，监督员看过再公布")
    yesterday = today - timedelta(days=1)
    told = f"/statements/{today - timedelta(days=TOLD_DAYS)}..{yesterday}"
    await publisher.both(f"{told}/publish", {})
    await publisher.story.pause(days=1)
    pledge = {"fund": "fund-relief", "amount_fen": 15_000}
    gift = f"/donations/{(await publisher.ask('/donations', pledge, Role.FUND_CLERK))['donation_id']}"
    late = {"method": "bank_transfer", "effective_date": yesterday.isoformat()}
    await publisher.ask(f"{gift}/receive", late, Role.CASHIER)
    await publisher.ask(f"{gift}/waive-receipt", {"reason_code": "donor_anonymous"}, Role.FUND_CLERK)
    await publisher.both(f"{told}/correct", {"reason_code": "late_entry", "explanation": EXPLANATION})
    publisher.story.tell("公示  少了一笔补记的捐款，另出一份，更正说明公开，两份都在")
    await publisher.ask(f"/statements/{today}..{today}/publish", {}, Role.FUND_CLERK)
    publisher.story.tell("公示  起草了后面一天的收支，等监督员看")
