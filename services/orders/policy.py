"""The figures that orders goes by: what was adopted last of the policy file's section `orders`."""

from datetime import datetime

from contracts.orders import PolicyAdopted
from servicekit.policy import PolicySection
from servicekit.working_days import due_after
from services.orders.commands.follow_up import Deadlines
from services.orders.commands.words import Policy

POLICY = PolicySection("orders", Policy, PolicyAdopted)


def working_deadlines(at: datetime) -> Deadlines:
    """The ends of working days that a follow-up's deadlines are, counted from `at` by the calendar."""
    policy = POLICY.current
    return Deadlines(
        contact_by=due_after(at, policy.follow_up_contact_working_days),
        rectify_by=due_after(at, policy.rectify_working_days),
    )


def current_policy() -> Policy:
    """The figures in force."""
    return POLICY.current
