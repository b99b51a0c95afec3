"""A claim of hours: CLAIMED → CONFIRMED → LOGGED, or HELD, or REJECTED; perhaps VOIDED (domain.md §4.4).

LOGGED is final: afterwards a doubt only opens CorrectionRequested, and two people decide. Facts about the volunteer's
other claims arrive in the command; constraints in the read models guard the same facts, so that two decisions on them
cannot both commit.
"""

from services.volunteers.decider.hours.decide import decide, initial
from services.volunteers.decider.hours.lifecycle import LIFECYCLE
from services.volunteers.decider.hours.state import (
    DAY_TOTAL,
    DISPUTED,
    ENTRY_TOO_LONG,
    HAND_ENTRY,
    LATE_ENTRY,
    ONE_PERSON,
    OVERLAP,
    TOO_SHORT,
    UNCONFIRMED,
    Claim,
    ClaimState,
    evolve,
)

__all__ = [
    "DAY_TOTAL",
    "DISPUTED",
    "ENTRY_TOO_LONG",
    "HAND_ENTRY",
    "LATE_ENTRY",
    "LIFECYCLE",
    "ONE_PERSON",
    "OVERLAP",
    "TOO_SHORT",
    "UNCONFIRMED",
    "Claim",
    "ClaimState",
    "decide",
    "evolve",
    "initial",
]
