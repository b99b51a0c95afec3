"""Fixtures of the contracts' tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from contracts import envelope, event


@pytest.fixture
def registry() -> Iterator[None]:
    """A test may declare events and upcasters of its own; afterwards they are forgotten."""
    registries: tuple[dict[Any, Any], ...] = (event.EVENTS, event.UPCASTERS, envelope._READERS)
    kept = [(each, dict(each)) for each in registries]
    yield
    for live, before in kept:
        live.clear()
        live.update(before)
    envelope._fixed_parts.cache_clear()
