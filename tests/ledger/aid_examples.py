"""Named samples of aid: one case, its hands, their keys; everybody is invented."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.command import SYSTEM, Role
from services.ledger import commands
from services.ledger.commands import AID_STANDARD, AidCommand, SigningKey
from services.ledger.decider import aid
from services.ledger.decider.aid_hands import request_facts
from services.ledger.decider.aid_paying import reversal_facts
from services.ledger.decider.aid_state import AidCase
from services.ledger.signatures import (
    AID_APPROVAL,
    AID_REVERSAL,
    Facts,
    key_id_of,
    registration_text,
    signed_text,
)
from tests.ledger.examples import CASHIER, CLERK, DIGEST, NOON, TODAY, by

CASE, NEIGHBOUR, NEED_REF, PAYEE_REF, HOLD, PAYMENT, REVERSAL = (UUID(int=300 + number) for number in range(7))
VISITOR, OTHER_VISITOR, APPROVER, SECOND, THIRD, CARER = (
    UUID(int=(0x0197 << 112) | (7 << 76) | (2 << 62) | (50 + number)) for number in range(6)
)
COMMUNITY = "chaoyangli"
FUND, PURPOSE, AMOUNT_FEN = "fund-relief", "illness", 80_000
POSTED_DAYS = timedelta(days=3)


class Signer:
    """Somebody with a signing key of their own."""

    def __init__(self, person_id: UUID, seed: int) -> None:
        self.person_id = person_id
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = base64.b64encode(raw).decode()
        self.key = SigningKey(key_id=key_id_of(self.public_key), public_key=self.public_key)

    def sign(self, text: bytes) -> str:
        return base64.b64encode(self.private.sign(text)).decode()

    def proof(self) -> str:
        """That the private half is theirs."""
        return self.sign(registration_text(COMMUNITY, self.public_key, self.person_id))

    def signed(self, kind: str, facts: Facts) -> str:
        return self.sign(signed_text(kind, COMMUNITY, facts, self.person_id))


SIGNERS = {person: Signer(person, seed) for seed, person in enumerate((APPROVER, SECOND, THIRD), 1)}


def told(person: UUID | None, role: Role, at: Any = NOON, **changes: Any) -> dict[str, Any]:
    return {"by": by(person, role), "at": at, "case_id": CASE} | changes


def apply(**changes: Any) -> commands.ApplyAid:
    asked: dict[str, Any] = {
        **told(NEIGHBOUR, Role.RESIDENT),
        "fund": FUND,
        "purpose": PURPOSE,
        "amount_fen": AMOUNT_FEN,
        "lane": "ordinary",
        "standard": AID_STANDARD,
        "beneficiary_ref": NEED_REF,
        "beneficiary_commitment": DIGEST,
        "need_commitment": DIGEST,
        "payee_ref": PAYEE_REF,
        "payee_commitment": DIGEST,
    }
    return commands.ApplyAid(**asked | changes)


def verify(visitor: UUID = VISITOR, **changes: Any) -> commands.VerifyAid:
    asked: dict[str, Any] = {
        **told(visitor, Role.GRID_WORKER),
        "finding": "confirmed",
        "visited_on": TODAY,
        "report_ref": UUID(int=400),
        "report_commitment": DIGEST,
    }
    return commands.VerifyAid(**asked | changes)


def publicize(**changes: Any) -> commands.PublicizeAid:
    asked: dict[str, Any] = {**told(CLERK, Role.FUND_CLERK), "publicity": "posted", "pseudonym": "7f3a2b"}
    return commands.PublicizeAid(**asked | changes)


def amend(**changes: Any) -> commands.AmendAid:
    return commands.AmendAid(**{**told(CLERK, Role.FUND_CLERK), "amount_fen": 60_000} | changes)


def approve(case: AidCase, approver: UUID = APPROVER, **changes: Any) -> commands.ApproveAid:
    """A valid signature over the case as it stands; the hold goes with the last one."""
    signer = SIGNERS[approver]
    required = case.approvals[0].approvals_required if case.approvals else 3 if case.asked.amount_fen > 500_000 else 2
    asked: dict[str, Any] = {
        **told(approver, Role.FUND_APPROVER, NOON + POSTED_DAYS),
        "community": COMMUNITY,
        "key": signer.key,
        "key_id": signer.key.key_id,
        "sig": signer.signed(AID_APPROVAL, request_facts(CASE, case)),
        "hold_id": HOLD if len(case.approvals) + 1 == required else None,
    }
    return commands.ApproveAid(**asked | changes)


def reject(**changes: Any) -> commands.RejectAid:
    asked: dict[str, Any] = {**told(THIRD, Role.FUND_APPROVER, NOON + POSTED_DAYS), "reason_code": "other_support"}
    return commands.RejectAid(**asked | changes)


def lapse(**changes: Any) -> commands.LapseAidApproval:
    asked: dict[str, Any] = {"by": SYSTEM, "at": NOON + timedelta(days=40), "case_id": CASE}
    return commands.LapseAidApproval(**asked | changes)


def disburse(**changes: Any) -> commands.DisburseAid:
    asked: dict[str, Any] = {
        **told(CASHIER, Role.CASHIER, NOON + POSTED_DAYS),
        "method": "bank_transfer",
        "entry_id": PAYMENT,
        "voucher_sha256": (DIGEST,),
        "effective_date": TODAY + POSTED_DAYS,
    }
    return commands.DisburseAid(**asked | changes)


def confirm(**changes: Any) -> commands.ConfirmAidReceipt:
    return commands.ConfirmAidReceipt(**told(NEIGHBOUR, Role.RESIDENT, NOON + timedelta(days=4)) | changes)


def follow_up(**changes: Any) -> commands.FollowUpAid:
    asked: dict[str, Any] = {
        **told(CARER, Role.SOCIAL_WORKER, NOON + timedelta(days=20)),
        "outcome": "need_met",
        "report_ref": UUID(int=401),
        "report_commitment": DIGEST,
    }
    return commands.FollowUpAid(**asked | changes)


def return_aid(**changes: Any) -> commands.ReturnAid:
    asked: dict[str, Any] = {
        **told(CASHIER, Role.CASHIER, NOON + timedelta(days=5)),
        "amount_fen": AMOUNT_FEN,
        "method": "bank_transfer",
        "reason_code": "not_needed",
        "entry_id": UUID(int=402),
        "voucher_sha256": (DIGEST,),
        "effective_date": TODAY + timedelta(days=5),
    }
    return commands.ReturnAid(**asked | changes)


def reverse_aid(case: AidCase, approver: UUID = APPROVER, **changes: Any) -> commands.ReverseAid:
    signer = SIGNERS[approver]
    first = case.reversal is None
    asked: dict[str, Any] = {
        **told(approver, Role.FUND_APPROVER, NOON + timedelta(days=6)),
        "community": COMMUNITY,
        "key": signer.key,
        "key_id": signer.key.key_id,
        "sig": signer.signed(AID_REVERSAL, reversal_facts(CASE, case, "paid_wrongly")),
        "reason_code": "paid_wrongly",
        "entry_id": None if first else REVERSAL,
        "explanation_ref": UUID(int=403) if first else None,
        "explanation_commitment": DIGEST if first else None,
    }
    return commands.ReverseAid(**asked | changes)


def any_command(command: type[AidCommand], case: AidCase) -> AidCommand:
    """A command of this class that only the state can refuse."""
    if command is commands.ApproveAid:
        # Of a case that nobody applied for there are no terms to sign.
        given = {one.approver_id for one in case.approvals}
        free = next((person for person in SIGNERS if person not in given), THIRD)
        asked_for = case if case.terms is not None else evolved(apply())
        return approve(asked_for, free)
    if command is commands.ReverseAid:
        return reverse_aid(case if case.disbursed is not None else paid())
    made: dict[type[AidCommand], Callable[[], AidCommand]] = {
        commands.ApplyAid: apply,
        commands.VerifyAid: lambda: verify(OTHER_VISITOR),
        commands.PublicizeAid: publicize,
        commands.AmendAid: amend,
        commands.RejectAid: reject,
        commands.LapseAidApproval: lapse,
        commands.DisburseAid: disburse,
        commands.ConfirmAidReceipt: confirm,
        commands.FollowUpAid: follow_up,
        commands.ReturnAid: return_aid,
    }
    return made[command]()


def evolved(*happened: Any) -> AidCase:
    """The case after commands, each a command or what makes one of the case so far."""
    case = aid.initial()
    for each in happened:
        command = each(case) if callable(each) else each
        for event in aid.decide(command, case):
            case = aid.evolve(case, event)
    return case


READY = (apply(), verify(), verify(OTHER_VISITOR), publicize())
"""Up to where approvals may come."""
APPROVED = (*READY, approve, lambda case: approve(case, SECOND))
URGENT = (apply(lane="urgent"),)


def soon(case: AidCase, approver: UUID = APPROVER) -> commands.ApproveAid:
    """An approval within the urgent lane's hours."""
    return approve(case, approver, at=NOON + timedelta(hours=1))


def paid() -> AidCase:
    return evolved(*APPROVED, disburse())


STANDS: dict[str, tuple[Any, ...]] = {
    "NONE": (),
    "APPLIED": (apply(),),
    "VERIFIED": READY[:3],
    "PUBLICIZED": READY,
    "APPROVED_1": (*READY, approve),
    "APPROVED_2": APPROVED,
    "APPROVED_3": (
        apply(amount_fen=600_000), *READY[1:], approve, lambda case: approve(case, SECOND),
        lambda case: approve(case, THIRD),
    ),
    "DISBURSED": (*APPROVED, disburse()),
    "CONFIRMED": (*APPROVED, disburse(), confirm()),
    "CLOSED": (*APPROVED, disburse(), confirm(), follow_up()),
    "REJECTED": (*READY, reject()),
    "RETURNED": (*APPROVED, disburse(), return_aid()),
    "REVERSED": (*APPROVED, disburse(), reverse_aid, lambda case: reverse_aid(case, SECOND)),
}  # fmt: skip
"""State → how a case comes there in the ordinary lane."""
URGENT_STANDS: dict[str, tuple[Any, ...]] = {
    "APPLIED": URGENT,
    "APPROVED_1": (*URGENT, soon),
    "APPROVED_2": (*URGENT, soon, lambda case: soon(case, SECOND)),
    "DISBURSED": (*URGENT, soon, lambda case: soon(case, SECOND), disburse()),
    "CONFIRMED": (*URGENT, soon, lambda case: soon(case, SECOND), disburse(), confirm()),
}
