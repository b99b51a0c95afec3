"""平安核查: whether a person is well, from the first worry to an outcome that a person recorded (domain.md §4.7)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Channel, Role
from contracts.event import Code, Digest, Event, Instant, OrderNo, UnitCode

CheckCause = Literal["resident_absent", "visit_missed", "worry"]
"""Why somebody is to look after a person: nobody opened, visits were missed, or a volunteer is worried."""

CheckOutcome = Literal["safe", "hospital", "away", "emergency_called"]


class CheckFact(Event):
    """What every event of a welfare check carries; the order's, where there is one, for the notice."""

    check_id: UUID
    order_id: UUID | None = None
    beneficiary_id: UUID
    grid_id: UnitCode
    entrance_id: UnitCode | None = None
    order_no: OrderNo | None = None
    item_code: Code | None = None
    window_start: Instant | None = None
    window_end: Instant | None = None
    role: Role
    """The role in which the actor acted."""


class WelfareCheckRaised(CheckFact, service="orders", audience="internal"):
    """平安核查 — somebody is to make sure that a person is well, within half an hour."""

    cause: CheckCause
    raised_by: UUID | None = None
    owner_role: Role
    """Who goes and looks first."""
    due_at: Instant
    """By when there is an outcome, or the check rises."""
    raised_at: Instant


class WelfareCheckEscalated(CheckFact, service="orders", audience="internal"):
    """平安核查升级 — nobody has recorded an outcome in time, so more people are told."""

    level: Annotated[int, Field(ge=1, le=2)]
    to_role: Role
    due_at: Instant | None = None
    """When it rises again; absent at the top: it stays open until a person has closed it."""
    escalated_at: Instant


class WelfareCheckClosed(CheckFact, service="orders", audience="internal"):
    """平安核查结果 — a person recorded how it is with whom they looked after."""

    outcome: CheckOutcome
    closed_by: UUID
    channel: Channel
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    closed_at: Instant
