"""Statements computed again from the events alone: what was published is believed, whatever differs is named."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from cli.audit.statements import Statements
from cli.bundle.checking import check
from contracts.envelope import Recorded, decode
from tests.cli.bundle.bundles import bodies, policy, write
from tests.ledger.examples import ANNA, CLERK
from tests.ledger.office import AS_CLERK, AS_SUPERVISOR, Office
from tests.ledger.test_statements import EXPLANATION, MARCH, close, march, reverse, told

Document = dict[str, Any]
Tamper = Callable[[list[Document]], None]
WORDS = {"reason_code": "entry_reversed", "explanation": EXPLANATION}


async def lived(office: Office) -> list[Recorded]:
    """A month published and corrected, the quarter after next month's end, and a few days."""
    counter = office.counter
    paid = await march(office)
    await told(office)
    await reverse(office, paid)
    drafted = await counter.done(f"/statements/{MARCH}/correct", WORDS, *AS_CLERK)
    read = {"statement_sha256": drafted["statement_sha256"]}
    await counter.done(f"/statements/{MARCH}/correct", read, *AS_SUPERVISOR)
    await told(office, "2026-03-01..2026-03-20")
    await office.later(days=30)
    await close(office, "2026-04")
    await told(office, "2026-04")
    await told(office, "2026-q1")
    return list(await counter.runtime.log.read(0, 10_000))


def wrong(history: list[Recorded]) -> list[str]:
    check = Statements()
    return [*(one for recorded in history for one in check.hear(recorded)), *check.end()]


def tampered(history: list[Recorded], tamper: Tamper) -> list[Recorded]:
    """The history with something done to its documents, as who holds the database would do it."""
    documents = [json.loads(recorded.body) for recorded in history]
    tamper(documents)
    return [decode(json.dumps(document, ensure_ascii=False).encode()) for document in documents]


def of_type(documents: list[Document], kind: str) -> list[Document]:
    """Those about the month."""
    return [one for one in documents if one["type"] == kind and one["data"]["period"] == MARCH]


def said_otherwise(**figures: Any) -> Tamper:
    """Every statement of the month says something else, with the SHA-256 that belongs to it."""

    def tamper(documents: list[Document]) -> None:
        for one in of_type(documents, "FundStatementPublished"):
            statement = one["data"]["statement"]
            statement["funds"][0] |= figures
            text = json.dumps(statement, sort_keys=True, separators=(",", ":"))
            one["data"]["statement_sha256"] = sha256(text.encode()).hexdigest()

    return tamper


def changed(kind: str, number: int = 0, **values: Any) -> Tamper:
    def tamper(documents: list[Document]) -> None:
        of_type(documents, kind)[number]["data"] |= values

    return tamper


def without(kind: str, number: int = 0) -> Tamper:
    def tamper(documents: list[Document]) -> None:
        documents.remove(of_type(documents, kind)[number])

    return tamper


def entry_changed(documents: list[Document]) -> None:
    """An amount is another, on both sides of its entry."""
    gift = next(one for one in documents if one["data"].get("kind") == "donation_received")
    for posting in gift["data"]["postings"]:
        posting["amount"] *= 2


def done_by(kind: str, number: int, actor: str) -> Tamper:
    def tamper(documents: list[Document]) -> None:
        of_type(documents, kind)[number]["actor"] = actor

    return tamper


PUBLISHED, CORRECTED = "FundStatementPublished", "DisclosureCorrected"
BROKEN: dict[str, tuple[Tamper, str]] = {
    "less is there": (said_otherwise(closing_fen=69_999), "funds[0].closing_fen is 69999, by the entries 70000"),
    "less is set aside": (said_otherwise(held_fen=0), "funds[0].held_fen is 0, by the entries 10000"),
    "spending left out": (said_otherwise(spending=[]), "funds[0].spending"),
    "another SHA-256": (changed(PUBLISHED, 1, statement_sha256="ab" * 32), "not that of the statement"),
    "an entry changed later": (entry_changed, "funds[0].income[0].amount_fen is 100000, by the entries 200000"),
    "another head": (changed(PUBLISHED, 1, log_root="cd" * 32), "was never the log's"),
    "a head to come": (changed(PUBLISHED, 1, log_size=9_000), "events came before it"),
    "not closed": (without("PeriodClosed", 1), "its days were not closed"),
    "not over": (changed(PUBLISHED, 1, published_at="2026-03-31T04:00:00Z"), "its days were not over"),
    "another month's name": (changed(PUBLISHED, 1, period="2026-02"), "its days are not those of 2026-02"),
    "published by who drafted": (changed(PUBLISHED, 1, published_by=str(CLERK)), "one person did both"),
    "published by nobody named": (done_by(PUBLISHED, 1, str(ANNA)), "somebody else than a supervisor"),
    "published by a clerk": (changed(PUBLISHED, 1, role="FUND_CLERK"), "somebody else than a supervisor"),
    "drafted by a supervisor": (changed(PUBLISHED, 0, role="SUPERVISOR"), "somebody else than a clerk"),
    "never drafted": (without(PUBLISHED), "nobody drafted just this"),
    "corrected silently": (without(CORRECTED, 1), "it supersedes without a correction"),
    "corrected alone": (changed(CORRECTED, 1, corrected_by=str(CLERK)), "one person did both"),
    "corrected by a clerk": (changed(CORRECTED, 1, role="FUND_CLERK"), "somebody else than a supervisor"),
    "correction never drafted": (without(CORRECTED), "nobody drafted just this"),
    "no new statement": (without(PUBLISHED, 2), "no new statement followed"),
    "a correction of nothing": (without(PUBLISHED, 1), "what it corrects does not stand"),
    "a revision left out": (changed(PUBLISHED, 2, revision=3), "it does not follow what stands"),
}


async def test_what_breaks_a_rule_of_statements_is_found_and_what_keeps_them_is_believed(office: Office):
    history = await lived(office)
    assert [one.type for one in history].count(PUBLISHED) == 9
    assert wrong(history) == []
    assert wrong(tampered(history, lambda _: None)) != [], "other bytes are another history"
    missed = {name: wrong(tampered(history, tamper)) for name, (tamper, _) in BROKEN.items()}
    assert {name: found for name, found in missed.items() if not any(BROKEN[name][1] in one for one in found)} == {}


async def test_a_bundle_whose_statement_is_not_what_its_entries_say_is_refused(office: Office, tmp_path: Path):
    history = await lived(office)
    logs = bodies()
    logs["ledger"] = [recorded.body for recorded in history]
    assert check(write(tmp_path / "true", logs), policy()).problems == []
    # Whoever has every key rewrites the log and signs it anew: the figures give it away.
    logs["ledger"] = [recorded.body for recorded in tampered(history, said_otherwise(closing_fen=69_999))]
    problems = check(write(tmp_path / "false", logs), policy()).problems
    assert any("funds[0].closing_fen is 69999, by the entries 70000" in one for one in problems), problems
