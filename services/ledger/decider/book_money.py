"""What becomes of a fund's money in its book: set aside, paid as aid, come back, moved from one place to another."""

from collections.abc import Sequence

from contracts.command import Refused
from contracts.ledger import BookEvent, HoldPlaced, HoldReleased
from services.ledger.commands import MoveMoney, PayAid, PlaceHold, PostRefund, ReleaseHold, TakeAidBack
from services.ledger.decider.book_state import BookState, Pot, evolve, posted, require_funds, require_there
from services.ledger.posting_rules import (
    UNRESTRICTED,
    aid_postings,
    mirrored,
    moved_postings,
    refund_postings,
)

AID_PAID = "aid_paid"
AID_RETURNED = "aid_returned"
AID_REVERSED = "aid_reversed"
MONEY_MOVED = "money_moved"
DONATION_REFUNDED = "donation_refunded"

Events = Sequence[BookEvent]


def place_hold(command: PlaceHold, book: BookState) -> Events:
    """Set money aside. Raises Refused("fund_insufficient") when less is free for the purpose."""
    for_purpose = book.pots.get((command.fund, command.purpose), Pot()).available_fen
    for_anything = book.pots.get((command.fund, UNRESTRICTED), Pot()).available_fen
    if for_purpose + for_anything < command.amount_fen:
        raise Refused(
            "fund_insufficient",
            fund=command.fund,
            balance_fen=for_purpose + for_anything,
            asked_fen=command.amount_fen,
        )
    placed = HoldPlaced(
        hold_id=command.hold_id,
        case_id=command.case_id,
        fund=command.fund,
        amount_fen=command.amount_fen,
        # What may be used for nothing else goes first: the rest stays free for whoever comes next.
        restricted_fen=min(for_purpose, command.amount_fen),
        purpose=command.purpose,
        placed_at=command.at,
    )
    return [placed]


def release_hold(command: ReleaseHold, book: BookState) -> Events:
    """Set money free. Raises Refused("hold_unknown") for a hold that is none, or ended."""
    return [_released(command, book, command.cause)]


def _released(command: ReleaseHold | PayAid, book: BookState, cause: str) -> HoldReleased:
    hold = book.holds.get(command.hold_id)
    if hold is None:
        raise Refused("hold_unknown")
    return HoldReleased(
        hold_id=hold.hold_id,
        case_id=hold.case_id,
        fund=hold.fund,
        amount_fen=hold.amount_fen,
        restricted_fen=hold.restricted_fen,
        purpose=hold.purpose,
        cause=cause,  # type: ignore[arg-type]
        released_at=command.at,
    )


def pay_aid(command: PayAid, book: BookState) -> Events:
    """End the hold and post the payment. Raises Refused (hold_unknown, account_insufficient)."""
    released = _released(command, book, "disbursed")
    postings = aid_postings(
        command.method, released.fund, released.purpose, released.amount_fen, released.restricted_fen
    )
    require_there(book, postings)
    require_funds(evolve(book, released), postings)
    entry = posted(
        command,
        book,
        AID_PAID,
        postings,
        approvals=command.approvals,
        subject_commit=(command.payee_commitment,),
        case_id=command.case_id,
    )
    return [released, entry]


def take_aid_back(command: TakeAidBack, book: BookState) -> Events:
    """Post what came back: first to the pot that may be used for nothing else."""
    paid = command.paid
    if paid.case_id is None or paid.entry_id in book.reversed:
        raise Refused("reversed_already", entry_no=paid.entry_no)
    costs = [posting for posting in paid.postings if posting.amount > 0]
    restricted_paid = sum(posting.amount for posting in costs if ":restricted:" in posting.account)
    left = max(0, restricted_paid - command.returned_before_fen)
    purpose, fund = costs[0].account.rpartition(":")[2], costs[0].fund
    assert fund is not None
    postings = mirrored(aid_postings(command.method, fund, purpose, command.amount_fen, min(left, command.amount_fen)))
    entry = posted(command, book, AID_RETURNED, postings, case_id=paid.case_id, reason_code=command.reason_code)
    return [entry]


def post_refund(command: PostRefund, book: BookState) -> Events:
    """Post money that goes back. Raises Refused (account_insufficient, fund_insufficient, reversed_already)."""
    if command.original_entry_id in book.reversed:
        raise Refused("reversed_already")
    postings = refund_postings(command.method, command.fund, command.purpose, command.amount_fen)
    require_there(book, postings)
    require_funds(book, postings)
    entry = posted(
        command,
        book,
        DONATION_REFUNDED,
        postings,
        approvals=command.approvals,
        donation_id=command.donation_id,
        reason_code=command.reason_code,
    )
    return [entry]


def move_money(command: MoveMoney, book: BookState) -> Events:
    """Post that money lies elsewhere. Raises Refused (account_insufficient, places_equal)."""
    postings = moved_postings(command.fund, command.origin, command.target, command.amount_fen)
    if postings[0].account == postings[1].account:
        raise Refused("places_equal")
    require_there(book, postings)
    entry = posted(command, book, MONEY_MOVED, postings)
    return [entry]
