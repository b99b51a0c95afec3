"""The figures that orders goes by: what was adopted last of the policy file's section `orders`."""

from contracts.orders import PolicyAdopted
from servicekit.policy import PolicySection
from services.orders.commands.words import Policy

POLICY = PolicySection("orders", Policy, PolicyAdopted)


def current_policy() -> Policy:
    """The figures in force."""
    return POLICY.current
