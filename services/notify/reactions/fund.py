"""What is told when the fund does something: gifts, markets and aid (domain.md §4.9, rows 33 to 37).

An applicant is told by the id of their case, which joins to no person here, and in words that others may read over
their shoulder: no hardship, no amount, nobody's name (慈善法 §82).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.command import Role
from contracts.ledger import (
    AidAmended,
    AidApplied,
    AidApprovalLapsed,
    AidApproved,
    AidDisbursed,
    AidFact,
    AidFollowedUp,
    AidPublicized,
    AidReceiptConfirmed,
    AidRejected,
    AidReturned,
    AidReversed,
    AidState,
    AidVerified,
    DonationReceipted,
    DonationReceived,
    DonationRefunded,
    MarketDisclosed,
    ProceedsDeposited,
)
from contracts.notify import NoticeParams
from services.notify.reactions.ledger import ledger
from services.notify.reactions.telling import Tell, Telling, tells

VISITORS = (Role.GRID_WORKER, Role.SOCIAL_WORKER)
"""Of those who may visit, whose work it is to see that somebody does."""


@tells(ledger, DonationReceived)
def on_donation_received(event: DonationReceived) -> Telling:
    """The donor is thanked, by the ref of this one gift. Things come with InKindReceived: one gift, one thanks."""
    params = NoticeParams(fund=event.fund, amount_fen=event.amount_fen, due_at=event.due_at)
    code = "gift_goods_thanks" if event.method == "goods" else "gift_thanks"
    return Telling(event.donation_id, [Tell(code, params, ref=event.donor_ref, keys=(_gift(event.donation_id),))])


@tells(ledger, DonationReceipted)
def on_donation_receipted(event: DonationReceipted) -> Telling:
    """The donor hears that the receipt is there."""
    params = NoticeParams(fund=event.fund, amount_fen=event.amount_fen, receipt_no=event.receipt_no)
    told = Tell("gift_receipt", params, ref=event.donor_ref, keys=(_gift(event.donation_id),))
    return Telling(event.donation_id, [told])


@tells(ledger, DonationRefunded)
def on_donation_refunded(event: DonationRefunded) -> Telling:
    """Nobody is thanked any more for what went back whole, or had never come."""
    whole = event.refunded_fen == event.amount_fen
    return Telling(event.donation_id, cancels=[_gift(event.donation_id)] if whole else [])


def _gift(donation_id: UUID) -> str:
    return f"gift:{donation_id}"


@tells(ledger, ProceedsDeposited)
def on_proceeds_deposited(event: ProceedsDeposited) -> Telling:
    """A market's givers have no refs to be thanked by; the station hears, which says publicly what came of it."""
    params = NoticeParams(fund=event.fund, amount_fen=event.amount_fen)
    told = Tell("market_to_disclose", params, role=Role.STATION_MANAGER, keys=(f"market:{event.market_id}",))
    return Telling(event.market_id, [told])


@tells(ledger, MarketDisclosed)
def on_market_disclosed(event: MarketDisclosed) -> Telling:
    """It was disclosed; what was disclosed before everything was paid in is disclosed again."""
    return Telling(event.market_id, cancels=[f"market:{event.market_id}"] if event.complete else [])


def _case(case_id: UUID) -> str:
    return f"case:{case_id}"


def _turn(what: str, event: AidFact) -> str:
    return f"aid_{what}:{event.case_id}"


def _next(event: AidFact, code: str, what: str, *roles: Role, at: datetime | None = None, **params: Any) -> list[Tell]:
    """To whoever is next to do something: no longer once it is done, or the case has ended."""
    keys = (_turn(what, event), _case(event.case_id))
    return [Tell(code, NoticeParams(**params), role=role, keys=keys, not_before=at) for role in roles]


def _to_applicant(event: AidFact, code: str, *keys: str, **params: Any) -> Tell:
    return Tell(code, NoticeParams(**params), ref=event.case_id, keys=(*keys, _case(event.case_id)))


@tells(ledger, AidApplied)
def on_aid_applied(event: AidApplied) -> Telling:
    """The applicant hears by when; next are the visitors, in the urgent lane the approvers."""
    due_at = event.due_at
    if event.lane == "urgent":
        told = _next(event, "aid_urgent_to_approve", "approve", Role.FUND_APPROVER, due_at=due_at)
        return Telling(event.case_id, [_to_applicant(event, "asked_urgently", due_at=due_at), *told])
    told = _next(event, "aid_to_visit", "visit", *VISITORS, due_at=due_at)
    return Telling(event.case_id, [_to_applicant(event, "asked", due_at=due_at), *told])


@tells(ledger, AidVerified)
def on_aid_verified(event: AidVerified) -> Telling:
    """After both visits: the clerk makes it public, and the applicant hears that it goes on. A doubt: the approvers."""
    doubtful = event.finding == "not_confirmed"
    told = _next(event, "aid_doubted", "doubt", Role.FUND_APPROVER) if doubtful else []
    if event.step < 2:
        return Telling(event.case_id, told)
    if event.state is AidState.VERIFIED and not doubtful:
        told += _next(event, "aid_to_publicize", "publicize", Role.FUND_CLERK)
        told.append(_to_applicant(event, "asked_visited"))
    return Telling(event.case_id, told, [_turn("visit", event)])


@tells(ledger, AidPublicized)
def on_aid_publicized(event: AidPublicized) -> Telling:
    """Approvers, when the time of objections is over; after an urgent payment there is nothing left to approve."""
    told: list[Tell] = []
    if event.state is AidState.PUBLICIZED:
        told = _next(event, "aid_to_approve", "approve", Role.FUND_APPROVER, at=event.until)
    return Telling(event.case_id, told, [_turn("publicize", event)])


@tells(ledger, AidAmended)
def on_aid_amended(event: AidAmended) -> Telling:
    """The applicant; and whoever had approved or was to pay what is void now."""
    told = [_to_applicant(event, "asked_amended")]
    if event.approvals_voided == 0:
        return Telling(event.case_id, told)
    told += _next(event, "aid_amended_to_approve", "approve", Role.FUND_APPROVER)
    return Telling(event.case_id, told, [_turn("approve", event), _turn("pay", event)])


@tells(ledger, AidApproved)
def on_aid_approved(event: AidApproved) -> Telling:
    """The cashier, with the last approval."""
    if event.step < event.approvals_required:
        return Telling(event.case_id)
    told = _next(event, "aid_to_pay", "pay", Role.CASHIER, due_at=event.due_at)
    return Telling(event.case_id, told, [_turn("approve", event)])


@tells(ledger, AidApprovalLapsed)
def on_aid_approval_lapsed(event: AidApprovalLapsed) -> Telling:
    """Approvers again; there is nothing to be paid until then."""
    told = _next(event, "aid_lapsed_to_approve", "approve", Role.FUND_APPROVER)
    return Telling(event.case_id, told, [_turn("approve", event), _turn("pay", event)])


@tells(ledger, AidRejected)
def on_aid_rejected(event: AidRejected) -> Telling:
    """The applicant hears until when they may object; who took it back themselves hears that it is settled."""
    code = "asked_withdrawn" if event.reason_code == "withdrawn" else "asked_refused"
    told = Tell(code, NoticeParams(due_at=event.appeal_until), ref=event.case_id)
    return Telling(event.case_id, [told], [_case(event.case_id)])


@tells(ledger, AidDisbursed)
def on_aid_disbursed(event: AidDisbursed) -> Telling:
    """The applicant is asked whether it is there; somebody looks in again."""
    asked = _to_applicant(event, "asked_done", _turn("confirm", event))
    told = _next(event, "aid_to_look_in", "look_in", Role.SOCIAL_WORKER, due_at=event.due_at)
    return Telling(event.case_id, [asked, *told], [_turn("pay", event)])


@tells(ledger, AidReceiptConfirmed)
def on_aid_receipt_confirmed(event: AidReceiptConfirmed) -> Telling:
    """It is there: nobody asks any more."""
    return Telling(event.case_id, cancels=[_turn("confirm", event)])


@tells(ledger, AidFollowedUp)
def on_aid_followed_up(event: AidFollowedUp) -> Telling:
    """Nothing of it needs to be told any more."""
    return Telling(event.case_id, cancels=[_case(event.case_id)])


@tells(ledger, AidReturned)
def on_aid_returned(event: AidReturned) -> Telling:
    """All of it came back, and nobody looks in again; after a part the case goes on."""
    return Telling(event.case_id, cancels=[_case(event.case_id)] if event.state is AidState.RETURNED else [])


@tells(ledger, AidReversed)
def on_aid_reversed(event: AidReversed) -> Telling:
    """The second signature takes it back."""
    return Telling(event.case_id, cancels=[_case(event.case_id)] if event.state is AidState.REVERSED else [])
