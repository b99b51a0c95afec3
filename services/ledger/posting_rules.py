"""From a fact to its postings: which accounts, which sides. Positive is a debit; per unit they sum to nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import DonationMethod, Posting, Unit
from services.ledger.chart_of_accounts import chart

COMMUNITY_MINUTES = "community:service_minutes"
DONATIONS = "income:donations"
ASSETS = "assets:"

Postings = tuple[Posting, ...]


def volunteer_account(volunteer_id: UUID) -> str:
    """Where a volunteer's minutes stand."""
    return f"volunteer:{volunteer_id}:minutes"


def donations_account(purpose: str | None) -> str:
    """Unrestricted or restricted income (民间非营利组织会计制度: 非限定性, 限定性)."""
    return DONATIONS if purpose is None else f"{DONATIONS}:restricted:{purpose}"


def hours_postings(volunteer_id: UUID, minutes: int) -> Postings:
    """Dr volunteer, Cr community (domain.md §4.4), in minutes."""
    return (
        Posting(account=volunteer_account(volunteer_id), amount=minutes, unit="minutes"),
        Posting(account=COMMUNITY_MINUTES, amount=-minutes, unit="minutes"),
    )


def donation_postings(method: DonationMethod, fund: str, purpose: str | None, amount_fen: int) -> Postings:
    """Dr where the money arrived, Cr donations, both in the fund, in 分. Raises Refused (fund_unknown, …)."""
    chart().require_purpose(fund, purpose)
    return (
        Posting(account=chart().methods[method], fund=fund, amount=amount_fen, unit="fen"),
        Posting(account=donations_account(purpose), fund=fund, amount=-amount_fen, unit="fen"),
    )


def mirrored(postings: Iterable[Posting]) -> Postings:
    """The same accounts with the sides exchanged: what a reversal posts."""
    return tuple(posting.model_copy(update={"amount": -posting.amount}) for posting in postings)


def require_balance(postings: Sequence[Posting]) -> None:
    """Raise Refused unless every account is known, in its unit, and every unit sums to nothing."""
    sums: Counter[Unit] = Counter()
    for posting in postings:
        account = chart().account(posting.account)
        if account.unit != posting.unit or (posting.fund is None) != (account.book == "hours"):
            raise Refused("posting_impossible", account=posting.account)
        sums[posting.unit] += posting.amount
    for unit, total in sums.items():
        if total:
            raise Refused("unbalanced", unit=unit, difference=total)


def fund_changes(postings: Iterable[Posting]) -> dict[str, int]:
    """By how many 分 each fund's assets change."""
    changes: Counter[str] = Counter()
    for posting in postings:
        if posting.fund is not None and posting.account.startswith(ASSETS):
            changes[posting.fund] += posting.amount
    return dict(changes)
