"""个人信息删除: orders says once what it destroyed of a person."""

from collections.abc import Sequence

from contracts.orders import ErasureEvent, PersonDataErased
from services.orders.commands.beside import EraseVaultData


def initial() -> bool:
    """Nothing was erased of this person."""
    return False


def decide(command: EraseVaultData, erased: bool) -> Sequence[ErasureEvent]:
    """Say it once: an erasure heard a second time is done already."""
    if erased:
        return []
    said = PersonDataErased(
        person_id=command.person_id,
        source_event_id=command.source_event_id,
        purposes=command.purposes,
        kept=command.kept,
        erased_at=command.erased_at,
    )
    return [said]


def evolve(erased: bool, event: ErasureEvent) -> bool:  # noqa: ARG001 — one event says it all
    """It is erased from now on."""
    return True
