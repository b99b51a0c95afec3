"""救助: neighbours in need, from the first word to the last look; what is changed, turned down, forgotten, taken back.

The approvers sign with keys of their own. Theirs are made from words, for they are invented: nobody else's may be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cli.client import Actor
from cli.output import SHANGHAI
from cli.seed.community import Person
from cli.seed.days import Days
from cli.seed.stories import Story, last_day, rounds
from cli.signing import SigningKey
from contracts.command import Role

APART_DAYS = 55
"""Between two rounds of a full year."""
APPROVERS = 3
STANDARD = "aid-standard-1"
POSTED_DAYS = 3
LAPSE_DAYS = 31
LOOKS_MAX, LOOK_SECONDS = 300, 0.1


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Once, or every two months of a full year; when the gifts of the small community have come."""
    lives = [live(days, number, which, way) for number in rounds(days) for which, way in enumerate(WAYS)]
    return [open_office(days), *lives]


async def open_office(days: Days) -> None:
    """Before the first case: everybody's key."""
    await days.at(first_day(days), 8, 30)
    office = Office(Story.of(days, "aid-keys"), 0)
    await office.open()
    await office.close_last_month()


def first_day(days: Days) -> int:
    """When the office opens, and the month before is closed."""
    return last_day(days) + 1 if days.town.community.scale == "small" else 30


async def live(days: Days, number: int, which: int, way: "Way") -> None:
    """One neighbour's case, on its own way."""
    await days.at(first_day(days) + number * APART_DAYS, 9 + which, 5)
    office = Office(Story.of(days, f"aid-{number}-{which}"), number)
    await way(office.case(which))


@dataclass(frozen=True, slots=True)
class Office:
    """Who decides about aid, and how they are asked."""

    story: Story
    number: int

    def approver(self, number: int) -> Actor:
        """One of the three."""
        return self.story.staff(Role.FUND_APPROVER, number)

    def key(self, number: int) -> SigningKey:
        """The key of one of them, the same each time the days are taken up."""
        return SigningKey.from_words(f"an invented approver, {number}")

    async def ask(self, path: str, body: Any, actor: Actor) -> Any:
        """One command to the ledger, as a step."""
        return await self.story.days.send(self.story.steps, "ledger", f"/v1{path}", body, actor)

    async def signed(self, path: str, number: int) -> dict[str, str]:
        """What an approver's own device makes of the text that the ledger shows."""
        client, key, actor = self.story.days.town.client, self.key(number), self.approver(number)

        async def do(_key: str) -> dict[str, str]:
            text = await client.paper("ledger", f"/v1{path}", actor=actor)
            return {"key_id": key.key_id, "sig": key.sign(text)}

        found: dict[str, str] = await self.story.steps.take("sign", self.story.now, do)
        return found

    async def close_last_month(self) -> None:
        """结账: the month before is over; one proposes to close it, another does."""
        month = (self.story.now.astimezone(SHANGHAI).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
        for role in (Role.FUND_CLERK, Role.SUPERVISOR):
            await self.ask("/books/fund/close", {"period": month}, self.story.staff(role))
        self.story.tell(f"结账  {month} 的基金账两人结了，以后只能在后面的月份更正")

    async def open(self) -> None:
        """登记签名密钥: each shows a key, the supervisor sees it; one is lost later and another takes its place."""
        for number in range(APPROVERS):
            await self._register(number, self.key(number))
        lost = SigningKey.from_words("an invented approver's lost key")
        person_id = str(self.approver(0).person_id)
        ended = {"person_id": person_id, "reason_code": "replaced"}
        await self.ask(f"/signing-keys/{self.key(0).key_id}/revoke", ended, self.approver(0))
        await self._register(0, lost)
        await self.ask(f"/signing-keys/{lost.key_id}/revoke", {**ended, "reason_code": "lost"}, self.approver(0))
        self.story.tell("密钥  一位审批人换了密钥，新的又丢了，两把都停用")

    async def _register(self, number: int, key: SigningKey) -> None:
        actor, client = self.approver(number), self.story.days.town.client
        public = key.public_key.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")

        async def do(_key: str) -> dict[str, str]:
            path = f"/v1/signing-keys/registration-text?public_key={public}"
            text = await client.paper("ledger", path, actor=actor)
            return {"public_key": key.public_key, "proof": key.sign(text)}

        body = await self.story.steps.take("proof", self.story.now, do)
        await self.ask("/signing-keys", body, actor)
        seen = {"person_id": str(actor.person_id)}
        await self.ask(f"/signing-keys/{key.key_id}/confirm", seen, self.story.staff(Role.SUPERVISOR))

    def case(self, which: int) -> "Case":
        """The case of one neighbour."""
        residents = self.story.days.town.community.residents
        return Case(self, residents[(11 + self.number * len(WAYS) + which) % len(residents)], which)


@dataclass(slots=True)
class Case:
    """A case of aid as it is lived."""

    office: Office
    neighbour: Person
    which: int
    path: str = ""

    @property
    def name(self) -> str:
        return f"{self.neighbour.name[0]}家"

    @property
    def resident(self) -> Actor:
        return self.office.story.days.town.resident(self.neighbour)

    async def apply(self, amount_yuan: int, purpose: str, need: str, lane: str = "ordinary") -> None:
        """申请."""
        payee = {"name": self.neighbour.name, "account": f"6222{self.which:015d}"}
        asked = {"fund": "fund-relief", "purpose": purpose, "amount_fen": amount_yuan * 100, "payee": payee}
        asked |= {"need": need, "lane": lane, "standard": STANDARD}
        answer = await self.office.ask("/aid-cases", asked, self.resident)
        self.path = f"/aid-cases/{answer['case_id']}"
        # The clerk alone says how a case is reached, and the number goes with the neighbour.
        contact = {"ref": answer["case_id"], "channel": "phone", "address": self.neighbour.phone}
        contact |= {"person_id": str(self.resident.person_id)}
        story = self.office.story
        await story.days.send(story.steps, "notify", "/v1/contacts", contact, self.clerk, method="PUT")

    async def step(self, what: str, body: Any, actor: Actor) -> Any:
        """One command about this case."""
        return await self.office.ask(f"{self.path}/{what}", body, actor)

    async def visit(self) -> None:
        """两人入户核实."""
        for role in (Role.GRID_WORKER, Role.SOCIAL_WORKER):
            saw = {"finding": "confirmed", "report": "两个人去看过，单据和情况都对得上。"}
            await self.step("verify", saw, self.office.story.staff(role))

    async def post(self) -> None:
        """公示三天."""
        await self.step("publicize", {"publicity": "posted"}, self.clerk)
        await self.office.story.pause(days=POSTED_DAYS, hours=1)

    @property
    def clerk(self) -> Actor:
        return self.office.story.staff(Role.FUND_CLERK)

    async def approve(self, *numbers: int) -> None:
        """审批: each by their own signature."""
        for number in numbers:
            body = await self.office.signed(f"{self.path}/approval-request", number)
            await self.step("approve", body, self.office.approver(number))

    async def pay(self) -> None:
        """发放."""
        slip = sha256(f"an invented bank slip, {self.path}".encode()).hexdigest()
        body = {"method": "bank_transfer", "voucher_sha256": [slip]}
        await self.step("disburse", body, self.office.story.staff(Role.CASHIER))

    async def confirm(self) -> None:
        """确认收到."""
        await self.step("confirm-receipt", {}, self.resident)

    async def look_in(self, outcome: str = "need_met") -> None:
        """回访."""
        seen = {"outcome": outcome, "report": "去家里坐了坐，比上个月好多了。"}
        await self.step("follow-up", seen, self.office.story.staff(Role.SOCIAL_WORKER, 1))

    async def until_approved(self, amount_yuan: int, purpose: str, need: str) -> None:
        """From the first word to the second signature."""
        await self.apply(amount_yuan, purpose, need)
        await self.visit()
        await self.post()
        await self.approve(1, 2)

    async def until_lapsed(self) -> None:
        """The service's own deadline comes in real time, while business time stands still: wait for it."""
        client = self.office.story.days.town.client

        async def do(_key: str) -> str:
            for _ in range(LOOKS_MAX):
                found = await client.query("ledger", f"/v1{self.path}", actor=self.clerk)
                if found["state"] == "PUBLICIZED":
                    return "lapsed"
                await asyncio.sleep(LOOK_SECONDS)
            raise AssertionError(f"the approvals of {self.path} did not lapse")

        await self.office.story.steps.take("lapse", self.office.story.now, do)

    def tell(self, words: str) -> None:
        self.office.story.tell(f"救助  {words}")


Way = Callable[[Case], Awaitable[None]]


async def _helped(case: Case) -> None:
    await case.until_approved(300, "illness", "老伴住院，押金差三百。")
    await case.pay()
    await case.confirm()
    await case.office.story.pause(days=2)
    await case.look_in()
    case.tell(f"{case.name}：核实、公示、两人审批，发放三百元，回访过了")


async def _urgent(case: Case) -> None:
    """急难: paid within the hours, seen and posted afterwards."""
    await case.apply(200, "disaster", "水管爆了，屋里泡了，要先租一台抽水机。", lane="urgent")
    await case.approve(1, 2)
    await case.pay()
    await case.office.story.pause(hours=20)
    await case.visit()
    await case.step("publicize", {"publicity": "waived", "reason_code": "dignity"}, case.clerk)
    await case.confirm()
    await case.look_in()
    case.tell(f"{case.name}：急难，当天两人签了就发，三天内补齐")


async def _amended_and_returned(case: Case) -> None:
    """变更: another amount voids the signature; later the neighbour brings it back."""
    await case.apply(400, "hardship", "这个月工资没发下来。")
    await case.visit()
    await case.post()
    await case.approve(1)
    await case.step("amend", {"amount_fen": 35_000}, case.clerk)
    await case.approve(1, 2)
    await case.pay()
    await case.confirm()
    await case.office.story.pause(days=4)
    slip = sha256(f"an invented receipt, {case.path}".encode()).hexdigest()
    back = {"amount_fen": 35_000, "method": "bank_transfer", "reason_code": "not_needed", "voucher_sha256": [slip]}
    await case.step("return", back, case.office.story.staff(Role.CASHIER))
    case.tell(f"{case.name}：工资补发了，把钱退了回来")


async def _rejected(case: Case) -> None:
    await case.until_approved(500, "study", "孩子开学的住宿费。")
    await case.step("reject", {"reason_code": "other_support"}, case.office.approver(1))
    case.tell(f"{case.name}：学校已经免了住宿费，预留的钱放回去")


async def _taken_back(case: Case) -> None:
    """冲销: booked to the wrong account; two sign, and the words are public."""
    await case.until_approved(250, "illness", "配药的钱。")
    await case.pay()
    path = f"{case.path}/reversal-request?reason_code=payment_failed"
    for number, words in ((1, {"explanation": "银行退回：户名不符。原额冲回，核对后另办。"}), (2, {})):
        body = await case.office.signed(path, number)
        await case.step("reverse", {**body, "reason_code": "payment_failed", **words}, case.office.approver(number))
    case.tell(f"{case.name}：银行退回，两人签字冲销，更正说明公开")


async def _lapsed(case: Case) -> None:
    """Nobody pays for a month: the approvals are void, the money is free, and the case is turned down."""
    await case.until_approved(150, "hardship", "想换个旧冰箱。")
    await case.office.story.pause(days=LAPSE_DAYS)
    await case.until_lapsed()
    await case.step("reject", {"reason_code": "withdrawn"}, case.office.approver(2))
    case.tell(f"{case.name}：一个月没来领，审批作废，后来说不用了")


WAYS: tuple[Way, ...] = (
    _helped, _urgent, _amended_and_returned, _rejected, _taken_back, _lapsed,
)  # fmt: skip
