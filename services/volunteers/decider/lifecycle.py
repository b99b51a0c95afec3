"""The lifecycles of volunteer and team as data (domain.md §4.3): state × command → allowed, or a refusal's code."""

from collections.abc import Iterable

from services.volunteers.commands.helping import (
    DeclareSkill,
    ExpireLicence,
    PauseVolunteer,
    RecordGuardianConsent,
    RecordInsurance,
    RecordLicence,
    RecordTraining,
    RegisterVolunteer,
    ReinstateVolunteer,
    RejectVolunteer,
    ResumeVolunteer,
    SetAvailability,
    SuspendVolunteer,
    VerifyIdentity,
    VerifySkill,
    VolunteerCommand,
    WithdrawVolunteer,
)
from services.volunteers.commands.teams import (
    AppointLeader,
    DissolveTeam,
    FoundTeam,
    JoinTeam,
    LeaveTeam,
    MarkTeamDormant,
    RegisterTeam,
)
from services.volunteers.decider.team import TeamState
from services.volunteers.decider.transitions import Lifecycle, Row
from services.volunteers.decider.volunteer import LIVE, VolunteerState

S = VolunteerState


def _row(
    command: type[VolunteerCommand],
    chinese: str,
    allowed: Iterable[S],
    leads_to: str,
    events: tuple[str, ...],
    elsewhere: str = "",
) -> Row:
    """`elsewhere` is what the command answers in the other states in which somebody is a volunteer."""
    allowed = frozenset(allowed)
    refusals = dict.fromkeys(LIVE - allowed, elsewhere)
    if S.REJECTED not in allowed:
        refusals[S.REJECTED] = "volunteer_rejected"
    return Row(command, chinese, allowed, leads_to, events, refusals)


SAME = "the same"

VOLUNTEER_LIFECYCLE = Lifecycle(
    states=VolunteerState,
    rows=(
        _row(
            RegisterVolunteer,
            "注册",
            (S.NONE, S.REJECTED, S.WITHDRAWN),
            "PENDING, under the first number",
            ("VolunteerRegistered", "GuardianConsentRecorded"),
            "volunteer_registered_already",
        ),
        _row(RecordGuardianConsent, "监护人同意", LIVE, SAME, ("GuardianConsentRecorded",)),
        _row(
            VerifyIdentity,
            "实名核验",
            (S.PENDING,),
            "ACTIVE",
            ("IdentityVerified", "VolunteerActivated"),
            "identity_verified_already",
        ),
        _row(
            RejectVolunteer, "不予通过", (S.PENDING,), "REJECTED", ("VolunteerRejected",), "identity_verified_already"
        ),
        _row(DeclareSkill, "申报技能", LIVE, SAME, ("SkillDeclared",)),
        _row(VerifySkill, "核实技能", LIVE, SAME, ("SkillVerified",)),
        _row(RecordLicence, "登记资质", LIVE, SAME, ("LicenceRecorded",)),
        _row(ExpireLicence, "资质到期", LIVE, SAME, ("LicenceExpired",)),
        _row(RecordTraining, "登记培训", LIVE, SAME, ("TrainingCompleted",)),
        _row(RecordInsurance, "登记保险", LIVE, SAME, ("InsuranceRecorded",)),
        _row(SetAvailability, "可服务时间", LIVE, SAME, ("AvailabilitySet",)),
        _row(PauseVolunteer, "暂停", (S.ACTIVE,), "PAUSED", ("VolunteerPaused",), "not_active"),
        _row(ResumeVolunteer, "恢复", (S.PAUSED,), "ACTIVE", ("VolunteerResumed",), "not_paused"),
        _row(
            SuspendVolunteer,
            "停权",
            (S.ACTIVE, S.PAUSED),
            "SUSPENDED",
            ("VolunteerSuspended",),
            "not_suspendable",
        ),
        _row(
            ReinstateVolunteer,
            "复原",
            (S.SUSPENDED,),
            "ACTIVE; PAUSED where a rest was not over",
            ("VolunteerReinstated", "VolunteerPaused"),
            "not_suspended",
        ),
        _row(WithdrawVolunteer, "退出", LIVE, "WITHDRAWN", ("VolunteerWithdrawn",)),
    ),
    nothing=S.NONE,
    missing="volunteer_unknown",
    ends=frozenset({S.WITHDRAWN}),
    ended="volunteer_withdrawn",
    elsewhere="wrong_state",
)
"""Every command about a volunteer. Nothing is ever `wrong_state`: each row says what it answers."""

T = TeamState
_MEETING = (T.FOUNDED, T.ACTIVE, T.DORMANT)

TEAM_LIFECYCLE = Lifecycle(
    states=TeamState,
    rows=(
        Row(
            FoundTeam,
            "发起队伍",
            frozenset({T.NONE, T.DISSOLVED}),
            "FOUNDED",
            ("TeamFounded", "MemberJoined"),
            dict.fromkeys(_MEETING, "team_exists"),
        ),
        Row(JoinTeam, "加入", frozenset(_MEETING), "the same; ACTIVE from DORMANT", ("MemberJoined",)),
        Row(LeaveTeam, "离开", frozenset(_MEETING), SAME, ("MemberLeft",)),
        Row(AppointLeader, "任命队长", frozenset(_MEETING), SAME, ("LeaderAppointed",)),
        Row(
            RegisterTeam,
            "登记队伍",
            frozenset({T.FOUNDED, T.DORMANT}),
            "ACTIVE",
            ("TeamRegistered",),
            {T.ACTIVE: "team_registered_already"},
        ),
        Row(
            MarkTeamDormant,
            "休眠",
            frozenset({T.ACTIVE}),
            "DORMANT",
            ("TeamDormant",),
            {T.FOUNDED: "team_not_registered", T.DORMANT: "dormant_already"},
        ),
        Row(DissolveTeam, "解散", frozenset(_MEETING), "DISSOLVED", ("TeamDissolved",)),
    ),
    nothing=T.NONE,
    missing="team_unknown",
    ends=frozenset({T.DISSOLVED}),
    ended="team_dissolved",
    elsewhere="wrong_state",
)
"""Every command about a team."""
