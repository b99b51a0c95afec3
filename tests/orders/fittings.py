"""Every command as somebody entitled would ask it now: refused, if at all, for the order's state alone."""

from datetime import datetime, timedelta
from typing import Any

from contracts.command import SYSTEM
from contracts.orders import OrderState
from services.orders.commands.disputes import AppealContest
from services.orders.commands.follow_up import (
    CloseFollowUp,
    DismissRating,
    OrderRectification,
    ReportRectification,
    VerifyRectification,
)
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.missing import RecordResidentAbsent, RecordServiceAfterwards, RecordVolunteerNoShow
from services.orders.commands.placing import (
    CancelOrder,
    DeclineOffer,
    DispatchOrder,
    EscalateOrder,
    ExpireOffer,
    LapseAssignment,
    OpenOrder,
    OrderCommand,
    RefuseOrder,
    VerifyOrder,
    WithdrawAcceptance,
)
from services.orders.commands.serving import AutoCloseService, CloseOrder, PresumeCompletion, StartService
from services.orders.commands.turning import ReconfirmAssignment, RedispatchOrder, ReopenOrder, RescheduleOrder
from services.orders.decider.states import At
from tests.orders.aside import BESIDE
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DISPATCHER,
    ORDER,
    RESIDENT_WANG,
    WINDOW_END,
    WINDOW_START,
    Story,
    amending,
    as_volunteer,
    ask,
    confirming,
    contesting,
    finishing,
    from_inquiry,
    merging,
    no_show,
    place,
    proposal,
    rating,
    recording,
    starting,
    uid,
    unfulfilled,
    volunteer,
)


def fitting(command_class: type[OrderCommand], story: Story) -> Any:
    """The command, asked of the story's order as it stands."""
    at = story.at
    match command_class.__name__:
        case "PlaceOrder":
            return place(at, window_start=at + timedelta(days=1), window_end=at + timedelta(days=1, hours=1))
        case "CreateOrderFromInquiry":
            return from_inquiry(at, window_start=at + timedelta(days=1), window_end=at + timedelta(days=1, hours=1))
        case "VerifyOrder":
            return ask(VerifyOrder, DISPATCHER, at, on_absence="call")
        case "RefuseOrder":
            return ask(RefuseOrder, DISPATCHER, at, reason_code="unsafe")
        case "DispatchOrder":
            return ask(DispatchOrder, DISPATCHER, at, proposals=(proposal(CHEN, 99),))
        case "OpenOrder":
            return ask(OpenOrder, DISPATCHER, at)
        case "AcceptOrder":
            who = BO if story.order is not None and story.order.offer_to(BO) else CHEN
            return story.accepting(who)
        case "DeclineOffer":
            return ask(DeclineOffer, as_volunteer(BO), at, volunteer_id=BO)
        case "ExpireOffer":
            return ask(ExpireOffer, SYSTEM, at + timedelta(hours=3))
        case "WithdrawAcceptance":
            return ask(WithdrawAcceptance, as_volunteer(ANNA), at, volunteer_id=ANNA)
        case "LapseAssignment":
            assignment_id = (
                story.order.assignments[0].assignment_id if story.order and story.order.assignments else ORDER
            )
            return ask(LapseAssignment, SYSTEM, at, assignment_id=assignment_id, cause="volunteer_paused")
        case "EscalateOrder":
            return ask(EscalateOrder, DISPATCHER, at, level=3)
        case "StartService":
            return starting(max(at, WINDOW_START))
        case "FinishService":
            return finishing(at + timedelta(minutes=40))
        case "AutoCloseService":
            return ask(AutoCloseService, SYSTEM, WINDOW_END + timedelta(hours=4))
        case "ConfirmCompletion":
            return confirming(at)
        case "PresumeCompletion":
            return ask(PresumeCompletion, SYSTEM, at + timedelta(days=3))
        case "RateOrder":
            return rating(at)
        case "CloseOrder":
            return ask(CloseOrder, SYSTEM, at + timedelta(days=31))
        case "CancelOrder":
            return ask(CancelOrder, DISPATCHER, at, reason_code="resident_asked")
        case "DeclareUnfulfilled":
            return unfulfilled(max(at, WINDOW_END))
        case name:
            return _beside_the_book(name, story)


def _beside_the_book(name: str, story: Story) -> Any:
    at = story.at
    match name:
        case "RequestInfo":
            return ask(RequestInfo, DISPATCHER, at, asked_for=("address",))
        case "ProvideInfo":
            return ask(ProvideInfo, RESIDENT_WANG, at, details_ref=uid(900), details_commitment="0" * 64)
        case "RecordVolunteerNoShow":
            return no_show(max(at, WINDOW_START + timedelta(minutes=15)))
        case "RecordResidentAbsent":
            return ask(RecordResidentAbsent, as_volunteer(ANNA), max(at, WINDOW_START), check_id=uid(901))
        case "RecordServiceAfterwards":
            return recording(max(at, WINDOW_END), story)
        case "ContestCompletion":
            return contesting(at)
        case "AmendRating":
            return amending(at)
        case name:
            return _another_turn(name, story)


def tomorrow(at: datetime) -> dict[str, datetime]:
    return {"window_start": at + timedelta(days=1), "window_end": at + timedelta(days=1, hours=1)}


def _another_turn(name: str, story: Story) -> Any:
    at = story.at
    match name:
        case "MergeOrder":
            return merging(at)
        case "RedispatchOrder":
            held = story.order.held if story.order is not None else ()
            given = {"from_volunteer_id": held[0].volunteer_id if held else None, "reason_code": "ill"}
            return ask(RedispatchOrder, DISPATCHER, at, proposals=(proposal(CHEN, 98),), **given)
        case "RescheduleOrder":
            known = tuple(volunteer(one.volunteer_id) for one in (story.order.held if story.order else ()))
            return ask(RescheduleOrder, RESIDENT_WANG, at, volunteers=known, **tomorrow(at))
        case "ReconfirmAssignment":
            return ask(ReconfirmAssignment, as_volunteer(ANNA), at, volunteer_id=ANNA)
        case "ReopenOrder":
            return ask(ReopenOrder, RESIDENT_WANG, at, consented=True, reason_code="still_needed", **tomorrow(at))
        case name if name in BESIDE:
            return BESIDE[name](story)
        case _:
            raise AssertionError(f"say here how {name} is asked")


NEEDS_MORE: dict[tuple[type[OrderCommand], At], str] = {
    # The state allows it, but nobody holds a slot that has not begun; stories of their own bring these about.
    (WithdrawAcceptance, OrderState.VERIFIED): "not_assigned",
    (WithdrawAcceptance, OrderState.OFFERED): "not_assigned",
    (WithdrawAcceptance, OrderState.OPEN): "not_assigned",
    (WithdrawAcceptance, OrderState.IN_SERVICE): "service_begun",
    (LapseAssignment, OrderState.VERIFIED): "not_assigned",
    (LapseAssignment, OrderState.OFFERED): "not_assigned",
    (LapseAssignment, OrderState.OPEN): "not_assigned",
    (LapseAssignment, OrderState.IN_SERVICE): "not_assigned",
    (StartService, OrderState.IN_SERVICE): "started_already",
    (RecordVolunteerNoShow, OrderState.IN_SERVICE): "service_begun",
    (RecordServiceAfterwards, OrderState.IN_SERVICE): "started_already",
    (ProvideInfo, OrderState.PLACED): "info_not_requested",
    (ReconfirmAssignment, OrderState.VERIFIED): "not_assigned",
    (ReconfirmAssignment, OrderState.OFFERED): "not_assigned",
    (ReconfirmAssignment, OrderState.OPEN): "not_assigned",
    (ReconfirmAssignment, OrderState.ACCEPTED): "nothing_to_reconfirm",
    # Their own tables go on from here: test_follow_up.py and test_disputes.py walk every cell.
    (DismissRating, OrderState.FOLLOW_UP): "not_contacted",
    (OrderRectification, OrderState.FOLLOW_UP): "not_contacted",
    (ReportRectification, OrderState.FOLLOW_UP): "not_contacted",
    (VerifyRectification, OrderState.FOLLOW_UP): "not_contacted",
    (CloseFollowUp, OrderState.FOLLOW_UP): "not_contacted",
    (AppealContest, OrderState.SERVED): "not_contested",
    (AppealContest, OrderState.COMPLETED): "not_contested",
    (AppealContest, OrderState.RATED): "not_contested",
    (AppealContest, OrderState.UNFULFILLED): "not_contested",
}
