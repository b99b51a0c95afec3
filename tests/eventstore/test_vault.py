"""The vault: bound to its rows, readable until the person is erased, and afterwards gone wherever one looks."""

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from cli.embedded import PostgresServer
from contracts.ids import uuid7
from eventstore.errors import Tampered, VersionConflict
from eventstore.log import Log
from eventstore.model import Append, StreamAppend, VaultChange
from eventstore.vault import ErasureList, PersonIsErased, Vault, commitment
from eventstore.verify import verify
from tests.doors.hostile import WORDS
from tests.support.logs import BY_TEST, as_role, declined, migrated, opened, stream, superuser
from tests.support.messaging import plain_client
from tests.support.replays import carry

KEK = bytes(range(32))
LI = UUID(int=1)
WANG = UUID(int=2)
NAME = "李秀英（假想居民）"
PHONE = "13800005678"


@pytest.fixture
async def log(database):
    async with opened(await migrated(database)) as log:
        yield log


@pytest.fixture
def vault(log) -> Vault:
    return Vault(log.pool, "orders", KEK, {"accounting": "会计档案管理办法"})


async def write(log: Log, *changes: VaultChange) -> None:
    """An append of one event with these changes."""
    await log.append(Append([StreamAppend(stream(), 0, [declined()])], BY_TEST, vault=changes))


async def sealed(log: Log, vault: Vault, person: UUID, purpose: str = "contact", **fields: str):
    """Seal and append; what is sealed."""
    made = await vault.seal(person, purpose, uuid7(), fields or {"name": NAME, "phone": PHONE}, indexed=["phone"])
    await write(log, *made.changes)
    return made


async def test_what_is_sealed_opens_and_answers_to_its_commitment(log, vault):
    made = await sealed(log, vault, LI)
    assert await vault.open(made.ref) == {"name": NAME, "phone": PHONE}
    assert await vault.open_many([made.ref, uuid7()]) == {made.ref: {"name": NAME, "phone": PHONE}}
    assert await vault.open(uuid7()) is None
    assert await vault.matches(made.ref, "phone", made.commitments["phone"])
    assert not await vault.matches(made.ref, "name", made.commitments["phone"])
    assert not await vault.matches(made.ref, "phone", commitment(bytes(32), "phone", PHONE))
    # The same value sealed twice is committed to under another salt: nobody can link the two.
    again = await sealed(log, vault, LI)
    assert again.commitments["phone"] != made.commitments["phone"]


async def test_whatever_is_sealed_opens_as_it_was(log, vault):
    """All words that anybody writes go this way, whichever field they were written into."""
    fields = {f"words{number}": text for number, text in enumerate(WORDS.values())}
    made = await sealed(log, vault, LI, **fields)
    assert await vault.open(made.ref) == fields
    for name, text in fields.items():
        assert await vault.matches(made.ref, name, made.commitments[name]), text


async def test_nothing_is_stored_before_the_append(log, vault):
    made = await vault.seal(LI, "contact", uuid7(), {"name": NAME})
    assert await vault.open(made.ref) is None
    part = StreamAppend(stream(), 4, [declined()])
    with pytest.raises(VersionConflict):
        await log.append(Append([part], BY_TEST, vault=made.changes))
    assert await vault.open(made.ref) is None


async def test_sealing_again_replaces_and_removing_removes(log, vault):
    made = await sealed(log, vault, LI)
    other = await vault.seal(LI, "contact", made.ref, {"phone": "13900000000"}, indexed=["phone"])
    await write(log, *other.changes)
    assert await vault.open(made.ref) == {"name": NAME, "phone": "13900000000"}
    assert await vault.find("contact", "phone", PHONE) == []
    assert await vault.find("contact", "phone", "13900000000") == [made.ref]
    assert await vault.find("accounting", "phone", "13900000000") == []


@pytest.mark.parametrize(
    "swap",
    [
        # One person's value under another's row, another field, another ref: each was encrypted for one place only.
        """UPDATE orders.vault_entries e SET ciphertext = o.ciphertext, nonce = o.nonce FROM orders.vault_entries o
           WHERE e.ref = $1 AND e.field = 'phone' AND o.ref = $2 AND o.field = 'phone'""",
        "UPDATE orders.vault_entries SET field = 'address' WHERE ref = $1 AND field = 'name' AND $2::uuid IS NOT NULL",
        """UPDATE orders.vault_entries SET ciphertext = set_byte(ciphertext, 40, get_byte(ciphertext, 40) # 1)
           WHERE ref = $1 AND $2::uuid IS NOT NULL""",
        """UPDATE orders.vault_keys SET wrapped = (
               SELECT wrapped FROM orders.vault_keys k JOIN orders.vault_entries e USING (person_id, purpose)
               WHERE e.ref = $2 LIMIT 1)
           WHERE person_id = (SELECT person_id FROM orders.vault_entries WHERE ref = $1 LIMIT 1)""",
    ],
)
async def test_values_are_bound_to_their_rows(log, vault, database, swap):
    one, two = await sealed(log, vault, LI), await sealed(log, vault, WANG)
    async with superuser(database) as connection:
        await connection.execute(swap, one.ref, two.ref)
    with pytest.raises(Tampered):
        await vault.open(one.ref)


async def test_two_entries_of_one_person_cannot_change_places(log, vault, database):
    one, two = await sealed(log, vault, LI), await sealed(log, vault, LI, phone="13100000000")
    async with superuser(database) as connection:
        await connection.execute("DELETE FROM orders.vault_entries WHERE ref = $1", one.ref)
        await connection.execute("UPDATE orders.vault_entries SET ref = $1 WHERE ref = $2", one.ref, two.ref)
    with pytest.raises(Tampered):
        await vault.open(one.ref)


async def test_another_key_or_service_opens_nothing(log, vault):
    made = await sealed(log, vault, LI)
    with pytest.raises(Tampered):
        await Vault(log.pool, "orders", bytes(32)).open(made.ref)
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(log.pool, "orders", bytes(31))


async def test_first_seals_at_once_share_one_key(log):
    vaults = [Vault(log.pool, "orders", KEK) for _ in range(12)]
    made = await asyncio.gather(*(sealed(log, vault, LI) for vault in vaults))
    opened_ones = await vaults[0].open_many([each.ref for each in made])
    assert list(opened_ones.values()) == [{"name": NAME, "phone": PHONE}] * 12


async def test_an_erased_person_is_gone_and_stays_gone(log, vault):
    made = await sealed(log, vault, LI)
    kept = await sealed(log, vault, LI, "accounting", voucher="凭证")
    other = await sealed(log, vault, WANG)
    erasure = await vault.erase(LI)
    assert (erasure.erased, erasure.kept) == (("contact",), {"accounting": "会计档案管理办法"})
    assert await vault.open(made.ref) is not None  # until the append commits
    await write(log, *erasure.changes)
    assert await vault.open(made.ref) is None
    assert not await vault.matches(made.ref, "phone", made.commitments["phone"])
    assert await vault.find("contact", "phone", PHONE) == [other.ref]
    assert await vault.open(kept.ref) == {"voucher": "凭证"}
    assert await vault.open(other.ref) == {"name": NAME, "phone": PHONE}
    with pytest.raises(PersonIsErased):
        await vault.seal(LI, "contact", uuid7(), {"name": NAME})
    again = await vault.erase(LI)
    assert again.erased == ()
    await write(log, *again.changes)
    assert await vault.open(kept.ref) == {"voucher": "凭证"}


async def test_what_was_sealed_before_an_erasure_and_appended_after_it_leaves_nothing(log, vault, database):
    await sealed(log, vault, LI)
    late = await vault.seal(LI, "contact", uuid7(), {"phone": PHONE}, indexed=["phone"])
    await write(log, *(await vault.erase(LI)).changes)
    await write(log, *late.changes)
    assert await vault.open(late.ref) is None
    assert await vault.find("contact", "phone", PHONE) == []
    async with superuser(database) as connection:
        assert await connection.fetchval("SELECT count(*) FROM orders.vault_entries") == 0


def dump(server: PostgresServer, database: str) -> bytes:
    """pg_dump of a whole database, as plain SQL."""
    command = [str(server.program("pg_dump")), "--dbname", server.dsn(database)]
    return subprocess.run(command, check=True, capture_output=True, timeout=240).stdout


def spellings(text: str) -> list[bytes]:
    """How a text may lie in a dump or a file: as it is, escaped as JSON, in hex."""
    raw = text.encode()
    return [raw, json.dumps(text)[1:-1].encode(), raw.hex().encode(), raw.hex().upper().encode()]


def files_with(directory: Path, text: str) -> list[Path]:
    return [
        path
        for path in directory.rglob("*")
        if path.is_file() and any(each in path.read_bytes() for each in spellings(text))
    ]


async def test_erasing_changes_no_hash_and_leaves_no_plaintext(
    log, vault, database, postgres_server, nats_server, tmp_path
):
    made = await sealed(log, vault, LI)
    voucher = await sealed(log, vault, LI, "accounting", voucher="凭证第7号")
    before = await log.read_raw(0, 100)
    async with plain_client(nats_server) as client:
        await carry(log, client)
        await write(log, *(await vault.erase(LI)).changes)
        assert (await log.read_raw(0, 100))[: len(before)] == before
        await carry(log, client, len(before))
        report = await verify(as_role(log.config, "auditor"), nats=client)
        assert report.ok
        assert report.stream_identical
        dumped = await asyncio.to_thread(dump, postgres_server, database.name)
        assert str(made.ref).encode() not in dumped
        assert str(voucher.ref).encode() in dumped
        for text in (NAME, PHONE, "凭证第7号"):
            assert not any(each in dumped for each in spellings(text))
            assert files_with(nats_server.directory, text) == []
        # The stream's files were looked at where they are: an event's own words are found there.
        assert files_with(nats_server.directory, str(before[0].event_id))


async def test_a_restored_backup_is_put_right_by_the_list_of_erasures(log, vault, database, postgres_server, tmp_path):
    made, kept = await sealed(log, vault, LI), await sealed(log, vault, LI, "accounting", voucher="凭证")
    other = await sealed(log, vault, WANG)
    backup = await asyncio.to_thread(dump, postgres_server, database.name)
    erasures = ErasureList(tmp_path / "orders" / "erasures")
    erasures.add(LI)
    await write(log, *(await vault.erase(LI)).changes)
    restored = await asyncio.to_thread(postgres_server.create_database)
    command = [str(postgres_server.program("psql")), "--quiet", "--dbname", postgres_server.dsn(restored.name)]
    await asyncio.to_thread(subprocess.run, command, input=backup, check=True, capture_output=True, timeout=240)
    config = replace(log.config, database=restored.name)
    async with opened(config) as old:
        again = Vault(old.pool, "orders", KEK, {"accounting": "会计档案管理办法"})
        assert await again.open(made.ref) == {"name": NAME, "phone": PHONE}
        assert await erasures.apply(again) == 1
        assert await again.open(made.ref) is None
        assert await again.find("contact", "phone", PHONE) == [other.ref]
        assert await again.open(kept.ref) == {"voucher": "凭证"}
        with pytest.raises(PersonIsErased):
            await again.seal(LI, "contact", uuid7(), {"name": NAME})
    await asyncio.to_thread(postgres_server.drop_database, restored.name)


def test_the_list_of_erasures_keeps_order_and_outlives_a_torn_write(tmp_path):
    path = tmp_path / "orders" / "erasures"
    erasures = ErasureList(path)
    assert erasures.persons() == []
    for person in (WANG, LI, WANG):
        erasures.add(person)
    assert ErasureList(path).persons() == [WANG, LI]
    with path.open("a") as file:
        file.write('{"person_id": "0000')
    assert erasures.persons() == [WANG, LI]
    third = UUID(int=3)
    erasures.add(third)
    assert erasures.persons() == [WANG, LI, third]
    assert len(path.read_text().splitlines()) == 3
