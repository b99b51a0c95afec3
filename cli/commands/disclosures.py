"""disclosures: what the fund must tell everybody by when, what was told, and what is late, from its log alone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.table import Table

from cli.commands.options import Data, Json
from cli.output import out, print_json
from cli.place import Place, located
from cli.reading import read_page
from contracts.envelope import Recorded
from contracts.ledger import DisclosureCorrected, EntryPosted, EntryReversed, FundStatementPublished, PolicyAdopted
from services.ledger.api.open_due import as_document, campaigns
from services.ledger.commands import day_of
from services.ledger.policy import POLICY
from services.ledger.posting_rules import fund_changes
from services.ledger.read_models.disclosures import Booked, Duty, Told, duties, pots_of, told

CHECK_FAILED = 1
COLOURS = {"late": "red", "waiting": "yellow", "told_late": "yellow", "told": "green"}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(disclosures)


def disclosures(
    data: Data = None,
    on: Annotated[
        datetime | None, typer.Option("--on", help="As of this day; without it today.", formats=["%Y-%m-%d"])
    ] = None,
    owed: Annotated[bool, typer.Option("--owed", help="Only what was not told yet.")] = False,
    as_json: Json = False,
) -> None:
    """List what the fund must publish by when, and what it did. Ends with 1 when something is late."""
    with located(data) as place:
        found = asyncio.run(_read(place, None if on is None else on.date()))
    shown = [duty for duty in found if duty.told_on is None or not owed]
    if as_json:
        print_json([as_document(duty) for duty in shown])
    else:
        table = Table("by", "what", "about", "from", "to", "told on", "state")
        for duty in shown:
            days = [str(day) if day is not None else "–" for day in (duty.first_day, duty.last_day, duty.told_on)]
            state = f"[{COLOURS[duty.state]}]{duty.state.replace('_', ' ')}[/]"
            table.add_row(str(duty.due_on), duty.kind.replace("_", " "), duty.about, *days, state)
        out.print(table)
    if any(duty.state == "late" for duty in found):
        raise typer.Exit(CHECK_FAILED)


async def _read(place: Place, on: date | None) -> list[Duty]:
    connection = await place.connect("ledger")
    events: list[Recorded] = []
    try:
        while page := await read_page(connection, "ledger", events[-1].position if events else 0):
            events += page
    finally:
        await connection.close()
    return of_events(events, on)


def of_events(events: Sequence[Recorded], on: date | None = None) -> list[Duty]:
    """The calendar that a ledger's events come to, on a day; without one today."""
    entries: dict[object, Booked] = {}
    statements: dict[tuple[str, int], Told] = {}
    policy = POLICY.current
    for recorded in events:
        match recorded.event:
            case EntryPosted(book="fund") | EntryReversed(book="fund") as event:
                original = entries.get(event.reverses) if isinstance(event, EntryReversed) else None
                entries[event.entry_id] = Booked(
                    entry_no=event.entry_no,
                    position=recorded.position,
                    day=event.effective_date,
                    booked_on=day_of(event.reversed_at if isinstance(event, EntryReversed) else event.posted_at),
                    money_fen=sum(fund_changes(event.postings).values()),
                    funds=frozenset(posting.fund for posting in event.postings if posting.fund is not None),
                    pots=pots_of((posting.fund, posting.account) for posting in event.postings),
                    reverses_day=None if original is None else original.day,
                )
            case FundStatementPublished(step=2) as event:
                says = event.statement
                days = (says.first_day, says.last_day)
                statements[event.period, event.revision] = told(
                    says.kind, event.period, event.revision, days, event.log_size, event.published_at
                )
            case DisclosureCorrected(step=2) as event:
                before = statements.pop((event.period, event.revision))
                statements[event.period, event.revision] = before.corrected()
            case PolicyAdopted() as event:
                policy = POLICY.restored(event.settings)
            case _:
                pass
    today = on or day_of(datetime.now(UTC))
    return duties(list(entries.values()), list(statements.values()), campaigns(), today, policy.large_entry_fen)
