"""The fund's office for tests: people with their own keys, and a case from the first word on, over HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.command import Channel, Role
from contracts.volunteers import PersonRegistered
from eventstore.clock import STAT_INTERVAL_SECONDS, direct
from services.ledger.commands import AID_STANDARD
from tests.ledger.aid_examples import (
    APPROVER,
    CARER,
    NEIGHBOUR,
    OTHER_VISITOR,
    SECOND,
    SIGNERS,
    THIRD,
    VISITOR,
)
from tests.ledger.counter import Counter
from tests.ledger.examples import BO, CASHIER, CLERK, NOON
from tests.support.waiting import eventually

AS_NEIGHBOUR, AS_CLERK, AS_CASHIER = (NEIGHBOUR, Role.RESIDENT), (CLERK, Role.FUND_CLERK), (CASHIER, Role.CASHIER)
AS_SUPERVISOR, AS_CARER = (BO, Role.SUPERVISOR), (CARER, Role.SOCIAL_WORKER)
NEED = {
    "fund": "fund-relief",
    "purpose": "illness",
    "amount_fen": 80_000,
    "payee": {"name": "周示例", "account": "6222000000000000000"},
    "need": "住院押金凑不齐，想借社区的一把力。",
    "standard": AID_STANDARD,
}
PAID = {"method": "bank_transfer", "voucher_sha256": ["ab" * 32]}
WORDS = "汇错了账户，原额冲回，重新办理。"


def lives(person_id: UUID, household_id: UUID | None = None) -> PersonRegistered:
    return PersonRegistered(
        person_id=person_id,
        household_id=household_id,
        role=Role.STATION_MANAGER,
        channel=Channel.PAPER,
        registered_at=NOON,
    )


class Office:
    """A counter, and who decides about aid."""

    def __init__(self, counter: Counter, clock_file: Path) -> None:
        self.counter = counter
        self.clock_file = clock_file
        self.now = NOON

    async def open(self) -> None:
        """Everybody is registered; the approvers' keys are confirmed; the fund has 1,000 yuan."""
        people = (NEIGHBOUR, VISITOR, OTHER_VISITOR, APPROVER, SECOND, THIRD, CARER)
        await self.counter.hear(*(lives(person) for person in people))
        for person, signer in SIGNERS.items():
            body = {"public_key": signer.public_key, "proof": signer.proof()}
            await self.counter.done("/signing-keys", body, person, Role.FUND_APPROVER)
            seen = {"person_id": str(person)}
            await self.counter.done(f"/signing-keys/{signer.key.key_id}/confirm", seen, *AS_SUPERVISOR)
        await self.counter.given(amount_fen=100_000)

    async def later(self, **passed: int) -> None:
        """Let business time pass."""
        self.now += timedelta(**passed)
        direct(self.clock_file, self.now, 0)
        await eventually(self._has_come, 5, every=STAT_INTERVAL_SECONDS, what="the clock goes on")

    async def _has_come(self) -> bool:
        return self.counter.runtime.clock.now() == self.now

    async def applied(self, **changes: Any) -> str:
        case_id: str = (await self.counter.done("/aid-cases", {**NEED, **changes}, *AS_NEIGHBOUR))["case_id"]
        return case_id

    async def visited(self, case_id: str) -> None:
        for visitor in (VISITOR, OTHER_VISITOR):
            saw = {"finding": "confirmed", "report": "单据看过，情况属实。"}
            await self.counter.done(f"/aid-cases/{case_id}/verify", saw, visitor, Role.GRID_WORKER)

    async def ready(self, **changes: Any) -> str:
        """A case that may be approved."""
        case_id = await self.applied(**changes)
        await self.visited(case_id)
        await self.counter.done(f"/aid-cases/{case_id}/publicize", {"publicity": "posted"}, *AS_CLERK)
        await self.later(days=3)
        return case_id

    async def signature(self, case_id: str, approver: UUID, request: str = "approval-request", **params: Any) -> Any:
        """What the approver's own device makes of the text that it is shown."""
        signer = SIGNERS[approver]
        text = await self.counter.get(f"/aid-cases/{case_id}/{request}", approver, Role.FUND_APPROVER, **params)
        assert text.status_code == 200, text.text
        return {"key_id": signer.key.key_id, "sig": signer.sign(text.content)}

    async def approved(self, case_id: str, *approvers: UUID) -> None:
        for approver in approvers or (APPROVER, SECOND):
            body = await self.signature(case_id, approver)
            await self.counter.done(f"/aid-cases/{case_id}/approve", body, approver, Role.FUND_APPROVER)

    async def paid(self, **changes: Any) -> str:
        """A case that was paid."""
        case_id = await self.ready(**changes)
        await self.approved(case_id)
        await self.counter.done(f"/aid-cases/{case_id}/disburse", PAID, *AS_CASHIER)
        return case_id

    async def reversing(self, case_id: str, approver: UUID, **changes: Any) -> Any:
        """One signature under a reversal."""
        signed = await self.signature(case_id, approver, "reversal-request", reason_code="paid_wrongly")
        body = {**signed, "reason_code": "paid_wrongly", **changes}
        return await self.counter.done(f"/aid-cases/{case_id}/reverse", body, approver, Role.FUND_APPROVER)

    async def pots(self) -> dict[str, tuple[int, int]]:
        """Pot → (balance, held), 分."""
        read = await self.counter.read("/funds/fund-relief/pots")
        return {pot["pot"]: (pot["balance_fen"], pot["held_fen"]) for pot in read["pots"]}
