"""What the ledger does when it hears volunteers, on real PostgreSQL."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.command import Role
from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryRefused, PersonDataErased
from contracts.volunteers import HoursAdjusted, HoursLogged, PersonErased
from eventstore.vault import ErasureList
from services.ledger.commands import HOURS, HoursFacts, book_stream
from services.ledger.read_models import queries
from services.ledger.refusals import CONSTRAINTS
from tests.ledger.counter import AS_CASHIER, AS_CLERK, DONOR, Counter, logged, registered
from tests.ledger.examples import ANNA, BO, NOON

HOUR = timedelta(hours=1)


async def minutes(counter: Counter, volunteer_id=ANNA) -> int:
    return int((await counter.read(f"/volunteers/{volunteer_id}/minutes"))["minutes"])


async def last(counter: Counter):
    return (await counter.events())[-1]


async def test_credited_minutes_are_posted_with_the_event_that_caused_them(counter: Counter):
    event = logged(grade="B")
    (message,) = await counter.hear(event)
    posted = await last(counter)
    assert isinstance(posted, EntryPosted)
    assert (posted.book, posted.entry_no, posted.source_event_id) == ("hours", 1, decode(message.body).event_id)
    assert posted.effective_date == event.service_date
    assert posted.hours is not None
    assert posted.hours.claim_id == event.claim_id
    (recorded,) = await counter.runtime.log.read(0)
    assert (recorded.stream, recorded.actor) == (book_stream(HOURS), "system")
    assert recorded.causation_id == posted.source_event_id
    assert await counter.read(f"/volunteers/{ANNA}/minutes") == {
        "volunteer_id": str(ANNA),
        "minutes": 60,
        "by_grade": {"A": 0, "B": 60, "C": 0},
    }


async def test_a_redelivered_event_is_posted_once(counter: Counter):
    messages = await counter.hear(logged(), logged(start=NOON + HOUR))
    await counter.hear_again(messages)
    await counter.hear_again(messages[1:])
    assert await counter.types() == ["EntryPosted", "EntryPosted"]


async def test_the_same_event_at_another_position_is_answered_once(counter: Counter):
    (message,) = await counter.hear(logged())
    body = message.body.replace(b'"position":%d' % message.position, b'"position":%d' % (message.position + 1))
    await counter.hear_again([message._replace(position=message.position + 1, body=body)])
    assert await counter.runtime.log.heard("volunteers") == message.position + 1
    assert await counter.types() == ["EntryPosted"]


@pytest.mark.parametrize("together", [True, False])
async def test_one_service_logged_twice_is_refused_aloud(counter: Counter, together: bool):
    first = logged()
    second = logged(start=NOON + 2 * HOUR, assignment_id=first.assignment_id)
    if together:
        await counter.hear(first, second)
    else:
        await counter.hear(first)
        await counter.hear(second)
    posted, refused = await counter.events()
    assert isinstance(refused, EntryRefused)
    assert (refused.reason_code, refused.conflicts_with) == ("posted_already", posted.entry_id)
    assert refused.claim_id == second.claim_id
    assert await minutes(counter) == 60


@pytest.mark.parametrize("together", [True, False])
async def test_an_overlap_is_refused_aloud_and_never_dropped(counter: Counter, together: bool):
    first, second = logged(), logged(start=NOON + timedelta(minutes=59))
    if together:
        await counter.hear(first, second)
    else:
        await counter.hear(first)
        await counter.hear(second)
    posted, refused = await counter.events()
    assert (refused.reason_code, refused.conflicts_with) == ("overlap", posted.entry_id)
    assert (refused.volunteer_id, refused.book) == (ANNA, "hours")
    assert await minutes(counter) == 60


async def test_what_touches_or_belongs_to_another_does_not_overlap(counter: Counter):
    await counter.hear(logged(), logged(start=NOON + HOUR), logged(BO))
    assert await counter.types() == ["EntryPosted"] * 3
    assert [event.entry_no for event in await counter.events()] == [1, 2, 3]


async def test_a_refusal_takes_no_number(counter: Counter):
    await counter.hear(logged(), logged(), logged(start=NOON + HOUR))
    assert [event.type for event in await counter.events()] == ["EntryPosted", "EntryRefused", "EntryPosted"]
    assert [event.entry_no for event in await counter.events() if isinstance(event, EntryPosted)] == [1, 2]


@pytest.mark.parametrize(
    ("start", "same", "reason_code"), [(NOON, False, "overlap"), (NOON + 3 * HOUR, True, "posted_already")]
)
async def test_the_tables_refuse_what_stale_facts_let_pass(counter: Counter, monkeypatch, start, same, reason_code):
    """The second wall: two consumers, each of which saw an empty book."""
    first = logged()
    await counter.hear(first)

    async def blind(*_, **__) -> HoursFacts:
        return HoursFacts()

    monkeypatch.setattr(queries, "hours_facts", blind)
    again = logged(start=start)
    await counter.hear(again.model_copy(update={"assignment_id": first.assignment_id}) if same else again)
    refused = await last(counter)
    assert isinstance(refused, EntryRefused)
    assert refused.reason_code == reason_code
    assert await minutes(counter) == 60


async def test_every_constraint_of_the_hours_book_is_answered_aloud(counter: Counter):
    codes = {code for constraint, code in CONSTRAINTS.items() if constraint.startswith("hours_")}
    for event_class in (HoursLogged, HoursAdjusted):
        (handler,) = counter.reactions.handlers(event_class)
        assert set(handler.refusals) == codes
        assert handler.fresh
        assert handler.blocks


async def test_an_erased_donor_is_forgotten_save_the_locked_accounting_copy(counter: Counter):
    donation_id = await counter.given(donor={**DONOR, "person_id": str(ANNA)})
    before = await counter.runtime.log.read_raw(0, 100)
    assert (await counter.read(f"/donations/{donation_id}"))["public_name"] == DONOR["public_name"]
    await counter.hear(PersonErased(person_id=ANNA, role=Role.ADMIN, erased_at=NOON))
    erased = await last(counter)
    assert isinstance(erased, PersonDataErased)
    assert (erased.person_id, erased.purposes) == (ANNA, ("display",))
    (kept,) = erased.kept
    assert (kept.purpose, kept.basis) == ("accounting", "accounting_archives_2016")
    assert kept.until is not None
    assert kept.until > erased.erased_at + timedelta(days=30 * 365)
    assert (await counter.read(f"/donations/{donation_id}"))["public_name"] == "已删除"
    donor = await counter.read(f"/donations/{donation_id}/donor", *AS_CLERK)
    assert (donor["name"], donor["phone"], donor["erased"]) == ("已删除", None, True)
    assert await counter.runtime.log.read_raw(0, len(before)) == before, "an erasure changes no event"
    assert ErasureList(counter.runtime.settings.erasures_path).persons() == [ANNA]


async def test_whoever_gave_nothing_is_erased_too_and_it_is_said(counter: Counter):
    messages = await counter.hear(PersonErased(person_id=BO, role=Role.ADMIN, erased_at=NOON))
    await counter.hear_again(messages)
    (erased,) = await counter.events()
    assert isinstance(erased, PersonDataErased)
    assert (erased.purposes, erased.kept) == ((), ())


async def test_an_erased_person_is_no_donor_and_no_counter_any_more(counter: Counter):
    await counter.hear(PersonErased(person_id=ANNA, role=Role.ADMIN, erased_at=NOON))
    donor = {**DONOR, "person_id": str(ANNA)}
    gift = {"fund": "fund-relief", "amount_fen": 1, "donor": donor}
    await counter.refused(409, "donor_erased", "/donations", gift, *AS_CLERK)
    donation_id = await counter.pledged()
    body = {"method": "cash", "counted_by": [str(ANNA), str(BO)]}
    await counter.refused(422, "counter_unknown", f"/donations/{donation_id}/receive", body, *AS_CASHIER)


async def test_what_the_ledger_does_not_know_of_is_passed(counter: Counter):
    await counter.hear(registered(UUID(int=77)))
    assert await counter.types() == []
