"""开门询单: one record of one knock at one door. Its order is made on a stream of its own."""

from collections.abc import Sequence

from contracts.command import Refused
from contracts.orders import InquiryEvent, InquiryRecorded
from services.orders.commands.beside import RecordInquiry
from services.orders.decider.deadlines import minutes_after

Inquiry = InquiryRecorded | None
"""An inquiry is what was recorded of it."""


def initial() -> Inquiry:
    """Nobody has knocked yet."""
    return None


def decide(command: RecordInquiry, inquiry: Inquiry) -> Sequence[InquiryEvent]:
    """Record it; a need only with the resident's consent, and for something that can be asked for."""
    if inquiry is not None:
        raise Refused("inquiry_recorded_already")
    assert command.by.actor_id is not None
    need = command.result == "need"
    if command.resident_id is not None and not command.resident_known:
        raise Refused("person_unknown", person_id=str(command.resident_id))
    if need and not command.consented:
        raise Refused("consent_required", purpose="service")
    if need and not command.item_active:
        raise Refused("item_retired", item_code=command.item_code)
    recorded = InquiryRecorded(
        inquiry_id=command.inquiry_id,
        household_id=command.household_id,
        resident_id=command.resident_id,
        grid_id=command.grid_id,
        entrance_id=command.entrance_id,
        result=command.result,
        item_code=command.item_code if need else None,
        consented=command.consented,
        role=command.by.role,
        channel=command.by.channel,
        asked_by=command.by.actor_id,
        details_ref=command.details_ref,
        details_commitment=command.details_commitment,
        due_at=minutes_after(command.at, command.policy.inquiry_minutes) if need else None,
        inquired_at=command.at,
    )
    return [recorded]


def evolve(inquiry: Inquiry, event: InquiryEvent) -> Inquiry:  # noqa: ARG001 — one event makes the whole of it
    """The inquiry is its one event."""
    return event
