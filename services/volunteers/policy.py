"""The figures that volunteers goes by: what was adopted last of the policy file's section `volunteers`."""

from datetime import datetime

from contracts.volunteers import PolicyAdopted
from servicekit.policy import PolicySection
from servicekit.working_days import due_after
from services.volunteers.commands.words import Policy

POLICY = PolicySection("volunteers", Policy, PolicyAdopted)


def current_policy() -> Policy:
    """The figures in force."""
    return POLICY.current


def review_due(at: datetime) -> datetime:
    """By when an auditor looks at a claim that is held from `at` on."""
    return due_after(at, current_policy().hours.review_working_days)


def correction_due(at: datetime) -> datetime:
    """By when a request for correction made at `at` is answered."""
    return due_after(at, current_policy().hours.correction_working_days)
