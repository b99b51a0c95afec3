"""平安核查: what may be asked about a person whom somebody is to look after (domain.md §4.7, WelfareCheck)."""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.command import Ask, Command
from contracts.event import Code, Digest, OrderNo, UnitCode
from contracts.orders import CheckCause, CheckOutcome
from services.orders.commands.words import Policy, Text, welfare_check_stream


class RaiseWelfareCheckAsk(Ask):
    """平安核查: a volunteer is worried about the person of this order."""


class RecordOutcomeAsk(Ask):
    """核查结果: how it is with them. Only a person says so, never a timer."""

    outcome: CheckOutcome
    words: Text | None = None


class WelfareCheckCommand(Command):
    """A command decided on a check's stream."""

    check_id: UUID
    policy: Policy = Policy()

    @property
    def stream(self) -> str:
        """`welfare_check-<uuid>`."""
        return welfare_check_stream(self.check_id)


class RaiseWelfareCheck(WelfareCheckCommand):
    """Have somebody make sure that a person is well."""

    beneficiary_id: UUID
    cause: CheckCause
    grid_id: UnitCode
    entrance_id: UnitCode | None = None
    order_id: UUID | None = None
    order_no: OrderNo | None = None
    item_code: Code | None = None
    window_start: AwareDatetime | None = None
    window_end: AwareDatetime | None = None
    open_check: UUID | None = None
    """A check of the same person that has no outcome yet: one is enough."""


class RecordOutcome(WelfareCheckCommand):
    """Record how it is with the person; the check ends."""

    outcome: CheckOutcome
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class EscalateWelfareCheck(WelfareCheckCommand):
    """Tell more people: nobody recorded an outcome in time."""


AnyWelfareCheckCommand = RaiseWelfareCheck | RecordOutcome | EscalateWelfareCheck
