"""What the ledger says of itself: data erased, figures adopted."""

from contracts.event import LossAcceptedFields, PersonDataErasedFields, PolicyAdoptedFields


class PersonDataErased(PersonDataErasedFields, service="ledger", audience="internal"):
    """个人信息已删除 — the ledger destroyed its keys for an erased person, save what law keeps."""


class PolicyAdopted(PolicyAdoptedFields, service="ledger", audience="public"):
    """规则已采用 — the ledger's figures changed from a moment on."""


class LossAccepted(LossAcceptedFields, service="ledger", audience="public"):
    """已接受丢失 — signed events of ledger's log are gone for good, and it goes on under a new origin."""


ErasureEvent = PersonDataErased
PolicyEvent = PolicyAdopted
OriginEvent = LossAccepted
