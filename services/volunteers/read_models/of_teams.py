"""The fold of teams: where each stands, who leads it, who is a member, and when each volunteer was last credited."""

from contracts.envelope import Recorded
from contracts.volunteers import (
    HoursLogged,
    LeaderAppointed,
    MemberJoined,
    MemberLeft,
    TeamDissolved,
    TeamDormant,
    TeamFounded,
    TeamRegistered,
)
from eventstore.rows import Rows
from services.volunteers.read_models import tables as t


def fold(recorded: Recorded, rows: Rows) -> None:
    """What an event on a team's stream changes; credited hours are activity of every team of the volunteer."""
    match recorded.event:
        case TeamFounded() as event:
            rows.upsert(
                t.teams,
                team_id=event.team_id,
                team_code=event.team_code,
                state="FOUNDED",
                members=0,
                leader_id=None,
                term_until=None,
                founded_at=event.founded_at,
                active_at=event.founded_at,
                due_at=None,
            )
        case TeamRegistered() as event:
            rows.update(t.teams, event.team_id, state="ACTIVE", active_at=event.registered_at, due_at=event.due_at)
        case TeamDormant() as event:
            rows.update(t.teams, event.team_id, state="DORMANT", due_at=None)
        case TeamDissolved() as event:
            ended = {"leader_id": None, "term_until": None, "due_at": None, "members": 0}
            rows.update(t.teams, event.team_id, state="DISSOLVED", **ended)
        case MemberJoined() as event:
            _joined(event, rows)
        case MemberLeft() as event:
            rows.update(t.team_members, (event.team_id, event.volunteer_id), left_at=event.left_at)
            led = {"leader_id": None, "term_until": None} if event.was_leader else {}
            rows.update(t.teams, event.team_id, members=event.members, **led)
        case LeaderAppointed() as event:
            rows.update(t.teams, event.team_id, leader_id=event.leader_id, term_until=event.due_at)
        case HoursLogged() as event:
            rows.upsert(t.last_hours, volunteer_id=event.volunteer_id, logged_at=event.logged_at)
        case _:
            pass  # a reader shows what it knows and ignores the rest


def _joined(event: MemberJoined, rows: Rows) -> None:
    rows.upsert(
        t.team_members,
        team_id=event.team_id,
        volunteer_id=event.volunteer_id,
        joined_at=event.joined_at,
        left_at=None,
    )
    woken = {"state": "ACTIVE"} if event.woke else {}
    rows.update(t.teams, event.team_id, members=event.members, active_at=event.joined_at, due_at=event.due_at, **woken)
