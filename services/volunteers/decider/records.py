"""A service record: ISSUED, until minutes in it change (SUPERSEDED) or it is taken back (REVOKED); domain.md §4.3."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.volunteers import (
    ServiceRecordEvent,
    ServiceRecordIssued,
    ServiceRecordRevoked,
    ServiceRecordSuperseded,
)
from services.volunteers.commands.records import (
    ENTRIES_MAX,
    AnyRecordCommand,
    IssueServiceRecord,
    RevokeServiceRecord,
    SupersedeServiceRecord,
)
from services.volunteers.decider.transitions import Lifecycle, Row


class RecordState(StrEnum):
    """Whether a record stands."""

    NONE = "NONE"
    ISSUED = "ISSUED"
    SUPERSEDED = "SUPERSEDED"
    REVOKED = "REVOKED"


S = RecordState
RECORD_LIFECYCLE = Lifecycle(
    states=RecordState,
    nothing=S.NONE,
    missing="record_unknown",
    ends=frozenset({S.SUPERSEDED, S.REVOKED}),
    ended="record_ended",
    elsewhere="record_issued_already",
    rows=(
        Row(IssueServiceRecord, "出具", frozenset({S.NONE}), "ISSUED", ("ServiceRecordIssued",)),
        Row(SupersedeServiceRecord, "更新", frozenset({S.ISSUED}), "SUPERSEDED", ("ServiceRecordSuperseded",)),
        Row(RevokeServiceRecord, "撤销", frozenset({S.ISSUED}), "REVOKED", ("ServiceRecordRevoked",)),
    ),
)


@dataclass(frozen=True, slots=True)
class Record:
    """What the rules need to know of a record."""

    state: RecordState = RecordState.NONE
    record_no: str = ""
    volunteer_id: UUID | None = None


def initial() -> Record:
    """A record that nobody issued."""
    return Record()


def decide(command: AnyRecordCommand, record: Record) -> Sequence[ServiceRecordEvent]:
    """The events that a command comes to. Raises Refused."""
    RECORD_LIFECYCLE.require(command, record.state)
    match command:
        case IssueServiceRecord():
            return [_issue(command)]
        case SupersedeServiceRecord():
            superseded = ServiceRecordSuperseded(
                record_id=command.record_id,
                volunteer_id=_volunteer(record),
                record_no=record.record_no,
                reason_code=command.reason_code,
                claim_id=command.claim_id,
                superseded_at=command.at,
            )
            return [superseded]
        case RevokeServiceRecord():
            if command.by.actor_id is None or command.by.actor_id == record.volunteer_id:
                raise Refused("own_record")
            revoked = ServiceRecordRevoked(
                record_id=command.record_id,
                volunteer_id=_volunteer(record),
                record_no=record.record_no,
                reason_code=command.reason_code,
                revoked_by=command.by.actor_id,
                revoked_at=command.at,
            )
            return [revoked]
        case _:
            assert_never(command)


def _volunteer(record: Record) -> UUID:
    assert record.volunteer_id is not None
    return record.volunteer_id


def _issue(command: IssueServiceRecord) -> ServiceRecordIssued:
    recorded, issuer = command.recorded, command.by.actor_id
    if not command.volunteer_known:
        raise Refused("volunteer_unknown")
    if issuer is None or issuer == command.volunteer_id:
        raise Refused("own_record")
    if not command.period_from <= command.period_until <= command.today:
        raise Refused("period_impossible")
    if recorded.unanswered:
        raise Refused("not_posted_yet")
    if not recorded.positions:
        raise Refused("nothing_recorded")
    if len(recorded.positions) > ENTRIES_MAX:
        raise Refused("period_too_long", entries=len(recorded.positions), entries_max=ENTRIES_MAX)
    return ServiceRecordIssued(
        record_id=command.record_id,
        volunteer_id=command.volunteer_id,
        record_no=command.record_no,
        period_from=command.period_from,
        period_until=command.period_until,
        minutes_a=recorded.minutes_a,
        minutes_b=recorded.minutes_b,
        minutes_c=recorded.minutes_c,
        entries=len(recorded.positions),
        ledger_positions=recorded.positions,
        ledger_size=recorded.ledger_size,
        verify_code=command.verify_code,
        issued_by=issuer,
        issued_at=command.at,
    )


def evolve(record: Record, event: ServiceRecordEvent) -> Record:
    """The record after an event."""
    match event:
        case ServiceRecordIssued():
            return Record(RecordState.ISSUED, event.record_no, event.volunteer_id)
        case ServiceRecordSuperseded():
            return replace(record, state=RecordState.SUPERSEDED)
        case ServiceRecordRevoked():
            return replace(record, state=RecordState.REVOKED)
        case _:
            assert_never(event)
