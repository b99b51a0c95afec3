"""What all commands of orders share: streams, the figures that a community may set otherwise, and looked-up facts."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.event import Code, UnitCode

_ITEMS = UUID("018f6a3e-7c00-7000-8000-0dde15000001")

Text = Annotated[str, Field(min_length=1, max_length=500)]
"""Free text of a person: it goes to the vault and nowhere else."""
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
    service_this_week: int = -80
    outside_stated_hours: int = -150
    declared_relation: int = -300
    """Relatives who serve each other make hours doubtful: others are asked first."""


class Policy(_Frozen):
    """The figures of domain.md §4.1: all are configuration. Minutes are whole minutes of business time.

    Office hours are Asia/Shanghai's, on `office_weekdays` (1 is Monday); public holidays are not known here.
    """

    triage_office_minutes: int = 120
    triage_urgent_minutes: int = 15
    office_from_minute: int = 510
    office_to_minute: int = 1050
    office_weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    dispatch_minutes: int = 240
    dispatch_by_timer: bool = False
    """True: SYSTEM also sends the first wave, without a dispatcher."""
    waves_by_timer: bool = True
    """SYSTEM sends the next wave, or opens the pool, when a wave came to nothing or a volunteer was lost."""
    wave_sizes: Annotated[tuple[int, ...], Field(min_length=1)] = (3, 8)
    """After these the order goes to the pool."""
    offer_minutes: int = 120
    offer_urgent_minutes: int = 15
    offers_per_day_max: int = 2
    invited_max: int = 50
    """At most so many are told that an order is in the pool: too many for one task kills goodwill (domain.md §0)."""
    level_1_minutes: int = 240
    level_2_minutes: int = 1_440
    level_3_minutes: int = 4_320
    decision_minutes: int = 1_440
    start_early_minutes: int = 30
    start_late_minutes: int = 60
    autoclose_minutes: int = 240
    confirm_minutes: int = 4_320
    rate_days: int = 30
    close_rated_days: int = 7
    reopen_days: int = 30
    waves_before_unfulfilled: int = 3
    travel_buffer_minutes: int = 0
    window_minutes_max: int = 720
    ahead_days_max: int = 90
    duplicate_minutes: int = 1_440
    inquiry_minutes: int = 1_440
    ranking: Ranking = Ranking()

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
    state: Literal["PENDING", "ACTIVE", "PAUSED", "SUSPENDED", "WITHDRAWN"] | None
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
    related: bool = False
    """A declared relation to the beneficiary."""
    served_here: int = 0
    """Services done for this beneficiary."""
    services_this_week: int = 0
    """Live or finished assignments with a window in the week of this order's."""
    last_served_at: AwareDatetime | None = None
