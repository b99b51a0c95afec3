"""The chart of accounts and the funds, from one checked file: which accounts there are, in which book and unit."""

import re
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.command import Refused
from contracts.event import Code
from contracts.ledger import Book, DonationMethod, Unit

Name = Annotated[str, Field(min_length=1, max_length=40)]
_UNITS: dict[Book, Unit] = {"hours": "minutes", "fund": "fen"}


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Purpose(_Row):
    """What a gift may be restricted to."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,24}$")]
    name: Name


class Fund(_Row):
    """A fund: money kept apart in the books of the host charity."""

    code: Code
    name: Name
    purposes: tuple[Purpose, ...]


class Account(_Row):
    """An account, or with a `*` a family of them. `side` is where its balance normally stands."""

    code: Annotated[str, Field(pattern=r"^[0-9]{4}(\.[0-9]{2})?$")]
    account: Annotated[str, Field(pattern=r"^[a-z0-9_:.\-*]{1,64}$")]
    name: Name
    book: Book
    unit: Unit
    side: Literal["debit", "credit"]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.account).replace(r"\*", "[a-z0-9_.-]+"))

    def covers(self, account: str) -> bool:
        """Whether a posting's account is this one, or one of this family."""
        return self._pattern.fullmatch(account) is not None


class Chart(_Row):
    """The whole file. Construction fails when codes repeat, a unit is not its book's, or a method leads nowhere."""

    version: int
    funds: tuple[Fund, ...]
    accounts: tuple[Account, ...]
    methods: dict[DonationMethod, str]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for what, codes in (
            ("fund", [fund.code for fund in self.funds]),
            ("account code", [account.code for account in self.accounts]),
            ("account", [account.account for account in self.accounts]),
        ):
            if len(set(codes)) < len(codes):
                raise ValueError(f"a {what} stands twice")
        if any(purpose.code == "goods" for fund in self.funds for purpose in fund.purposes):
            raise ValueError("the purpose goods would be taken for things given: call it otherwise")
        for account in self.accounts:
            if account.unit != _UNITS[account.book]:
                raise ValueError(f"{account.account}: the book {account.book} counts {_UNITS[account.book]}")
        listed = {known.account for known in self.accounts}
        for method, place in self.methods.items():
            if not place.startswith("assets:") or place not in listed:
                raise ValueError(f"{method}: there is no account {place}")
        return self

    def fund(self, code: str) -> Fund:
        """The fund of that code. Raises Refused("fund_unknown")."""
        for fund in self.funds:
            if fund.code == code:
                return fund
        raise Refused("fund_unknown", fund=code)

    def require_purpose(self, fund_code: str, purpose: str | None) -> None:
        """Check that the fund has that purpose. Raises Refused (fund_unknown, purpose_unknown)."""
        fund = self.fund(fund_code)
        if purpose is not None and purpose not in {known.code for known in fund.purposes}:
            raise Refused("purpose_unknown", fund=fund_code, purpose=purpose)

    def account(self, account: str) -> Account:
        """The account, or family, that a posting's account belongs to. Raises Refused("account_unknown")."""
        for known in self.accounts:
            if known.covers(account):
                return known
        raise Refused("account_unknown", account=account)


@cache
def chart() -> Chart:
    """The chart, read once. Raises ValueError when the file is not whole."""
    text = resources.files("services.ledger").joinpath("chart_of_accounts.yaml").read_text(encoding="utf-8")
    return Chart.model_validate(yaml.safe_load(text))
