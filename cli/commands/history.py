"""events, trail: look at what happened."""

import asyncio
from typing import Annotated

import typer

from cli.commands.options import POSITION_MAX, Data, Json, Service, chosen
from cli.output import err, event_line, local, out, print_json
from cli.place import Place, located
from cli.reading import follow, read_all
from cli.story import NotAnId, Step, trail
from contracts.envelope import Recorded


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(events)
    app.command(name="trail")(_trail)


def events(
    data: Data = None,
    service: Service = None,
    first: Annotated[
        int, typer.Option("--from", help="Begin at this position of each log.", min=1, max=POSITION_MAX)
    ] = 1,
    follow_on: Annotated[bool, typer.Option("--follow", help="Go on with what happens, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Print events in order; with --json the exact CloudEvents, one a line."""
    services = chosen(service)
    with located(data, running=follow_on) as place:
        asyncio.run(_events(place, services, first, follow_on=follow_on, as_json=as_json))


async def _events(place: Place, services: tuple[str, ...], first: int, *, follow_on: bool, as_json: bool) -> None:
    last = dict.fromkeys(services, first - 1)
    seen = False
    async for recorded in read_all(place, services, first):
        last[recorded.service] = recorded.position
        seen = True
        _print(recorded, as_json=as_json)
    if not seen and not follow_on:
        err.print(f"no events from position {first} on")
    if follow_on:
        async for recorded in follow(place, services, last):
            _print(recorded, as_json=as_json)


def _print(recorded: Recorded, *, as_json: bool) -> None:
    if as_json:
        # The stored bytes themselves: whoever hashes a line gets the leaf.
        typer.echo(recorded.body)
    else:
        out.print(event_line(recorded), markup=False)


def _trail(
    asked: Annotated[
        str, typer.Argument(metavar="ID", help="An order's id or number, an entry (fund/12), any other id.")
    ],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Tell the whole story of an order, a case of aid, a gift or an entry, across all services, with who and why."""
    with located(data) as place:
        try:
            steps = asyncio.run(trail(place, asked))
        except NotAnId as error:
            raise typer.BadParameter(str(error)) from None
    if as_json:
        print_json([_step(step) for step in steps])
        return
    for step in steps:
        recorded = step.recorded
        why = f"  [{step.why}]" if step.why else ""
        out.print(
            f"{local(step.happened_at)}  {recorded.service:<10} {recorded.position:>6}  {recorded.type:<24} "
            f"{step.meaning.split(' — ')[0]}  {step.who}{why}",
            markup=False,
        )


def _step(step: Step) -> dict[str, object]:
    recorded = step.recorded
    return {
        "happened_at": step.happened_at.isoformat(),
        "recorded_at": recorded.recorded_at.isoformat(),
        "service": recorded.service,
        "position": recorded.position,
        "type": recorded.type,
        "meaning": step.meaning,
        "who": step.who,
        "why": step.why,
        "stream": recorded.stream,
        "event_id": str(recorded.event_id),
        "data": recorded.event.model_dump(mode="json", exclude_none=True),
    }
