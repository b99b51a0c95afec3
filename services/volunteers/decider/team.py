"""What the rules need to know of a team, and how events change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.volunteers import (
    LeaderAppointed,
    MemberJoined,
    MemberLeft,
    TeamDissolved,
    TeamDormant,
    TeamEvent,
    TeamFounded,
    TeamRegistered,
)


class TeamState(StrEnum):
    """Where a team stands."""

    NONE = "NONE"
    FOUNDED = "FOUNDED"
    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    DISSOLVED = "DISSOLVED"


@dataclass(frozen=True, slots=True)
class Team:
    """What the rules need to know of a team."""

    state: TeamState = TeamState.NONE
    members: Mapping[UUID, datetime] = field(default_factory=dict)
    """Member → since when."""
    leader_id: UUID | None = None
    term_until: datetime | None = None

    def led_by(self, at: datetime) -> UUID | None:
        """Who leads at a moment: a term that is over leaves the team without a leader."""
        over = self.term_until is None or self.term_until <= at
        return None if over else self.leader_id


def initial() -> Team:
    """A team that nobody began."""
    return Team()


def evolve(team: Team, event: TeamEvent) -> Team:
    """The team after an event."""
    match event:
        case TeamFounded():
            return Team(state=TeamState.FOUNDED)
        case TeamRegistered():
            return replace(team, state=TeamState.ACTIVE)
        case TeamDormant():
            return replace(team, state=TeamState.DORMANT)
        case TeamDissolved():
            return Team(state=TeamState.DISSOLVED)
        case MemberJoined():
            state = TeamState.ACTIVE if team.state is TeamState.DORMANT else team.state
            return replace(team, state=state, members={**team.members, event.volunteer_id: event.joined_at})
        case MemberLeft():
            left = {member: since for member, since in team.members.items() if member != event.volunteer_id}
            if event.volunteer_id == team.leader_id:
                return replace(team, members=left, leader_id=None, term_until=None)
            return replace(team, members=left)
        case LeaderAppointed():
            return replace(team, leader_id=event.leader_id, term_until=event.due_at)
        case _:
            assert_never(event)
