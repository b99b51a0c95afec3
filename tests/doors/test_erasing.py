"""Erasing somebody from all four services changes no root that any log ever had, and no receipt given out before."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from contracts.command import Role
from eventstore.checkpoint import open_checkpoint
from eventstore.merkle import verify_consistency
from eventstore.note import VerifierKey
from eventstore.proofs import prove_consistency, prove_inclusion, root_at
from eventstore.tlog_proof import TlogProof, make_receipt
from eventstore.trust_policy import TrustPolicy
from eventstore.verify import verify
from servicekit.settings import ServiceSettings
from servicekit.signing import make_signer
from tests.doors.doors import NAMES, Doors
from tests.doors.neighbourhood import Neighbourhood
from tests.support.logs import superuser
from tests.support.waiting import eventually

pytestmark = pytest.mark.journey

NAME, PLACE = "虚构欧阳离", "虚构楼门离人路七百六十五号"


@dataclass(frozen=True)
class Taken:
    """What people took away from one log: its head as signed, every root it had, every entry with its receipt."""

    head: str
    roots: list[bytes]
    entries: list[bytes]
    receipts: list[str]


async def taken(connection: asyncpg.Connection, settings: ServiceSettings) -> Taken:
    head = settings.head_path.read_text(encoding="utf-8")
    size = open_checkpoint(head, key_of(settings)).checkpoint.size
    entries = await connection.fetch(
        f"SELECT position, body FROM {settings.service}.events WHERE position <= $1 ORDER BY position", size
    )
    receipts = [
        str(make_receipt(position, await prove_inclusion(connection, settings.service, position, size), head))
        for position, _ in entries
    ]
    roots = [await root_at(connection, settings.service, each) for each in range(size + 1)]
    return Taken(head, roots, [body for _, body in entries], receipts)


def key_of(settings: ServiceSettings) -> VerifierKey:
    return make_signer(settings).verifier_key


async def all_signed(connection: asyncpg.Connection, doors: Doors) -> bool:
    """Whether each signer has signed what its log holds."""
    for service in NAMES:
        head = make_signer(doors.settings[service]).last_signed()
        if head is None or head.size != await connection.fetchval(f"SELECT size FROM {service}.head"):
            return False
    return True


def lives_here(town: Neighbourhood) -> UUID:
    """Is registered, can be reached, asks for a haircut and gives to the fund: every service has words of theirs."""
    person_id = town.person(NAME)
    contact = {"ref": str(person_id), "channel": "phone", "address": "10000076543"}
    town.done("notify", "/v1/contacts", contact, person_id, Role.RESIDENT, method="PUT")
    town.order(person_id, PLACE)
    donor = {"name": NAME, "person_id": str(person_id)}
    town.done("ledger", "/v1/donations", {"fund": "fund-relief", "amount_fen": 8_800, "donor": donor})
    return person_id


async def kept_of(connection: asyncpg.Connection, person_id: UUID) -> dict[str, int]:
    """Service → how many values of this person lie in its vault, the accounting copy of a gift aside."""
    count = "SELECT count(*) FROM {}.vault_entries WHERE person_id = $1 AND purpose <> 'accounting'"
    return {service: await connection.fetchval(count.format(service), person_id) for service in NAMES}


async def erased_everywhere(connection: asyncpg.Connection) -> bool:
    found = [
        await connection.fetchval(f"SELECT count(*) FROM {service}.events WHERE type = 'PersonDataErased'")
        for service in NAMES
    ]
    return found == [1] * len(NAMES)


async def test_erasing_a_person_changes_no_root_and_no_receipt(doors: Doors, town: Neighbourhood) -> None:
    person_id = lives_here(town)
    async with superuser(doors.database) as connection:
        await eventually(lambda: all_signed(connection, doors), 30)
        before = {service: await taken(connection, doors.settings[service]) for service in NAMES}
        assert all(kept.entries for kept in before.values())
        assert all((await kept_of(connection, person_id)).values())
        town.done("volunteers", f"/v1/persons/{person_id}/erase", {"confirmed_person_id": str(person_id)})
        await eventually(lambda: erased_everywhere(connection), 30)
        await eventually(lambda: all_signed(connection, doors), 30)
        assert not any((await kept_of(connection, person_id)).values())
        for service, kept in before.items():
            await holds(connection, doors.settings[service], kept)


async def holds(connection: asyncpg.Connection, settings: ServiceSettings, kept: Taken) -> None:
    """The log has grown by the erasure, and everything that was taken away is as true as it was."""
    service, key = settings.service, key_of(settings)
    now = await taken(connection, settings)
    size = len(kept.entries)
    assert len(now.entries) > size
    assert (now.entries[:size], now.roots[: size + 1]) == (kept.entries, kept.roots)
    policy = TrustPolicy(logs=(key,))
    for position, (receipt, entry) in enumerate(zip(kept.receipts, now.entries, strict=False), 1):
        assert TlogProof.parse(receipt).check(entry, policy).position == position
    old, new = (open_checkpoint(each.head, key).checkpoint for each in (kept, now))
    proof = await prove_consistency(connection, service, old.size, new.size)
    verify_consistency(old.size, new.size, proof, old.root, new.root)
    report = await verify(settings.log_config(), log_key=key, checkpoint=kept.head)
    assert report.ok, report.problems
