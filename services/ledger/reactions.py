"""What the ledger does when volunteers and orders speak: minutes are posted, persons forgotten, reviews asked for."""

import asyncio
from collections.abc import Mapping, Sequence

from contracts.command import SYSTEM, Command, Refused
from contracts.envelope import Recorded
from contracts.event import KeptData
from contracts.ledger import EntryPosted, HoursEntry, ReviewReason
from contracts.orders import DisputeResolved
from contracts.volunteers import HoursAdjusted, HoursLogged, HoursVoided, PersonErased
from eventstore.consumer import ReactionContext, Reactions, derived_id
from eventstore.executor import Plan
from eventstore.vault import ErasureList
from servicekit.definition import Runtime
from services.ledger.commands import (
    FUND_REVIEW,
    HOURS,
    EraseVaultData,
    PostHours,
    RefuseEntry,
    RequestFundReview,
    ReverseEntry,
    day_of,
    kept_until,
    review_id_of,
)
from services.ledger.read_models import queries

REVIEWED_AFTER: Mapping[str, ReviewReason] = {
    "upheld": "dispute_upheld",
    "partly_upheld": "dispute_partly_upheld",
    "settled": "dispute_settled",
}
"""How a dispute about the fund was decided → why its money is looked at. Rejected: there is nothing to look at."""
FUND_CONSEQUENCES = frozenset({"aid_reversed", "fund_reviewed"})


def reactions(runtime: Runtime) -> Sequence[Reactions]:
    """What volunteers credited and erased, and what orders decided about the fund."""
    return [volunteers_reactions(ErasureList(runtime.settings.erasures_path)), orders_reactions()]


def volunteers_reactions(erasures: ErasureList) -> Reactions:
    """Reactions to volunteers. `erasures`: the list that outlives a restore of the database."""
    heard = Reactions("volunteers")
    # A race that only a constraint sees: the answer is said, the event is not dropped (domain.md §4.4).
    outcomes = {"overlap": refused_hours, "posted_already": refused_hours}
    # Fresh: what was posted for the event before must be in the tables that this one is compared with.
    heard.on(HoursLogged, fresh=True, refusals=outcomes)(on_hours_logged)
    heard.on(HoursAdjusted, fresh=True, refusals=outcomes)(on_hours_adjusted)
    heard.on(HoursVoided, fresh=True)(on_hours_voided)

    @heard.on(PersonErased)
    async def on_person_erased(recorded: Recorded, context: ReactionContext) -> Plan:
        """Destroy the person's keys, save the accounting copy that the law keeps, and say so."""
        event = recorded.event
        assert isinstance(event, PersonErased)
        erasure = await context.vault.erase(event.person_id)
        now = context.now()
        kept = tuple(
            KeptData(purpose=purpose, basis=basis, until=kept_until(now)) for purpose, basis in erasure.kept.items()
        )
        erase = EraseVaultData(
            by=SYSTEM,
            at=now,
            person_id=event.person_id,
            source_event_id=recorded.event_id,
            purposes=erasure.erased,
            kept=kept,
            erased_at=now,
        )
        # On the list before the keys go: a crash between leaves an erasure to repeat, never one to forget.
        await asyncio.to_thread(erasures.add, event.person_id)
        return Plan([erase], vault=erasure.changes)

    return heard


def orders_reactions() -> Reactions:
    """Reactions to orders: only what was decided of a dispute."""
    heard = Reactions("orders")
    heard.on(DisputeResolved)(on_dispute_resolved)
    return heard


async def on_dispute_resolved(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """RequestFundReview where the fund was at fault, or what was done with its money follows (domain.md §4.9)."""
    event = recorded.event
    assert isinstance(event, DisputeResolved)
    reason = REVIEWED_AFTER.get(event.decision)
    is_ours = event.about == "fund" or bool(FUND_CONSEQUENCES & set(event.consequences))
    if reason is None or not is_ours:
        return []
    review = RequestFundReview(
        by=SYSTEM,
        at=context.now(),
        review_id=review_id_of(FUND_REVIEW, event.dispute_id),
        dispute_id=event.dispute_id,
        source_event_id=recorded.event_id,
        order_id=event.order_id,
        subject_id=event.subject_id,
        reason_code=reason,
    )
    return [review]


async def on_hours_logged(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """Post the minutes: Dr volunteer, Cr community; a breach becomes EntryRefused in the decider."""
    event = recorded.event
    assert isinstance(event, HoursLogged)
    hours = HoursEntry(
        claim_id=event.claim_id,
        volunteer_id=event.volunteer_id,
        order_id=event.order_id,
        assignment_id=event.assignment_id,
        started_at=event.started_at,
        finished_at=event.finished_at,
        minutes=event.minutes,
        grade=event.grade,
    )
    async with context.log.queries() as connection:
        facts = await queries.hours_facts(connection, recorded.event_id, hours)
    post = PostHours(
        by=SYSTEM,
        at=context.now(),
        entry_id=derived_id(recorded, "entry"),
        source_event_id=recorded.event_id,
        hours=hours,
        effective_date=event.service_date,
        facts=facts,
    )
    return [post]


async def _reversal(recorded: Recorded, context: ReactionContext) -> ReverseEntry | None:
    """The mirror of the entry that stands for the corrected claim; None when the ledger had refused it."""
    event = recorded.event
    assert isinstance(event, HoursAdjusted | HoursVoided)
    at = event.adjusted_at if isinstance(event, HoursAdjusted) else event.voided_at
    async with context.log.queries() as connection:
        standing = await queries.standing_entry(connection, event.claim_id)
    if standing is None:
        return None
    (posted,) = await context.log.read(standing["position"] - 1, 1)
    original = posted.event
    assert isinstance(original, EntryPosted)
    return ReverseEntry(
        by=SYSTEM,
        at=context.now(),
        book=HOURS,
        entry_id=derived_id(recorded, "reversal"),
        original=original,
        reason_code=event.reason_code,
        # Books of days gone by stay as they are: both entries of the pair count from the correction on.
        effective_date=max(day_of(at), original.effective_date),
        source_event_id=recorded.event_id,
        explanation_ref=event.explanation_ref,
        explanation_commitment=event.explanation_commitment,
    )


async def on_hours_voided(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ReverseEntry; nothing where the ledger had refused the credit."""
    reversal = await _reversal(recorded, context)
    return [] if reversal is None else [reversal]


async def on_hours_adjusted(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """ReverseEntry and PostHours as one append; an upheld entry stays as it is."""
    event = recorded.event
    assert isinstance(event, HoursAdjusted)
    if event.delta == 0:
        return []
    reversal = await _reversal(recorded, context)
    hours = HoursEntry(
        claim_id=event.claim_id,
        volunteer_id=event.volunteer_id,
        order_id=event.order_id,
        assignment_id=event.assignment_id,
        started_at=event.started_at,
        finished_at=event.finished_at,
        minutes=event.minutes,
        grade=event.grade,
    )
    leaving = None if reversal is None else reversal.original.entry_id
    async with context.log.queries() as connection:
        facts = await queries.hours_facts(connection, recorded.event_id, hours, leaving)
    if facts.answered:
        return []
    post = PostHours(
        by=SYSTEM,
        at=context.now(),
        entry_id=derived_id(recorded, "entry"),
        source_event_id=recorded.event_id,
        hours=hours,
        effective_date=day_of(event.adjusted_at) if reversal is None else reversal.effective_date,
        facts=facts,
        replaces=leaving,
        reason_code=event.reason_code,
    )
    return [post] if reversal is None else [reversal, post]


def refused_hours(refused: Refused, recorded: Recorded) -> Sequence[Command]:
    """Say that the minutes could not be posted after all."""
    event = recorded.event
    assert isinstance(event, HoursLogged | HoursAdjusted)
    refusal = RefuseEntry(
        by=SYSTEM,
        at=event.adjusted_at if isinstance(event, HoursAdjusted) else event.logged_at,
        book=HOURS,
        source_event_id=recorded.event_id,
        reason_code=refused.reason_code,
        claim_id=event.claim_id,
        volunteer_id=event.volunteer_id,
    )
    return [refusal]
