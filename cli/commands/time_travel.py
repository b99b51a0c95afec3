"""as-of, differences: what a service showed at an earlier time, and what became of it since."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.commands.options import Data, Json, chosen
from cli.commands.proof import moment_of
from cli.output import Tell, err, local, out, print_json, progress
from cli.place import Place, located
from cli.time_travel import Moment, NoSuchTable, as_of, between

OneService = Annotated[str, typer.Option("--service", help="Whose tables.")]
OneTable = Annotated[
    str | None, typer.Option("--table", help="This table's rows, one JSON object a line.", show_default=False)
]
WHEN = "A position of the service's log, or the time of recording, such as 2026-11-01T09:00+08:00."


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(name="as-of")(_as_of)
    app.command(name="differences")(_differences)


def _as_of(
    when: Annotated[str, typer.Argument(help=WHEN)],
    service: OneService,
    table: OneTable = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Fold a service's read models up to a moment and show them: how many rows each table had, or one table's rows."""
    moment = _moment(when, service)
    with located(data) as place, progress(not as_json and table is None) as tell:
        _run(_show(place, service, moment, table, tell, as_json=as_json))


def _differences(
    first: Annotated[str, typer.Argument(help=WHEN)],
    last: Annotated[str, typer.Argument(help=WHEN)],
    service: OneService,
    table: OneTable = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show which rows of a service's read models came, went and changed between two moments."""
    moments = _moment(first, service), _moment(last, service)
    with located(data) as place, progress(not as_json and table is None) as tell:
        _run(_compare(place, service, moments, table, tell, as_json=as_json))


def _moment(text: str, service: str) -> Moment:
    moment = moment_of(text, chosen(service))
    assert moment is not None
    return moment


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run it; a table that is not there is a wrong word."""
    try:
        asyncio.run(work)
    except NoSuchTable as error:
        raise typer.BadParameter(str(error), param_hint="--table") from None


async def _show(place: Place, service: str, moment: Moment, table: str | None, tell: Tell, *, as_json: bool) -> None:
    async with as_of(place, service, moment, tell) as earlier:
        if earlier.position == 0 and not as_json:
            began = "it has none" if earlier.at is None else f"its first is of {local(earlier.at)}"
            err.print(f"{service}: no event was recorded by then; {began}", markup=False)
        if table is not None:
            async with aclosing(earlier.read(table)) as found:
                async for row in found:
                    print_json(row)
        elif as_json:
            print_json({"service": service, "position": earlier.position, "tables": earlier.rows})
        else:
            recorded = f", recorded {local(earlier.at)}" if earlier.at is not None and earlier.position else ""
            shown = Table("table", "rows", title=f"{service} as of position {earlier.position}{recorded}")
            for name, rows in earlier.rows.items():
                shown.add_row(name, str(rows))
            out.print(shown)


async def _compare(
    place: Place, service: str, moments: tuple[Moment, Moment], table: str | None, tell: Tell, *, as_json: bool
) -> None:
    async with between(place, service, *moments, tell) as both:
        if table is not None:
            async with aclosing(both.changes(table)) as changes:
                async for change in changes:
                    print_json({"before": change.before, "after": change.after})
            return
        counted = await both.counted()
        if as_json:
            print_json(
                {
                    "service": service,
                    "tables": {
                        one.table: {"added": one.added, "removed": one.removed, "changed": one.changed}
                        for one in counted
                    },
                }
            )
            return
        if not counted:
            out.print(f"{service}: no table differs", markup=False)
            return
        shown = Table("table", "came", "went", "changed")
        for one in counted:
            shown.add_row(one.table, str(one.added), str(one.removed), str(one.changed))
        out.print(shown)
