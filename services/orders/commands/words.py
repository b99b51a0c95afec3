"""What all commands of orders share: streams, the figures that a community may set otherwise, and looked-up facts."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.event import Code, UnitCode

_ITEMS = UUID("018f6a3e-7c00-7000-8000-0dde15000001")

Text = Annotated[str, Field(min_length=1, max_length=500)]
"""Free text of a person: it goes to the vault and nowhere else."""


def _within_reach(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2999:
        raise PydanticCustomError("time_out_of_range", "a year from 2000 to 2999")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
"""A time that somebody says. At the ends of the calendar there is no week and no other zone to reckon with."""
Slots = Annotated[int, Field(ge=1, le=5)]
SpokenCode = Annotated[str, Field(pattern=r"^[0-9]{4}$")]
"""The 服务码: four digits that the resident says at the door."""


def order_stream(order_id: UUID) -> str:
    """The stream of an order, `order-<uuid>`."""
    return f"order-{order_id}"


def inquiry_stream(inquiry_id: UUID) -> str:
    """The stream of an inquiry, `inquiry-<uuid>`."""
    return f"inquiry-{inquiry_id}"


def item_id_of(item_code: str) -> UUID:
    """The id of a catalogue item: derived from its code, so that one code has one stream."""
    return uuid5(_ITEMS, item_code)


def item_stream(item_code: str) -> str:
    """The stream of a catalogue item, `item-<uuid>`."""
    return f"item-{item_id_of(item_code)}"


def erasure_stream(person_id: UUID) -> str:
    """The stream that says what was erased of a person, `erasure-<uuid>`."""
    return f"erasure-{person_id}"


def dispute_stream(dispute_id: UUID) -> str:
    """The stream of a dispute that no order waits for, `dispute-<uuid>`."""
    return f"dispute-{dispute_id}"


def welfare_check_stream(check_id: UUID) -> str:
    """The stream of a welfare check, `welfare_check-<uuid>`."""
    return f"welfare_check-{check_id}"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ranking(_Frozen):
    """What each reason for or against a candidate weighs (domain.md §4.1, Candidates). Larger is better."""

    same_entrance: int = 400
    same_grid: int = 250
    skill_level: int = 60
    """For each level of a needed skill, 1 to 3; 0 for one that is only declared."""
    served_here_before: int = 100
    idle_day: int = 4
    """For each day since the last service, up to `idle_days_max`: whoever waited longest comes first."""
    idle_days_max: int = 60
    never_served: int = 240
    """A new volunteer counts as one who waited `idle_days_max` days: 240 = 4 × 60."""
    offer_lately: int = -80
    """For each offer within `lately_days`, however it was answered: whoever was asked least comes first."""
    lately_days: int = 30
    service_this_week: int = -80
    outside_stated_hours: int = -150
    declared_relation: int = -300
    """Relatives who serve each other make hours doubtful: others are asked first."""
    team_mate: int = 50
    """Of somebody who fills a slot of the order already."""
    trained: int = 40
    """In `safety`, where the visit is at a home."""


Minutes = Annotated[int, Field(ge=1, le=525_600)]
"""From a minute to a year."""
Days = Annotated[int, Field(ge=1, le=366)]
WorkingDays = Annotated[int, Field(ge=1, le=60)]
DayMinute = Annotated[int, Field(ge=0, le=1_440)]
"""Minutes after midnight."""
Weekday = Annotated[int, Field(ge=1, le=7)]
WaveSize = Annotated[int, Field(ge=1, le=50)]


class Policy(_Frozen):
    """The figures of domain.md §4.1: all are configuration. Minutes are whole minutes of business time.

    Office hours are Asia/Shanghai's, on `office_weekdays` (1 is Monday), whether or not that day is a public holiday.
    """

    triage_office_minutes: Minutes = 120
    triage_urgent_minutes: Minutes = 15
    info_minutes: Minutes = 4_320
    """How long the resident has to answer what triage asks; its own clock stands still meanwhile."""
    office_from_minute: DayMinute = 510
    office_to_minute: DayMinute = 1050
    office_weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = (1, 2, 3, 4, 5)
    dispatch_minutes: Minutes = 240
    dispatch_by_timer: bool = False
    """True: SYSTEM also sends the first wave, without a dispatcher."""
    waves_by_timer: bool = True
    """SYSTEM sends the next wave, or opens the pool, when a wave came to nothing or a volunteer was lost."""
    wave_sizes: Annotated[tuple[WaveSize, ...], Field(min_length=1, max_length=10)] = (3, 8)
    """After these the order goes to the pool."""
    offer_minutes: Minutes = 120
    offer_urgent_minutes: Minutes = 15
    offers_per_day_max: Annotated[int, Field(ge=1, le=50)] = 2
    invited_max: Annotated[int, Field(ge=1, le=300)] = 50
    """At most so many are told that an order is in the pool: too many for one task kills goodwill (domain.md §0)."""
    home_visit_training: bool = False
    """True: a visit at a home takes the training `safety` (志愿服务条例 §16)."""
    level_1_minutes: Minutes = 240
    level_2_minutes: Minutes = 1_440
    level_3_minutes: Minutes = 4_320
    decision_minutes: Minutes = 1_440
    start_early_minutes: Minutes = 30
    start_late_minutes: Minutes = 60
    autoclose_minutes: Minutes = 240
    no_show_minutes: Minutes = 15
    """So late somebody may say that a volunteer did not come."""
    no_show_contest_days: Days = 7
    welfare_check_minutes: Minutes = 30
    """Until the first level of a welfare check without an outcome …"""
    welfare_check_top_minutes: Minutes = 60
    """… and, counted from when it was raised, until the second."""
    follow_up_score_max: Annotated[int, Field(ge=1, le=5)] = 2
    """A score of at most so much is followed up; one of at most the next only with a tag."""
    follow_up_tagged_score_max: Annotated[int, Field(ge=1, le=5)] = 3
    follow_up_contact_working_days: WorkingDays = 1
    rectify_working_days: WorkingDays = 5
    recall_minutes: Minutes = 2_880
    """After a rectification was reported, until the resident is asked; and then until a second score is not waited for
    any longer."""
    appeal_days: Days = 7
    afterwards_days: Days = 7
    """So long after it a service may still be entered from paper."""
    confirm_minutes: Minutes = 4_320
    reconfirm_minutes: Minutes = 1_440
    """How long volunteers have to say whether they come at the new time of a moved order; at most half of what is
    left until then.
    """
    rate_days: Days = 30
    amend_days: Days = 7
    contest_days: Days = 7
    dispute_minutes: Minutes = 10_080
    """By when somebody should have settled what was contested; until then the deadline is only shown."""
    close_rated_days: Days = 7
    reopen_days: Days = 30
    waves_before_unfulfilled: Annotated[int, Field(ge=1, le=20)] = 3
    travel_buffer_minutes: Annotated[int, Field(ge=0, le=240)] = 0
    window_minutes_max: Minutes = 720
    ahead_days_max: Days = 90
    duplicate_minutes: Minutes = 1_440
    inquiry_minutes: Minutes = 1_440
    ranking: Ranking = Ranking()

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        """Each alone may be right, and together they make no sense."""
        for field, least, most in (
            ("office_to_minute", self.office_from_minute + 1, None),
            ("offer_minutes", None, self.dispatch_minutes),
            ("offer_urgent_minutes", None, self.offer_minutes),
            ("level_2_minutes", self.level_1_minutes + 1, None),
            ("level_3_minutes", self.level_2_minutes + 1, None),
            ("welfare_check_top_minutes", self.welfare_check_minutes + 1, None),
            ("follow_up_tagged_score_max", self.follow_up_score_max, None),
            ("rectify_working_days", self.follow_up_contact_working_days, None),
            ("amend_days", None, self.close_rated_days),
            ("contest_days", None, self.close_rated_days),
        ):
            value = getattr(self, field)
            if (least is not None and value < least) or (most is not None and value > most):
                allowed = f"at least {least}" if least is not None else f"at most {most}"
                told = "with the other figures it has to be {allowed}"
                raise PydanticCustomError("impossible", told, {"field": field, "allowed": allowed})
        if len(set(self.office_weekdays)) < len(self.office_weekdays):
            raise PydanticCustomError("impossible", "a day stands there twice", {"field": "office_weekdays"})
        return self

    def level_minutes(self, level: int) -> int:
        """How long after it began to wait an order rises above `level` (0, 1 or 2)."""
        return (self.level_1_minutes, self.level_2_minutes, self.level_3_minutes)[level]


class ItemFacts(_Frozen):
    """A catalogue item as it is published now."""

    item_code: Code
    item_version: int
    active: bool
    expected_minutes: int
    slots: int
    home_visit: bool
    licence: Code | None = None
    skills: tuple[Code, ...] = ()
    insurance_required: bool = False


class ResidentFacts(_Frozen):
    """What is known of the person an order is for."""

    person_id: UUID
    household_id: UUID | None
    entrance_id: UnitCode | None
    grid_id: UnitCode | None
    consented: bool
    """To being served (consent purpose `service`), not withdrawn."""


class VolunteerFacts(_Frozen):
    """What is known of a volunteer with regard to one order; what ranks and gates them.

    `erased` and the people's data come from volunteers' events, loads and offers from orders' own.
    """

    volunteer_id: UUID
    state: Literal["PENDING", "ACTIVE", "PAUSED", "SUSPENDED", "REJECTED", "WITHDRAWN"] | None
    """None: nobody registered under this id."""
    household_id: UUID | None = None
    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None
    accompanied_only: bool = False
    """A child who serves beside a grown-up only."""
    skills: dict[str, int] = {}
    """Skill → verified level, 0 when it is only declared."""
    licences: dict[str, date] = {}
    """Licence → its last day."""
    insured_from: date | None = None
    insured_until: date | None = None
    available: bool | None = None
    """Whether the window lies in the hours they stated; None when they stated none."""
    busy: bool = False
    """A live assignment overlaps the window."""
    offers_today: int = 0
    """Offers of any order that reached them this Asia/Shanghai day."""
    offers_lately: int = 0
    """Offers of any order within the ranking's `lately_days`."""
    last_offered_at: AwareDatetime | None = None
    kept_apart: bool = False
    """Does not want to meet the beneficiary or somebody who serves this order already, or is not wanted by them."""
    trained: bool = False
    """Completed the training `safety`, which holds when the window ends."""
    team_mate: bool = False
    """In a team with somebody who fills a slot of the order."""
    related: bool = False
    """A declared relation to the beneficiary."""
    served_here: int = 0
    """Services done for this beneficiary."""
    services_this_week: int = 0
    """Live or finished assignments with a window in the week of this order's."""
    last_served_at: AwareDatetime | None = None
