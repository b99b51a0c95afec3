"""What the ledger goes by: its figures, adopted last of the policy file's section, and the charity it keeps books for.

The charity's words are no figures and are in no event: they stand in a file of their own, which the host answers for.
"""

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.event import Code, Digest
from contracts.ledger import PolicyAdopted
from servicekit.policy import PolicyInvalid, PolicySection
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import LedgerPolicy, Span

POLICY = PolicySection("ledger", LedgerPolicy, PolicyAdopted)


def current_policy() -> LedgerPolicy:
    """The figures in force."""
    return POLICY.current


class Campaign(BaseModel):
    """A campaign to raise money, as its plan is filed (慈善法 §24): its days and the fund that it is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9\-]{2,39}$")]
    filing_no: Annotated[str, Field(pattern=r"^[0-9A-Z]{8,40}$")]
    fund: Code
    purpose: Code | None = None
    """What it raises money for, one of the fund's purposes: its statements tell that alone. Absent: the fund."""
    first_day: date
    last_day: date
    emergency: bool = False
    """For a sudden event: what came in is told every five days (慈善法 §72)."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("it ends before it begins")
        fund = chart().fund(self.fund)
        if self.purpose is not None and self.purpose not in {one.code for one in fund.purposes}:
            raise ValueError(f"{self.fund} has no purpose {self.purpose}")
        return self


class HostCharity(BaseModel):
    """The charity that may raise money in public, in whose account the fund's money lies (慈善法 §22, §24, §26, §27).

    All of it or nothing: half a charity is none that anybody should give to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=2, max_length=80)]
    certificate_no: Annotated[str, Field(pattern=r"^[0-9A-Z]{8,40}$")]
    """Of its certificate to raise money in public (公开募捐资格证书)."""
    filing_no: Annotated[str, Field(pattern=r"^[0-9A-Z]{8,40}$")]
    """Under which the plan of this fund-raising is filed (备案)."""
    agreement_sha256: Digest
    """Of the agreement between the charity and the community."""
    account_tail: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    """The last four digits of its account: never more."""
    platform_url: Annotated[str, Field(pattern=r"^https://[a-z0-9.\-]+(/[^\s]*)?$", max_length=300)]
    """The fund's page on a designated platform: gifts are made there, never here."""
    campaigns: tuple[Campaign, ...] = ()


class HostCharitySource(BaseSettings):
    """CHAOYANGLI_HOST_CHARITY names the charity's file; without it nothing is said of raising money."""

    model_config = SettingsConfigDict(env_prefix="CHAOYANGLI_", extra="ignore", frozen=True, env_ignore_empty=True)

    host_charity: Path | None = None


class FundPage(BaseSettings):
    """CHAOYANGLI_FUND_URL: where people reach the fund's page, `https://…/fund/`; printed on receipts, if it is set."""

    model_config = SettingsConfigDict(env_prefix="CHAOYANGLI_", extra="ignore", frozen=True, env_ignore_empty=True)

    fund_url: Annotated[str, Field(pattern=r"^https?://[^\s#?]{1,200}/$")] | None = None


@cache
def fund_url() -> str | None:
    """The fund's page as people reach it, read once, at start. Raises ValidationError."""
    return FundPage().fund_url


@cache
def host_charity() -> HostCharity | None:
    """The charity of the file that is named, read once, at start; None without one. Raises PolicyInvalid."""
    path = HostCharitySource().host_charity
    return None if path is None else read_host_charity(path)


def read_host_charity(path: Path) -> HostCharity:
    """The charity that a file describes, whole. Raises PolicyInvalid, a line for everything that is wrong."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        # Days and lists as YAML has them; what must be text is not taken from a number.
        return HostCharity.model_validate_json(json.dumps(document, default=str), strict=True)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyInvalid(f"{path}: cannot be read: {error}") from None
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise PolicyInvalid("\n".join(lines)) from None


def campaigns() -> dict[str, Span]:
    """The campaigns of the host charity's papers, by code, as spans that a statement can be about."""
    host = host_charity()
    known = () if host is None else host.campaigns
    return {one.code: Span("campaign", one.code, one.first_day, one.last_day, one.fund, one.purpose) for one in known}
