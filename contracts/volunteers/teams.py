"""Teams: founded by volunteers, registered by the station, joined and left freely, led by one of them for a term."""

from uuid import UUID

from contracts.command import Role
from contracts.event import Code, Count, Event, Instant, UnitCode


class TeamFact(Event):
    """What every event of a team carries. The code is one of the community's list; its name stands there."""

    team_id: UUID
    team_code: UnitCode


class TeamFounded(TeamFact, service="volunteers", audience="partner"):
    """队伍发起 — a volunteer began a team."""

    founder_id: UUID
    role: Role
    founded_at: Instant


class TeamRegistered(TeamFact, service="volunteers", audience="partner"):
    """队伍登记 — the station registered a team, or took a dormant one up again."""

    members: Count
    leader_id: UUID
    due_at: Instant
    """When it falls dormant unless something happens before."""
    role: Role
    registered_at: Instant


class TeamDormant(TeamFact, service="volunteers", audience="partner"):
    """队伍休眠 — nobody of a team joined or served for long."""

    last_activity_at: Instant
    role: Role
    dormant_at: Instant


class TeamDissolved(TeamFact, service="volunteers", audience="partner"):
    """队伍解散 — a team ended, and with it every membership."""

    members: Count
    reason_code: Code
    role: Role
    dissolved_at: Instant


class MemberJoined(TeamFact, service="volunteers", audience="partner"):
    """队员加入 — a volunteer joined a team."""

    volunteer_id: UUID
    members: Count
    woke: bool = False
    """The team was dormant until now."""
    due_at: Instant
    """When the team falls dormant unless something happens before."""
    role: Role
    joined_at: Instant


class MemberLeft(TeamFact, service="volunteers", audience="partner"):
    """队员离开 — a volunteer left a team."""

    volunteer_id: UUID
    members: Count
    was_leader: bool
    reason_code: Code | None = None
    role: Role
    left_at: Instant


class LeaderAppointed(TeamFact, service="volunteers", audience="partner"):
    """队长任命 — a member leads a team until the end of a term."""

    leader_id: UUID
    previous_leader_id: UUID | None = None
    due_at: Instant
    """The end of the term."""
    role: Role
    appointed_at: Instant


TeamEvent = TeamFounded | TeamRegistered | TeamDormant | TeamDissolved | MemberJoined | MemberLeft | LeaderAppointed
