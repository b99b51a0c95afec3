"""争议: raised by a side, decided by somebody without a part in it, once taken further, then final."""

from datetime import timedelta

import pytest

from contracts.command import SYSTEM, Role
from contracts.orders import DisputeAppealed, DisputeRaised, DisputeResolved, OrderState
from services.orders.commands.disputes import AnyDisputeCommand
from services.orders.commands.serving import CloseOrder
from services.orders.decider.dispute_state import TABLE, DisputeState
from services.orders.decider.tables import Line
from tests.orders.aside import MEDIATOR, SECOND_MEDIATOR, SONG, Quarrel, appeal, quarrel, resolve
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    DUAN,
    RESIDENT_WANG,
    WANG,
    as_volunteer,
    ask,
    by,
    contesting,
    in_state,
    uid,
)

S = DisputeState
CELLS = [(line, state) for line in TABLE.lines for state in (None, *TABLE.states)]


def asked(told: Quarrel, name: str):
    if name == "ResolveDispute" and told.state is not None and told.state.dispute.state is S.APPEALED:
        return told.resolving(SECOND_MEDIATOR)
    return {"RaiseDispute": told.raising, "ResolveDispute": told.resolving, "AppealDispute": told.appealing}[name]()


@pytest.mark.parametrize(("line", "state"), CELLS, ids=[f"{line.command.__name__}-{state}" for line, state in CELLS])
def test_a_command_is_taken_or_refused_with_its_code(line: Line[DisputeState], state: DisputeState | None) -> None:
    told = quarrel(state)
    expected = line.refusal(state)
    command = asked(told, line.command.__name__)
    if expected is not None:
        assert told.refused(command) == expected
        return
    events = told.do(command)
    assert {event.type for event in events} == set(line.events)
    assert told.state is not None
    assert told.state.dispute.state in line.ways[state]


def test_the_table_has_every_command_once() -> None:
    assert {line.command for line in TABLE.lines} == set(AnyDisputeCommand.__args__)


def test_nobody_decides_their_own_matter_or_their_household_s() -> None:
    told = quarrel(S.MEDIATING)
    for party in (ANNA, WANG):
        assert told.refused(told.resolving(by(party, Role.SOCIAL_WORKER))) == "party_decides"
    assert told.refused(told.resolving(decider_household_id=ANNA_HOME)) == "party_household_decides"
    assert told.refused(told.resolving(SYSTEM)) == "person_needed"


def test_an_appeal_is_decided_by_another_person_and_for_good() -> None:
    told = quarrel(S.RESOLVED)
    (appealed,) = told.do(told.appealing())
    assert isinstance(appealed, DisputeAppealed)
    assert appealed.first_resolved_by == SONG
    assert told.refused(told.resolving(MEDIATOR)) == "same_person_decides"
    (final,) = told.do(told.resolving(SECOND_MEDIATOR))
    assert isinstance(final, DisputeResolved)
    assert (final.final, final.appeal_until) == (True, None)
    assert told.refused(told.appealing()) == "appeal_used"


def test_an_appeal_comes_from_a_side_within_a_week() -> None:
    told = quarrel(S.RESOLVED)
    assert told.refused(told.appealing(as_volunteer(BO), speaks_for_party=False)) == "not_a_party"
    assert told.later(days=7).refused(told.appealing()) == "appeal_over"


def test_a_dispute_names_what_it_is_about() -> None:
    told = Quarrel()
    assert told.refused(told.raising(order_id=None, assignments=())) == "dispute_subject_needed"
    assert told.refused(told.raising(assignments=())) == "dispute_without_service"
    (raised,) = told.do(told.raising(about="fund", order_id=None, assignments=(), subject_id=uid(990)))
    assert isinstance(raised, DisputeRaised)
    assert (raised.owner_role, raised.state, raised.due_at) == (Role.SOCIAL_WORKER, None, told.at + timedelta(days=7))
    assert told.refused(told.resolving(consequences=("order_unfulfilled",))) == "order_not_waiting"


@pytest.mark.parametrize("state", [OrderState.SERVED, OrderState.COMPLETED, OrderState.RATED])
def test_a_decision_takes_the_order_back_to_where_it_stood(state: OrderState) -> None:
    story = in_state(state)
    story.do(contesting(story.at))
    story.later(days=3).do(resolve(story))
    resolved = story.events[-1]
    assert isinstance(resolved, DisputeResolved)
    assert (story.state, resolved.state, resolved.final) == (state, state, False)
    assert resolved.next_due_at is not None
    assert resolved.next_due_at >= story.at


def test_a_decision_may_end_the_order_as_unfulfilled_when_the_dispute_is_upheld() -> None:
    story = in_state(OrderState.DISPUTED)
    rejected = resolve(story, consequences=("order_unfulfilled",))
    assert story.refused(rejected).reason_code == "decision_without_ground"
    story.do(resolve(story, decision="upheld", consequences=("order_unfulfilled", "hours_rejected")))
    assert (story.state, story.events[-1].next_due_at) == (OrderState.UNFULFILLED, None)
    story.do(appeal(story, as_volunteer(ANNA)))
    assert (story.state, story.events[-1].owner_role) == (OrderState.DISPUTED, Role.SOCIAL_WORKER)
    story.do(resolve(story, SECOND_MEDIATOR))
    assert story.state is OrderState.COMPLETED


def test_whoever_saw_to_the_order_or_has_a_part_in_it_does_not_decide() -> None:
    story = in_state(OrderState.DISPUTED)
    assert story.refused(resolve(story, by(DUAN, Role.SOCIAL_WORKER))).reason_code == "dispatcher_decides"
    assert story.refused(resolve(story, by(ANNA, Role.SOCIAL_WORKER))).reason_code == "party_decides"


def test_no_order_closes_while_a_decision_may_still_be_taken_further() -> None:
    story = in_state(OrderState.RATED).later(days=6)
    story.do(contesting(story.at))
    story.later(days=3).do(resolve(story))
    close = ask(CloseOrder, SYSTEM, story.at + timedelta(days=6))
    assert story.refused(close).reason_code == "not_due"
    story.later(days=7)
    assert story.refused(appeal(story)).reason_code == "appeal_over"
    story.do(ask(CloseOrder, SYSTEM, story.at))


def test_an_order_is_contested_once_and_then_appealed() -> None:
    story = in_state(OrderState.DISPUTED)
    story.do(resolve(story))
    assert story.refused(contesting(story.at)).reason_code == "contested_before"
    story.do(appeal(story, RESIDENT_WANG))
    assert story.refused(resolve(story)).reason_code == "same_person_decides"
    story.do(resolve(story, SECOND_MEDIATOR))
    assert story.refused(appeal(story)).reason_code == "appeal_used"


def test_no_order_closes_while_a_dispute_of_its_own_stream_is_open() -> None:
    story = in_state(OrderState.RATED).later(days=8)
    assert story.refused(ask(CloseOrder, SYSTEM, story.at, disputes_open=1)).reason_code == "dispute_open"
