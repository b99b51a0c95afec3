"""What the rules need to know of a dispute, wherever it is decided, and its lifecycle as data (domain.md §4.2)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.orders.commands.disputes import AppealDispute, RaiseDispute, ResolveDispute
from services.orders.decider.tables import Line, Table, refused_with


class DisputeState(StrEnum):
    """MEDIATING until it is decided; RESOLVED may be appealed once; APPEALED is decided anew; FINAL stands."""

    MEDIATING = "MEDIATING"
    RESOLVED = "RESOLVED"
    APPEALED = "APPEALED"
    FINAL = "FINAL"


S = DisputeState
OPEN = frozenset({S.MEDIATING, S.APPEALED})
_UNKNOWN: dict[DisputeState | None, str] = {None: "dispute_unknown"}
TABLE: Table[DisputeState] = Table(
    "dispute",
    tuple(DisputeState),
    frozenset({S.FINAL}),
    (
        Line(
            RaiseDispute,
            "提出异议",
            {None: (S.MEDIATING,)},
            ("DisputeRaised",),
            refused_with("dispute_raised_already", *S),
        ),
        Line(
            ResolveDispute,
            "裁定",
            {S.MEDIATING: (S.RESOLVED,), S.APPEALED: (S.FINAL,)},
            ("DisputeResolved",),
            _UNKNOWN | refused_with("dispute_resolved_already", S.RESOLVED, S.FINAL),
            "after an appeal by another person, and for good",
        ),
        Line(
            AppealDispute,
            "复议",
            {S.RESOLVED: (S.APPEALED,)},
            ("DisputeAppealed",),
            _UNKNOWN
            | refused_with("appeal_used", S.FINAL)
            | refused_with("dispute_not_resolved", S.MEDIATING, S.APPEALED),
            "once, while appeal_until has not passed",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Dispute:
    """What the rules need to know of a dispute, wherever it is decided."""

    dispute_id: UUID
    state: DisputeState
    raised_by: UUID
    parties: frozenset[UUID]
    """Whose matter it is: they may appeal, and nobody of them decides."""
    resolved_by: UUID | None = None
    appeal_until: datetime | None = None
    appealed_by: UUID | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision."""
        return self.state in OPEN


def resolved(dispute: Dispute, by: UUID, appeal_until: datetime | None) -> Dispute:
    """The dispute once it is decided: for good after an appeal."""
    state = DisputeState.FINAL if dispute.state is DisputeState.APPEALED else DisputeState.RESOLVED
    return replace(dispute, state=state, resolved_by=by, appeal_until=appeal_until)


def appealed(dispute: Dispute, by: UUID) -> Dispute:
    """The dispute once it is taken further: whoever appealed has a part in it, too."""
    parties = dispute.parties | {by}
    return replace(dispute, state=DisputeState.APPEALED, appealed_by=by, appeal_until=None, parties=parties)
