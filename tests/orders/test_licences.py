"""A licence must be valid when the service ends: at the offer, at acceptance, and when it expires in between."""

from datetime import date, timedelta
from uuid import UUID, uuid4

from contracts.command import Role
from contracts.orders import AssignmentLapsed
from contracts.volunteers import GuardianConsentRecorded, LicenceExpired, LicenceRecorded
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, DUAN, MONDAY_NINE, WANG_SON

VOLUNTEER, DISPATCHER = Role.VOLUNTEER, Role.DISPATCHER
LAST_DAY = TOMORROW.date()


def recorded(licence_id: UUID, expires_on: date) -> LicenceRecorded:
    return LicenceRecorded(
        licence_id=licence_id,
        volunteer_id=ANNA,
        licence="medical",
        expires_on=expires_on,
        due_at=MONDAY_NINE + timedelta(days=2),
        role=Role.STATION_MANAGER,
        recorded_at=MONDAY_NINE,
    )


def expired(licence_id: UUID) -> LicenceExpired:
    return LicenceExpired(
        licence_id=licence_id, volunteer_id=ANNA, licence="medical", role=Role.SYSTEM, expired_at=TOMORROW
    )


async def clinic(quarter: Quarter) -> UUID:
    order_id = await quarter.opened(item_code="health-clinic")
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    return order_id


async def test_a_licence_that_ends_before_the_service_does_is_none(quarter: Quarter) -> None:
    await quarter.hear(recorded(uuid4(), LAST_DAY - timedelta(days=1)))
    order_id = await quarter.opened(item_code="health-clinic")
    await quarter.refused(409, "licence_needed", f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    await quarter.hear(recorded(uuid4(), LAST_DAY))
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)


async def test_a_licence_that_expires_frees_the_slots_that_need_it_and_no_others(quarter: Quarter) -> None:
    licence_id = uuid4()
    await quarter.hear(recorded(licence_id, LAST_DAY))
    needs_it = await clinic(quarter)
    afterwards = TOMORROW + timedelta(hours=5)
    other = await quarter.accepted(window_start=iso(afterwards), window_end=iso(afterwards + timedelta(hours=1)))
    messages = await quarter.hear(expired(licence_id))
    lapsed = (await quarter.events(needs_it))[-1]
    assert isinstance(lapsed, AssignmentLapsed)
    assert (lapsed.cause, lapsed.volunteer_id) == ("licence_expired", ANNA)
    assert await quarter.state(other) == "ACCEPTED"
    size = await quarter.served.size()
    await quarter.hear_again(messages)
    assert await quarter.served.size() == size
    named = {"volunteer_ids": [str(ANNA)]}
    problem = await quarter.refused(409, "candidate_unfit", f"/orders/{needs_it}/dispatch", named, DUAN, DISPATCHER)
    assert "licence_needed" in problem["facts"]["why"]


async def test_a_renewed_licence_keeps_the_slot(quarter: Quarter) -> None:
    old, new = uuid4(), uuid4()
    await quarter.hear(recorded(old, LAST_DAY))
    order_id = await clinic(quarter)
    await quarter.hear(recorded(new, LAST_DAY + timedelta(days=365)), expired(old))
    assert await quarter.state(order_id) == "ACCEPTED"


async def test_a_child_whose_guardian_consented_again_at_ten_need_not_be_accompanied(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    for accompanied_only in (True, False):
        consent = GuardianConsentRecorded(
            volunteer_id=ANNA,
            guardian_id=WANG_SON,
            form="written",
            accompanied_only=accompanied_only,
            role=Role.RESIDENT,
            recorded_at=MONDAY_NINE,
        )
        await quarter.hear(consent)
        if accompanied_only:
            await quarter.refused(409, "accompanied_only", f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
