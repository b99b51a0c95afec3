"""docs/security says what is met and what is not; whatever it names must be there."""

import re
from pathlib import Path

from eventstore.config import LogConfig
from eventstore.streams import MAX_BYTES
from servicekit.http import AFTER_WAIT_SECONDS
from servicekit.tokens import LIFE_SECONDS_MAX
from servicekit.validation import BODY_BYTES_MAX
from services.orders.api.tries import FORGET_SECONDS, TRIES_MAX
from tests.tidy.test_guarantees import _tests

ROOT = Path(__file__).parents[2]
SECURITY = ROOT / "docs" / "security"


def rows_of(page: str) -> list[str]:
    text = (SECURITY / page).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| item ")]


def test_every_item_is_met_by_a_test_that_exists_or_says_not_yet():
    rows = rows_of("asvs.md")
    assert len(rows) > 25
    there = _tests()
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named or "**not yet**" in row, row
        assert "met" not in row.split(" | ")[2].split(":")[0] or named, row
        assert not named - there, f"no such test: {sorted(named - there)}"


def test_the_limits_named_are_those_of_the_code():
    said = "\n".join(rows_of("rate-limits.md"))
    config = LogConfig("orders", "chaoyangli", "", 0, "", "")
    for figure in (
        f"| {BODY_BYTES_MAX // 1024} KiB",
        f"| {AFTER_WAIT_SECONDS:.0f} s, then 503",
        f"{config.append_events_max:,} events; {config.batch_events} events a commit",
        f"good for {config.idempotency_days} days",
        f"| {config.statement_seconds:.0f} s; a transaction {config.transaction_seconds:.0f} s",
        f"after {config.idle_seconds:.0f} s |",
        f"{config.pool_connections} for reads, {config.query_connections} for queries",
        f"| {TRIES_MAX} in {FORGET_SECONDS / 60:.0f} min",
        f"| {MAX_BYTES // 1024**3} GiB",
    ):
        assert figure in said, figure
    assert LIFE_SECONDS_MAX == 600
    assert "lives ten minutes at most" in said


def test_every_link_of_these_pages_leads_somewhere():
    for page in SECURITY.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).resolve().exists(), (page.name, link)
