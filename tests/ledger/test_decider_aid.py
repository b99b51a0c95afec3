"""The rules of aid: every command in every state of both lanes, who has which hand, what a signature covers."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import Refused, Role
from services.ledger.commands import AID_COMMANDS, AidCommand, Independence, LedgerPolicy
from services.ledger.decider import aid
from services.ledger.decider.aid_hands import request_facts
from services.ledger.decider.aid_state import AidCase
from services.ledger.decider.aid_table import LEADS_TO, TAKEN, URGENT, refusal
from services.ledger.signatures import AID_APPROVAL, AID_REVERSAL, signed_text
from tests.ledger.aid_examples import (
    APPROVED,
    APPROVER,
    CASE,
    COMMUNITY,
    HOLD,
    OTHER_VISITOR,
    READY,
    SECOND,
    SIGNERS,
    STANDS,
    THIRD,
    URGENT_STANDS,
    VISITOR,
    amend,
    any_command,
    apply,
    approve,
    confirm,
    disburse,
    evolved,
    follow_up,
    lapse,
    paid,
    publicize,
    reject,
    return_aid,
    reverse_aid,
    soon,
    told,
    verify,
)
from tests.ledger.examples import CASHIER, CLERK, NOON, TODAY

ALL = [*((f"{state}", "ordinary", how) for state, how in STANDS.items())]
ALL += [(f"{state}", "urgent", how) for state, how in URGENT_STANDS.items()]


def decided(command: Any, case: AidCase) -> list[Any]:
    return list(aid.decide(command, case))


def refused(command: AidCommand, case: AidCase) -> Refused:
    with pytest.raises(Refused) as caught:
        decided(command, case)
    return caught.value


def stands(*happened: Any) -> str:
    return evolved(*happened).stands.value


def test_both_tables_know_every_command():
    assert set(TAKEN) == set(URGENT) == set(AID_COMMANDS)


@pytest.mark.parametrize("command", AID_COMMANDS, ids=lambda command: command.__name__)
@pytest.mark.parametrize(("state", "lane", "how"), ALL, ids=[f"{lane}-{state}" for state, lane, _ in ALL])
def test_every_command_in_every_state(state: str, lane: str, how: Any, command: type[AidCommand]):
    case = evolved(*how)
    assert state == ("NONE" if case.state is None else case.state.value)
    code = refusal(command, case.state, case.lane)
    asked = any_command(command, case)
    # Its turn may have come, and something else be in the way.
    code = code or LATER.get((command.__name__, state, lane))
    if code is not None:
        assert refused(asked, case).reason_code == code
        return
    events = decided(asked, case)
    assert all(event.case_id == CASE for event in events)
    assert events or command.__name__ == "LapseAidApproval"
    if events and lane == "ordinary":
        assert events[-1].state in {LEADS_TO[command].get(case.state), case.state}


LATER = {
    ("ApproveAid", "APPLIED", "urgent"): "urgent_window_over",
    ("ApproveAid", "APPROVED_1", "urgent"): "urgent_window_over",
    ("ApproveAid", "APPROVED_2", "ordinary"): "approved_already",
    ("ApproveAid", "APPROVED_2", "urgent"): "approved_already",
    ("FollowUpAid", "CONFIRMED", "urgent"): "proof_owed",
}
"""Where the sample command comes in its turn and is refused for another reason than the state."""


def test_a_case_from_the_first_word_to_the_last():
    case = evolved(*APPROVED)
    assert case.is_approved
    assert case.hold_id == HOLD
    (event,) = decided(disburse(), case)
    assert (event.amount_fen, event.payee_commitment, event.hold_id) == (80_000, "ab" * 32, HOLD)
    assert event.due_at == event.disbursed_at + timedelta(days=30)
    assert stands(*APPROVED, disburse(), confirm(), follow_up()) == "CLOSED"


HANDS: dict[str, Any] = {
    "a visitor approves": (READY, lambda case: approve(case, APPROVER, **as_actor(VISITOR, Role.FUND_APPROVER))),
    "the clerk approves": (READY, lambda case: approve(case, APPROVER, **as_actor(CLERK, Role.FUND_APPROVER))),
    "an approver pays": (APPROVED, lambda _: disburse(**as_actor(APPROVER, Role.CASHIER))),
    "a visitor pays": (APPROVED, lambda _: disburse(**as_actor(OTHER_VISITOR, Role.CASHIER))),
    "the clerk pays": (APPROVED, lambda _: disburse(**as_actor(CLERK, Role.CASHIER))),
    "a visitor publicises": (READY[:3], lambda _: publicize(**as_actor(VISITOR, Role.FUND_CLERK))),
    "an approver amends": ((*READY, approve), lambda _: amend(**as_actor(APPROVER, Role.FUND_CLERK))),
    "a visitor turns down": (READY, lambda _: reject(**as_actor(VISITOR, Role.FUND_APPROVER))),
    "the cashier confirms": ((*APPROVED, disburse()), lambda _: confirm(**as_actor(CASHIER, Role.GRID_WORKER))),
    "an approver confirms": ((*APPROVED, disburse()), lambda _: confirm(**as_actor(SECOND, Role.GRID_WORKER))),
    "an approver looks after": (
        (*APPROVED, disburse(), confirm()),
        lambda _: follow_up(**as_actor(APPROVER, Role.SOCIAL_WORKER)),
    ),
    "the clerk takes money back": ((*APPROVED, disburse()), lambda _: return_aid(**as_actor(CLERK, Role.CASHIER))),
}


def as_actor(person: UUID, role: Role) -> dict[str, Any]:
    return {"by": told(person, role)["by"]}


@pytest.mark.parametrize("who", HANDS)
def test_nobody_has_two_hands_in_a_case(who: str):
    how, command = HANDS[who]
    case = evolved(*how)
    assert refused(command(case), case).reason_code == "other_hand"


def test_two_visits_and_two_approvals_take_two_people():
    case = evolved(apply(), verify())
    assert refused(verify(VISITOR), case).reason_code == "visitors_equal"
    case = evolved(*READY, approve)
    assert refused(approve(case, APPROVER), case).reason_code == "approved_by_you"
    assert not case.is_approved
    assert refused(disburse(), case).reason_code == "not_its_turn"


TIED = Independence(obstacle="relation", position=7)
DECIDING: dict[str, Any] = {
    "verify": ((apply(),), lambda _: verify(independence=TIED)),
    "publicize": (READY[:3], lambda _: publicize(independence=TIED)),
    "amend": (READY, lambda _: amend(independence=TIED)),
    "approve": (READY, lambda case: approve(case, independence=TIED)),
    "reject": (READY, lambda _: reject(independence=TIED)),
    "disburse": (APPROVED, lambda _: disburse(independence=TIED)),
    "return": ((*APPROVED, disburse()), lambda _: return_aid(independence=TIED)),
    "reverse": ((*APPROVED, disburse()), lambda case: reverse_aid(case, independence=TIED)),
}


@pytest.mark.parametrize("what", DECIDING)
def test_who_is_tied_to_the_neighbour_stands_aside(what: str):
    how, command = DECIDING[what]
    case = evolved(*how)
    assert refused(command(case), case).facts == {"obstacle": "relation"}


def test_an_approval_says_up_to_where_relations_were_looked_up():
    case = evolved(*READY)
    (event,) = decided(approve(case, independence=Independence(position=4711)), case)
    assert event.relations_position == 4711


@pytest.mark.parametrize(
    "changes", [{"revision": 2}, {"amount_fen": 80_001}, {"purpose": "study"}, {"fund": "fund-public-good"},
                {"payee": "cd" * 32}, {"lane": "urgent"}, {"case": UUID(int=9)}],
)  # fmt: skip
def test_a_signature_over_other_terms_counts_for_nothing(changes: dict[str, Any]):
    case = evolved(*READY)
    sig = SIGNERS[APPROVER].signed(AID_APPROVAL, {**request_facts(CASE, case), **changes})
    assert refused(approve(case, sig=sig), case).reason_code == "signature_wrong"


def test_a_signature_for_another_purpose_community_or_person_counts_for_nothing():
    case, signer = evolved(*READY), SIGNERS[APPROVER]
    facts = request_facts(CASE, case)
    for text in (
        signed_text(AID_REVERSAL, COMMUNITY, facts, APPROVER),
        signed_text(AID_APPROVAL, "elsewhere", facts, APPROVER),
        signed_text(AID_APPROVAL, COMMUNITY, facts, SECOND),
    ):
        assert refused(approve(case, sig=signer.sign(text)), case).reason_code == "signature_wrong"
    other = SIGNERS[SECOND]
    assert refused(approve(case, key=other.key), case).reason_code == "key_not_in_force"
    forged = approve(case, key=other.key, key_id=other.key.key_id)
    assert refused(forged, case).reason_code == "signature_wrong"
    assert refused(approve(case, key=None), case).reason_code == "key_missing"


@pytest.mark.parametrize("changes", [{"amount_fen": 80_001}, {"purpose": "study"}, {"payee_commitment": "cd" * 32}])
def test_whatever_changes_voids_every_approval(changes: dict[str, Any]):
    case = evolved(*APPROVED)
    (event,) = decided(amend(**{"amount_fen": None, **changes}), case)
    assert (event.approvals_voided, event.hold_id, event.revision, event.state.value) == (2, HOLD, 2, "PUBLICIZED")
    again = aid.evolve(case, event)
    assert again.approvals == ()
    old = approve(case, THIRD)
    assert refused(old, again).reason_code == "signature_wrong"
    # Who approved the first revision may approve the second.
    approved = evolved(*APPROVED, amend(**{"amount_fen": None, **changes}), approve)
    assert approved.stands.value == "APPROVED_1"


def test_above_the_amount_three_approve():
    case = evolved(apply(amount_fen=500_001), *READY[1:], approve, lambda case: approve(case, SECOND))
    assert not case.is_approved
    assert refused(disburse(), case).reason_code == "approvals_missing"
    assert evolved(*STANDS["APPROVED_3"]).is_approved


def test_a_policy_changed_between_two_approvals_binds_the_next_case_only():
    case = evolved(*READY, approve)
    strict = LedgerPolicy(aid_two_approvals_fen_max=1)
    (event,) = decided(approve(case, SECOND, policy=strict), case)
    assert event.approvals_required == 2


def test_approvals_wait_for_the_postings_end_and_end_after_thirty_days():
    case = evolved(*READY)
    early = approve(case, at=NOON + timedelta(days=2))
    assert refused(early, case).reason_code == "publicity_runs"
    case = evolved(*APPROVED)
    assert decided(lapse(at=NOON + timedelta(days=10)), case) == []
    assert refused(disburse(at=NOON + timedelta(days=34)), case).reason_code == "approvals_lapsed"
    (event,) = decided(lapse(), case)
    assert (event.approvals_voided, event.hold_id, event.state.value) == (2, HOLD, "PUBLICIZED")


def test_what_a_visitor_doubts_is_not_approved():
    case = evolved(apply(), verify(), verify(OTHER_VISITOR, finding="not_confirmed"), publicize())
    assert refused(approve(case), case).reason_code == "visit_doubts"
    assert stands(apply(), verify(finding="not_confirmed"), reject()) == "REJECTED"


def test_the_urgent_lane_pays_first_and_still_takes_two_signatures():
    assert refused(apply(lane="urgent", amount_fen=100_001), AidCase()).reason_code == "urgent_over_cap"
    case = evolved(apply(lane="urgent"), soon)
    late = approve(case, SECOND, at=NOON + timedelta(hours=5))
    assert refused(late, case).reason_code == "urgent_window_over"
    (event,) = decided(lapse(at=NOON + timedelta(hours=4)), case)
    assert event.state.value == "APPLIED"
    paid_first = evolved(apply(lane="urgent"), soon, lambda case: soon(case, SECOND), disburse())
    assert paid_first.disbursed is not None
    assert paid_first.disbursed.due_at == paid_first.disbursed.disbursed_at + timedelta(days=3)
    after: dict[str, Any] = {"at": NOON + timedelta(days=4), "visited_on": TODAY + timedelta(days=4)}
    owed = evolved(*URGENT_STANDS["CONFIRMED"], verify(**after))
    assert refused(follow_up(), owed).facts == {"visits": 1}
    proven = evolved(
        *URGENT_STANDS["CONFIRMED"], verify(**after), verify(OTHER_VISITOR, **after), publicize(publicity="waived"),
        follow_up(),
    )  # fmt: skip
    assert proven.stands.value == "CLOSED"


def test_an_urgent_case_whose_hours_are_over_goes_the_ordinary_way():
    case = evolved(apply(lane="urgent"), verify(), verify(OTHER_VISITOR), publicize(), approve)
    assert case.stands.value == "APPROVED_1"
    assert case.lapses_at == NOON + timedelta(days=33)


def test_no_more_comes_back_than_was_paid():
    case = evolved(*APPROVED, disburse(), return_aid(amount_fen=30_000))
    assert (case.stands.value, case.returned_fen) == ("DISBURSED", 30_000)
    assert refused(return_aid(amount_fen=50_001), case).facts == {"amount_fen_max": 50_000}
    assert refused(reverse_aid(case), case).reason_code == "returned_in_part"
    whole = evolved(*APPROVED, disburse(), return_aid(amount_fen=30_000), return_aid(amount_fen=50_000))
    assert whole.stands.value == "RETURNED"


def test_a_payment_is_taken_back_by_two_signatures_with_public_words():
    case = paid()
    silent = reverse_aid(case, explanation_ref=None, explanation_commitment=None)
    assert refused(silent, case).reason_code == "explanation_needed"
    once = evolved(*APPROVED, disburse(), reverse_aid)
    assert once.stands.value == "DISBURSED"
    assert refused(reverse_aid(once, APPROVER), once).reason_code == "approved_by_you"
    assert refused(reverse_aid(once, SECOND, reason_code="deceived"), once).reason_code == "reason_differs"
    (event,) = decided(reverse_aid(once, SECOND), once)
    assert (event.step, event.state.value, event.explanation_commitment) == (2, "REVERSED", "ab" * 32)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (apply(standard="aid-standard-0"), "standard_not_shown"),
        (apply(amount_fen=2_000_001), "aid_over_cap"),
        (apply(purpose="yachts"), "purpose_unknown"),
        (apply(fund="fund-none"), "fund_unknown"),
    ],
)
def test_what_is_not_applied_for(command: AidCommand, code: str):
    assert refused(command, AidCase()).reason_code == code


@pytest.mark.parametrize("days", [2, 6])
def test_a_posting_lasts_three_to_five_days(days: int):
    case = evolved(*READY[:3])
    assert refused(publicize(days=days), case).reason_code == "publicity_days_impossible"


def test_visits_are_not_before_the_application_and_amendments_change_something():
    case = evolved(apply())
    assert refused(verify(visited_on=TODAY - timedelta(days=1)), case).reason_code == "visit_day_impossible"
    assert refused(verify(visited_on=TODAY + timedelta(days=1)), case).reason_code == "visit_day_impossible"
    assert refused(amend(amount_fen=80_000), evolved(*READY)).reason_code == "nothing_amended"


def test_an_approval_that_has_lapsed_is_not_completed_though_no_timer_came_to_end_it():
    late, case = NOON + timedelta(days=33), evolved(*READY, approve)
    assert case.lapses_at == late
    assert refused(approve(case, SECOND, at=late), case).reason_code == "approvals_lapsed"
    assert decided(approve(case, SECOND, at=late - timedelta(seconds=1)), case)[0].step == 2
    case = evolved(*READY, approve, lapse(at=late))
    assert decided(approve(case, SECOND, at=late), case)[0].step == 1


def test_nothing_is_paid_on_the_word_of_an_approver_who_is_tied_to_the_neighbour_by_now():
    case = evolved(*APPROVED)
    assert refused(disburse(tied_approver="relation"), case).reason_code == "approver_not_independent"
    assert decided(disburse(), case)[0].type == "AidDisbursed"
