"""A complete CloudEvent of every event, the same at every run; the people in it are invented ids."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from contracts.envelope import encode
from contracts.event import SERVICES, Event
from contracts.generator.schemas import event_schema
from contracts.generator.source import category, events_of

COMMUNITY = "chaoyangli"
_DAY = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)  # nine in the morning in Tianjin
_TIMES = {
    "window_start": 24 * 60,
    "window_end": 25 * 60,
    "started_at": 24 * 60 + 2,
    "finished_at": 24 * 60 + 44,
    "next_due_at": 4 * 60,
    "due_at": 4 * 60,
    "expires_at": 2 * 60,
    "valid_until": 365 * 24 * 60,
    "until": 30 * 365 * 24 * 60,
    "reopen_until": 30 * 24 * 60,
    "from_window_start": 20 * 60,
    "from_window_end": 21 * 60,
    "reconfirm_until": 12 * 60,
    "contest_until": 8 * 24 * 60,
}
_CODES = {
    "item_code": "haircut_at_home",
    "project_code": "neighbours_watch",
    "grid_id": "grid-03",
    "entrance_id": "entrance-12-2",
    "scope_id": "grid-03",
    "licence": "medical",
    "skills": "haircut",
    "skill": "haircut",
    "insurance": "accident",
    "reasons": "same_grid",
    "tags": "on_time",
    "asked_for": "address",
    "purpose": "erasable_profile",
    "scope": "orders",
    "kind": "kin",
    "fund": "fuwei_jikun",
    "referral": "12345",
    "cancels_with": "order:01900000-0000-7000-8000-000000000001",
    "template": "order_placed_resident",
    "source": "orders",
    "method": "id_card_seen",
    "policy_code": "order_timers",
    "code": "offer_minutes",
    "basis": "accounting_law_23",
    "key_id": "approver-1",
    "sku": "rice_5kg",
    "stall": "stall_1",
    "replaced_by": "haircut_at_home_2",
}
_OF_EVENT = {
    ("EntryPosted", "kind"): "hours_logged",
    ("EntryPosted", "reason_code"): "service_confirmed",
    ("EntryReversed", "kind"): "hours_reversed",
    ("EntryReversed", "reason_code"): "entered_twice",
    ("HoursAdjusted", "reason_code"): "minutes_wrong",
    ("HoursVoided", "reason_code"): "not_served",
    ("HoursFlagged", "flags"): "same_pair_daily",
    ("StarObjected", "reason_code"): "minutes_doubtful",
    ("WebhookDisabled", "reason_code"): "gone",
    ("ServiceRecordSuperseded", "reason_code"): "hours_corrected",
    ("ServiceRecordRevoked", "reason_code"): "issued_in_error",
}
_NUMBERS = {
    "minutes": 42,
    "expected_minutes": 40,
    "left_minutes": 95,
    "paused_minutes": 130,
    "late_minutes": 20,
    "day_minutes": 42,
    "delta": -8,
    "minutes_a": 5_000,
    "minutes_b": 1_000,
    "minutes_c": 60,
    "counted_minutes": 6_060,
    "threshold_minutes": 6_000,
    "amount_fen": 20_000,
    "qty": 4,
    "unit_value_fen": 5_000,
    "value_fen": 20_000,
    "price_fen": 12_000,
    "sales": 1,
    "sales_fen": 20_000,
    "counted_fen": 20_000,
    "variance_fen": 0,
    "deposited_fen": 20_000,
    "refunded_fen": 20_000,
    "signed_size": 1_087,
    "first_lost": 947,
    "last_lost": 1_087,
    "proven_size": 938,
    "score": 5,
    "to_minute": 720,
}
_TEXTS = {
    "period": "2026-02",
    "old_origin": f"{COMMUNITY}/orders",
    "new_origin": f"{COMMUNITY}/orders/2",
    "events": "orders.OrderClosed",
    "order_no": "20260305",
    "into_order_no": "20260304",
    "orders": "20260305",
    "receipt_no": "TJ-2026-000017",
    "record_no": "CYL-2026-000017",
    "verify_code": "7029416583320917",
    "volunteer_no": "300012",
}
_ROLES = {
    "InquiryRecorded": "GRID_WORKER",
    "ServiceItemPublished": "DISPATCHER",
    "ServiceItemRetired": "DISPATCHER",
    **dict.fromkeys(
        (
            *("OrderInfoRequested", "OrderVerified", "OrderRefused", "OrderDispatched", "OrderOpened"),
            *("OrderUnfulfilled", "VolunteerNoShowRecorded", "OrderMerged", "OrderRedispatched"),
        ),
        "DISPATCHER",
    ),
    **dict.fromkeys(("OrderInfoProvided", "OrderRescheduled", "OrderReopened"), "RESIDENT"),
    "AssignmentReconfirmed": "VOLUNTEER",
    "ResidentAbsentRecorded": "VOLUNTEER",
    "ServiceRecordedAfterwards": "TEAM_LEADER",
    "WelfareCheckRaised": "VOLUNTEER",
    **dict.fromkeys(
        ("OfferExpired", "OrderEscalated", "ServiceAutoClosed", "CompletionPresumed", "OrderClosed"), "SYSTEM"
    ),
    **dict.fromkeys(("OfferDeclined", "OrderAccepted", "OrderStaffed", "AcceptanceWithdrawn"), "VOLUNTEER"),
    **dict.fromkeys(("ServiceStarted", "ServiceFinished", "VolunteerPaused", "VolunteerResumed"), "VOLUNTEER"),
    **dict.fromkeys(("AvailabilitySet", "SkillDeclared", "VolunteerWithdrawn"), "VOLUNTEER"),
    **dict.fromkeys(("RoleGranted", "RoleRevoked", "VolunteerSuspended", "VolunteerReinstated"), "ADMIN"),
    **dict.fromkeys(("HoursApproved", "HoursRejected"), "HOURS_AUDITOR"),
    **dict.fromkeys(("DonationPledged", "DonationReceipted", "ReceiptWaived"), "FUND_CLERK"),
    "DonationReceived": "CASHIER",
    "DonationRefunded": "CASHIER",
    "EntryReversed": "HOURS_AUDITOR",
    "AssignmentLapsed": "SYSTEM",
}
_STATES = {
    **dict.fromkeys(("OrderVerified", "OfferDeclined", "OfferExpired", "AcceptanceWithdrawn"), "VERIFIED"),
    **dict.fromkeys(("AssignmentLapsed", "OrderEscalated"), "VERIFIED"),
    **dict.fromkeys(("VolunteerNoShowRecorded", "ResidentAbsentRecorded"), "VERIFIED"),
    "OrderRefused": "REFUSED",
    "OrderDispatched": "OFFERED",
    "OrderRedispatched": "OFFERED",
    "OrderMerged": "MERGED",
    "OrderReopened": "VERIFIED",
    "CompletionContested": "DISPUTED",
    "OrderRatingAmended": "RATED",
    "OrderOpened": "OPEN",
    "OrderCancelled": "CANCELLED",
    **dict.fromkeys(("OrderAccepted", "OrderStaffed", "OrderRescheduled", "AssignmentReconfirmed"), "ACCEPTED"),
    "ServiceStarted": "IN_SERVICE",
    "ServiceFinished": "SERVED",
    "ServiceAutoClosed": "SERVED",
    "ServiceRecordedAfterwards": "SERVED",
    **dict.fromkeys(("CompletionConfirmed", "CompletionPresumed"), "COMPLETED"),
    "OrderRated": "RATED",
    "OrderClosed": "CLOSED",
    "OrderUnfulfilled": "UNFULFILLED",
}
_AID_STATES = {
    "AidApplied": ("PROXY", "APPLIED"),
    "AidVerified": ("GRID_WORKER", "VERIFIED"),
    "AidPublicized": ("FUND_CLERK", "PUBLICIZED"),
    "AidAmended": ("FUND_CLERK", "PUBLICIZED"),
    "AidApproved": ("FUND_APPROVER", "APPROVED_1"),
    "AidApprovalLapsed": ("SYSTEM", "PUBLICIZED"),
    "AidRejected": ("FUND_APPROVER", "REJECTED"),
    "AidDisbursed": ("CASHIER", "DISBURSED"),
    "AidReceiptConfirmed": ("PROXY", "CONFIRMED"),
    "AidFollowedUp": ("SOCIAL_WORKER", "CLOSED"),
    "AidReturned": ("CASHIER", "RETURNED"),
    "AidReversed": ("FUND_APPROVER", "REVERSED"),
}
_MARKET_STATES = {
    "MarketSessionOpened": ("STATION_MANAGER", "OPEN"),
    "SaleRecorded": ("VOLUNTEER", "OPEN"),
    "SaleVoided": ("SUPERVISOR", "OPEN"),
    "MarketReconciled": ("SUPERVISOR", "RECONCILED"),
    "ProceedsDeposited": ("CASHIER", "DEPOSITED"),
    "MarketDisclosed": ("SYSTEM", "DISCLOSED"),
}
_ROLES |= {
    "InKindReceived": "FUND_CLERK",
    "InKindAllocated": "STATION_MANAGER",
    "InKindDelivered": "VOLUNTEER",
    "InKindWrittenOff": "SUPERVISOR",
    "InKindSold": "CASHIER",
}
_ROLES |= {event: role for event, (role, _) in (_AID_STATES | _MARKET_STATES).items()}
_STATES |= {event: state for event, (_, state) in (_AID_STATES | _MARKET_STATES).items()}
_ENDED = {"REFUSED", "MERGED", "CANCELLED", "CLOSED", "UNFULFILLED"}
_LEFT_OUT = {
    "OrderPlaced": {"inquiry_id", "rework_of", "possible_duplicate_of"},
    "EntryPosted": {"donation_id", "receipt_no", "voucher_sha256", "approvals", "subject_commit", "reverses"},
    "EntryReversed": {"donation_id", "receipt_no", "voucher_sha256", "subject_commit", "hours"},
    "NotificationQueued": {"to_role", "scope_id"},
    **{name: {"owner_role", "next_due_at"} for name, state in _STATES.items() if state in _ENDED},
}
"""Optional fields that the example's story has no place for."""


def all_examples() -> dict[str, bytes]:
    """Path relative to contracts/ → the CloudEvent's bytes, for every event."""
    return {
        f"examples/{service}/{cls.__name__}.json": example(cls, category(aggregate), position)
        for service in SERVICES
        for position, (aggregate, cls) in enumerate(
            ((aggregate, cls) for aggregate, members in events_of(service).items() for cls in members), start=1
        )
    }


def example(cls: type[Event], stream_category: str, position: int) -> bytes:
    """One complete event, with every field that its class has and its story has a place for."""
    left_out = _LEFT_OUT.get(cls.__name__, set())
    data = {name: value for name, value in _object(event_schema(cls), cls.__name__).items() if name not in left_out}
    if "old_origin" in data:
        data |= {"old_origin": f"{COMMUNITY}/{cls.service}", "new_origin": f"{COMMUNITY}/{cls.service}/2"}
    event = cls.model_validate_json(to_json(data))
    of_the_stream = (f"{stream_category}_id", "principal_id", "person_a_id", next(iter(data)))
    stream_id = next(data[name] for name in of_the_stream if name in data)
    return encode(
        event.to_json(),
        type=cls.__name__,
        service=cls.service,
        version=cls.version,
        generation=2 if "old_origin" in data else 1,
        community=COMMUNITY,
        position=position,
        stream=f"{stream_category}-{stream_id}",
        streamversion=1,
        event_id=_id(f"event {cls.service} {cls.__name__}"),
        time=_DAY + timedelta(seconds=position),
        actor=str(_id("actor")),
        correlationid=_id("correlation"),
        causationid=_id("causation"),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def _object(schema: dict[str, Any], event: str) -> dict[str, Any]:
    return {name: _value(name, each, event) for name, each in schema["properties"].items()}


def _value(name: str, schema: dict[str, Any], event: str) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema or "x-extensible-enum" in schema:
        return _choice(name, schema.get("enum") or schema["x-extensible-enum"], event)
    match schema["type"]:
        case "object":
            return _object(schema, event)
        case "array":
            return _array(name, schema, event)
        case "boolean":
            return name in ("served", "rated", "consented", "home_visit", "available", "final")
        case "integer":
            return _NUMBERS.get(name, max(1, schema.get("minimum", 1)))
        case _:
            return _OF_EVENT.get((event, name)) or _text(name, schema)


def _choice(name: str, values: list[Any], event: str) -> Any:
    chosen = {"role": _ROLES.get(event), "state": _STATES.get(event), "owner_role": "DISPATCHER"}
    chosen |= {"to_role": "GRID_WORKER", "granted_role": "DISPATCHER", "revoked_role": "DISPATCHER"}
    value = chosen.get(name)
    return value if value in values else values[0]


def _array(name: str, schema: dict[str, Any], event: str) -> list[Any]:
    items = [_value(name, schema["items"], event) for _ in range(max(1, schema.get("minItems", 1)))]
    if name == "starts":
        return [{"log": "orders", "after": 4711}]
    if name == "postings":
        sides = (("volunteer:minutes", 42), ("community:service_minutes", -42))
        return [{"account": account, "amount": amount, "unit": "minutes"} for account, amount in sides]
    return items


def _text(name: str, schema: dict[str, Any]) -> str:
    known = _TEXTS.get(name) or _CODES.get(name)
    kind = schema.get("format")
    if kind == "uuid":
        return str(_id(name))
    if kind == "date-time":
        return (_DAY + timedelta(minutes=_TIMES.get(name, 0))).isoformat().replace("+00:00", "Z")
    if kind == "date":
        return (_DAY + timedelta(days=365 if name == "expires_on" else 0)).date().isoformat()
    pattern = schema.get("pattern", "")
    digest = hashlib.sha256(name.encode()).digest()
    made = (digest.hex(), digest.hex()[:16], base64.b64encode(digest).decode(), base64.b64encode(digest * 2).decode())
    # Of a fixed length: a digest, a key or a signature. Anything else is a code, or a word.
    shaped = made if re.search(r"\]\{\d+\}", pattern) else ()
    texts: tuple[str | None, ...] = (known, *shaped, "A" * 88 if name == "sig" else "example")
    return next(text for text in texts if text and re.search(pattern, text))


def _id(name: str) -> UUID:
    """An invented UUIDv7: the same name, such as `order_id`, is the same id in every example."""
    tail = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") & ((1 << 48) - 1)
    return UUID(f"01900000-0000-7000-8000-{tail:012x}")
