"""Money that goes back to a donor and entries that were wrong, over HTTP: two signatures, made elsewhere, handed in.

Each approver is shown the text and signs it on their own device. Who hands the signatures in made neither.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, PlainTextResponse

from contracts.command import Command, Refused, Role
from contracts.envelope import Recorded
from contracts.event import AmountFen, Digest
from contracts.ids import uuid7
from contracts.ledger import EntryApproval, EntryPosted, RefundReason
from eventstore.executor import Plan
from servicekit.definition import Runtime
from servicekit.http import CommandContext, Commanding, Reading, command
from services.ledger import access
from services.ledger.api.aid_shared import EXPLANATION
from services.ledger.api.donations import hands, pledged_row, require_other_hands
from services.ledger.api.shared import Running, turn
from services.ledger.commands import (
    FUND,
    CorrectEntry,
    CorrectionReason,
    PostRefund,
    RefundDonation,
    RefundDonationAsk,
    ReverseEntryAsk,
    SignatureAsk,
    Signed,
    day_of,
)
from services.ledger.decider.book import DONATION_RECEIVED
from services.ledger.decider.two_signatures import correction_facts, refund_facts
from services.ledger.policy import current_policy
from services.ledger.read_models import aid_queries, independence, queries
from services.ledger.read_models.queries import Row
from services.ledger.signatures import DONATION_REFUND, ENTRY_REVERSAL, signed_text

router = APIRouter(prefix="/v1", tags=["ledger"])

CORRECTION = "correction"
"""The vault's purpose for the public words of a correction."""


async def _signed(
    runtime: Runtime, signatures: Sequence[SignatureAsk], payee_id: UUID | None = None
) -> tuple[Signed, ...]:
    """Whose keys made them, and what ties them to who would get money. Raises Refused("key_unknown")."""
    found, at = list[Signed](), runtime.clock.now()
    async with runtime.log.queries() as connection:
        for one in signatures:
            row = await aid_queries.key(connection, one.key_id)
            if row is None:
                raise Refused("key_unknown", key_id=one.key_id)
            person_id, tie = row["person_id"], None
            if payee_id is not None:
                tie = await independence.obstacle(connection, person_id, payee_id, payee_id, (), at)
            found.append(
                Signed(
                    person_id=person_id,
                    role=Role.FUND_APPROVER,
                    key_id=one.key_id,
                    public_key=row["public_key"],
                    in_force=row["state"] == "CONFIRMED",
                    in_office=not await independence.has_left_office(connection, person_id, Role.FUND_APPROVER, at),
                    tie=tie,
                    sig=one.sig,
                )
            )
    return tuple(found)


@router.get("/donations/{donation_id}/refund-request", response_class=PlainTextResponse)
async def read_refund_request(
    donation_id: UUID,
    amount_fen: Annotated[AmountFen, Query()],
    reason_code: RefundReason,
    caller: Reading,
    runtime: Running,
) -> PlainTextResponse:
    """The text that an approver signs with their own key, for this much to go back."""
    caller.by(access.READ_REQUEST)
    async with runtime.log.queries() as connection:
        row = await queries.donation(connection, donation_id)
    if row is None:
        raise Refused("donation_unknown")
    facts = refund_facts(donation_id, row["fund"], row["purpose"], amount_fen, row["refunded_fen"], reason_code)
    return PlainTextResponse(signed_text(DONATION_REFUND, runtime.settings.community, facts, caller.actor_id))


@router.post("/donations/{donation_id}/refund")
async def refund_donation(donation_id: UUID, ask: RefundDonationAsk, context: Commanding) -> JSONResponse:
    """Pay money back to its donor, with the two signatures over exactly that, and post it, in one append."""
    entry_id = uuid7()

    async def build() -> Plan:
        row = await pledged_row(context, donation_id, RefundDonation)
        require_other_hands(context, row, "pledged")
        by, at = context.by(RefundDonation, hands(context, row)), context.runtime.clock.now()
        if row["entry_id"] is None:
            raise Refused("not_received")
        donor_id = await context.runtime.vault.owner_of(row["donor_ref"])
        signatures = await _signed(context.runtime, ask.signatures, donor_id)
        refunded = RefundDonation(
            by=by,
            at=at,
            donation_id=donation_id,
            policy=current_policy(),
            entry_id=entry_id,
            community=context.runtime.settings.community,
            signatures=signatures,
            hands=frozenset({row["pledged_by"], row["received_by"]}),
            effective_date=day_of(at),
            **ask.model_dump(exclude={"signatures"}),
        )
        posted = PostRefund(
            by=by,
            at=at,
            entry_id=entry_id,
            donation_id=donation_id,
            original_entry_id=row["entry_id"],
            fund=row["fund"],
            purpose=row["purpose"],
            effective_date=day_of(at),
            approvals=_approvals(signatures),
            **ask.model_dump(exclude={"signatures"}),
        )
        answer = {"donation_id": donation_id, "entry_id": entry_id}
        return Plan([refunded, posted], answer, expected_versions=context.expecting(refunded.stream))

    async with turn(context.runtime):
        return await command(context, build, RefundDonation)


def _approvals(signatures: Sequence[Signed]) -> tuple[EntryApproval, ...]:
    """What the entry carries of signatures that a decision of the same append checks."""
    return tuple(EntryApproval(role=one.role, key_id=one.key_id, sig=one.sig) for one in signatures)


async def _fund_entry(runtime: Runtime, entry_id: UUID) -> Recorded:
    """An entry of the fund as it was posted. Raises Refused("entry_unknown")."""
    async with runtime.log.queries() as connection:
        position = await aid_queries.entry_position(connection, entry_id)
    if position is not None:
        (recorded,) = await runtime.log.read(position - 1, 1)
        if isinstance(recorded.event, EntryPosted) and recorded.event.book == FUND:
            return recorded
    raise Refused("entry_unknown")


@router.get("/entries/{entry_id}/reversal-request", response_class=PlainTextResponse)
async def read_entry_reversal_request(
    entry_id: UUID,
    reason_code: CorrectionReason,
    explanation_sha256: Annotated[Digest, Query()],
    caller: Reading,
    runtime: Running,
) -> PlainTextResponse:
    """The text that an approver signs for an entry to be reversed. The SHA-256 is that of the public words in UTF-8."""
    caller.by(access.READ_REQUEST)
    original = (await _fund_entry(runtime, entry_id)).event
    assert isinstance(original, EntryPosted)
    facts = correction_facts(entry_id, original.entry_no, reason_code, explanation_sha256)
    return PlainTextResponse(signed_text(ENTRY_REVERSAL, runtime.settings.community, facts, caller.actor_id))


@router.post("/entries/{entry_id}/reverse")
async def reverse_entry(entry_id: UUID, ask: ReverseEntryAsk, context: Commanding) -> JSONResponse:
    """Reverse an entry that was wrong, with two signatures and public words (更正说明, 令81 §16)."""
    reversal_id, explanation_ref = uuid7(), uuid7()

    async def build() -> Plan:
        by, at, runtime = context.by(CorrectEntry), context.runtime.clock.now(), context.runtime
        recorded = await _fund_entry(runtime, entry_id)
        original = recorded.event
        assert isinstance(original, EntryPosted)
        gift = await _gift(context, original)
        # Public, and about nobody: sealed for the entry itself, so no erasure of a person takes it away.
        sealed = await runtime.vault.seal(entry_id, CORRECTION, explanation_ref, {EXPLANATION: ask.explanation})
        signatures = await _signed(runtime, ask.signatures)
        had = {recorded.actor, by.actor} | (set() if gift is None else {gift["pledged_by"], gift["received_by"]})
        correction = CorrectEntry(
            by=by,
            at=at,
            book=FUND,
            entry_id=reversal_id,
            original=original,
            reason_code=ask.reason_code,
            effective_date=max(day_of(at), original.effective_date),
            explanation_ref=explanation_ref,
            explanation_commitment=sealed.commitments[EXPLANATION],
            explanation_sha256=sha256(ask.explanation.encode()).hexdigest(),
            community=runtime.settings.community,
            signatures=signatures,
            hands=frozenset(had),
        )
        plan: list[Command] = [correction]
        if gift is not None:
            plan.append(_never_came(correction, gift))
        return Plan(plan, {"entry_id": reversal_id, "reverses": entry_id}, sealed.changes)

    async with turn(context.runtime):
        return await command(context, build, CorrectEntry)


async def _gift(context: CommandContext, original: EntryPosted) -> Row | None:
    """The gift that an entry posted; None for another kind of entry."""
    if original.kind != DONATION_RECEIVED or original.donation_id is None:
        return None
    async with context.runtime.log.queries() as connection:
        return await queries.donation(connection, original.donation_id)


def _never_came(correction: CorrectEntry, gift: Row) -> RefundDonation:
    """What a reversed entry means for its gift: all of it is taken back, and nothing is paid."""
    return RefundDonation(
        by=correction.by,
        at=correction.at,
        donation_id=gift["donation_id"],
        policy=current_policy(),
        amount_fen=gift["amount_fen"],
        reason_code="entered_wrongly",
        method=None,
        entry_id=correction.entry_id,
        community=correction.community,
        signatures=correction.signatures,
        approvals=_approvals(correction.signatures),
        hands=correction.hands,
        effective_date=correction.effective_date,
    )
