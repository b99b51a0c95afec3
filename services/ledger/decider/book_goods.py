"""What the fund's book says of things given and of markets: declared values that are no money, and what was earned."""

from collections.abc import Sequence

from contracts.ledger import BookEvent, EntryPosted
from services.ledger.commands import FUND, PostGoods, PostProceeds
from services.ledger.decider.book_state import BookState, require_funds, require_there
from services.ledger.posting_rules import (
    IN_KIND_SALES,
    MARKET,
    goods_postings,
    require_balance,
    sale_postings,
)

MARKET_PROCEEDS = "market_proceeds"

Events = Sequence[BookEvent]


def post_goods(command: PostGoods, book: BookState) -> Events:
    """Post things in or out at their declared value; a sale with its price, in one entry. Raises Refused."""
    postings = goods_postings(command.what, command.fund, command.value_fen, command.purpose)
    if command.what == "sold":
        assert command.price_fen is not None
        assert command.method is not None
        postings += sale_postings(command.method, IN_KIND_SALES, command.fund, command.price_fen)
    require_balance(postings)
    require_there(book, postings)
    require_funds(book, postings)
    entry = EntryPosted(
        entry_id=command.entry_id,
        book=FUND,
        entry_no=book.entry_no + 1,
        kind=f"goods_{command.what}",
        effective_date=command.effective_date,
        postings=postings,
        voucher_sha256=command.voucher_sha256,
        donation_id=command.donation_id,
        lot_id=command.lot_id,
        reason_code=command.reason_code,
        posted_at=command.at,
    )
    return [entry]


def post_proceeds(command: PostProceeds, book: BookState) -> Events:
    """Post what a market earned, where it was paid in. Raises Refused."""
    postings = sale_postings("bank_transfer", MARKET, command.fund, command.amount_fen)
    require_balance(postings)
    entry = EntryPosted(
        entry_id=command.entry_id,
        book=FUND,
        entry_no=book.entry_no + 1,
        kind=MARKET_PROCEEDS,
        effective_date=command.effective_date,
        postings=postings,
        voucher_sha256=command.voucher_sha256,
        market_id=command.market_id,
        posted_at=command.at,
    )
    return [entry]
