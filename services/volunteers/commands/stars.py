"""What may be asked about a star: one volunteer's one level, from the minutes to the award (domain.md §2, §4.3)."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.command import Ask, Command
from contracts.event import Code, Digest
from services.volunteers.commands.words import StarPolicy, Words, star_id_of, star_stream


class ObjectToStarAsk(Ask):
    """Why a star should not be awarded."""

    reason_code: Literal["minutes_doubtful", "not_served", "conduct", "other"]
    explanation: Words | None = None


class StarMinutes(BaseModel):
    """A volunteer's credited minutes by grade, read just before the decision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes_a: int = 0
    minutes_b: int = 0
    minutes_c: int = 0


class StarCommand(Command):
    """A command decided on the stream of one star."""

    volunteer_id: UUID
    level: int
    policy: StarPolicy = StarPolicy()

    @property
    def star_id(self) -> UUID:
        """Derived, so that a volunteer has each level once."""
        return star_id_of(self.volunteer_id, self.level)

    @property
    def stream(self) -> str:
        """`star-<uuid>`."""
        return star_stream(self.star_id)


class ReachStar(StarCommand):
    """Say that the credited minutes reach a level."""

    minutes: StarMinutes


class NominateStar(StarCommand):
    """Put a volunteer forward."""

    minutes: StarMinutes
    in_good_standing: bool
    """The volunteer is neither suspended nor gone."""


class PublicizeStar(StarCommand):
    """Show the nomination to everybody, for five working days; again when an objection was looked into."""

    minutes: StarMinutes
    due_at: AwareDatetime


class ObjectToStar(StarCommand):
    """Object within the publicity."""

    objection_id: UUID
    reason_code: Code
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None


class AwardStar(StarCommand):
    """Award the star after its publicity."""

    minutes: StarMinutes
    in_good_standing: bool


class ReviewStar(StarCommand):
    """Let a star rest whose minutes were corrected below its level."""

    minutes: StarMinutes


STAR_COMMANDS: tuple[type[StarCommand], ...] = (
    ReachStar,
    NominateStar,
    PublicizeStar,
    ObjectToStar,
    AwardStar,
    ReviewStar,
)
AnyStarCommand = ReachStar | NominateStar | PublicizeStar | ObjectToStar | AwardStar | ReviewStar
