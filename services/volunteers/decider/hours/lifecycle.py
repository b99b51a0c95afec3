"""The lifecycle of a claim as data (domain.md §4.4, §4.7)."""

from services.volunteers.commands import hours as c
from services.volunteers.decider.hours.state import ClaimState
from services.volunteers.decider.transitions import Lifecycle, Row

S = ClaimState
ENDED = frozenset({S.LOGGED, S.VOIDED, S.REJECTED})
OPEN = frozenset({S.CLAIMED, S.CONFIRMED, S.HELD})
_MADE = dict.fromkeys(frozenset(S) - {S.NONE}, "claimed_already")
_NOT_LOGGED = dict.fromkeys(OPEN | {S.REJECTED}, "not_logged")

LIFECYCLE = Lifecycle(
    states=ClaimState,
    nothing=S.NONE,
    missing="claim_unknown",
    ends=ENDED,
    ended="claim_ended",
    elsewhere="not_held",
    rows=(
        Row(
            c.ClaimHours,
            "申报",
            frozenset({S.NONE}),
            "CLAIMED; REJECTED under 5 minutes; HELD over 720",
            ("HoursClaimed", "HoursFlagged", "HoursRejected", "HoursHeld"),
            _MADE,
        ),
        Row(
            c.ClaimHoursManually,
            "补录",
            frozenset({S.NONE}),
            "HELD until confirmed and approved",
            ("HoursClaimed", "HoursFlagged", "HoursHeld"),
            _MADE,
        ),
        Row(
            c.ConfirmHours,
            "确认",
            frozenset({S.CLAIMED, S.HELD}),
            "CONFIRMED; HELD stays so",
            ("HoursConfirmed",),
            {S.CONFIRMED: "confirmed_already"},
        ),
        Row(
            c.LogHours,
            "入账",
            frozenset({S.CONFIRMED, S.HELD}),
            "LOGGED; HELD while people have to look",
            ("HoursLogged", "HoursHeld"),
            {S.CLAIMED: "not_confirmed"},
        ),
        Row(c.HoldHours, "争议暂停", OPEN, "HELD, disputed", ("HoursHeld",)),
        Row(
            c.ReleaseHours,
            "争议解除",
            frozenset({S.HELD}),
            "LOGGED; HELD for what else the rules ask",
            ("HoursLogged", "HoursHeld"),
            {S.CLAIMED: "not_in_dispute", S.CONFIRMED: "not_in_dispute"},
        ),
        Row(c.ApproveHours, "复核", frozenset({S.HELD}), "HELD; LOGGED by LogHours", ("HoursApproved",)),
        Row(c.RejectHours, "不予认定", OPEN, "REJECTED", ("HoursRejected",)),
        Row(
            c.RequestCorrection,
            "更正申请",
            frozenset({S.LOGGED}),
            "LOGGED, in question",
            ("CorrectionRequested",),
            _NOT_LOGGED,
        ),
        Row(
            c.AdjustHours,
            "更正",
            frozenset({S.LOGGED}),
            "LOGGED with other minutes, or upheld",
            ("HoursAdjusted",),
            _NOT_LOGGED,
        ),
        Row(c.VoidHours, "作废", frozenset({S.LOGGED}), "VOIDED", ("HoursVoided",), _NOT_LOGGED),
        Row(c.DrawSample, "抽查抽取", frozenset({S.LOGGED}), "LOGGED, to be checked", ("HoursSampled",), _NOT_LOGGED),
        Row(
            c.RecordSample,
            "抽查结果",
            frozenset({S.LOGGED}),
            "LOGGED; in question when not confirmed",
            ("HoursSampled", "CorrectionRequested"),
            _NOT_LOGGED,
        ),
    ),
)
"""Every command about a claim. Rules beyond the state stand in the decisions."""
