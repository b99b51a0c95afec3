"""争议: raised by a side, decided by somebody without a part in it, once taken further, then final (domain.md §4.2).

The same rules decide what was contested of an order (contesting.py), in the order's own stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, assert_never
from uuid import UUID

from contracts.command import Refused, Role
from contracts.orders import DisputeAppealed, DisputeEvent, DisputeRaised, DisputeResolved, Staffing
from services.orders.commands.disputes import (
    AnyDisputeCommand,
    AppealDispute,
    Appealing,
    RaiseDispute,
    ResolveDispute,
    Resolving,
)
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.dispute_state import TABLE, Dispute, DisputeState, appealed, resolved

Events = Sequence[DisputeEvent]


def check_resolver(command: Resolving, dispute: Dispute) -> None:
    """Raise Refused for who has a part in it, and for who decided before."""
    actor_id = command.by.actor_id
    if actor_id is None or command.by.role is Role.SYSTEM:
        raise Refused("person_needed")
    if actor_id in dispute.parties:
        raise Refused("party_decides")
    if actor_id in command.involved:
        # An appeal against a suspension or a no-show is a dispute about conduct (domain.md §4.7): others look at it.
        raise Refused("involved_decides")
    homes = {command.households.get(party) for party in dispute.parties} - {None}
    if command.decider_household_id is not None and command.decider_household_id in homes:
        raise Refused("party_household_decides")
    if dispute.state is DisputeState.APPEALED and actor_id == dispute.resolved_by:
        raise Refused("same_person_decides")


def check_appeal(command: Appealing, dispute: Dispute) -> None:
    """Raise Refused for who is no party and speaks for none, and when the time for it is over."""
    if not command.speaks_for_party:
        raise Refused("not_a_party")
    if dispute.appeal_until is None or command.at >= dispute.appeal_until:
        raise Refused("appeal_over", appeal_until=dispute.appeal_until)


@dataclass(frozen=True, slots=True)
class OwnDispute:
    """A dispute with a stream of its own."""

    dispute: Dispute
    raised: DisputeRaised


State = OwnDispute | None


def initial() -> State:
    """Nobody disputes anything."""
    return None


def decide(command: AnyDisputeCommand, state: State) -> Events:
    """The events that a command comes to. Raises Refused."""
    TABLE.require(command, state.dispute.state if state is not None else None)
    if isinstance(command, RaiseDispute):
        return _raise(command)
    assert state is not None
    match command:
        case ResolveDispute():
            return _resolve(command, state)
        case AppealDispute():
            return _appeal(command, state)
        case _:
            assert_never(command)


def _raise(command: RaiseDispute) -> Events:
    assert command.by.actor_id is not None
    if command.about in {"hours", "rating"} and command.order_id is None and command.subject_id is None:
        raise Refused("dispute_subject_needed", about=command.about)
    if command.order_id is not None and command.about != "conduct" and not command.assignments:
        raise Refused("dispute_without_service")
    due_at = minutes_after(command.at, command.policy.dispute_minutes)
    raised = DisputeRaised(
        dispute_id=command.dispute_id,
        about=command.about,
        order_id=command.order_id,
        subject_id=command.subject_id,
        beneficiary_id=command.beneficiary_id,
        role=command.by.role,
        owner_role=Role.SOCIAL_WORKER,
        grid_id=command.grid_id,
        raised_by=command.by.actor_id,
        raised_for=command.raised_for,
        channel=command.by.channel,
        reason_code=command.reason_code,
        words_ref=command.words_ref,
        words_commitment=command.words_commitment,
        assignments=command.assignments,
        due_at=due_at,
        raised_at=command.at,
    )
    return [raised]


def _resolve(command: ResolveDispute, state: OwnDispute) -> Events:
    check_resolver(command, state.dispute)
    if "order_unfulfilled" in command.consequences:
        raise Refused("order_not_waiting")
    resolved_event = DisputeResolved(
        **_shared(state),
        role=command.by.role,
        **resolution(command, state.dispute, command.policy.appeal_days),
        raised_for=state.raised.raised_for,
        raised_at=state.raised.raised_at,
        assignments=state.raised.assignments,
    )
    return [resolved_event]


def resolution(command: Resolving, dispute: Dispute, appeal_days: int) -> dict[str, Any]:
    """What a decision says, in whichever stream it is said."""
    final = dispute.state is DisputeState.APPEALED
    return {
        "decision": command.decision,
        "consequences": command.consequences,
        "raised_by": dispute.raised_by,
        "resolved_by": command.by.actor_id,
        "words_ref": command.words_ref,
        "words_commitment": command.words_commitment,
        "final": final,
        "appeal_until": None if final else command.at + timedelta(days=appeal_days),
        "resolved_at": command.at,
    }


def _appeal(command: AppealDispute, state: OwnDispute) -> Events:
    check_appeal(command, state.dispute)
    appealed_event = DisputeAppealed(
        **_shared(state),
        role=command.by.role,
        owner_role=Role.SOCIAL_WORKER,
        **appeal(command, state.dispute, command.policy.dispute_minutes),
        assignments=state.raised.assignments,
    )
    return [appealed_event]


def appeal(command: Appealing, dispute: Dispute, dispute_minutes: int) -> dict[str, Any]:
    """What an appeal says, in whichever stream it is said."""
    return {
        "raised_by": dispute.raised_by,
        "appealed_by": command.by.actor_id,
        "first_resolved_by": dispute.resolved_by,
        "channel": command.by.channel,
        "reason_code": command.reason_code,
        "words_ref": command.words_ref,
        "words_commitment": command.words_commitment,
        "due_at": minutes_after(command.at, dispute_minutes),
        "appealed_at": command.at,
    }


def _shared(state: OwnDispute) -> dict[str, Any]:
    raised = state.raised
    return {
        "dispute_id": raised.dispute_id,
        "about": raised.about,
        "order_id": raised.order_id,
        "subject_id": raised.subject_id,
        "beneficiary_id": raised.beneficiary_id,
    }


def evolve(state: State, event: DisputeEvent) -> OwnDispute:
    """The dispute after `event`. Raises ValueError for a stream that does not begin with DisputeRaised."""
    if isinstance(event, DisputeRaised):
        parties = frozenset({event.raised_by, *served(event.assignments)})
        parties |= {one for one in (event.beneficiary_id, event.subject_id, event.raised_for) if one is not None}
        return OwnDispute(Dispute(event.dispute_id, DisputeState.MEDIATING, event.raised_by, parties), event)
    if state is None:
        raise ValueError(f"{event.type} of dispute {event.dispute_id} comes before its DisputeRaised")
    match event:
        case DisputeResolved():
            return replace(state, dispute=resolved(state.dispute, event.resolved_by, event.appeal_until))
        case DisputeAppealed():
            return replace(state, dispute=appealed(state.dispute, event.appealed_by))
        case _:
            assert_never(event)


def served(assignments: tuple[Staffing, ...]) -> frozenset[UUID]:
    """Whose service it is about."""
    return frozenset(one.volunteer_id for one in assignments)
