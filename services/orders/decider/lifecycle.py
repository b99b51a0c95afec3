"""The lifecycle of an order as data (domain.md §4.1): state × command → allowed, or the code of the refusal.

The tests walk every cell of it, and services/orders/README.md is drawn from it (decider/drawing.py).
"""

from contracts.command import Refused
from services.orders.commands.disputes import AppealContest, ResolveContest
from services.orders.commands.follow_up import (
    CloseFollowUp,
    DismissRating,
    EscalateFollowUp,
    OpenFollowUp,
    OrderRectification,
    RecordContact,
    ReportRectification,
    VerifyRectification,
)
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.missing import RecordResidentAbsent, RecordServiceAfterwards, RecordVolunteerNoShow
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
    AmendRating,
    AutoCloseService,
    CloseOrder,
    ConfirmCompletion,
    ContestCompletion,
    FinishService,
    PresumeCompletion,
    RateOrder,
    StartService,
)
from services.orders.commands.turning import (
    MergeOrder,
    ReconfirmAssignment,
    RedispatchOrder,
    ReopenOrder,
    RescheduleOrder,
)
from services.orders.decider.states import (
    AFTER_CONFIRMATION,
    ALIVE,
    BEFORE_SERVICE,
    UNSTAFFED,
    At,
    Row,
    S,
    into,
    refused_with,
    staying,
)

_SERVED_ON = frozenset({S.SERVED, *AFTER_CONFIRMATION})
_SERVING = frozenset({S.IN_SERVICE, *_SERVED_ON})
_EXISTS = refused_with("order_exists", *S)
_PAST_TRIAGE = refused_with("verified_already", *(ALIVE - {S.PLACED}))
_NOTHING_DUE = refused_with("not_due", *S)
_OVER = refused_with("service_over", *_SERVED_ON)
_NOT_STAFFED = refused_with("not_staffed", S.PLACED, *UNSTAFFED)
_STAFFED = {S.PLACED: "not_verified", S.ACCEPTED: "staffed_already"} | refused_with("service_begun", *_SERVING)
_LOSS = staying(S.VERIFIED, S.OFFERED, S.OPEN) | into(S.VERIFIED, S.ACCEPTED) | {S.IN_SERVICE: (S.IN_SERVICE, S.SERVED)}
_NO_LOSS = _OVER | {S.PLACED: "not_assigned"}
_LOST = "back to VERIFIED first in the queue; SERVED when the others are done"

_LOOKED_INTO = "FOLLOW_UP at 2★ or less, at 3★ with a tag, or with a complaint"
_NO_FOLLOW_UP = refused_with("no_follow_up", *(state for state in S if state in ALIVE and state is not S.FOLLOW_UP))

LIFECYCLE: tuple[Row, ...] = (
    Row(PlaceOrder, "点单", into(S.PLACED, None), ("OrderPlaced",), _EXISTS),
    Row(
        CreateOrderFromInquiry,
        "制单",
        into(S.OPEN, None),
        ("OrderPlaced", "OrderVerified", "OrderOpened"),
        _EXISTS,
    ),
    Row(
        RequestInfo,
        "要求补充",
        staying(S.PLACED),
        ("OrderInfoRequested",),
        _PAST_TRIAGE,
        "the clock of triage stands still",
    ),
    Row(ProvideInfo, "补充信息", staying(S.PLACED), ("OrderInfoProvided",), _PAST_TRIAGE, "the clock goes on"),
    Row(VerifyOrder, "受理", into(S.VERIFIED, S.PLACED), ("OrderVerified",), _PAST_TRIAGE),
    Row(RefuseOrder, "不予受理", into(S.REFUSED, S.PLACED), ("OrderRefused",), _PAST_TRIAGE),
    Row(
        MergeOrder,
        "合并",
        into(S.MERGED, S.PLACED, S.VERIFIED),
        ("OrderMerged",),
        refused_with("service_begun", *_SERVING)
        | {S.OFFERED: "offers_out", S.OPEN: "opened_already", S.ACCEPTED: "staffed_already"},
    ),
    Row(
        DispatchOrder,
        "派单",
        into(S.OFFERED, S.VERIFIED, S.OPEN),
        ("OrderDispatched",),
        _STAFFED | {S.OFFERED: "offers_out"},
    ),
    Row(
        OpenOrder,
        "放入接单池",
        into(S.OPEN, S.VERIFIED, S.OFFERED),
        ("OrderOpened",),
        _STAFFED | {S.OPEN: "opened_already"},
    ),
    Row(
        AcceptOrder,
        "接单",
        {S.OFFERED: (S.ACCEPTED, S.OFFERED, S.VERIFIED), S.OPEN: (S.ACCEPTED, S.OPEN)},
        ("OrderAccepted", "OrderStaffed"),
        refused_with("already_taken", S.ACCEPTED, *_SERVING) | refused_with("not_offered", S.PLACED, S.VERIFIED),
        "ACCEPTED when every slot is taken; VERIFIED after the last offer",
    ),
    Row(
        DeclineOffer,
        "婉拒",
        {S.OFFERED: (S.VERIFIED, S.OFFERED)},
        ("OfferDeclined",),
        refused_with("offer_not_live", *(ALIVE - {S.OFFERED})),
        "VERIFIED after the last offer",
    ),
    Row(
        ExpireOffer,
        "派单过期",
        {S.OFFERED: (S.VERIFIED, S.OFFERED)},
        ("OfferExpired",),
        _NOTHING_DUE,
        "OFFERED while others live",
    ),
    Row(WithdrawAcceptance, "退单", _LOSS, ("AcceptanceWithdrawn",), _NO_LOSS, _LOST),
    Row(LapseAssignment, "接单失效", _LOSS, ("AssignmentLapsed",), _NO_LOSS, _LOST),
    Row(
        RedispatchOrder,
        "改派",
        into(S.OFFERED, S.OFFERED, S.OPEN, S.ACCEPTED),
        ("OrderRedispatched",),
        refused_with("service_begun", *_SERVING) | {S.PLACED: "not_verified", S.VERIFIED: "not_dispatched"},
    ),
    Row(
        RescheduleOrder,
        "改期",
        {S.VERIFIED: (S.VERIFIED,), S.OFFERED: (S.VERIFIED,), S.OPEN: (S.OPEN,), S.ACCEPTED: (S.ACCEPTED, S.VERIFIED)},
        ("OrderRescheduled", "AssignmentLapsed"),
        refused_with("service_begun", *_SERVING) | {S.PLACED: "not_verified"},
        "VERIFIED when somebody cannot at the new time",
    ),
    Row(
        ReconfirmAssignment,
        "改期后确认",
        staying(S.VERIFIED, S.OFFERED, S.OPEN, S.ACCEPTED),
        ("AssignmentReconfirmed",),
        refused_with("service_begun", *_SERVING) | {S.PLACED: "not_assigned"},
    ),
    Row(
        EscalateOrder,
        "升级",
        staying(*(state for state in S if state in ALIVE)),
        ("OrderEscalated",),
        note="one level up",
    ),
    Row(
        StartService,
        "签到",
        into(S.IN_SERVICE, S.ACCEPTED, S.IN_SERVICE),
        ("ServiceStarted",),
        _NOT_STAFFED | _OVER,
    ),
    Row(
        RecordVolunteerNoShow,
        "爽约",
        into(S.VERIFIED, S.ACCEPTED) | {S.IN_SERVICE: (S.IN_SERVICE, S.SERVED)},
        ("VolunteerNoShowRecorded",),
        _NOT_STAFFED | _OVER,
        _LOST,
    ),
    Row(
        RecordResidentAbsent,
        "扑空",
        into(S.VERIFIED, S.ACCEPTED),
        ("ResidentAbsentRecorded",),
        _NOT_STAFFED | _OVER | {S.IN_SERVICE: "service_begun"},
        "with WelfareCheckRaised in the same append where that was agreed",
    ),
    Row(
        FinishService,
        "签退",
        {S.IN_SERVICE: (S.SERVED, S.IN_SERVICE)},
        ("ServiceFinished",),
        refused_with("not_started", *BEFORE_SERVICE) | _OVER,
        "SERVED when nobody is held or in service",
    ),
    Row(
        AutoCloseService,
        "自动结束",
        into(S.SERVED, S.IN_SERVICE),
        ("ServiceAutoClosed", "AssignmentLapsed"),
        _NOTHING_DUE,
    ),
    Row(
        RecordServiceAfterwards,
        "补录服务",
        dict.fromkeys((S.VERIFIED, S.ACCEPTED, S.IN_SERVICE), (S.SERVED, S.IN_SERVICE)),
        ("ServiceRecordedAfterwards",),
        _OVER | {S.PLACED: "not_verified", S.OFFERED: "offers_out", S.OPEN: "opened_already"},
        "IN_SERVICE while others are held or in service",
    ),
    Row(
        ConfirmCompletion,
        "确认完成",
        into(S.COMPLETED, S.SERVED),
        ("CompletionConfirmed",),
        refused_with("not_served", S.IN_SERVICE, *BEFORE_SERVICE)
        | refused_with("confirmed_already", *(AFTER_CONFIRMATION - {S.DISPUTED}))
        | {S.DISPUTED: "dispute_open"},
    ),
    Row(PresumeCompletion, "视为完成", into(S.COMPLETED, S.SERVED), ("CompletionPresumed",), _NOTHING_DUE),
    Row(
        RateOrder,
        "评单",
        {S.COMPLETED: (S.RATED, S.FOLLOW_UP)},
        ("OrderRated", "FollowUpOpened"),
        refused_with("not_completed", S.IN_SERVICE, S.SERVED, *BEFORE_SERVICE)
        | refused_with("rated_already", S.RATED, S.FOLLOW_UP)
        | {S.DISPUTED: "dispute_open"},
        _LOOKED_INTO,
    ),
    Row(
        AmendRating,
        "修改评分",
        {S.RATED: (S.RATED, S.FOLLOW_UP), S.FOLLOW_UP: (S.FOLLOW_UP,)},
        ("OrderRatingAmended", "FollowUpOpened"),
        refused_with("not_rated", S.COMPLETED, S.IN_SERVICE, S.SERVED, *BEFORE_SERVICE) | {S.DISPUTED: "dispute_open"},
        _LOOKED_INTO,
    ),
    Row(
        OpenFollowUp,
        "回访立案",
        into(S.FOLLOW_UP, S.RATED),
        ("FollowUpOpened",),
        refused_with("not_rated", *(BEFORE_SERVICE | {S.IN_SERVICE, S.SERVED, S.COMPLETED}))
        | {S.FOLLOW_UP: "follow_up_open", S.DISPUTED: "dispute_open"},
        "after a complaint",
    ),
    *(
        Row(command, chinese, staying(S.FOLLOW_UP), events, _NO_FOLLOW_UP)
        for command, chinese, events in (
            (RecordContact, "回访登记", ("FollowUpContacted",)),
            (DismissRating, "误评申诉成立", ("FollowUpDismissed",)),
            (OrderRectification, "责令整改", ("RectificationOrdered",)),
            (ReportRectification, "整改反馈", ("RectificationReported",)),
            (VerifyRectification, "整改复核", ("RectificationVerified", "RectificationRejected")),
        )
    ),
    Row(EscalateFollowUp, "回访超时", staying(S.FOLLOW_UP), ("FollowUpOverdue",), _NOTHING_DUE, "one level up"),
    Row(CloseFollowUp, "回访办结", into(S.RATED, S.FOLLOW_UP), ("FollowUpClosed",), _NO_FOLLOW_UP),
    Row(
        ContestCompletion,
        "提出异议",
        into(S.DISPUTED, S.SERVED, S.COMPLETED, S.RATED),
        ("CompletionContested",),
        refused_with("not_served", S.IN_SERVICE, *BEFORE_SERVICE)
        | {S.DISPUTED: "contested_already", S.FOLLOW_UP: "follow_up_open"},
    ),
    Row(
        ResolveContest,
        "裁定",
        {S.DISPUTED: (S.SERVED, S.COMPLETED, S.RATED, S.UNFULFILLED)},
        ("DisputeResolved",),
        refused_with("dispute_not_open", *(state for state in S if state is not S.DISPUTED)),
        "back to where it stood, or UNFULFILLED",
    ),
    Row(
        AppealContest,
        "复议",
        into(S.DISPUTED, S.SERVED, S.COMPLETED, S.RATED, S.UNFULFILLED),
        ("DisputeAppealed",),
        refused_with("not_contested", S.IN_SERVICE, *BEFORE_SERVICE)
        | {S.DISPUTED: "dispute_not_resolved", S.FOLLOW_UP: "follow_up_open"},
        "once, and the order waits again",
    ),
    Row(
        CloseOrder,
        "办结",
        into(S.CLOSED, S.COMPLETED, S.RATED),
        ("OrderClosed",),
        refused_with("not_completed", S.IN_SERVICE, S.SERVED, *BEFORE_SERVICE)
        | {S.DISPUTED: "dispute_open", S.FOLLOW_UP: "follow_up_open"},
    ),
    Row(
        CancelOrder,
        "取消",
        into(S.CANCELLED, *(state for state in S if state in BEFORE_SERVICE)),
        ("OrderCancelled",),
        refused_with("service_begun", *_SERVING),
    ),
    Row(DeclareUnfulfilled, "未能满足", into(S.UNFULFILLED, *UNSTAFFED), ("OrderUnfulfilled",), _STAFFED),
    Row(
        ReopenOrder,
        "重开",
        into(S.VERIFIED, S.UNFULFILLED),
        ("OrderReopened",),
        refused_with("not_unfulfilled", *(state for state in S if state in ALIVE)),
    ),
)
"""Every command of an order. Within FOLLOW_UP, follow_up_state.py goes on; within DISPUTED, dispute_state.py."""

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
