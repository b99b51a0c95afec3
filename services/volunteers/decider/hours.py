"""A claim of hours: CLAIMED → CONFIRMED → LOGGED, or HELD for an auditor, or REJECTED (domain.md §4.4).

LOGGED is final: afterwards a doubt only opens CorrectionRequested. Facts about the volunteer's other claims arrive in
the command; constraints in the read models guard the same facts, so that two decisions on them cannot both commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.command import Refused, Role
from contracts.volunteers import (
    Approval,
    CorrectionRequested,
    Grade,
    HoursApproved,
    HoursClaimed,
    HoursClaimEvent,
    HoursConfirmed,
    HoursHeld,
    HoursLogged,
    HoursRejected,
)
from services.volunteers.commands.hours import (
    AnyClaimCommand,
    ApproveHours,
    ClaimHours,
    ConfirmHours,
    DayFacts,
    LogHours,
    RejectHours,
    RequestCorrection,
)
from services.volunteers.commands.words import HoursPolicy

OVERLAP = "overlap"
DAY_TOTAL = "day_total"
ENTRY_TOO_LONG = "entry_too_long"
TOO_SHORT = "too_short"


class ClaimState(StrEnum):
    """Where a claim stands. HELD may be confirmed or not; only a confirmed one can be approved."""

    NONE = "NONE"
    CLAIMED = "CLAIMED"
    CONFIRMED = "CONFIRMED"
    HELD = "HELD"
    LOGGED = "LOGGED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the rules need to know of a claim."""

    state: ClaimState = ClaimState.NONE
    claimed: HoursClaimed | None = None
    grade: Grade = "C"
    confirmed: bool = False
    approvals: tuple[Approval, ...] = ()

    @property
    def interval(self) -> HoursClaimed:
        """The claim as it was made. Only for a claim that exists."""
        if self.claimed is None:
            raise Refused("claim_unknown")
        return self.claimed


Events = Sequence[HoursClaimEvent]


def initial() -> Claim:
    """A claim that nobody made."""
    return Claim()


def decide(command: AnyClaimCommand, claim: Claim) -> Events:
    """The events that a command comes to. Raises Refused."""
    match command:
        case ClaimHours():
            return _claim(command, claim)
        case ConfirmHours():
            return _confirm(command, claim)
        case LogHours():
            return _log(command, claim)
        case ApproveHours():
            return _approve(command, claim)
        case RejectHours():
            return _reject(command, claim)
        case RequestCorrection():
            return _correct(command, claim)
        case _:
            assert_never(command)


def _claim(command: ClaimHours, claim: Claim) -> Events:
    """Whole minutes between the two times, or fewer if orders counted fewer; nothing is rounded up."""
    if claim.state is not ClaimState.NONE:
        raise Refused("claimed_already")
    if command.volunteer_id == command.beneficiary_id:
        raise Refused("own_service")
    if command.finished_at <= command.started_at:
        raise Refused("interval_impossible")
    if command.at < command.finished_at:
        raise Refused("before_finish", finished_at=command.finished_at)
    policy = command.policy
    minutes = min(command.minutes, (command.finished_at - command.started_at) // timedelta(minutes=1))
    claimed = HoursClaimed(
        claim_id=command.claim_id,
        volunteer_id=command.volunteer_id,
        source="order",
        order_id=command.order_id,
        assignment_id=command.assignment_id,
        beneficiary_id=command.beneficiary_id,
        item_code=command.item_code,
        project_code=command.project_code,
        started_at=command.started_at,
        finished_at=command.finished_at,
        minutes=minutes,
        service_date=command.service_date,
        grade=command.grade,
        source_event_id=command.source_event_id,
        claimed_at=command.at,
    )
    if minutes < policy.entry_minutes_min:
        return [claimed, _rejected(command, claimed.volunteer_id, TOO_SHORT)]
    if minutes > policy.entry_minutes_max:
        return [claimed, _held(command, claimed, ENTRY_TOO_LONG, minutes)]
    return [claimed]


def _confirm(command: ConfirmHours, claim: Claim) -> Events:
    if _ended(claim):
        raise Refused("claim_ended", state=claim.state.value)
    interval = claim.interval
    if claim.confirmed:
        raise Refused("confirmed_already")
    if command.confirmed_by == interval.volunteer_id:
        raise Refused("own_hours")
    # Grade A takes the recipient's own confirmation; presumed, or said by somebody else, it is B (domain.md §4.4).
    weaker = command.presumed or not command.by_recipient
    confirmed = HoursConfirmed(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        confirmed_by=command.confirmed_by,
        presumed=command.presumed,
        grade="B" if claim.grade == "A" and weaker else claim.grade,
        source_event_id=command.source_event_id,
        confirmed_at=command.at,
    )
    return [confirmed]


def _log(command: LogHours, claim: Claim) -> Events:
    """Log what the rules and the approvals allow; hold a claim that asks for a look; leave a held one as it is."""
    if _ended(claim):
        raise Refused("claim_ended", state=claim.state.value)
    interval = claim.interval
    if not claim.confirmed:
        raise Refused("not_confirmed")
    cause = _obstacle(command.policy, interval, command.day)
    total = command.day.logged_minutes + interval.minutes
    if cause is None and not _approved(command.policy, total, claim):
        cause = DAY_TOTAL
    if cause is None:
        return [_logged(command, interval, claim, total)]
    return [] if claim.state is ClaimState.HELD else [_held(command, interval, cause, total)]


def _approve(command: ApproveHours, claim: Claim) -> Events:
    if _ended(claim):
        raise Refused("claim_ended", state=claim.state.value)
    interval = claim.interval
    if claim.state is not ClaimState.HELD:
        raise Refused("not_held", state=claim.state.value)
    if not claim.confirmed:
        raise Refused("not_confirmed")
    approver = command.by.actor_id
    if approver is None or approver == interval.volunteer_id:
        raise Refused("own_hours")
    if approver in {interval.recorded_by, *(approval.person_id for approval in claim.approvals)}:
        raise Refused("second_person_required")
    cause = _obstacle(command.policy, interval, command.day)
    total = command.day.logged_minutes + interval.minutes
    if cause is not None:
        raise Refused(f"{cause}_not_approvable", day_minutes=total)
    if total > command.policy.day_minutes_max:
        raise Refused("day_over_maximum", day_minutes=total, minutes_max=command.policy.day_minutes_max)
    if command.by.role is not Role.HOURS_AUDITOR and not _has_auditor(claim):
        raise Refused("auditor_first")
    approved = HoursApproved(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        approved_by=approver,
        role=command.by.role,
        approvals=len(claim.approvals) + 1,
        approvals_required=max(1, command.policy.approvals_required(total)),
        approved_at=command.at,
    )
    return [approved]


def _reject(command: RejectHours, claim: Claim) -> Events:
    if _ended(claim):
        raise Refused("claim_ended", state=claim.state.value)
    volunteer_id = claim.interval.volunteer_id
    if command.by.actor_id == volunteer_id:
        raise Refused("own_hours")
    return [_rejected(command, volunteer_id, command.reason_code)]


def _correct(command: RequestCorrection, claim: Claim) -> Events:
    volunteer_id = claim.interval.volunteer_id
    if claim.state is not ClaimState.LOGGED:
        raise Refused("not_logged", state=claim.state.value)
    requested = CorrectionRequested(
        claim_id=command.claim_id,
        volunteer_id=volunteer_id,
        correction_id=command.correction_id,
        cause=command.cause,
        source_event_id=command.source_event_id,
        due_at=command.at + timedelta(days=command.policy.correction_days),
        requested_at=command.at,
    )
    return [requested]


def _ended(claim: Claim) -> bool:
    return claim.state in {ClaimState.LOGGED, ClaimState.REJECTED}


def _obstacle(policy: HoursPolicy, interval: HoursClaimed, day: DayFacts) -> str | None:
    """What no approval can lift."""
    if interval.minutes > policy.entry_minutes_max:
        return ENTRY_TOO_LONG
    return OVERLAP if day.overlaps is not None else None


def _approved(policy: HoursPolicy, day_minutes: int, claim: Claim) -> bool:
    if day_minutes > policy.day_minutes_max:
        return False
    required = policy.approvals_required(day_minutes)
    return required == 0 or (len(claim.approvals) >= required and _has_auditor(claim))


def _has_auditor(claim: Claim) -> bool:
    return any(approval.role is Role.HOURS_AUDITOR for approval in claim.approvals)


def _logged(command: LogHours, interval: HoursClaimed, claim: Claim, day_minutes: int) -> HoursLogged:
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
        day_minutes=day_minutes,
        approvals=claim.approvals,
        logged_at=command.at,
    )


def _held(command: ClaimHours | LogHours, interval: HoursClaimed, cause: str, day_minutes: int) -> HoursHeld:
    return HoursHeld(
        claim_id=interval.claim_id,
        volunteer_id=interval.volunteer_id,
        reason_code=cause,
        minutes=interval.minutes,
        day_minutes=day_minutes,
        approvals_required=command.policy.approvals_required(day_minutes) if cause == DAY_TOTAL else 0,
        due_at=command.at + timedelta(days=command.policy.review_days),
        held_at=command.at,
    )


def _rejected(command: ClaimHours | RejectHours, volunteer_id: UUID, reason_code: str) -> HoursRejected:
    return HoursRejected(
        claim_id=command.claim_id,
        volunteer_id=volunteer_id,
        reason_code=reason_code,
        role=command.by.role,
        rejected_at=command.at,
    )


def evolve(claim: Claim, event: HoursClaimEvent) -> Claim:
    """The claim after an event."""
    match event:
        case HoursClaimed():
            return Claim(ClaimState.CLAIMED, event, event.grade)
        case HoursConfirmed():
            state = ClaimState.HELD if claim.state is ClaimState.HELD else ClaimState.CONFIRMED
            return replace(claim, state=state, confirmed=True, grade=event.grade)
        case HoursHeld():
            return replace(claim, state=ClaimState.HELD)
        case HoursApproved():
            approval = Approval(person_id=event.approved_by, role=event.role)
            return replace(claim, approvals=(*claim.approvals, approval))
        case HoursRejected():
            return replace(claim, state=ClaimState.REJECTED)
        case HoursLogged():
            return replace(claim, state=ClaimState.LOGGED)
        case CorrectionRequested():
            return claim
        case _:
            assert_never(event)
