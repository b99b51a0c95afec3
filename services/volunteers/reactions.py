"""What volunteers does when it hears others: a finished service is claimed, a confirmed one credited (domain §4.9)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from contracts.command import SYSTEM, Command, Refused, Role
from contracts.envelope import Recorded
from contracts.ledger import EntryRefused
from contracts.orders import CompletionConfirmed, CompletionPresumed, ServiceFinished
from contracts.volunteers import Grade
from eventstore.consumer import ReactionContext, Reactions, derived_id
from eventstore.consumer.reactions import RefusalOutcome
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.process import Runtime
from services.volunteers.commands.hours import ClaimHours, ConfirmHours, LogHours, RequestCorrection
from services.volunteers.commands.words import claim_id_of
from services.volunteers.read_models import queries

SHOWN = frozenset({"code", "qr"})
"""Evidence that the recipient's side gave: the spoken 服务码, or a scanned QR. A leader's word makes grade B."""
RECIPIENTS = frozenset({Role.RESIDENT, Role.PROXY})

orders = Reactions("orders")
ledger = Reactions("ledger")


def evidence_grade(event: ServiceFinished) -> Grade:
    """A when both ends were shown by code or QR (kept only if the recipient confirms), else B (domain.md §4.4)."""
    return "A" if {event.start_evidence, event.finish_evidence} <= SHOWN else "B"


@orders.on(
    ServiceFinished,
    refusals={"claimed_already": "ignore", "own_service": "ignore", "interval_impossible": "ignore"},
)
async def on_service_finished(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ClaimHours. ServiceAutoClosed claims nothing: its minutes are not known."""
    event = recorded.event
    assert isinstance(event, ServiceFinished)
    claim = ClaimHours(
        by=SYSTEM,
        at=max(context.now(), event.finished_at),
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
    )
    return [claim]


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
            if claim is None or claim["state"] in {"LOGGED", "REJECTED"}:
                continue
            day = await queries.day_facts(connection, claim)
            at = max(context.now(), confirm.at)
            commands += [confirm, LogHours(by=SYSTEM, at=at, claim_id=confirm.claim_id, day=day)]
    return commands


@orders.on(CompletionConfirmed, fresh=True, refusals=CREDITING)
async def on_completion_confirmed(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """See on_completion."""
    return await on_completion(recorded, context)


@orders.on(CompletionPresumed, fresh=True, refusals=CREDITING)
async def on_completion_presumed(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """See on_completion; nobody said so, so the grade is B."""
    return await on_completion(recorded, context)


@ledger.on(EntryRefused, blocks=False)
async def on_entry_refused(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """RequestCorrection: credited minutes that the books do not take are looked at by people."""
    event = recorded.event
    assert isinstance(event, EntryRefused)
    if event.book != "hours":
        return []
    claim_id = event.claim_id
    if claim_id is None:
        async with context.log.queries() as connection:
            claim = await queries.claim_of_logged_event(connection, event.source_event_id)
        if claim is None:
            raise Refused("claim_unknown", source_event_id=str(event.source_event_id))
        claim_id = claim["claim_id"]
    request = RequestCorrection(
        by=SYSTEM,
        at=max(context.now(), event.refused_at),
        claim_id=claim_id,
        correction_id=derived_id(recorded, "correction"),
        cause=event.reason_code,
        source_event_id=recorded.event_id,
    )
    return [request]


def due_of(runtime: Runtime) -> Due:
    """The timer's work: claims that stayed CONFIRMED because their crediting lost a race."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            rows = await queries.claims_in(connection, "CONFIRMED", limit)
        return [DueCommand(f"log-hours:{row['claim_id']}", _logging(runtime, row["claim_id"], at)) for row in rows]

    return due


def _logging(runtime: Runtime, claim_id: UUID, at: datetime) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            (claim,) = await queries.claims_by_id(connection, [claim_id])
            day = await queries.day_facts(connection, claim)
        return Plan([LogHours(by=SYSTEM, at=at, claim_id=claim_id, day=day)])

    return build
