"""One order, command by command: the state must take it (lifecycle.py), then its own rules decide."""

from collections.abc import Sequence
from typing import assert_never

from contracts.orders import InOrderStream, OrderEvent
from services.orders.commands.disputes import AnyContestCommand
from services.orders.commands.follow_up import AnyFollowUpCommand
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.missing import RecordResidentAbsent, RecordServiceAfterwards, RecordVolunteerNoShow
from services.orders.commands.placing import (
    AcceptOrder,
    CancelOrder,
    CreateOrderFromInquiry,
    DeclareUnfulfilled,
    DeclineOffer,
    DispatchOrder,
    EscalateOrder,
    ExpireOffer,
    LapseAssignment,
    OpenOrder,
    PlaceOrder,
    RefuseOrder,
    VerifyOrder,
    WithdrawAcceptance,
)
from services.orders.commands.serving import (
    AmendRating,
    AutoCloseService,
    CloseOrder,
    ConfirmCompletion,
    ContestCompletion,
    FinishService,
    PresumeCompletion,
    RateOrder,
    StartService,
)
from services.orders.commands.turning import (
    MergeOrder,
    ReconfirmAssignment,
    RedispatchOrder,
    ReopenOrder,
    RescheduleOrder,
)
from services.orders.decider import (
    accepting,
    contesting,
    dispatching,
    ending,
    follow_up,
    info,
    missing,
    placing,
    serving,
    settling,
    turning,
)
from services.orders.decider.lifecycle import require
from services.orders.decider.state import Order

SearchCommand = (
    RequestInfo
    | ProvideInfo
    | VerifyOrder
    | RefuseOrder
    | DispatchOrder
    | OpenOrder
    | AcceptOrder
    | DeclineOffer
    | ExpireOffer
    | WithdrawAcceptance
    | LapseAssignment
    | RedispatchOrder
    | RescheduleOrder
    | ReconfirmAssignment
)
"""From the wish until everybody is found."""
VisitCommand = (
    StartService
    | RecordVolunteerNoShow
    | RecordResidentAbsent
    | FinishService
    | AutoCloseService
    | RecordServiceAfterwards
    | ConfirmCompletion
    | PresumeCompletion
    | ContestCompletion
    | RateOrder
    | AmendRating
)
"""From the door to the rating."""
EndCommand = EscalateOrder | CloseOrder | CancelOrder | MergeOrder | DeclareUnfulfilled | ReopenOrder
BeginCommand = PlaceOrder | CreateOrderFromInquiry
AnyOrderCommand = BeginCommand | SearchCommand | VisitCommand | EndCommand | AnyFollowUpCommand | AnyContestCommand


def decide(command: AnyOrderCommand, order: Order | None) -> Sequence[InOrderStream]:
    """The events that a command comes to. Raises Refused."""
    if order is None or not isinstance(command, AcceptOrder):
        require(command, order.state if order is not None else None)
    if order is None:
        return _begin(command)
    if isinstance(command, SearchCommand):
        return _search(command, order)
    if isinstance(command, VisitCommand):
        return _visit(command, order)
    if isinstance(command, EndCommand):
        return _end(command, order)
    if isinstance(command, AnyFollowUpCommand):
        return follow_up.decide(command, order)
    if isinstance(command, AnyContestCommand):
        return settling.decide(command, order)
    raise AssertionError("the lifecycle refuses a second beginning")


def _begin(command: AnyOrderCommand) -> Sequence[OrderEvent]:
    match command:
        case PlaceOrder():
            return placing.place(command)
        case CreateOrderFromInquiry():
            return placing.create_from_inquiry(command)
        case _:
            raise AssertionError(f"the lifecycle lets {type(command).__name__} begin an order")


def _search(command: SearchCommand, order: Order) -> Sequence[OrderEvent]:
    match command:
        case RequestInfo():
            return info.request_info(command, order)
        case ProvideInfo():
            return info.provide_info(command, order)
        case VerifyOrder():
            return placing.verify(command, order)
        case RefuseOrder():
            return placing.refuse(command, order)
        case DispatchOrder():
            return dispatching.dispatch(command, order)
        case OpenOrder():
            return dispatching.open_pool(command, order)
        case AcceptOrder():
            return accepting.accept(command, order)
        case DeclineOffer():
            return dispatching.decline(command, order)
        case ExpireOffer():
            return dispatching.expire(command, order)
        case WithdrawAcceptance():
            return accepting.withdraw(command, order)
        case LapseAssignment():
            return accepting.lapse(command, order)
        case RedispatchOrder():
            return turning.redispatch(command, order)
        case RescheduleOrder():
            return turning.reschedule(command, order)
        case ReconfirmAssignment():
            return turning.reconfirm(command, order)
        case _:
            assert_never(command)


def _visit(command: VisitCommand, order: Order) -> Sequence[OrderEvent]:
    match command:
        case StartService():
            return serving.start(command, order)
        case RecordVolunteerNoShow():
            return missing.record_no_show(command, order)
        case RecordResidentAbsent():
            return missing.record_absent(command, order)
        case FinishService():
            return serving.finish(command, order)
        case AutoCloseService():
            return serving.auto_close(command, order)
        case RecordServiceAfterwards():
            return missing.record_afterwards(command, order)
        case ConfirmCompletion():
            return serving.confirm(command, order)
        case PresumeCompletion():
            return serving.presume(command, order)
        case ContestCompletion():
            return contesting.contest(command, order)
        case RateOrder():
            return serving.rate(command, order)
        case AmendRating():
            return contesting.amend_rating(command, order)
        case _:
            assert_never(command)


def _end(command: EndCommand, order: Order) -> Sequence[OrderEvent]:
    match command:
        case EscalateOrder():
            return ending.escalate(command, order)
        case CloseOrder():
            return ending.close(command, order)
        case CancelOrder():
            return ending.cancel(command, order)
        case MergeOrder():
            return turning.merge(command, order)
        case DeclareUnfulfilled():
            return ending.declare_unfulfilled(command, order)
        case ReopenOrder():
            return turning.reopen(command, order)
        case _:
            assert_never(command)
