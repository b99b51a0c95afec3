"""The rules of statements: one drafts, another who has read the draft publishes, and what is published is corrected."""

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest

from contracts.command import Refused
from contracts.ledger import canonical, statement_digest
from services.ledger.commands import Span, span_of
from services.ledger.decider import statement as rules
from tests.ledger.examples import BO, CLERK, NOON, Story
from tests.ledger.statement_examples import LAST, by_supervisor, correct, publish, statement

READ = statement_digest(statement())
OTHER = statement(30_000)
READ_OTHER = statement_digest(OTHER)


def published() -> Story:
    return Story(rules, publish(), publish(**by_supervisor(READ)))


def test_one_drafts_and_another_who_has_read_it_publishes():
    story = Story(rules, publish())
    assert (story.state.standing, story.state.draft.step) == (None, 1)
    event = story.when(publish(**by_supervisor(READ))).then("FundStatementPublished")
    assert (event.step, event.revision, event.drafted_by, event.published_by) == (2, 1, CLERK, BO)
    assert (event.log_size, event.statement_sha256) == (7, READ)
    assert sha256(canonical(event.statement)).hexdigest() == READ
    assert event.supersedes is None


NOTHING, DRAFTED, PUBLISHED = (), (publish(),), (publish(), publish(**by_supervisor(READ)))
CORRECTING = (*PUBLISHED, correct(of=OTHER))
COMMANDS: dict[str, Any] = {
    "draft": publish(),
    "publish": publish(**by_supervisor(READ)),
    "draft a correction": correct(of=OTHER),
    "publish a correction": correct(of=OTHER, **by_supervisor(READ_OTHER)),
}
TABLE = {
    ("NOTHING", "draft"): "FundStatementPublished",
    ("NOTHING", "publish"): "nothing_drafted",
    ("NOTHING", "draft a correction"): "not_published",
    ("NOTHING", "publish a correction"): "not_published",
    ("DRAFTED", "draft"): "drafted_already",
    ("DRAFTED", "publish"): "FundStatementPublished",
    ("DRAFTED", "draft a correction"): "not_published",
    ("DRAFTED", "publish a correction"): "not_published",
    ("PUBLISHED", "draft"): "published_already",
    ("PUBLISHED", "publish"): "published_already",
    ("PUBLISHED", "draft a correction"): "DisclosureCorrected",
    ("PUBLISHED", "publish a correction"): "nothing_drafted",
    ("CORRECTING", "draft"): "published_already",
    ("CORRECTING", "publish"): "published_already",
    ("CORRECTING", "draft a correction"): "drafted_already",
    ("CORRECTING", "publish a correction"): "DisclosureCorrected FundStatementPublished",
}
STATES = {"NOTHING": NOTHING, "DRAFTED": DRAFTED, "PUBLISHED": PUBLISHED, "CORRECTING": CORRECTING}


@pytest.mark.parametrize(("state", "command"), TABLE)
def test_every_state_takes_what_it_should(state: str, command: str):
    story, expected = Story(rules, *STATES[state]), TABLE[state, command]
    if expected[0].isupper():
        story.when(COMMANDS[command]).then(*expected.split())
    else:
        story.refuses(COMMANDS[command], expected)


def test_nobody_publishes_their_own_draft_or_one_they_have_not_read():
    story = Story(rules, publish())
    story.refuses(publish(**by_supervisor(READ, person=CLERK)), "drafted_by_you")
    story.refuses(publish(**by_supervisor(None)), "draft_unread")
    story.refuses(publish(**by_supervisor(READ_OTHER)), "draft_unread")


def test_what_the_books_say_otherwise_by_now_is_drafted_anew():
    story = Story(rules, publish())
    story.refuses(publish(of=OTHER, **by_supervisor(READ)), "draft_outdated")
    story.when(publish(of=OTHER)).then("FundStatementPublished")
    assert story.when(publish(of=OTHER, **by_supervisor(READ_OTHER))).then("FundStatementPublished").step == 2


@pytest.mark.parametrize("closed", [None, LAST - timedelta(days=1)])
def test_a_month_that_is_not_closed_is_not_published(closed: date | None):
    Story(rules).refuses(publish(closed_through=closed), "span_not_closed")
    interim = statement(kind="interim", period="2026-02-01..2026-02-28")
    Story(rules, publish(of=interim, closed_through=closed)).then("FundStatementPublished")


def test_a_span_that_is_not_over_is_not_published():
    for last in (date(2026, 3, 18), date(2026, 3, 31)):
        of = statement(last_day=last)
        Story(rules).refuses(publish(of=of, closed_through=last), "span_not_over")
    Story(rules, publish(of=statement(last_day=date(2026, 3, 17)), closed_through=date(2026, 3, 31)))


def test_a_correction_stands_beside_what_it_corrects():
    story = published()
    first = story.state.standing
    story.when(correct(of=OTHER))
    assert story.then("DisclosureCorrected").replaced_by is None
    story.when(correct(of=OTHER, **by_supervisor(READ_OTHER)))
    corrected, event = story.events
    assert (corrected.revision, corrected.replaced_by) == (1, event.statement_id)
    assert (event.revision, event.supersedes, event.drafted_by) == (2, first.statement_id, CLERK)
    story.refuses(correct(of=OTHER), "nothing_to_correct")


def test_a_correction_has_public_words_and_something_to_correct():
    story = published()
    story.refuses(correct(), "nothing_to_correct")
    story.refuses(correct(of=OTHER, explanation_ref=None), "explanation_needed")
    story.refuses(correct(of=OTHER, reason_code=None), "explanation_needed")
    story.when(correct(of=OTHER))
    story.refuses(correct(of=OTHER, **by_supervisor(READ_OTHER, person=CLERK)), "drafted_by_you")


def test_the_service_itself_publishes_nothing():
    Story(rules).refuses(publish(person=None), "person_needed")


CAMPAIGN = Span("campaign", "winter", date(2026, 1, 5), date(2026, 2, 10), "fund-relief")


@pytest.mark.parametrize(
    ("period", "kind", "first", "last"),
    [
        ("2026-02", "month", "2026-02-01", "2026-02-28"),
        ("2028-02", "month", "2028-02-01", "2028-02-29"),
        ("2026-q1", "quarter", "2026-01-01", "2026-03-31"),
        ("2026-q4", "quarter", "2026-10-01", "2026-12-31"),
        ("2026", "year", "2026-01-01", "2026-12-31"),
        ("2026-02-03..2026-02-07", "interim", "2026-02-03", "2026-02-07"),
        ("winter", "campaign", "2026-01-05", "2026-02-10"),
    ],
)
def test_a_period_says_which_days_it_means(period: str, kind: str, first: str, last: str):
    span = span_of(period, {"winter": CAMPAIGN})
    assert (span.kind, span.first_day.isoformat(), span.last_day.isoformat()) == (kind, first, last)
    assert replace(span, fund=None).period == period


@pytest.mark.parametrize(
    "period", ["2026-13", "2026-q5", "26", "2026-02-30..2026-03-01", "2026-02-07..2026-02-03", "summer", ""]
)
def test_another_period_is_refused(period: str):
    with pytest.raises(Refused, match="statement_period_unknown"):
        span_of(period, {"winter": CAMPAIGN})


def test_the_canonical_form_is_that_of_rfc_8785():
    text = canonical(statement())
    assert text.startswith(b'{"entries":1,"first_day":"2026-02-01","first_entry_no":1,"funds":[{"closing_fen":20000,')
    assert b" " not in text
    assert NOON.isoformat().encode() not in text
