"""What a service is, as one value (ServiceDefinition), and what its parts may reach while it runs (Runtime)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from contracts.event import LossAcceptedFields
from eventstore.aggregate import Aggregate
from eventstore.checkpoint import Signer
from eventstore.clock import Clock
from eventstore.consumer import Reactions
from eventstore.read_model import ReadModel
from eventstore.timers import Due
from eventstore.trust_policy import TrustPolicy
from servicekit.access import AccessTable
from servicekit.feed_tail import Tail
from servicekit.metrics import Metrics
from servicekit.policy import PolicySection
from servicekit.problems import Sentences
from servicekit.settings import ServiceSettings
from servicekit.status import Status
from servicekit.tokens import Verifier

if TYPE_CHECKING:
    from eventstore.executor import Executor
    from eventstore.log import Log
    from eventstore.vault import Vault


@dataclass(frozen=True)
class Runtime:
    """What routes, timers and background tasks of one running service share."""

    settings: ServiceSettings
    log: "Log"
    executor: "Executor"
    vault: "Vault"
    clock: Clock
    access: AccessTable
    verifier: Verifier
    signer: Signer
    witnesses: TrustPolicy
    """Who is asked to cosign this log's heads, and how many are enough."""
    metrics: Metrics
    status: Status
    tail: Tail
    """What the feeds of outside subscribers share."""
    hears: frozenset[str]
    """The services whose logs this one hears."""
    losses: Sequence[LossAcceptedFields] = ()
    """The losses of this log that were accepted, the first one first: none can come while a service runs."""

    @property
    def service(self) -> str:
        """The service's name."""
        return self.settings.service


@dataclass(frozen=True)
class Background:
    """A task that runs as long as the process. With `one_active` it runs in one replica at a time, under that lock."""

    name: str
    run: Callable[[Runtime], Awaitable[None]]
    one_active: bool = True


@dataclass(frozen=True)
class Counted:
    """A gauge of a service's own: `count` gives a number for each value of `label`, which is never an id."""

    name: str
    documentation: str
    label: str
    count: Callable[[Runtime], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True)
class ServiceDefinition:
    """Everything that makes one service: built in its `app.py`, run by `ServiceProcess`."""

    name: str
    read_models: Sequence[ReadModel]
    aggregates: Sequence[Aggregate[Any, Any, Any]]
    access: AccessTable
    build_app: Callable[[Runtime], APIRouter | Sequence[APIRouter]]
    reactions: Callable[[Runtime], Sequence[Reactions]] | Sequence[Reactions] = ()
    """One per service heard; as a callable when they need the runtime."""
    hears: Sequence[str] = ()
    """Services heard only for copies; all that are heard when `reactions` is a callable."""
    constraints: Mapping[str, str] = field(default_factory=dict)
    """Database constraint → reason_code of the Refused it becomes."""
    sentences: Sentences = field(default_factory=dict)
    """reason_code → (HTTP status, Chinese sentence, English sentence)."""
    timers: Callable[[Runtime], Due] | None = None
    locked_purposes: Mapping[str, str] = field(default_factory=dict)
    """Vault purposes under a legal period → the basis, in words."""
    background: Sequence[Background | Callable[[Runtime], Awaitable[None]]] = ()
    counted: Sequence[Counted] = ()
    """What Prometheus is told of this service beside what all services tell."""
    policy: PolicySection[Any] | None = None
    """The community's figures that the service goes by; adopted by an event at start (adoption.py)."""
    title: str = ""
    """What the service promises, for its OpenAPI document."""

    @property
    def sources(self) -> frozenset[str]:
        """The services whose logs are heard."""
        if callable(self.reactions):
            return frozenset(self.hears)
        return frozenset(reactions.source for reactions in self.reactions) | frozenset(self.hears)

    def reactions_of(self, runtime: Runtime) -> list[Reactions]:
        """One per source; a source that is only copied has reactions without a handler."""
        declared = list(self.reactions(runtime) if callable(self.reactions) else self.reactions)
        silent = self.sources - {reactions.source for reactions in declared}
        return declared + [Reactions(source) for source in sorted(silent)]
