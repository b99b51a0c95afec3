"""What must be true once everything has caught up, however badly it went before. Each checker returns what is wrong.

They read the logs themselves, from the first event to the last; what a service says of itself is only compared.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any
from uuid import UUID

from contracts import ledger, notify, orders, volunteers
from contracts.envelope import Recorded, decode
from eventstore.checkpoint import open_checkpoint
from eventstore.consumer import derived_id
from eventstore.merkle import leaf_hash, root_hash
from eventstore.note import NoteError, VerifierKey
from services.notify import reactions
from services.notify.commands import call_id_of
from services.notify.reactions import about_orders
from services.notify.reactions.telling import Tell
from tests.faults.findings import Doubled, Logs, Lost, same
from tests.faults.harness import History, Said
from tests.faults.hours import hours_once

Queued, HandedOver = notify.NotificationQueued, notify.NotificationHandedOver
Unknown = notify.NotificationUnknown
SYSTEM = "system"
TELLING: Mapping[str, dict[str, Any]] = {
    "orders": {
        name: said
        for module in (about_orders, reactions.aside, reactions.desk, reactions.missing, reactions.turning)
        for name, said in vars(module).items()
    },
    "ledger": {
        name: said
        for of in ("ledger", "fund")
        for name, said in vars(import_module(f"services.notify.reactions.{of}")).items()
    },
}
"""Service → what notify says of its events, by the handler's name."""


async def read_logs(connect: Any, services: Iterable[str]) -> dict[str, list[Recorded]]:
    """All logs, decoded."""
    logs = {}
    for service in services:
        connection = await connect(service)
        try:
            rows = await connection.fetch(f"SELECT body FROM {service}.events ORDER BY position")
        finally:
            await connection.close()
        logs[service] = [decode(row["body"]) for row in rows]
    return logs


def no_gaps(logs: Logs) -> Iterator[str]:
    """Positions and versions run from 1, times never back."""
    for service, log in logs.items():
        if [one.position for one in log] != list(range(1, len(log) + 1)):
            yield f"{service}: positions have gaps"
        if any(after.recorded_at < before.recorded_at for before, after in pairwise(log)):
            yield f"{service}: recording time decreases"
        versions: dict[str, list[int]] = defaultdict(list)
        for one in log:
            versions[one.stream].append(one.version)
        yield from (
            f"{service}: versions of {stream}: {found}"
            for stream, found in versions.items()
            if found != list(range(1, len(found) + 1))
        )


def commands_once(history: History, logs: Logs) -> Iterator[str]:
    """An answered command has exactly its events, a refused one none, an unknown one those of one append or none."""
    traced: dict[str, list[Recorded]] = defaultdict(list)
    for log in logs.values():
        for one in log:
            if one.actor != SYSTEM:
                traced[one.traceparent.split("-")[1] if one.traceparent else ""].append(one)
    for said in history.said:
        yield from _one_command(said, traced.pop(said.trace_id, []))
    yield from (f"events of no command: {[one.type for one in found]}" for found in traced.values())


def _one_command(said: Said, found: Sequence[Recorded]) -> Iterator[str]:
    what = f"{said.service} {said.path} ({said.key}, {said.tries} tries)"
    if said.answered is not None:
        promised, recorded = said.answered["event_ids"], [str(one.event_id) for one in found]
        if recorded != promised:
            kind = Lost if set(promised) - set(recorded) else Doubled
            yield kind(
                f"{what} was answered with {said.answered}, recorded are {[(o.position, o.type) for o in found]}"
            )
        elif found and [found[0].position, found[-1].position] != said.answered["positions"][said.service]:
            yield f"{what} was answered with other positions than its events have"
    elif said.refused is not None and found:
        yield f"{what} was refused ({said.refused}) and recorded {[(o.position, o.type) for o in found]}"
    elif len({one.recorded_at for one in found}) > 1 or any(
        after.position != before.position + 1 for before, after in pairwise(found)
    ):
        yield Doubled(f"{what}, given up, recorded more than one append: {[(o.position, o.type) for o in found]}")


def gifts_once(logs: Logs) -> Iterator[str]:
    """Each gift received has one entry in the fund's book."""
    received = [one.event.donation_id for one in logs["ledger"] if isinstance(one.event, ledger.DonationReceived)]
    posted = [
        one.event.donation_id
        for one in logs["ledger"]
        if isinstance(one.event, ledger.EntryPosted) and one.event.book == "fund"
    ]
    yield from same("gifts received and entries posted", received, posted)


def books_balance(logs: Logs) -> Iterator[str]:
    """Σ = 0 in each entry and unit; the volunteers' minutes are those logged; numbers of entries have no gaps."""
    numbers: dict[str, list[int]] = defaultdict(list)
    minutes = 0
    for one in logs["ledger"]:
        if not isinstance(one.event, ledger.EntryPosted | ledger.EntryReversed):
            continue
        entry = one.event
        numbers[entry.book].append(entry.entry_no)
        sums: Counter[str] = Counter()
        for posting in entry.postings:
            sums[posting.unit] += posting.amount
            if posting.unit == "minutes" and posting.amount > 0:
                minutes += posting.amount
        if any(sums.values()):
            yield f"entry {entry.entry_no} of {entry.book} sums to {dict(sums)}"
    logged = sum(one.event.minutes for one in logs["volunteers"] if isinstance(one.event, volunteers.HoursLogged))
    if minutes != logged:
        yield f"{minutes} minutes are in the book, {logged} were logged"
    yield from (
        f"the entries of {book} are numbered {found}"
        for book, found in numbers.items()
        if found != list(range(1, len(found) + 1))
    )


def notices_once(logs: Logs) -> Iterator[str]:
    """What each event must tell is queued exactly once for each reader, and handed over at most once."""
    queued = {one.event.notification_id: one.event for one in logs["notify"] if isinstance(one.event, Queued)}
    times = Counter(one.event.notification_id for one in logs["notify"] if isinstance(one.event, Queued))
    yield from (Doubled(f"notification {each} was queued {count} times") for each, count in times.items() if count > 1)
    # Who cannot be reached otherwise is called: that is another notice, of an id that follows from the first one's.
    calls = {call_id_of(each) for each in queued}
    told = Counter((one.source_event_id, one.ref, one.template) for each, one in queued.items() if each not in calls)
    yield from (Doubled(f"{key} was queued {count} times") for key, count in told.items() if count > 1)
    given = Counter(one.event.notification_id for one in logs["notify"] if isinstance(one.event, HandedOver))
    yield from (Doubled(f"notification {each} was handed over {n} times") for each, n in given.items() if n > 1)
    for source in ("orders", "ledger"):
        for one in logs[source]:
            for tell in _to_one_person(one):
                if times[derived_id(one, tell.code, tell.ref)] != 1:
                    yield Lost(f"{one.type} at {one.position} of {source}: {tell.code} was not queued for {tell.ref}")


def _to_one_person(recorded: Recorded) -> Iterator[Tell]:
    """What this event tells a person it names. Who holds a role at that moment, and digests, are others' matter."""
    for handler in getattr(reactions, recorded.service).handlers(type(recorded.event)):
        said = TELLING[recorded.service][handler.name](recorded.event)
        yield from (tell for tell in said.tells if tell.ref is not None and tell.digest_of is None)


def slots_once(logs: Logs) -> Iterator[str]:
    """Never more hands than slots; never two live promises of one volunteer that overlap (domain.md §4.1, I2 and I3).

    Whose service is over has their time again, and still holds their slot.
    """
    held: dict[UUID, dict[UUID, orders.OrderAccepted]] = defaultdict(dict)
    promised: dict[UUID, list[orders.OrderAccepted]] = defaultdict(list)
    for one in logs["orders"]:
        match one.event:
            case orders.OrderAccepted() as event:
                held[event.order_id][event.assignment_id] = event
                if len(held[event.order_id]) > event.slots_required:
                    yield f"order {event.order_id} has {len(held[event.order_id])} for {event.slots_required} slots"
                for other in promised[event.volunteer_id]:
                    if other.busy_from < event.busy_until and event.busy_from < other.busy_until:
                        yield f"{event.volunteer_id} promised one time to {other.order_id} and {event.order_id}"
                promised[event.volunteer_id].append(event)
            case orders.AcceptanceWithdrawn() | orders.AssignmentLapsed() as event:
                _free(held, promised, event.order_id, {event.assignment_id})
            case orders.OrderCancelled() | orders.OrderUnfulfilled() as event:
                _free(held, promised, event.order_id, set(event.released_assignments))
            case orders.ServiceFinished() | orders.ServiceAutoClosed() as event:
                _over(promised, held[event.order_id][event.assignment_id])
            case _:
                pass  # says nothing about slots


def _free(held: Any, promised: Any, order_id: UUID, assignments: set[UUID]) -> None:
    for assignment_id in assignments:
        _over(promised, held[order_id].pop(assignment_id))


def _over(promised: Any, accepted: orders.OrderAccepted) -> None:
    if accepted in promised[accepted.volunteer_id]:
        promised[accepted.volunteer_id].remove(accepted)


def deadlines_once(logs: Logs) -> Iterator[str]:
    """What falls due is done once: an offer expires, a completion is presumed, an order closes or goes up a level."""
    done: Counter[tuple[Any, ...]] = Counter()
    for one in logs["orders"]:
        match one.event:
            case orders.OfferExpired() as event:
                done.update(("offer", offer_id) for offer_id in event.offer_ids)
            case orders.OrderEscalated() as event:
                done[one.type, event.order_id, event.level, event.cause] += 1
            case orders.CompletionPresumed() | orders.OrderClosed() as event:
                done[one.type, event.order_id] += 1
            case _:
                pass  # no timer's work
    yield from (Doubled(f"{each} fell due {times} times") for each, times in done.items() if times > 1)


def shown_once(logs: Logs, shown: Counter[str]) -> Iterator[str]:
    """What was handed over outside was shown there once; what is unknown at most once; nothing else ever.

    `shown`: notification ids that stood on the console, and how often.
    """
    console = [
        one.event
        for one in logs["notify"]
        if isinstance(one.event, HandedOver | Unknown) and one.event.channel == "console"
    ]
    told = {str(one.notification_id) for one in console if isinstance(one, HandedOver)}
    yield from (Lost(f"notification {each} was handed over and never shown") for each in told - shown.keys())
    known = {str(one.notification_id) for one in console}
    yield from (f"notification {each} was shown, which nobody recorded" for each in shown.keys() - known)
    yield from (Doubled(f"notification {each} was shown {times} times") for each, times in shown.items() if times > 1)


def copies_erased_once(logs: Logs) -> Iterator[str]:
    """Each erased person's data is erased once in every service with a vault."""
    erased = [one.event.person_id for one in logs["volunteers"] if isinstance(one.event, volunteers.PersonErased)]
    for service, said in (
        ("orders", orders.PersonDataErased),
        ("ledger", ledger.PersonDataErased),
        ("notify", notify.PersonDataErased),
    ):
        found = [one.event.person_id for one in logs[service] if isinstance(one.event, said)]
        yield from same(f"persons erased and erased in {service}", erased, found)


def heads_are_prefixes(logs: Logs, heads: Mapping[str, set[str]], keys: Mapping[str, VerifierKey]) -> Iterator[str]:
    """Every signed head that was ever seen outside is the head of the log's beginning."""
    for service, texts in heads.items():
        leaves = [leaf_hash(one.body) for one in logs[service]]
        for text in texts:
            try:
                head = open_checkpoint(text, keys[service]).checkpoint
            except NoteError as error:
                yield f"{service}: a head that cannot be opened: {error}"
                continue
            if head.size > len(leaves):
                yield f"{service}: {head.size} events were signed, {len(leaves)} are there"
            elif root_hash(leaves[: head.size]) != head.root:
                yield f"{service}: the first {head.size} events do not have the root that was signed"


CHECKERS = (
    no_gaps,
    hours_once,
    gifts_once,
    books_balance,
    notices_once,
    slots_once,
    deadlines_once,
    copies_erased_once,
)
"""Those that need the logs only."""
