"""The figures that notify goes by: what was adopted last of the policy file's section `notify`."""

from contracts.notify import PolicyAdopted
from servicekit.policy import PolicySection
from services.notify.commands import SendingPolicy

POLICY = PolicySection("notify", SendingPolicy, PolicyAdopted)


def current_policy() -> SendingPolicy:
    """The figures in force."""
    return POLICY.current
