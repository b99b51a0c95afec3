"""An erasure: said once a person, with what was destroyed and what the law keeps (个人信息保护法 §47)."""

from collections.abc import Sequence

from contracts.ledger import ErasureEvent, PersonDataErased
from services.ledger.commands import EraseVaultData

Erased = bool


def initial() -> Erased:
    """Nothing erased."""
    return False


def decide(command: EraseVaultData, erased: Erased) -> Sequence[ErasureEvent]:
    """The events that a command comes to; nothing when it was said before."""
    if erased:
        return []
    event = PersonDataErased(
        person_id=command.person_id,
        source_event_id=command.source_event_id,
        purposes=command.purposes,
        kept=command.kept,
        erased_at=command.erased_at,
    )
    return [event]


def evolve(erased: Erased, event: ErasureEvent) -> Erased:
    """The erasure after an event."""
    return erased or isinstance(event, PersonDataErased)
