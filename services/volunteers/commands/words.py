"""The words that commands of volunteers share: streams, and the figures that the community may set otherwise."""

from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

ConsentPurpose = Literal["personal_data", "contact", "service", "volunteering", "publish_name"]
"""What a person can agree to (个人信息保护法 §13–15): that we keep their data at all; that we call them;
that somebody comes to help them; that they help others; that their name is shown."""
ConsentForm = Literal["written", "spoken", "web"]
RelationKind = Literal["spouse", "parent", "child", "sibling", "relative", "guardian", "carer", "colleague"]
"""`kind` says what person a is to person b: a is b's parent."""
SkillLevel = Annotated[int, Field(ge=1, le=3)]

GUARDIAN_KINDS = frozenset({"parent", "guardian"})
_CLAIMS = UUID("018f6a3e-7c00-7000-8000-c1a1a5000001")


def person_stream(person_id: UUID) -> str:
    """The stream of a person, `person-<uuid>`."""
    return f"person-{person_id}"


def volunteer_stream(volunteer_id: UUID) -> str:
    """The stream of a volunteer, `volunteer-<uuid>`; the id is the person's."""
    return f"volunteer-{volunteer_id}"


def claim_stream(claim_id: UUID) -> str:
    """The stream of a claim, `claim-<uuid>`."""
    return f"claim-{claim_id}"


def claim_id_of(assignment_id: UUID) -> UUID:
    """The one claim that an assignment can have: derived, so that no second one can be made (domain.md §4.4)."""
    return uuid5(_CLAIMS, str(assignment_id))


class HoursPolicy(BaseModel):
    """The figures of domain.md §4.4. All minutes are whole minutes; a day is Asia/Shanghai's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry_minutes_min: int = 5
    entry_minutes_max: int = 720
    day_automatic_minutes: int = 480
    day_auditor_minutes: int = 720
    day_minutes_max: int = 1440
    review_days: int = 7
    """How long an auditor has to look at a held claim [P]."""
    correction_days: int = 14
    """Ten working days to answer a request for correction [P]."""

    def approvals_required(self, day_minutes: int) -> int:
        """How many people must approve a claim that brings its day to this total: none, an auditor, or one more."""
        if day_minutes <= self.day_automatic_minutes:
            return 0
        return 1 if day_minutes <= self.day_auditor_minutes else 2


class AgePolicy(BaseModel):
    """The ages of domain.md §2 (Dongying practice), in completed years."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    volunteer_years_min: int = 6
    accompanied_below_years: int = 10
    guardian_below_years: int = 14
