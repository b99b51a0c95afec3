"""要求补充, 补充信息: what triage lacks, and the resident's answer."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.command import Ask, mistake
from contracts.event import Code, Digest
from services.orders.commands.placing import DetailsAsk, OrderCommand
from services.orders.commands.words import Text


class RequestInfoAsk(Ask):
    """要求补充: what is missing, as codes, and the question in words where codes do not say it."""

    asked_for: Annotated[tuple[Code, ...], Field(min_length=1, max_length=8)]
    words: Text | None = None


class ProvideInfoAsk(Ask):
    """补充信息: what is given here is read instead of what was said before."""

    details: DetailsAsk

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.details.model_dump(exclude_none=True):
            raise mistake("nothing_said", "请补充地址、电话或说明", "say address, phone or note", field="details")
        return self


class RequestInfo(OrderCommand):
    """Ask the resident for what is missing; the clock of triage stands still until they answer."""

    asked_for: tuple[Code, ...]
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class ProvideInfo(OrderCommand):
    """Answer; the clock goes on with what was left."""

    details_ref: UUID
    details_commitment: Digest
