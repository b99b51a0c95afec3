"""物资, 集市, 退款, 更正: things given, a market from its agreements to its disclosure, money that goes back."""

from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cli.client import Actor
from cli.output import SHANGHAI
from cli.seed.aid_stories import Office
from cli.seed.community import Helper
from cli.seed.days import Days
from cli.seed.stories import Story, last_day
from contracts.command import Role

FIRST_STALL, LAST_STALL, BEARER = 3, 5, 5
"""Helpers with a stall, and the one who brings things to a neighbour."""
QUARTERS, QUARTER_DAYS, FIRST_QUARTER_DAY = 4, 85, 40
"""A full year has a market every quarter, once the approvers' keys are there."""
SALES = (
    ("stall_1", "scarf", 3_500), ("stall_1", "hat", 2_800), ("stall_2", "pickles", 1_200), ("stall_2", "tea", 2_000),
)  # fmt: skip
OVER_FEN = 200


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Once, or every quarter of a full year."""
    lives: list[Coroutine[Any, Any, None]] = []
    for number in range(1 if days.town.community.scale == "small" else QUARTERS):
        lives += [give_things(days, number), hold_market(days, number), put_right(days, number)]
    return lives


async def _begin(days: Days, name: str, number: int, hour: int) -> "Desk":
    first = last_day(days) + 1 if days.town.community.scale == "small" else FIRST_QUARTER_DAY
    await days.at(first + number * QUARTER_DAYS, hour, 25)
    return Desk(Story.of(days, f"{name}-{number}"), number)


def _digest(words: str) -> str:
    """Of a paper that nobody wrote."""
    return sha256(f"an invented paper: {words}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Desk:
    """Who works for the fund, and how they are asked."""

    story: Story
    number: int

    async def ask(self, path: str, body: Any, actor: Actor) -> Any:
        """One command to the ledger, as a step."""
        return await self.story.days.send(self.story.steps, "ledger", f"/v1{path}", body, actor)

    def staff(self, role: Role) -> Actor:
        """Who holds a role."""
        return self.story.staff(role)

    def helper(self, number: int) -> Helper:
        """A volunteer."""
        return self.story.days.town.community.helpers[number]

    def tell(self, words: str) -> None:
        """One line of the story."""
        self.story.tell(words)


async def give_things(days: Days, number: int) -> None:
    """物资: taken in, set aside, brought, one part sold, another written off by two."""
    desk = await _begin(days, "goods", number, 9)
    clerk, station = desk.staff(Role.FUND_CLERK), desk.staff(Role.STATION_MANAGER)
    until = (desk.story.now + timedelta(days=120)).astimezone(SHANGHAI).date().isoformat()
    lot = {"fund": "fund-relief", "sku": "rice_5kg", "qty": 20, "unit_value_fen": 3_200, "condition": "new"}
    path = f"/goods/{(await desk.ask('/goods', {**lot, 'expires_on': until}, clerk))['lot_id']}"
    desk.tell("物资  收到大米二十袋，按市价记账")
    neighbour = days.town.community.residents[20 + number]
    bearer = desk.helper(BEARER)
    part = {"qty": 4, "purpose": "hardship", "recipient_id": desk.story.id(neighbour)}
    allocated = await desk.ask(f"{path}/allocate", {**part, "volunteer_id": desk.story.id(bearer)}, station)
    await desk.story.pause(hours=5)
    slip = {"voucher_sha256": [_digest(f"the slip for {path}")]}
    brought = f"/goods-allocations/{allocated['allocation_id']}/deliver"
    await desk.ask(brought, slip, days.town.volunteer(bearer))
    desk.tell(f"物资  {bearer.person.name[0]}师傅把四袋米送到了邻居家，有签收单")
    sold = {"qty": 3, "price_fen": 9_000, "method": "cash", "voucher_sha256": [_digest(f"what sold of {path}")]}
    await desk.ask(f"{path}/sell", sold, desk.staff(Role.CASHIER))
    await desk.story.pause(days=1)
    for who in (station, desk.staff(Role.SUPERVISOR)):
        await desk.ask(f"{path}/write-off", {"qty": 1, "reason_code": "damaged"}, who)
    desk.tell("物资  一袋受了潮，两个人看过，核销")


async def hold_market(days: Days, number: int) -> None:
    """集市: agreements first, sales and one that is none, two counts, the bank, the disclosure."""
    desk = await _begin(days, "market", number, 10)
    sellers = [desk.helper(one) for one in range(FIRST_STALL, LAST_STALL)]
    stalls = [{"stall": f"stall_{place}", "volunteer_id": desk.story.id(one)} for place, one in enumerate(sellers, 1)]
    agreements = [_digest(f"donation agreement of {one['stall']}, market {number}") for one in stalls]
    market = {"fund": "fund-public-good", "agreement_sha256": agreements, "stalls": stalls}
    opened = await desk.ask("/markets", market, desk.staff(Role.STATION_MANAGER))
    path = f"/markets/{opened['market_id']}"
    desk.tell("集市  开市，捐赠协议在前，收入归公益基金")
    at_stall = {f"stall_{place}": days.town.volunteer(one) for place, one in enumerate(sellers, 1)}
    last = ""
    for stall, sku, amount_fen in SALES:
        sale = {"stall": stall, "sku": sku, "amount_fen": amount_fen, "method": "cash"}
        last = (await desk.ask(f"{path}/sales", sale, at_stall[stall]))["sale_id"]
    for who in (at_stall["stall_2"], at_stall["stall_1"]):
        await desk.ask(f"{path}/sales/{last}/void", {"reason_code": "given_back"}, who)
    await desk.story.pause(hours=4)
    counted = sum(amount_fen for _, _, amount_fen in SALES[:-1]) + OVER_FEN
    count = {"counted_fen": counted, "note": "有位邻居说零钱不用找了，多了两元。"}
    await desk.ask(f"{path}/reconcile", count, desk.staff(Role.CASHIER))
    await desk.ask(f"{path}/reconcile", {"counted_fen": counted}, desk.staff(Role.SUPERVISOR))
    desk.tell(f"集市  出纳和监督员各点一遍，{counted / 100:.2f} 元，差额写了说明")
    await desk.story.pause(days=1)
    slip = {"voucher_sha256": [_digest(f"the bank's slip for {path}")]}
    await desk.ask(f"{path}/deposit", slip, desk.staff(Role.CASHIER))
    if number % 2 == 0:
        await desk.story.pause(days=2)
        await desk.ask(f"{path}/disclose", {}, desk.staff(Role.FUND_CLERK))
    # Otherwise nobody thinks of it, and the service discloses when it is due.


async def put_right(days: Days, number: int) -> None:
    """退款 and 更正: a donor paid twice and gets one back; an entry was wrong, and everybody can read why."""
    desk = await _begin(days, "put-right", number, 11)
    office = Office(desk.story, number)
    clerk, cashier = desk.staff(Role.FUND_CLERK), desk.staff(Role.CASHIER)
    pledge = {"fund": "fund-relief", "amount_fen": 20_000}
    gift = f"/donations/{(await desk.ask('/donations', pledge, clerk))['donation_id']}"
    await desk.ask(f"{gift}/receive", {"method": "bank_transfer"}, cashier)
    await desk.ask(f"{gift}/waive-receipt", {"reason_code": "donor_anonymous"}, clerk)
    await desk.story.pause(hours=3)
    terms: dict[str, Any] = {"amount_fen": 10_000, "reason_code": "sent_twice"}
    asked = "&".join(f"{name}={value}" for name, value in terms.items())
    signed = [await office.signed(f"{gift}/refund-request?{asked}", one) for one in (1, 2)]
    paid = {"method": "bank_transfer", "voucher_sha256": [_digest(f"the refund of {gift}")], "signatures": signed}
    await desk.ask(f"{gift}/refund", {**terms, **paid}, cashier)
    desk.tell("退款  有人转了两遍，两位审批人签字，退回一笔")
    moved = {"origin": "bank_transfer", "target": "cash", "amount_fen": 5_000, "voucher_sha256": [_digest(gift)]}
    entry = f"/entries/{(await desk.ask('/funds/fund-relief/move', moved, cashier))['entry_id']}"
    words = "取款改到了下周，这笔没有发生，原额冲回。"
    wrong = {"reason_code": "entered_wrongly", "explanation_sha256": sha256(words.encode()).hexdigest()}
    asked = "&".join(f"{name}={value}" for name, value in wrong.items())
    signed = [await office.signed(f"{entry}/reversal-request?{asked}", one) for one in (1, 2)]
    body = {"reason_code": "entered_wrongly", "explanation": words, "signatures": signed}
    await desk.ask(f"{entry}/reverse", body, clerk)
    desk.tell("更正  一笔记错了，冲销并公开说明")
