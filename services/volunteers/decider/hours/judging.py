"""A claim is credited by itself where the rules allow it, else by as many people as they ask for."""

from collections.abc import Sequence

from contracts.command import Refused, Role
from contracts.volunteers import HoursApproved, HoursClaimEvent, HoursHeld, HoursLogged, HoursRejected
from services.volunteers.commands.hours import ApproveHours, DayFacts, HoldHours, LogHours, RejectHours, ReleaseHours
from services.volunteers.commands.words import HoursPolicy
from services.volunteers.decider.hours.claiming import is_late
from services.volunteers.decider.hours.state import (
    DAY_TOTAL,
    DISPUTED,
    ENTRY_TOO_LONG,
    HAND_ENTRY,
    LATE_ENTRY,
    ONE_PERSON,
    OVERLAP,
    UNCONFIRMED,
    Claim,
    ClaimState,
)

Events = Sequence[HoursClaimEvent]


def log(command: LogHours, claim: Claim) -> Events:
    """Log what the rules and the approvals allow; hold a claim that asks for a look; leave a held one as it is."""
    if not claim.confirmed:
        raise Refused("not_confirmed")
    if claim.disputed:
        return []
    cause = _cause(command.policy, claim, command.day)
    if cause is None:
        return [_logged(command, claim)]
    return [] if claim.state is ClaimState.HELD else [_held(command, claim, cause)]


def hold(command: HoldHours, claim: Claim) -> Events:
    """A DISPUTED order holds its claim."""
    if claim.disputed:
        raise Refused("held_already")
    interval = claim.interval
    held = HoursHeld(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        reason_code=DISPUTED,
        minutes=interval.minutes,
        day_minutes=interval.minutes,
        approvals_required=0,
        source_event_id=command.source_event_id,
        due_at=command.due_at,
        held_at=command.at,
    )
    return [held]


def release(command: ReleaseHours, claim: Claim) -> Events:
    """What the claim would have come to without the dispute."""
    if not claim.disputed:
        raise Refused("not_in_dispute")
    if not claim.confirmed:
        return [_held(command, claim, UNCONFIRMED)]
    cause = _cause(command.policy, claim, command.day)
    return [_logged(command, claim) if cause is None else _held(command, claim, cause)]


def approve(command: ApproveHours, claim: Claim) -> Events:
    """One person's approval; LogHours credits when it was the last that the rules ask for."""
    interval, policy = claim.interval, command.policy
    if claim.disputed:
        raise Refused("in_dispute")
    if not claim.confirmed:
        raise Refused("not_confirmed")
    approver = command.by.actor_id
    if approver is None or approver == interval.volunteer_id:
        raise Refused("own_hours")
    # Who confirmed a service that orders recorded may approve it; an entry by hand takes a third pair of eyes.
    hands = claim.hands if interval.source != "order" else claim.hands - {claim.confirmed_by}
    if approver in hands or approver == interval.recorded_by:
        raise Refused("second_person_required")
    cause = _obstacle(policy, claim, command.day)
    total = command.day.logged_minutes + interval.minutes
    if cause is not None:
        raise Refused(f"{cause}_not_approvable", day_minutes=total)
    if total > policy.day_minutes_max:
        raise Refused("day_over_maximum", day_minutes=total, minutes_max=policy.day_minutes_max)
    needs_auditor = auditor_needed(policy, claim, command.day) and not claim.has_auditor
    if needs_auditor and command.by.role is not Role.HOURS_AUDITOR:
        raise Refused("auditor_first")
    approved = HoursApproved(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        approved_by=approver,
        role=command.by.role,
        approvals=len(claim.approvals) + 1,
        approvals_required=max(1, policy.approvals_required(total)),
        approved_at=command.at,
    )
    return [approved]


def reject(command: RejectHours, claim: Claim) -> Events:
    """Nothing is credited, and why."""
    volunteer_id = claim.interval.volunteer_id
    if command.by.actor_id == volunteer_id:
        raise Refused("own_hours")
    if claim.disputed and command.by.role is not Role.SYSTEM:
        raise Refused("in_dispute")
    rejected = HoursRejected(
        claim_id=command.claim_id,
        volunteer_id=volunteer_id,
        reason_code=command.reason_code,
        role=command.by.role,
        rejected_at=command.at,
    )
    return [rejected]


def by_hand(claim: Claim) -> bool:
    """Whether it rests on one person's word so far: entered here, or by orders without another's confirmation."""
    return claim.interval.source == "manual" or (claim.grade == "C" and not claim.witnessed)


def auditor_needed(policy: HoursPolicy, claim: Claim, day: DayFacts) -> bool:
    """Whether an auditor must be among those who approve."""
    interval = claim.interval
    if policy.approvals_required(day.logged_minutes + interval.minutes):
        return True
    if by_hand(claim):
        return bool(claim.flags) or is_late(policy, interval.finished_at, interval.claimed_at)
    # Nothing else is held but what only an auditor lifts.
    return True


def _obstacle(policy: HoursPolicy, claim: Claim, day: DayFacts) -> str | None:
    """What no approval can lift."""
    if claim.interval.minutes > policy.entry_minutes_max:
        return ENTRY_TOO_LONG
    return OVERLAP if day.overlaps is not None else None


def _cause(policy: HoursPolicy, claim: Claim, day: DayFacts) -> str | None:
    """Why the claim cannot be credited now; None when it can."""
    obstacle = _obstacle(policy, claim, day)
    if obstacle is not None:
        return obstacle
    total = day.logged_minutes + claim.interval.minutes
    required = policy.approvals_required(total)
    if total > policy.day_minutes_max or len(claim.approvals) < required:
        return DAY_TOTAL
    if required and not claim.has_auditor:
        return DAY_TOTAL
    if by_hand(claim):
        late = is_late(policy, claim.interval.finished_at, claim.interval.claimed_at)
        approved = claim.approvals and (claim.has_auditor or not (late or claim.flags))
        return None if approved else LATE_ENTRY if late else HAND_ENTRY
    if claim.presumed and not day.others_took_part and not claim.has_auditor:
        return ONE_PERSON
    return None


def _logged(command: LogHours | ReleaseHours, claim: Claim) -> HoursLogged:
    interval = claim.interval
    return HoursLogged(
        claim_id=interval.claim_id,
        volunteer_id=interval.volunteer_id,
        source=interval.source,
        order_id=interval.order_id,
        assignment_id=interval.assignment_id,
        beneficiary_id=interval.beneficiary_id,
        item_code=interval.item_code,
        project_code=interval.project_code,
        started_at=interval.started_at,
        finished_at=interval.finished_at,
        minutes=interval.minutes,
        service_date=interval.service_date,
        grade=claim.grade,
        day_minutes=command.day.logged_minutes + interval.minutes,
        approvals=claim.approvals,
        logged_at=command.at,
    )


def _held(command: LogHours | ReleaseHours, claim: Claim, cause: str) -> HoursHeld:
    interval, total = claim.interval, command.day.logged_minutes + claim.interval.minutes
    required = {DAY_TOTAL: command.policy.approvals_required(total), OVERLAP: 0, ENTRY_TOO_LONG: 0, UNCONFIRMED: 0}
    return HoursHeld(
        claim_id=interval.claim_id,
        volunteer_id=interval.volunteer_id,
        reason_code=cause,
        minutes=interval.minutes,
        day_minutes=total,
        approvals_required=required.get(cause, 1),
        source_event_id=command.source_event_id if isinstance(command, ReleaseHours) else None,
        due_at=command.due_at,
        held_at=command.at,
    )
