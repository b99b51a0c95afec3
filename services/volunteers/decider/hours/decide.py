"""From a command about a claim to its events."""

from collections.abc import Sequence
from typing import assert_never

from contracts.volunteers import HoursClaimEvent
from services.volunteers.commands.hours import (
    AdjustHours,
    AnyClaimCommand,
    ApproveHours,
    ClaimHours,
    ClaimHoursManually,
    ConfirmHours,
    DrawSample,
    HoldHours,
    LogHours,
    RecordSample,
    RejectHours,
    ReleaseHours,
    RequestCorrection,
    VoidHours,
)
from services.volunteers.decider.hours.claiming import claim_by_hand, claim_service, confirm
from services.volunteers.decider.hours.correcting import adjust, draw, record_sample, request, void
from services.volunteers.decider.hours.judging import approve, hold, log, reject, release
from services.volunteers.decider.hours.lifecycle import LIFECYCLE
from services.volunteers.decider.hours.state import Claim


def initial() -> Claim:
    """A claim that nobody made."""
    return Claim()


def decide(command: AnyClaimCommand, claim: Claim) -> Sequence[HoursClaimEvent]:
    """The events that a command comes to. Raises Refused."""
    LIFECYCLE.require(command, claim.state)
    match command:
        case ClaimHours():
            return claim_service(command)
        case ClaimHoursManually():
            return claim_by_hand(command)
        case ConfirmHours():
            return confirm(command, claim)
        case LogHours():
            return log(command, claim)
        case HoldHours():
            return hold(command, claim)
        case ReleaseHours():
            return release(command, claim)
        case ApproveHours():
            return approve(command, claim)
        case RejectHours():
            return reject(command, claim)
        case RequestCorrection():
            return request(command, claim)
        case AdjustHours():
            return adjust(command, claim)
        case VoidHours():
            return void(command, claim)
        case DrawSample():
            return draw(command, claim)
        case RecordSample():
            return record_sample(command, claim)
        case _:
            assert_never(command)
