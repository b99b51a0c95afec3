"""What the routes share: who the caller is to a person, names from the vault, and asking again after a lost race."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Ask, Command, Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from eventstore.model import VaultChange
from eventstore.vault import ErasureList, PersonIsErased, Sealed
from servicekit.http import CommandContext, command
from servicekit.process import Runtime
from services.volunteers.commands.helping import VolunteerCommand
from services.volunteers.commands.hours import SHANGHAI
from services.volunteers.commands.people import RegisterPersonAsk
from services.volunteers.read_models import queries

PROFILE = "profile"
"""The vault's purpose, and the sealed document's field, for name, phone and birth date."""
WORDS = "words"
"""The vault's purpose for what is said about a person in words: why a block, why a suspension."""
ERASED = "已删除"
RACES_MAX = 8
LOST_RACES = frozenset({"day_total_moved", "hours_overlap", "pair_taken", "record_no_taken", "volunteer_no_taken"})
"""Refusals by a constraint of facts that moved after they were read: with fresh facts the answer may be another."""

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
T = TypeVar("T")


class NothingMore(Ask):
    """An empty body: all is in the address and the token."""


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]
"""Dependency of a query: the runtime of this process."""


async def asked_again(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run `attempt`; again, up to eight times, when it lost a race. Raises Refused for good after the last."""
    for _ in range(RACES_MAX):
        try:
            return await attempt()
        except Refused as refused:
            if refused.reason_code not in LOST_RACES:
                raise
    return await attempt()


async def relations_to(runtime: Runtime, actor_id: UUID, subject_id: UUID) -> frozenset[str]:
    """How the caller stands to a person, by volunteers' own read models."""
    async with runtime.log.queries() as connection:
        return await queries.relations_to(connection, actor_id, subject_id, runtime.clock.now())


async def ask_about(
    context: CommandContext,
    subject_id: UUID,
    command_class: type[Command],
    answer: dict[str, Any],
    *,
    status: int = 200,
    **fields: Any,
) -> JSONResponse:
    """One command about one person, whose facts are all in the request: check access, decide, answer."""

    async def build() -> Plan:
        relations = await relations_to(context.runtime, context.actor_id, subject_id)
        by = context.by(command_class, relations)
        asked = command_class(by=by, at=context.runtime.clock.now(), **fields)
        return Plan([asked], answer, expected_versions=context.expecting(asked.stream))

    return await command(context, build, command_class, status=status)


async def ask_of_volunteer(
    context: CommandContext, volunteer_id: UUID, command_class: type[VolunteerCommand], **fields: Any
) -> JSONResponse:
    """One command about one volunteer; ids made for it are in the answer."""
    answer = {"volunteer_id": volunteer_id} | {name: value for name, value in fields.items() if name.endswith("_id")}
    return await ask_about(context, volunteer_id, command_class, answer, volunteer_id=volunteer_id, **fields)


async def guards(connection: AsyncConnection, guardian_id: UUID | None, person_id: UUID, at: datetime) -> bool:
    """Whether a registered guardian or parent of this person goes by that id."""
    if guardian_id is None or not await queries.is_known(connection, guardian_id):
        return False
    return "guardian" in await queries.relations_to(connection, guardian_id, person_id, at)


async def list_erasures(runtime: Runtime) -> None:
    """Bring the list of erasures, which outlives a restore of the database, up to the log. Idempotent."""
    async with runtime.log.queries() as connection:
        erased = await queries.erased_persons(connection)
    erasures = ErasureList(runtime.settings.erasures_path)
    listed = set(await asyncio.to_thread(erasures.persons))
    for person_id in erased:
        if person_id not in listed:
            await asyncio.to_thread(erasures.add, person_id)


def json_answer(content: Any) -> JSONResponse:
    """Ids as text, times in UTC with Z, days as dates."""
    return JSONResponse(_ANY.dump_python(content, mode="json"))


async def seal_profile(runtime: Runtime, person_id: UUID, profile_ref: UUID, ask: RegisterPersonAsk) -> Sealed:
    """Name, phone and birth date under the person's key. Raises PersonIsErased."""
    birth_date = None if ask.birth_date is None else ask.birth_date.isoformat()
    profile = {"name": ask.name, "phone": ask.phone, "birth_date": birth_date}
    fields = {PROFILE: json.dumps(profile, ensure_ascii=False, sort_keys=True)}
    if ask.phone is not None:
        fields["phone"] = ask.phone  # once more by itself: only a field as a whole can be looked up
    return await runtime.vault.seal(person_id, PROFILE, profile_ref, fields, indexed=("phone",))


async def profile_of(runtime: Runtime, profile_ref: UUID | None) -> dict[str, Any] | None:
    """Name, phone and birth date; None once the person is erased."""
    if profile_ref is None:
        return None
    opened = await runtime.vault.open(profile_ref)
    if opened is None:
        return None
    profile: dict[str, Any] = json.loads(opened[PROFILE])
    return profile


async def words_sealed(
    runtime: Runtime, person_id: UUID, field: str, words: str | None
) -> tuple[UUID | None, str | None, Sequence[VaultChange]]:
    """Seal what somebody said about a person under that person's key: ref, commitment, and what the append writes.

    Nothing said is nothing sealed. Raises Refused for a person whose key was destroyed.
    """
    if words is None:
        return None, None, ()
    try:
        sealed = await runtime.vault.seal(person_id, WORDS, uuid7(), {field: words})
    except PersonIsErased:
        raise Refused("person_erased") from None
    return sealed.ref, sealed.commitments[field], sealed.changes


def masked(profile: dict[str, Any]) -> dict[str, Any]:
    """王*, 138****1234, and no birth date: what a screen shows to whoever need not know more."""
    name, phone = profile["name"], profile.get("phone")
    return {"name": name[:1] + "*", "phone": None if phone is None else mask_phone(phone), "birth_date": None}


def mask_phone(phone: str) -> str:
    """Keep three digits before and four behind; of a short number, only the last two."""
    if len(phone) < 8:
        return "*" * (len(phone) - 2) + phone[-2:]
    return phone[: len(phone) - 8] + "****" + phone[-4:] if len(phone) >= 11 else "****" + phone[-4:]


def age_years(birth_date: date, at: datetime) -> int:
    """Completed years on the Shanghai day of `at`."""
    today = at.astimezone(SHANGHAI).date()
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def age_of(birth_date: date | None, at: datetime) -> int | None:
    """The age by a birth date, if there is one. Raises Refused for one that cannot be."""
    if birth_date is None:
        return None
    years = age_years(birth_date, at)
    if not 0 <= years <= 130:
        raise Refused("birth_date_impossible")
    return years


def new_volunteer_no() -> str:
    """Ten digits for a card: nine by chance, so that none tells how many there are, and a Luhn digit against slips."""
    digits = str(100_000_000 + secrets.randbelow(900_000_000))
    return digits + str(luhn_digit(digits))


def luhn_digit(digits: str) -> int:
    """The check digit of ISO/IEC 7812-1 for these digits."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return -total % 10
