"""The lifecycle of an order as data (domain.md §4.1): state × command → allowed, or the code of the refusal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.command import Refused
from contracts.orders import OrderState
from services.orders.commands.placing import (
    AcceptOrder,
    CancelOrder,
    CreateOrderFromInquiry,
    DeclareUnfulfilled,
    DeclineOffer,
    DispatchOrder,
    EscalateOrder,
    ExpireOffer,
    LapseAssignment,
    OpenOrder,
    OrderCommand,
    PlaceOrder,
    RefuseOrder,
    VerifyOrder,
    WithdrawAcceptance,
)
from services.orders.commands.serving import (
    AutoCloseService,
    CloseOrder,
    ConfirmCompletion,
    FinishService,
    PresumeCompletion,
    RateOrder,
    StartService,
)

S = OrderState
At = OrderState | None
"""A state, or None: there is no such order yet."""

ENDED = frozenset({S.CLOSED, S.CANCELLED, S.REFUSED, S.MERGED, S.UNFULFILLED})
"""Terminal: nothing is accepted any more (I7)."""
UNSTAFFED = frozenset({S.VERIFIED, S.OFFERED, S.OPEN})
BEFORE_SERVICE = frozenset({S.PLACED, *UNSTAFFED, S.ACCEPTED})
AFTER_CONFIRMATION = frozenset({S.COMPLETED, S.RATED, S.FOLLOW_UP, S.DISPUTED})
ALIVE = frozenset(S) - ENDED


@dataclass(frozen=True)
class Row:
    """One command's line: from which states, into which, by which events; and what it answers elsewhere."""

    command: type[OrderCommand]
    chinese: str
    allowed: frozenset[At]
    leads_to: str
    events: tuple[str, ...]
    refusals: Mapping[At, str] = field(default_factory=dict)

    def refusal(self, state: At) -> str | None:
        """The reason_code that this command is refused with in `state`; None where it is allowed."""
        if state in self.allowed:
            return None
        if state in self.refusals:
            return self.refusals[state]
        if state is None:
            return "order_unknown"
        return "order_ended" if state in ENDED else "wrong_state"


def _in(code: str, states: frozenset[S]) -> dict[At, str]:
    return dict.fromkeys(states, code)


_SERVING = frozenset({S.IN_SERVICE, S.SERVED, *AFTER_CONFIRMATION})
_EXISTS: dict[At, str] = dict.fromkeys(S, "order_exists")
_PAST_TRIAGE = _in("verified_already", ALIVE - {S.PLACED})
_NO_OFFER = _in("offer_not_live", ALIVE - {S.OFFERED})
_NOTHING_DUE = _in("not_due", frozenset(S))
_LOSSES: frozenset[At] = frozenset({*UNSTAFFED, S.ACCEPTED, S.IN_SERVICE})
_NO_LOSS = _in("service_over", frozenset({S.SERVED, *AFTER_CONFIRMATION})) | {S.PLACED: "not_assigned"}
_STAFFED = {S.PLACED: "not_verified", S.ACCEPTED: "staffed_already"} | _in("service_begun", _SERVING)

LIFECYCLE: tuple[Row, ...] = (
    Row(PlaceOrder, "点单", frozenset({None}), "PLACED", ("OrderPlaced",), _EXISTS),
    Row(
        CreateOrderFromInquiry,
        "制单",
        frozenset({None}),
        "OPEN",
        ("OrderPlaced", "OrderVerified", "OrderOpened"),
        _EXISTS,
    ),
    Row(VerifyOrder, "受理", frozenset({S.PLACED}), "VERIFIED", ("OrderVerified",), _PAST_TRIAGE),
    Row(RefuseOrder, "不予受理", frozenset({S.PLACED}), "REFUSED", ("OrderRefused",), _PAST_TRIAGE),
    Row(
        DispatchOrder,
        "派单",
        frozenset({S.VERIFIED, S.OPEN}),
        "OFFERED",
        ("OrderDispatched",),
        _STAFFED | {S.OFFERED: "offers_out"},
    ),
    Row(
        OpenOrder,
        "放入接单池",
        frozenset({S.VERIFIED, S.OFFERED}),
        "OPEN",
        ("OrderOpened",),
        _STAFFED | {S.OPEN: "opened_already"},
    ),
    Row(
        AcceptOrder,
        "接单",
        frozenset({S.OFFERED, S.OPEN}),
        "ACCEPTED when every slot is taken; else as before, VERIFIED after the last offer",
        ("OrderAccepted", "OrderStaffed"),
        _in("already_taken", frozenset({S.ACCEPTED}) | _SERVING)
        | _in("not_offered", frozenset({S.PLACED, S.VERIFIED})),
    ),
    Row(
        DeclineOffer,
        "婉拒",
        frozenset({S.OFFERED}),
        "OFFERED; VERIFIED after the last one",
        ("OfferDeclined",),
        _NO_OFFER,
    ),
    Row(
        ExpireOffer,
        "派单过期",
        frozenset({S.OFFERED}),
        "VERIFIED; OFFERED while others live",
        ("OfferExpired",),
        _NOTHING_DUE,
    ),
    Row(
        WithdrawAcceptance,
        "退单",
        _LOSSES,
        "VERIFIED, first in the queue; as before while searching or serving; SERVED when the others are done",
        ("AcceptanceWithdrawn",),
        _NO_LOSS,
    ),
    Row(LapseAssignment, "接单失效", _LOSSES, "as WithdrawAcceptance", ("AssignmentLapsed",), _NO_LOSS),
    Row(
        EscalateOrder,
        "升级",
        frozenset(ALIVE),
        "the same state, one level up",
        ("OrderEscalated",),
        {None: "order_unknown"},
    ),
    Row(
        StartService,
        "签到",
        frozenset({S.ACCEPTED, S.IN_SERVICE}),
        "IN_SERVICE",
        ("ServiceStarted",),
        _in("not_staffed", frozenset({S.PLACED}) | UNSTAFFED)
        | _in("service_over", frozenset({S.SERVED, *AFTER_CONFIRMATION})),
    ),
    Row(
        FinishService,
        "签退",
        frozenset({S.IN_SERVICE}),
        "SERVED when nobody is held or in service",
        ("ServiceFinished",),
        _in("not_started", BEFORE_SERVICE) | _in("service_over", frozenset({S.SERVED, *AFTER_CONFIRMATION})),
    ),
    Row(
        AutoCloseService,
        "自动结束",
        frozenset({S.IN_SERVICE}),
        "SERVED",
        ("ServiceAutoClosed", "AssignmentLapsed"),
        _NOTHING_DUE,
    ),
    Row(
        ConfirmCompletion,
        "确认完成",
        frozenset({S.SERVED}),
        "COMPLETED",
        ("CompletionConfirmed",),
        _in("not_served", BEFORE_SERVICE | {S.IN_SERVICE}) | _in("confirmed_already", AFTER_CONFIRMATION),
    ),
    Row(PresumeCompletion, "视为完成", frozenset({S.SERVED}), "COMPLETED", ("CompletionPresumed",), _NOTHING_DUE),
    Row(
        RateOrder,
        "评单",
        frozenset({S.COMPLETED}),
        "RATED",
        ("OrderRated",),
        _in("not_completed", BEFORE_SERVICE | {S.IN_SERVICE, S.SERVED})
        | _in("rated_already", frozenset({S.RATED, S.FOLLOW_UP, S.DISPUTED})),
    ),
    Row(
        CloseOrder,
        "办结",
        frozenset({S.COMPLETED, S.RATED}),
        "CLOSED",
        ("OrderClosed",),
        _in("not_completed", BEFORE_SERVICE | {S.IN_SERVICE, S.SERVED}),
    ),
    Row(
        CancelOrder, "取消", frozenset(BEFORE_SERVICE), "CANCELLED", ("OrderCancelled",), _in("service_begun", _SERVING)
    ),
    Row(DeclareUnfulfilled, "未能满足", frozenset(UNSTAFFED), "UNFULFILLED", ("OrderUnfulfilled",), _STAFFED),
)
"""Every order command that is built. Nothing leads yet to FOLLOW_UP, DISPUTED and MERGED."""

_BY_COMMAND = {row.command: row for row in LIFECYCLE}


def row_of(command: type[OrderCommand]) -> Row:
    """The line of a command."""
    return _BY_COMMAND[command]


def refusal(command: type[OrderCommand], state: At) -> str | None:
    """The reason_code that `command` gets in `state`; None where the state allows it."""
    return _BY_COMMAND[command].refusal(state)


def require(command: OrderCommand, state: At) -> None:
    """Raise Refused when the state does not take this command."""
    code = _BY_COMMAND[type(command)].refusal(state)
    if code is not None:
        raise Refused(code, state=state.value if state is not None else None)
