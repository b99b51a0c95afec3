"""提出异议, 修改评分: what is said again about a service that is over (domain.md §4.1, rows 23, 24)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.command import Refused, Role
from contracts.orders import CompletionContested, OrderEvent, OrderRatingAmended, OrderState
from services.orders.commands.serving import AmendRating, ContestCompletion
from services.orders.decider.evolve import evolve
from services.orders.decider.follow_up import opened_by_rating
from services.orders.decider.saying import say, staffing
from services.orders.decider.serving import check_rater, rating_fields
from services.orders.decider.state import Order

Events = Sequence[OrderEvent]


def contest(command: ContestCompletion, order: Order) -> Events:
    """Within seven days of where the order stands; it waits until somebody has settled it, and the hours with it."""
    assert command.by.actor_id is not None
    if order.dispute is not None:
        raise Refused("contested_before")
    since = _stands_since(order)
    contest_until = since + timedelta(days=command.policy.contest_days)
    if command.at > contest_until:
        raise Refused("contest_over", contest_until=contest_until)
    if command.by.role is Role.VOLUNTEER and command.by.actor_id not in order.servers:
        raise Refused("not_assigned")
    contested = say(
        order,
        command,
        CompletionContested,
        OrderState.DISPUTED,
        dispute_id=command.dispute_id,
        side="volunteer" if command.by.role is Role.VOLUNTEER else "resident",
        from_state=order.state,
        contested_by=command.by.actor_id,
        channel=command.by.channel,
        reason_code=command.reason_code,
        words_ref=command.words_ref,
        words_commitment=command.words_commitment,
        assignments=staffing(order.assignments),
        contested_at=command.at,
    )
    return [contested]


def _stands_since(order: Order) -> datetime:
    moments = {
        OrderState.SERVED: order.served_at,
        OrderState.COMPLETED: order.completed_at,
        OrderState.RATED: order.rated_at,
    }
    since = moments[order.state]
    assert since is not None
    return since


def amend_rating(command: AmendRating, order: Order) -> Events:
    """Within seven days of the first rating, which stays as it is in the history."""
    check_rater(command, order)
    assert order.rated_at is not None
    assert order.rating_id is not None
    assert order.first_score is not None
    amend_until = order.rated_at + timedelta(days=command.policy.amend_days)
    if command.at > amend_until:
        raise Refused("amending_over", amend_until=amend_until)
    amended = say(
        order,
        command,
        OrderRatingAmended,
        order.state,
        supersedes=order.rating_id,
        first_score=order.first_score,
        amended_at=command.at,
        **rating_fields(command, order),
    )
    after = evolve(order, amended)
    opened = opened_by_rating(
        command, after, follow_up_id=command.follow_up_id, due_at=command.contact_by, tags=command.tags
    )
    return [amended, *opened]
