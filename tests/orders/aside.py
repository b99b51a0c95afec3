"""Follow-ups, disputes and welfare checks of these tests: Rui and Qin review, Song and Tan mediate; all invented."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from contracts.command import SYSTEM, By, Channel, Refused, Role
from contracts.orders import DisputeEvent, FollowUpState, Measure, OrderState, Staffing, WelfareCheckEvent
from services.orders.commands.disputes import AppealContest, AppealDispute, RaiseDispute, ResolveContest, ResolveDispute
from services.orders.commands.follow_up import (
    CloseFollowUp,
    DismissRating,
    EscalateFollowUp,
    FollowUpCommand,
    OpenFollowUp,
    OrderRectification,
    RecordContact,
    ReportRectification,
    VerifyRectification,
)
from services.orders.commands.welfare import EscalateWelfareCheck, RaiseWelfareCheck, RecordOutcome
from services.orders.decider import dispute, welfare_check
from services.orders.decider.dispute_state import DisputeState
from services.orders.decider.welfare_check import CheckState
from services.orders.policy import working_deadlines
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    BO_HOME,
    DUAN,
    GUO,
    ORDER,
    RESIDENT_WANG,
    REVIEWER,
    RUI,
    WANG,
    WANG_HOME,
    WINDOW_START,
    Story,
    as_volunteer,
    ask,
    by,
    in_state,
    uid,
)

QIN, SONG, TAN = uid(120), uid(121), uid(122)
SECOND_REVIEWER = by(QIN, Role.REVIEWER, Channel.PHONE)
MEDIATOR, SECOND_MEDIATOR = by(SONG, Role.SOCIAL_WORKER), by(TAN, Role.SOCIAL_WORKER)
KEEPER = by(GUO, Role.GRID_WORKER)
CHECK, DISPUTE = uid(900), uid(810)
HOMES = {WANG: WANG_HOME, ANNA: ANNA_HOME, BO: BO_HOME, RUI: uid(220), QIN: uid(221), DUAN: uid(222)}
REVIEWING: dict[str, Any] = {"reviewer_household_id": uid(220), "households": HOMES}


def contact(story: Story, by: By = REVIEWER, **changes: Any) -> Any:
    return ask(RecordContact, by, story.at, **(REVIEWING | {"deadlines": working_deadlines(story.at)} | changes))


def dismiss(story: Story, by: By = REVIEWER, **changes: Any) -> Any:
    fields = {"reason_code": "meant_another_order", "seconded_by": QIN, "seconder_entitled": True}
    return ask(DismissRating, by, story.at, **(REVIEWING | fields | changes))


def rectify(story: Story, measure: Measure = "apology", by: By = REVIEWER, **changes: Any) -> Any:
    fields: dict[str, Any] = {"measure": measure, "responsible_id": ANNA, "responsible_role": Role.VOLUNTEER}
    deadlines = {"deadlines": working_deadlines(story.at)}
    return ask(OrderRectification, by, story.at, **(REVIEWING | deadlines | fields | changes))


def report(story: Story, by: By | None = None, **changes: Any) -> Any:
    return ask(ReportRectification, by or as_volunteer(ANNA), story.at, **changes)


def verify(story: Story, accepted: bool = True, by: By = RESIDENT_WANG, **changes: Any) -> Any:
    fields = {"accepted": accepted, "reason_code": None if accepted else "not_done"}
    deadlines = {"deadlines": working_deadlines(story.at)}
    return ask(VerifyRectification, by, story.at, **(REVIEWING | deadlines | fields | changes))


def close_follow_up(story: Story, by: By = REVIEWER, **changes: Any) -> Any:
    return ask(CloseFollowUp, by, story.at, **changes)


def complain(story: Story, by: By = RESIDENT_WANG) -> Any:
    return ask(OpenFollowUp, by, story.at, follow_up_id=uid(760), deadlines=working_deadlines(story.at))


def overdue(story: Story) -> Any:
    """Asked when the deadline has passed, where there is one."""
    follow_up = story.order.follow_up if story.order is not None else None
    at = max(story.at, follow_up.due_at) if follow_up is not None and follow_up.due_at is not None else story.at
    return ask(EscalateFollowUp, SYSTEM, at, deadlines=working_deadlines(at))


def resolve(story: Story, by: By = MEDIATOR, **changes: Any) -> Any:
    fields: dict[str, Any] = {"decision": "rejected", "decider_household_id": uid(230), "households": HOMES}
    return ask(ResolveContest, by, story.at, **(fields | changes))


def appeal(story: Story, by: By = RESIDENT_WANG, **changes: Any) -> Any:
    return ask(AppealContest, by, story.at, **({"reason_code": "not_heard", "speaks_for_party": True} | changes))


BESIDE: dict[str, Callable[[Story], Any]] = {
    "OpenFollowUp": complain,
    "RecordContact": contact,
    "DismissRating": dismiss,
    "OrderRectification": rectify,
    "ReportRectification": report,
    "VerifyRectification": verify,
    "EscalateFollowUp": overdue,
    "CloseFollowUp": close_follow_up,
    "ResolveContest": resolve,
    "AppealContest": appeal,
}
"""Command → how somebody entitled asks it now."""


def followed_up(state: FollowUpState | None) -> Story:
    """An order whose follow-up was brought to `state` on the shortest way that people take."""
    if state is None:
        return in_state(OrderState.RATED)
    story = in_state(OrderState.FOLLOW_UP).later(hours=1)
    if state is FollowUpState.OPENED:
        return story
    story.do(contact(story))
    if state is FollowUpState.CONTACTED:
        return story
    if state is FollowUpState.DISMISSED:
        story.do(dismiss(story))
        return story
    story.do(rectify(story))
    if state is FollowUpState.RECTIFYING:
        return story
    story.later(hours=5).do(report(story))
    if state is FollowUpState.RECTIFIED:
        return story
    story.later(hours=5).do(verify(story))
    if state is FollowUpState.VERIFIED:
        return story
    story.do(close_follow_up(story))
    return story


def of_follow_up(command: type[FollowUpCommand], story: Story) -> Any:
    return BESIDE[command.__name__](story)


class Quarrel:
    """A dispute with a stream of its own, told command by command."""

    def __init__(self) -> None:
        self.state: dispute.State = None
        self.at = WINDOW_START
        self.events: list[DisputeEvent] = []

    def do(self, command: Any) -> Sequence[DisputeEvent]:
        said = dispute.decide(command, self.state)
        for event in said:
            assert type(event).model_validate_json(event.to_json()) == event
            self.state = dispute.evolve(self.state, event)
        self.events += said
        return said

    def refused(self, command: Any) -> str:
        try:
            dispute.decide(command, self.state)
        except Refused as refused:
            return refused.reason_code
        raise AssertionError(f"{type(command).__name__} was not refused")

    def raising(self, by: By | None = None, **changes: Any) -> RaiseDispute:
        mine = Staffing(assignment_id=uid(500), volunteer_id=ANNA, minutes=40)
        fields: dict[str, Any] = {
            "about": "hours",
            "reason_code": "too_few_minutes",
            "order_id": ORDER,
            "beneficiary_id": WANG,
            "assignments": (mine,),
        }
        who = by or as_volunteer(ANNA)
        return RaiseDispute(by=who, at=self.at, dispute_id=DISPUTE, **(fields | changes))

    def resolving(self, by: By = MEDIATOR, **changes: Any) -> ResolveDispute:
        fields: dict[str, Any] = {
            "decision": "upheld",
            "consequences": ("hours_corrected",),
            "decider_household_id": uid(230),
            "households": HOMES,
        }
        return ResolveDispute(by=by, at=self.at, dispute_id=DISPUTE, **(fields | changes))

    def appealing(self, by: By = RESIDENT_WANG, **changes: Any) -> AppealDispute:
        fields: dict[str, Any] = {"reason_code": "not_heard", "speaks_for_party": True}
        return AppealDispute(by=by, at=self.at, dispute_id=DISPUTE, **(fields | changes))

    def later(self, **delta: float) -> "Quarrel":
        self.at += timedelta(**delta)
        return self


def quarrel(state: DisputeState | None) -> Quarrel:
    told = Quarrel()
    if state is None:
        return told
    told.do(told.raising())
    if state is DisputeState.MEDIATING:
        return told
    told.later(days=1).do(told.resolving())
    if state is DisputeState.RESOLVED:
        return told
    told.later(days=1).do(told.appealing())
    if state is DisputeState.FINAL:
        told.later(days=1).do(told.resolving(SECOND_MEDIATOR))
    return told


class Worry:
    """A welfare check, told command by command."""

    def __init__(self) -> None:
        self.state: welfare_check.State = None
        self.at = WINDOW_START

    def do(self, command: Any) -> Sequence[WelfareCheckEvent]:
        said = welfare_check.decide(command, self.state)
        for event in said:
            assert type(event).model_validate_json(event.to_json()) == event
            self.state = welfare_check.evolve(self.state, event)
        return said

    def refused(self, command: Any) -> str:
        try:
            welfare_check.decide(command, self.state)
        except Refused as refused:
            return refused.reason_code
        raise AssertionError(f"{type(command).__name__} was not refused")

    def raising(self, by: By | None = None, **changes: Any) -> RaiseWelfareCheck:
        fields: dict[str, Any] = {"beneficiary_id": WANG, "cause": "worry", "grid_id": "grid-01", "order_id": ORDER}
        return RaiseWelfareCheck(by=by or as_volunteer(ANNA), at=self.at, check_id=CHECK, **(fields | changes))

    def rising(self, at: datetime | None = None) -> EscalateWelfareCheck:
        due_at = self.state.due_at if self.state is not None else None
        return EscalateWelfareCheck(by=SYSTEM, at=at or max(self.at, due_at or self.at), check_id=CHECK)

    def outcome(self, by: By = KEEPER, **changes: Any) -> RecordOutcome:
        return RecordOutcome(by=by, at=self.at, check_id=CHECK, **({"outcome": "safe"} | changes))


def worried(state: CheckState | None) -> Worry:
    told = Worry()
    if state is None:
        return told
    told.do(told.raising())
    if state is CheckState.ESCALATED:
        told.do(told.rising())
    if state is CheckState.CLOSED:
        told.do(told.outcome())
    return told
