"""The figures that the community may set otherwise."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class LedgerPolicy(BaseModel):
    """The figures of gifts and aid that the community may set otherwise [P]. Amounts in 分."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_fen_max: Annotated[int, Field(ge=1, le=100_000_000_000)] = 100_000_000
    """¥1,000,000: a larger gift goes through the host charity itself."""
    cash_alone_fen_max: Annotated[int, Field(ge=0, le=100_000_000_000)] = 100_000
    """¥1,000: more cash than this is counted by two people."""
    receipt_days: Annotated[int, Field(ge=1, le=366)] = 15
    backdate_days: Annotated[int, Field(ge=0, le=366)] = 31
    """How long before today money may have arrived that is entered today."""

    aid_fen_max: Annotated[int, Field(ge=1, le=100_000_000_000)] = 2_000_000
    """¥20,000 a case: more is for the host charity to decide."""
    aid_two_approvals_fen_max: Annotated[int, Field(ge=1, le=100_000_000_000)] = 500_000
    """¥5,000: above it three approve (domain.md §4.6)."""
    aid_verify_days: Annotated[int, Field(ge=1, le=90)] = 10
    publicity_days_min: Annotated[int, Field(ge=1, le=30)] = 3
    publicity_days_max: Annotated[int, Field(ge=1, le=30)] = 5
    approval_days: Annotated[int, Field(ge=1, le=366)] = 30
    """So long approvals and the money set aside wait for the payment."""
    follow_up_days: Annotated[int, Field(ge=1, le=366)] = 30
    appeal_days: Annotated[int, Field(ge=1, le=366)] = 15
    urgent_fen_max: Annotated[int, Field(ge=0, le=100_000_000_000)] = 100_000
    """¥1,000: more never takes the urgent lane (domain.md §4.6)."""
    urgent_approval_hours: Annotated[int, Field(ge=1, le=72)] = 4
    urgent_proof_days: Annotated[int, Field(ge=1, le=30)] = 3
    """By when visits and publicity follow a payment of the urgent lane."""

    market_deposit_working_days: Annotated[int, Field(ge=1, le=30)] = 2
    """From the settled count of a market to its deposit at the bank (domain.md §4.7)."""
    market_disclose_days: Annotated[int, Field(ge=1, le=90)] = 7
    """From a market's opening to its disclosure (domain.md §4.6)."""

    large_entry_fen: Annotated[int, Field(ge=1, le=100_000_000_000)] = 5_000_000
    """¥50,000: what comes or goes at once from here on is told within 30 days (民政部令第81号 §13)."""

    bank_match_days: Annotated[int, Field(ge=0, le=31)] = 5
    """So far apart the bank and the book may have the same money, for it to be seen as the same."""

    anomaly_round_fen: Annotated[int, Field(ge=1, le=100_000_000_000)] = 100_000
    """¥1,000: payments of whole multiples are looked at (services/ledger/anomalies.py)."""
    anomaly_split_days: Annotated[int, Field(ge=1, le=366)] = 30
    anomaly_payee_days: Annotated[int, Field(ge=1, le=3660)] = 365
    anomaly_payee_payments: Annotated[int, Field(ge=2, le=100)] = 3
    anomaly_night_from_hour: Annotated[int, Field(ge=12, le=24)] = 22
    anomaly_night_until_hour: Annotated[int, Field(ge=0, le=11)] = 6
    anomaly_approval_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    anomaly_pair_days: Annotated[int, Field(ge=1, le=3660)] = 90
    anomaly_pair_payments: Annotated[int, Field(ge=2, le=1000)] = 5

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.cash_alone_fen_max > self.amount_fen_max:
            raise PydanticCustomError(
                "impossible",
                "more than amount_fen_max ({most}) is not taken in at all",
                {"field": "cash_alone_fen_max", "most": self.amount_fen_max},
            )
        if self.publicity_days_min > self.publicity_days_max:
            raise PydanticCustomError(
                "impossible",
                "longer than publicity_days_max ({most})",
                {"field": "publicity_days_min", "most": self.publicity_days_max},
            )
        return self
