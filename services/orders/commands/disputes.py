"""争议: what may be asked when a side says that it was otherwise (domain.md §4.2, §4.7)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Ask, Command
from contracts.event import Code, Digest, UnitCode
from contracts.orders import DisputeConsequence, DisputeDecision, Staffing
from services.orders.commands.placing import OrderCommand
from services.orders.commands.words import Policy, Text, dispute_stream

AboutBeside = Literal["hours", "rating", "conduct", "fund"]
"""What an order itself does not wait for; what does is contested (ContestCompletion)."""
Consequences = Annotated[tuple[DisputeConsequence, ...], Field(max_length=9)]


class RaiseDisputeAsk(Ask):
    """提出异议 about hours, a rating, somebody's conduct, or the fund."""

    about: AboutBeside
    reason_code: Code
    order_id: UUID | None = None
    subject_id: UUID | None = None
    words: Text | None = None


class ResolveDisputeAsk(Ask):
    """裁定: for whom, and what follows. What follows is then done where it belongs, by those entitled there."""

    decision: DisputeDecision
    consequences: Consequences = ()
    words: Text | None = None


class AppealDisputeAsk(Ask):
    """复议, once: why the decision is not accepted."""

    reason_code: Code
    words: Text | None = None


class _Words(Command):
    words_ref: UUID | None = None
    words_commitment: Digest | None = None


class Resolving(_Words):
    """A decision: by somebody without a part in it, and after an appeal by another one than before."""

    decision: DisputeDecision
    consequences: Consequences = ()
    decider_household_id: UUID | None
    households: dict[UUID, UUID | None]
    """Party → household."""
    involved: frozenset[UUID] = frozenset()
    """Who did what is disputed: suspended one of the parties, or said that they had not come. Others decide."""


class Appealing(_Words):
    """An appeal by one of the sides."""

    reason_code: Code
    speaks_for_party: bool
    """The actor is a party, or may act for one."""


class DisputeCommand(Command):
    """A command decided on a dispute's own stream."""

    dispute_id: UUID
    policy: Policy = Policy()

    @property
    def stream(self) -> str:
        """`dispute-<uuid>`."""
        return dispute_stream(self.dispute_id)


class RaiseDispute(DisputeCommand, _Words):
    """Say that it was otherwise."""

    about: AboutBeside
    reason_code: Code
    order_id: UUID | None = None
    subject_id: UUID | None = None
    raised_for: UUID | None = None
    """Whose matter it is, where a proxy speaks for them."""
    grid_id: UnitCode | None = None
    beneficiary_id: UUID | None = None
    assignments: tuple[Staffing, ...] = ()
    """The order's slots that were served, where it names an order."""


class ResolveDispute(DisputeCommand, Resolving):
    """Decide a dispute of its own."""


class AppealDispute(DisputeCommand, Appealing):
    """Take the decision of a dispute of its own further."""


class ContestCommand(OrderCommand):
    """A command about what was contested of an order, decided on the order's stream."""


class ResolveContest(ContestCommand, Resolving):
    """Decide what was contested of an order, which goes back to where it stood, or ends as UNFULFILLED."""


class AppealContest(ContestCommand, Appealing):
    """Take that decision further: the order waits again."""


AnyDisputeCommand = RaiseDispute | ResolveDispute | AppealDispute
AnyContestCommand = ResolveContest | AppealContest
