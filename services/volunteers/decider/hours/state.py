"""What the rules know of a claim, and how events change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from contracts.command import Refused, Role
from contracts.volunteers import (
    Approval,
    CorrectionRequested,
    Grade,
    HoursAdjusted,
    HoursApproved,
    HoursClaimed,
    HoursClaimEvent,
    HoursConfirmed,
    HoursFlagged,
    HoursHeld,
    HoursLogged,
    HoursRejected,
    HoursSampled,
    HoursVoided,
)

OVERLAP = "overlap"
DAY_TOTAL = "day_total"
ENTRY_TOO_LONG = "entry_too_long"
TOO_SHORT = "too_short"
HAND_ENTRY = "hand_entry"
"""Entered by hand: a person other than the recorder approves."""
LATE_ENTRY = "late_entry"
"""Entered by hand more than a week later: an auditor approves."""
ONE_PERSON = "one_person"
"""Presumed, and nobody but the volunteer had a hand in the order: an auditor approves."""
DISPUTED = "disputed"
"""Its service is contested or in dispute: nothing moves before that is resolved."""
UNCONFIRMED = "unconfirmed"
"""The dispute is over; the confirmation is still to come."""


class ClaimState(StrEnum):
    """Where a claim stands. HELD may be confirmed or not; only a confirmed one can be approved."""

    NONE = "NONE"
    CLAIMED = "CLAIMED"
    CONFIRMED = "CONFIRMED"
    HELD = "HELD"
    LOGGED = "LOGGED"
    VOIDED = "VOIDED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the rules need to know of a claim."""

    state: ClaimState = ClaimState.NONE
    claimed: HoursClaimed | None = None
    grade: Grade = "C"
    minutes: int = 0
    """As they stand: claimed, and after a credit as corrected."""
    confirmed: bool = False
    presumed: bool = False
    confirmed_by: UUID | None = None
    held_for: str | None = None
    flags: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    corrections: Mapping[UUID, UUID | None] = field(default_factory=lambda: MappingProxyType({}))
    """Open requests for correction, and the person who asked."""
    answered: frozenset[UUID] = frozenset()
    sample: HoursSampled | None = None
    """The last that was said of its random check."""

    @property
    def interval(self) -> HoursClaimed:
        """The claim as it was made. Only for a claim that exists."""
        if self.claimed is None:
            raise Refused("claim_unknown")
        return self.claimed

    @property
    def disputed(self) -> bool:
        """Whether a dispute holds it."""
        return self.state is ClaimState.HELD and self.held_for == DISPUTED

    @property
    def witnessed(self) -> bool:
        """Whether a person other than the one who entered it confirmed the service."""
        return self.confirmed_by is not None and self.confirmed_by != self.interval.recorded_by

    @property
    def has_auditor(self) -> bool:
        """Whether an auditor approved."""
        return any(approval.role is Role.HOURS_AUDITOR for approval in self.approvals)

    @property
    def hands(self) -> frozenset[UUID]:
        """Everybody who brought the claim to where it is: none of them judges it again."""
        persons = {self.interval.recorded_by, self.confirmed_by, *(one.person_id for one in self.approvals)}
        return frozenset(person for person in persons if person is not None)


def evolve(claim: Claim, event: HoursClaimEvent) -> Claim:
    """The claim after an event."""
    match event:
        case HoursClaimed():
            return Claim(ClaimState.CLAIMED, event, event.grade, event.minutes)
        case HoursFlagged():
            return replace(claim, flags=event.flags)
        case HoursConfirmed():
            state = ClaimState.HELD if claim.state is ClaimState.HELD else ClaimState.CONFIRMED
            return replace(
                claim,
                state=state,
                confirmed=True,
                presumed=event.presumed,
                confirmed_by=event.confirmed_by,
                grade=event.grade,
            )
        case HoursHeld():
            return replace(claim, state=ClaimState.HELD, held_for=event.reason_code)
        case HoursApproved():
            approval = Approval(person_id=event.approved_by, role=event.role)
            return replace(claim, approvals=(*claim.approvals, approval))
        case HoursRejected():
            return replace(claim, state=ClaimState.REJECTED)
        case HoursLogged():
            return replace(claim, state=ClaimState.LOGGED, held_for=None)
        case HoursSampled():
            return replace(claim, sample=event)
        case CorrectionRequested():
            opened = {**claim.corrections, event.correction_id: event.requested_by}
            return replace(claim, corrections=MappingProxyType(opened))
        case HoursAdjusted():
            return replace(_answered(claim), minutes=event.minutes)
        case HoursVoided():
            return replace(_answered(claim), state=ClaimState.VOIDED, minutes=0)
        case _:
            assert_never(event)


def _answered(claim: Claim) -> Claim:
    """One answer closes every open request: they were all about the same minutes."""
    return replace(claim, corrections=MappingProxyType({}), answered=claim.answered | frozenset(claim.corrections))
