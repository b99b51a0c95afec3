"""The fold of volunteers' own log into the tables of stars and service records."""

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.volunteers import (
    HoursAdjusted,
    HoursLogged,
    HoursVoided,
    ServiceRecordIssued,
    ServiceRecordRevoked,
    ServiceRecordSuperseded,
    StarAwarded,
    StarNominated,
    StarObjected,
    StarPublicized,
    StarReviewOpened,
    StarThresholdReached,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows

_metadata = sa.MetaData()
_TIME = sa.DateTime(timezone=True)

star_minutes = sa.Table(
    "star_minutes",
    _metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("a", sa.Integer, nullable=False, default=0),
    sa.Column("b", sa.Integer, nullable=False, default=0),
    sa.Column("c", sa.Integer, nullable=False, default=0),
    # The highest level that is reached and not under review.
    sa.Column("level", sa.Integer, nullable=False, default=0),
)
stars = sa.Table(
    "stars",
    _metadata,
    sa.Column("star_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("counted_minutes", sa.Integer, nullable=False),
    sa.Column("threshold_minutes", sa.Integer, nullable=False),
    sa.Column("nominated_by", sa.Uuid),
    sa.Column("round", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", _TIME),
    sa.Column("objections", sa.Integer, nullable=False, default=0),
    sa.Column("changed_at", _TIME, nullable=False),
    sa.Column("awarded_at", _TIME),
    sa.Index("stars_by_volunteer", "volunteer_id"),
    sa.Index("stars_by_state", "state", "due_at"),
)
service_records = sa.Table(
    "service_records",
    _metadata,
    sa.Column("record_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("record_no", sa.Text, nullable=False),
    sa.Column("verify_code", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("period_from", sa.Date, nullable=False),
    sa.Column("period_until", sa.Date, nullable=False),
    sa.Column("minutes_a", sa.Integer, nullable=False),
    sa.Column("minutes_b", sa.Integer, nullable=False),
    sa.Column("minutes_c", sa.Integer, nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("ledger_positions", JSONB, nullable=False),
    sa.Column("ledger_size", sa.BigInteger, nullable=False),
    sa.Column("issued_by", sa.Uuid, nullable=False),
    sa.Column("issued_at", _TIME, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("ended_at", _TIME),
    sa.UniqueConstraint("record_no", name="records_one_number", deferrable=True, initially="DEFERRED"),
    sa.UniqueConstraint("verify_code", name="records_one_code", deferrable=True, initially="DEFERRED"),
    sa.Index("service_records_by_volunteer", "volunteer_id", "state"),
)


class StarsModel(ReadModel):
    """Minutes towards a star, stars, and service records."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = _metadata
    version: ClassVar[int] = 1

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the module."""
        match recorded.event:
            case HoursLogged() as event:
                rows.upsert(star_minutes, volunteer_id=event.volunteer_id)
                rows.add(star_minutes, event.volunteer_id, **{event.grade.lower(): event.minutes})
            case HoursAdjusted() as event:
                rows.add(star_minutes, event.volunteer_id, **{event.grade.lower(): event.delta})
            case HoursVoided() as event:
                rows.add(star_minutes, event.volunteer_id, **{event.grade.lower(): -event.minutes})
            case ServiceRecordIssued() | ServiceRecordSuperseded() | ServiceRecordRevoked():
                _record(recorded, rows)
            case _:
                _star(recorded, rows)


def _star(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
        case StarThresholdReached() as event:
            rows.update(star_minutes, event.volunteer_id, level=event.level)
            rows.upsert(
                stars,
                star_id=event.star_id,
                volunteer_id=event.volunteer_id,
                level=event.level,
                state="REACHED",
                counted_minutes=event.counted_minutes,
                threshold_minutes=event.threshold_minutes,
                nominated_by=None,
                round=0,
                due_at=None,
                objections=0,
                changed_at=event.reached_at,
                awarded_at=None,
            )
        case StarNominated() as event:
            rows.update(
                stars,
                event.star_id,
                state="NOMINATED",
                nominated_by=event.nominated_by,
                changed_at=event.nominated_at,
            )
        case StarPublicized() as event:
            rows.update(
                stars,
                event.star_id,
                state="PUBLICIZED",
                round=event.round,
                due_at=event.due_at,
                changed_at=event.publicized_at,
            )
        case StarObjected() as event:
            rows.update(stars, event.star_id, state="OBJECTED", changed_at=event.objected_at)
            rows.add(stars, event.star_id, objections=1)
        case StarAwarded() as event:
            rows.update(
                stars,
                event.star_id,
                state="AWARDED",
                counted_minutes=event.counted_minutes,
                due_at=None,
                changed_at=event.awarded_at,
                awarded_at=event.awarded_at,
            )
        case StarReviewOpened() as event:
            rows.update(star_minutes, event.volunteer_id, level=event.level - 1)
            rows.update(
                stars,
                event.star_id,
                state="REVIEW",
                counted_minutes=event.counted_minutes,
                due_at=None,
                changed_at=event.opened_at,
            )
        case _:
            pass  # a reader shows what it knows and ignores the rest


def _record(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
        case ServiceRecordIssued() as event:
            rows.insert(
                service_records,
                record_id=event.record_id,
                volunteer_id=event.volunteer_id,
                record_no=event.record_no,
                verify_code=event.verify_code,
                state="ISSUED",
                period_from=event.period_from,
                period_until=event.period_until,
                minutes_a=event.minutes_a,
                minutes_b=event.minutes_b,
                minutes_c=event.minutes_c,
                entries=event.entries,
                ledger_positions=list(event.ledger_positions),
                ledger_size=event.ledger_size,
                issued_by=event.issued_by,
                issued_at=event.issued_at,
            )
        case ServiceRecordSuperseded() as event:
            rows.update(
                service_records,
                event.record_id,
                state="SUPERSEDED",
                reason_code=event.reason_code,
                ended_at=event.superseded_at,
            )
        case ServiceRecordRevoked() as event:
            rows.update(
                service_records,
                event.record_id,
                state="REVOKED",
                reason_code=event.reason_code,
                ended_at=event.revoked_at,
            )
        case _:
            pass
