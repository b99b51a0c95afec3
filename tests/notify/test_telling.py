"""The table of domain.md §4.9 for notify: which event tells whom what, and what it withdraws; every class is here."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import Role
from contracts.event import EVENTS, Event
from services.notify.reactions import aside
from services.notify.reactions import ledger as hears_ledger
from services.notify.reactions import orders as hears_orders
from services.notify.reactions import volunteers as hears_volunteers
from services.notify.reactions.desk import (
    on_acceptance_withdrawn,
    on_assignment_lapsed,
    on_completion_confirmed,
    on_completion_presumed,
    on_offer_declined,
    on_offer_expired,
    on_order_accepted,
    on_order_cancelled,
    on_order_closed,
    on_order_dispatched,
    on_order_escalated,
    on_order_info_provided,
    on_order_info_requested,
    on_order_opened,
    on_order_placed,
    on_order_rated,
    on_order_refused,
    on_order_staffed,
    on_order_unfulfilled,
    on_order_verified,
    on_service_auto_closed,
    on_service_finished,
    on_service_started,
)
from services.notify.reactions.ledger import on_entry_posted
from services.notify.reactions.missing import (
    on_resident_absent_recorded,
    on_service_recorded_afterwards,
    on_volunteer_no_show_recorded,
    on_welfare_check_raised,
)
from services.notify.reactions.telling import reason_of
from services.notify.reactions.turning import (
    on_assignment_reconfirmed,
    on_completion_contested,
    on_order_merged,
    on_order_rating_amended,
    on_order_redispatched,
    on_order_reopened,
    on_order_rescheduled,
)
from services.notify.reactions.volunteers import on_hours_voided
from services.notify.templates import render
from tests.notify import said, said_by_the_fund, said_of_hours
from tests.notify import said_aside as after
from tests.notify import said_beside as beside
from tests.notify.examples import (
    ANNA,
    ASSIGNMENT,
    BO,
    EVENT,
    NOON,
    OFFER,
    ORDER,
    OTHER_ASSIGNMENT,
    START,
    WANG,
)

ORDER_KEY, ASSIGNMENT_KEY, OFFER_KEY = f"order:{ORDER}", f"assignment:{ASSIGNMENT}", f"offer:{OFFER}"
TRIAGE, INFO, VISIT, LOOKING, CONFIRM, RATE = (
    f"{word}:{ORDER}" for word in ("triage", "info", "visit", "looking", "confirm", "rate")
)
OTHER_KEY, RECONFIRM = f"assignment:{OTHER_ASSIGNMENT}", f"reconfirm:{ASSIGNMENT}"
DISPATCHER = Role.DISPATCHER

TABLE: list[tuple[Any, Event, list[tuple[str, UUID | Role]], set[str]]] = [
    (on_order_placed, said.placed(), [("order_received", WANG), ("order_to_triage", DISPATCHER)], set()),
    (on_order_placed, said.placed(mode="inquiry"), [("order_made", WANG)], set()),
    (on_order_info_requested, beside.info_requested(), [("info_needed", WANG)], {TRIAGE}),
    (on_order_info_provided, beside.info_provided(), [("info_provided", DISPATCHER)], {INFO}),
    (on_order_verified, said.verified(), [], {TRIAGE, INFO}),
    (on_order_refused, said.refused(), [("order_refused", WANG)], {ORDER_KEY, TRIAGE}),
    (on_order_dispatched, said.dispatched(), [("offer", ANNA)], set()),
    (on_offer_declined, said.declined(), [], {OFFER_KEY}),
    (on_offer_expired, said.expired(), [], {OFFER_KEY}),
    (on_order_opened, said.opened(), [("pool_digest", ANNA), ("pool_digest", BO)], {OFFER_KEY}),
    (
        on_order_accepted,
        said.accepted(),
        [("someone_coming", WANG), ("visit_tomorrow", ANNA), ("visit_in_hours", ANNA)],
        {OFFER_KEY},
    ),
    (on_order_accepted, said.accepted(2), [("visit_tomorrow", ANNA), ("visit_in_hours", ANNA)], {OFFER_KEY}),
    (
        on_order_accepted,
        said.accepted(2, accepted_at=START - timedelta(hours=5), offer_id=None),
        [("visit_in_hours", ANNA)],
        set(),
    ),
    (on_order_accepted, said.accepted(2, accepted_at=START - timedelta(hours=1)), [], {OFFER_KEY}),
    (on_order_staffed, said.staffed(), [("all_found", WANG), ("visit_soon", WANG)], {OFFER_KEY, LOOKING}),
    (
        on_acceptance_withdrawn,
        said.withdrawn(),
        [("looking_again", WANG), ("slot_lost", DISPATCHER), ("partner_left", BO)],
        {ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_acceptance_withdrawn,
        said.withdrawn(119),
        [("call_looking_again", WANG), ("slot_lost", DISPATCHER), ("partner_left", BO)],
        {ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_assignment_lapsed,
        said.lapsed(),
        [("call_looking_again", WANG), ("slot_lost", DISPATCHER), ("assignment_lapsed", ANNA)],
        {ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_assignment_lapsed,
        said.lapsed("person_erased"),
        [("call_looking_again", WANG), ("slot_lost", DISPATCHER)],
        {ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_order_escalated,
        said.escalated(),
        [("order_escalated", Role.GRID_WORKER), ("escalated_to_centre", DISPATCHER)],
        set(),
    ),
    (
        on_order_escalated,
        said.escalated("window_over", DISPATCHER),
        [("order_escalated", DISPATCHER), ("call_nobody_came", WANG)],
        set(),
    ),
    (
        on_order_cancelled,
        said.cancelled(),
        [("order_cancelled", WANG), ("visit_cancelled", ANNA)],
        {ORDER_KEY, ASSIGNMENT_KEY, OFFER_KEY},
    ),
    (
        on_order_cancelled,
        said.cancelled(60),
        [("order_cancelled", WANG), ("call_visit_cancelled", ANNA)],
        {ORDER_KEY, ASSIGNMENT_KEY, OFFER_KEY},
    ),
    (
        on_order_unfulfilled,
        said.unfulfilled(),
        [("call_unfulfilled", WANG), ("visit_cancelled", ANNA)],
        {ORDER_KEY, ASSIGNMENT_KEY, OFFER_KEY},
    ),
    (on_service_started, said.started(), [], {ASSIGNMENT_KEY, VISIT}),
    (on_service_finished, said.finished(), [("please_confirm", WANG)], set()),
    (on_service_finished, said.finished(served=False), [], set()),
    (on_service_auto_closed, said.auto_closed(), [("enter_times", ANNA)], set()),
    (
        on_volunteer_no_show_recorded,
        beside.no_show(),
        [("call_looking_again", WANG), ("slot_lost", DISPATCHER), ("partner_left", BO), ("no_show_recorded", ANNA)],
        {ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_resident_absent_recorded,
        beside.absent(),
        [("call_absent", WANG), ("absent_thanks", ANNA), ("absent_thanks", BO)],
        {ASSIGNMENT_KEY, OTHER_KEY, VISIT},
    ),
    (
        on_service_recorded_afterwards,
        beside.recorded_afterwards(),
        [("please_confirm", WANG)],
        {ASSIGNMENT_KEY, VISIT, LOOKING},
    ),
    (on_service_recorded_afterwards, beside.recorded_afterwards(served=False), [], {ASSIGNMENT_KEY, VISIT, LOOKING}),
    (
        on_welfare_check_raised,
        beside.check_raised(),
        [("welfare_check", Role.GRID_WORKER), ("call_welfare_check", WANG)],
        set(),
    ),
    (
        on_order_merged,
        beside.merged(),
        [("order_merged", WANG), ("visit_cancelled", ANNA)],
        {ORDER_KEY, TRIAGE, ASSIGNMENT_KEY},
    ),
    (
        on_order_redispatched,
        beside.redispatched(),
        [("offer", BO), ("assignment_lapsed", ANNA), ("looking_again", WANG)],
        {OFFER_KEY, ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_order_redispatched,
        beside.redispatched(redispatched_at=START - timedelta(minutes=119)),
        [("offer", BO), ("call_visit_cancelled", ANNA), ("call_looking_again", WANG)],
        {OFFER_KEY, ASSIGNMENT_KEY, VISIT},
    ),
    (
        on_order_redispatched,
        beside.redispatched(from_volunteer_id=None, from_assignment_id=None),
        [("offer", BO)],
        {OFFER_KEY},
    ),
    (
        on_order_rescheduled,
        beside.rescheduled(),
        [("order_moved", WANG), ("please_reconfirm", ANNA), ("please_reconfirm", BO)],
        {OFFER_KEY, ASSIGNMENT_KEY, OTHER_KEY, VISIT},
    ),
    (
        on_order_rescheduled,
        beside.rescheduled(from_window_start=NOON + timedelta(minutes=119)),
        [("order_moved", WANG), ("call_reconfirm", ANNA), ("call_reconfirm", BO)],
        {OFFER_KEY, ASSIGNMENT_KEY, OTHER_KEY, VISIT},
    ),
    (
        on_assignment_reconfirmed,
        beside.reconfirmed(1),
        [("visit_tomorrow", ANNA), ("visit_in_hours", ANNA)],
        {RECONFIRM},
    ),
    (
        on_assignment_reconfirmed,
        beside.reconfirmed(0),
        [("visit_tomorrow", ANNA), ("visit_in_hours", ANNA), ("all_found", WANG), ("visit_soon", WANG)],
        {RECONFIRM},
    ),
    (on_order_reopened, beside.reopened(), [("order_reopened", WANG), ("order_to_dispatch", DISPATCHER)], set()),
    (on_completion_contested, beside.contested(), [("completion_contested", Role.SOCIAL_WORKER)], {CONFIRM, RATE}),
    (on_order_rating_amended, beside.amended(2), [("call_low_rating", WANG)], set()),
    (on_order_rating_amended, beside.amended(4), [], set()),
    (on_completion_confirmed, said.confirmed(), [("please_rate", WANG)], {CONFIRM}),
    (on_completion_presumed, said.presumed(), [("please_rate", WANG)], {CONFIRM}),
    (on_order_rated, said.rated(), [], {RATE}),
    (on_order_rated, said.rated(3), [], {RATE}),
    (on_order_rated, said.rated(2), [("call_low_rating", WANG)], {RATE}),
    (on_order_closed, said.closed(), [], {ORDER_KEY}),
    (on_entry_posted, said.posted(), [("minutes_credited", ANNA)], set()),
    (on_entry_posted, said.posted(replaces=EVENT), [("minutes_corrected", ANNA)], set()),
    (on_entry_posted, said.posted("fund"), [], set()),
    (on_hours_voided, said_of_hours.voided(), [("minutes_voided", ANNA)], set()),
]
TABLE += [
    (aside.on_follow_up_opened, after.opened("low_rating"), [("follow_up_opened", Role.REVIEWER)], set()),
    (
        aside.on_follow_up_opened,
        after.opened("complaint"),
        [("follow_up_opened", Role.REVIEWER), ("call_follow_up", WANG)],
        set(),
    ),
    (aside.on_follow_up_contacted, after.contacted(), [], {after.KEY}),
    (aside.on_rectification_ordered, after.ordered(), [("rectification_ordered", ANNA)], set()),
    (aside.on_rectification_reported, after.reported(), [("call_rectified", WANG)], {after.KEY}),
    (aside.on_rectification_verified, after.verified(), [], {after.KEY}),
    (aside.on_rectification_rejected, after.rejected(), [("rectification_rejected", ANNA)], {after.KEY}),
    (aside.on_follow_up_overdue, after.overdue(), [("follow_up_overdue", Role.SOCIAL_WORKER)], set()),
    (aside.on_follow_up_closed, after.closed(), [], {after.KEY}),
    (aside.on_dispute_raised, after.raised(), [("dispute_raised", Role.SOCIAL_WORKER)], set()),
    (aside.on_dispute_appealed, after.appealed(), [("dispute_appealed", Role.SOCIAL_WORKER)], set()),
    (
        aside.on_dispute_resolved,
        after.resolved(after.DUE),
        [("dispute_decided", ANNA), ("dispute_decided", WANG)],
        {after.DISPUTE_KEY},
    ),
    (
        aside.on_dispute_resolved,
        after.resolved(None),
        [("dispute_final", ANNA), ("dispute_final", WANG)],
        {after.DISPUTE_KEY},
    ),
    (
        aside.on_dispute_resolved,
        after.resolved(None, raised_for=BO),
        [("dispute_final", ANNA), ("dispute_final", WANG), ("dispute_final", BO)],
        {after.DISPUTE_KEY},
    ),
    (
        aside.on_welfare_check_escalated,
        after.check_escalated(),
        [("welfare_check_escalated", Role.BUILDING_LEAD), ("welfare_check_escalated", Role.GRID_WORKER)],
        set(),
    ),
    (aside.on_welfare_check_closed, after.check_closed(), [], {after.CHECK_KEY}),
    (
        on_welfare_check_raised,
        beside.check_raised().model_copy(update={"cause": "worry"}),
        [("welfare_check_worry", Role.GRID_WORKER), ("call_welfare_check_worry", WANG)],
        set(),
    ),
]
TABLE += said_by_the_fund.ROWS
SILENT = {
    "orders": {
        "InquiryRecorded", "ServiceItemPublished", "ServiceItemRetired", "PersonDataErased", "PolicyAdopted",
        "LossAccepted",
        "FollowUpDismissed",
    },
    "ledger": {
        "DonationPledged", "ReceiptWaived", "EntryReversed", "EntryRefused", "PersonDataErased", "PolicyAdopted",
        "LossAccepted",
        "HoldPlaced", "HoldReleased", "PeriodClosed", "SigningKeyRegistered", "SigningKeyConfirmed",
        "SigningKeyRevoked", "InKindReceived", "InKindAllocated", "InKindDelivered", "InKindWrittenOff", "InKindSold",
        "MarketSessionOpened", "SaleRecorded", "SaleVoided", "MarketReconciled",
        "FundStatementPublished", "DisclosureCorrected",
        "BankStatementAttested", "BankItemSettled", "FundReconciled", "FundReviewRequested", "AnomalyReviewed",
    },
}  # fmt: skip
"""Nobody is told of these here: domain.md §4.9 has no arrow from them to notify, or they only fill a copy. Whoever gave
the things of InKindReceived is thanked by the DonationReceived of the same append; what nobody gave a name for has
nobody to thank.
"""


@pytest.mark.parametrize(
    ("react", "event", "told", "cancels"), TABLE, ids=[f"{number}-{row[1].type}" for number, row in enumerate(TABLE)]
)
def test_who_is_told_what(react: Any, event: Event, told: list[tuple[str, UUID | Role]], cancels: set[str]) -> None:
    telling = react(event)
    assert [(tell.code, tell.role or tell.ref) for tell in telling.tells] == told
    assert set(telling.cancels) == cancels


@pytest.mark.parametrize(("react", "event", "told", "cancels"), TABLE)
def test_what_is_told_can_be_put_into_words(react: Any, event: Event, told: object, cancels: object) -> None:
    for tell in react(event).tells:
        params = tell.params
        if tell.digest_of is not None:
            params = params.model_copy(update={"orders": (tell.digest_of,)})
        text = render(tell.code, params)
        assert text.title
        assert text.body


@pytest.mark.parametrize("service", ["orders", "ledger"])
def test_every_event_is_in_the_table_or_silent_by_decision(service: str) -> None:
    heard = {row[1].type for row in TABLE if row[1].service == service}
    said_by_them = {name for (by, name) in EVENTS if by == service}
    assert heard | SILENT[service] == said_by_them
    assert not heard & SILENT[service]
    reactions = {"orders": hears_orders, "ledger": hears_ledger}[service]
    for name in said_by_them:
        assert bool(reactions.handlers(EVENTS[service, name])) == (name in heard), name


def test_of_volunteers_only_what_ends_or_takes_back_is_acted_on_and_notify_never_hears_itself() -> None:
    acted_on = {
        name
        for (by, name), event_class in EVENTS.items()
        if by == "volunteers" and hears_volunteers.handlers(event_class)
    }
    assert acted_on == {"ConsentWithdrawn", "PersonErased", "HoursVoided"}
    assert {hears_orders.source, hears_volunteers.source, hears_ledger.source} == {"orders", "volunteers", "ledger"}


def timing(code: str, event: Event, react: Any) -> tuple[datetime | None, datetime | None]:
    (tell,) = [tell for tell in react(event).tells if tell.code == code]
    return tell.not_before, tell.expires_at


def test_reminders_come_a_day_and_three_hours_before_and_end_when_it_begins() -> None:
    day, hours = timedelta(hours=24), timedelta(hours=3)
    assert timing("visit_tomorrow", said.accepted(), on_order_accepted) == (START - day, START)
    assert timing("visit_in_hours", said.accepted(), on_order_accepted) == (START - hours, START)
    assert timing("visit_soon", said.staffed(), on_order_staffed) == (START - hours, START)
    assert timing("offer", said.dispatched(), on_order_dispatched) == (None, said.DUE)


def test_every_pending_notice_about_a_living_order_ends_with_it() -> None:
    """What reports an end stands by itself; everything else goes when the order is cancelled."""
    ends = {"order_refused", "order_cancelled", "visit_cancelled", "call_visit_cancelled", "call_unfulfilled",
            "call_low_rating", "assignment_lapsed", "enter_times", "pool_digest", "no_show_recorded", "absent_thanks",
            "welfare_check", "call_welfare_check", "order_merged", "welfare_check_worry", "call_welfare_check_worry",
            "welfare_check_escalated", "dispute_raised", "dispute_appealed", "dispute_decided",
            "dispute_final"}  # fmt: skip
    for react, event, _, _ in TABLE:
        if event.service == "orders":
            for tell in react(event).tells:
                assert (ORDER_KEY in tell.keys) != (tell.code in ends), tell.code


def test_the_reason_of_a_cancellation_is_the_event() -> None:
    assert reason_of("OrderCancelled") == "order_cancelled"
