"""规则已采用: a service's figures are in force from the event that adopted them, not from a file that somebody changed.

At start a service compares its section of the policy file with what its log adopted last, and says PolicyAdopted when
they differ. Replicas that start together adopt once: the stream's version decides who was first, and the others find
nothing left to say. Every replica goes by what was adopted last, whoever adopted it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, TypeAdapter

from contracts.command import SYSTEM, Command
from contracts.event import PolicyAdoptedFields, PolicySetting
from eventstore.aggregate import Aggregate
from eventstore.executor import Plan
from eventstore.model import Metadata
from servicekit.definition import Runtime
from servicekit.http import Reading
from servicekit.policy import PolicySection, changed, settings_of

KEPT_SECONDS = 2.0
"""So soon after another replica adopted new figures, in real time, this one goes by them too."""
_POLICIES = UUID("018f6a3e-7c00-7000-8000-0b011c000001")
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def policy_id_of(service: str) -> UUID:
    """The id of a service's policy: one service has one."""
    return uuid5(_POLICIES, service)


def policy_stream(service: str) -> str:
    """The stream of a service's policy, `policy-<uuid>`."""
    return f"policy-{policy_id_of(service)}"


class AdoptPolicy(Command):
    """Put a service's figures in force."""

    service: str
    settings: tuple[PolicySetting, ...]

    @property
    def stream(self) -> str:
        """`policy-<uuid>`."""
        return policy_stream(self.service)


@dataclass(frozen=True, slots=True)
class InForce:
    """What was adopted last; version 0: nothing yet."""

    version: int = 0
    settings: tuple[PolicySetting, ...] = ()


def aggregate(section: PolicySection[Any]) -> Aggregate[InForce, AdoptPolicy, PolicyAdoptedFields]:
    """The rules of the service's policy stream."""

    def decide(command: AdoptPolicy, in_force: InForce) -> Sequence[PolicyAdoptedFields]:
        if in_force.version and in_force.settings == command.settings:
            return []
        adopted = section.event(
            policy_id=policy_id_of(section.service),
            policy_code=section.service,
            policy_version=in_force.version + 1,
            settings=command.settings,
            effective_from=command.at,
            adopted_at=command.at,
        )
        return [adopted]

    return Aggregate("policy", InForce, decide, _evolve, (AdoptPolicy,))


def _evolve(_: InForce, event: PolicyAdoptedFields) -> InForce:
    return InForce(event.policy_version, event.settings)


async def adopt(section: PolicySection[Any], runtime: Runtime) -> None:
    """Say PolicyAdopted if the file's figures are not those adopted last. Raises PolicyInvalid and LogUnavailable."""
    wanted = settings_of(section.load())

    async def build() -> Plan:
        return Plan([AdoptPolicy(by=SYSTEM, at=runtime.clock.now(), service=section.service, settings=wanted)])

    await runtime.executor.execute(build, Metadata(actor=SYSTEM.actor))
    await look(section, runtime)


async def look(section: PolicySection[Any], runtime: Runtime) -> None:
    """Go by what was adopted last. Raises LogUnavailable."""
    _, in_force = await runtime.executor.state(policy_stream(section.service))
    assert isinstance(in_force, InForce)
    if in_force.version:
        restored: BaseModel = section.restored(in_force.settings)
        if restored != section.current:
            section.current = restored


async def keep_in_force(section: PolicySection[Any], runtime: Runtime) -> None:
    """Look for ever: another replica may have adopted new figures."""
    while True:
        await look(section, runtime)
        await asyncio.sleep(KEPT_SECONDS)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def router(section: PolicySection[Any]) -> APIRouter:
    """`GET /v1/policy`, of every service that has figures."""
    routes = APIRouter(prefix="/v1", tags=["policy"])

    @routes.get("/policy")
    async def read_policy(_caller: Reading, runtime: Annotated[Runtime, Depends(_runtime)]) -> JSONResponse:
        """The figures in force, the event that adopted them, and what every adoption before it changed."""
        adoptions: list[dict[str, Any]] = []
        before: dict[str, int] = {}
        for recorded in await runtime.log.read_stream(policy_stream(section.service)):
            event = recorded.event
            assert isinstance(event, PolicyAdoptedFields)
            after = {setting.code: setting.value for setting in event.settings}
            adoptions.append(
                {
                    "policy_version": event.policy_version,
                    "position": recorded.position,
                    "event_id": recorded.event_id,
                    "adopted_at": event.adopted_at,
                    "changed": changed(before, after),
                }
            )
            before = after
        newest = {name: value for name, value in adoptions[-1].items() if name != "changed"} if adoptions else None
        shown = {
            "service": section.service,
            "policy": section.current,
            "adopted": newest,
            "adoptions": adoptions[::-1],
        }
        return JSONResponse(_ANY.dump_python(shown, mode="json"))

    return routes
