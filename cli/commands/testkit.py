"""testkit: what a subscriber's program will meet one day, to be tried against it before."""

from typing import Annotated

import typer

from cli.output import err, out
from contracts.testkit import CASES, deliveries
from servicekit.subscribers import CannotBeGiven, expand

USAGE = 2

Events = Annotated[
    list[str] | None,
    typer.Argument(help="What is subscribed to: orders.OrderVerified, ledger.*; everything given out when left out."),
]
Expected = Annotated[
    bool, typer.Option("--expect", help="Print what a subscriber should do with each, instead of the events.")
]
ListCases = Annotated[bool, typer.Option("--cases", help="Say what is tried.")]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="testkit")(_testkit)


def _testkit(events: Events = None, expect: Expected = False, cases: ListCases = False) -> None:
    """Print events for trying a subscriber, one a line: new ones, repeated ones, unknown fields, versions and types."""
    if cases:
        for name, about in CASES.items():
            out.print(f"{name}: {about}", markup=False)
        return
    try:
        wanted = expand(events or ["*"]).events
    except CannotBeGiven as refused:
        err.print(str(refused), markup=False)
        raise typer.Exit(USAGE) from None
    for each in deliveries(wanted):
        typer.echo(f'{{"id":"{each.id}","case":"{each.case}","expect":"{each.expect}"}}' if expect else each.body)
