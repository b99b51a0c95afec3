"""Erasures that a backup does not know of, done again: from the lists beside the signed heads and from the logs."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import asyncpg

from cli.place import SERVICES, Place
from cli.recovery.recovering import superuser_dsn
from cli.recovery.sources import connected
from contracts.envelope import decode
from eventstore.vault import ErasureList, Vault
from servicekit.migrate import definition_of
from servicekit.secrets import read_bytes_secret

ERASED = ("PersonDataErased", "PersonErased")
"""What a service's own log says of a person whose keys it has destroyed."""


async def erase_again(place: Place, keys: Path | None) -> dict[str, int]:
    """Destroy the keys of everybody who was erased, and put them on the list; service → how many persons.

    `keys`: a copy of the keys, with the list of its time. Safe to repeat.
    """
    found = {}
    async with connected(superuser_dsn(place)) as connection:
        for service in SERVICES:
            kept = ErasureList(place.state_dir / service / "erasures")
            known = [] if keys is None else ErasureList(keys / "state" / service / "erasures").persons()
            there = set(kept.persons())
            for person_id in dict.fromkeys([*known, *await _erased_by(connection, service)]):
                if person_id not in there:
                    kept.add(person_id)
            vault = Vault(
                connection,
                service,
                read_bytes_secret(place.secrets_dir / f"{service}.kek"),
                definition_of(service).locked_purposes,
            )
            found[service] = await kept.apply(vault)
    return found


async def _erased_by(connection: asyncpg.Connection, service: str) -> Sequence[UUID]:
    """Whom the log names; each such event says that the keys are gone already."""
    rows = await connection.fetch(
        f"SELECT body FROM {service}.events WHERE type = ANY($1) ORDER BY position",  # noqa: S608 - a service's name
        list(ERASED),
    )
    return [decode(row["body"]).event.person_id for row in rows]  # type: ignore[attr-defined]
