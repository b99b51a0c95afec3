"""What an order's deadline comes to when it passes: the command that SYSTEM then asks for."""

from datetime import datetime

from contracts.command import SYSTEM
from services.orders.commands.follow_up import CloseFollowUp, Deadlines, EscalateFollowUp
from services.orders.commands.placing import EscalateOrder, ExpireOffer, LapseAssignment, OrderCommand
from services.orders.commands.serving import AutoCloseService, CloseOrder, PresumeCompletion
from services.orders.commands.words import Policy
from services.orders.decider.follow_up_state import WAITING
from services.orders.decider.state import Order

_COMMANDS: dict[str, type[OrderCommand]] = {
    "triage": EscalateOrder,
    "info": EscalateOrder,
    "dispatch": EscalateOrder,
    "staffing": EscalateOrder,
    "window": EscalateOrder,
    "start": EscalateOrder,
    "offer": ExpireOffer,
    "checkout": AutoCloseService,
    "confirmation": PresumeCompletion,
    "second_score": CloseFollowUp,
    "closing": CloseOrder,
}
FIRED = (*_COMMANDS, *WAITING.values(), "wave", "reconfirmation")
"""The deadlines that a timer acts on. `decision` is a person's."""


def falls_due(order: Order, at: datetime, policy: Policy, deadlines: Deadlines) -> OrderCommand | None:
    """The command that is due at `at`; None for the next wave, which needs candidates, and when nothing is due.

    `deadlines` are the ends of the next working days, counted from `at`.
    """
    if order.due_at is None or order.due_for is None or at < order.due_at:
        return None
    if order.due_for == "wave" and at >= order.window_end:
        return EscalateOrder(by=SYSTEM, at=at, order_id=order.order_id, policy=policy)
    if order.due_for == "reconfirmation":
        # One slot at a time: the next one falls due at the same moment.
        (first, *_) = order.awaiting
        return LapseAssignment(
            by=SYSTEM,
            at=at,
            order_id=order.order_id,
            policy=policy,
            assignment_id=first.assignment_id,
            cause="not_reconfirmed",
        )
    if order.due_for in WAITING.values():
        return EscalateFollowUp(by=SYSTEM, at=at, order_id=order.order_id, policy=policy, deadlines=deadlines)
    command = _COMMANDS.get(order.due_for)
    return command(by=SYSTEM, at=at, order_id=order.order_id, policy=policy) if command is not None else None
