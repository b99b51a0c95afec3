"""From a fact to its postings: which accounts, which sides. Positive is a debit; per unit they sum to nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import DonationMethod, HoldPlaced, HoldReleased, Posting, Unit
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import GoodsMove

COMMUNITY_MINUTES = "community:service_minutes"
DONATIONS = "income:donations"
AID = "expense:aid"
IN_KIND, IN_KIND_SALES, MARKET = "income:in_kind", "income:in_kind_sales", "income:market"
IN_KIND_EXPENSE = "expense:in_kind"
ASSETS = "assets:"
GOODS_ASSETS = "assets:goods"
UNRESTRICTED, GOODS = "", "goods"
"""Two pots of a fund; every purpose that money was given for is another."""

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


def refund_postings(method: DonationMethod, fund: str, purpose: str | None, amount_fen: int) -> Postings:
    """Dr the donations it was among, Cr where it is paid from: what was given for a purpose goes back from it."""
    return _pair(donations_account(purpose), chart().methods[method], fund, amount_fen)


def aid_account(purpose: str, *, restricted: bool) -> str:
    """What aid costs, apart by whether money given for the purpose pays it (业务活动成本: 非限定性, 限定性)."""
    return f"{AID}:restricted:{purpose}" if restricted else f"{AID}:{purpose}"


def aid_postings(method: DonationMethod, fund: str, purpose: str, amount_fen: int, restricted_fen: int) -> Postings:
    """Dr aid, Cr where the money was, both in the fund, in 分."""
    costs = (
        (aid_account(purpose, restricted=True), restricted_fen),
        (aid_account(purpose, restricted=False), amount_fen - restricted_fen),
    )
    return (
        *(Posting(account=account, fund=fund, amount=fen, unit="fen") for account, fen in costs if fen),
        Posting(account=chart().methods[method], fund=fund, amount=-amount_fen, unit="fen"),
    )


def goods_postings(what: GoodsMove, fund: str, value_fen: int, purpose: str | None) -> Postings:
    """Dr goods, Cr income in kind when things come; Dr what became of them, Cr goods when they go. Value in 分."""
    if what == "received":
        return _pair(GOODS_ASSETS, IN_KIND, fund, value_fen)
    if what == "delivered":
        chart().require_purpose(fund, purpose)
        return _pair(f"{IN_KIND_EXPENSE}:aid:{purpose}", GOODS_ASSETS, fund, value_fen)
    return _pair(f"{IN_KIND_EXPENSE}:{what}", GOODS_ASSETS, fund, value_fen)


def sale_postings(method: DonationMethod, income: str, fund: str, amount_fen: int) -> Postings:
    """Dr where the money arrived, Cr what was earned by selling, unrestricted, in 分."""
    return _pair(chart().methods[method], income, fund, amount_fen)


def _pair(debit: str, credit: str, fund: str, amount_fen: int) -> Postings:
    return (
        Posting(account=debit, fund=fund, amount=amount_fen, unit="fen"),
        Posting(account=credit, fund=fund, amount=-amount_fen, unit="fen"),
    )


def moved_postings(fund: str, origin: DonationMethod, target: DonationMethod, amount_fen: int) -> Postings:
    """Dr where the money is now, Cr where it was: cash that was paid in at the bank."""
    return (
        Posting(account=chart().methods[target], fund=fund, amount=amount_fen, unit="fen"),
        Posting(account=chart().methods[origin], fund=fund, amount=-amount_fen, unit="fen"),
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
    """By how many 分 each fund's money changes. Goods have a declared value, but are not money."""
    changes: Counter[str] = Counter()
    for posting in postings:
        if posting.fund is not None and posting.account.startswith(ASSETS) and posting.account != GOODS_ASSETS:
            changes[posting.fund] += posting.amount
    return dict(changes)


def pot_of(account: str) -> str:
    """The pot that an income or an expense changes: unrestricted, goods, or a purpose.

    What was given for a purpose pays for nothing else (公益事业捐赠法 §18), so it is counted apart.
    """
    _, _, purpose = account.partition(":restricted:")
    if purpose:
        return purpose
    kind = account.partition(":")[2]
    return GOODS if kind == "in_kind" or kind.startswith("in_kind:") else UNRESTRICTED


def pot_changes(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    """(fund, pot) → by how many 分 it changes. Over all pots but goods that is what the fund's money changes by."""
    changes: Counter[tuple[str, str]] = Counter()
    for posting in postings:
        if posting.fund is not None and not posting.account.startswith(ASSETS):
            changes[posting.fund, pot_of(posting.account)] -= posting.amount
    return dict(changes)


def asset_changes(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    """(fund, asset account) → by how many 分 it changes."""
    changes: Counter[tuple[str, str]] = Counter()
    for posting in postings:
        if posting.fund is not None and posting.account.startswith(ASSETS):
            changes[posting.fund, posting.account] += posting.amount
    return dict(changes)


def hold_parts(hold: HoldPlaced | HoldReleased) -> dict[str, int]:
    """Pot → how many 分 of the hold lie in it."""
    parts = {hold.purpose: hold.restricted_fen, UNRESTRICTED: hold.amount_fen - hold.restricted_fen}
    return {pot: amount_fen for pot, amount_fen in parts.items() if amount_fen}
