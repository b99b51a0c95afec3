"""要求补充, 补充信息: the clock of triage stands still while the resident is asked (domain.md §4.1, row 5)."""

from collections.abc import Sequence
from datetime import timedelta

from contracts.command import Refused
from contracts.orders import OrderEvent, OrderInfoProvided, OrderInfoRequested, OrderState
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.decider.deadlines import triage_left_minutes
from services.orders.decider.saying import say
from services.orders.decider.state import Order

Events = Sequence[OrderEvent]


def request_info(command: RequestInfo, order: Order) -> Events:
    """Ask once; what was left of triage's time is kept for the answer."""
    if order.info_requested_at is not None:
        raise Refused("info_requested_already")
    requested = say(
        order,
        command,
        OrderInfoRequested,
        OrderState.PLACED,
        asked_for=command.asked_for,
        words_ref=command.words_ref,
        words_commitment=command.words_commitment,
        left_minutes=triage_left_minutes(order, command.at, command.policy),
        info_requested_at=command.at,
    )
    return [requested]


def provide_info(command: ProvideInfo, order: Order) -> Events:
    """Answer what was asked; triage is due when what was left has passed from now on."""
    if order.info_requested_at is None:
        raise Refused("info_not_requested")
    provided = say(
        order,
        command,
        OrderInfoProvided,
        OrderState.PLACED,
        channel=command.by.channel,
        details_ref=command.details_ref,
        details_commitment=command.details_commitment,
        paused_minutes=(command.at - order.info_requested_at) // timedelta(minutes=1),
        info_provided_at=command.at,
    )
    return [provided]
