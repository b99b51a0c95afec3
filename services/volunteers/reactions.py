"""What volunteers does when it hears others: a finished service is claimed, a confirmed one credited (domain §4.9)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from contracts.command import SYSTEM, Command, Refused, Role
from contracts.envelope import Recorded
from contracts.ledger import EntryRefused
from contracts.orders import (
    CompletionConfirmed,
    CompletionContested,
    CompletionPresumed,
    DisputeAppealed,
    DisputeFact,
    DisputeRaised,
    DisputeResolved,
    ServiceFinished,
    ServiceRecordedAfterwards,
    Staffing,
)
from contracts.volunteers import Grade
from eventstore.consumer import ReactionContext, Reactions, derived_id
from eventstore.consumer.reactions import RefusalOutcome
from services.volunteers.commands.helping import ReinstateVolunteer
from services.volunteers.commands.hours import (
    ClaimHours,
    ConfirmHours,
    HoldHours,
    LogHours,
    RejectHours,
    ReleaseHours,
    RequestCorrection,
)
from services.volunteers.commands.words import claim_id_of, claim_stream, volunteer_stream
from services.volunteers.decider.helping import APPEAL_UPHELD
from services.volunteers.decider.hours import Claim, ClaimState
from services.volunteers.decider.volunteer import Volunteer, VolunteerState
from services.volunteers.policy import correction_due, current_policy, review_due
from services.volunteers.read_models import hours_queries as queries
from services.volunteers.read_models.queries import relations_to

SHOWN = frozenset({"code", "qr"})
"""Evidence that the recipient's side gave: the spoken 服务码, or a scanned QR. A leader's word makes grade B."""
RECIPIENTS = frozenset({Role.RESIDENT, Role.PROXY})

orders = Reactions("orders")
ledger = Reactions("ledger")


def evidence_grade(event: ServiceFinished) -> Grade:
    """A when both ends were shown by code or QR (kept only if the recipient confirms), else B (domain.md §4.4)."""
    return "A" if {event.start_evidence, event.finish_evidence} <= SHOWN else "B"


CLAIMING: Mapping[str, RefusalOutcome] = {
    "claimed_already": "ignore",
    "own_service": "ignore",
    "interval_impossible": "ignore",
}


@orders.on(ServiceFinished, refusals=CLAIMING)
async def on_service_finished(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ClaimHours. ServiceAutoClosed claims nothing: its minutes are not known."""
    event = recorded.event
    assert isinstance(event, ServiceFinished)
    at = max(context.now(), event.finished_at)
    async with context.log.queries() as connection:
        unusual = await queries.unusual_facts(
            connection,
            volunteer_id=event.volunteer_id,
            beneficiary_id=event.beneficiary_id,
            order_id=event.order_id,
            started_at=event.started_at,
            at=at,
        )
    claim = ClaimHours(
        by=SYSTEM,
        at=at,
        claim_id=claim_id_of(event.assignment_id),
        volunteer_id=event.volunteer_id,
        order_id=event.order_id,
        assignment_id=event.assignment_id,
        beneficiary_id=event.beneficiary_id,
        item_code=event.item_code,
        project_code=event.project_code,
        started_at=event.started_at,
        finished_at=event.finished_at,
        minutes=event.minutes,
        grade=evidence_grade(event),
        source_event_id=recorded.event_id,
        due_at=review_due(at),
        unusual=unusual,
        policy=current_policy().hours,
    )
    return [claim]


@orders.on(ServiceRecordedAfterwards, refusals=CLAIMING)
async def on_service_recorded_afterwards(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ClaimHours, grade C: the paper's digest and who entered it go along, and nobody's word alone credits it."""
    event = recorded.event
    assert isinstance(event, ServiceRecordedAfterwards)
    at = max(context.now(), event.finished_at)
    async with context.log.queries() as connection:
        kin = await relations_to(connection, event.recorded_by, event.volunteer_id, at)
        unusual = await queries.unusual_facts(
            connection,
            volunteer_id=event.volunteer_id,
            beneficiary_id=event.beneficiary_id,
            order_id=event.order_id,
            started_at=event.started_at,
            recorder=event.recorded_by,
            at=at,
            recorder_is_kin=bool(kin & {"household", "related"}),
        )
    claim = ClaimHours(
        by=SYSTEM,
        at=at,
        claim_id=claim_id_of(event.assignment_id),
        volunteer_id=event.volunteer_id,
        order_id=event.order_id,
        assignment_id=event.assignment_id,
        beneficiary_id=event.beneficiary_id,
        item_code=event.item_code,
        project_code=event.project_code,
        started_at=event.started_at,
        finished_at=event.finished_at,
        minutes=event.minutes,
        grade="C",
        source_event_id=recorded.event_id,
        recorded_by=event.recorded_by,
        attachment_sha256=event.attachment_hash,
        due_at=review_due(at),
        unusual=unusual,
        policy=current_policy().hours,
    )
    return [claim]


HOLDING: Mapping[str, RefusalOutcome] = {"held_already": "ignore", "claim_ended": "ignore"}


async def _doubted(
    recorded: Recorded, context: ReactionContext, claim_ids: Iterable[UUID], at: datetime, cause: str
) -> Sequence[Command]:
    """HoldHours for what is not credited yet; credited minutes are only put in question, and two people decide."""
    at = max(context.now(), at)
    commands: list[Command] = []
    for claim_id in claim_ids:
        claim: Claim = await context.state(claim_stream(claim_id))
        if claim.state is ClaimState.LOGGED:
            commands.append(_correction(recorded, claim_id, at, cause))
        elif claim.state in {ClaimState.CLAIMED, ClaimState.CONFIRMED, ClaimState.HELD} and not claim.disputed:
            hold = HoldHours(
                by=SYSTEM, at=at, claim_id=claim_id, source_event_id=recorded.event_id, due_at=review_due(at)
            )
            commands.append(hold)
    return commands


def _correction(recorded: Recorded, claim_id: UUID, at: datetime, cause: str) -> RequestCorrection:
    return RequestCorrection(
        by=SYSTEM,
        at=at,
        claim_id=claim_id,
        correction_id=derived_id(recorded, "correction", claim_id),
        cause=cause,
        source_event_id=recorded.event_id,
        due_at=correction_due(at),
    )


def _claims(event: DisputeFact, assignments: Sequence[Staffing]) -> tuple[UUID, ...]:
    """The claims that a dispute about hours, or about the service itself, is about."""
    if event.about == "order" or (event.about == "hours" and assignments):
        return tuple(claim_id_of(assignment.assignment_id) for assignment in assignments)
    return (event.subject_id,) if event.about == "hours" and event.subject_id is not None else ()


@orders.on(CompletionContested, refusals=HOLDING)
async def on_completion_contested(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """See _doubted."""
    event = recorded.event
    assert isinstance(event, CompletionContested)
    claim_ids = (claim_id_of(assignment.assignment_id) for assignment in event.assignments)
    return await _doubted(recorded, context, claim_ids, event.contested_at, "contested")


@orders.on(DisputeRaised, refusals=HOLDING)
async def on_dispute_raised(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """About hours, the same; nothing follows here from any other dispute before it is decided."""
    event = recorded.event
    assert isinstance(event, DisputeRaised)
    return await _doubted(recorded, context, _claims(event, event.assignments), event.raised_at, "disputed")


@orders.on(DisputeAppealed, refusals=HOLDING)
async def on_dispute_appealed(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """What the first decision released is in doubt again."""
    event = recorded.event
    assert isinstance(event, DisputeAppealed)
    return await _doubted(recorded, context, _claims(event, event.assignments), event.appealed_at, "appealed")


@orders.on(DisputeResolved, fresh=True, blocks=False, refusals={"not_in_dispute": "ignore", "claim_ended": "ignore"})
async def on_dispute_resolved(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """A held claim is released or rejected; credited minutes that should change are for two people to correct."""
    event = recorded.event
    assert isinstance(event, DisputeResolved)
    at = max(context.now(), event.resolved_at)
    rejected = "hours_rejected" in event.consequences or "order_unfulfilled" in event.consequences
    changes = rejected or "hours_corrected" in event.consequences
    commands: list[Command] = []
    claim_ids = _claims(event, event.assignments)
    async with context.log.queries() as connection:
        rows = {row["claim_id"]: row for row in await queries.claims_by_id(connection, list(claim_ids))}
        for claim_id in claim_ids:
            claim: Claim = await context.state(claim_stream(claim_id))
            if claim.state is ClaimState.LOGGED and changes:
                commands.append(_correction(recorded, claim_id, at, "dispute_upheld"))
            elif claim.state is ClaimState.HELD and claim.disputed and rejected:
                commands.append(RejectHours(by=SYSTEM, at=at, claim_id=claim_id, reason_code="dispute_upheld"))
            elif claim.state is ClaimState.HELD and claim.disputed and claim_id in rows:
                release = ReleaseHours(
                    by=SYSTEM,
                    at=at,
                    claim_id=claim_id,
                    day=await queries.day_facts(connection, rows[claim_id]),
                    source_event_id=recorded.event_id,
                    due_at=review_due(at),
                    policy=current_policy().hours,
                )
                commands.append(release)
    return commands


@orders.on(DisputeResolved, blocks=False, refusals={"not_suspended": "ignore"})
async def on_suspension_appeal_upheld(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ReinstateVolunteer, when the volunteer, or who speaks for them, disputed it after the suspension, and was right.

    Somebody else's complaint about the volunteer is the opposite, and what was raised before the suspension is about
    something else. Found right in part, or settled: two people say what becomes of it.
    """
    event = recorded.event
    assert isinstance(event, DisputeResolved)
    concerned = event.raised_for or event.raised_by
    own = event.about == "conduct" and event.order_id is None and event.subject_id == concerned
    if not own or event.decision != "upheld" or event.raised_at is None:
        return []
    volunteer: Volunteer = await context.state(volunteer_stream(concerned))
    if volunteer.state is not VolunteerState.SUSPENDED or volunteer.suspended_at is None:
        return []
    if event.raised_at < volunteer.suspended_at:
        return []
    reinstate = ReinstateVolunteer(
        by=SYSTEM,
        at=max(context.now(), event.resolved_at),
        volunteer_id=concerned,
        reason_code=APPEAL_UPHELD,
        upheld_by=event.resolved_by,
    )
    return [reinstate]


def _confirmations(recorded: Recorded) -> list[ConfirmHours]:
    """One ConfirmHours for each assignment that the order ended with; which of them have a claim is not known here."""
    event = recorded.event
    assert isinstance(event, CompletionConfirmed | CompletionPresumed)
    presumed = isinstance(event, CompletionPresumed)
    return [
        ConfirmHours(
            by=SYSTEM,
            at=event.presumed_at if isinstance(event, CompletionPresumed) else event.confirmed_at,
            claim_id=claim_id_of(assignment.assignment_id),
            confirmed_by=None if isinstance(event, CompletionPresumed) else event.confirmed_by,
            presumed=presumed,
            by_recipient=not presumed and event.role in RECIPIENTS,
            source_event_id=recorded.event_id,
        )
        for assignment in event.assignments
    ]


def _confirm_and_log_later(_refused: Refused, recorded: Recorded) -> Sequence[Command]:
    """Another credit of the same volunteer was faster. The claims stay CONFIRMED and `due` logs them on fresh facts."""
    return _confirmations(recorded)


CREDITING: Mapping[str, RefusalOutcome] = {
    "claim_unknown": "ignore",  # never checked out (ServiceAutoClosed): nothing was claimed
    "claim_ended": "ignore",  # rejected before, as too short
    "confirmed_already": "ignore",
    "hours_overlap": _confirm_and_log_later,
    "day_total_moved": _confirm_and_log_later,
}


async def on_completion(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ConfirmHours and LogHours for every claim of the order: HoursLogged, or HoursHeld where somebody must look."""
    confirmations = _confirmations(recorded)
    commands: list[Command] = []
    async with context.log.queries() as connection:
        found = await queries.claims_by_id(connection, [confirm.claim_id for confirm in confirmations])
        claims = {row["claim_id"]: row for row in found}
        for confirm in confirmations:
            claim = claims.get(confirm.claim_id)
            if claim is None or claim["state"] in {"LOGGED", "VOIDED", "REJECTED"}:
                continue
            day = await queries.day_facts(connection, claim)
            at = max(context.now(), confirm.at)
            logs = LogHours(
                by=SYSTEM,
                at=at,
                claim_id=confirm.claim_id,
                day=day,
                due_at=review_due(at),
                policy=current_policy().hours,
            )
            commands += [confirm, logs]
    return commands


@orders.on(CompletionConfirmed, fresh=True, refusals=CREDITING)
async def on_completion_confirmed(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """See on_completion."""
    return await on_completion(recorded, context)


@orders.on(CompletionPresumed, fresh=True, refusals=CREDITING)
async def on_completion_presumed(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """See on_completion; nobody said so, so the grade is B."""
    return await on_completion(recorded, context)


@ledger.on(EntryRefused, blocks=False, refusals={"claim_ended": "ignore"})
async def on_entry_refused(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """RequestCorrection: credited minutes that the books do not take are looked at by people."""
    event = recorded.event
    assert isinstance(event, EntryRefused)
    if event.book != "hours":
        return []
    claim_id = event.claim_id
    if claim_id is None:
        async with context.log.queries() as connection:
            claim = await queries.claim_posted_for(connection, event.source_event_id)
        if claim is None:
            raise Refused("claim_unknown", source_event_id=str(event.source_event_id))
        claim_id = claim["claim_id"]
    at = max(context.now(), event.refused_at)
    request = RequestCorrection(
        by=SYSTEM,
        at=at,
        claim_id=claim_id,
        correction_id=derived_id(recorded, "correction"),
        cause=event.reason_code,
        source_event_id=recorded.event_id,
        due_at=correction_due(at),
    )
    return [request]
