"""The figures that volunteers goes by: what was adopted last of the policy file's section `volunteers`."""

from contracts.volunteers import PolicyAdopted
from servicekit.policy import PolicySection
from services.volunteers.commands.words import Policy

POLICY = PolicySection("volunteers", Policy, PolicyAdopted)


def current_policy() -> Policy:
    """The figures in force."""
    return POLICY.current
