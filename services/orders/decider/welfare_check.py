"""平安核查: somebody makes sure that a person is well (domain.md §4.1, row 19; §4.7): only a person ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, assert_never
from uuid import UUID

from contracts.command import Command, Refused, Role
from contracts.orders import (
    CheckFact,
    CheckOutcome,
    WelfareCheckClosed,
    WelfareCheckEscalated,
    WelfareCheckEvent,
    WelfareCheckRaised,
)
from services.orders.commands.welfare import (
    AnyWelfareCheckCommand,
    EscalateWelfareCheck,
    RaiseWelfareCheck,
    RecordOutcome,
)
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.tables import Line, Table, refused_with

Events = Sequence[WelfareCheckEvent]


class CheckState(StrEnum):
    """A check is open until a person has recorded an outcome, at whatever level."""

    RAISED = "RAISED"
    ESCALATED = "ESCALATED"
    CLOSED = "CLOSED"


LEVEL_ROLES = {1: Role.BUILDING_LEAD, 2: Role.DISPATCHER}
"""L1 楼门, L2 中心 (domain.md §4.1, row 16); the grid worker, who is L2 of an order, is at it from the beginning."""

S = CheckState
TABLE: Table[CheckState] = Table(
    "welfare_check",
    tuple(CheckState),
    frozenset({S.CLOSED}),
    (
        Line(
            RaiseWelfareCheck,
            "平安核查",
            {None: (S.RAISED,)},
            ("WelfareCheckRaised",),
            refused_with("check_raised_already", *S),
        ),
        Line(
            EscalateWelfareCheck,
            "核查升级",
            {S.RAISED: (S.ESCALATED,), S.ESCALATED: (S.ESCALATED,)},
            ("WelfareCheckEscalated",),
            {None: "check_unknown", S.CLOSED: "not_due"},
            "30 min L1, 60 min L2, and no further",
        ),
        Line(
            RecordOutcome,
            "核查结果",
            {S.RAISED: (S.CLOSED,), S.ESCALATED: (S.CLOSED,)},
            ("WelfareCheckClosed",),
            {None: "check_unknown", S.CLOSED: "check_closed_already"},
            "by a person, never by SYSTEM",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class WelfareCheck:
    """A check, folded from its stream."""

    raised: WelfareCheckRaised
    state: CheckState = CheckState.RAISED
    level: int = 0
    due_at: datetime | None = None
    outcome: CheckOutcome | None = None
    closed_by: UUID | None = None


State = WelfareCheck | None


def initial() -> State:
    """Nobody is worried."""
    return None


def decide(command: AnyWelfareCheckCommand, check: State) -> Events:
    """The events that a command comes to. Raises Refused."""
    TABLE.require(command, check.state if check is not None else None)
    if isinstance(command, RaiseWelfareCheck):
        return _raise(command)
    assert check is not None
    match command:
        case EscalateWelfareCheck():
            return _escalate(command, check)
        case RecordOutcome():
            return _close(command, check)
        case _:
            assert_never(command)


def _raise(command: RaiseWelfareCheck) -> Events:
    """The grid worker goes first, and there is half an hour."""
    if command.open_check is not None:
        raise Refused("check_open_already", check_id=str(command.open_check))
    raised = WelfareCheckRaised(
        check_id=command.check_id,
        order_id=command.order_id,
        beneficiary_id=command.beneficiary_id,
        grid_id=command.grid_id,
        entrance_id=command.entrance_id,
        order_no=command.order_no,
        item_code=command.item_code,
        window_start=command.window_start,
        window_end=command.window_end,
        role=command.by.role,
        cause=command.cause,
        raised_by=command.by.actor_id,
        owner_role=Role.GRID_WORKER,
        due_at=minutes_after(command.at, command.policy.welfare_check_minutes),
        raised_at=command.at,
    )
    return [raised]


def _escalate(command: EscalateWelfareCheck, check: WelfareCheck) -> Events:
    """One level after the other, however late the timer is; after the last one only people act."""
    if check.due_at is None or command.at < check.due_at:
        raise Refused("not_due", due_at=check.due_at)
    level = check.level + 1
    top = minutes_after(check.raised.raised_at, command.policy.welfare_check_top_minutes)
    return [
        _say(
            WelfareCheckEscalated,
            command,
            check,
            level=level,
            to_role=LEVEL_ROLES[level],
            due_at=max(command.at, top) if level < max(LEVEL_ROLES) else None,
            escalated_at=command.at,
        )
    ]


def _close(command: RecordOutcome, check: WelfareCheck) -> Events:
    if command.by.actor_id is None or command.by.role is Role.SYSTEM:
        raise Refused("person_needed")
    return [
        _say(
            WelfareCheckClosed,
            command,
            check,
            outcome=command.outcome,
            closed_by=command.by.actor_id,
            channel=command.by.channel,
            words_ref=command.words_ref,
            words_commitment=command.words_commitment,
            closed_at=command.at,
        )
    ]


E = TypeVar("E", bound=CheckFact)
_SHARED = tuple(name for name in CheckFact.model_fields if name != "role")


def _say(event_class: type[E], command: Command, check: WelfareCheck, **fields: Any) -> E:
    shared = {name: getattr(check.raised, name) for name in _SHARED}
    return event_class(**shared, role=command.by.role, **fields)


def evolve(check: State, event: WelfareCheckEvent) -> WelfareCheck:
    """The check after `event`. Raises ValueError for a stream that does not begin with WelfareCheckRaised."""
    if isinstance(event, WelfareCheckRaised):
        return WelfareCheck(event, due_at=event.due_at)
    if check is None:
        raise ValueError(f"{event.type} of check {event.check_id} comes before its WelfareCheckRaised")
    match event:
        case WelfareCheckEscalated():
            return replace(check, state=CheckState.ESCALATED, level=event.level, due_at=event.due_at)
        case WelfareCheckClosed():
            return replace(
                check, state=CheckState.CLOSED, due_at=None, outcome=event.outcome, closed_by=event.closed_by
            )
        case _:
            assert_never(event)
