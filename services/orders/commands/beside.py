"""Beside the orders: inquiries at the door, the catalogue, and erasure."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import Code, Digest, KeptData, UnitCode
from services.orders.commands.placing import DetailsAsk
from services.orders.commands.words import Policy, Slots, erasure_stream, inquiry_stream, item_stream

InquiryResult = Literal["need", "no_need", "not_home"]
ExpectedMinutes = Annotated[int, Field(ge=1, le=480)]


class RecordInquiryAsk(Ask):
    """询单: what was found at a door. A need names who needs what."""

    result: InquiryResult
    household_id: UUID | None = None
    """Needed when no resident is named."""
    grid_id: UnitCode | None = None
    entrance_id: UnitCode | None = None
    resident_id: UUID | None = None
    item_code: Code | None = None
    consented: bool = False
    """The resident agreed that an order is made of this."""
    details: DetailsAsk | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.result == "need" and (self.resident_id is None or self.item_code is None):
            raise mistake(
                "missing",
                "写上是谁、要帮什么",
                "a need names resident_id and item_code",
                field="item_code",
            )
        if self.resident_id is None and self.household_id is None:
            raise mistake(
                "missing", "写上是谁，或是哪一户", "resident_id or household_id is needed", field="household_id"
            )
        if self.details is not None and self.resident_id is None:
            raise mistake(
                "missing",
                "写了细节，就要写上是谁的",
                "details belong to a resident: name resident_id",
                field="resident_id",
            )
        if self.resident_id is None and self.grid_id is None and self.entrance_id is None:
            raise mistake(
                "missing", "写上哪个楼门或网格", "without a resident, grid_id or entrance_id is needed", field="grid_id"
            )
        return self


class PublishServiceItemAsk(Ask):
    """服务上架, or a new version of it. Older orders keep what they were placed with."""

    item_code: Code
    expected_minutes: ExpectedMinutes
    slots: Slots = 1
    home_visit: bool
    licence: Code | None = None
    skills: Annotated[tuple[Code, ...], Field(max_length=5)] = ()
    insurance_required: bool = False


class RetireServiceItemAsk(Ask):
    """服务下架."""

    replaced_by: Code | None = None
    reason_code: Code | None = None


class RecordInquiry(Command):
    """Record what was found at a door."""

    inquiry_id: UUID
    household_id: UUID
    grid_id: UnitCode
    entrance_id: UnitCode | None
    resident_id: UUID | None
    resident_known: bool
    item_code: Code | None
    item_active: bool
    result: InquiryResult
    consented: bool
    details_ref: UUID | None = None
    details_commitment: Digest | None = None
    policy: Policy = Policy()

    @property
    def stream(self) -> str:
        """`inquiry-<uuid>`."""
        return inquiry_stream(self.inquiry_id)


class PublishServiceItem(Command):
    """Let a service be asked for."""

    item_code: Code
    expected_minutes: int
    slots: int
    home_visit: bool
    licence: Code | None
    skills: tuple[Code, ...]
    insurance_required: bool

    @property
    def stream(self) -> str:
        """`item-<uuid>`."""
        return item_stream(self.item_code)


class RetireServiceItem(Command):
    """Let a service be asked for no longer."""

    item_code: Code
    replaced_by: Code | None = None
    reason_code: Code | None = None

    @property
    def stream(self) -> str:
        """`item-<uuid>`."""
        return item_stream(self.item_code)


class EraseVaultData(Command):
    """Say which of a person's data were destroyed; the vault does it in the same append."""

    person_id: UUID
    source_event_id: UUID
    purposes: tuple[Code, ...]
    kept: tuple[KeptData, ...] = ()
    erased_at: AwareDatetime

    @property
    def stream(self) -> str:
        """`erasure-<uuid>`."""
        return erasure_stream(self.person_id)
