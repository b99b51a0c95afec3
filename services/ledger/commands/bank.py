"""Bank statements: what people ask, and the commands it becomes (domain.md §4.6–4.7, 会计法 §17)."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import Digest
from contracts.ledger import ItemReason
from services.ledger.commands.policy import LedgerPolicy

LINES_MAX = 200
Fen = Annotated[int, Field(ge=-100_000_000_000, le=100_000_000_000)]
BankReference = Annotated[str, Field(min_length=1, max_length=64)]
"""The number that the bank gave a transfer: a statement's line is known by it. It lies in the vault."""
Line = Annotated[int, Field(ge=1, le=LINES_MAX)]
_BANKS = UUID("018f6a3e-7c00-7000-8000-1ed6e4000002")


def bank_stream() -> str:
    """The one stream of the fund's bank account, `bank-<uuid>`."""
    return f"bank-{uuid5(_BANKS, 'assets:bank')}"


class StatementLineAsk(Ask):
    """A line of the statement: positive came in, negative went out. The bank's words go into the vault."""

    booked_on: date
    amount_fen: Fen
    reference: BankReference | None = None
    counterparty: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    summary: Annotated[str, Field(min_length=1, max_length=120)] | None = None


class AttestStatementAsk(Ask):
    """A bank statement, as its file says."""

    file_sha256: Digest
    from_on: date
    until_on: date
    opening_fen: Fen
    closing_fen: Fen
    lines: Annotated[tuple[StatementLineAsk, ...], Field(max_length=LINES_MAX)] = ()
    replaces: UUID | None = None
    """The statement that waits to be reconciled, when it was handed in wrongly."""


class SettleItemAsk(Ask):
    """A line and an entry that are one and the same; or one of them alone, with the reason why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entry_no": 1, "reason_code": "in_transit"}]})

    statement_id: UUID | None = None
    line_no: Line | None = None
    entry_no: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None
    reason_code: ItemReason | None = None
    note: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """It lies in the vault."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.statement_id is None) != (self.line_no is None):
            raise mistake("line_half", "对账单和行号要一起填。", "a line is a statement and a number", field="line_no")
        is_pair = self.line_no is not None and self.entry_no is not None
        if self.line_no is None and self.entry_no is None:
            raise mistake("item_missing", "填上哪一行或哪一笔分录。", "name a line or an entry", field="line_no")
        if is_pair != (self.reason_code is None):
            raise mistake(
                "match_or_reason",
                "对上的不用写原因；单独一边的要写原因。",
                "a match has no reason; one side alone has one",
                field="reason_code",
            )
        return self


class ReconcileBankAsk(Ask):
    """Nothing more to say: every figure follows from what was recorded."""


class StatementLine(BaseModel):
    """A line as the rules see it; of the bank's words only the reference, which is not recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line_no: Line
    booked_on: date
    amount_fen: Fen
    reference: str | None = None
    reference_commitment: Digest | None = None


class BankEntry(BaseModel):
    """An entry that changed what lies at the bank."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry_id: UUID
    entry_no: int
    effective_date: date
    amount_fen: Fen
    reverses: UUID | None = None
    reference: str | None = None
    """The bank's reference that was written down with it, from the vault."""


class BankBook(BaseModel):
    """What the book says of the bank account, read from the first `log_size` events: no later one changes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_size: int
    log_root: Digest
    before_fen: int = 0
    """The sum of all that is older than the entries here."""
    entries: tuple[BankEntry, ...] = ()


class BankCommand(Command):
    """A command decided on the bank account's stream."""

    statement_id: UUID
    policy: LedgerPolicy = LedgerPolicy()

    @property
    def stream(self) -> str:
        """`bank-<uuid>`."""
        return bank_stream()


class AttestStatement(BankCommand):
    """Hand a statement in."""

    file_sha256: Digest
    from_on: date
    until_on: date
    opening_fen: Fen
    closing_fen: Fen
    lines: tuple[StatementLine, ...]
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    replaces: UUID | None = None
    book: BankBook


class SettleItem(BankCommand):
    """Match a line with an entry, or say why one stands alone. `statement_id`: the line's, or the last statement."""

    line_no: Line | None = None
    entry: BankEntry | None = None
    reason_code: ItemReason | None = None
    note_ref: UUID | None = None
    note_commitment: Digest | None = None


class ReconcileBank(BankCommand):
    """Hold book and bank against each other, as another person."""

    book: BankBook


BANK_COMMANDS: tuple[type[BankCommand], ...] = (AttestStatement, SettleItem, ReconcileBank)
AnyBankCommand = AttestStatement | SettleItem | ReconcileBank
