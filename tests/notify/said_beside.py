"""What orders says when it does not go by the book, as events about the same invented order."""

from datetime import timedelta
from typing import Any

from contracts import orders
from contracts.command import Channel, Role
from contracts.orders import Offer, OrderState
from tests.notify.examples import (
    ANNA,
    ASSIGNMENT,
    BO,
    END,
    EVENT,
    LEE,
    NOON,
    NUMBER,
    OFFER,
    ORDER,
    OTHER_ASSIGNMENT,
    START,
    WANG,
)
from tests.notify.said import COUNTS, DUE, GRID, HELD, notice


def info_requested() -> orders.OrderInfoRequested:
    return orders.OrderInfoRequested(
        **notice("PLACED", Role.DISPATCHER), asked_for=("address",), left_minutes=90, info_requested_at=NOON
    )


def info_provided() -> orders.OrderInfoProvided:
    return orders.OrderInfoProvided(
        **notice("PLACED", Role.RESIDENT), channel=Channel.WEB, paused_minutes=600, info_provided_at=NOON
    )


def no_show() -> orders.VolunteerNoShowRecorded:
    return orders.VolunteerNoShowRecorded(
        **notice("VERIFIED", Role.RESIDENT),
        **COUNTS,
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        reported_by=WANG,
        late_minutes=20,
        remaining=(BO,),
        contest_until=NOON + timedelta(days=7),
        recorded_at=NOON,
    )


def absent() -> orders.ResidentAbsentRecorded:
    return orders.ResidentAbsentRecorded(
        **notice("VERIFIED", Role.VOLUNTEER),
        reported_by=ANNA,
        on_absence="welfare_check",
        check_id=EVENT,
        came=(ANNA, BO),
        released_assignments=(ASSIGNMENT, OTHER_ASSIGNMENT),
        recorded_at=NOON,
    )


def recorded_afterwards(served: bool = True) -> orders.ServiceRecordedAfterwards:
    return orders.ServiceRecordedAfterwards(
        **notice("SERVED", Role.TEAM_LEADER, next_due_for="confirmation"),
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        started_at=START,
        finished_at=END,
        minutes=60,
        attachment_hash="a" * 64,
        recorded_by=LEE,
        channel=Channel.PAPER,
        new_assignment=False,
        slots_filled=1,
        served=served,
        recorded_at=NOON,
    )


def check_raised() -> orders.WelfareCheckRaised:
    return orders.WelfareCheckRaised(
        check_id=EVENT,
        order_id=ORDER,
        beneficiary_id=WANG,
        cause="resident_absent",
        grid_id=GRID,
        order_no=NUMBER,
        item_code="haircut",
        window_start=START,
        window_end=END,
        role=Role.VOLUNTEER,
        raised_by=ANNA,
        owner_role=Role.GRID_WORKER,
        due_at=DUE,
        raised_at=NOON,
    )


def merged() -> orders.OrderMerged:
    return orders.OrderMerged(
        **notice("MERGED", Role.DISPATCHER),
        into=EVENT,
        into_order_no="20260304",
        released=(ANNA,),
        released_assignments=(ASSIGNMENT,),
        merged_by=LEE,
        merged_at=NOON,
    )


def redispatched(**more: Any) -> orders.OrderRedispatched:
    asked = {
        "wave": 2,
        "offers": (Offer(offer_id=EVENT, volunteer_id=BO, expires_at=DUE),),
        "offers_ended": (OFFER,),
        "from_volunteer_id": ANNA,
        "from_assignment_id": ASSIGNMENT,
        "reason_code": "ill",
        "expected_minutes": 30,
        "dispatched_by": LEE,
        "redispatched_at": START - timedelta(hours=5),
    }
    return orders.OrderRedispatched(**{**notice("OFFERED", Role.DISPATCHER), **COUNTS, **asked, **more})


def rescheduled(**more: Any) -> orders.OrderRescheduled:
    asked = {
        "from_window_start": START - timedelta(hours=3),
        "from_window_end": END - timedelta(hours=3),
        "channel": Channel.PHONE,
        "awaiting": HELD,
        "reconfirm_until": DUE,
        "busy_from": START,
        "busy_until": END,
        "offers_ended": (OFFER,),
        "rescheduled_at": NOON,
    }
    return orders.OrderRescheduled(**{**notice("ACCEPTED", Role.RESIDENT), **asked, **more})


def reconfirmed(awaiting_left: int) -> orders.AssignmentReconfirmed:
    return orders.AssignmentReconfirmed(
        **notice("ACCEPTED", Role.VOLUNTEER),
        **COUNTS,
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        awaiting_left=awaiting_left,
        reconfirmed_at=NOON - timedelta(hours=6),
    )


def reopened() -> orders.OrderReopened:
    return orders.OrderReopened(
        **notice("VERIFIED", Role.RESIDENT),
        from_window_start=START - timedelta(days=9),
        from_window_end=END - timedelta(days=9),
        channel=Channel.WEB,
        reason_code="still_needed",
        reopened_by=WANG,
        reopened_at=NOON,
    )


def contested() -> orders.CompletionContested:
    return orders.CompletionContested(
        **notice("DISPUTED", Role.RESIDENT),
        dispute_id=EVENT,
        side="resident",
        from_state=OrderState.SERVED,
        contested_by=WANG,
        channel=Channel.WEB,
        reason_code="not_done",
        assignments=HELD,
        contested_at=NOON,
    )


def amended(score: int) -> orders.OrderRatingAmended:
    return orders.OrderRatingAmended(
        **notice("RATED", Role.RESIDENT),
        rating_id=EVENT,
        supersedes=ORDER,
        first_score=5,
        score=score,
        rater_id=WANG,
        rater_kind="resident",
        channel=Channel.WEB,
        amended_at=NOON,
    )
