"""What becomes of the fund's notices, on real PostgreSQL: told, withdrawn, and reached by their case alone."""

from datetime import timedelta

from contracts.command import Role
from contracts.ledger import AidState
from tests.notify import said
from tests.notify import said_by_the_fund as fund
from tests.notify.desk import Desk
from tests.notify.examples import ANNA, BO, DONATION, DONOR, LEE, NOON, QIAN, WANG, ZHAO

CONTACTS = "/contacts"
NUMBER = "13800001234"
OFFICES = (
    (ANNA, Role.FUND_APPROVER), (BO, Role.FUND_APPROVER), (LEE, Role.FUND_CLERK), (ZHAO, Role.CASHIER),
    (QIAN, Role.GRID_WORKER), (WANG, Role.SOCIAL_WORKER),
)  # fmt: skip


async def offices(desk: Desk) -> None:
    await desk.hear(*(said.granted(person_id, role) for person_id, role in OFFICES))


async def test_a_case_goes_from_hand_to_hand_and_each_is_told_when_it_is_theirs(desk: Desk) -> None:
    await offices(desk)
    await desk.hear(fund.applied())
    assert {row["ref"] for row in await desk.notices(template="aid_to_visit")} == {QIAN, WANG}
    await desk.hear(fund.verified(1, state=AidState.APPLIED), fund.verified(2))
    assert await desk.templates(state="CANCELLED") == ["aid_to_visit", "aid_to_visit"]
    (clerk,) = await desk.notices(template="aid_to_publicize")
    assert clerk["ref"] == LEE
    await desk.hear(fund.publicized())
    approvers = await desk.notices(template="aid_to_approve")
    assert {row["ref"] for row in approvers} == {ANNA, BO}
    assert {row["due_at"] for row in approvers} == {fund.UNTIL}, "not while objections may come"
    desk.later(days=3)
    await desk.hear(fund.approved(1), fund.approved(2))
    assert await desk.templates(state="QUEUED", to_role="FUND_APPROVER") == []
    (cashier,) = await desk.notices(template="aid_to_pay")
    assert (cashier["ref"], cashier["topic_id"]) == (ZHAO, fund.CASE)
    await desk.hear(fund.disbursed(), fund.confirmed())
    waiting = await desk.templates(state="QUEUED", to_role="SOCIAL_WORKER")
    assert waiting == ["aid_to_look_in"]
    assert (await desk.notices(template="asked_done"))[0]["state"] == "CANCELLED"
    await desk.hear(fund.followed_up())
    assert await desk.templates(state="QUEUED") == []


async def test_the_next_hand_finds_it_in_its_inbox(desk: Desk) -> None:
    await offices(desk)
    await desk.hear(fund.applied("urgent"))
    await desk.sender.send_due()
    for approver in (ANNA, BO):
        seen = await desk.done("GET", f"/inbox/{approver}", None, approver, Role.FUND_APPROVER)
        (notice,) = seen["notices"]
        assert (notice["title"], notice["topic_id"]) == ("加急救助，马上审批", str(fund.CASE))


async def test_what_was_amended_is_not_paid_and_approved_anew(desk: Desk) -> None:
    await offices(desk)
    await desk.hear(fund.publicized("waived"), fund.approved(1), fund.approved(2), fund.amended(approvals_voided=2))
    assert await desk.templates(state="QUEUED", to_role="CASHIER") == []
    assert {row["ref"] for row in await desk.notices(template="aid_amended_to_approve")} == {ANNA, BO}
    await desk.hear(fund.rejected())
    assert await desk.templates(state="QUEUED") == ["asked_refused"]


async def test_a_refusal_reaches_an_applicant_whom_no_channel_reaches_by_the_clerks_call_alone(desk: Desk) -> None:
    await desk.hear(fund.applied(), fund.rejected())
    await desk.sender.send_due()
    (call,) = await desk.notices(by_phone=True, state="QUEUED", ref=fund.CASE)
    assert (call["template"], call["to_role"]) == ("asked_refused", "FUND_CLERK")
    assert (await desk.done("GET", "/phone-list", None, ZHAO, Role.DISPATCHER))["calls"] == []
    assert (await desk.done("GET", "/phone-list", None, ZHAO, Role.STATION_MANAGER))["calls"] == []
    phone = {"ref": str(fund.CASE), "channel": "phone", "address": NUMBER, "person_id": str(WANG)}
    await desk.done("PUT", CONTACTS, phone, LEE, Role.FUND_CLERK)
    (listed,) = (await desk.done("GET", "/phone-list", None, LEE, Role.FUND_CLERK))["calls"]
    assert (listed["phone"], listed["title"]) == (NUMBER, "您申请的事有结果了")
    outcome = f"/phone-list/{listed['notification_id']}/outcome"
    await desk.refused(403, "forbidden", "POST", outcome, {"outcome": "reached"}, ZHAO, Role.DISPATCHER)
    await desk.done("POST", outcome, {"outcome": "reached"}, LEE, Role.FUND_CLERK)


async def test_progress_disturbs_nobody_who_chose_no_channel(desk: Desk) -> None:
    await desk.hear(fund.applied(), fund.verified(2))
    await desk.sender.send_due()
    assert {row["state"] for row in await desk.notices(ref=fund.CASE)} == {"FAILED"}
    assert await desk.notices(ref=fund.CASE, by_phone=True) == []


async def test_a_cases_number_is_the_clerks_to_set_and_goes_with_the_person(desk: Desk) -> None:
    phone = {"ref": str(fund.CASE), "channel": "phone", "address": NUMBER}
    of_wang = {**phone, "person_id": str(WANG)}
    await desk.refused(403, "forbidden", "PUT", CONTACTS, of_wang, LEE, Role.FUND_CLERK)
    await desk.hear(fund.applied())
    await desk.refused(403, "forbidden", "PUT", CONTACTS, of_wang, ZHAO, Role.STATION_MANAGER)
    await desk.refused(403, "forbidden", "GET", f"{CONTACTS}/{fund.CASE}", None, ZHAO, Role.DISPATCHER)
    await desk.refused(422, "person_required", "PUT", CONTACTS, phone, LEE, Role.FUND_CLERK)
    await desk.done("PUT", CONTACTS, of_wang, LEE, Role.FUND_CLERK)
    assert all(str(WANG).encode() not in recorded.body for recorded in await desk.runtime.log.read())
    await desk.hear(said.erased(WANG))
    seen = await desk.done("GET", f"{CONTACTS}/{fund.CASE}", None, LEE, Role.FUND_CLERK)
    assert [row["address"] for row in seen["contacts"]] == [None]


async def test_nobody_is_thanked_for_what_never_came(desk: Desk) -> None:
    await desk.hear(said.received(), fund.refunded())
    (thanks,) = await desk.notices(ref=DONOR)
    assert (thanks["state"], thanks["reason_code"], thanks["topic_id"]) == ("CANCELLED", "donation_refunded", DONATION)


async def test_the_station_discloses_a_market_until_it_did(desk: Desk) -> None:
    await desk.hear(said.granted(QIAN, Role.STATION_MANAGER), fund.deposited(), fund.disclosed(complete=False))
    (told,) = await desk.notices(template="market_to_disclose")
    assert (told["ref"], told["state"], told["queued_at"]) == (QIAN, "QUEUED", NOON)
    await desk.hear(fund.disclosed(complete=True))
    (told,) = await desk.notices(template="market_to_disclose")
    assert told["state"] == "CANCELLED"


async def test_a_doubt_of_a_visitor_reaches_the_approvers(desk: Desk) -> None:
    await offices(desk)
    await desk.hear(fund.applied(), fund.verified(1, "not_confirmed", AidState.APPLIED))
    assert {row["ref"] for row in await desk.notices(template="aid_doubted")} == {ANNA, BO}
    desk.later(days=15)
    await desk.sender.send_due()
    (asked,) = await desk.notices(template="asked")
    assert asked["reason_code"] == "expired"
    assert asked["expires_at"] == NOON + timedelta(days=14)
