"""What an order's deadline comes to when it passes: the command that SYSTEM then asks for."""

from datetime import datetime

from contracts.command import SYSTEM
from services.orders.commands.placing import EscalateOrder, ExpireOffer, OrderCommand
from services.orders.commands.serving import AutoCloseService, CloseOrder, PresumeCompletion
from services.orders.commands.words import Policy
from services.orders.decider.state import Order

_COMMANDS: dict[str, type[OrderCommand]] = {
    "triage": EscalateOrder,
    "dispatch": EscalateOrder,
    "staffing": EscalateOrder,
    "window": EscalateOrder,
    "start": EscalateOrder,
    "offer": ExpireOffer,
    "checkout": AutoCloseService,
    "confirmation": PresumeCompletion,
    "closing": CloseOrder,
}
FIRED = (*_COMMANDS, "wave")
"""The deadlines that a timer acts on. `decision` is a person's."""


def falls_due(order: Order, at: datetime, policy: Policy) -> OrderCommand | None:
    """The command that is due at `at`; None for the next wave, which needs candidates, and when nothing is due."""
    if order.due_at is None or order.due_for is None or at < order.due_at:
        return None
    if order.due_for == "wave" and at >= order.window_end:
        return EscalateOrder(by=SYSTEM, at=at, order_id=order.order_id, policy=policy)
    command = _COMMANDS.get(order.due_for)
    return command(by=SYSTEM, at=at, order_id=order.order_id, policy=policy) if command is not None else None
