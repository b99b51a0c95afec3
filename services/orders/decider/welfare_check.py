"""平安核查: somebody makes sure that a person is well (domain.md §4.1, row 19)."""

from collections.abc import Sequence

from contracts.command import Refused, Role
from contracts.orders import WelfareCheckEvent, WelfareCheckRaised
from services.orders.commands.missing import RaiseWelfareCheck
from services.orders.decider.deadlines import minutes_after

WelfareCheck = WelfareCheckRaised | None
"""A check is what was raised."""


def initial() -> WelfareCheck:
    """Nobody is worried."""
    return None


def decide(command: RaiseWelfareCheck, check: WelfareCheck) -> Sequence[WelfareCheckEvent]:
    """Raise it once; the grid worker goes first, and there is half an hour."""
    if check is not None:
        raise Refused("check_raised_already")
    raised = WelfareCheckRaised(
        check_id=command.check_id,
        order_id=command.order_id,
        beneficiary_id=command.beneficiary_id,
        cause=command.cause,
        grid_id=command.grid_id,
        entrance_id=command.entrance_id,
        order_no=command.order_no,
        item_code=command.item_code,
        window_start=command.window_start,
        window_end=command.window_end,
        role=command.by.role,
        raised_by=command.by.actor_id,
        owner_role=Role.GRID_WORKER,
        level=1,
        due_at=minutes_after(command.at, command.policy.welfare_check_minutes),
        raised_at=command.at,
    )
    return [raised]


def evolve(check: WelfareCheck, event: WelfareCheckEvent) -> WelfareCheck:  # noqa: ARG001 — one event, so far
    """The check is what was said of it."""
    return event
