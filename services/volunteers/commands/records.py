"""What may be asked about a service record (平台服务记录): issue it, free of charge, and take it back."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.command import Ask, Command
from contracts.event import Code, ReceiptNo
from contracts.volunteers import VerifyCode
from services.volunteers.commands.words import record_stream

ENTRIES_MAX = 4_000
"""What one event can hold; a longer life is two records."""


class IssueServiceRecordAsk(Ask):
    """A record of the credited services whose day lies in this period, both days with it."""

    volunteer_id: UUID
    period_from: date
    period_until: date


class RevokeServiceRecordAsk(Ask):
    """Why a record is taken back."""

    reason_code: Literal["issued_in_error", "wrong_person", "fraud", "asked_for"]


class RecordedMinutes(BaseModel):
    """What the ledger holds for a volunteer and a period, as heard up to `ledger_size`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes_a: int = 0
    minutes_b: int = 0
    minutes_c: int = 0
    positions: tuple[int, ...] = ()
    ledger_size: int = 0
    unanswered: int = 0
    """Credits of the period that the ledger has neither posted nor refused so far."""


class RecordCommand(Command):
    """A command decided on the stream of one record."""

    record_id: UUID

    @property
    def stream(self) -> str:
        """`record-<uuid>`."""
        return record_stream(self.record_id)


class IssueServiceRecord(RecordCommand):
    """Issue a record whose totals are the ledger's."""

    volunteer_id: UUID
    volunteer_known: bool
    record_no: ReceiptNo
    verify_code: VerifyCode
    period_from: date
    period_until: date
    today: date
    recorded: RecordedMinutes


class SupersedeServiceRecord(RecordCommand):
    """Say that minutes in a record changed since."""

    reason_code: Code
    claim_id: UUID | None = None


class RevokeServiceRecord(RecordCommand):
    """Take a record back."""

    reason_code: Code


RECORD_COMMANDS: tuple[type[RecordCommand], ...] = (IssueServiceRecord, SupersedeServiceRecord, RevokeServiceRecord)
AnyRecordCommand = IssueServiceRecord | SupersedeServiceRecord | RevokeServiceRecord
