"""What the fund's book says of things given and of markets: declared values that are no money, and what was earned."""

from collections.abc import Sequence

from contracts.ledger import BookEvent
from services.ledger.commands import PostGoods, PostProceeds
from services.ledger.decider.book_state import BookState, posted, require_funds, require_there
from services.ledger.posting_rules import (
    IN_KIND_SALES,
    MARKET,
    goods_postings,
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
    require_there(book, postings)
    require_funds(book, postings)
    entry = posted(
        command,
        book,
        f"goods_{command.what}",
        postings,
        donation_id=command.donation_id,
        lot_id=command.lot_id,
        reason_code=command.reason_code,
    )
    return [entry]


def post_proceeds(command: PostProceeds, book: BookState) -> Events:
    """Post what a market earned, where it was paid in. Raises Refused."""
    postings = sale_postings("bank_transfer", MARKET, command.fund, command.amount_fen)
    entry = posted(command, book, MARKET_PROCEEDS, postings, market_id=command.market_id)
    return [entry]
