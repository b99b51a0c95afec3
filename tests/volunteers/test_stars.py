"""Stars: the rules given, when, then; every (state, command) cell; and the way over HTTP with real working days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.command import SYSTEM, By, Refused, Role
from contracts.volunteers import StarEvent
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.timers import Timer
from servicekit.working_days import due_after
from services.volunteers import timers
from services.volunteers.commands import stars as commands
from services.volunteers.commands.words import StarPolicy, claim_id_of
from services.volunteers.decider import stars
from tests.volunteers.examples import (
    ANNA,
    BO,
    DUE,
    LATER,
    LEE,
    NOON,
    SUN,
    WANG,
    ZHAO,
    Story,
    by,
    claim_hours,
    confirm_hours,
    log_hours,
)
from tests.volunteers.town import MANAGER, Town

ENOUGH = commands.StarMinutes(minutes_a=5_000, minutes_b=1_000)
SHORT = commands.StarMinutes(minutes_a=5_999)
LEADER, STATION, OTHER = by(BO, Role.TEAM_LEADER), by(LEE, Role.STATION_MANAGER), by(ZHAO, Role.STATION_MANAGER)


def asked(kind: type[Any], who: By = SYSTEM, **changes: Any) -> Any:
    fields: dict[str, Any] = {"by": who, "at": LATER, "volunteer_id": ANNA, "level": 1}
    if "minutes" in kind.model_fields:
        fields["minutes"] = ENOUGH
    if "in_good_standing" in kind.model_fields:
        fields["in_good_standing"] = True
    return kind(**fields | changes)


def reach(**changes: Any) -> Any:
    return asked(commands.ReachStar, **changes)


def nominate(who: By = LEADER, **changes: Any) -> Any:
    return asked(commands.NominateStar, who, **changes)


def publicize(who: By = STATION, **changes: Any) -> Any:
    return asked(commands.PublicizeStar, who, **{"due_at": DUE} | changes)


def object_(who: By = by(WANG, Role.RESIDENT), **changes: Any) -> Any:
    return asked(
        commands.ObjectToStar, who, **{"objection_id": UUID(int=9), "reason_code": "minutes_doubtful"} | changes
    )


def award(who: By = STATION, **changes: Any) -> Any:
    return asked(commands.AwardStar, who, **{"at": DUE} | changes)


def review(**changes: Any) -> Any:
    return asked(commands.ReviewStar, **{"minutes": SHORT} | changes)


HAPPENED = {
    "NONE": (),
    "REACHED": (reach(),),
    "NOMINATED": (reach(), nominate()),
    "PUBLICIZED": (reach(), nominate(), publicize()),
    "OBJECTED": (reach(), nominate(), publicize(), object_()),
    "AWARDED": (reach(), nominate(), publicize(), award()),
    "REVIEW": (reach(), nominate(), publicize(), award(), review()),
}
COMMANDS = {type(one).__name__: one for one in (reach(), nominate(), publicize(), object_(), award(), review())}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("state", HAPPENED)
def test_every_state_answers_every_command(state: str, name: str):
    story, command = Story(stars, *HAPPENED[state]), COMMANDS[name]
    assert story.state.state == state
    code = stars.STAR_LIFECYCLE.refusal(type(command), state)
    if code is not None:
        story.refuses(command, code)
        return
    story.when(command)
    assert {event.type for event in story.events} <= set(stars.STAR_LIFECYCLE.row(type(command)).events)


def test_the_table_has_every_command_and_every_event():
    assert {row.command for row in stars.STAR_LIFECYCLE.rows} == set(commands.STAR_COMMANDS)
    told = {name for row in stars.STAR_LIFECYCLE.rows for name in row.events}
    assert told == {event.__name__ for event in StarEvent.__args__}
    assert set(HAPPENED) == set(stars.StarState)


def test_grade_c_counts_for_a_fifth_at_most():
    policy = StarPolicy()
    assert policy.counted(4_800, 0, 1_200) == 6_000
    assert policy.counted(4_800, 0, 9_000) == 6_000
    assert policy.counted(0, 4_799, 9_000) == 5_998
    assert policy.counted(0, 0, 9_000) == 0


@given(st.integers(0, 200_000), st.integers(0, 200_000), st.integers(0, 200_000))
def test_what_is_entered_by_hand_never_exceeds_its_share(minutes_a, minutes_b, minutes_c):
    counted = StarPolicy().counted(minutes_a, minutes_b, minutes_c)
    by_hand = counted - minutes_a - minutes_b
    assert 0 <= by_hand <= minutes_c
    assert by_hand * 5 <= counted


def test_the_leader_nominates_and_two_others_show_and_award():
    story = Story(stars, *HAPPENED["PUBLICIZED"])
    story.refuses(award(by(BO, Role.STATION_MANAGER)), "second_person_required")
    story.refuses(award(by(ANNA, Role.STATION_MANAGER)), "own_star")
    story.refuses(award(at=DUE - timedelta(seconds=1)), "publicity_running")
    story.refuses(award(in_good_standing=False), "not_in_good_standing")
    story.refuses(award(minutes=SHORT), "star_not_reached")
    awarded = story.when(award()).then("StarAwarded")
    assert (awarded.counted_minutes, awarded.threshold_minutes, awarded.awarded_by) == (6_000, 6_000, LEE)


def test_an_objection_stops_the_award_until_the_publicity_ran_again():
    story = Story(stars, *HAPPENED["OBJECTED"])
    story.refuses(publicize(by(WANG, Role.STATION_MANAGER)), "second_person_required")
    story.refuses(object_(by(ANNA, Role.VOLUNTEER)), "own_star")
    again = story.when(publicize(OTHER, at=DUE, due_at=DUE + timedelta(days=7))).then("StarPublicized")
    assert again.round == 2
    story.refuses(award(), "publicity_running")
    story.refuses(object_(at=DUE + timedelta(days=7)), "publicity_over")
    story.when(award(at=DUE + timedelta(days=7))).then("StarAwarded")


def test_corrections_let_a_star_rest_until_its_minutes_are_there_again():
    story = Story(stars, *HAPPENED["AWARDED"])
    story.refuses(review(minutes=ENOUGH), "star_still_reached")
    story.when(review()).then("StarReviewOpened")
    story.refuses(reach(minutes=SHORT), "star_not_reached")
    story.when(reach()).then("StarThresholdReached")
    story.refuses(award(), "star_not_nominated")


class OneStar(RuleBasedStateMachine):
    """Whatever is asked in whatever order: no award without reach, leader, five days and three persons."""

    PEOPLE = (ANNA, BO, LEE, ZHAO, WANG, SUN)

    def __init__(self):
        super().__init__()
        self.star, self.told, self.now = stars.initial(), [], LATER

    def ask(self, command):
        try:
            events = stars.decide(command, self.star)
        except Refused:
            return
        for event in events:
            self.star = stars.evolve(self.star, event)
            self.told.append((event, command))

    @rule(kind=st.sampled_from(sorted(COMMANDS)), who=st.sampled_from(PEOPLE), minutes=st.sampled_from([ENOUGH, SHORT]))
    def anybody_asks_anything(self, kind, who, minutes):
        command = COMMANDS[kind]
        person = SYSTEM if kind in {"ReachStar", "ReviewStar"} else by(who, Role.STATION_MANAGER)
        update = {"by": person, "at": self.now}
        if "minutes" in type(command).model_fields:
            update["minutes"] = minutes
        if kind == "PublicizeStar":
            update["due_at"] = self.now + timedelta(days=7)
        self.ask(command.model_copy(update=update))

    @rule(days=st.integers(1, 8))
    def time_passes(self, days):
        self.now += timedelta(days=days)

    @invariant()
    def an_award_has_all_it_takes(self):
        types = [event.type for event, _ in self.told]
        if not types or types[-1] != "StarAwarded":
            return
        last = {event.type: (event, command) for event, command in self.told}
        awarded, publicized = last["StarAwarded"][0], last["StarPublicized"][0]
        assert awarded.counted_minutes >= awarded.threshold_minutes
        assert last["StarAwarded"][1].at >= publicized.due_at
        persons = {last["StarNominated"][0].nominated_by, publicized.publicized_by, awarded.awarded_by}
        assert ANNA not in persons
        assert last["StarNominated"][0].nominated_by not in {publicized.publicized_by, awarded.awarded_by}
        since = len(types) - 1 - types[::-1].index("StarPublicized")
        assert "StarObjected" not in types[since:]


TestOneStar = OneStar.TestCase
TestOneStar.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


async def credited(town: Town, volunteer_id: UUID, hours: int) -> None:
    """So many hours of grade A on days of eight, as the log would have them: claims straight from the commands."""
    for number in range(hours // 8):
        assignment_id = uuid4()
        start = NOON - timedelta(days=300 - number, hours=12)
        claim_id = claim_id_of(assignment_id)
        plan = [
            claim_hours(480, start, claim_id=claim_id, assignment_id=assignment_id, volunteer_id=volunteer_id),
            confirm_hours(claim_id=claim_id),
            log_hours(claim_id=claim_id),
        ]

        async def build(plan=plan) -> Plan:
            return Plan(plan)

        await town.runtime.executor.execute(build, Metadata("system"))


async def test_a_hundred_hours_are_reached_nominated_shown_objected_to_and_awarded(town: Town):
    anna = await town.volunteer()
    leader, path = await town.leader_of(anna), f"/volunteers/{anna}/stars/1"
    await credited(town, anna, 104)
    due = timers.due_of(town.runtime)
    assert await Timer(town.runtime.executor, town.runtime.clock, due).fire_due() >= 1
    assert [one.type for one in await town.events("star")] == ["StarThresholdReached"]
    assert await Timer(town.runtime.executor, town.runtime.clock, due).fire_due() == 0
    await town.refused(403, "forbidden", f"{path}/nominate", {}, uuid4(), Role.TEAM_LEADER)
    await town.done(f"{path}/nominate", {}, leader, Role.TEAM_LEADER)
    await town.done(f"{path}/publicize", {})
    publicized = (await town.events("star"))[-1]
    assert publicized.model_dump()["due_at"] == due_after(publicized.model_dump()["publicized_at"], 5)
    shown = (await town.read("/stars", uuid4(), Role.RESIDENT)).json()["stars"]
    assert [(star["state"], star["level"], star["counted_minutes"]) for star in shown] == [("PUBLICIZED", 1, 6240)]
    await town.refused(409, "publicity_running", f"{path}/award", {})
    await town.done(f"{path}/object", {"reason_code": "minutes_doubtful"}, uuid4(), Role.RESIDENT)
    await town.refused(409, "objection_open", f"{path}/award", {})
    own = (await town.read(f"/volunteers/{anna}/stars", anna, Role.VOLUNTEER)).json()
    assert own["minutes_by_grade"] == {"A": 6240, "B": 0, "C": 0}
    assert own["stars"][0]["objections"] == 1
    assert leader != MANAGER
    assert datetime.now(UTC) < publicized.model_dump()["due_at"]
