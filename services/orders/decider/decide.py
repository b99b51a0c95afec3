"""One order, command by command: the state must take it (lifecycle.py), then its own rules decide."""

from collections.abc import Sequence
from typing import assert_never

from contracts.orders import OrderEvent
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
    AutoCloseService,
    CloseOrder,
    ConfirmCompletion,
    FinishService,
    PresumeCompletion,
    RateOrder,
    StartService,
)
from services.orders.decider import accepting, dispatching, ending, placing, serving
from services.orders.decider.lifecycle import require
from services.orders.decider.state import Order

AnyOrderCommand = (
    PlaceOrder
    | CreateOrderFromInquiry
    | VerifyOrder
    | RefuseOrder
    | DispatchOrder
    | OpenOrder
    | AcceptOrder
    | DeclineOffer
    | ExpireOffer
    | WithdrawAcceptance
    | LapseAssignment
    | EscalateOrder
    | StartService
    | FinishService
    | AutoCloseService
    | ConfirmCompletion
    | PresumeCompletion
    | RateOrder
    | CancelOrder
    | DeclareUnfulfilled
    | CloseOrder
)


def decide(command: AnyOrderCommand, order: Order | None) -> Sequence[OrderEvent]:
    """The events that a command comes to. Raises Refused."""
    if order is None or not isinstance(command, AcceptOrder):
        require(command, order.state if order is not None else None)
    if order is None:
        return _begin(command)
    match command:
        case PlaceOrder() | CreateOrderFromInquiry():
            raise AssertionError("the lifecycle refuses a second beginning")
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
        case EscalateOrder():
            return ending.escalate(command, order)
        case StartService():
            return serving.start(command, order)
        case FinishService():
            return serving.finish(command, order)
        case AutoCloseService():
            return serving.auto_close(command, order)
        case ConfirmCompletion():
            return serving.confirm(command, order)
        case PresumeCompletion():
            return serving.presume(command, order)
        case RateOrder():
            return serving.rate(command, order)
        case CancelOrder():
            return ending.cancel(command, order)
        case DeclareUnfulfilled():
            return ending.declare_unfulfilled(command, order)
        case CloseOrder():
            return ending.close(command, order)
        case _:
            assert_never(command)


def _begin(command: AnyOrderCommand) -> Sequence[OrderEvent]:
    match command:
        case PlaceOrder():
            return placing.place(command)
        case CreateOrderFromInquiry():
            return placing.create_from_inquiry(command)
        case _:
            raise AssertionError(f"the lifecycle lets {type(command).__name__} begin an order")
