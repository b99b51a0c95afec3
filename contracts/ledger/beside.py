"""What the ledger says of itself: data erased, figures adopted."""

from contracts.event import PersonDataErasedFields, PolicyAdoptedFields


class PersonDataErased(PersonDataErasedFields, service="ledger", audience="internal"):
    """个人信息已删除 — the ledger destroyed its keys for an erased person, save what law keeps."""


class PolicyAdopted(PolicyAdoptedFields, service="ledger", audience="public"):
    """规则已采用 — the ledger's figures changed from a moment on."""


ErasureEvent = PersonDataErased
PolicyEvent = PolicyAdopted
