"""What the rules need to know of an order: no more, immutable."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contracts.orders import DueFor, EscalationCause, OnAbsence, OrderMode, OrderState
from services.orders.decider.dispute_state import Dispute
from services.orders.decider.follow_up_state import FollowUp


class Served(StrEnum):
    """The states of an assignment (domain.md §4.1). AUTO_CLOSED is a FINISHED one whose minutes nobody knows."""

    HELD = "HELD"
    STARTED = "STARTED"
    FINISHED = "FINISHED"
    AUTO_CLOSED = "AUTO_CLOSED"
    WITHDRAWN = "WITHDRAWN"
    LAPSED = "LAPSED"
    RELEASED = "RELEASED"
    NO_SHOW = "NO_SHOW"


LIVE = frozenset({Served.HELD, Served.STARTED})
"""The volunteer's time is promised: the exclusion constraint counts these."""
DONE = frozenset({Served.FINISHED, Served.AUTO_CLOSED})
FILLING = LIVE | DONE
"""The slot is taken."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One slot of the order and who fills it."""

    assignment_id: UUID
    volunteer_id: UUID
    served: Served = Served.HELD
    started_at: datetime | None = None
    start_evidence: str = ""
    minutes: int | None = None
    reconfirm_until: datetime | None = None
    """By when the volunteer is to say whether they come at the new time; None when nothing is to be said."""


@dataclass(frozen=True, slots=True)
class LiveOffer:
    """An offer that waits for an answer."""

    offer_id: UUID
    volunteer_id: UUID
    wave: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """What the order takes: frozen when it was placed, fixed when it was verified."""

    item_code: str
    expected_minutes: int
    slots: int
    home_visit: bool
    licence: str | None
    skills: tuple[str, ...]
    insurance_required: bool


@dataclass(frozen=True, slots=True)
class Order:
    """An order, folded from its stream. `item` and `window_*` are set from the first event on."""

    order_id: UUID
    order_no: str
    mode: OrderMode
    state: OrderState
    item: Item
    beneficiary_id: UUID
    requested_by: UUID
    household_id: UUID | None
    grid_id: str
    entrance_id: str | None
    project_code: str | None
    window_start: datetime
    window_end: datetime
    urgent: bool
    details_ref: UUID | None
    placed_at: datetime
    info_requested_at: datetime | None = None
    """Since when the resident is asked for more: the clock of triage stands still."""
    triage_from: datetime | None = None
    """Since when the clock of triage runs, where it stood still before; with `triage_left_minutes` to go."""
    triage_left_minutes: int | None = None
    clock_from: datetime | None = None
    """Whence the levels of triage count: when it was placed, and the time that the clock stood still."""
    verified_at: datetime | None = None
    on_absence: OnAbsence = "call"
    absent: bool = False
    """Nobody was there: nothing goes out by itself until a person has decided how to go on."""
    waiting_since: datetime | None = None
    """Since when nobody was found: from verification, or from the loss of a volunteer."""
    returned: bool = False
    """A volunteer was lost: first in the queue."""
    level: int = 0
    escalated_for: frozenset[EscalationCause] = frozenset()
    waves: int = 0
    """Waves of offers, and openings of the pool."""
    round_waves: int = 0
    """The same since `waiting_since`."""
    waves_before: int = 0
    """The waves before it was reopened: they do not count for giving up again."""
    begun: bool = False
    """A dispatcher has sent it out: from then on waves may go by themselves."""
    offers: tuple[LiveOffer, ...] = ()
    answered: frozenset[UUID] = frozenset()
    """Who declined, let an offer expire, or gave a slot back: they are not asked again."""
    assignments: tuple[Assignment, ...] = ()
    staff: frozenset[UUID] = frozenset()
    """Who verified or dispatched it: they do not review it."""
    served_at: datetime | None = None
    completed_at: datetime | None = None
    rated_at: datetime | None = None
    score: int | None = None
    first_score: int | None = None
    rating_id: UUID | None = None
    reopen_until: datetime | None = None
    follow_up: FollowUp | None = None
    """The newest follow-up, open or closed."""
    dispute: Dispute | None = None
    """What was contested of this order last."""
    disputed_from: OrderState | None = None
    """Where the order stood when it was contested."""
    settled_at: datetime | None = None
    """When a dispute was decided: what waited for it begins anew."""
    due_at: datetime | None = None
    due_for: DueFor | None = None

    @property
    def filled(self) -> int:
        """How many slots are taken."""
        return sum(assignment.served in FILLING for assignment in self.assignments)

    @property
    def free_slots(self) -> int:
        """How many slots are still to be filled."""
        return self.item.slots - self.filled

    def holds(self, volunteer_id: UUID) -> Assignment | None:
        """The assignment by which this volunteer fills a slot, if any."""
        for assignment in self.assignments:
            if assignment.volunteer_id == volunteer_id and assignment.served in FILLING:
                return assignment
        return None

    def assignment(self, assignment_id: UUID) -> Assignment | None:
        """The assignment of this id, if any."""
        return next((one for one in self.assignments if one.assignment_id == assignment_id), None)

    def offer_to(self, volunteer_id: UUID) -> LiveOffer | None:
        """The offer that waits for this volunteer's answer, if any."""
        return next((offer for offer in self.offers if offer.volunteer_id == volunteer_id), None)

    @property
    def servers(self) -> tuple[UUID, ...]:
        """Who fills a slot."""
        return tuple(one.volunteer_id for one in self.assignments if one.served in FILLING)

    @property
    def awaiting(self) -> tuple[Assignment, ...]:
        """Slots whose volunteers are to reconfirm, the first to fall due first."""
        asked = [one for one in self.held if one.reconfirm_until is not None]
        return tuple(sorted(asked, key=lambda one: (one.reconfirm_until, one.assignment_id)))

    @property
    def parted(self) -> frozenset[UUID]:
        """Who had a slot and has it no longer."""
        return frozenset(one.volunteer_id for one in self.assignments if one.served not in FILLING)

    @property
    def ever_assigned(self) -> tuple[UUID, ...]:
        """Everybody who has a slot or had one."""
        return tuple(dict.fromkeys(one.volunteer_id for one in self.assignments))

    @property
    def held(self) -> tuple[Assignment, ...]:
        """Slots whose service has not begun."""
        return tuple(one for one in self.assignments if one.served is Served.HELD)
