"""派单, 放入接单池, 婉拒, 派单过期: an offer, never an assignment (志愿服务条例 §25)."""

from collections.abc import Sequence
from uuid import UUID

from contracts.command import Refused
from contracts.orders import Offer, OfferDeclined, OfferExpired, OrderDispatched, OrderEvent, OrderOpened, OrderState
from services.orders.commands.placing import DeclineOffer, DispatchOrder, ExpireOffer, OpenOrder, Proposal
from services.orders.commands.turning import RedispatchOrder
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.fitness import Need, need_of, not_to_be_asked, unfit, untrained
from services.orders.decider.saying import say
from services.orders.decider.state import LiveOffer, Order

Events = Sequence[OrderEvent]


def dispatch(command: DispatchOrder, order: Order) -> Events:
    """Offer the order to volunteers who may serve it and were not asked before."""
    dispatched = say(
        order,
        command,
        OrderDispatched,
        OrderState.OFFERED,
        wave=order.waves + 1,
        offers=offers_of(command, order),
        expected_minutes=order.item.expected_minutes,
        slots_filled=order.filled,
        slots_required=order.item.slots,
        dispatched_by=command.by.actor_id,
        dispatched_at=command.at,
    )
    return [dispatched]


def offers_of(command: DispatchOrder | RedispatchOrder, order: Order) -> tuple[Offer, ...]:
    """One offer each, until their time or the window is over. Raises Refused for whoever may not be asked."""
    if command.at >= order.window_end:
        raise Refused("window_over", window_end=order.window_end)
    need = need_of(order)
    asked: set[UUID] = set()
    for proposal in command.proposals:
        _check(command, proposal, need)
        if proposal.volunteer_id in asked:
            raise Refused("candidate_twice", volunteer_id=str(proposal.volunteer_id))
        asked.add(proposal.volunteer_id)
    policy = command.policy
    lasts = policy.offer_urgent_minutes if order.urgent else policy.offer_minutes
    expires_at = min(minutes_after(command.at, lasts), order.window_end)
    return tuple(
        Offer(
            offer_id=one.offer_id,
            volunteer_id=one.volunteer_id,
            expires_at=expires_at,
            score=one.score,
            reasons=one.reasons,
            number_today=one.offers_today + 1,
        )
        for one in command.proposals
    )


def open_pool(command: OpenOrder, order: Order) -> Events:
    """Open the order to all who may serve it; offers that still wait end with it."""
    if command.at >= order.window_end:
        raise Refused("window_over", window_end=order.window_end)
    opened = say(
        order,
        command,
        OrderOpened,
        OrderState.OPEN,
        expected_minutes=order.item.expected_minutes,
        slots_filled=order.filled,
        slots_required=order.item.slots,
        licence=order.item.licence,
        skills=order.item.skills,
        invited=command.invited[: command.policy.invited_max],
        offers_ended=tuple(offer.offer_id for offer in order.offers),
        opened_at=command.at,
    )
    return [opened]


def decline(command: DeclineOffer, order: Order) -> Events:
    """The last offer declined leads back to VERIFIED. It costs the volunteer nothing."""
    offer = order.offer_to(command.volunteer_id)
    if offer is None or command.at >= offer.expires_at:
        raise Refused("offer_not_live")
    left = len(order.offers) - 1
    declined = say(
        order,
        command,
        OfferDeclined,
        after_offers(left),
        offer_id=offer.offer_id,
        volunteer_id=offer.volunteer_id,
        wave=offer.wave,
        offers_left=left,
        reason_code=command.reason_code,
        declined_at=command.at,
    )
    return [declined]


def expire(command: ExpireOffer, order: Order) -> Events:
    """End every offer whose time is over; a second firing finds none."""
    over: list[LiveOffer] = [offer for offer in order.offers if offer.expires_at <= command.at]
    if not over:
        raise Refused("not_due", due_at=order.due_at)
    left = len(order.offers) - len(over)
    expired = say(
        order,
        command,
        OfferExpired,
        after_offers(left),
        wave=over[0].wave,
        offer_ids=tuple(offer.offer_id for offer in over),
        offers_left=left,
        expired_at=command.at,
    )
    return [expired]


def after_offers(left: int) -> OrderState:
    """Where an order stands while so many offers wait for an answer."""
    return OrderState.OFFERED if left else OrderState.VERIFIED


def _check(command: DispatchOrder | RedispatchOrder, proposal: Proposal, need: Need) -> None:
    policy = command.policy
    reasons = [*unfit(proposal, need), *untrained(proposal, need, policy), *not_to_be_asked(proposal, need, policy)]
    if proposal.volunteer_id == command.by.actor_id:
        reasons.append("self_dispatch")
    if reasons:
        raise Refused("candidate_unfit", volunteer_id=str(proposal.volunteer_id), why=", ".join(reasons))
