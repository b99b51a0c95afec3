"""爽约, 扑空, 补录: what may be asked when the service did not go by the book."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.command import Ask, mistake
from contracts.event import Digest
from services.orders.commands.placing import OrderCommand
from services.orders.commands.words import Moment, VolunteerFacts


class RecordVolunteerNoShowAsk(Ask):
    """爽约: who did not come."""

    volunteer_id: UUID


class RecordResidentAbsentAsk(Ask):
    """扑空: nobody opened."""


class PastServiceAsk(Ask):
    """One volunteer's service as the sheet has it."""

    volunteer_id: UUID
    started_at: Moment
    finished_at: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.finished_at <= self.started_at:
            raise mistake(
                "end_before_start",
                "结束时间要晚于开始时间",
                "finished_at must be later than started_at",
                field="finished_at",
            )
        return self


class RecordServiceAfterwardsAsk(Ask):
    """补录服务: what was done on paper or by phone, with the hash of the sheet that shows it."""

    services: Annotated[tuple[PastServiceAsk, ...], Field(min_length=1, max_length=5)]
    attachment_hash: Digest


class RecordVolunteerNoShow(OrderCommand):
    """Say that a volunteer did not come. A person says it, never a timer."""

    volunteer_id: UUID


class RecordResidentAbsent(OrderCommand):
    """Say that nobody was there. `check_id` is used where a welfare check was agreed for this case."""

    check_id: UUID


class PastService(BaseModel):
    """One service as it was written down, and what is known of the volunteer with regard to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assignment_id: UUID
    """The volunteer's slot; a new id for one who held none."""
    volunteer: VolunteerFacts
    started_at: AwareDatetime
    finished_at: AwareDatetime


class RecordServiceAfterwards(OrderCommand):
    """Enter services that nobody checked in to."""

    services: Annotated[tuple[PastService, ...], Field(min_length=1, max_length=5)]
    attachment_hash: Digest
