"""The figures that the community may set otherwise."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class DonationPolicy(BaseModel):
    """The figures of gifts that the community may set otherwise [P]. Amounts in 分."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_fen_max: Annotated[int, Field(ge=1, le=100_000_000_000)] = 100_000_000
    """¥1,000,000: a larger gift goes through the host charity itself."""
    cash_alone_fen_max: Annotated[int, Field(ge=0, le=100_000_000_000)] = 100_000
    """¥1,000: more cash than this is counted by two people."""
    receipt_days: Annotated[int, Field(ge=1, le=366)] = 15
    backdate_days: Annotated[int, Field(ge=0, le=366)] = 31
    """How long before today money may have arrived that is entered today."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.cash_alone_fen_max > self.amount_fen_max:
            raise PydanticCustomError(
                "impossible",
                "more than amount_fen_max ({most}) is not taken in at all",
                {"field": "cash_alone_fen_max", "most": self.amount_fen_max},
            )
        return self
