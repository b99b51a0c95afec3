"""The lifecycle of a case of aid as data: state × command → taken, or the code of the refusal.

The tests walk every cell, and services/ledger/README.md is drawn from it.
"""

from contracts.command import Refused
from contracts.ledger import AidState
from services.ledger.commands import (
    AidCommand,
    AmendAid,
    ApplyAid,
    ApproveAid,
    ConfirmAidReceipt,
    DisburseAid,
    FollowUpAid,
    LapseAidApproval,
    PublicizeAid,
    RejectAid,
    ReturnAid,
    ReverseAid,
    VerifyAid,
)
from services.ledger.decider.aid_state import AidCase

S = AidState
BEFORE_PAYMENT = (S.APPLIED, S.VERIFIED, S.PUBLICIZED, S.APPROVED_1, S.APPROVED_2, S.APPROVED_3)
APPROVED = (S.APPROVED_1, S.APPROVED_2, S.APPROVED_3)
PAID = (S.DISBURSED, S.CONFIRMED, S.CLOSED)

TAKEN: dict[type[AidCommand], tuple[AidState | None, ...]] = {
    ApplyAid: (None,),
    VerifyAid: (S.APPLIED,),
    PublicizeAid: (S.VERIFIED,),
    AmendAid: BEFORE_PAYMENT,
    ApproveAid: (S.PUBLICIZED, S.APPROVED_1, S.APPROVED_2),
    RejectAid: BEFORE_PAYMENT,
    LapseAidApproval: APPROVED,
    DisburseAid: (S.APPROVED_2, S.APPROVED_3),
    ConfirmAidReceipt: (S.DISBURSED,),
    FollowUpAid: (S.CONFIRMED,),
    ReturnAid: PAID,
    ReverseAid: PAID,
}
"""Command → the states that take it in the ordinary lane."""
URGENT: dict[type[AidCommand], tuple[AidState | None, ...]] = {
    **TAKEN,
    VerifyAid: (S.APPLIED, S.DISBURSED, S.CONFIRMED),
    PublicizeAid: (S.VERIFIED, S.DISBURSED, S.CONFIRMED),
    ApproveAid: (S.APPLIED, S.VERIFIED, S.PUBLICIZED, S.APPROVED_1, S.APPROVED_2),
}
"""The same in the urgent lane: approvals come first, visits and publicity after the payment."""
CHINESE: dict[type[AidCommand], str] = {
    ApplyAid: "申请",
    VerifyAid: "核实",
    PublicizeAid: "公示",
    AmendAid: "变更",
    ApproveAid: "审批",
    RejectAid: "不予",
    LapseAidApproval: "审批失效",
    DisburseAid: "发放",
    ConfirmAidReceipt: "确认收到",
    FollowUpAid: "回访",
    ReturnAid: "退回",
    ReverseAid: "冲销",
}
LEADS_TO: dict[type[AidCommand], dict[AidState | None, AidState]] = {
    ApplyAid: {None: S.APPLIED},
    VerifyAid: {S.APPLIED: S.VERIFIED},
    PublicizeAid: {S.VERIFIED: S.PUBLICIZED},
    AmendAid: dict.fromkeys(APPROVED, S.PUBLICIZED),
    ApproveAid: {S.PUBLICIZED: S.APPROVED_1, S.APPROVED_1: S.APPROVED_2, S.APPROVED_2: S.APPROVED_3},
    RejectAid: dict.fromkeys(BEFORE_PAYMENT, S.REJECTED),
    LapseAidApproval: dict.fromkeys(APPROVED, S.PUBLICIZED),
    DisburseAid: {S.APPROVED_2: S.DISBURSED, S.APPROVED_3: S.DISBURSED},
    ConfirmAidReceipt: {S.DISBURSED: S.CONFIRMED},
    FollowUpAid: {S.CONFIRMED: S.CLOSED},
    ReturnAid: dict.fromkeys(PAID, S.RETURNED),
    ReverseAid: dict.fromkeys(PAID, S.REVERSED),
}
"""Command → where it may lead from each state in the ordinary lane; from any other it leaves the case where it is."""
TOO_LATE: dict[AidState | None, str] = {
    None: "case_unknown",
    S.REJECTED: "case_ended",
    S.RETURNED: "case_ended",
    S.REVERSED: "case_ended",
    S.CLOSED: "case_ended",
}
"""What a command gets in a state that takes none of its kind."""


def refusal(command: type[AidCommand], state: AidState | None, lane: str) -> str | None:
    """None where the state takes the command; else the reason_code."""
    table = URGENT if lane == "urgent" else TAKEN
    if state in table[command]:
        return None
    if command is ApplyAid:
        return "applied_already"
    if state in TOO_LATE:
        return TOO_LATE[state]
    return "paid_already" if state in PAID and command not in {FollowUpAid, ConfirmAidReceipt} else "not_its_turn"


def require_turn(command: AidCommand, case: AidCase) -> None:
    """Raise Refused unless the case is where this command may come."""
    state = None if case.state is None else case.state.value
    match refusal(type(command), case.state, case.lane):
        case None:
            return
        case "case_unknown":
            raise Refused("case_unknown")
        case "applied_already":
            raise Refused("applied_already", state=state)
        case "case_ended":
            raise Refused("case_ended", state=state)
        case "paid_already":
            raise Refused("paid_already", state=state)
        case _:
            raise Refused("not_its_turn", state=state)
