"""回访整改: what may be asked after a bad rating or a complaint (domain.md §4.7, FollowUp)."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.command import Ask, Role, mistake
from contracts.event import Code, Digest
from contracts.orders import Measure
from services.orders.commands.placing import OrderCommand
from services.orders.commands.words import Moment, Text

Score = Annotated[int, Field(ge=1, le=5)]


class OpenFollowUpAsk(Ask):
    """投诉: somebody complains of a service that was rated. What about, in words."""

    words: Text | None = None


class RecordContactAsk(Ask):
    """回访登记: the resident was spoken with."""

    words: Text | None = None


class DismissRatingAsk(Ask):
    """误评申诉成立: two reviewers stand for it; the caller is one of them."""

    reason_code: Code
    seconded_by: UUID


class OrderRectificationAsk(Ask):
    """责令整改: what is to be put right, by whom, and until when; left out, the last moment that is allowed."""

    measure: Measure
    responsible_id: UUID
    due_at: Moment | None = None


class ReportRectificationAsk(Ask):
    """整改反馈. For the measure redo, the order in which it was done again."""

    rework_order_id: UUID | None = None
    words: Text | None = None


class VerifyRectificationAsk(Ask):
    """复核: it is put right, or it is not, and why."""

    accepted: bool
    reason_code: Code | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if not self.accepted and self.reason_code is None:
            raise mistake(
                "reason_missing", "没有整改好，请写明原因", "what was not put right says why", field="reason_code"
            )
        return self


class CloseFollowUpAsk(Ask):
    """回访办结, with what the resident says now, if they say it."""

    second_score: Score | None = None


class Deadlines(BaseModel):
    """The ends of working days that a decision may give as a deadline, counted from now by the calendar."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact_by: AwareDatetime
    """For the first call, and for what is decided after it."""
    rectify_by: AwareDatetime
    """The latest end of a rectification."""


class FollowUpCommand(OrderCommand):
    """A command about the follow-up of an order, decided on the order's stream."""


class OpenFollowUp(FollowUpCommand):
    """Look into a complaint. What a rating opens is opened in the rating's own append."""

    follow_up_id: UUID
    deadlines: Deadlines
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class _Reviewing(FollowUpCommand):
    """By somebody who served neither side and did not dispatch the order (domain.md §4.0)."""

    reviewer_household_id: UUID | None
    households: dict[UUID, UUID | None]
    """Person → household, of the beneficiary, of who asked and of all who ever had a slot."""


class RecordContact(_Reviewing):
    """Record that the resident was spoken with."""

    deadlines: Deadlines
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class DismissRating(_Reviewing):
    """Find the rating mistaken, with a second reviewer."""

    reason_code: Code
    seconded_by: UUID
    seconder_entitled: bool
    """The second person is a reviewer, too."""


class OrderRectification(_Reviewing):
    """Lay down what is to be put right."""

    measure: Measure
    responsible_id: UUID
    responsible_role: Role | None
    """VOLUNTEER for who served in this order, else a role of the staff that they hold; None: neither."""
    deadlines: Deadlines
    due_at: AwareDatetime | None = None


class ReportRectification(FollowUpCommand):
    """Say that it was put right."""

    rework_order_id: UUID | None = None
    rework_fits: bool = False
    """The order exists, is for the same person, and names this one as what it does again."""
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class VerifyRectification(_Reviewing):
    """Find it put right, or send it back."""

    accepted: bool
    reason_code: Code | None = None
    deadlines: Deadlines


class EscalateFollowUp(FollowUpCommand):
    """Take an overdue follow-up up."""

    deadlines: Deadlines


class CloseFollowUp(FollowUpCommand):
    """End a follow-up that was dismissed or verified; SYSTEM when its time is over, without a second score."""

    second_score: Score | None = None


AnyFollowUpCommand = (
    OpenFollowUp
    | RecordContact
    | DismissRating
    | OrderRectification
    | ReportRectification
    | VerifyRectification
    | EscalateFollowUp
    | CloseFollowUp
)
