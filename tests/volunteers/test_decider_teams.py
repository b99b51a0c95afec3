"""The rules about a team, given/when/then, and every (state, command) pair."""

from datetime import timedelta

import pytest

from contracts.command import Role
from services.volunteers.commands.teams import TEAM_COMMANDS
from services.volunteers.decider import teams
from services.volunteers.decider.lifecycle import TEAM_LIFECYCLE
from tests.volunteers.examples import ANNA, BO, LEE, NOON, WANG, ZHAO, Story, by, team_commands


def joining(person_id):
    return team_commands()["JoinTeam"].model_copy(update={"volunteer_id": person_id})


def story_in(state: str) -> Story:
    """A team of Anna, Bo and Wang, which Anna leads, in a state."""
    commands = team_commands()
    leads = commands["AppointLeader"].model_copy(update={"leader_id": ANNA})
    founded = (commands["FoundTeam"], joining(BO), joining(WANG), leads)
    registered = (*founded, commands["RegisterTeam"])
    ways = {
        "NONE": (),
        "FOUNDED": founded,
        "ACTIVE": registered,
        "DORMANT": (*registered, commands["MarkTeamDormant"]),
        "DISSOLVED": (*registered, commands["DissolveTeam"]),
    }
    return Story(teams, *ways[state])


MEETING = {"FOUNDED": "", "ACTIVE": "", "DORMANT": ""}
REACHED = {
    "FoundTeam": {"NONE": "FOUNDED", "DISSOLVED": "FOUNDED"},
    "JoinTeam": MEETING | {"DORMANT": "ACTIVE"},
    "LeaveTeam": MEETING,
    "AppointLeader": MEETING,
    "RegisterTeam": {"FOUNDED": "ACTIVE", "DORMANT": "ACTIVE"},
    "MarkTeamDormant": {"ACTIVE": "DORMANT"},
    "DissolveTeam": dict.fromkeys(MEETING, "DISSOLVED"),
}
"""Command → from where to where; empty: the state stays."""
ELSEWHERE = {
    ("FoundTeam", "FOUNDED"): "team_exists",
    ("FoundTeam", "ACTIVE"): "team_exists",
    ("FoundTeam", "DORMANT"): "team_exists",
    ("RegisterTeam", "ACTIVE"): "team_registered_already",
    ("MarkTeamDormant", "FOUNDED"): "team_not_registered",
    ("MarkTeamDormant", "DORMANT"): "dormant_already",
}


@pytest.mark.parametrize("name", [command.__name__ for command in TEAM_COMMANDS])
@pytest.mark.parametrize("state", list(teams.TeamState))
def test_every_state_answers_every_command(state, name):
    story, command = story_in(state), team_commands()[name]
    assert story.state.state is state
    if state in REACHED[name]:
        story.when(command)
        assert {event.type for event in story.events} <= set(TEAM_LIFECYCLE.row(type(command)).events)
        assert story.state.state == (REACHED[name][state] or state)
    else:
        gone = {"NONE": "team_unknown", "DISSOLVED": "team_dissolved"}
        code = ELSEWHERE.get((name, state)) or gone[state]
        story.refuses(command, code)
        assert TEAM_LIFECYCLE.refusal(type(command), state) == code


def test_every_command_has_a_line_in_the_lifecycle():
    assert [row.command for row in TEAM_LIFECYCLE.rows] == list(TEAM_COMMANDS)
    assert {command.__name__ for command in TEAM_COMMANDS} == set(team_commands())


def test_the_founder_is_the_first_member_and_serves():
    found = team_commands()["FoundTeam"]
    joined = Story(teams).when(found).then("TeamFounded", "MemberJoined")
    assert (joined.volunteer_id, joined.members) == (ANNA, 1)
    Story(teams).refuses(found.model_copy(update={"active": False}), "member_not_active")


def test_a_team_is_registered_with_three_members_of_whom_one_leads():
    commands = team_commands()
    story = Story(teams, commands["FoundTeam"], joining(BO))
    story.refuses(commands["RegisterTeam"], "too_few_members")
    story.when(joining(WANG)).refuses(commands["RegisterTeam"], "leader_needed")
    story.when(commands["AppointLeader"])
    registered = story.when(commands["RegisterTeam"]).then("TeamRegistered")
    assert (registered.members, registered.leader_id) == (3, BO)
    assert registered.due_at == NOON + timedelta(days=90)


def test_a_term_that_is_over_leaves_the_team_without_a_leader():
    story = story_in("FOUNDED")
    late = team_commands()["RegisterTeam"].model_copy(update={"at": NOON + timedelta(days=365)})
    story.refuses(late, "leader_needed")


def test_one_leads_and_the_next_follows():
    story = story_in("ACTIVE").when(team_commands()["AppointLeader"])
    appointed = story.then("LeaderAppointed")
    assert (appointed.leader_id, appointed.previous_leader_id) == (BO, ANNA)
    assert story.state.leader_id == BO


@pytest.mark.parametrize(
    ("update", "code"),
    [
        ({"leader_id": ZHAO}, "not_a_member"),
        ({"by": by(BO, Role.STATION_MANAGER)}, "self_grant"),
        ({"term_until": NOON}, "time_impossible"),
        ({"term_until": NOON + timedelta(days=1_097)}, "term_too_long"),
    ],
)
def test_a_leader_is_a_member_appointed_by_another_for_a_term(update, code):
    story_in("ACTIVE").refuses(team_commands()["AppointLeader"].model_copy(update=update), code)


def test_who_leaves_leads_no_more():
    leaves = team_commands()["LeaveTeam"]
    assert story_in("ACTIVE").when(leaves).then("MemberLeft").was_leader is False
    leader = story_in("ACTIVE").when(leaves.model_copy(update={"volunteer_id": ANNA}))
    left = leader.then("MemberLeft")
    assert (left.was_leader, left.members, leader.state.leader_id) == (True, 2, None)
    leader.refuses(leaves.model_copy(update={"volunteer_id": ANNA}), "not_a_member")


def test_one_joins_once_and_only_who_serves():
    story_in("ACTIVE").refuses(joining(BO), "member_already")
    resting = joining(LEE).model_copy(update={"active": False})
    story_in("ACTIVE").refuses(resting, "member_not_active")


def test_a_team_falls_dormant_after_ninety_days_and_wakes_when_somebody_joins():
    marks = team_commands()["MarkTeamDormant"]
    early = marks.model_copy(update={"at": NOON + timedelta(days=90, seconds=-1)})
    story_in("ACTIVE").refuses(early, "not_due")
    story = story_in("ACTIVE").when(marks)
    assert story.then("TeamDormant").last_activity_at == NOON
    assert story.when(joining(ZHAO)).then("MemberJoined").woke is True
    assert story.state.state == "ACTIVE"


def test_a_dissolved_team_that_is_begun_anew_has_none_of_its_members():
    story = story_in("DISSOLVED").when(team_commands()["FoundTeam"])
    assert (set(story.state.members), story.state.leader_id) == ({ANNA}, None)
