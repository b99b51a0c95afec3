"""What is destroyed of an erased person."""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.command import Command
from contracts.event import Code, KeptData


def erasure_stream(person_id: UUID) -> str:
    """The stream that says what was erased of a person, `erasure-<uuid>`."""
    return f"erasure-{person_id}"


class EraseVaultData(Command):
    """Say which of a person's data were destroyed; the vault does it in the same append."""

    person_id: UUID
    source_event_id: UUID
    purposes: tuple[Code, ...]
    kept: tuple[KeptData, ...] = ()
    erased_at: AwareDatetime

    @property
    def stream(self) -> str:
        """`erasure-<uuid>`."""
        return erasure_stream(self.person_id)
