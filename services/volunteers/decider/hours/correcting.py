"""After the credit: doubts, corrections by two persons, and the month's random check."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from contracts.command import Refused
from contracts.volunteers import (
    CorrectionRequested,
    HoursAdjusted,
    HoursClaimEvent,
    HoursSampled,
    HoursVoided,
    SampleResult,
)
from services.volunteers.commands.hours import (
    AdjustHours,
    AnswerCorrection,
    DrawSample,
    RecordSample,
    RequestCorrection,
    VoidHours,
)
from services.volunteers.decider.hours.state import Claim

Events = Sequence[HoursClaimEvent]
UPHELD = "upheld"
DRAWN: SampleResult = "drawn"


def request(command: RequestCorrection, claim: Claim) -> Events:
    """Doubt credited minutes. Whoever asks is the first of the two persons."""
    requested = CorrectionRequested(
        claim_id=command.claim_id,
        volunteer_id=claim.interval.volunteer_id,
        correction_id=command.correction_id,
        cause=command.cause,
        source_event_id=command.source_event_id,
        requested_by=command.by.actor_id,
        explanation_ref=command.explanation_ref,
        explanation_commitment=command.explanation_commitment,
        due_at=command.due_at,
        requested_at=command.at,
    )
    return [requested]


def _two_persons(command: AnswerCorrection, claim: Claim) -> tuple[UUID, UUID]:
    """Who asked and who decides: two persons, the second neither the volunteer nor one who brought the claim about."""
    if command.correction_id in claim.answered:
        raise Refused("correction_answered")
    if command.correction_id not in claim.corrections:
        raise Refused("correction_unknown")
    requested_by, approver = claim.corrections[command.correction_id], command.by.actor_id
    if approver is None or approver == claim.interval.volunteer_id:
        raise Refused("own_hours")
    if requested_by is None:
        raise Refused("requester_required")
    if approver in {requested_by, claim.interval.recorded_by}:
        raise Refused("second_person_required")
    if not command.entry.answered:
        raise Refused("not_posted_yet")
    return requested_by, approver


def adjust(command: AdjustHours, claim: Claim) -> Events:
    """Other minutes within the interval that was recorded, or the same ones upheld. The grade stays what it was."""
    requested_by, approver = _two_persons(command, claim)
    interval, policy = claim.interval, command.policy
    if (command.delta == 0) != (command.reason_code == UPHELD):
        raise Refused("delta_contradicts_reason")
    minutes, total = claim.minutes + command.delta, command.day.logged_minutes + command.delta
    whole = (interval.finished_at - interval.started_at) // timedelta(minutes=1)
    longest = min(whole, policy.entry_minutes_max)
    if not policy.entry_minutes_min <= minutes <= longest:
        raise Refused("minutes_out_of_range", minutes_min=policy.entry_minutes_min, minutes_max=longest)
    if command.delta > 0 and total > policy.day_auditor_minutes:
        raise Refused("day_over_maximum", day_minutes=total, minutes_max=policy.day_auditor_minutes)
    adjusted = HoursAdjusted(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        correction_id=command.correction_id,
        original_entry=command.entry.standing,
        order_id=interval.order_id,
        assignment_id=interval.assignment_id,
        started_at=interval.started_at,
        finished_at=interval.finished_at,
        minutes=minutes,
        delta=command.delta,
        service_date=interval.service_date,
        grade=claim.grade,
        day_minutes=total,
        reason_code=command.reason_code,
        requested_by=requested_by,
        approved_by=approver,
        explanation_ref=command.explanation_ref,
        explanation_commitment=command.explanation_commitment,
        adjusted_at=command.at,
    )
    return [adjusted]


def void(command: VoidHours, claim: Claim) -> Events:
    """Take all minutes back, in public and by two persons."""
    requested_by, approver = _two_persons(command, claim)
    interval = claim.interval
    voided = HoursVoided(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        correction_id=command.correction_id,
        original_entry=command.entry.standing,
        minutes=claim.minutes,
        service_date=interval.service_date,
        grade=claim.grade,
        day_minutes=command.day.logged_minutes - claim.minutes,
        reason_code=command.reason_code,
        requested_by=requested_by,
        approved_by=approver,
        explanation_ref=command.explanation_ref,
        explanation_commitment=command.explanation_commitment,
        voided_at=command.at,
    )
    return [voided]


def draw(command: DrawSample, claim: Claim) -> Events:
    """The claim is one of the month's sample; its recipient is called."""
    if claim.sample is not None:
        raise Refused("sampled_already")
    sampled = HoursSampled(
        claim_id=command.claim_id,
        volunteer_id=claim.interval.volunteer_id,
        month_start=command.month_start,
        seed=command.seed,
        population=command.population,
        result=DRAWN,
        due_at=command.due_at,
        sampled_at=command.at,
    )
    return [sampled]


def record_sample(command: RecordSample, claim: Claim) -> Events:
    """What the recipient said. Not confirmed: two people decide what becomes of the minutes."""
    sample, caller = claim.sample, command.by.actor_id
    if sample is None:
        raise Refused("not_drawn")
    if sample.result not in {DRAWN, "unreachable"}:
        raise Refused("sampled_already")
    if caller is None or caller == claim.interval.volunteer_id:
        raise Refused("own_hours")
    if caller in claim.hands:
        raise Refused("second_person_required")
    answered = sample.model_copy(
        update={"result": command.result, "sampled_by": caller, "due_at": None, "sampled_at": command.at}
    )
    if command.result != "not_confirmed":
        return [answered]
    requested = CorrectionRequested(
        claim_id=command.claim_id,
        volunteer_id=claim.interval.volunteer_id,
        correction_id=command.correction_id,
        cause="sample_not_confirmed",
        requested_by=caller,
        due_at=command.correction_due_at,
        requested_at=command.at,
    )
    return [answered, requested]
