"""Somebody who lives here, asks for things, gives, and leaves; and where to look for what is left of them."""

import asyncio
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import nats

from cli.client import Actor
from cli.place import SERVICES
from contracts.command import Role
from eventstore.stream_reader import StreamReader
from eventstore.vault import Vault
from servicekit.secrets import read_bytes_secret
from tests.faults.harness import Scene
from tests.support.spellings import words_in
from tests.support.waiting import eventually


@dataclass
class Leaver:
    """One invented person, with words of their own that nobody else uses."""

    scene: Scene
    person_id: UUID = field(init=False)
    donation_id: str = ""
    order_id: str = ""
    words: dict[str, str] = field(
        default_factory=lambda: {
            "name": "虚构欧阳离",
            "phone": "10000076543",
            "address": "虚构楼门离人路七百六十五号",
            "note": "虚构备注离人要带走一盆花",
        }
    )

    async def lives_here(self) -> None:
        """Registers, can be reached, asks for a haircut, gives to the fund."""
        async with self.scene.speaker() as client:
            town = self.scene.town(client)
            person = {
                "name": self.words["name"],
                "phone": self.words["phone"],
                "birth_date": "1950-02-03",
                "household_id": str(uuid4()),
                "entrance_id": "entrance-001",
                "consents": ["personal_data", "contact", "service"],
                "consent_form": "written",
            }
            registered = await client.command("volunteers", "/v1/persons", person, actor=town.staff(Role.ADMIN))
            self.person_id = UUID(registered.body["person_id"])
            contact = {"ref": str(self.person_id), "channel": "phone", "address": self.words["phone"]}
            await client.command("notify", "/v1/contacts", contact, actor=self.actor, method="PUT")
            start = self.scene.morning_after
            order = {
                "item_code": "haircut",
                "window_start": start.isoformat(),
                "window_end": (start + timedelta(hours=1)).isoformat(),
                "details": {"address": self.words["address"], "note": self.words["note"]},
            }
            positions = registered.positions
            placed = await client.command("orders", "/v1/orders", order, actor=self.actor, after=positions)
            self.order_id = placed.body["order_id"]
            donor = {"name": self.words["name"], "phone": self.words["phone"], "person_id": str(self.person_id)}
            gift = {"fund": "fund-relief", "amount_fen": 8_800, "donor": donor}
            clerk = town.staff(Role.FUND_CLERK)
            pledged = await client.command("ledger", "/v1/donations", gift, actor=clerk)
            self.donation_id = pledged.body["donation_id"]
            reached = {**contact, "ref": pledged.body["donor_ref"], "person_id": str(self.person_id)}
            await client.command("notify", "/v1/contacts", reached, actor=clerk, method="PUT", after=pledged.positions)
            path = f"/v1/donations/{self.donation_id}"
            await client.command("ledger", f"{path}/receive", {"method": "cash"}, actor=town.staff(Role.CASHIER))

    @property
    def actor(self) -> Actor:
        """The person, as a resident."""
        return Actor.of(self.person_id, Role.RESIDENT)

    async def leaves(self) -> None:
        """Asks to be forgotten."""
        async with self.scene.speaker() as client:
            admin = self.scene.town(client).staff(Role.ADMIN)
            sure = {"confirmed_person_id": str(self.person_id)}
            await client.command("volunteers", f"/v1/persons/{self.person_id}/erase", sure, actor=admin)


def found_in(directory: Path, words: Iterable[str]) -> list[str]:
    """Files that hold any of these words, in any spelling."""
    looked_for, found = list(words), []
    for path in directory.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue  # servers tidy up while they run
        found += [f"{word} in {path}" for word in words_in(content, looked_for)]
    return found


async def leaves_nothing(leaver: Leaver) -> None:
    """No word is left in a dump, in any file of the system, in a stream, or to be opened in a vault.

    The one exception: the ledger's vault keeps the donor's name and phone as the law demands, encrypted.
    """
    scene, words = leaver.scene, leaver.words.values()
    dump = await asyncio.to_thread(_dump, scene)
    assert str(leaver.person_id).encode() in dump
    assert not words_in(dump, words)
    # All of it: PostgreSQL's tables and write-ahead log, NATS's store, signed heads, lists, and what services said.
    assert await asyncio.to_thread(found_in, scene.stack.data, words) == []
    assert await in_streams(scene, words) == []
    assert await where_it_lies(leaver) == {"ledger": {"name", "phone"}}
    for service in SERVICES:
        await eventually(lambda: _listed(leaver, service), what=f"{service}'s list of erasures")  # noqa: B023


def _listed(leaver: Leaver, service: str) -> bool:
    path = leaver.scene.stack.data / "state" / service / "erasures"
    return path.exists() and str(leaver.person_id) in path.read_text(encoding="utf-8")


def _dump(scene: Scene) -> bytes:
    server = scene.postgres
    command = [str(server.program("pg_dump")), "--dbname", server.dsn("chaoyangli")]
    return subprocess.run(command, check=True, capture_output=True, timeout=240).stdout


async def in_streams(scene: Scene, words: Iterable[str]) -> list[str]:
    """The store is compressed, so its messages are read as a subscriber gets them."""
    client = await nats.connect(**scene.place.nats_arguments())
    found = []
    try:
        for service in SERVICES:
            async with StreamReader(client, service, scene.place.streams_api) as reader:
                last, position = await reader.last(), 0
                while position < last:
                    for message in await reader.read(position + 1):
                        position = message.position
                        found += [f"{word} in {service} {position}" for word in words if word in message.body.decode()]
    finally:
        await client.close()
    return found


async def where_it_lies(leaver: Leaver) -> dict[str, set[str]]:
    """Service → which words of the leaver its vault opens, with its key."""
    scene, found = leaver.scene, {}
    for service in SERVICES:
        config = scene.place.log_config(service, "app")
        kek = read_bytes_secret(scene.stack.secrets_dir / f"{service}.kek")
        async with asyncpg.create_pool(**config.connect_arguments("test"), min_size=1, max_size=1) as pool:
            refs = [row["ref"] for row in await pool.fetch(f"SELECT DISTINCT ref FROM {service}.vault_entries")]
            opened = await Vault(pool, service, kek).open_many(refs)
        texts = [text for fields in opened.values() for text in fields.values()]
        known = {what for what, word in leaver.words.items() if any(word in text for text in texts)}
        if known:
            found[service] = known
    return found
