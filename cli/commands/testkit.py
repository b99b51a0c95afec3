"""testkit: what a subscriber's program will meet one day, to be tried against it before."""

from typing import Annotated

import typer

from cli.commands.options import Json
from cli.output import err, out, print_json
from contracts.testkit import CASES, Delivery, deliveries
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


def _testkit(events: Events = None, expect: Expected = False, cases: ListCases = False, as_json: Json = False) -> None:
    """Print events for trying a subscriber, one a line: new ones, repeated ones, unknown fields, versions and types."""
    if cases and as_json:
        print_json({"cases": CASES})
        return
    if cases:
        for name, about in CASES.items():
            out.print(f"{name}: {about}", markup=False)
        return
    try:
        wanted = expand(events or ["*"]).events
    except CannotBeGiven as refused:
        err.print(str(refused), markup=False)
        raise typer.Exit(USAGE) from None
    if as_json:
        print_json({"deliveries": [_document(each, with_body=not expect) for each in deliveries(wanted)]})
        return
    for each in deliveries(wanted):
        typer.echo(f'{{"id":"{each.id}","case":"{each.case}","expect":"{each.expect}"}}' if expect else each.body)


def _document(each: Delivery, with_body: bool) -> dict[str, str]:
    found = {"id": each.id, "case": each.case, "expect": each.expect}
    # As a text: these very bytes are what a subscriber is handed.
    return found | ({"body": each.body.decode()} if with_body else {})
