"""队长: a leader speaks for the members they lead, and for nobody else (domain.md §4.0, §4.1 rows 10, 17, 18, 30)."""

from datetime import timedelta

from contracts.command import Role
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, CHEN, DUAN, RUI

LEADER, VOLUNTEER, DISPATCHER = Role.TEAM_LEADER, Role.VOLUNTEER, Role.DISPATCHER
SHEET = "ab" * 32


async def test_a_leader_vouches_for_their_own_members_only(quarter: Quarter) -> None:
    own, other = await quarter.accepted(ANNA), await quarter.accepted(BO)
    await quarter.until(TOMORROW)
    await quarter.refused(403, "forbidden", f"/orders/{other}/start", {"volunteer_id": str(BO)}, RUI, LEADER)
    await quarter.refused(403, "forbidden", f"/orders/{own}/start", {}, RUI, LEADER)
    await quarter.done(f"/orders/{own}/start", {"volunteer_id": str(ANNA)}, RUI, LEADER)
    finish = {"outcome": "done", "volunteer_id": str(BO)}
    await quarter.refused(403, "forbidden", f"/orders/{own}/finish", finish, RUI, LEADER)
    await quarter.later(minutes=30)
    await quarter.done(f"/orders/{own}/finish", {**finish, "volunteer_id": str(ANNA)}, RUI, LEADER)
    assert await quarter.state(own) == "SERVED"


async def test_who_holds_the_role_and_leads_nobody_may_nothing(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.until(TOMORROW)
    await quarter.hear(quarter.granted(BO, LEADER, "team", "arts-team"))
    await quarter.refused(403, "forbidden", f"/orders/{order_id}/start", {"volunteer_id": str(ANNA)}, BO, LEADER)


async def test_who_leads_all_teams_of_the_community_leads_everybody(quarter: Quarter) -> None:
    order_id = await quarter.accepted(BO)
    await quarter.until(TOMORROW)
    start = f"/orders/{order_id}/start"
    await quarter.refused(403, "forbidden", start, {"volunteer_id": str(BO)}, DUAN, LEADER)
    await quarter.hear(quarter.granted(DUAN, LEADER))
    await quarter.done(start, {"volunteer_id": str(BO)}, DUAN, LEADER)


async def test_a_leader_says_of_their_own_members_that_they_did_not_come(quarter: Quarter) -> None:
    own, other = await quarter.accepted(ANNA), await quarter.accepted(BO)
    await quarter.until(TOMORROW + timedelta(minutes=20))
    await quarter.refused(403, "forbidden", f"/orders/{other}/no-show", {"volunteer_id": str(BO)}, RUI, LEADER)
    await quarter.done(f"/orders/{own}/no-show", {"volunteer_id": str(ANNA)}, RUI, LEADER)


async def test_one_who_is_no_member_makes_the_leaders_whole_sheet_anothers(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.until(TOMORROW + timedelta(days=1))
    times = {"started_at": iso(TOMORROW), "finished_at": iso(TOMORROW + timedelta(minutes=30))}
    lines = [{"volunteer_id": str(one), **times} for one in (ANNA, BO)]
    path = f"/orders/{order_id}/record-afterwards"
    await quarter.refused(403, "forbidden", path, {"services": lines, "attachment_hash": SHEET}, RUI, LEADER)
    await quarter.done(path, {"services": lines[:1], "attachment_hash": SHEET}, RUI, LEADER)


async def test_a_leader_accepts_for_a_member_who_said_yes(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    path = f"/orders/{order_id}/accept"
    member = {"volunteer_id": str(CHEN), "said_yes": True}
    wrong = await quarter.refused(422, "invalid_request", path, {"volunteer_id": str(CHEN)}, RUI, LEADER)
    assert wrong["errors"][0]["reason_code"] == "not_said_yes"
    await quarter.refused(403, "forbidden", path, {**member, "volunteer_id": str(BO)}, RUI, LEADER)
    await quarter.refused(403, "forbidden", path, {}, RUI, LEADER)
    await quarter.refused(403, "forbidden", path, member, BO, VOLUNTEER)
    await quarter.done(path, member, RUI, LEADER)
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    (held,) = shown["assignments"]
    assert (shown["state"], held["volunteer_id"]) == ("ACCEPTED", str(CHEN))
    (accepted,) = [
        one for one in await quarter.runtime.log.read_stream(f"order-{order_id}") if one.type == "OrderAccepted"
    ]
    assert (accepted.actor, accepted.event.role) == (str(RUI), LEADER)  # type: ignore[attr-defined]


async def test_a_member_still_accepts_for_themselves(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    await quarter.done(f"/orders/{order_id}/accept", {"volunteer_id": str(ANNA), "said_yes": True}, ANNA, VOLUNTEER)
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert [one["volunteer_id"] for one in shown["assignments"]] == [str(ANNA)]
