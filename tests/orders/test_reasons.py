"""Every reason for or against a candidate is said in both tongues; gates and teams as orders hears them."""

import ast
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contracts import volunteers
from contracts.command import Role
from contracts.event import Event
from services.orders.candidates import rank
from services.orders.candidates.saying import SENTENCES, said
from services.orders.commands.words import Policy
from services.orders.decider import fitness
from services.orders.read_models import relations
from tests.orders.quarter import Quarter
from tests.orders.samples import ANNA, BO, CHEN, DUAN, MONDAY_NINE, POLICY, volunteer
from tests.orders.test_candidates import need

TEAM_ID = uuid4()


def gates() -> set[str]:
    """Every code that a gate appends."""
    tree = ast.parse(Path(fitness.__file__).read_text(encoding="utf-8"))
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append"
    ]
    written = {one.args[0].value for one in calls if isinstance(one.args[0], ast.Constant)}
    return {str(code) for code in written} | {fitness.KEPT_APART}


def test_every_gate_and_every_reason_has_a_sentence() -> None:
    everything = volunteer(
        ANNA,
        entrance_id="entrance-001",
        licences={"medical": date(2030, 1, 1)},
        trained=True,
        team_mate=True,
        served_here=1,
        offers_lately=2,
        services_this_week=3,
        related=True,
        available=False,
        last_served_at=MONDAY_NINE - timedelta(days=12),
    )
    wanted = need(licence="medical", home_visit=True)
    ranked = rank([everything, volunteer(BO)], wanted, MONDAY_NINE, POLICY)
    shown = {code for one in ranked for code in (*one.reasons_for, *one.reasons_against)}
    assert len(shown) >= 12
    for code in gates() | shown | {"self_dispatch", "skill_level_0"}:
        chinese, english = said(code)
        assert re.search(r"[\u4e00-\u9fff].*。$", chinese)
        assert english.endswith(".")
        assert "{" not in chinese + english


def test_a_number_and_a_code_stand_in_the_sentence() -> None:
    assert said("idle_12_days") == ("已经12天没有服务。", "Last served 12 days ago.")
    assert said("licence:medical")[1] == "Holds the licence: medical."
    assert said("skill_level_0")[1] != said("skill_level_2")[1]
    with pytest.raises(KeyError):
        said("because")
    assert len(SENTENCES) > 20


def test_the_gate_of_training_is_the_communitys_choice() -> None:
    wanted, strict = need(home_visit=True), Policy(home_visit_training=True)
    both = [volunteer(ANNA), volunteer(BO, trained=True)]
    assert [one.eligible for one in rank(both, wanted, MONDAY_NINE, POLICY)] == [True, True]
    trained, barred = rank(both, wanted, MONDAY_NINE, strict)
    assert (trained.volunteer_id, barred.eligible, barred.reasons_against[0]) == (BO, False, "training_needed")
    assert all(one.eligible for one in rank(both, need(), MONDAY_NINE, strict))


def founded() -> list[Event]:
    about: dict[str, Any] = {"team_id": TEAM_ID, "team_code": "haircut-team", "role": Role.STATION_MANAGER}
    return [
        volunteers.TeamFounded(founder_id=ANNA, founded_at=MONDAY_NINE, **about),
        *(joined(who) for who in (ANNA, BO)),
        volunteers.LeaderAppointed(
            leader_id=ANNA, due_at=MONDAY_NINE + timedelta(days=365), appointed_at=MONDAY_NINE, **about
        ),
    ]


def joined(volunteer_id) -> Event:
    return volunteers.MemberJoined(
        team_id=TEAM_ID,
        team_code="haircut-team",
        volunteer_id=volunteer_id,
        members=1,
        due_at=MONDAY_NINE + timedelta(days=90),
        role=Role.VOLUNTEER,
        joined_at=MONDAY_NINE,
    )


async def test_candidates_come_with_reasons_in_both_tongues(quarter: Quarter) -> None:
    order_id = await quarter.verified(slots=2)
    training = volunteers.TrainingCompleted(
        training_id=uuid4(),
        volunteer_id=CHEN,
        training="safety",
        completed_on=date(2026, 1, 1),
        role=Role.STATION_MANAGER,
        recorded_at=MONDAY_NINE,
    )
    await quarter.hear(*founded(), training)
    shown = await quarter.seen(f"/orders/{order_id}/candidates", DUAN, Role.DISPATCHER)
    for one in shown["candidates"]:
        assert len(one["said_for"]) == len(one["reasons_for"]) > 0
        assert all(words["zh"] and words["en"] for words in (*one["said_for"], *one["said_against"]))
    await quarter.done(f"/orders/{order_id}/dispatch", {"volunteer_ids": [str(ANNA)]}, DUAN, Role.DISPATCHER)
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, Role.VOLUNTEER)
    shown = await quarter.seen(f"/orders/{order_id}/candidates", DUAN, Role.DISPATCHER)
    reasons = {one["volunteer_id"]: one["reasons_for"] for one in shown["candidates"]}
    assert "team_mate" in reasons[str(BO)]
    assert "team_mate" not in reasons[str(CHEN)]


async def test_who_leads_whom_is_known_within_the_term_and_while_they_are_members(quarter: Quarter) -> None:
    await quarter.hear(*founded())

    async def leads(leader, member, at=MONDAY_NINE) -> bool:
        async with quarter.runtime.log.queries() as connection:
            return await relations.leads(connection, leader, member, at)

    assert await leads(ANNA, BO)
    assert not await leads(BO, ANNA)
    assert not await leads(ANNA, CHEN)
    assert not await leads(ANNA, BO, MONDAY_NINE + timedelta(days=365))
    about: dict[str, Any] = {"team_id": TEAM_ID, "team_code": "haircut-team", "role": Role.VOLUNTEER}
    left = volunteers.MemberLeft(volunteer_id=BO, members=1, was_leader=False, left_at=MONDAY_NINE, **about)
    await quarter.hear(left)
    assert not await leads(ANNA, BO)
    await quarter.hear(joined(BO))
    assert await leads(ANNA, BO)
    ended = volunteers.TeamDissolved(members=2, reason_code="merged", dissolved_at=MONDAY_NINE, **about)
    again = volunteers.TeamFounded(founder_id=BO, founded_at=MONDAY_NINE + timedelta(days=1), **about)
    await quarter.hear(ended)
    assert not await leads(ANNA, BO)
    await quarter.hear(again)
    assert not await leads(ANNA, BO)
