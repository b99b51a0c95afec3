"""Over HTTP, whole journeys: two stars put right; contested and appealed; nobody opened, and who went and looked."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.command import Role
from contracts.orders import DisputeRaised, DisputeResolved, FollowUpClosed, FollowUpOpened, WelfareCheckEscalated
from contracts.volunteers import VolunteerSuspended
from tests.orders.aside import QIN, SONG, TAN
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, DUAN, GUO, RUI, WANG, WANG_SON, ZHAN

RESIDENT, PROXY, VOLUNTEER, DISPATCHER = Role.RESIDENT, Role.PROXY, Role.VOLUNTEER, Role.DISPATCHER
REVIEWER, MEDIATOR, KEEPER = Role.REVIEWER, Role.SOCIAL_WORKER, Role.GRID_WORKER


async def rated(quarter: Quarter, score: int) -> UUID:
    order_id = await quarter.served_order()
    await quarter.done(f"/orders/{order_id}/confirm", {}, WANG_SON, PROXY)
    said = {"score": score, "comment": "剪得不齐"}
    await quarter.done(f"/orders/{order_id}/rate", said, WANG, RESIDENT)
    return order_id


async def test_two_stars_are_called_about_put_right_rejected_put_right_verified_and_closed(quarter: Quarter) -> None:
    order_id = await rated(quarter, 2)
    path = f"/orders/{order_id}/follow-up"
    assert await quarter.state(order_id) == "FOLLOW_UP"
    (waiting,) = (await quarter.seen("/follow-ups", RUI, REVIEWER))["follow_ups"]
    assert (waiting["cause"], waiting["state"], waiting["due_at"]) == (
        "low_rating",
        "OPENED",
        iso(datetime(2026, 3, 4, 16, 0, tzinfo=UTC)),
    )
    await quarter.refused(403, "dispatcher_reviews", f"{path}/contact", {}, DUAN, REVIEWER, X_Channel="phone")
    await quarter.refused(403, "forbidden", f"{path}/contact", {}, ANNA, REVIEWER)
    await quarter.done(f"{path}/contact", {"words": "耳后没剪到"}, RUI, REVIEWER, X_Channel="phone")
    order = {"measure": "apology", "responsible_id": str(ANNA)}
    too_long = order | {"due_at": iso(quarter.now() + timedelta(days=30))}
    await quarter.refused(422, "rectification_too_long", f"{path}/rectification", too_long, RUI, REVIEWER)
    stranger = {"measure": "apology", "responsible_id": str(BO)}
    await quarter.refused(422, "responsible_not_entitled", f"{path}/rectification", stranger, RUI, REVIEWER)
    await quarter.done(f"{path}/rectification", order, RUI, REVIEWER)
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert (shown["owner_role"], shown["next_due_for"]) == ("VOLUNTEER", "rectification")
    (mine,) = (await quarter.seen("/follow-ups?mine=true", ANNA, VOLUNTEER))["follow_ups"]
    assert mine["order_id"] == str(order_id)
    await quarter.refused(403, "forbidden", f"{path}/report", {}, BO, VOLUNTEER)
    await quarter.done(f"{path}/report", {"words": "去赔过不是了"}, ANNA, VOLUNTEER)
    rejected = {"accepted": False, "reason_code": "not_done"}
    await quarter.refused(422, "invalid_request", f"{path}/verify", {"accepted": False}, WANG, RESIDENT)
    await quarter.done(f"{path}/verify", rejected, WANG, RESIDENT)
    await quarter.done(f"{path}/report", {}, ANNA, VOLUNTEER)
    await quarter.done(f"{path}/verify", {"accepted": True}, WANG_SON, PROXY)
    await quarter.done(f"{path}/close", {"second_score": 4}, RUI, REVIEWER)
    closed = (await quarter.events(order_id))[-1]
    assert isinstance(closed, FollowUpClosed)
    assert (closed.first_score, closed.second_score, closed.state) == (2, 4, "RATED")
    (row,) = (await quarter.seen(f"/orders/{order_id}/follow-ups", RUI, REVIEWER))["follow_ups"]
    assert (row["rejections"], row["contact"], row["second_score"]) == (1, "耳后没剪到", 4)
    (seen,) = (await quarter.seen(f"/orders/{order_id}/follow-ups", WANG, RESIDENT))["follow_ups"]
    assert "contact" not in seen
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert (shown["score"], shown["state"]) == (2, "RATED")
    await quarter.later(days=8)
    assert await quarter.fire() == 1
    assert await quarter.state(order_id) == "CLOSED"
    bodies = b"".join(recorded.body for recorded in await quarter.runtime.log.read(0, 10_000))
    for secret in ("耳后", "赔过"):
        assert secret.encode() not in bodies


async def test_a_mistaken_rating_is_dismissed_by_two_reviewers(quarter: Quarter) -> None:
    order_id = await rated(quarter, 1)
    path = f"/orders/{order_id}/follow-up"
    await quarter.done(f"{path}/contact", {}, RUI, REVIEWER, X_Channel="phone")
    dismissal = {"reason_code": "meant_another_order", "seconded_by": str(QIN)}
    await quarter.refused(403, "seconder_not_entitled", f"{path}/dismiss", dismissal, RUI, REVIEWER)
    await quarter.hear(quarter.granted(QIN, REVIEWER))
    await quarter.done(f"{path}/dismiss", dismissal, RUI, REVIEWER)
    await quarter.later(hours=48)
    assert await quarter.fire() == 1
    assert await quarter.types(order_id) == [
        *(await quarter.types(order_id))[:-2],
        "FollowUpDismissed",
        "FollowUpClosed",
    ]


async def test_a_follow_up_that_nobody_sees_to_rises_once_a_deadline(quarter: Quarter) -> None:
    order_id = await rated(quarter, 2)
    for days in (2, 2, 4):
        await quarter.later(days=days)
        assert await quarter.fire() == 1
        assert await quarter.fire() == 0
    types = await quarter.types(order_id)
    assert types[-3:] == ["FollowUpOverdue"] * 3
    await quarter.later(days=30)
    assert await quarter.fire() == 0


async def test_what_is_done_again_is_a_new_order_that_names_the_old_one(quarter: Quarter) -> None:
    order_id = await rated(quarter, 2)
    path = f"/orders/{order_id}/follow-up"
    await quarter.done(f"{path}/contact", {}, RUI, REVIEWER, X_Channel="phone")
    starts = quarter.now() + timedelta(hours=2)
    window = {"window_start": iso(starts), "window_end": iso(starts + timedelta(hours=1))}
    again = quarter.wish(rework_of=str(order_id), **window)
    await quarter.refused(422, "rework_unknown", "/orders", again, WANG, RESIDENT)
    await quarter.hear(quarter.granted(ZHAN, Role.TEAM_LEADER))
    redo = {"measure": "redo", "responsible_id": str(ZHAN)}
    await quarter.done(f"{path}/rectification", redo, RUI, REVIEWER)
    rework = await quarter.served_order(BO, rework_of=str(order_id), **window)
    await quarter.refused(422, "rework_needed", f"{path}/report", {}, ZHAN, Role.TEAM_LEADER)
    await quarter.done(f"{path}/report", {"rework_order_id": str(rework)}, ZHAN, Role.TEAM_LEADER)


async def test_a_complaint_about_a_well_rated_service_is_looked_into(quarter: Quarter) -> None:
    order_id = await rated(quarter, 5)
    assert await quarter.state(order_id) == "RATED"
    answer = await quarter.done(f"/orders/{order_id}/follow-up", {"words": "收了钱"}, WANG, RESIDENT)
    opened = (await quarter.events(order_id))[-1]
    assert isinstance(opened, FollowUpOpened)
    assert (opened.cause, str(opened.follow_up_id), opened.score) == ("complaint", answer["follow_up_id"], 5)


async def test_what_is_contested_is_decided_appealed_and_decided_by_another(quarter: Quarter) -> None:
    order_id = await quarter.served_order()
    contested = {"reason_code": "not_done", "words": "只坐了坐"}
    answer = await quarter.done(f"/orders/{order_id}/contest", contested, WANG, RESIDENT)
    path = f"/disputes/{answer['dispute_id']}"
    (listed,) = (await quarter.seen("/disputes?only_open=true", SONG, MEDIATOR))["disputes"]
    assert (listed["about"], listed["state"], listed["order_id"]) == ("order", "MEDIATING", str(order_id))
    assert (await quarter.seen(path, SONG, MEDIATOR))["words"] == "只坐了坐"
    assert "words" not in await quarter.seen(path, ANNA, VOLUNTEER)
    assert (await quarter.read(path, BO, VOLUNTEER)).status_code == 403
    decision = {"decision": "rejected", "words": "签到签退都在"}
    await quarter.refused(403, "dispatcher_decides", f"{path}/resolve", decision, DUAN, MEDIATOR)
    await quarter.refused(403, "forbidden", f"{path}/resolve", decision, ANNA, MEDIATOR)
    await quarter.done(f"{path}/resolve", decision, SONG, MEDIATOR)
    assert await quarter.state(order_id) == "SERVED"
    await quarter.refused(403, "forbidden", f"{path}/appeal", {"reason_code": "not_heard"}, BO, VOLUNTEER)
    await quarter.done(f"{path}/appeal", {"reason_code": "not_heard"}, WANG_SON, PROXY)
    assert await quarter.state(order_id) == "DISPUTED"
    await quarter.refused(403, "same_person_decides", f"{path}/resolve", decision, SONG, MEDIATOR)
    upheld = {"decision": "upheld", "consequences": ["order_unfulfilled", "hours_rejected"]}
    await quarter.done(f"{path}/resolve", upheld, TAN, MEDIATOR)
    final = (await quarter.events(order_id))[-1]
    assert isinstance(final, DisputeResolved)
    assert (final.final, final.state, final.assignments[0].volunteer_id) == (True, "UNFULFILLED", ANNA)
    await quarter.refused(409, "appeal_used", f"{path}/appeal", {"reason_code": "not_heard"}, ANNA, VOLUNTEER)
    starts = quarter.now() + timedelta(hours=2)
    anew = {"window_start": iso(starts), "window_end": iso(starts + timedelta(hours=1)), "reason_code": "still_needed"}
    await quarter.refused(409, "served_once", f"/orders/{order_id}/reopen", anew, WANG, RESIDENT)
    assert [event.type for event in await quarter.events(order_id)][-4:] == [
        "CompletionContested",
        "DisputeResolved",
        "DisputeAppealed",
        "DisputeResolved",
    ]


async def test_a_dispute_about_hours_holds_the_order_s_end_and_nothing_else(quarter: Quarter) -> None:
    order_id = await rated(quarter, 5)
    asked = {"about": "hours", "reason_code": "too_few_minutes", "order_id": str(order_id)}
    await quarter.refused(403, "forbidden", "/disputes", asked, BO, VOLUNTEER)
    answer = await quarter.done("/disputes", asked, ANNA, VOLUNTEER)
    assert await quarter.state(order_id) == "RATED"
    await quarter.later(days=8)
    await quarter.refused(409, "dispute_open", f"/orders/{order_id}/close", {}, DUAN, DISPATCHER)
    assert await quarter.fire() == 0
    upheld = {"decision": "upheld", "consequences": ["hours_corrected"]}
    await quarter.done(f"/disputes/{answer['dispute_id']}/resolve", upheld, SONG, MEDIATOR)
    assert await quarter.fire() == 1
    assert await quarter.state(order_id) == "CLOSED"


async def test_the_fund_is_disputed_without_any_order(quarter: Quarter) -> None:
    entry = "0190a0c0-0000-7000-8000-0000000000ff"
    asked = {"about": "fund", "reason_code": "unclear_entry", "subject_id": entry, "words": "这笔钱去哪了"}
    answer = await quarter.done("/disputes", asked, WANG, RESIDENT)
    (mine,) = (await quarter.seen("/disputes?mine=true", WANG, RESIDENT))["disputes"]
    assert (mine["subject_id"], mine["order_id"]) == (entry, None)
    path = f"/disputes/{answer['dispute_id']}"
    await quarter.refused(403, "forbidden", f"{path}/resolve", {"decision": "upheld"}, WANG, MEDIATOR)
    await quarter.done(f"{path}/resolve", {"decision": "upheld", "consequences": ["fund_reviewed"]}, SONG, MEDIATOR)


async def test_an_appeal_against_a_suspension_is_decided_by_somebody_who_did_not_suspend(quarter: Quarter) -> None:
    suspended = VolunteerSuspended(
        volunteer_id=ANNA,
        reason_code="investigation",
        suspended_by=SONG,
        seconded_by=ZHAN,
        role=MEDIATOR,
        suspended_at=quarter.now(),
    )
    await quarter.hear(suspended)
    asked = {"about": "conduct", "subject_id": str(ANNA), "reason_code": "suspension_unfair", "words": "不是我的错。"}
    answer = await quarter.done("/disputes", asked, ANNA, VOLUNTEER)
    path = f"/disputes/{answer['dispute_id']}/resolve"
    for suspender in (SONG, ZHAN):
        await quarter.refused(403, "involved_decides", path, {"decision": "rejected"}, suspender, MEDIATOR)
    await quarter.done(path, {"decision": "upheld"}, RUI, MEDIATOR)
    raised, resolved = [one.event for one in await quarter.runtime.log.read(0, 10_000)][-2:]
    assert isinstance(raised, DisputeRaised)
    assert isinstance(resolved, DisputeResolved)
    assert (resolved.subject_id, resolved.raised_by, resolved.raised_at) == (ANNA, ANNA, raised.raised_at)


async def test_a_proxy_takes_up_the_matter_of_whom_they_speak_for_and_of_nobody_else(quarter: Quarter) -> None:
    await quarter.hear(quarter.proxy(ANNA, WANG_SON))
    asked = {"about": "conduct", "subject_id": str(ANNA), "reason_code": "suspension_unfair", "words": "她没有错。"}

    def speaking_for(person: UUID) -> dict[str, str]:
        token = quarter.served.world.token(Role.PROXY, actor_id=WANG_SON, on_behalf_of=person)
        return {"Authorization": f"Bearer {token}"}

    await quarter.refused(403, "forbidden", "/disputes", asked, WANG_SON, Role.PROXY, **speaking_for(BO))
    await quarter.refused(403, "forbidden", "/disputes", asked, WANG_SON, Role.PROXY)
    answer = await quarter.done("/disputes", asked, WANG_SON, Role.PROXY, **speaking_for(ANNA))
    await quarter.done(f"/disputes/{answer['dispute_id']}/resolve", {"decision": "upheld"}, SONG, MEDIATOR)
    raised, resolved = [one.event for one in await quarter.runtime.log.read(0, 10_000)][-2:]
    assert isinstance(raised, DisputeRaised)
    assert isinstance(resolved, DisputeResolved)
    assert (raised.raised_by, raised.raised_for) == (resolved.raised_by, resolved.raised_for) == (WANG_SON, ANNA)
    assert (await quarter.seen(f"/disputes/{answer['dispute_id']}", ANNA, VOLUNTEER))["decision"] == "upheld"


async def test_who_is_said_not_to_have_come_is_heard_for_a_week_and_not_by_who_said_it(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    asked = {"about": "conduct", "order_id": str(order_id), "reason_code": "was_there", "words": "我在楼下等着。"}
    await quarter.until(TOMORROW + timedelta(minutes=20))
    await quarter.done(f"/orders/{order_id}/no-show", {"volunteer_id": str(ANNA)}, DUAN, DISPATCHER)
    await quarter.refused(403, "forbidden", "/disputes", asked, BO, VOLUNTEER)
    answer = await quarter.done("/disputes", asked, ANNA, VOLUNTEER)
    path = f"/disputes/{answer['dispute_id']}/resolve"
    await quarter.refused(403, "involved_decides", path, {"decision": "rejected"}, DUAN, MEDIATOR)
    await quarter.done(path, {"decision": "upheld"}, SONG, MEDIATOR)
    await quarter.until(TOMORROW + timedelta(days=8))
    await quarter.refused(403, "forbidden", "/disputes", asked, ANNA, VOLUNTEER)


async def test_nobody_opens_the_check_rises_twice_and_a_person_closes_it(quarter: Quarter) -> None:
    order_id = await quarter.place()
    await quarter.done(f"/orders/{order_id}/verify", {"on_absence": "welfare_check"}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{order_id}/open", {}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    await quarter.until(TOMORROW + timedelta(minutes=10))
    answer = await quarter.done(f"/orders/{order_id}/resident-absent", {}, ANNA, VOLUNTEER)
    stream = f"welfare_check-{answer['check_id']}"
    path = f"/welfare-checks/{answer['check_id']}"
    (waiting,) = (await quarter.seen("/welfare-checks", GUO, KEEPER))["welfare_checks"]
    assert (waiting["check_id"], waiting["level"]) == (answer["check_id"], 0)
    levels = []
    for _ in range(2):
        await quarter.later(minutes=30)
        await quarter.fire()
        await quarter.fire()
        last = (await quarter.runtime.log.read_stream(stream))[-1].event
        assert isinstance(last, WelfareCheckEscalated)
        levels.append((last.level, last.to_role))
    assert levels == [(1, Role.BUILDING_LEAD), (2, Role.DISPATCHER)]
    await quarter.later(days=1)
    await quarter.fire()
    assert len(await quarter.runtime.log.read_stream(stream)) == 3
    cancel = {"reason_code": "absent"}
    await quarter.refused(409, "welfare_check_open", f"/orders/{order_id}/cancel", cancel, DUAN, DISPATCHER)
    outcome = {"outcome": "hospital", "words": "邻居说昨晚送医院了"}
    await quarter.refused(403, "forbidden", f"{path}/outcome", outcome, ANNA, VOLUNTEER)
    await quarter.done(f"{path}/outcome", outcome, GUO, KEEPER)
    shown = await quarter.seen(path, WANG_SON, PROXY)
    assert (shown["outcome"], shown["words"], shown["closed_by"]) == ("hospital", "邻居说昨晚送医院了", str(GUO))
    await quarter.refused(409, "check_closed_already", f"{path}/outcome", outcome, GUO, KEEPER)
    await quarter.done(f"/orders/{order_id}/cancel", cancel, DUAN, DISPATCHER)


async def test_a_worried_volunteer_raises_one_check_and_no_second(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    await quarter.refused(403, "forbidden", f"/orders/{order_id}/welfare-check", {}, BO, VOLUNTEER)
    answer = await quarter.done(f"/orders/{order_id}/welfare-check", {}, ANNA, VOLUNTEER)
    await quarter.refused(409, "check_open_already", f"/orders/{order_id}/welfare-check", {}, DUAN, DISPATCHER)
    await quarter.done(f"/welfare-checks/{answer['check_id']}/outcome", {"outcome": "safe"}, GUO, KEEPER)
    assert (await quarter.seen("/welfare-checks", GUO, KEEPER))["welfare_checks"] == []
