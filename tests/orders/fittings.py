"""Every command as somebody entitled would ask it now: refused, if at all, for the order's state alone."""

from datetime import timedelta
from typing import Any

from contracts.command import SYSTEM
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.missing import RecordResidentAbsent
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
from services.orders.commands.serving import AutoCloseService, CloseOrder, PresumeCompletion
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
    as_volunteer,
    ask,
    confirming,
    finishing,
    from_inquiry,
    no_show,
    place,
    proposal,
    rating,
    recording,
    starting,
    uid,
    unfulfilled,
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
        case name:
            raise AssertionError(f"say here how {name} is asked")
