"""The words that commands of volunteers share: streams, and the figures that the community may set otherwise."""

from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.command import Refused

ConsentPurpose = Literal["personal_data", "contact", "service", "volunteering", "publish_name"]
"""What a person can agree to (个人信息保护法 §13–15): that we keep their data at all; that we call them;
that somebody comes to help them; that they help others; that their name is shown."""
VOLUNTEERING: ConsentPurpose = "volunteering"
PUBLISH_NAME: ConsentPurpose = "publish_name"
ConsentForm = Literal["written", "spoken", "web"]
RelationKind = Literal["spouse", "parent", "child", "sibling", "relative", "guardian", "carer", "colleague"]
"""`kind` says what person a is to person b: a is b's parent."""
Words = Annotated[str, Field(min_length=1, max_length=500)]
"""What a person says in their own words: it goes to the vault and nowhere else."""
SkillLevel = Annotated[int, Field(ge=1, le=3)]

GUARDIAN_KINDS = frozenset({"parent", "guardian"})
_TEAMS = UUID("018f6a3e-7c00-7000-8000-7ea350000001")
_CLAIMS = UUID("018f6a3e-7c00-7000-8000-c1a1a5000001")
_STARS = UUID("018f6a3e-7c00-7000-8000-57a25000a001")


def person_stream(person_id: UUID) -> str:
    """The stream of a person, `person-<uuid>`."""
    return f"person-{person_id}"


def volunteer_stream(volunteer_id: UUID) -> str:
    """The stream of a volunteer, `volunteer-<uuid>`; the id is the person's."""
    return f"volunteer-{volunteer_id}"


def team_id_of(team_code: str) -> UUID:
    """The id of a team: derived from its code, so that one code is one team."""
    return uuid5(_TEAMS, team_code)


def team_stream(team_code: str) -> str:
    """The stream of a team, `team-<uuid>`."""
    return f"team-{team_id_of(team_code)}"


def claim_stream(claim_id: UUID) -> str:
    """The stream of a claim, `claim-<uuid>`."""
    return f"claim-{claim_id}"


def star_stream(star_id: UUID) -> str:
    """The stream of a volunteer's star of one level, `star-<uuid>`."""
    return f"star-{star_id}"


def star_id_of(volunteer_id: UUID, level: int) -> UUID:
    """The one star of a level that a volunteer can have."""
    return uuid5(_STARS, f"{volunteer_id}/{level}")


def record_stream(record_id: UUID) -> str:
    """The stream of a service record, `record-<uuid>`."""
    return f"record-{record_id}"


def claim_id_of(assignment_id: UUID) -> UUID:
    """The one claim that an assignment can have: derived, so that no second one can be made (domain.md §4.4)."""
    return uuid5(_CLAIMS, str(assignment_id))


class FlagPolicy(BaseModel):
    """What makes a claim unusual enough for an auditor's look (domain.md §4.4) [P]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recorder_entries_per_minute: Annotated[int, Field(ge=1)] = 5
    """One recorder's entries by hand within one minute, from which on they are flagged."""
    recorder_entries_per_day: Annotated[int, Field(ge=1)] = 20
    """One recorder's entries by hand on one day: more are refused, or flagged where orders recorded them."""
    creation_minutes: Annotated[int, Field(ge=0)] = 10
    """A service that began, or was entered, within so many minutes after its order was made is flagged."""
    pair_days: Annotated[int, Field(ge=2)] = 5
    """The same volunteer with the same recipient on so many days running is flagged."""


class HoursPolicy(BaseModel):
    """The figures of domain.md §4.4. All minutes are whole minutes; a day is Asia/Shanghai's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry_minutes_min: Annotated[int, Field(ge=5, le=720)] = 5
    entry_minutes_max: Annotated[int, Field(ge=5, le=720)] = 720
    day_automatic_minutes: Annotated[int, Field(ge=0, le=1440)] = 480
    day_auditor_minutes: Annotated[int, Field(ge=0, le=1440)] = 720
    day_minutes_max: Annotated[int, Field(ge=0, le=1440)] = 1440
    review_working_days: Annotated[int, Field(ge=1)] = 5
    """How long an auditor has to look at a held claim [P]."""
    correction_working_days: Annotated[int, Field(ge=1)] = 10
    """By when a request for correction is answered [P]."""
    manual_days: Annotated[int, Field(ge=0)] = 7
    """An entry by hand within so many days after the service needs one approval …"""
    manual_days_max: Annotated[int, Field(ge=0)] = 30
    """… later, up to so many days, an auditor's; after that none is taken."""
    pairs_per_day_max: Annotated[int, Field(ge=1, le=9)] = 3
    """Pairs of coming and going of one volunteer at one project on one day."""
    sample_percent: Annotated[int, Field(ge=0, le=100)] = 5
    """Share of a month's credited claims whose recipients are called."""
    sample_working_days: Annotated[int, Field(ge=1)] = 10
    flags: FlagPolicy = FlagPolicy()

    def approvals_required(self, day_minutes: int) -> int:
        """How many people must approve a claim that brings its day to this total: none, an auditor, or one more."""
        if day_minutes <= self.day_automatic_minutes:
            return 0
        return 1 if day_minutes <= self.day_auditor_minutes else 2


class StarPolicy(BaseModel):
    """The five levels (民政部 2012; 100, 300, 600, 1,000, 1,500 hours) and their publicity (domain.md §2, Stars)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thresholds_minutes: Annotated[tuple[int, ...], Field(min_length=1, max_length=5)] = (
        6_000,
        18_000,
        36_000,
        60_000,
        90_000,
    )
    """Ascending: the n-th is what level n takes."""
    c_share_percent: Annotated[int, Field(ge=0, le=99)] = 20
    """Of what counts, at most so much may be grade C."""
    publicity_working_days: Annotated[int, Field(ge=1)] = 5

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if list(self.thresholds_minutes) != sorted(set(self.thresholds_minutes)):
            raise ValueError("each star takes more minutes than the one before")
        return self

    def counted(self, minutes_a: int, minutes_b: int, minutes_c: int) -> int:
        """A and B whole, and C as far as it is not more than its share of the sum; whole minutes, rounded down."""
        sure = minutes_a + minutes_b
        return sure + min(minutes_c, sure * self.c_share_percent // (100 - self.c_share_percent))

    def threshold(self, level: int) -> int:
        """What a level takes, in minutes. Raises Refused("star_level_unknown")."""
        if not 1 <= level <= len(self.thresholds_minutes):
            raise Refused("star_level_unknown", level=level)
        return self.thresholds_minutes[level - 1]


class AgePolicy(BaseModel):
    """The ages of domain.md §2 (Dongying practice), in completed years."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    volunteer_years_min: Annotated[int, Field(ge=6, le=18)] = 6
    accompanied_below_years: Annotated[int, Field(ge=6, le=18)] = 10
    guardian_below_years: Annotated[int, Field(ge=6, le=18)] = 14

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if not self.volunteer_years_min <= self.accompanied_below_years <= self.guardian_below_years:
            raise ValueError("ages rise: volunteer_years_min, accompanied_below_years, guardian_below_years")
        return self


class TeamPolicy(BaseModel):
    """The figures of domain.md §4.3 about teams; all [P]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members_min: Annotated[int, Field(ge=1)] = 3
    """So many must have joined before a team is registered."""
    dormant_days: Annotated[int, Field(ge=1)] = 90
    """Without anybody joining and without a member's credited hours."""
    term_days: Annotated[int, Field(ge=1)] = 365
    """How long a leader leads, unless said otherwise …"""
    term_days_max: Annotated[int, Field(ge=1)] = 1_096
    """… and at most."""


class Policy(BaseModel):
    """The figures that volunteers goes by; all are configuration (policy.py)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ages: AgePolicy = AgePolicy()
    hours: HoursPolicy = HoursPolicy()
    stars: StarPolicy = StarPolicy()
    teams: TeamPolicy = TeamPolicy()
