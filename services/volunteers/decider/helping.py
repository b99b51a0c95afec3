"""A volunteer: –registered→ PENDING –verified→ ACTIVE ↔ PAUSED, SUSPENDED; REJECTED, WITHDRAWN (domain.md §4.3)."""

from collections.abc import Sequence
from typing import assert_never

from contracts.command import Refused, Role
from contracts.volunteers import (
    GuardianConsentRecorded,
    IdentityVerified,
    VolunteerActivated,
    VolunteerEvent,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerRejected,
    VolunteerResumed,
    VolunteerSuspended,
    VolunteerWithdrawn,
)
from services.volunteers.commands.helping import (
    AnyVolunteerCommand,
    DeclareSkill,
    ExpireLicence,
    PauseVolunteer,
    RecordGuardianConsent,
    RecordInsurance,
    RecordLicence,
    RecordTraining,
    RegisterVolunteer,
    ReinstateVolunteer,
    RejectVolunteer,
    ResumeVolunteer,
    SetAvailability,
    SuspendVolunteer,
    VerifyIdentity,
    VerifySkill,
    WithdrawVolunteer,
)
from services.volunteers.decider import abilities
from services.volunteers.decider.lifecycle import VOLUNTEER_LIFECYCLE
from services.volunteers.decider.volunteer import LIVE, Volunteer, VolunteerState, evolve, initial

__all__ = ["LIVE", "SUSPENSION_CAUSES", "Volunteer", "VolunteerState", "decide", "evolve", "initial"]

SUSPENSION_CAUSES = frozenset(
    {"conduct", "hours_fraud", "investigation", "money_taken", "no_shows", "privacy_breach", "safety"}
)
"""What somebody can be suspended for. Declining an offer costs nothing (志愿服务条例 §25), so it is no cause."""
APPEAL_UPHELD = "appeal_upheld"

Events = Sequence[VolunteerEvent]


def decide(command: AnyVolunteerCommand, volunteer: Volunteer) -> Events:
    """The events that a command comes to. Raises Refused."""
    VOLUNTEER_LIFECYCLE.require(command, volunteer.state)
    match command:
        case RegisterVolunteer():
            return _register(command, volunteer)
        case RecordGuardianConsent():
            return _guardian_consents(command, volunteer)
        case VerifyIdentity() | RejectVolunteer():
            return _verify(command, volunteer)
        case DeclareSkill() | VerifySkill():
            return abilities.skill(command, volunteer)
        case RecordLicence() | RecordInsurance():
            return abilities.paper(command)
        case ExpireLicence():
            return abilities.expire(command, volunteer)
        case RecordTraining():
            return abilities.training(command)
        case SetAvailability():
            return abilities.availability(command)
        case PauseVolunteer() | ResumeVolunteer():
            return _rest(command, volunteer)
        case SuspendVolunteer():
            return _suspend(command)
        case ReinstateVolunteer():
            return _reinstate(command, volunteer)
        case WithdrawVolunteer():
            return _withdraw(command)
        case _:
            assert_never(command)


def _register(command: RegisterVolunteer, volunteer: Volunteer) -> Events:
    """One person, one number, for life: who withdrew may come back under it, and is verified again (domain.md §4.3)."""
    if volunteer.barred_until is not None and command.at < volunteer.barred_until:
        raise Refused("suspended_until", until=volunteer.barred_until)
    ages, age_years = command.ages, command.age_years
    if age_years is None:
        raise Refused("birth_date_required")
    if age_years < ages.volunteer_years_min:
        raise Refused("too_young", years_min=ages.volunteer_years_min)
    guardian_required = age_years < ages.guardian_below_years
    accompanied_only = age_years < ages.accompanied_below_years
    registered = VolunteerRegistered(
        volunteer_id=command.volunteer_id,
        volunteer_no=volunteer.volunteer_no or command.volunteer_no,
        household_id=command.household_id,
        entrance_id=command.entrance_id,
        grid_id=command.grid_id,
        guardian_required=guardian_required,
        accompanied_only=accompanied_only,
        external=command.external,
        role=command.by.role,
        channel=command.by.channel,
        registered_at=command.at,
    )
    if not guardian_required or command.consenting_guardian_id is None:
        return [registered]
    consented = GuardianConsentRecorded(
        volunteer_id=command.volunteer_id,
        guardian_id=command.consenting_guardian_id,
        form=command.consent_form,
        accompanied_only=accompanied_only,
        role=command.by.role,
        recorded_at=command.at,
    )
    return [registered, consented]


def _guardian_consents(command: RecordGuardianConsent, volunteer: Volunteer) -> Events:
    """Recorded again it renews what follows from the age: a child that turned ten need not be accompanied any more."""
    if not volunteer.guardian_required:
        raise Refused("guardian_not_needed")
    if not command.guardian_related:
        raise Refused("guardian_not_related")
    if command.age_years is None:
        raise Refused("birth_date_required")
    consented = GuardianConsentRecorded(
        volunteer_id=command.volunteer_id,
        guardian_id=command.guardian_id,
        form=command.form,
        document_sha256=command.document_sha256,
        accompanied_only=command.age_years < command.ages.accompanied_below_years,
        role=command.by.role,
        recorded_at=command.at,
    )
    return [consented]


def _verify(command: VerifyIdentity | RejectVolunteer, volunteer: Volunteer) -> Events:
    """Somebody else saw who it is; a child is not active before a guardian agreed."""
    volunteer_id, role, at = command.volunteer_id, command.by.role, command.at
    if command.by.actor_id == volunteer_id:
        raise Refused("self_verification")
    if isinstance(command, RejectVolunteer):
        rejected = VolunteerRejected(
            volunteer_id=volunteer_id, reason_code=command.reason_code, role=role, rejected_at=at
        )
        return [rejected]
    if volunteer.guardian_required and volunteer.guardian_id is None:
        raise Refused("guardian_consent_required", age_below=command.ages.guardian_below_years)
    return [
        IdentityVerified(volunteer_id=volunteer_id, method=command.method, role=role, verified_at=at),
        VolunteerActivated(volunteer_id=volunteer_id, role=role, activated_at=at),
    ]


def _rest(command: PauseVolunteer | ResumeVolunteer, volunteer: Volunteer) -> Events:
    if isinstance(command, PauseVolunteer):
        if command.pause_until is not None and command.pause_until <= command.at:
            raise Refused("time_impossible", field="pause_until")
        paused = VolunteerPaused(
            volunteer_id=command.volunteer_id, due_at=command.pause_until, role=command.by.role, paused_at=command.at
        )
        return [paused]
    until = None if volunteer.rest is None else volunteer.rest.until
    if command.by.role is Role.SYSTEM and (until is None or command.at < until):
        raise Refused("not_due", due_at=until)
    return [VolunteerResumed(volunteer_id=command.volunteer_id, role=command.by.role, resumed_at=command.at)]


def _suspend(command: SuspendVolunteer) -> Events:
    """Two different people, neither of them the volunteer, for a cause on the list, until a moment to come."""
    if command.volunteer_id in {command.by.actor_id, command.seconded_by}:
        raise Refused("self_verification")
    if command.by.actor_id == command.seconded_by:
        raise Refused("second_person_required")
    if not command.seconder_entitled:
        raise Refused("seconder_not_entitled")
    if command.suspended_until <= command.at:
        raise Refused("time_impossible", field="suspended_until")
    if "declin" in command.reason_code:
        raise Refused("declining_is_free")
    if command.reason_code not in SUSPENSION_CAUSES:
        raise Refused("cause_unknown", known=", ".join(sorted(SUSPENSION_CAUSES)))
    suspended = VolunteerSuspended(
        volunteer_id=command.volunteer_id,
        reason_code=command.reason_code,
        due_at=command.suspended_until,
        suspended_by=command.by.actor_id,
        seconded_by=command.seconded_by,
        statement_ref=command.statement_ref,
        statement_commitment=command.statement_commitment,
        role=command.by.role,
        suspended_at=command.at,
    )
    return [suspended]


def _reinstate(command: ReinstateVolunteer, volunteer: Volunteer) -> Events:
    """SYSTEM when it ran out; before, a person; an appeal is upheld by neither of the two who suspended."""
    decided_by = command.upheld_by or command.by.actor_id
    if decided_by == command.volunteer_id:
        raise Refused("self_verification")
    is_over = volunteer.barred_until is not None and command.at >= volunteer.barred_until
    if command.by.role is Role.SYSTEM and command.upheld_by is None and not is_over:
        raise Refused("not_due", due_at=volunteer.barred_until)
    if command.reason_code == APPEAL_UPHELD and decided_by in volunteer.suspended_by:
        raise Refused("another_person_required")
    reinstated = VolunteerReinstated(
        volunteer_id=command.volunteer_id,
        reason_code=command.reason_code,
        statement_ref=command.statement_ref,
        statement_commitment=command.statement_commitment,
        role=command.by.role,
        reinstated_at=command.at,
    )
    rest = volunteer.rest
    if rest is None or (rest.until is not None and rest.until <= command.at):
        return [reinstated]
    # The suspension did not end the rest that the volunteer had asked for.
    paused = VolunteerPaused(
        volunteer_id=command.volunteer_id, due_at=rest.until, role=command.by.role, paused_at=command.at
    )
    return [reinstated, paused]


def _withdraw(command: WithdrawVolunteer) -> Events:
    withdrawn = VolunteerWithdrawn(
        volunteer_id=command.volunteer_id,
        reason_code=command.reason_code,
        role=command.by.role,
        withdrawn_at=command.at,
    )
    return [withdrawn]
