"""改派, 改期, 合并, 重开: what may be asked of an order that takes another turn."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.command import Ask
from contracts.event import Code, OrderNo
from contracts.orders import OrderState
from services.orders.commands.placing import Ending, OrderCommand, Proposal, WindowAsk
from services.orders.commands.words import VolunteerFacts


class MergeOrderAsk(Ask):
    """合并: into which other order of the household."""

    into: UUID


class RedispatchOrderAsk(Ask):
    """改派: from whom it is taken, and to whom it is offered; with nobody named, to the best ranked."""

    from_volunteer_id: UUID | None = None
    volunteer_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=20)] | None = None
    reason_code: Code


class RescheduleOrderAsk(WindowAsk):
    """改期."""

    reason_code: Code | None = None


class ReconfirmAssignmentAsk(Ask):
    """改期后确认: the caller also comes at the new time."""


class ReopenOrderAsk(WindowAsk):
    """重开, with a new time."""

    reason_code: Code


class MergeOrder(Ending):
    """Let another order of the same household take care of this one."""

    into: UUID
    into_order_no: OrderNo | None
    into_state: OrderState | None
    """None: there is no such order."""
    into_household_id: UUID | None
    into_beneficiary_id: UUID | None


class RedispatchOrder(OrderCommand):
    """Take the order from whoever has it, and offer it to others."""

    from_volunteer_id: UUID | None
    proposals: Annotated[tuple[Proposal, ...], Field(min_length=1, max_length=50)]
    reason_code: Code


class RescheduleOrder(OrderCommand):
    """Move the order. `volunteers` is what is known, for the new time, of those whose slot has not begun."""

    window_start: AwareDatetime
    window_end: AwareDatetime
    volunteers: tuple[VolunteerFacts, ...]
    reason_code: Code | None = None


class ReconfirmAssignment(OrderCommand):
    """Keep the slot at the new time."""

    volunteer_id: UUID


class ReopenOrder(OrderCommand):
    """Look for somebody again, after nobody was found."""

    window_start: AwareDatetime
    window_end: AwareDatetime
    consented: bool
    """The beneficiary still wants to be served."""
    reason_code: Code
