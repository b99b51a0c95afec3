"""What every service is asked with: who asks, in which role and when, and how a rule refuses."""

from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Role(StrEnum):
    """The roles of domain.md §4.0. SYSTEM is a service's own timer or reaction, never a person."""

    RESIDENT = "RESIDENT"
    PROXY = "PROXY"
    VOLUNTEER = "VOLUNTEER"
    TEAM_LEADER = "TEAM_LEADER"
    BUILDING_LEAD = "BUILDING_LEAD"
    GRID_WORKER = "GRID_WORKER"
    STATION_MANAGER = "STATION_MANAGER"
    DISPATCHER = "DISPATCHER"
    SOCIAL_WORKER = "SOCIAL_WORKER"
    REVIEWER = "REVIEWER"
    HOURS_AUDITOR = "HOURS_AUDITOR"
    FUND_CLERK = "FUND_CLERK"
    FUND_APPROVER = "FUND_APPROVER"
    CASHIER = "CASHIER"
    SUPERVISOR = "SUPERVISOR"
    PARTNER = "PARTNER"
    STREET_OFFICER = "STREET_OFFICER"
    ADMIN = "ADMIN"
    AUDITOR = "AUDITOR"
    SYSTEM = "SYSTEM"


class Channel(StrEnum):
    """How a command reached the service; staff-entered, phone, paper and web are equal."""

    WEB = "web"
    PHONE = "phone"
    PAPER = "paper"
    KIOSK = "kiosk"
    API = "api"
    SYSTEM = "system"


class By(BaseModel):
    """Who asks: the acting person (None for SYSTEM), the role they act in, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor_id: UUID | None
    role: Role
    on_behalf_of: UUID | None = None
    channel: Channel = Channel.API

    @property
    def actor(self) -> str:
        """The opaque actor of the envelope: the person's id, or `system`."""
        return str(self.actor_id) if self.actor_id is not None else "system"


SYSTEM = By(actor_id=None, role=Role.SYSTEM, channel=Channel.SYSTEM)


class Ask(BaseModel):
    """The part of a command that a person sends: nothing unknown passes, nothing is quietly converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def mistake(reason_code: LiteralString, chinese: str, english: LiteralString, *, field: str) -> PydanticCustomError:
    """What a body's fields cannot say together: raised by an Ask's validator, and told to people at `field`."""
    return PydanticCustomError(reason_code, english, {"chinese": chinese, "field": field})


class Command(BaseModel):
    """A request to one aggregate, complete: what was asked, who asks, and every fact, id and time the decision needs.

    `at` is business time in UTC. A subclass names its stream.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: By
    at: AwareDatetime

    @property
    def stream(self) -> str:
        """The stream this command is decided on, `<category>-<uuid>`."""
        raise NotImplementedError


class Refused(Exception):
    """A rule said no: nothing is recorded. `reason_code` is stable, for machines; `facts` are the numbers behind it."""

    def __init__(self, reason_code: str, **facts: str | int | bool | datetime | None) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code
        self.facts: dict[str, Any] = facts

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.reason_code} ({facts})" if facts else self.reason_code
