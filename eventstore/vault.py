"""Personal data beside the log: encrypted per person and purpose, readable until the person is erased.

Events carry only a `ref` and salted commitments. A value is sealed with AES-256-GCM under a data key of one (person,
purpose), which is itself wrapped by a key-encryption key from a secret file outside the database and its backups. The
associated data binds each ciphertext to its service, row and field, so a row moved elsewhere does not open. Every value
carries its own random 32-byte salt inside the ciphertext; the commitment in the event is
HMAC-SHA256(salt, field ‖ value): once the data key is destroyed, no guess can be checked against it.
"""

import fcntl
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eventstore.errors import EngineError, Tampered
from eventstore.model import VaultChange

SALT_BYTES = 32
NONCE_BYTES = 12


class PersonIsErased(EngineError):
    """Nothing may be sealed for a person whose key of that purpose was destroyed."""


class Pool(Protocol):
    """What the vault needs of an asyncpg pool."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Mapping[str, Any]]: ...
    async def fetchrow(self, query: str, *args: Any) -> Mapping[str, Any] | None: ...
    async def execute(self, query: str, *args: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed set of fields: what the event carries (`ref`, `commitments` in hex) and what the append must write."""

    ref: UUID
    commitments: Mapping[str, str]
    changes: tuple[VaultChange, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What erasing a person does here: the changes for the append, and the purposes a law keeps, with their basis."""

    person_id: UUID
    changes: tuple[VaultChange, ...]
    erased: tuple[str, ...]
    kept: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """A sealed value with its salt: whoever has both can show what a commitment stands for."""

    value: str
    salt: bytes


def commitment(salt: bytes, field: str, value: str) -> str:
    """HMAC-SHA256 over the field's name and value under the entry's salt, in hex."""
    return hmac.digest(salt, field.encode() + b"\x00" + value.encode(), "sha256").hex()


class Vault:
    """One service's vault.

    `kek` is 32 bytes. `locked` names the purposes that a legal period protects from erasure, with the basis in words;
    their keys are kept, everything else of an erased person is destroyed.
    """

    def __init__(self, pool: Pool, service: str, kek: bytes, locked: Mapping[str, str] | None = None) -> None:
        if len(kek) != 32:
            raise ValueError(f"a vault's key-encryption key has 32 bytes, not {len(kek)}")
        self._pool = pool
        self._service = service
        self._kek = AESGCM(kek)
        self._index_key = hmac.digest(kek, b"blind index", "sha256")
        self._locked = dict(locked or {})

    async def seal(
        self,
        person_id: UUID,
        purpose: str,
        ref: UUID,
        fields: Mapping[str, str],
        indexed: Iterable[str] = (),
    ) -> Sealed:
        """Encrypt `fields` under the person's key. The returned changes take effect with the append they are handed to.

        Sealing an existing (ref, field) again replaces it. `indexed` fields can be looked up with `find`.
        Raises PersonIsErased when the key was destroyed.
        """
        data_key = AESGCM(await self._data_key(person_id, purpose))
        indexed = frozenset(indexed)
        commitments: dict[str, str] = {}
        rows: list[tuple[str, bytes, bytes, bytes | None]] = []
        for field, value in fields.items():
            salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
            ciphertext = data_key.encrypt(nonce, salt + value.encode(), self._entry_aad(ref, field))
            blind = self._blind(purpose, field, value) if field in indexed else None
            commitments[field] = commitment(salt, field, value)
            rows.append((field, nonce, ciphertext, blind))
        if not rows:
            return Sealed(ref, commitments, ())
        # One statement, because the log's head is locked while it runs.
        columns = [list(column) for column in zip(*rows, strict=True)]
        return Sealed(ref, commitments, (VaultChange(self._write_entries, (ref, person_id, purpose, *columns)),))

    def remove(self, ref: UUID) -> tuple[VaultChange, ...]:
        """What deletes all that is sealed under `ref`, with the append it is handed to; the person's key stays."""
        return (VaultChange(f"DELETE FROM {self._service}.vault_entries WHERE ref = $1", (ref,)),)

    async def open(self, ref: UUID) -> dict[str, str] | None:
        """The fields sealed under `ref`, or None when there are none, or the person was erased (已删除)."""
        return (await self.open_many([ref])).get(ref)

    async def open_many(self, refs: Iterable[UUID]) -> dict[UUID, dict[str, str]]:
        """The readable ones of `refs`, with their fields. Raises Tampered when a ciphertext is not its row's."""
        opened: dict[UUID, dict[str, str]] = {}
        for ref, field, opening in await self._openings(list(refs)):
            opened.setdefault(ref, {})[field] = opening.value
        return opened

    async def openings(self, ref: UUID) -> dict[str, Opening]:
        """The readable fields sealed under `ref`, each with the salt of its commitment. Raises Tampered."""
        return {field: opening for _, field, opening in await self._openings([ref])}

    async def owner_of(self, ref: UUID) -> UUID | None:
        """Whose data is sealed under `ref`; None when nothing is."""
        row = await self._pool.fetchrow(
            f"SELECT person_id FROM {self._service}.vault_entries WHERE ref = $1 LIMIT 1", ref
        )
        return None if row is None else row["person_id"]

    async def _openings(self, refs: Sequence[UUID]) -> list[tuple[UUID, str, Opening]]:
        rows = await self._pool.fetch(
            f"""SELECT e.ref, e.field, e.person_id, e.purpose, e.nonce, e.ciphertext, k.wrapped
                FROM {self._service}.vault_entries e JOIN {self._service}.vault_keys k USING (person_id, purpose)
                WHERE e.ref = ANY($1::uuid[]) AND k.wrapped IS NOT NULL""",
            refs,
        )
        found = [(row, self._decrypt(row)) for row in rows]
        return [
            (row["ref"], row["field"], Opening(salted[SALT_BYTES:].decode(), salted[:SALT_BYTES]))
            for row, salted in found
        ]

    async def matches(self, ref: UUID, field: str, expected_commitment: str) -> bool:
        """Whether the sealed value is the one an event committed to. False when it is erased or another."""
        row = await self._pool.fetchrow(
            f"""SELECT e.ref, e.field, e.person_id, e.purpose, e.nonce, e.ciphertext, k.wrapped
                FROM {self._service}.vault_entries e JOIN {self._service}.vault_keys k USING (person_id, purpose)
                WHERE e.ref = $1 AND e.field = $2 AND k.wrapped IS NOT NULL""",
            ref,
            field,
        )
        if row is None:
            return False
        salted = self._decrypt(row)
        found = commitment(salted[:SALT_BYTES], field, salted[SALT_BYTES:].decode())
        return hmac.compare_digest(found, expected_commitment)

    async def find(self, purpose: str, field: str, value: str) -> list[UUID]:
        """The refs whose indexed `field` has exactly this value."""
        rows = await self._pool.fetch(
            f"SELECT ref FROM {self._service}.vault_entries WHERE blind = $1 ORDER BY ref",
            self._blind(purpose, field, value),
        )
        return [row["ref"] for row in rows]

    def pseudonym(self, purpose: str, value: str) -> str:
        """64 hex digits that stand for a value: always the same, and nobody without this vault's key can tell which."""
        return self._blind(purpose, "pseudonym", value).hex()

    async def erase(self, person_id: UUID) -> Erasure:
        """What destroys this person's keys and entries; purposes under a legal period are kept and named."""
        rows = await self._pool.fetch(
            f"""SELECT purpose FROM {self._service}.vault_keys
                WHERE person_id = $1 AND wrapped IS NOT NULL ORDER BY purpose""",
            person_id,
        )
        purposes = [row["purpose"] for row in rows]
        kept = {purpose: self._locked[purpose] for purpose in purposes if purpose in self._locked}
        erased = tuple(purpose for purpose in purposes if purpose not in kept)
        return Erasure(person_id, self._destroy(person_id), erased, kept)

    async def erase_now(self, person_id: UUID) -> None:
        """Destroy at once, outside an append: only for applying the list of erasures after a restore. Idempotent."""
        for change in self._destroy(person_id):
            await self._pool.execute(change.statement, *change.arguments)

    def _destroy(self, person_id: UUID) -> tuple[VaultChange, ...]:
        locked = sorted(self._locked)
        # The key row stays, empty: a later seal for this person must fail instead of quietly making a new key.
        return (
            VaultChange(
                f"""UPDATE {self._service}.vault_keys SET wrapped = NULL, erased_at = now()
                    WHERE person_id = $1 AND wrapped IS NOT NULL AND purpose <> ALL($2::text[])""",
                (person_id, locked),
            ),
            VaultChange(
                f"DELETE FROM {self._service}.vault_entries WHERE person_id = $1 AND purpose <> ALL($2::text[])",
                (person_id, locked),
            ),
        )

    async def _data_key(self, person_id: UUID, purpose: str) -> bytes:
        """The person's key, made on first use. A key row without entries harms nobody: it waits for no append."""
        select = f"SELECT wrapped FROM {self._service}.vault_keys WHERE person_id = $1 AND purpose = $2"
        row = await self._pool.fetchrow(select, person_id, purpose)
        if row is None:
            nonce = os.urandom(NONCE_BYTES)
            fresh = nonce + self._kek.encrypt(nonce, os.urandom(32), self._key_aad(person_id, purpose))
            await self._pool.execute(
                f"""INSERT INTO {self._service}.vault_keys (person_id, purpose, wrapped) VALUES ($1, $2, $3)
                    ON CONFLICT DO NOTHING""",
                person_id,
                purpose,
                fresh,
            )
            row = await self._pool.fetchrow(select, person_id, purpose)
        if row is None or row["wrapped"] is None:
            raise PersonIsErased(f"the key of person {person_id} for {purpose} was destroyed")
        return self._unwrap(row["wrapped"], person_id, purpose)

    def _unwrap(self, wrapped: bytes, person_id: UUID, purpose: str) -> bytes:
        try:
            return self._kek.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], self._key_aad(person_id, purpose))
        except InvalidTag:
            raise Tampered(
                f"the vault key of {person_id} ({purpose}) does not open with this key-encryption key"
            ) from None

    def _decrypt(self, row: Mapping[str, Any]) -> bytes:
        data_key = AESGCM(self._unwrap(row["wrapped"], row["person_id"], row["purpose"]))
        try:
            return data_key.decrypt(row["nonce"], row["ciphertext"], self._entry_aad(row["ref"], row["field"]))
        except InvalidTag:
            raise Tampered(f"vault entry {row['ref']}/{row['field']} does not belong where it lies") from None

    def _blind(self, purpose: str, field: str, value: str) -> bytes:
        return hmac.digest(self._index_key, f"{purpose}\x00{field}\x00{value}".encode(), "sha256")

    def _entry_aad(self, ref: UUID, field: str) -> bytes:
        return f"entry\x00{self._service}\x00{ref}\x00{field}".encode()

    def _key_aad(self, person_id: UUID, purpose: str) -> bytes:
        return f"key\x00{self._service}\x00{person_id}\x00{purpose}".encode()

    @property
    def _write_entries(self) -> str:
        # Only under a living key: what was sealed before an erasure and is appended after it must leave nothing, not
        # even its blind index. The lock makes the two wait for one another.
        return f"""INSERT INTO {self._service}.vault_entries (ref, field, person_id, purpose, nonce, ciphertext, blind)
                   SELECT $1, e.field, k.person_id, k.purpose, e.nonce, e.ciphertext, e.blind
                   FROM {self._service}.vault_keys k,
                       unnest($4::text[], $5::bytea[], $6::bytea[], $7::bytea[]) AS e (field, nonce, ciphertext, blind)
                   WHERE k.person_id = $2 AND k.purpose = $3 AND k.wrapped IS NOT NULL FOR SHARE OF k
                   ON CONFLICT (ref, field) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext,
                       blind = excluded.blind, person_id = excluded.person_id, purpose = excluded.purpose"""


class ErasureList:
    """The persons erased from one vault, in a file outside PostgreSQL and its backups: one JSON object a line.

    A backup still holds the keys of everybody erased since: after a restore the list is applied before anything starts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, person_id: UUID) -> None:
        """Note one erasure; returns after it is on disk. Adding a person twice changes nothing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"person_id": str(person_id), "listed_at": datetime.now(UTC).isoformat()})
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # replicas share the file
            file.seek(0)
            complete = _complete_lines(file.read())
            if person_id in _persons(complete):
                return
            file.truncate(len(complete))
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def persons(self) -> list[UUID]:
        """Everybody on the list, in the order they were erased."""
        if not self._path.exists():
            return []
        return _persons(_complete_lines(self._path.read_bytes()))

    async def apply(self, vault: Vault) -> int:
        """Destroy again the keys of everybody listed; returns how many persons are on the list."""
        persons = self.persons()
        for person_id in persons:
            await vault.erase_now(person_id)
        return len(persons)


def _complete_lines(content: bytes) -> bytes:
    """Without a line whose writer was killed: it had told nobody that it was done."""
    return content[: content.rfind(b"\n") + 1]


def _persons(content: bytes) -> list[UUID]:
    return list(dict.fromkeys(UUID(json.loads(line)["person_id"]) for line in content.splitlines() if line.strip()))
