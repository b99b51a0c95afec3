"""服务—评单: what may be asked of an order from the first check-in to its close."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.command import Ask, mistake
from contracts.event import Code, Digest
from contracts.orders import PresenceEvidence, ServiceOutcome
from services.orders.commands.placing import Ending, OrderCommand
from services.orders.commands.words import SpokenCode, Text

QrToken = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _PresenceAsk(Ask):
    service_code: SpokenCode | None = None
    """服务码: what the resident says."""
    qr: QrToken | None = None
    """What stands in the QR of the resident's page or card."""
    volunteer_id: UUID | None = None
    """Whose presence a leader vouches for; absent: the caller's own."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.service_code is not None and self.qr is not None:
            raise mistake("one_of_two", "见面口令和二维码，给一样就行", "either service_code or qr", field="qr")
        return self


class StartServiceAsk(_PresenceAsk):
    """签到."""


class FinishServiceAsk(_PresenceAsk):
    """签退."""

    outcome: ServiceOutcome


class ConfirmCompletionAsk(Ask):
    """确认完成."""


class RateOrderAsk(Ask):
    """评单: 5 很满意, 4 满意, 3 一般, 2 不满意, 1 很不满意. Nothing is preselected."""

    score: Annotated[int, Field(ge=1, le=5)]
    tags: Annotated[tuple[Code, ...], Field(max_length=8)] = ()
    comment: Text | None = None


class AmendRatingAsk(RateOrderAsk):
    """修改评分, within a week. The first score stays readable."""


class ContestCompletionAsk(Ask):
    """提出异议: what was not as it is recorded, as a code, and in words where a code does not say it."""

    reason_code: Code
    words: Text | None = None


class CloseOrderAsk(Ask):
    """办结."""


class StartService(OrderCommand):
    """Check in. `evidence_holds` says whether the code or QR is the order's; for a leader, None."""

    volunteer_id: UUID
    evidence: PresenceEvidence
    evidence_holds: bool | None = None


class FinishService(OrderCommand):
    """Check out; evidence as for the check-in."""

    volunteer_id: UUID
    evidence: PresenceEvidence
    evidence_holds: bool | None = None
    outcome: ServiceOutcome


class AutoCloseService(OrderCommand):
    """End the services that nobody checked out of; no minutes are assumed."""


class _Judging(OrderCommand):
    """By somebody who is neither a server nor of a server's household (domain.md §4.0)."""

    judge_household_id: UUID | None
    server_households: dict[UUID, UUID | None]
    """Volunteer → household, of all who serve this order."""


class ConfirmCompletion(_Judging):
    """Say that the service was done."""


class PresumeCompletion(OrderCommand):
    """Take the service as done: nobody confirmed or objected in time."""


class _Rating(_Judging):
    rating_id: UUID
    follow_up_id: UUID
    """Used where the rating has to be looked into."""
    contact_by: AwareDatetime
    """By when the resident is then called: the end of the next working day."""
    score: Annotated[int, Field(ge=1, le=5)]
    tags: tuple[Code, ...] = ()
    comment_ref: UUID | None = None
    comment_commitment: Digest | None = None


class RateOrder(_Rating):
    """Rate the service, once."""


class AmendRating(_Rating):
    """Change the rating; the one of before is superseded, never overwritten."""


class ContestCompletion(OrderCommand):
    """Say that the service was not as it is recorded."""

    dispute_id: UUID
    reason_code: Code
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class CloseOrder(Ending):
    """Close the order when its time for rating, or for amending, is over."""
