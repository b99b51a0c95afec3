"""A history in which every rule is kept: two orders, a worry, hours by hand, a correction, a star, a suspension."""

from typing import Any
from uuid import UUID

from tests.cli.audit.histories import (
    AUDITOR,
    DISPATCHER,
    HELPER,
    LEADER,
    OTHER,
    RESIDENT,
    REVIEWER,
    STATION,
    History,
    event_id,
    moment,
)

FIRST, SECOND = UUID(int=101), UUID(int=102)
CHECK, BY_HAND, BY_ORDER, CORRECTION, STAR = UUID(int=201), UUID(int=202), UUID(int=203), UUID(int=204), UUID(int=205)
RATING = UUID(int=206)
DAY = "2026-03-02"


class Told:
    """Says an order's events with its state and next deadline, ten minutes apart."""

    def __init__(self, history: History, order_id: UUID, begins: int) -> None:
        self.history, self.order_id, self.minute = history, order_id, begins
        self.window = {"window_start": moment(begins + 60), "window_end": moment(begins + 120)}

    def say(self, event_type: str, by: UUID | None, state: str, due: tuple[str, int] | None, **data: Any) -> None:
        self.minute += 10
        owed: dict[str, Any] = {"owner_role": None, "next_due_at": None, "next_due_for": None}
        if due is not None:
            owed = {"owner_role": "DISPATCHER", "next_due_at": moment(due[1]), "next_due_for": due[0]}
        here = {"order_id": str(self.order_id), "state": state, **owed}
        self.history.say("orders", event_type, f"order-{self.order_id}", by, **here, **data)

    @property
    def now(self) -> str:
        return moment(self.minute + 10)


def good() -> History:
    """The whole history."""
    history = History()
    _served(history)
    _absent(history)
    _hours(history)
    _ledger(history)
    return history


def staffing(volunteer: UUID, assignment: UUID) -> dict[str, Any]:
    return {"assignment_id": str(assignment), "volunteer_id": str(volunteer), "minutes": 42}


def _accepted(told: Told, volunteer: UUID, assignment: UUID) -> None:
    held = {"assignment_id": str(assignment), "volunteer_id": str(volunteer)}
    told.say("OrderPlaced", RESIDENT, "PLACED", ("triage", told.minute + 120), placed_at=told.now, **told.window)
    verified = {"verified_by": str(DISPATCHER), "verified_at": told.now, "slots": 1}
    told.say("OrderVerified", DISPATCHER, "VERIFIED", ("dispatch", told.minute + 240), **verified)
    told.say("OrderOpened", DISPATCHER, "OPEN", ("staffing", told.minute + 240), opened_at=told.now)
    busy = {"busy_from": told.window["window_start"], "busy_until": told.window["window_end"]}
    start = ("start", told.minute + 200)
    told.say("OrderAccepted", volunteer, "ACCEPTED", start, **held, **busy, accepted_at=told.now)
    told.say("OrderStaffed", volunteer, "ACCEPTED", start, staffed_at=told.now)


def _served(history: History) -> None:
    told, assignment = Told(history, FIRST, 0), UUID(int=301)
    held = {"assignment_id": str(assignment), "volunteer_id": str(HELPER)}
    _accepted(told, HELPER, assignment)
    told.say("ServiceStarted", HELPER, "IN_SERVICE", ("checkout", 400), **held, started_at=told.now)
    times = {"started_at": moment(61), "finished_at": told.now, "minutes": 10}
    told.say("ServiceFinished", HELPER, "SERVED", ("confirmation", 4_000), **held, **times)
    confirmed = {"confirmed_by": str(RESIDENT), "assignments": [staffing(HELPER, assignment)]}
    told.say("CompletionConfirmed", RESIDENT, "COMPLETED", ("closing", 40_000), **confirmed, confirmed_at=told.now)
    rated = {"rater_id": str(RESIDENT), "rating_id": str(RATING), "score": 2, "rated_at": told.now}
    told.say("OrderRated", RESIDENT, "RATED", ("closing", 10_000), **rated)
    follow_up = {"follow_up_id": str(UUID(int=302)), "due_at": moment(1_000)}
    told.say("FollowUpOpened", None, "FOLLOW_UP", ("contact", 1_000), **follow_up, opened_at=told.now)
    contacted = {**follow_up, "contacted_by": str(REVIEWER), "contacted_at": told.now}
    told.say("FollowUpContacted", REVIEWER, "FOLLOW_UP", ("measure", 1_000), **contacted)
    closed = {"follow_up_id": follow_up["follow_up_id"], "closed_by": str(REVIEWER), "closed_at": told.now}
    told.say("FollowUpClosed", REVIEWER, "RATED", ("closing", 10_000), **closed)
    amended = {"rating_id": str(UUID(int=303)), "supersedes": str(RATING), "rater_id": str(RESIDENT)}
    told.say("OrderRatingAmended", RESIDENT, "RATED", ("closing", 10_000), **amended, amended_at=told.now)
    told.say("OrderClosed", None, "CLOSED", None, closed_at=moment(10_000))


def _absent(history: History) -> None:
    told, assignment = Told(history, SECOND, 180), UUID(int=311)
    _accepted(told, HELPER, assignment)
    absent = {"check_id": str(CHECK), "came": [str(HELPER)], "released_assignments": [str(assignment)]}
    told.say("ResidentAbsentRecorded", HELPER, "VERIFIED", ("window", 900), **absent, recorded_at=told.now)
    about = {"check_id": str(CHECK), "order_id": str(SECOND)}
    stream = f"check-{CHECK}"
    raised = {"due_at": moment(told.minute + 30), "raised_at": moment(told.minute)}
    history.say("orders", "WelfareCheckRaised", stream, HELPER, **about, **raised)
    closed = {"closed_by": str(STATION), "closed_at": moment(told.minute + 20)}
    history.say("orders", "WelfareCheckClosed", stream, STATION, **about, **closed)
    told.minute += 20
    given_up = {"declared_by": str(DISPATCHER), "seconded_by": str(STATION), "declared_at": told.now}
    told.say("OrderUnfulfilled", DISPATCHER, "UNFULFILLED", None, **given_up, released_assignments=[])


def _hours(history: History) -> None:
    def say(event_type: str, by: UUID | None, claim: UUID, **data: Any) -> None:
        about = {"claim_id": str(claim), "volunteer_id": str(HELPER)}
        history.say("volunteers", event_type, f"claim-{claim}", by, **about, **data)

    first = {"started_at": moment(61), "finished_at": moment(71), "minutes": 10, "service_date": DAY}
    own = {**first, "order_id": str(FIRST), "source": "order"}
    say("HoursClaimed", None, BY_ORDER, **own, recorded_by=None, claimed_at=moment(71))
    say("HoursConfirmed", None, BY_ORDER, confirmed_by=str(RESIDENT), confirmed_at=moment(90))
    say("HoursLogged", None, BY_ORDER, **own, day_minutes=10, approvals=[], logged_at=moment(90))
    paper = {"started_at": moment(600), "finished_at": moment(660), "minutes": 60, "service_date": DAY}
    paper |= {"source": "manual", "order_id": None, "grade": "C"}
    say("HoursClaimed", LEADER, BY_HAND, **paper, recorded_by=str(LEADER), claimed_at=moment(700))
    say("HoursHeld", LEADER, BY_HAND, due_at=moment(9_000), held_at=moment(700))
    say("HoursConfirmed", RESIDENT, BY_HAND, confirmed_by=str(RESIDENT), confirmed_at=moment(710))
    say("HoursApproved", AUDITOR, BY_HAND, approved_by=str(AUDITOR), approved_at=moment(720))
    say("HoursLogged", AUDITOR, BY_HAND, **paper, day_minutes=70, logged_at=moment(720))
    asked = {"correction_id": str(CORRECTION), "requested_by": str(OTHER), "due_at": moment(9_000)}
    say("CorrectionRequested", OTHER, BY_HAND, **asked, requested_at=moment(800))
    again = {**asked, "correction_id": str(UUID(int=207)), "due_at": moment(12_000)}
    say("CorrectionRequested", RESIDENT, BY_HAND, **again, requested_at=moment(850))
    answered = {"correction_id": str(CORRECTION), "requested_by": str(OTHER), "approved_by": str(AUDITOR)}
    change = {"minutes": 50, "delta": -10, "day_minutes": 60, "service_date": DAY}
    say("HoursAdjusted", AUDITOR, BY_HAND, **answered, **change, adjusted_at=moment(900))
    _people(history)


def _people(history: History) -> None:
    def star(event_type: str, by: UUID | None, **data: Any) -> None:
        about = {"star_id": str(STAR), "volunteer_id": str(HELPER)}
        history.say("volunteers", event_type, f"star-{STAR}", by, **about, **data)

    reached = {"counted_minutes": 6_001, "threshold_minutes": 6_000}
    star("StarThresholdReached", None, **reached, reached_at=moment(1_000))
    star("StarNominated", LEADER, nominated_by=str(LEADER), nominated_at=moment(1_010))
    shown = {"publicized_by": str(STATION), "due_at": moment(8_000)}
    star("StarPublicized", STATION, **shown, publicized_at=moment(1_020))
    star("StarAwarded", STATION, **reached, awarded_by=str(STATION), awarded_at=moment(8_010))
    two = {"suspended_by": str(REVIEWER), "seconded_by": str(STATION), "volunteer_id": str(OTHER)}
    history.say("volunteers", "VolunteerSuspended", f"volunteer-{OTHER}", REVIEWER, **two, suspended_at=moment(8_100))


def _ledger(history: History) -> None:
    positions = {said.type: place for place, said in enumerate(_mine(history), 1)}
    logged = [place for place, said in enumerate(_mine(history), 1) if said.type == "HoursLogged"]
    adjusted = positions["HoursAdjusted"]

    def entry(event_type: str, source: int, claim: UUID) -> None:
        hours = {"claim_id": str(claim), "volunteer_id": str(HELPER), "minutes": 42, "grade": "A"}
        hours |= {"started_at": moment(61), "finished_at": moment(71)}
        history.say(
            "ledger", event_type, "book-hours", None, source_event_id=str(event_id("volunteers", source)), hours=hours
        )

    entry("EntryPosted", logged[0], BY_ORDER)
    entry("EntryPosted", logged[1], BY_HAND)
    entry("EntryReversed", adjusted, BY_HAND)
    entry("EntryPosted", adjusted, BY_HAND)


def _mine(history: History) -> list[Any]:
    return [said for said in history.said if said.service == "volunteers"]
