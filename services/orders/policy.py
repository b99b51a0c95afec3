"""The figures that this community goes by: the defaults of domain.md §4.1, or a YAML file's."""

from functools import cache
from pathlib import Path

import yaml
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.orders.commands.words import Policy


class PolicySettings(BaseSettings):
    """CHAOYANGLI_ORDERS_POLICY names a YAML file with fields of Policy; without it the defaults hold."""

    model_config = SettingsConfigDict(env_prefix="CHAOYANGLI_ORDERS_", extra="ignore", frozen=True)

    policy: Path | None = None


@cache
def current_policy() -> Policy:
    """The policy of this process. Raises OSError for a missing file, ValidationError for a field it does not know."""
    path = PolicySettings().policy
    if path is None:
        return Policy()
    return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
