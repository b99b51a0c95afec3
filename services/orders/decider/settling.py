"""裁定, 复议 of what was contested of an order: it goes back to where it stood, or ends as UNFULFILLED.

The rules of every dispute (dispute.py) hold; here the order waits, so all is said in its own stream.
"""

from collections.abc import Sequence
from typing import assert_never

from contracts.command import Refused
from contracts.orders import DisputeAppealed, DisputeResolved, InOrderStream, OrderState
from services.orders.commands.disputes import AnyContestCommand, AppealContest, ResolveContest
from services.orders.decider.dispute import appeal, check_appeal, check_resolver, resolution
from services.orders.decider.dispute_state import DisputeState
from services.orders.decider.saying import staffing, with_duty
from services.orders.decider.state import Order

Events = Sequence[InOrderStream]


def decide(command: AnyContestCommand, order: Order) -> Events:
    """The events that a command comes to; the order's state was looked at already. Raises Refused."""
    match command:
        case ResolveContest():
            return _resolve(command, order)
        case AppealContest():
            return _appeal(command, order)
        case _:
            assert_never(command)


def _resolve(command: ResolveContest, order: Order) -> Events:
    """By somebody who has no part in it, and did not see to the order, either."""
    dispute = order.dispute
    assert dispute is not None
    assert order.disputed_from is not None
    check_resolver(command, dispute)
    if command.by.actor_id in order.staff:
        raise Refused("dispatcher_decides")
    unfulfilled = "order_unfulfilled" in command.consequences
    if unfulfilled and command.decision not in {"upheld", "partly_upheld"}:
        raise Refused("decision_without_ground", decision=command.decision)
    state = OrderState.UNFULFILLED if unfulfilled else order.disputed_from
    event = DisputeResolved(
        dispute_id=dispute.dispute_id,
        about="order",
        order_id=command.order_id,
        beneficiary_id=order.beneficiary_id,
        role=command.by.role,
        state=state,
        **resolution(command, dispute, command.policy.appeal_days),
        assignments=staffing(order.assignments),
    )
    return [with_duty(order, command, event)]


def _appeal(command: AppealContest, order: Order) -> Events:
    """While the time for it runs, and once: the order waits again."""
    dispute = order.dispute
    if dispute is None:
        raise Refused("not_contested")
    if dispute.state is DisputeState.FINAL:
        raise Refused("appeal_used")
    check_appeal(command, dispute)
    event = DisputeAppealed(
        dispute_id=dispute.dispute_id,
        about="order",
        order_id=command.order_id,
        beneficiary_id=order.beneficiary_id,
        role=command.by.role,
        state=OrderState.DISPUTED,
        **appeal(command, dispute, command.policy.dispute_minutes),
        assignments=staffing(order.assignments),
    )
    return [with_duty(order, command, event)]
