"""From the wish to the last slot filled: given a story so far, when somebody asks, then these events or a refusal."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Role
from contracts.orders import OrderDispatched, OrderOpened, OrderPlaced, OrderState, OrderVerified
from services.orders.commands.placing import (
    DeclineOffer,
    DispatchOrder,
    ExpireOffer,
    OpenOrder,
    RefuseOrder,
    VerifyOrder,
)
from services.orders.commands.words import Policy
from services.orders.decider.deadlines import office_minutes_after
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DISPATCHER,
    DUAN,
    GUO,
    MONDAY_NINE,
    POLICY,
    RESIDENT,
    WANG,
    WANG_HOME,
    WINDOW_END,
    WINDOW_START,
    Story,
    as_volunteer,
    ask,
    by,
    from_inquiry,
    in_state,
    item,
    place,
    proposal,
)

# 点单


def test_a_resident_places_an_order_and_the_dispatcher_has_two_office_hours() -> None:
    story = Story().place()
    placed = story.events[0]
    assert isinstance(placed, OrderPlaced)
    assert (placed.state, placed.owner_role, placed.next_due_for) == (OrderState.PLACED, Role.DISPATCHER, "triage")
    assert placed.next_due_at == MONDAY_NINE + timedelta(hours=2)
    assert (placed.beneficiary_id, placed.requested_by, placed.grid_id) == (WANG, WANG, "grid-01")
    assert (placed.expected_minutes, placed.slots, placed.skills) == (30, 1, ("haircut",))


def test_triage_counts_office_hours_only_and_urgent_orders_do_not_wait_for_them() -> None:
    friday_evening = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)  # 17:00 in Tianjin: half an hour is left of the week
    assert office_minutes_after(friday_evening, 120, POLICY) == datetime(2026, 3, 9, 2, 0, tzinfo=UTC)
    saturday = datetime(2026, 3, 7, 3, 0, tzinfo=UTC)
    assert office_minutes_after(saturday, 120, POLICY) == datetime(2026, 3, 9, 2, 30, tzinfo=UTC)
    sunday = friday_evening + timedelta(days=2)
    window = {"window_start": sunday + timedelta(hours=4), "window_end": sunday + timedelta(hours=5)}
    urgent = Story().until(sunday).place(urgent=True, **window)
    assert urgent.events[0].next_due_at == sunday + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"item": item(active=False)}, "item_retired"),
        ({"resident": RESIDENT.model_copy(update={"consented": False})}, "consent_required"),
        ({"resident": RESIDENT.model_copy(update={"grid_id": None})}, "place_unknown"),
        ({"window_start": MONDAY_NINE}, "window_not_in_future"),
        ({"window_end": WINDOW_START}, "window_empty"),
        ({"window_end": WINDOW_START + timedelta(minutes=29)}, "window_too_short"),
        ({"window_end": WINDOW_START + timedelta(minutes=721)}, "window_too_long"),
        (
            {
                "window_start": MONDAY_NINE + timedelta(days=91),
                "window_end": MONDAY_NINE + timedelta(days=91, hours=1),
            },
            "window_too_far",
        ),
    ],
)
def test_an_order_that_cannot_be_is_refused(changes: dict[str, Any], code: str) -> None:
    assert Story().refused(place(**changes)).reason_code == code


# 制单


def test_an_inquiry_becomes_an_order_in_the_pool_in_one_append() -> None:
    story = Story()
    events = story.do(from_inquiry())
    assert [event.type for event in events] == ["OrderPlaced", "OrderVerified", "OrderOpened"]
    assert [event.state for event in events] == [OrderState.PLACED, OrderState.VERIFIED, OrderState.OPEN]
    placed, _, opened = events
    assert isinstance(placed, OrderPlaced)
    assert isinstance(opened, OrderOpened)
    assert (placed.mode, placed.requested_by, opened.invited) == ("inquiry", GUO, (ANNA, BO))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"converted": True}, "inquiry_converted"),
        ({"inquiry_result": "not_home"}, "inquiry_without_need"),
        ({"item": item(home_visit=True), "frail_or_minor": True}, "two_needed"),
    ],
)
def test_an_inquiry_that_gives_no_order_is_refused(changes: dict[str, Any], code: str) -> None:
    assert Story().refused(from_inquiry(**changes)).reason_code == code


# 受理


def test_verifying_fixes_what_the_order_takes() -> None:
    story = Story().place().verify(slots=2, licence="medical", insurance_required=True)
    verified = story.events[-1]
    assert isinstance(verified, OrderVerified)
    assert (verified.slots, verified.licence, verified.insurance_required) == (2, "medical", True)
    assert (verified.verified_by, verified.next_due_for) == (DUAN, "dispatch")
    assert verified.next_due_at == MONDAY_NINE + timedelta(hours=4)


def test_a_home_visit_to_a_frail_person_takes_two_and_the_event_does_not_say_why() -> None:
    story = Story().place(item=item(home_visit=True))
    frail = ask(VerifyOrder, DISPATCHER, story.at, on_absence="welfare_check", frail_or_minor=True)
    assert story.refused(frail).reason_code == "two_needed"
    story.do(frail.model_copy(update={"slots": 2}))
    assert b"frail" not in story.events[-1].to_json()


@pytest.mark.parametrize(
    ("fields", "code"), [({"slots": 1}, "slots_below_item"), ({"licence": "lawyer"}, "licence_fixed")]
)
def test_verifying_takes_nothing_away_that_the_item_needs(fields: dict[str, Any], code: str) -> None:
    story = Story().place(item=item(slots=2, licence="medical"))
    assert story.refused(ask(VerifyOrder, DISPATCHER, story.at, on_absence="call", **fields)).reason_code == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reason_code": "emergency"}, "referral_needed"),
        ({"reason_code": "emergency", "referral": "12345"}, "referral_needed"),
        ({"reason_code": "other"}, "words_needed"),
    ],
)
def test_nobody_is_refused_without_a_reason(fields: dict[str, Any], code: str) -> None:
    story = Story().place()
    assert story.refused(ask(RefuseOrder, DISPATCHER, story.at, **fields)).reason_code == code


def test_an_emergency_is_referred_to_its_number() -> None:
    story = Story().place()
    story.do(ask(RefuseOrder, DISPATCHER, story.at, reason_code="emergency", referral="120"))
    assert (story.state, story.events[-1].owner_role, story.events[-1].next_due_at) == (OrderState.REFUSED, None, None)


# 派单


def test_an_order_is_offered_for_two_hours() -> None:
    story = in_state(OrderState.VERIFIED).dispatch(ANNA, BO)
    dispatched = story.events[-1]
    assert isinstance(dispatched, OrderDispatched)
    assert [offer.volunteer_id for offer in dispatched.offers] == [ANNA, BO]
    assert {offer.expires_at for offer in dispatched.offers} == {story.at + timedelta(hours=2)}
    assert (dispatched.wave, dispatched.dispatched_by, dispatched.next_due_for) == (1, DUAN, "offer")
    assert dispatched.offers[0].reasons == ("for:same_grid",)


def test_an_offer_never_outlasts_the_window() -> None:
    story = in_state(OrderState.VERIFIED).until(WINDOW_END - timedelta(minutes=5)).dispatch(ANNA)
    assert story.order is not None
    assert story.order.offers[0].expires_at == WINDOW_END


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"state": "PAUSED"}, "volunteer_not_active"),
        ({"state": None}, "volunteer_not_active"),
        ({"household_id": WANG_HOME}, "same_household"),
        ({"skills": {}}, "skill_needed"),
        ({"busy": True}, "time_overlap"),
        ({"offers_today": 2}, "offers_today_reached"),
        ({"accompanied_only": True}, "accompanied_only"),
    ],
)
def test_only_who_may_serve_is_offered_an_order(facts: dict[str, Any], why: str) -> None:
    story = in_state(OrderState.VERIFIED)
    refused = story.refused(ask(DispatchOrder, DISPATCHER, story.at, proposals=(proposal(ANNA, 1, **facts),)))
    assert (refused.reason_code, refused.facts["why"]) == ("candidate_unfit", why)


def test_a_licence_must_hold_on_the_day_of_service_and_insurance_too() -> None:
    story = Story().place().verify(licence="medical", insurance_required=True)
    ends, day = date(2026, 3, 4), date(2026, 3, 3)
    insured: dict[str, Any] = {"insured_from": date(2026, 1, 1), "insured_until": date(2026, 12, 31)}

    def why(**facts: Any) -> object:
        return story.refused(ask(DispatchOrder, DISPATCHER, story.at, proposals=(proposal(ANNA, 1, **facts),))).facts[
            "why"
        ]

    assert why(licences={"medical": day}, **insured) == "licence_needed"
    assert why(licences={"medical": ends}, insured_from=ends, insured_until=day) == "insurance_needed"
    story.dispatch(ANNA, licences={"medical": ends}, **insured)
    assert story.state is OrderState.OFFERED


def test_a_volunteer_is_not_asked_twice_for_one_order_and_nobody_dispatches_to_themselves() -> None:
    story = in_state(OrderState.OFFERED)
    story.do(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA))
    story.do(ask(DeclineOffer, as_volunteer(BO), story.at, volunteer_id=BO))
    again = story.refused(ask(DispatchOrder, DISPATCHER, story.at, proposals=(proposal(ANNA, 9),)))
    assert again.facts["why"] == "asked_before"
    own = story.refused(ask(DispatchOrder, by(CHEN, Role.DISPATCHER), story.at, proposals=(proposal(CHEN, 9),)))
    assert own.facts["why"] == "self_dispatch"
    twice = story.refused(ask(DispatchOrder, DISPATCHER, story.at, proposals=(proposal(CHEN, 8), proposal(CHEN, 9))))
    assert twice.reason_code == "candidate_twice"


def test_the_last_offer_declined_leads_back_and_the_next_wave_goes_by_itself() -> None:
    story = in_state(OrderState.OFFERED)
    story.do(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA))
    assert story.state is OrderState.OFFERED
    story.do(ask(DeclineOffer, as_volunteer(BO), story.at, volunteer_id=BO, reason_code="busy"))
    declined = story.events[-1]
    assert (declined.state, declined.next_due_for, declined.next_due_at) == (OrderState.VERIFIED, "wave", story.at)


def test_without_the_timer_the_dispatcher_sends_the_next_wave() -> None:
    story = Story(Policy(waves_by_timer=False)).place().verify().dispatch(ANNA)
    story.do(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA))
    assert (story.events[-1].next_due_for, story.events[-1].owner_role) == ("staffing", Role.DISPATCHER)


def test_offers_expire_when_due_and_a_second_firing_is_harmless() -> None:
    story = in_state(OrderState.OFFERED)
    assert story.refused(ask(ExpireOffer, SYSTEM, story.at)).reason_code == "not_due"
    story.later(hours=2).do(ask(ExpireOffer, SYSTEM, story.at))
    assert story.state is OrderState.VERIFIED
    assert story.refused(ask(ExpireOffer, SYSTEM, story.at)).reason_code == "not_due"
    assert story.refused(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA)).reason_code == (
        "offer_not_live"
    )


def test_opening_the_pool_ends_the_offers_that_wait() -> None:
    story = in_state(OrderState.OFFERED)
    story.open()
    opened = story.events[-1]
    assert isinstance(opened, OrderOpened)
    assert len(opened.offers_ended) == 2
    story.accept(ANNA)
    assert story.state is OrderState.ACCEPTED


def test_nothing_is_offered_after_the_window() -> None:
    story = in_state(OrderState.VERIFIED).until(WINDOW_END)
    late = ask(DispatchOrder, DISPATCHER, story.at, proposals=(proposal(ANNA, 1),))
    assert story.refused(late).reason_code == "window_over"
    assert story.refused(ask(OpenOrder, DISPATCHER, story.at)).reason_code == "window_over"
