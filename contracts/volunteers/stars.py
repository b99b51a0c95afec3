"""Stars and service records: what credited minutes come to, looked at by people before it is said in public."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.event import Code, Count, Digest, Event, Instant, Minutes, ReceiptNo

StarLevel = Annotated[int, Field(ge=1, le=5)]
LedgerPosition = Annotated[int, Field(ge=1, le=2**53 - 1)]
VerifyCode = Annotated[str, Field(pattern=r"^[0-9]{16}$")]
"""Sixteen digits by chance, shown 4-4-4-4: with them anybody asks whether a paper stands, also by telephone."""


class StarFact(Event):
    """What every event of a star carries: one star is one volunteer's one level."""

    star_id: UUID
    volunteer_id: UUID
    level: StarLevel


class CountedMinutes(StarFact):
    """What counts towards a star: A and B whole, C up to its share (domain.md §4.4)."""

    minutes_a: Minutes
    minutes_b: Minutes
    minutes_c: Minutes
    counted_minutes: Minutes
    threshold_minutes: Minutes


class StarThresholdReached(CountedMinutes, service="volunteers", audience="partner"):
    """达到星级时长 — the credited minutes reach a level; nothing is awarded by that."""

    reached_at: Instant


class StarNominated(StarFact, service="volunteers", audience="partner"):
    """星级申报 — a team leader put a volunteer forward."""

    nominated_by: UUID
    nominated_at: Instant


class StarPublicized(StarFact, service="volunteers", audience="partner"):
    """星级公示 — everybody may object for five working days."""

    round: Annotated[int, Field(ge=1, le=20)]
    """1; more when an objection was looked into and the publicity began anew."""
    publicized_by: UUID
    due_at: Instant
    """The end of the publicity."""
    publicized_at: Instant


class StarObjected(StarFact, service="volunteers", audience="internal"):
    """星级异议 — somebody objected; nothing is awarded while that is open."""

    objection_id: UUID
    objected_by: UUID
    reason_code: Code
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    objected_at: Instant


class StarAwarded(CountedMinutes, service="volunteers", audience="partner"):
    """星级认定 — a star was awarded after its publicity."""

    awarded_by: UUID
    awarded_at: Instant


class StarReviewOpened(CountedMinutes, service="volunteers", audience="partner"):
    """星级复查 — corrections brought the minutes below the level; the star rests until they reach it again."""

    opened_at: Instant


class RecordFact(Event):
    """What every event of a service record carries."""

    record_id: UUID
    volunteer_id: UUID


class ServiceRecordIssued(RecordFact, service="volunteers", audience="partner"):
    """出具服务记录 — a 平台服务记录 was issued, free of charge: minutes by grade, and where the ledger holds them."""

    record_no: ReceiptNo
    period_from: date
    period_until: date
    """Both days are in it, Asia/Shanghai."""
    minutes_a: Minutes
    minutes_b: Minutes
    minutes_c: Minutes
    entries: Count
    ledger_positions: Annotated[tuple[LedgerPosition, ...], Field(min_length=1, max_length=4_000)]
    """The positions of the entries in the ledger's log, ascending."""
    ledger_size: LedgerPosition
    """How much of the ledger's log the totals are taken from."""
    verify_code: VerifyCode
    issued_by: UUID
    issued_at: Instant


class ServiceRecordSuperseded(RecordFact, service="volunteers", audience="partner"):
    """服务记录已更新 — minutes in a service record changed since; it no longer stands as it was."""

    record_no: ReceiptNo
    reason_code: Code
    claim_id: UUID | None = None
    """The corrected claim, when that was the cause."""
    superseded_at: Instant


class ServiceRecordRevoked(RecordFact, service="volunteers", audience="partner"):
    """服务记录已撤销 — a service record was taken back."""

    record_no: ReceiptNo
    reason_code: Code
    revoked_by: UUID
    revoked_at: Instant


StarEvent = StarThresholdReached | StarNominated | StarPublicized | StarObjected | StarAwarded | StarReviewOpened
ServiceRecordEvent = ServiceRecordIssued | ServiceRecordSuperseded | ServiceRecordRevoked
