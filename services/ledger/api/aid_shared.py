"""What the routes of aid share: a case as the rules see it, who is tied to it, and its words in the vault."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.command import By, Refused
from contracts.ids import uuid7
from eventstore.model import VaultChange
from eventstore.vault import PersonIsErased
from servicekit.definition import Runtime
from servicekit.http import CommandContext
from services.ledger.api.donations import ACCOUNTING
from services.ledger.commands import AidCommand, Independence, Obstacle, Payee, aid_stream
from services.ledger.decider.aid_state import AidCase
from services.ledger.policy import current_policy
from services.ledger.read_models import aid_queries, independence
from services.ledger.read_models.queries import Row

AID = "aid"
"""The vault's purpose for what was told of a need and seen on a visit: destroyed with an erasure."""
BENEFICIARY, APPLICANT, PAYEE, NEED, REPORT, EXPLANATION = (
    "beneficiary_id", "applicant_id", "payee", "need", "report", "explanation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A case: its row, what the rules know of it, and whose it is."""

    row: Row
    case: AidCase
    beneficiary_id: UUID
    applicant_id: UUID


async def row_of(runtime: Runtime, case_id: UUID) -> Row:
    """The case's row. Raises Refused("case_unknown")."""
    async with runtime.log.queries() as connection:
        row = await aid_queries.aid_case(connection, case_id)
    if row is None:
        raise Refused("case_unknown")
    return row


async def people_of(runtime: Runtime, row: Row) -> tuple[UUID, UUID] | None:
    """Who is helped and who asked for it; None when the vault lost them with a database that was put back."""
    # Kept as long as the vouchers are, also after an erasure: whose case it is keeps duties apart.
    people = await runtime.vault.open(row["beneficiary_ref"])
    if people is None or BENEFICIARY not in people:
        return None
    return UUID(people[BENEFICIARY]), UUID(people[APPLICANT])


async def find(runtime: Runtime, case_id: UUID) -> Found:
    """The case. Raises Refused (case_unknown, case_people_lost): nobody decides of whom nobody knows who it is."""
    row = await row_of(runtime, case_id)
    people = await people_of(runtime, row)
    if people is None:
        raise Refused("case_people_lost")
    _, case = await runtime.executor.state(aid_stream(case_id))
    assert isinstance(case, AidCase)
    return Found(row, case, *people)


async def relations(runtime: Runtime, actor_id: UUID, beneficiary_id: UUID) -> frozenset[str]:
    """How the actor stands to whoever is helped: `own`, or `proxy` by an authorisation in force."""
    if actor_id == beneficiary_id:
        return frozenset({"own"})
    async with runtime.log.queries() as connection:
        speaks = await independence.is_proxy(connection, actor_id, beneficiary_id, runtime.clock.now())
    return frozenset({"proxy"}) if speaks else frozenset()


async def asked(context: CommandContext, case_id: UUID, command_class: type) -> tuple[Found, By]:
    """The case and in which role the caller may ask this of it. Who may ask of none learns of none."""
    try:
        found = await find(context.runtime, case_id)
    except Refused:
        context.by(command_class)
        raise
    return found, context.by(command_class, await relations(context.runtime, context.actor_id, found.beneficiary_id))


async def facts(context: CommandContext, found: Found, by: By) -> dict[str, Any]:
    """What every command about a case is told: who, when, the figures, and what ties the actor to it."""
    runtime = context.runtime
    others = {person for who in found.case.hands.values() for person in who} - {context.actor_id}
    # Read first: what is looked up may know more than this position, never less.
    position = await runtime.log.heard("volunteers")
    async with runtime.log.queries() as connection:
        tie = await independence.obstacle(
            connection, context.actor_id, found.beneficiary_id, found.applicant_id, others, runtime.clock.now()
        )
    return {
        "by": by,
        "at": runtime.clock.now(),
        "case_id": found.row["case_id"],
        "policy": current_policy(),
        "independence": Independence(obstacle=tie, position=position),
    }


async def tie_of(runtime: Runtime, people: Iterable[UUID], found: Found) -> Obstacle | None:
    """What ties one of these people to the case by now, as far as volunteers were heard."""
    async with runtime.log.queries() as connection:
        for person_id in people:
            tie = await independence.obstacle(
                connection, person_id, found.beneficiary_id, found.applicant_id, (), runtime.clock.now()
            )
            if tie is not None:
                return tie
    return None


async def sealed_words(
    runtime: Runtime, person_id: UUID, field: str, words: str
) -> tuple[UUID, str, tuple[VaultChange, ...]]:
    """A ref, a commitment, and what seals the words when the append commits. Raises Refused("beneficiary_erased")."""
    ref = uuid7()
    try:
        sealed = await runtime.vault.seal(person_id, AID, ref, {field: words})
    except PersonIsErased:
        raise Refused("beneficiary_erased") from None
    return ref, sealed.commitments[field], sealed.changes


async def sealed_payee(runtime: Runtime, person_id: UUID, payee: Payee) -> tuple[UUID, str, tuple[VaultChange, ...]]:
    """The same for who is paid, kept as long as the vouchers are."""
    ref = uuid7()
    sealed = await runtime.vault.seal(person_id, ACCOUNTING, ref, {PAYEE: payee.model_dump_json()})
    return ref, sealed.commitments[PAYEE], sealed.changes


def shown(row: Row, hidden: Collection[str] = ("payee_ref", "beneficiary_ref", "explanation_ref")) -> dict[str, Any]:
    """A case's row for people."""
    return {name: value for name, value in row.items() if name not in hidden}


def expecting(context: CommandContext, command: AidCommand) -> dict[str, int]:
    """What the request's If-Version insists on."""
    return context.expecting(command.stream)
