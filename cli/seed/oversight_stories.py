"""银行对账, 异常, 复核: ten days of the bank's own statement, a look at what seemed odd, a neighbour's doubt."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cli.client import Actor
from cli.output import SHANGHAI
from cli.seed.aid_stories import first_day
from cli.seed.days import Days
from cli.seed.stories import Story
from contracts.command import Role

WAITED_DAYS, STATEMENT_DAYS = 7, 10
"""How long after the first month was closed the bank is asked, and for how many days."""
FEE_FEN = -1_250
LINES_MAX = 150
PAGE = 200


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Once each."""
    return [ask_the_bank(days), doubt_the_fund(days)]


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks after the fund's book, and how they are asked."""

    story: Story

    async def ask(self, path: str, body: Any, actor: Actor, service: str = "ledger") -> Any:
        """One command, as a step."""
        return await self.story.days.send(self.story.steps, service, f"/v1{path}", body, actor)

    async def read(self, path: str, role: Role, **params: str | int) -> Any:
        """One question to the ledger, as a step."""
        client, actor = self.story.days.town.client, self.story.staff(role)

        async def do(_key: str) -> Any:
            return await client.query("ledger", f"/v1{path}", actor=actor, params=params)

        return await self.story.steps.take(f"read {path.rpartition('/')[2]}", self.story.now, do)


async def ask_the_bank(days: Days) -> None:
    """A statement as the bank would write it: what is booked but for the last transfer, and a fee of its own."""
    await days.at(first_day(days) + WAITED_DAYS, 16, 20)
    watch = Watch(Story.of(days, "bank"))
    clerk = watch.story.staff(Role.FUND_CLERK)
    until = watch.story.now.astimezone(SHANGHAI).date() - timedelta(days=1)
    since = until - timedelta(days=STATEMENT_DAYS)
    before, within = 0, []
    for entry in await _bank_entries(watch):
        fen = sum(one["amount"] for one in entry["postings"] if one["account"] == "assets:bank")
        if entry["effective_date"] < since.isoformat():
            before += fen
        elif fen and entry["effective_date"] <= until.isoformat():
            within.append({"booked_on": entry["effective_date"], "amount_fen": fen})
    seen = within[:LINES_MAX][:-1]
    lines = [*seen, {"booked_on": until.isoformat(), "amount_fen": FEE_FEN, "summary": "账户管理费"}]
    statement = {
        "file_sha256": sha256(f"an invented statement until {until}".encode()).hexdigest(),
        "from_on": since.isoformat(),
        "until_on": until.isoformat(),
        "opening_fen": before,
        "closing_fen": before + sum(line["amount_fen"] for line in lines),
        "lines": lines,
    }
    statement_id = (await watch.ask("/bank/statements", statement, clerk))["statement_id"]
    watch.story.tell(f"银行对账  经办交来银行对账单，{len(lines)} 行")
    fee = {"statement_id": statement_id, "line_no": len(lines), "reason_code": "bank_fee", "note": "季度账户管理费。"}
    await watch.ask("/bank/settlements", fee, clerk)
    for entry in (await watch.read("/bank/open", Role.SUPERVISOR))["entries"][:1]:
        under_way = {"entry_no": entry["entry_no"], "reason_code": "in_transit", "note": "银行下一张对账单上才有。"}
        await watch.ask("/bank/settlements", under_way, clerk)
    await watch.story.pause(hours=3)
    await watch.ask(f"/bank/statements/{statement_id}/reconcile", {}, watch.story.staff(Role.SUPERVISOR))
    watch.story.tell("银行对账  监督员复核，没有对上的写明了")
    odd = (await watch.read("/anomalies", Role.SUPERVISOR))["anomalies"]
    if odd:
        looked = {"outcome": "in_order", "note": "急难通道，两位审批人都在，票据随后补齐。"}
        await watch.ask(f"/anomalies/{odd[0]['review_id']}/review", looked, watch.story.staff(Role.SUPERVISOR))
        watch.story.tell("异常核查  监督员看过一笔付得快的，没有问题")


async def _bank_entries(watch: Watch) -> list[dict[str, Any]]:
    """Every entry of the bank account, page by page."""
    found: list[dict[str, Any]] = []
    after_no = 0
    while True:
        page = await watch.read("/entries", Role.SUPERVISOR, account="assets:bank", after_no=after_no, limit=PAGE)
        found += page["entries"]
        if len(page["entries"]) < PAGE:
            return found
        after_no = found[-1]["entry_no"]


async def doubt_the_fund(days: Days) -> None:
    """A neighbour doubts how a gift was used; it is decided to look, and the ledger asks for it."""
    await days.at(first_day(days) + WAITED_DAYS, 9, 40)
    watch = Watch(Story.of(days, "doubt"))
    (entry, *_) = await _bank_entries(watch)
    neighbour = Actor.of(days.town.ids[days.town.community.residents[2].person_key], Role.RESIDENT)
    doubt = {"about": "fund", "reason_code": "use_unclear", "words": "想知道这笔捐款用到哪里去了"}
    subject = {} if entry["donation_id"] is None else {"subject_id": entry["donation_id"]}
    raised = await watch.ask("/disputes", {**doubt, **subject}, neighbour, "orders")
    watch.story.tell("提出异议  居民想知道一笔捐款的去向")
    await watch.story.pause(days=1)
    decided = {"decision": "partly_upheld", "consequences": ["fund_reviewed"], "words": "去向说得不够清楚，复核一次"}
    await watch.ask(
        f"/disputes/{raised['dispute_id']}/resolve", decided, watch.story.staff(Role.SOCIAL_WORKER), "orders"
    )
    watch.story.tell("裁定  基金要复核一次")
