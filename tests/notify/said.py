"""What the other services say, as events about one invented order, gift and claim."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from contracts import ledger, orders, volunteers
from contracts.command import Channel, Role
from contracts.orders import Offer, OrderState, Staffing
from tests.notify.examples import (
    ANNA,
    ASSIGNMENT,
    BO,
    CLAIM,
    DAUGHTER,
    DONATION,
    DONOR,
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

DUE = NOON + timedelta(hours=2)
REOPEN = NOON + timedelta(days=30)
GRID = "grid-03"
COUNTS: dict[str, Any] = {"slots_filled": 1, "slots_required": 2}
HELD = (
    Staffing(assignment_id=ASSIGNMENT, volunteer_id=ANNA),
    Staffing(assignment_id=OTHER_ASSIGNMENT, volunteer_id=BO),
)


def fact(state: str, role: Role = Role.SYSTEM, **more: Any) -> dict[str, Any]:
    return {"order_id": ORDER, "role": role, "state": OrderState(state), "next_due_at": DUE, **more}


def notice(state: str, role: Role = Role.SYSTEM, **more: Any) -> dict[str, Any]:
    about = {
        "order_no": NUMBER,
        "item_code": "haircut",
        "beneficiary_id": WANG,
        "requested_by": DAUGHTER,
        "grid_id": GRID,
        "window_start": START,
        "window_end": END,
    }
    return {**fact(state, role), **about, **more}


def placed(**more: Any) -> orders.OrderPlaced:
    asked = {"mode": "resident", "channel": Channel.WEB, "item_version": 1, "expected_minutes": 30, "slots": 2}
    return orders.OrderPlaced(**{**notice("PLACED", Role.PROXY), **asked, "placed_at": NOON, **more})


def verified() -> orders.OrderVerified:
    return orders.OrderVerified(**fact("VERIFIED"), slots=2, on_absence="call", verified_by=LEE, verified_at=NOON)


def refused() -> orders.OrderRefused:
    return orders.OrderRefused(**notice("REFUSED"), reason_code="emergency", refused_at=NOON)


def dispatched() -> orders.OrderDispatched:
    offers = (Offer(offer_id=OFFER, volunteer_id=ANNA, expires_at=DUE),)
    return orders.OrderDispatched(
        **notice("OFFERED"),
        wave=1,
        offers=offers,
        expected_minutes=30,
        slots_filled=0,
        slots_required=2,
        dispatched_at=NOON,
    )


def declined() -> orders.OfferDeclined:
    return orders.OfferDeclined(
        **fact("VERIFIED"), offer_id=OFFER, volunteer_id=ANNA, wave=1, offers_left=0, declined_at=NOON
    )


def expired() -> orders.OfferExpired:
    return orders.OfferExpired(**fact("VERIFIED"), wave=1, offer_ids=(OFFER,), offers_left=0, expired_at=NOON)


def opened(**more: Any) -> orders.OrderOpened:
    to = {"invited": (ANNA, BO), "offers_ended": (OFFER,)}
    return orders.OrderOpened(**{**notice("OPEN"), **COUNTS, **to, "expected_minutes": 30, "opened_at": NOON, **more})


def accepted(filled: int = 1, **more: Any) -> orders.OrderAccepted:
    asked = {
        "assignment_id": ASSIGNMENT,
        "volunteer_id": ANNA,
        "offer_id": OFFER,
        "slots_filled": filled,
        "slots_required": 2,
        "expected_minutes": 30,
        "busy_from": START,
        "busy_until": END,
        "accepted_at": NOON - timedelta(hours=6),
    }
    return orders.OrderAccepted(**{**notice("ACCEPTED", Role.VOLUNTEER), **asked, **more})


def staffed() -> orders.OrderStaffed:
    return orders.OrderStaffed(**notice("ACCEPTED"), assignments=HELD, offers_ended=(OFFER,), staffed_at=NOON)


def withdrawn(lead_minutes: int = 600) -> orders.AcceptanceWithdrawn:
    return orders.AcceptanceWithdrawn(
        **notice("VERIFIED", Role.VOLUNTEER),
        **COUNTS,
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        lead_minutes=lead_minutes,
        remaining=(BO,),
        withdrawn_at=NOON,
    )


def lapsed(cause: Any = "volunteer_paused") -> orders.AssignmentLapsed:
    return orders.AssignmentLapsed(
        **notice("VERIFIED"),
        **COUNTS,
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        cause=cause,
        lead_minutes=30,
        lapsed_at=NOON,
    )


def escalated(cause: Any = "triage_overdue", to_role: Role = Role.GRID_WORKER) -> orders.OrderEscalated:
    return orders.OrderEscalated(**notice("PLACED"), level=2, to_role=to_role, cause=cause, escalated_at=NOON)


ENDED: dict[str, Any] = {"released": (ANNA,), "released_assignments": (ASSIGNMENT,), "offers_ended": (OFFER,)}


def cancelled(lead_minutes: int = 600) -> orders.OrderCancelled:
    return orders.OrderCancelled(
        **notice("CANCELLED"),
        **ENDED,
        stage=OrderState.ACCEPTED,
        channel=Channel.PHONE,
        lead_minutes=lead_minutes,
        cancelled_at=NOON,
    )


def unfulfilled() -> orders.OrderUnfulfilled:
    return orders.OrderUnfulfilled(
        **notice("UNFULFILLED"),
        **ENDED,
        reason_code="nobody_free",
        waves=3,
        declared_by=LEE,
        seconded_by=BO,
        reopen_until=REOPEN,
        declared_at=NOON,
    )


def started() -> orders.ServiceStarted:
    return orders.ServiceStarted(
        **fact("IN_SERVICE"), assignment_id=ASSIGNMENT, volunteer_id=ANNA, evidence="code", started_at=START
    )


def finished(*, served: bool = True) -> orders.ServiceFinished:
    return orders.ServiceFinished(
        **notice("SERVED" if served else "IN_SERVICE", next_due_for="confirmation" if served else "checkout"),
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        outcome="done",
        started_at=START,
        finished_at=END,
        minutes=60,
        start_evidence="code",
        finish_evidence="code",
        served=served,
    )


def auto_closed() -> orders.ServiceAutoClosed:
    return orders.ServiceAutoClosed(
        **notice("IN_SERVICE"),
        assignment_id=ASSIGNMENT,
        volunteer_id=ANNA,
        started_at=START,
        closed_at=END,
        served=False,
    )


def confirmed() -> orders.CompletionConfirmed:
    return orders.CompletionConfirmed(
        **notice("COMPLETED"), confirmed_by=WANG, channel=Channel.WEB, assignments=HELD, confirmed_at=NOON
    )


def presumed() -> orders.CompletionPresumed:
    return orders.CompletionPresumed(**notice("COMPLETED"), assignments=HELD, presumed_at=NOON)


def rated(score: int = 5) -> orders.OrderRated:
    return orders.OrderRated(
        **notice("RATED"), score=score, rater_id=WANG, rater_kind="resident", channel=Channel.WEB, rated_at=NOON
    )


def closed() -> orders.OrderClosed:
    return orders.OrderClosed(**fact("CLOSED"), rated=True, closed_at=NOON)


def posted(book: Any = "hours", replaces: UUID | None = None) -> ledger.EntryPosted:
    hours = ledger.HoursEntry(
        claim_id=CLAIM, volunteer_id=ANNA, started_at=START, finished_at=END, minutes=60, grade="A"
    )
    unit: Any = "minutes" if book == "hours" else "fen"
    postings = tuple(ledger.Posting(account=name, amount=amount, unit=unit) for name, amount in (("a", 60), ("b", -60)))
    return ledger.EntryPosted(
        entry_id=EVENT,
        book=book,
        entry_no=1,
        kind="service",
        effective_date=date(2026, 11, 25),
        postings=postings,
        hours=hours if book == "hours" else None,
        reverses=replaces,
        posted_at=END,
    )


GIFT: dict[str, Any] = {
    "donation_id": DONATION,
    "donor_ref": DONOR,
    "role": Role.FUND_CLERK,
    "fund": "fund-relief",
    "amount_fen": 12_050,
}


def pledged() -> ledger.DonationPledged:
    return ledger.DonationPledged(**GIFT, pledged_at=NOON)


def received(method: Any = "cash") -> ledger.DonationReceived:
    return ledger.DonationReceived(
        **GIFT, method=method, effective_date=date(2026, 11, 24), due_at=DUE, received_at=NOON
    )


def receipted() -> ledger.DonationReceipted:
    return ledger.DonationReceipted(**GIFT, receipt_no="A-17", receipted_at=NOON)


def granted(person_id: UUID, role: Role, scope: Any = "community", scope_id: str = "chaoyangli", **more: Any):
    fields = {"grant_id": person_id, "person_id": person_id, "granted_role": role, "scope": scope, "scope_id": scope_id}
    return volunteers.RoleGranted(**{**fields, "role": Role.ADMIN, "granted_at": NOON, **more})


def revoked(person_id: UUID, role: Role) -> volunteers.RoleRevoked:
    return volunteers.RoleRevoked(
        grant_id=person_id,
        person_id=person_id,
        revoked_role=role,
        scope="community",
        scope_id="chaoyangli",
        role=Role.ADMIN,
        revoked_at=NOON,
    )


def proxy(principal_id: UUID = WANG, proxy_id: UUID = DAUGHTER, scope: tuple[str, ...] = ("all",)):
    return volunteers.ProxyAuthorised(
        proxy_authorisation_id=EVENT,
        principal_id=principal_id,
        proxy_id=proxy_id,
        scope=scope,
        role=Role.RESIDENT,
        authorised_at=NOON,
    )


def proxy_ended() -> volunteers.ProxyEnded:
    return volunteers.ProxyEnded(
        proxy_authorisation_id=EVENT, principal_id=WANG, proxy_id=DAUGHTER, role=Role.RESIDENT, ended_at=NOON
    )


def erased(person_id: UUID = WANG) -> volunteers.PersonErased:
    return volunteers.PersonErased(person_id=person_id, role=Role.ADMIN, erased_at=NOON)


def consent_withdrawn(person_id: UUID = WANG, purpose: str = "contact") -> volunteers.ConsentWithdrawn:
    return volunteers.ConsentWithdrawn(person_id=person_id, purpose=purpose, role=Role.RESIDENT, withdrawn_at=NOON)


def consented(person_id: UUID = WANG, purpose: str = "contact") -> volunteers.ConsentGiven:
    return volunteers.ConsentGiven(
        person_id=person_id, purpose=purpose, form="spoken", role=Role.RESIDENT, given_at=NOON
    )
