"""The figures that ledger goes by: what was adopted last of the policy file's section `ledger`."""

from contracts.ledger import PolicyAdopted
from servicekit.policy import PolicySection
from services.ledger.commands import LedgerPolicy

POLICY = PolicySection("ledger", LedgerPolicy, PolicyAdopted)


def current_policy() -> LedgerPolicy:
    """The figures in force."""
    return POLICY.current
